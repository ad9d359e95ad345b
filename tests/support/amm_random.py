"""Random pools and cycles for the amm tests."""

import random
from collections.abc import Sequence

from alphapulse.amm.kernel import ConcentratedPool, PairPool, PoolQuoter, V2Pool, V3Pool
from alphapulse.amm.sizing import premium
from alphapulse.amm.uniswap_v3.pool import V3State
from alphapulse.amm.uniswap_v3.tick_math import (
    MAX_TICK,
    MIN_SQRT_RATIO,
    MIN_TICK,
    sqrt_ratio_at_tick,
    tick_at_sqrt_ratio,
)
from alphapulse.errors import Rejected

Hop = tuple[PoolQuoter, bool]
Position = tuple[int, int, int]

TIERS = ((100, 1), (500, 10), (3000, 60), (10000, 200))


def v3_state(rng: random.Random) -> tuple[V3State, list[Position]]:
    """Return a pool of a few positions with its price anywhere: between, on and beside their edges."""
    fee_pips, spacing = rng.choice([*TIERS, (0, 60)])
    width = rng.choice([3, 30, 300, 2000])
    edge = MAX_TICK // spacing
    centre = rng.choice([0, rng.randrange(-edge, edge)])
    positions = []
    for _ in range(rng.randrange(1, 25)):
        lower = max(-edge, centre + rng.randrange(-width, width))
        upper = min(edge, lower + rng.randrange(1, width))
        if lower < upper:
            liquidity = rng.choice([1, 1000, 10 ** rng.randrange(1, 30)])
            positions.append((lower * spacing, upper * spacing, liquidity))
    nudge = rng.choice([0, 0, -1, 1, rng.randrange(spacing)])
    tick = (centre + rng.randrange(-width, width)) * spacing + nudge
    tick = max(MIN_TICK, min(MAX_TICK - 1, tick))
    price = sqrt_ratio_at_tick(tick)
    if rng.random() < 0.6:
        price += rng.randrange(max(1, sqrt_ratio_at_tick(tick + 1) - price))
    elif rng.random() < 0.25 and tick > MIN_TICK:
        tick -= 1  # as a swap downward leaves it when it ends on the tick
    ticks = ticks_of(positions)
    liquidity = sum(net for at, (_, net) in ticks.items() if at <= tick)
    price = max(price, MIN_SQRT_RATIO + 1)
    return V3State(price, tick, liquidity, fee_pips, spacing, ticks), positions


def ticks_of(positions: Sequence[Position]) -> dict[int, tuple[int, int]]:
    ticks: dict[int, tuple[int, int]] = {}
    for lower, upper, liquidity in positions:
        for tick, delta in ((lower, liquidity), (upper, -liquidity)):
            gross, net = ticks.get(tick, (0, 0))
            ticks[tick] = (gross + liquidity, net + delta)
    return {tick: entry for tick, entry in ticks.items() if entry[0]}


def v3_pool(state: V3State) -> ConcentratedPool:
    return V3Pool(
        state.sqrt_price_x96,
        state.tick,
        state.liquidity,
        state.fee_pips,
        state.tick_spacing,
        state.ticks,
    )


def pair_at(rng: random.Random, sqrt_price_x96: int, depth: int) -> PairPool:
    """Return a pair at a price."""
    reserve0, reserve1 = (depth << 96) // sqrt_price_x96, depth * sqrt_price_x96 >> 96
    return V2Pool(max(10, reserve0), max(10, reserve1), rng.choice([3000, 2500, 500]))


def concentrated_at(rng: random.Random, sqrt_price_x96: int, depth: int) -> ConcentratedPool:
    """Return a concentrated pool at a price, with thin liquidity everywhere and more around it."""
    fee_pips, spacing = rng.choice(TIERS[:3])
    tick = tick_at_sqrt_ratio(sqrt_price_x96)
    edge, centre = MAX_TICK // spacing, tick // spacing
    positions = [(-edge * spacing, edge * spacing, max(1, depth // 10))]
    for _ in range(rng.randrange(60)):
        width = rng.choice([1, 5, 50, 500])
        lower = max(1 - edge, centre + rng.randrange(-3 * width, 2 * width))
        upper = min(edge - 1, lower + rng.randrange(1, 2 * width + 1))
        if lower < upper:
            liquidity = max(1, depth * rng.randrange(1, 1000) // 1000)
            positions.append((lower * spacing, upper * spacing, liquidity))
    ticks = ticks_of(positions)
    liquidity = sum(net for at, (_, net) in ticks.items() if at <= tick)
    return V3Pool(sqrt_price_x96, tick, liquidity, fee_pips, spacing, ticks)


def cycle(
    rng: random.Random, kinds: Sequence[int], *, depth_digits: tuple[float, float], spread: float
) -> list[Hop]:
    """Return a cycle of pools (kind 2 or 3) whose prices disagree by a few per cent at most.

    The pools hold about 10**depth_digits units of liquidity; tokens differ in price by up to
    10**spread each way.
    """
    prices = [10 ** rng.uniform(-spread, spread) for _ in kinds]
    hops: list[Hop] = []
    for index, kind in enumerate(kinds):
        zero_for_one = rng.random() < 0.5
        rate = prices[index] / prices[(index + 1) % len(kinds)] * (1 + rng.uniform(0, 0.03))
        price = rate if zero_for_one else 1 / rate
        sqrt_price_x96 = int(price**0.5 * 2**96)
        depth = int(10 ** rng.uniform(*depth_digits))
        build = pair_at if kind == 2 else concentrated_at
        hops.append((build(rng, sqrt_price_x96, depth), zero_for_one))
    return hops


def profit_of(hops: Sequence[Hop], amount_in: int, premium_bps: int) -> int | None:
    """Return what an input earns by exact quotes, None when a pool refuses it."""
    if amount_in < 1:
        return None
    amount = amount_in
    try:
        for pool, zero_for_one in hops:
            if amount < 1:
                return None
            amount = pool.amount_out(amount, zero_for_one)
    except Rejected:
        return None
    return amount - amount_in - premium(amount_in, premium_bps)
