"""The strategy's answers to blocks, results and stops. Oracle: section 5.3 of the wire protocol, and arithmetic by hand."""

from random import Random

import pytest
from msgspec.structs import replace

from alphapulse.errors import Misconfigured
from alphapulse.execution.gas import GasModel, base_fee_bound
from alphapulse.protocol.codec import decode, encode
from alphapulse.protocol.header import Domain, Header
from alphapulse.protocol.market_data import InstrumentMeta
from alphapulse.protocol.message import Message
from alphapulse.protocol.signals import ArbitrageSignal, StateReference, SwapPath
from alphapulse.protocol.system import TraceContext
from alphapulse.strategies.flash_arbitrage.config import FlashArbitrageConfig
from alphapulse.strategies.flash_arbitrage.strategy import FlashArbitrage
from support.flash import config_for, drafts_of, feed, plans_of, result, stop
from support.random_universe import add_pool, make
from support.universe import V2_A, V2_B, Chain, address_of

GWEI = 10**9


def two_pairs(skew=1.05, depth=1e6, random=None):
    """A universe of native and dollar with two pairs whose prices differ."""
    universe = make(random or Random(0), tokens=2, pools=0)
    token0, token1 = sorted(universe.tokens)
    for name, venue, factor in (("one", V2_A, 1.0), ("two", V2_B, skew)):
        add_pool(
            universe,
            name,
            token0,
            token1,
            venue=venue,
            usd_depth=depth,
            skew=factor,
            random=Random(0),
        )
    return universe


def opened(universe=None, base_fee=GWEI, **settings):
    universe = universe or two_pairs()
    strategy = FlashArbitrage(config_for(universe, **settings))
    said = feed(strategy, *universe.setup, universe.chain.block(1, base_fee=base_fee))
    return universe, strategy, said


def outcomes(strategy):
    funnel = strategy.statistics().funnel
    assert sum(funnel.outcomes.values()) == funnel.candidates
    return {name: count for name, count in funnel.outcomes.items() if count}


def nudge(universe, block, base_fee=GWEI):
    """A log that leaves the first pair as it is, and the block that holds it."""
    chain, pool = universe.chain, universe.pools[0]
    state = next(m for m in universe.setup if m.tlvs[0].__class__.__name__ == "PoolState").tlvs[0]
    return chain.sync(pool, state.reserve0, state.reserve1, block), chain.block(
        block, base_fee=base_fee
    )


def test_nothing_is_said_before_the_block_closes():
    universe = two_pairs()
    strategy = FlashArbitrage(config_for(universe))
    assert feed(strategy, *universe.setup) == []
    assert len(plans_of(feed(strategy, universe.chain.block(1)))) == 1


def test_a_signal_goes_out_before_its_plan_and_survives_the_wire():
    _universe, strategy, said = opened()
    draft, plan = said
    assert (draft.domain, draft.source) == (Domain.SIGNAL, 20)
    assert [type(tlv) for tlv in draft.tlvs] == [
        ArbitrageSignal,
        SwapPath,
        StateReference,
        TraceContext,
    ]
    message = Message(Header(draft.domain, draft.source, 0x10, 1, 1), draft.tlvs)
    assert decode(encode(message)) == message
    signal, path, reference, trace = draft.tlvs
    assert signal.signal_id == path.signal_id == plan.signal_id != 0
    assert signal.net_profit == signal.gross_profit - signal.flash_fee - signal.gas_cost
    assert 0 < signal.gas_cost <= signal.min_profit == plan.min_profit
    assert plan.predicted_profit == signal.gross_profit - signal.flash_fee
    assert signal.min_profit <= plan.predicted_profit
    assert (reference.observed_block, reference.valid_through_block) == (1, 3)
    assert (plan.trace_id, plan.span_id) == (trace.trace_id, trace.span_id)
    assert signal.confidence == 50
    assert signal.mid_token == path.hop[0].token_out
    assert outcomes(strategy) == {"signalled": 1}


def test_gas_is_paid_at_the_most_the_next_block_can_ask():
    """Covers: G1, G2"""
    universe, _, said = opened(base_fee=20 * GWEI, tip_per_gas_wei=3 * GWEI, borrowable=1)
    plan = plans_of(said)[0]
    price = base_fee_bound(20 * GWEI, 1) + 3 * GWEI
    assert plan.profit_token == universe.tokens[0]
    gas = plan.gas_cost // price
    assert plan.gas_cost == gas * price
    model = GasModel()
    assert gas >= model.estimate([0, 0], 0, plan.calldata)
    assert gas <= model.estimate([0, 0], 0, plan.calldata) + 16 * 32
    assert plan.gas_limit >= gas
    assert plan.max_priority_fee_per_gas == 3 * GWEI
    assert plan.max_fee_per_gas * gas <= plan.predicted_profit


