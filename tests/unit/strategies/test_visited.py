"""A tick is known once the price has passed it; oracle: the step loop of the pool."""

from random import Random

import pytest

from alphapulse.amm.kernel import V3Pool
from alphapulse.amm.uniswap_v3.pool import limit_of, swap
from alphapulse.amm.uniswap_v3.tick_math import sqrt_ratio_at_tick
from alphapulse.market.pool import PoolKey
from alphapulse.strategies.flash_arbitrage.visited import VisitedTicks

KEY = PoolKey(1, b"p" * 20)
SPACING = 60
LIQUIDITY = 10**18
TICKS = {
    SPACING * place: (10**15, 10**15 if place < 0 else -(10**15))
    for place in range(-20, 21)
    if place
}


def pool_at(tick: int) -> V3Pool:
    return V3Pool(sqrt_ratio_at_tick(tick) + 12_345, tick, LIQUIDITY, 3_000, SPACING, TICKS)


def amount_to(pool, tick, zero_for_one):
    """An input that ends at about a tick."""
    price, target = pool.sqrt_price_x96, sqrt_ratio_at_tick(tick)
    if zero_for_one:
        net = (LIQUIDITY << 96) * (price - target) // (price * target)
    else:
        net = LIQUIDITY * (target - price) >> 96
    return net * 1_000_000 // 997_000


def test_nothing_is_known_at_first_sight():
    visited = VisitedTicks()
    pool = pool_at(0)
    amount = amount_to(pool, -400, True)
    assert pool.ticks_crossed(amount, True) == 6
    assert visited.known(KEY, pool, amount, True) == 0
    assert visited.note(KEY, 0) == (0, 0)


@pytest.mark.parametrize("seed", range(6))
def test_no_more_is_known_than_was_passed(seed):
    """Never a tick too many, and at most the one at the end of the range too few."""
    print(f"seed {seed}")
    draw = Random(seed)
    visited = VisitedTicks()
    passed: set[int] = set()
    place, seen = draw.randrange(-300, 300), 0
    for _ in range(60):
        pool = pool_at(place)
        visited.note(KEY, place)
        goal = draw.randrange(-700, 700)
        zero_for_one = goal < place
        amount = amount_to(pool, goal, zero_for_one)
        if amount < 10**6:
            continue
        after = swap(pool.state(), zero_for_one, amount, limit_of(zero_for_one=zero_for_one)).tick
        crossed = {one for one in TICKS if min(place, after) < one <= max(place, after)}
        known = visited.known(KEY, pool, amount, zero_for_one)
        assert len(crossed & passed) - 1 <= known <= len(crossed & passed)
        seen += known
        passed |= crossed
        place = after
    assert seen > 20


def test_pools_are_kept_apart():
    visited = VisitedTicks()
    visited.note(KEY, -500)
    other = PoolKey(2, b"p" * 20)
    assert visited.note(other, 7) == (7, 7)
    assert visited.note(KEY, 100) == (-500, 100)
