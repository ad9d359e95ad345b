"""Pools of several tokens, other curves and V4: their messages, their pairs, their refusals.

Oracle: sections 4, 5.1 and 5.2 of the wire protocol, and the amm families themselves. Covers: T1, T2, M8, M9, M11.
"""

import pytest

from alphapulse.amm.amplification import Ramp
from alphapulse.amm.balancer_math.fixed_point import PowVersion
from alphapulse.amm.balancer_math.stable_math import InvariantVersion
from alphapulse.amm.kernel import (
    BalancerStablePool,
    CurvePool,
    SolidlyStablePool,
    SolidlyVolatilePool,
    V4Pool,
    WeightedPool,
)
from alphapulse.amm.uniswap_v3.tick_math import sqrt_ratio_at_tick
from alphapulse.amm.uniswap_v4 import HookFlag, Refusal
from alphapulse.market.freshness import Freshness
from alphapulse.market.pool import PoolKey
from alphapulse.market.pools import Market
from alphapulse.market.roster import Roster
from alphapulse.primitives.instrument_id import InstrumentId
from alphapulse.primitives.venue import Venue
from alphapulse.protocol.market_data import (
    InstrumentFlag,
    InstrumentKind,
    InstrumentMeta,
    Leg,
    PoolLiquidity,
    PoolParams,
    PoolState,
    PoolTick,
    PoolToken,
    PoolType,
    StateInvalidation,
)
from support.cycles import every_walk, graph_over, sized
from support.universe import V2_A, Chain, address_of

TOKENS = [address_of(f"token{number}") for number in range(3)]
LOW, HIGH = sorted(TOKENS[:2])
DECIMALS = (18, 6, 6)
POOL = address_of("curved")
POOL_ID = POOL + b"\x00\x01" + bytes(10)
ONE = 10**18
RESERVES = (10**24, 10**12, 2 * 10**12)


class World:
    """A market that has heard of one pool."""

    def __init__(
        self, kind: PoolType, *, tokens=TOKENS, decimals=DECIMALS, venue=Venue.CURVE, **meta
    ):
        self.chain, self.market = Chain(), Market()
        self.kind, self.venue, self.tokens, self.decimals = kind, venue, tokens, decimals
        for token, decimal in zip(tokens, decimals, strict=True):
            self.say(self.chain.token(token, decimal))
        self.say(self.announcement(**meta))

    def announcement(
        self, *, key=POOL, flags=0, hooks=bytes(20), fee_pips=0, tick_spacing=0, event_ns=1
    ):
        legs = tuple(
            Leg(InstrumentId.token(200, token), token, decimal)
            for token, decimal in zip(self.tokens, self.decimals, strict=True)
        )
        return self.chain.message(
            InstrumentMeta(
                instrument=InstrumentId.pool(self.venue, key),
                chain_id=self.chain.chain_id,
                kind=InstrumentKind.POOL,
                pool_type=self.kind,
                decimals=0,
                key=key,
                fee_pips=fee_pips,
                tick_spacing=tick_spacing,
                flags=flags,
                hooks=hooks,
                price_step=0,
                size_step=0,
                asset_class=0,
                event_ns=event_ns,
                leg=legs,
                symbol="",
            )
        )

    def say(self, *messages):
        return [key for m in messages for key in self.market.apply(m, m.header.timestamp_ns)]

    def params(self, block=10, *, tokens=None, **changes):
        rows = tuple(
            PoolToken(token, ONE, weight, decimal)
            for token, weight, decimal in zip(
                tokens or self.tokens,
                (5 * 10**17, 3 * 10**17, 2 * 10**17),
                self.decimals,
                strict=True,
            )
        )
        settings = {
            "venue": self.venue,
            "pool": POOL,
            "pool_type": self.kind,
            "amplification": 200_000,
            "fee_e10": 4 * 10**6,
            "block": block,
            "event_ns": 1,
            "token": rows,
            **changes,
        }
        return self.chain.message(PoolParams(**settings), self.chain.at_block(block))

    def liquidity(self, block=10, reserves=RESERVES):
        return self.chain.message(
            PoolLiquidity(self.venue, POOL, tuple(reserves), 1), self.chain.at_block(block)
        )

    def opened(self):
        self.say(self.params(), self.liquidity(), self.chain.block(10))
        return self

    @property
    def pool(self):
        return self.market.pool(self.chain.chain_id, POOL)

    def part(self, number):
        return self.market.pools[PoolKey(self.chain.chain_id, POOL, number)]