def test_gas_in_a_dollar_is_never_less_than_its_price_in_native():
    universe, _, said = opened()
    native = config_for(universe, borrowable=1)
    dollar = FlashArbitrageConfig(
        **{
            name: getattr(native, name) for name in native.__struct_fields__ if name != "borrowable"
        },
        borrowable=config_for(universe).borrowable[1:],
    )
    plan = plans_of(feed(FlashArbitrage(dollar), *universe.setup, universe.chain.block(1)))[0]
    assert plan.profit_token == universe.tokens[1]
    assert plan.profit_token_usd_e8 == 10**8
    assert plan.gas_cost * 10**20 >= plans_of(said)[0].gas_cost * 1900 * 10**8
    signal = drafts_of(feed(FlashArbitrage(dollar), *universe.setup, universe.chain.block(1)))[
        0
    ].tlvs[0]
    assert signal.net_profit_usd == signal.net_profit * 100


def test_what_gas_ate_is_looked_at_again_when_gas_falls():
    universe, strategy, said = opened(base_fee=10**14)
    assert said == []
    assert outcomes(strategy) == {"below_gas": 1}
    assert feed(strategy, universe.chain.block(2, base_fee=10**14 - 1)) == []
    assert outcomes(strategy) == {"below_gas": 1}
    assert len(plans_of(feed(strategy, universe.chain.block(3, base_fee=GWEI)))) == 1


def test_a_profit_under_the_floor_is_rejected():
    _, strategy, said = opened(min_net_profit=10**24)
    assert said == []
    assert outcomes(strategy) == {"below_min_profit": 1}


def test_the_floor_is_handed_to_the_contract():
    _, _, said = opened(min_net_profit=10**15, borrowable=1)
    plan = plans_of(said)[0]
    assert plan.min_profit == plan.gas_cost + 10**15


