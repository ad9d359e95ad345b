"""Time quotes and sizing of the amm room; prints one JSON object of microseconds.

Run with `PYTHONPATH=src:tests python benchmarks/amm.py`. Median of repeats on fixed seeds.
"""

import json
import random
import statistics
import sys
import time
from collections.abc import Callable

from alphapulse.amm.pool import V3Pool
from alphapulse.amm.sizing import optimise
from alphapulse.amm.uniswap_v3.pool import limit_of, swap
from alphapulse.amm.uniswap_v3.tick_math import sqrt_ratio_at_tick
from support.amm_random import cycle, ticks_of

SPACING = 60
TICKS = 1500
REPEATS = 2000
CYCLES = 200
UNLIMITED = 10**30


def microseconds(action: Callable[[], object], repeats: int) -> float:
    """Return the median time of an action."""
    taken = []
    for _ in range(repeats):
        start = time.perf_counter_ns()
        action()
        taken.append(time.perf_counter_ns() - start)
    return round(statistics.median(taken) / 1000, 2)


def dense_pool() -> V3Pool:
    """Return a pool with an initialised tick at every spacing around its price."""
    half = TICKS // 2
    positions = [(at * SPACING, (at + 1) * SPACING, 10**18 + at) for at in range(-half, half)]
    state = (sqrt_ratio_at_tick(7), 7, 10**18, 3000, SPACING, ticks_of(positions))
    return V3Pool(*state)


def amount_for(pool: V3Pool, crossed: int) -> int:
    """Return an input that crosses so many ticks."""
    state = pool.state()
    end = sqrt_ratio_at_tick((1 - crossed) * SPACING - SPACING // 2)
    return swap(state, True, 10**30, end).amount0


def quotes() -> dict[str, float]:
    """Time the curve against the step loop."""
    pool = dense_pool()
    state = pool.state()
    limit = limit_of(zero_for_one=True)
    found = {}
    for crossed in (1, 5, 50):
        amount = amount_for(pool, crossed)
        assert pool.ticks_crossed(amount, True) == crossed
        paid = pool.amount_out(amount, True)
        assert swap(state, True, amount, limit).amount1 == -paid
        found[f"curve_{crossed}_ticks"] = microseconds(
            lambda a=amount: pool.amount_out(a, True), REPEATS
        )
        found[f"curve_exact_out_{crossed}_ticks"] = microseconds(
            lambda p=paid: pool.amount_in(p, True), REPEATS
        )
        found[f"loop_{crossed}_ticks"] = microseconds(
            lambda a=amount: swap(state, True, a, limit), REPEATS // 10
        )
    amount = amount_for(pool, 1)

    def after_swap() -> int:
        pool.apply_swap(pool.sqrt_price_x96 + 1, pool.tick, pool.liquidity)
        return pool.amount_out(amount, True)

    def after_mint() -> int:
        pool.apply_liquidity(-SPACING, SPACING, 10**9)
        return pool.amount_out(amount, True)

    found["quote_after_swap"] = microseconds(after_swap, REPEATS)
    found["quote_after_mint"] = microseconds(after_mint, REPEATS // 10)
    return found


def sizing() -> dict[str, float]:
    """Time the sizing of profitable cycles per kind, and the refusal of those that cannot pay."""
    found = {}
    for name, kinds in (
        ("v2_v2", (2, 2)),
        ("v2_v3", (2, 3)),
        ("v3_v3", (3, 3)),
        ("v2_v2_v2", (2, 2, 2)),
        ("v2_v3_v3", (2, 3, 3)),
    ):
        rng = random.Random(name)
        taken = []
        while len(taken) < CYCLES:
            hops = cycle(rng, kinds, depth_digits=(15, 22), spread=3)
            if optimise(hops, premium_bps=5, max_amount_in=UNLIMITED) is not None:
                taken.append(
                    microseconds(
                        lambda h=hops: optimise(h, premium_bps=5, max_amount_in=UNLIMITED), 5
                    )
                )
        taken.sort()
        found[f"optimise_{name}_p50"] = taken[CYCLES // 2]
        found[f"optimise_{name}_p90"] = taken[CYCLES * 9 // 10]
    hops = cycle(random.Random(1), (2, 3), depth_digits=(15, 22), spread=3)
    found["refuse_v2_v3"] = microseconds(
        lambda: optimise(hops, premium_bps=3000, max_amount_in=UNLIMITED), REPEATS
    )
    return found


if __name__ == "__main__":
    sys.stdout.write(json.dumps({"unit": "us", **quotes(), **sizing()}, indent=2) + "\n")
