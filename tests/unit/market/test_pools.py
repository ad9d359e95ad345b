"""The fold of messages into pools. Oracle: sections 3.3, 5.1 and 5.2 of the wire protocol."""

import pytest

from alphapulse.market.freshness import Freshness
from alphapulse.market.pools import Market
from alphapulse.protocol.header import Domain
from alphapulse.protocol.market_data import BlockGas, PoolBurn, PoolMint
from support.universe import V2_A, V2_B, V3, Chain, address_of

RESET, STALE, RESUME = 1, 2, 3
PAIR, CONCENTRATED = address_of("pair"), address_of("concentrated")
TOKEN0, TOKEN1 = sorted((address_of("a"), address_of("b")))
TICKS = [(-600, 1000, 1000), (-60, 500, 500), (120, 500, -500), (600, 1000, -1000)]
Q96 = 2**96


class Fixture:
    """A market at block 10 with one pair and one concentrated pool, both live."""

    def __init__(self):
        self.chain, self.market = Chain(), Market()
        chain = self.chain
        self.say(chain.token(TOKEN0, 18), chain.token(TOKEN1, 6))
        self.say(chain.pool(PAIR, TOKEN0, TOKEN1, venue=V2_A))
        self.say(chain.pool(CONCENTRATED, TOKEN0, TOKEN1, venue=V3, fee_pips=500, tick_spacing=60))
        self.say(chain.state_v2(PAIR, 10**6, 2 * 10**6, 10))
        self.say(*chain.state_v3(CONCENTRATED, Q96, 0, 1500, TICKS, 10))
        self.changed = self.say(chain.block(10))

    def say(self, *messages):
        return [
            key.address for m in messages for key in self.market.apply(m, m.header.timestamp_ns)
        ]

    @property
    def pair(self):
        return self.market.pool(self.chain.chain_id, PAIR)

    @property
    def v3(self):
        return self.market.pool(self.chain.chain_id, CONCENTRATED)

    def statuses(self):
        return self.pair.status, self.v3.status


@pytest.fixture
def world():
    return Fixture()


def test_a_base_is_usable_when_its_block_is_closed():
    chain, market = Chain(), Market()
    for message in (
        chain.token(TOKEN0, 18),
        chain.token(TOKEN1, 6),
        chain.pool(PAIR, TOKEN0, TOKEN1, venue=V2_A),
        chain.state_v2(PAIR, 5, 6, 10),
    ):
        market.apply(message, 0)
    pool = market.pool(chain.chain_id, PAIR)
    assert pool.status is Freshness.SYNCING
    assert market.live(chain.chain_id) == ()
    market.apply(chain.block(10), 0)
    assert pool.status is Freshness.LIVE
    assert market.live(chain.chain_id) == (pool,)


def test_a_closed_block_reports_what_became_usable(world):
    assert sorted(world.changed) == sorted((PAIR, CONCENTRATED))
    assert world.market.head(world.chain.chain_id).block == 10


def test_a_closed_block_tells_its_gas_where_that_is_known(world):
    closing = world.chain.block(11)
    world.say(type(closing)(closing.header, (*closing.tlvs, BlockGas(7, 30))))
    head = world.market.head(world.chain.chain_id)
    assert (head.block, head.gas_used, head.gas_limit) == (11, 7, 30)
    impossible = world.chain.block(12)
    world.say(type(impossible)(impossible.header, (*impossible.tlvs, BlockGas(31, 30))))
    head = world.market.head(world.chain.chain_id)
    assert (head.block, head.gas_used, head.gas_limit) == (12, 0, 0)
    assert world.market.statistics().refused == 1


def test_a_reserve_log_sets_reserves_and_a_swap_of_a_pair_does_not(world):
    assert world.say(world.chain.sync(PAIR, 7, 8, 11)) == [PAIR]
    assert (world.pair.quoter.reserve0, world.pair.quoter.reserve1) == (7, 8)
    assert world.say(world.chain.swap_v2(PAIR, 3, 4, 11)) == []
    assert (world.pair.quoter.reserve0, world.pair.quoter.reserve1) == (7, 8)


def test_a_swap_sets_price_tick_and_liquidity_of_a_concentrated_pool(world):
    price = Q96 + Q96 // 100
    assert world.say(world.chain.swap_v3(CONCENTRATED, price, 199, 1000, 11)) == [CONCENTRATED]
    quoter = world.v3.quoter
    assert (quoter.sqrt_price_x96, quoter.tick, quoter.liquidity) == (price, 199, 1000)
    assert world.v3.is_live


