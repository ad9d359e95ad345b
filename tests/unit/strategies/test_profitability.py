"""Every cost is in the net profit once, and what the strategy reckons with before sizing is never more than it costs."""

from dataclasses import replace
from random import Random

import pytest

from alphapulse.amm.kernel import V3Pool
from alphapulse.amm.uniswap_v3.pool import limit_of, swap
from alphapulse.amm.uniswap_v3.tick_math import sqrt_ratio_at_tick
from alphapulse.errors import Misconfigured, Rejected
from alphapulse.execution.gas import FeeRule, GasModel, base_fee_bound
from alphapulse.execution.l1_fee import ArbitrumFee, L1Prices, OpStackFee, OpStackFork, stand_in
from alphapulse.execution.tip import FixedTip, ShareTip
from alphapulse.market.pools import Market
from alphapulse.strategies.flash_arbitrage.confidence import rank_key
from alphapulse.strategies.flash_arbitrage.in_flight import InFlight
from alphapulse.strategies.flash_arbitrage.outcome import Outcome
from alphapulse.strategies.flash_arbitrage.profitability import Assessment, Assessor, words_passed
from alphapulse.strategies.flash_arbitrage.search import CycleSearch
from support.cycles import every_walk, sized
from support.flash import config_for
from support.random_universe import make

GWEI = 10**9
OP = OpStackFee(
    OpStackFork.ISTHMUS,
    base_fee_scalar=5_227,
    blob_base_fee_scalar=1_014_213,
    operator_fee_scalar=3_000_000_000,
    operator_fee_constant=77,
)


class Desk:
    """One state of a market, and everything that can be assessed on it."""

    def __init__(self, seed: int = 5, **settings: object) -> None:
        universe = make(Random(seed), pools=10, noise=0.05)
        self.config = config_for(universe, borrowable=4, **settings)
        market = Market()
        for message in universe.messages():
            market.apply(message, 0)
        self.search = CycleSearch(self.config, market, InFlight.of(self.config))
        self.prices = self.search.prices
        self.head = market.head(self.config.chain_id)
        roster = self.search.roster
        walks = every_walk(roster, [token.address for token in self.config.borrowable])
        limits = {token.address: token.max_loan for token in self.config.borrowable}
        self.sized = [
            (edges, sizing)
            for edges in walks
            if (sizing := sized(roster, edges, limits[roster.token_in[edges[0]]], 5))
        ]

    def assess(self, **prices: int) -> list[tuple[object, Assessment | Outcome]]:
        """Return (edges, answer) of every walk that earns anything, at a head with these layer-1 prices."""
        head = replace(self.head, **prices)
        assessor = Assessor(self.config, self.search.roster, self.prices, head)
        return [(edges, assessor.assess(edges, sizing)) for edges, sizing in self.sized]

    def worthwhile(self, **prices: int) -> list[Assessment]:
        return [one for _, one in self.assess(**prices) if isinstance(one, Assessment)]

    def native(self, assessment: Assessment):
        return self.prices.native_per(assessment.profit_token)


def by_walk(assessments):
    return {one.edges: one for one in assessments}


def test_every_cost_is_subtracted_once():
    """Covers: G1."""
    desk = Desk(
        tip_policy=ShareTip(2_000, 5_000, 1),
        l1_fee_model=OP,
        builder_share_bps=1_000,
        fee_rule=FeeRule(6, 250),
    )
    found = desk.worthwhile(l1_base_fee=20 * GWEI, l1_blob_fee=GWEI)
    assert found
    for one in found:
        native = desk.native(one)
        repaid = one.gross_profit - one.flash_fee
        assert one.net_profit == repaid - one.gas_cost > 0
        base_fee = base_fee_bound(desk.head.base_fee_per_gas, 1, FeeRule(6, 250))
        gas = one.gas * (base_fee + one.tip_per_gas)
        # what the profit pays per gas is what it is worth less all that is paid beside gas, rounded down
        beside = native.floor(repaid) - one.affordable_per_gas * one.gas
        assert beside > one.gas * 3_000 + 77  # the operator alone
        assert native.inverse_ceil(gas + beside - one.gas) <= one.gas_cost
        assert one.gas_cost <= native.inverse_ceil(gas + beside) + 3  # each cost is rounded up
        assert 5 * one.tip_per_gas * one.gas <= native.floor(repaid) - one.gas * base_fee