CURVES = {
    PoolType.STABLE_SWAP: CurvePool(
        RESERVES,
        (10**18, 10**30, 10**30),
        Ramp(2000, 2000),
        timestamp=0,
        fee=4 * 10**6,
        admin_fee=0,
        a_precision=1,
    ),
    PoolType.WEIGHTED: WeightedPool(
        RESERVES,
        (5 * 10**17, 3 * 10**17, 2 * 10**17),
        DECIMALS,
        4 * 10**14,
        pow_version=PowVersion.FIRST,
    ),
    PoolType.COMPOSABLE_STABLE: BalancerStablePool(
        RESERVES,
        (10**18, 10**30, 10**30),
        Ramp(2_000_000, 2_000_000),
        timestamp=0,
        fee=4 * 10**14,
        invariant_version=InvariantVersion.ROUNDED_DOWN,
    ),
}


@pytest.mark.parametrize("kind", CURVES)
def test_every_pair_answers_as_its_curve(kind):
    world = World(kind).opened()
    for part, (i, j) in enumerate(((0, 1), (0, 2), (1, 2))):
        pool = world.part(part)
        assert pool.is_live
        assert (pool.token0, pool.token1) == (TOKENS[i], TOKENS[j])
        amount = 7 * 10 ** (DECIMALS[i] + 2)
        assert pool.quoter.amount_out(amount, True) == CURVES[kind].amount_out(amount, i, j)
        amount = 7 * 10 ** (DECIMALS[j] + 2)
        assert pool.quoter.amount_out(amount, False) == CURVES[kind].amount_out(amount, j, i)
        assert pool.fee_pips == 400


def test_a_state_is_used_when_its_block_is_closed_and_complete():
    world = World(PoolType.STABLE_SWAP)
    world.say(world.params(), world.chain.block(10))
    assert world.pool.status is Freshness.SYNCING
    world.say(world.liquidity(11))
    assert world.pool.status is Freshness.SYNCING
    changed = world.say(world.chain.block(11))
    assert world.pool.status is Freshness.LIVE
    assert changed == [PoolKey(world.chain.chain_id, POOL, part) for part in range(3)]


def test_fresh_reserves_replace_the_old_at_the_end_of_their_block():
    world = World(PoolType.STABLE_SWAP).opened()
    before = world.part(2).quoter.amount_out(10**9, True)
    world.say(world.liquidity(11, (10**24, 10**12, 10**12)))
    assert not world.part(2).is_live
    world.say(world.chain.block(11))
    assert world.part(2).is_live
    assert world.part(2).quoter.amount_out(10**9, True) < before


def test_a_log_outdates_the_reserves_until_they_are_said_again():
    world = World(PoolType.STABLE_SWAP).opened()
    world.chain.pools[POOL] = (world.venue, TOKENS[0], TOKENS[1], 400, 0)
    assert len(world.say(world.chain.swap_v2(POOL, 3, 4, 11))) == 3
    assert not any(world.part(part).is_live for part in range(3))
    world.say(world.chain.block(11))
    assert world.pool.status is Freshness.SYNCING
    world.say(world.liquidity(12), world.chain.block(12))
    assert all(world.part(part).is_live for part in range(3))


def test_a_notice_reaches_every_pair():
    world = World(PoolType.WEIGHTED).opened()
    instrument = InstrumentId.pool(world.venue, POOL)
    for action, expected in ((2, Freshness.STALE), (3, Freshness.LIVE), (1, Freshness.SYNCING)):
        revisions = [world.part(part).revision for part in range(3)]
        world.say(world.chain.message(StateInvalidation(instrument, action, 0)))
        assert {world.part(part).status for part in range(3)} == {expected}
        assert all(world.part(part).revision > revisions[part] for part in range(3))
    assert world.part(2).quoter is None


@pytest.mark.parametrize(
    "statement",
    [
        lambda world: world.params(pool_type=PoolType.WEIGHTED),
        lambda world: world.params(tokens=TOKENS[::-1]),
        lambda world: world.liquidity(reserves=RESERVES[:2]),
        lambda world: world.liquidity(reserves=(0, 1, 1)),
        lambda world: world.params(amplification=0),
        lambda world: world.params(amplification=2**63),
        lambda world: world.params(fee_e10=10**10),
    ],
)
def test_what_contradicts_itself_quarantines_the_pool(statement):
    world = World(PoolType.STABLE_SWAP).opened()
    world.say(statement(world), world.chain.block(11))
    assert world.pool.status is Freshness.QUARANTINED
    assert not world.part(2).is_live
    world.say(world.params(12), world.liquidity(12), world.chain.block(12))
    assert world.part(2).is_live


def test_a_base_of_another_form_quarantines_the_pool():
    world = World(PoolType.STABLE_SWAP).opened()
    world.say(
        world.chain.message(PoolTick(world.venue, POOL, 0, 1, 1, 11, 1), world.chain.at_block(11))
    )
    assert world.pool.status is Freshness.QUARANTINED


