"""One hundred thousand events through a hundred pools of both twins, compared after each block of them.

Oracle: the readable Python. Covers: M14, P6.
"""

import random

from alphapulse.amm.pool_graph import LIQUIDITY, RESERVES, SWAP
from alphapulse.amm.uniswap_v3.pool import limit_of, swap
from alphapulse.amm.uniswap_v3.tick_math import MAX_TICK, MIN_TICK, sqrt_ratio_at_tick
from support.amm_evm import seed_of_run
from support.amm_random import v3_state
from support.kernel_twins import TWINS, needs_rust, said

pytestmark = needs_rust

EVENTS = 100_000
BLOCK = 250
POOLS = 100
COMPARED = 6
EXECUTED = 0.03  # of the price events are swaps that the step loop executed


def made(rng):
    """Return the same pools of both twins, half of them pairs."""
    pools = []
    for number in range(POOLS):
        if number % 2:
            fee = rng.choice([500, 2500, 3000])
            pools.append([twin.v2_pool(10**18, 10**18, fee) for twin in TWINS])
            continue
        state, _ = v3_state(rng)
        fields = (
            state.sqrt_price_x96,
            state.tick,
            state.liquidity,
            state.fee_pips,
            state.tick_spacing,
        )
        pools.append([twin.v3_pool(*fields, state.ticks) for twin in TWINS])
    return pools


def event_of(rng, pair):
    """Return an event that may have happened, or one that contradicts what is known."""
    if rng.random() < 0.01:
        numbers = [rng.choice([-1, 0, 2**112, 2**128, 2**160, 2**255, 2**256]) for _ in range(3)]
        return rng.choice([RESERVES, SWAP, LIQUIDITY]), numbers
    pool = pair[0]
    if hasattr(pool, "reserve0"):
        return RESERVES, [rng.getrandbits(rng.randrange(1, 113)) for _ in range(2)]
    spacing = pool.state().tick_spacing if rng.random() < EXECUTED else 0
    if spacing > 1:
        side = rng.random() < 0.5
        amount = rng.getrandbits(rng.randrange(1, 90)) + 1
        end = said(swap, pool.state(), side, amount, limit_of(zero_for_one=side))
        if not isinstance(end, type):
            return SWAP, [end.sqrt_price_x96, end.tick, end.liquidity]
    if rng.random() < 0.6:
        tick = max(MIN_TICK + 1, min(MAX_TICK - 1, pool.tick + rng.randrange(-300, 300)))
        return SWAP, [sqrt_ratio_at_tick(tick), tick, pool.liquidity]
    step = 600
    lower = (pool.tick // step + rng.randrange(-5, 5)) * step
    delta = rng.choice([-1, 1, 1]) * rng.getrandbits(rng.randrange(1, 100))
    return LIQUIDITY, [lower, lower + rng.randrange(1, 9) * step, delta]


def fold(pool, kind, numbers):
    """Apply an event, None for one of another kind of pool."""
    names = {RESERVES: "set_reserves", SWAP: "apply_swap", LIQUIDITY: "apply_liquidity"}
    question = getattr(pool, names[kind], None)
    return said(question, *numbers[: 2 if kind == RESERVES else 3]) if question else None


def test_a_hundred_thousand_events_leave_both_twins_alike():
    rng = random.Random(seed_of_run())
    pools = made(rng)
    refused = 0
    for number in range(EVENTS):
        pair = rng.choice(pools)
        kind, numbers = event_of(rng, pair)
        mine, other = (fold(pool, kind, numbers) for pool in pair)
        assert mine == other
        refused += mine is not None
        side, amount = rng.random() < 0.5, rng.getrandbits(rng.randrange(1, 100))
        assert said(pair[1].amount_out, amount, side) == said(pair[0].amount_out, amount, side)
        if number % BLOCK:
            continue
        for python, rust in pools:
            assert rust.fingerprint() == python.fingerprint()
        for python, rust in rng.sample(pools, COMPARED):
            for name in ("amount_out", "amount_in", "least_amount_in", "ticks_crossed"):
                assert said(getattr(rust, name), amount, side) == said(
                    getattr(python, name), amount, side
                )
            assert said(rust.marginal_rate_x128, side) == said(python.marginal_rate_x128, side)
        chosen = rng.sample(pools, 3)
        sides = [rng.random() < 0.5 for _ in chosen]
        terms = {"premium_bps": 5, "max_amount_in": 10**30}
        sizings = [
            twin.optimise(
                [(pair[place], side) for pair, side in zip(chosen, sides, strict=True)], **terms
            )
            for place, twin in enumerate(TWINS)
        ]
        assert sizings[0] == sizings[1]
    assert EVENTS // 200 < refused < EVENTS // 2