@pytest.mark.parametrize(
    ("settings", "prices"),
    [
        ({"l1_fee_model": OP}, {"l1_base_fee": 20 * GWEI, "l1_blob_fee": GWEI}),
        ({"l1_fee_model": ArbitrumFee()}, {"l1_base_fee": GWEI}),
        ({"builder_share_bps": 3_000}, {}),
        ({"tip_policy": FixedTip(30 * GWEI)}, {}),
        ({"token_gas": "every"}, {}),
    ],
    ids=["op_stack", "arbitrum", "builder", "tip", "token"],
)
def test_a_cost_lowers_the_net_profit_and_nothing_else(settings, prices):
    if "token_gas" in settings:
        tokens = sorted(set(Desk().search.roster.token_out))
        settings = {"token_gas": tuple((token, 5_000) for token in tokens)}
    plain, dear = by_walk(Desk().worthwhile()), by_walk(Desk(**settings).worthwhile(**prices))
    both = plain.keys() & dear.keys()
    assert both
    for walk in both:
        one, other = plain[walk], dear[walk]
        assert (one.amounts, one.flash_fee) == (other.amounts, other.flash_fee)
        assert other.net_profit < one.net_profit
        assert other.gas_cost - one.gas_cost == one.net_profit - other.net_profit
        assert other.min_profit >= other.gas_cost


def test_the_data_fee_is_that_of_the_transaction_to_come():
    """The only difference between the two is the fee of the unsigned bytes, whose bound is not known yet."""
    prices = {"l1_base_fee": 2_000 * GWEI, "l1_blob_fee": GWEI}
    chain = OpStackFee(OpStackFork.FJORD, base_fee_scalar=5_227, blob_base_fee_scalar=1_014_213)
    desk = Desk(l1_fee_model=chain)
    plain = by_walk(Desk().worthwhile())
    for one in desk.worthwhile(**prices):
        paid = desk.native(one).ceil(one.gas_cost - plain[one.edges].gas_cost)
        sizes = [
            chain.cost(
                stand_in(1, desk.config.contract, data, 600_000),
                L1Prices(*prices.values()),
                gas_used=one.gas,
                base_fee=1,
            ).data_fee
            for data in (bytes(32 * (9 + 2 * len(one.edges))), Random(1).randbytes(700))
        ]
        assert sizes[0] < paid < sizes[1]


def test_a_layer_1_price_that_nobody_told_is_not_free():
    answers = [answer for _, answer in Desk(l1_fee_model=OP).assess()]
    assert Outcome.NO_PRICE in answers
    assert not any(isinstance(answer, Assessment) for answer in answers)