@pytest.mark.parametrize(
    ("flag", "reason"),
    [
        (InstrumentFlag.FEE_ON_TRANSFER, "a token takes a fee on transfer"),
        (InstrumentFlag.REBASING, "a token's balances move by themselves"),
        (InstrumentFlag.QUARANTINED, "quarantined by its announcement"),
    ],
)
@pytest.mark.parametrize("kind", CURVES)
def test_a_token_that_does_not_hold_still_refuses_every_pair(kind, flag, reason):
    world = World(kind).opened()
    world.say(world.chain.token(TOKENS[2], 6, flags=flag))
    assert [world.part(part).status for part in range(3)] == [Freshness.QUARANTINED] * 3
    assert world.pool.track.refusal == reason
    world.say(world.chain.token(TOKENS[2], 6, flags=0))
    assert world.part(0).is_live


@pytest.mark.parametrize("flag", [4, 8, 16])
def test_a_plain_pair_of_such_a_token_is_refused(flag):
    chain, market = Chain(), Market()
    for message in (
        chain.token(LOW, 18, flags=flag),
        chain.token(HIGH, 18),
        chain.pool(POOL, LOW, HIGH, venue=V2_A),
        chain.state_v2(POOL, 10**20, 10**20, 10),
        chain.block(10),
    ):
        market.apply(message, 0)
    pool = market.pool(chain.chain_id, POOL)
    assert pool.status is Freshness.QUARANTINED
    assert pool.track.refusal


def test_a_balancer_pool_is_found_by_the_first_bytes_of_its_id():
    world = World(PoolType.WEIGHTED, venue=Venue.BALANCER, key=POOL_ID).opened()
    assert world.pool.is_live
    refused = World(PoolType.STABLE_SWAP, key=POOL_ID)
    assert refused.pool is None


def test_pairs_of_one_pool_are_searched_but_never_twice_in_a_cycle():
    world = World(PoolType.STABLE_SWAP).opened()
    other = address_of("other")
    low, high = sorted(TOKENS[1:])
    world.say(
        world.chain.pool(other, low, high, venue=V2_A),
        world.chain.state_v2(other, 10**12, 3 * 10**12, 11),
        world.chain.block(11),
    )
    pools = world.market.pools.values()
    roster = Roster(pools)
    graph = graph_over(roster, premium_bps=0, max_hops=3)
    found = graph.search(range(len(roster.pools)), dict.fromkeys(range(len(TOKENS)), (10**30, 1)))
    assert found
    for edges, _ in found:
        places = [roster.pools[edge >> 1].key[:2] for edge in edges]
        assert len(set(places)) == len(places)
    expected = [
        edges for edges in every_walk(roster, TOKENS) if sized(roster, edges, 10**30, 0) is not None
    ]
    assert sorted(edges for edges, _ in found) == sorted(expected)


# --- pairs of Solidly -------------------------------------------------------------------------------------------------


def pair_state(world, reserves, block, kind, **changes):
    settings = {
        "venue": world.venue,
        "pool": POOL,
        "token0": world.tokens[0],
        "token1": world.tokens[1],
        "pool_type": kind,
        "decimals0": world.decimals[0],
        "decimals1": world.decimals[1],
        "reserve0": reserves[0],
        "reserve1": reserves[1],
        "sqrt_price_x96": 0,
        "tick": 0,
        "liquidity": 0,
        "fee_pips_0to1": 500,
        "fee_pips_1to0": 500,
        "known_tick_lower": 0,
        "known_tick_upper": 0,
        "block": block,
        "event_ns": 1,
        **changes,
    }
    return world.chain.message(PoolState(**settings), world.chain.at_block(block))


def test_a_stable_pair_of_solidly_follows_its_reserves():
    world = World(
        PoolType.SOLIDLY_STABLE, tokens=[LOW, HIGH], decimals=(18, 6), venue=Venue.BASE_AERODROME
    )
    world.say(
        pair_state(world, (10**24, 10**12), 10, PoolType.SOLIDLY_STABLE), world.chain.block(10)
    )
    pool = SolidlyStablePool(10**24, 10**12, (18, 6), 5)
    assert world.pool.quoter.amount_out(10**21, True) == pool.amount_out(10**21, 0, 1)
    world.chain.pools[POOL] = (world.venue, LOW, HIGH, 500, 0)
    world.say(world.chain.sync(POOL, 2 * 10**24, 10**12, 11))
    pool.set_reserves(2 * 10**24, 10**12)
    assert world.pool.quoter.amount_out(10**21, True) == pool.amount_out(10**21, 0, 1)
    said = world.pool.state(1)
    assert (said.reserve0, said.reserve1, said.pool_type) == (2 * 10**24, 10**12, 6)