def test_no_more_than_the_limit_is_borrowed():
    universe = two_pairs()
    free = opened(universe, borrowable=1)[2]
    config = config_for(universe, borrowable=1)
    token = type(config.borrowable[0])(universe.tokens[0], plans_of(free)[0].amount_in // 2)
    fields = {name: getattr(config, name) for name in config.__struct_fields__} | {
        "borrowable": (token,)
    }
    strategy = FlashArbitrage(FlashArbitrageConfig(**fields))
    plan = plans_of(feed(strategy, *universe.setup, universe.chain.block(1)))[0]
    assert 0 <= token.max_loan - plan.amount_in < 10**9  # less than what one unit of a dollar buys
    fields["borrowable"] = (type(token)(token.address, 10**15),)
    strategy = FlashArbitrage(FlashArbitrageConfig(**fields))
    assert plans_of(feed(strategy, *universe.setup, universe.chain.block(1))) == []
    assert set(outcomes(strategy)) <= {"loan_limit", "below_gas"}


def test_pools_of_a_plan_are_busy_until_its_result():
    universe, strategy, said = opened()
    assert feed(strategy, *nudge(universe, 2)) == []
    assert outcomes(strategy) == {"signalled": 1, "pool_busy": 1}
    feed(strategy, result(universe.chain, plans_of(said)[0]))
    assert len(plans_of(feed(strategy, universe.chain.block(3)))) == 1


def test_pools_of_a_plan_without_a_result_are_free_after_it_expired():
    universe, strategy, _ = opened(valid_blocks=2, busy_margin_blocks=1)
    for block in (2, 3, 4):
        assert plans_of(feed(strategy, *nudge(universe, block))) == []
    assert len(plans_of(feed(strategy, universe.chain.block(5)))) == 1
    assert strategy.statistics().in_flight == 1


@pytest.mark.parametrize("status", [2, 3, 6, 7])
def test_a_path_that_failed_rests(status):
    universe, strategy, said = opened(suppress_blocks=3)
    feed(strategy, result(universe.chain, plans_of(said)[0], status=status))
    for block in (2, 3, 4):
        assert feed(strategy, *nudge(universe, block)) == []
    assert outcomes(strategy)["suppressed"] >= 3
    again = feed(strategy, universe.chain.block(5))
    assert len(plans_of(again)) == 1
    assert drafts_of(again)[0].tlvs[0].confidence == 40


def test_a_rest_that_ends_between_two_blocks_is_noticed():
    universe, strategy, said = opened(suppress_blocks=3)
    feed(strategy, result(universe.chain, plans_of(said)[0], status=2))
    assert feed(strategy, universe.chain.block(2)) == []
    assert len(plans_of(feed(strategy, universe.chain.block(9)))) == 1


def test_a_success_between_failures_starts_the_count_anew():
    universe, strategy, said = opened(suppress_after_failures=2)
    block = 2
    for status in (2, 1, 2):
        feed(strategy, result(universe.chain, plans_of(said)[0], status=status))
        said = feed(strategy, universe.chain.block(block))
        assert len(plans_of(said)) == 1
        block += 1
    feed(strategy, result(universe.chain, plans_of(said)[0], status=2))
    assert feed(strategy, universe.chain.block(block)) == []


def test_a_simulated_result_frees_the_pools_and_judges_nothing():
    universe, strategy, said = opened()
    feed(strategy, result(universe.chain, plans_of(said)[0], status=4, flags=3))
    again = feed(strategy, universe.chain.block(2))
    assert drafts_of(again)[0].tlvs[0].confidence == 50


@pytest.mark.parametrize(("status", "reason"), [(2, 5), (2, 0), (4, 1), (4, 5)])
def test_a_path_that_failed_in_simulation_rests_and_confidence_stays(status, reason):
    """A revert before anything was sent says as much of the path as one on chain, and nothing of the record on chain."""
    universe, strategy, said = opened(suppress_blocks=3)
    simulated = result(universe.chain, plans_of(said)[0], status=status, flags=3, reason=reason)
    feed(strategy, simulated)
    for block in (2, 3, 4):
        assert feed(strategy, *nudge(universe, block)) == []
    assert outcomes(strategy)["suppressed"] >= 3
    again = feed(strategy, universe.chain.block(5))
    assert len(plans_of(again)) == 1
    assert drafts_of(again)[0].tlvs[0].confidence == 50


def test_simulated_failures_and_real_ones_add_up():
    universe, strategy, said = opened(suppress_after_failures=2, suppress_blocks=3)
    feed(strategy, result(universe.chain, plans_of(said)[0], status=4, flags=3, reason=1))
    said = feed(strategy, universe.chain.block(2))
    feed(strategy, result(universe.chain, plans_of(said)[0], status=2, reason=1))
    assert feed(strategy, universe.chain.block(3)) == []


def test_a_result_of_another_strategy_frees_nothing():
    universe, strategy, said = opened()
    other = result(universe.chain, plans_of(said)[0])
    tlv = type(other.tlvs[0])(
        *[
            2 if name == "strategy_id" else getattr(other.tlvs[0], name)
            for name in other.tlvs[0].__struct_fields__
        ]
    )
    feed(strategy, Message(other.header, (tlv,)))
    assert strategy.statistics().in_flight == 1


@pytest.mark.parametrize("action", [1, 3])
def test_a_stop_silences_and_a_resume_looks_again(action):
    """Covers: O2"""
    universe = two_pairs()
    strategy = FlashArbitrage(config_for(universe))
    feed(strategy, stop(universe.chain, action))
    assert feed(strategy, *universe.messages()) == []
    assert outcomes(strategy) == {"stopped": 1}
    assert strategy.statistics().is_stopped
    feed(strategy, stop(universe.chain, 2, strategies=1))
    assert len(plans_of(feed(strategy, universe.chain.block(2)))) == 1


@pytest.mark.parametrize(("strategies", "source"), [(2, 41), (65535, 60), (1, 20)])
def test_a_stop_for_others_or_from_others_is_ignored(strategies, source):
    universe = two_pairs()
    strategy = FlashArbitrage(config_for(universe))
    feed(strategy, stop(universe.chain, 1, strategies=strategies, source=source))
    assert len(plans_of(feed(strategy, *universe.messages()))) == 1


@pytest.mark.parametrize(("action", "label"), [(1, None), (2, "pool_stale")])
def test_nothing_is_planned_on_state_that_is_not_live(action, label):
    """Covers: E12"""
    universe = two_pairs()
    strategy = FlashArbitrage(config_for(universe))
    feed(strategy, *universe.setup)
    said = feed(strategy, universe.chain.invalidate(action, venue=V2_A), universe.chain.block(1))
    assert said == []
    assert outcomes(strategy) == ({label: 1} if label else {})


def test_resumed_state_is_looked_at_again():
    universe = two_pairs()
    strategy = FlashArbitrage(config_for(universe))
    feed(strategy, *universe.setup)
    feed(strategy, universe.chain.invalidate(2, venue=V2_A), universe.chain.block(1))
    feed(strategy, universe.chain.invalidate(3, venue=V2_A))
    assert len(plans_of(feed(strategy, universe.chain.block(2)))) == 1


def test_without_a_price_of_the_native_token_there_is_no_plan():
    universe = make(Random(0), tokens=3, pools=0)
    token0, token1 = sorted(universe.tokens[1:])
    for name, venue, skew in (("one", V2_A, 1.0), ("two", V2_B, 1.1)):
        add_pool(
            universe, name, token0, token1, venue=venue, usd_depth=1e6, skew=skew, random=Random(0)
        )
    _, strategy, said = opened(universe)
    assert said == []
    assert outcomes(strategy) == {"no_price": 1}


def test_the_signal_id_follows_from_block_and_path():
    universe = two_pairs()
    one, two = (plans_of(opened(universe)[2])[0] for _ in range(2))
    assert one.signal_id == two.signal_id
    later = FlashArbitrage(config_for(universe))
    plan = plans_of(feed(later, *universe.setup, universe.chain.block(1), universe.chain.block(2)))[
        0
    ]
    assert plan == one
    other = FlashArbitrage(config_for(universe))
    said = feed(other, *universe.setup, universe.chain.block(2))
    assert plans_of(said)[0].signal_id != one.signal_id


def test_the_trace_is_that_of_the_last_log_on_the_path():
    universe = two_pairs(skew=1.0)
    strategy = FlashArbitrage(config_for(universe))
    feed(strategy, *universe.messages())
    state = universe.setup[-1].tlvs[0]
    moved = universe.chain.sync(universe.pools[1], state.reserve0, state.reserve1 * 11 // 10, 2)
    plan = plans_of(feed(strategy, moved, universe.chain.block(2)))[0]
    assert plan.trace_id == moved.first(TraceContext).trace_id


def test_an_id_collision_is_told_and_the_newcomer_not_traded():
    """Covers: T6"""
    universe, strategy, _ = opened()
    twin = universe.tokens[0][:8] + address_of("twin")[8:]
    said = feed(strategy, universe.chain.token(twin, 18))
    assert [(draft.domain, type(draft.tlvs[0]).__name__) for draft in said] == [
        (Domain.SYSTEM, "Error"),
        (Domain.EXECUTION, "RiskAlert"),
    ]
    for draft in said:
        message = Message(Header(draft.domain, draft.source, 0, 1, 1), draft.tlvs)
        assert decode(encode(message)) == message


def test_a_backfilled_block_is_not_acted_on_but_the_next_one_is():
    universe = two_pairs()
    strategy = FlashArbitrage(config_for(universe))
    assert feed(strategy, *universe.setup, universe.chain.block(1, flags=2)) == []
    assert strategy.statistics().funnel.blocks == 0
    plan = plans_of(feed(strategy, universe.chain.block(2)))[0]
    assert plan.observed_block == 2


def test_another_chain_is_not_ours():
    _universe, strategy, _ = opened()
    assert feed(strategy, Chain(1).block(9)) == []
    assert strategy.statistics().funnel.blocks == 1


@pytest.mark.parametrize(
    "wrong",
    [{"max_hops": 5}, {"premium_bps": -1}, {"valid_blocks": 0}, {"borrowable": ()}, {"source": 6}],
)
def test_settings_out_of_range_are_refused(wrong):
    config = config_for(two_pairs())
    fields = {name: getattr(config, name) for name in config.__struct_fields__} | wrong
    with pytest.raises(Misconfigured):
        FlashArbitrageConfig(**fields)


def test_an_asset_class_that_is_not_ours_is_told():
    _universe, strategy, _ = opened()
    chain = Chain()
    told = chain.token(address_of("told"), 18).first(InstrumentMeta)
    said = feed(strategy, chain.message(replace(told, asset_class=7)))
    assert [(draft.domain, type(draft.tlvs[0]).__name__) for draft in said] == [
        (Domain.EXECUTION, "RiskAlert")
    ]
    assert "class 7" in said[0].tlvs[0].text
    assert feed(strategy, chain.message(replace(told, asset_class=7))) == []