@pytest.mark.parametrize("seed", range(4))
def test_words_passed_are_those_of_the_swap_loop(seed):
    """Oracle: the step loop. Whole words only: the first is entered anywhere and the last left anywhere."""
    print(f"seed {seed}")
    draw = Random(seed)
    far = 0
    for _ in range(150):
        spacing = draw.choice((10, 60))
        ticks: dict[int, tuple[int, int]] = {
            -880_200: (10**12, 10**12),
            880_200: (10**12, -(10**12)),
        }
        for _ in range(draw.randrange(4)):
            low = draw.randrange(-3_000, 2_000) * spacing
            high = low + draw.randrange(1, 1_000) * spacing
            more = draw.randrange(1, 10**18)
            for tick, net in ((low, more), (high, -more)):
                gross, old = ticks.get(tick, (0, 0))
                ticks[tick] = (gross + more, old + net)
        start = draw.randrange(-20_000, 20_000)
        liquidity = sum(net for tick, (_, net) in ticks.items() if tick <= start)
        pool = V3Pool(sqrt_ratio_at_tick(start), start, liquidity, 3_000, spacing, ticks)
        zero_for_one = draw.random() < 0.5
        amount = draw.randrange(1, 10 ** draw.randrange(8, 21))
        try:
            pool.amount_out(amount, zero_for_one)
        except Rejected:
            continue
        after = swap(pool.state(), zero_for_one, amount, limit_of(zero_for_one=zero_for_one)).tick
        truth = abs((after // spacing >> 8) - (start // spacing >> 8))
        words = words_passed(pool, amount, zero_for_one, spacing)
        assert truth - 2 <= words <= truth + 1
        far += truth > 3
    assert far >= 10


def test_gas_for_layer_1_is_in_the_gas_and_in_its_limit():
    plain = by_walk(Desk().worthwhile())
    for one in Desk(l1_fee_model=ArbitrumFee()).worthwhile(l1_base_fee=GWEI):
        other = plain[one.edges]
        more = one.gas - other.gas
        assert more > 1_000
        assert one.gas_limit - other.gas_limit >= more


def test_a_share_of_the_profit_is_the_tip():
    """Covers: G6."""
    policy = ShareTip(share_bps=9_000, max_share_bps=9_000, floor_per_gas_wei=GWEI)
    desk = Desk(tip_policy=policy)
    found = desk.worthwhile()
    assert len({one.tip_per_gas for one in found}) > 1
    for one in found:
        native = desk.native(one)
        base_fee = base_fee_bound(desk.head.base_fee_per_gas, 1)
        before = native.floor(one.gross_profit - one.flash_fee) - one.gas * base_fee
        assert one.tip_per_gas == before * 9_000 // 10_000 // one.gas >= GWEI
        assert one.affordable_per_gas >= base_fee + one.tip_per_gas


def test_a_floor_above_the_share_is_below_gas():
    policy = ShareTip(share_bps=0, max_share_bps=1, floor_per_gas_wei=10**6 * GWEI)
    answers = [answer for _, answer in Desk(tip_policy=policy).assess()]
    assert answers
    assert not any(isinstance(answer, Assessment) for answer in answers)
    assert Outcome.BELOW_GAS in answers


@pytest.mark.parametrize("seed", range(4))
def test_what_is_reckoned_before_sizing_is_never_too_much(seed):
    print(f"seed {seed}")
    desk = Desk(seed, tip_policy=ShareTip(1_000, 9_000, GWEI), l1_fee_model=OP)
    seen = 0
    price = Assessor(desk.config, desk.search.roster, desk.prices, desk.head).price_per_gas
    expected = desk.search.expected()
    for edges, one in desk.assess(l1_base_fee=GWEI):
        if not isinstance(one, Assessment):
            continue
        seen += 1
        gas, percent = expected[desk.search.roster.kinds(edges)]
        assert desk.native(one).ceil(one.gas_cost) >= gas * price
        assert one.forecast.confidence <= percent
        assert one.rank == rank_key(one.net_native, one.forecast.confidence)
    assert seen


def test_the_gas_of_a_walk_counts_its_own_ticks():
    desk = Desk()
    for one in desk.worthwhile():
        pools = desk.search.roster.pools
        ticks = sum(
            pools[edge >> 1].quoter.ticks_crossed(amount, not edge & 1)
            for edge, amount in zip(one.edges, one.amounts, strict=False)
        )
        kinds = [pools[edge >> 1].kind.value for edge in one.edges]
        floor = GasModel().estimate(kinds, 0, b"\0" * 400)
        assert one.gas >= floor + ticks * 20_000


@pytest.mark.parametrize(
    "wrong",
    [
        {"builder_share_bps": 10_001},
        {"builder_share_bps": 2_000, "tip_policy": ShareTip(1, 9_000)},
        {"token_gas": ((b"t" * 20, -1),)},
    ],
    ids=["share", "both", "token"],
)
def test_bids_and_quirks_are_checked(wrong):
    """Covers: G6."""
    with pytest.raises(Misconfigured):
        Desk(**wrong)


def test_the_fixed_tip_is_the_default():
    config = Desk(tip_per_gas_wei=7).config
    assert config.tips == FixedTip(7)
    assert config.l1_fee_model is None
    assert config.builder_share_bps == 0