def test_a_volatile_pair_of_solidly_takes_its_fee_first():
    world = World(
        PoolType.CONSTANT_PRODUCT, tokens=[LOW, HIGH], decimals=(18, 6), venue=Venue.BASE_AERODROME
    )
    world.say(
        pair_state(world, (10**9, 10**9), 10, PoolType.CONSTANT_PRODUCT), world.chain.block(10)
    )
    pool = SolidlyVolatilePool(10**9, 10**9, 5)
    for amount in (1, 1999, 2000, 2001, 10**6):
        expected = pool.amount_out(amount, 0, 1) if amount > 1 else None
        if expected is not None:
            assert world.pool.quoter.amount_out(amount, True) == expected


# --- pools of the V4 singleton ----------------------------------------------------------------------------------------


def singleton(fees=(3000, 3000), **meta):
    """A V4 pool with one position, live at block 10."""
    settings = {"key": POOL_ID, "fee_pips": 3000, "tick_spacing": 60, **meta}
    world = World(
        PoolType.CONCENTRATED_SINGLETON,
        tokens=[LOW, HIGH],
        decimals=(18, 6),
        venue=Venue.UNISWAP_V4,
        **settings,
    )
    state = pair_state(
        world,
        (0, 0),
        10,
        PoolType.CONCENTRATED_SINGLETON,
        sqrt_price_x96=sqrt_ratio_at_tick(0),
        liquidity=10**18,
        fee_pips_0to1=fees[0],
        fee_pips_1to0=fees[1],
        known_tick_lower=-887272,
        known_tick_upper=887272,
    )
    ticks = [
        PoolTick(world.venue, POOL, tick, net, 10**18, 10, 1)
        for tick, net in ((-600, 10**18), (600, -(10**18)))
    ]
    world.say(state, world.chain.message(*ticks, world.chain.at_block(10)), world.chain.block(10))
    return world


def test_a_singleton_pool_has_a_fee_for_each_direction():
    world = singleton((3997, 3000))
    ticks = {-600: (10**18, 10**18), 600: (10**18, -(10**18))}
    pool = V4Pool(sqrt_ratio_at_tick(0), 0, 10**18, 3000, 60, ticks, protocol_fee=1000)
    assert world.pool.is_live
    for zero_for_one in (True, False):
        amount = 10**14
        assert world.pool.quoter.amount_out(amount, zero_for_one) == pool.amount_out(
            amount, zero_for_one
        )
    said = world.pool.state(1)
    assert (said.fee_pips_0to1, said.fee_pips_1to0) == (3997, 3000)
    world.chain.pools[POOL] = (world.venue, LOW, HIGH, 3000, 60)
    world.say(world.chain.swap_v3(POOL, sqrt_ratio_at_tick(30), 30, 10**18, 11))
    pool.apply_swap(sqrt_ratio_at_tick(30), 30, 10**18)
    assert world.pool.quoter.fingerprint() == pool.fingerprint()


@pytest.mark.parametrize(
    ("meta", "reason"),
    [
        ({}, ""),
        ({"flags": InstrumentFlag.NATIVE_CURRENCY}, ""),
        ({"flags": 2, "hooks": bytes(18) + (HookFlag.AFTER_INITIALIZE).to_bytes(2, "big")}, ""),
        (
            {"flags": 2, "hooks": bytes(18) + (HookFlag.BEFORE_SWAP).to_bytes(2, "big")},
            Refusal.HOOK_IN_SWAP,
        ),
        (
            {
                "flags": 2,
                "hooks": bytes(18) + (HookFlag.AFTER_SWAP_RETURNS_DELTA).to_bytes(2, "big"),
            },
            Refusal.HOOK_RETURNS_DELTA,
        ),
        ({"flags": 1}, Refusal.DYNAMIC_FEE),
        ({"tick_spacing": 0}, "its tick spacing is not positive"),
    ],
)
def test_singleton_pools_are_refused_by_name(meta, reason):
    world = singleton(**meta)
    assert world.pool.track.refusal == reason
    assert world.pool.is_live == (reason == "")


def test_ticks_of_a_pool_without_spacing_are_refused():
    """An announcement may be nonsense, and ticks may come before any base."""
    world = World(
        PoolType.CONCENTRATED_SINGLETON,
        tokens=[LOW, HIGH],
        decimals=(18, 6),
        venue=Venue.UNISWAP_V4,
        key=POOL_ID,
    )
    tick = PoolTick(world.venue, POOL, 60, 1, 1, 10, 1)
    world.say(world.chain.message(tick, world.chain.at_block(10)), world.chain.block(10))
    assert world.pool.status is Freshness.QUARANTINED


def test_fees_by_direction_belong_to_the_singleton_only():
    world = World(
        PoolType.CONSTANT_PRODUCT, tokens=[LOW, HIGH], decimals=(18, 6), venue=V2_A, fee_pips=3000
    )
    world.say(
        pair_state(world, (10**9, 10**9), 10, 0, fee_pips_0to1=3000, fee_pips_1to0=2000),
        world.chain.block(10),
    )
    assert world.pool.status is Freshness.QUARANTINED
