"""What the contract can trade with, and that nothing else is ever planned. Covers: M7, M8."""

from random import Random

import pytest

from alphapulse.market.pool import Pool, PoolKey
from alphapulse.primitives.venue import Venue
from alphapulse.protocol.market_data import PoolType
from alphapulse.strategies.flash_arbitrage.executable import is_executable
from alphapulse.strategies.flash_arbitrage.strategy import FlashArbitrage
from support.flash import config_for, drafts_of, feed
from support.random_universe import add_pool, make
from support.universe import V2_A, V2_B, V3, address_of


def pool(kind, venue, fee_pips, tick_spacing=0):
    return Pool(
        PoolKey(1, address_of("pool")),
        venue,
        kind,
        tokens=(bytes(19) + b"\1", bytes(19) + b"\2"),
        decimals=(18, 18),
        fee_pips=fee_pips,
        tick_spacing=tick_spacing,
    )


@pytest.mark.parametrize(
    ("kind", "venue", "fee_pips", "expected"),
    [
        (PoolType.CONSTANT_PRODUCT, Venue.UNISWAP_V2, 3000, True),
        (PoolType.CONSTANT_PRODUCT, Venue.SUSHISWAP, 3000, True),
        (PoolType.CONSTANT_PRODUCT, Venue.BSC_PANCAKE, 2500, False),
        (PoolType.CONSTANT_PRODUCT, Venue.BASE_AERODROME, 3000, False),
        (PoolType.CONCENTRATED, Venue.UNISWAP_V3, 500, True),
        (PoolType.CONCENTRATED, Venue.SUSHI_V3, 3000, True),
        (PoolType.CONCENTRATED, Venue.PANCAKE_V3, 2500, False),
        (PoolType.CONCENTRATED, Venue.ARBITRUM_CAMELOT_V3, 500, False),
        (PoolType.CONCENTRATED, Venue.TEST_A, 500, False),
        (PoolType.CONCENTRATED_SINGLETON, Venue.UNISWAP_V4, 3000, False),
        (PoolType.STABLE_SWAP, Venue.CURVE, 400, False),
        (PoolType.WEIGHTED, Venue.BALANCER, 3000, False),
        (PoolType.COMPOSABLE_STABLE, Venue.BALANCER, 100, False),
        (PoolType.SOLIDLY_STABLE, Venue.BASE_AERODROME, 500, False),
    ],
)
def test_what_the_contract_can_trade_with(kind, venue, fee_pips, expected):
    assert is_executable(pool(kind, venue, fee_pips)) is expected


@pytest.mark.parametrize(
    ("venue", "fee_pips", "planned"),
    [(V2_B, 3000, True), (V2_B, 2500, False), (Venue.BASE_AERODROME, 3000, False), (V3, 500, True)],
)
def test_only_executable_pools_are_planned(venue, fee_pips, planned):
    """Two pools whose prices differ by a fifth: they are signalled only if the contract can trade with both."""
    universe = make(Random(0), tokens=2, pools=0)
    token0, token1 = sorted(universe.tokens)
    add_pool(universe, "one", token0, token1, venue=V2_A, usd_depth=1e6, skew=1.0, random=Random(0))
    add_pool(
        universe,
        "two",
        token0,
        token1,
        venue=venue,
        usd_depth=1e6,
        skew=1.2,
        random=Random(0),
        fee_pips=fee_pips,
    )
    strategy = FlashArbitrage(config_for(universe))
    said = feed(strategy, *universe.setup, universe.chain.block(1))
    assert bool(drafts_of(said)) is planned
    statistics = strategy.statistics()
    assert statistics.market.live == 2
    assert (statistics.funnel.candidates > 0) is planned


def test_a_fee_that_changes_later_is_noticed_before_planning():
    universe = make(Random(0), tokens=2, pools=0)
    token0, token1 = sorted(universe.tokens)
    for name, venue, skew in (("one", V2_A, 1.0), ("two", V2_B, 1.2)):
        add_pool(
            universe, name, token0, token1, venue=venue, usd_depth=1e6, skew=skew, random=Random(0)
        )
    strategy = FlashArbitrage(config_for(universe))
    feed(strategy, *universe.setup)
    address = universe.pools[1]
    venue, *rest = universe.chain.pools[address]
    universe.chain.pools[address] = (venue, rest[0], rest[1], 2500, 0)
    said = feed(
        strategy,
        universe.chain.state_v2(address, 10**22, 10**22, 1),
        universe.chain.block(1),
    )
    assert not drafts_of(said)