def test_a_swap_whose_liquidity_the_ticks_contradict_quarantines_its_pool(world):
    """Covers: E13"""
    world.say(world.chain.swap_v3(CONCENTRATED, Q96 + Q96 // 100, 199, 1001, 11))
    assert world.v3.status is Freshness.QUARANTINED
    assert world.pair.is_live


@pytest.mark.parametrize(
    ("lower", "upper", "active"), [(-60, 60, 1800), (0, 60, 1800), (60, 120, 1500), (-60, 0, 1500)]
)
def test_liquidity_changes_both_ticks_and_the_active_part_in_range(world, lower, upper, active):
    before = dict(world.v3.quoter.state().ticks)
    world.say(world.chain.liquidity(CONCENTRATED, lower, upper, 300, 11))
    after = world.v3.quoter.state().ticks
    for tick, sign in ((lower, 1), (upper, -1)):
        gross, net = before.get(tick, (0, 0))
        assert after[tick] == (gross + 300, net + sign * 300)
    assert world.v3.quoter.liquidity == active
    world.say(world.chain.liquidity(CONCENTRATED, lower, upper, -300, 11))
    assert world.v3.quoter.state().ticks == before
    assert world.v3.quoter.liquidity == 1500


def test_more_burnt_than_minted_quarantines(world):
    world.say(world.chain.liquidity(CONCENTRATED, -600, 600, -1001, 11))
    assert world.v3.status is Freshness.QUARANTINED


def test_mint_and_burn_forms_are_read_and_not_applied_beside_liquidity(world):
    venue, _, _, _, _ = world.chain.pools[CONCENTRATED]
    fields = (venue, CONCENTRATED, TOKEN0, TOKEN1, bytes(20), -60, 60, 300, 0, 0, 18, 6, 1)
    message = world.chain.liquidity(CONCENTRATED, -60, 60, 300, 11)
    both = type(message)(message.header, (message.tlvs[0], PoolMint(*fields), *message.tlvs[1:]))
    world.say(both)
    assert world.v3.quoter.liquidity == 1800
    later = world.chain.liquidity(CONCENTRATED, -60, 60, 300, 11)
    world.say(type(later)(later.header, (PoolBurn(*fields), *later.tlvs[1:])))
    assert world.v3.quoter.liquidity == 1500


def test_a_repeated_log_is_ignored(world):
    """Covers: E2"""
    log = world.chain.liquidity(CONCENTRATED, -60, 60, 300, 11)
    world.say(log)
    assert world.say(log) == []
    assert world.v3.quoter.liquidity == 1800
    assert world.market.statistics().duplicates == 1
    assert world.v3.is_live


def test_a_log_that_the_base_holds_already_is_ignored(world):
    assert world.say(world.chain.sync(PAIR, 1, 1, 10)) == []
    assert world.pair.quoter.reserve0 == 10**6
    assert world.market.statistics().covered == 1


def test_a_log_behind_later_logs_of_its_pool_quarantines(world):
    """Covers: E1"""
    world.say(world.chain.sync(PAIR, 7, 8, 11, tx_index=2, log_index=5))
    world.say(world.chain.sync(PAIR, 9, 9, 11, tx_index=1, log_index=4))
    assert world.pair.status is Freshness.QUARANTINED
    assert world.pair.quoter.reserve0 == 7
    assert world.market.statistics().late == 1


def test_a_log_after_its_block_was_closed_quarantines(world):
    """Covers: E5"""
    world.say(world.chain.sync(PAIR, 7, 8, 11), world.chain.block(11))
    world.say(world.chain.swap_v3(CONCENTRATED, Q96, 0, 1500, 11, tx_index=9, log_index=9))
    assert world.statuses() == (Freshness.LIVE, Freshness.QUARANTINED)


def test_a_removed_log_quarantines_until_a_new_base(world):
    """Covers: E3"""
    world.say(world.chain.sync(PAIR, 7, 8, 11))
    world.say(world.chain.sync(PAIR, 7, 8, 11, log_index=0, flags=1))
    assert world.pair.status is Freshness.QUARANTINED
    world.say(world.chain.state_v2(PAIR, 3, 4, 12))
    assert world.pair.status is Freshness.SYNCING
    world.say(world.chain.block(12))
    assert world.pair.is_live
    assert world.pair.quoter.reserve0 == 3


def test_another_block_at_the_same_height_without_new_bases_quarantines(world):
    world.say(world.chain.state_v2(PAIR, 3, 4, 10))
    world.say(world.chain.block(10, fork="b"))
    assert world.statuses() == (Freshness.LIVE, Freshness.QUARANTINED)


def test_a_venue_goes_stale_at_once_and_resumes(world):
    """Covers: E12"""
    assert world.say(world.chain.invalidate(STALE, venue=V2_A)) == [PAIR]
    assert world.statuses() == (Freshness.STALE, Freshness.LIVE)
    world.say(world.chain.invalidate(STALE, venue=V2_A, address=PAIR))
    world.say(world.chain.sync(PAIR, 7, 8, 11, flags=2))
    assert world.pair.status is Freshness.STALE
    world.say(world.chain.invalidate(RESUME, venue=V2_A))
    world.say(world.chain.invalidate(RESUME, venue=V2_A, address=PAIR))
    assert world.pair.is_live
    assert world.pair.quoter.reserve0 == 7


def test_a_reset_pool_needs_a_new_base(world):
    world.say(world.chain.invalidate(RESET, venue=V2_A))
    assert world.pair.quoter is None
    world.say(world.chain.invalidate(RESUME, venue=V2_A), world.chain.block(11))
    world.say(world.chain.sync(PAIR, 7, 8, 12), world.chain.block(12))
    assert world.pair.status is Freshness.SYNCING
    world.say(world.chain.state_v2(PAIR, 7, 8, 12), world.chain.block(12))
    assert world.pair.is_live


def test_a_stale_notice_for_another_venue_changes_nothing(world):
    assert world.say(world.chain.invalidate(STALE, venue=V2_B)) == []
    assert world.statuses() == (Freshness.LIVE, Freshness.LIVE)


def test_an_audit_mismatch_outlives_the_venues_resume(world):
    world.say(world.chain.invalidate(STALE, venue=V2_A, address=PAIR, reason=10))
    world.say(world.chain.invalidate(RESUME, venue=V2_A))
    assert world.pair.status is Freshness.QUARANTINED
    world.say(world.chain.invalidate(RESUME, venue=V2_A, address=PAIR))
    assert world.pair.is_live


@pytest.mark.parametrize("flag", [2, 4, 8, 16])
def test_what_plain_arithmetic_does_not_describe_is_quarantined(world, flag):
    """Covers: T1, T2, M8"""
    world.say(world.chain.token(TOKEN0, 18, flags=flag))
    assert world.statuses() == (Freshness.QUARANTINED, Freshness.QUARANTINED)


def test_a_base_replaces_state_and_ticks(world):
    world.say(*world.chain.state_v3(CONCENTRATED, Q96, 0, 9, [(-60, 9, 9), (60, 9, -9)], 12))
    world.say(world.chain.block(12))
    assert dict(world.v3.quoter.state().ticks) == {-60: (9, 9), 60: (9, -9)}
    assert world.v3.quoter.liquidity == 9


@pytest.mark.parametrize(
    ("liquidity", "ticks"),
    [
        (9, [(-60, 9, 9), (60, 9, -8)]),
        (8, [(-60, 9, 9), (60, 9, -9)]),
        (9, [(-50, 9, 9), (60, 9, -9)]),
    ],
)
def test_a_base_that_contradicts_itself_is_quarantined(world, liquidity, ticks):
    """Covers: M3"""
    world.say(*world.chain.state_v3(CONCENTRATED, Q96, 0, liquidity, ticks, 12))
    world.say(world.chain.block(12))
    assert world.v3.status is Freshness.QUARANTINED


def test_a_base_with_logs_of_its_own_block_is_folded_in_order(world):
    """An initialised pool is minted into before its block ends."""
    world.say(world.chain.invalidate(RESET, venue=V3))
    world.say(*world.chain.state_v3(CONCENTRATED, Q96, 0, 0, [], 11))
    world.say(world.chain.liquidity(CONCENTRATED, -60, 60, 5, 12), world.chain.block(12))
    assert world.v3.is_live
    assert world.v3.quoter.liquidity == 5


def test_a_width_that_the_contract_cannot_hold_quarantines(world):
    """Covers: M13"""
    world.say(world.chain.sync(PAIR, 2**112, 1, 11))
    assert world.pair.status is Freshness.QUARANTINED
    assert world.market.statistics().refused == 1


def test_an_unannounced_pool_has_no_state(world):
    world.chain.pools[address_of("stranger")] = (V2_A, TOKEN0, TOKEN1, 3000, 0)
    assert world.say(world.chain.sync(address_of("stranger"), 1, 1, 11)) == []
    assert world.market.statistics().unannounced == 1


def test_other_domains_change_nothing(world):
    log = world.chain.sync(PAIR, 7, 8, 11)
    header = type(log.header)(Domain.SIGNAL, 20, 0, 1, 1)
    assert world.market.apply(type(log)(header, log.tlvs), 0) == ()
    assert world.pair.quoter.reserve0 == 10**6


def test_what_is_only_preconfirmed_is_not_mixed_in(world):
    """Covers: F4"""
    assert world.say(world.chain.sync(PAIR, 7, 8, 11, flags=4)) == []
    assert world.pair.quoter.reserve0 == 10**6


def test_a_new_fee_waits_for_a_new_base(world):
    world.say(world.chain.pool(PAIR, TOKEN0, TOKEN1, venue=V2_A, fee_pips=2500, event_ns=2))
    assert world.pair.status is Freshness.SYNCING
    world.say(world.chain.state_v2(PAIR, 7, 8, 11), world.chain.block(11))
    assert world.pair.quoter.fee_pips == 2500


def test_a_view_is_a_snapshot(world):
    before = world.market.view()
    world.say(world.chain.invalidate(STALE, venue=V2_A))
    assert {row.key.address: row.status for row in before} == {
        PAIR: Freshness.LIVE,
        CONCENTRATED: Freshness.LIVE,
    }


def test_the_trace_is_that_of_the_last_log_that_moved_the_pool(world):
    assert world.pair.trace_id == 0
    log = world.chain.sync(PAIR, 7, 8, 11)
    world.say(log)
    moved = world.pair.trace_id
    world.say(world.chain.swap_v2(PAIR, 3, 4, 11))
    assert moved == world.pair.trace_id == log.tlvs[-1].trace_id
