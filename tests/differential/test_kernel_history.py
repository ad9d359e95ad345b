"""One hundred thousand events through pools of every family in both twins, compared after each of them.

Oracle: the readable Python. Covers: M14, P6.
"""

import random
from collections import Counter

from support.amm_evm import seed_of_run
from support.amm_families import FAMILIES, SMOOTH, mixed_cycle
from support.kernel_histories import HOSTILE, event_of, whole
from support.kernel_twins import TWINS, needs_rust, said

pytestmark = needs_rust

EVENTS = 100_000
CYCLES = 48
# Events between two sizings, and between two looks at one pool in full; every pool is looked at in the end.
SIZED = 100
LOOKED = 25
TERMS = {"premium_bps": 5, "max_amount_in": 10**30}
STATES = (
    "balances", "fee", "amplification", "reserve0", "reserve1", "fee_denominator", "swap_fees",
    "sqrt_price_x96", "tick", "liquidity", "fee_pips", "floored_fee_pips", "count",
)  # fmt: skip


def made(rng):
    """Return cycles of two or three pools, each a pair of hops for the two twins; every family is in several."""
    cycles = []
    for number in range(CYCLES):
        names = [list(FAMILIES)[number % len(FAMILIES)], rng.choice(list(SMOOTH))]
        names += [rng.choice(list(FAMILIES))] if number % 3 == 0 else []
        seed = rng.getrandbits(64)
        cycles.append(
            [
                mixed_cycle(random.Random(seed), names, depth_digits=(12, 24), spread=3, twin=twin)
                for twin in TWINS
            ]
        )
    return cycles


def amount_of(rng, pool):
    """Return an amount to ask: a part of what the pool holds, anything, or nonsense."""
    kind = rng.random()
    if kind < 0.05:
        return rng.choice(HOSTILE)
    held = whole(pool)
    known = getattr(held, "balances", None) or (getattr(held, "reserve0", 0),)
    if kind < 0.6 and max(known) > 0:
        return max(1, int(max(known) * 10 ** rng.uniform(-12, 0.2)))
    return rng.getrandbits(rng.randrange(1, 110))


def look(rng, python, rust):
    """Compare a pool in full."""
    assert rust.fingerprint() == python.fingerprint()
    for name in STATES:
        assert getattr(whole(rust), name, None) == getattr(whole(python), name, None), name
    side, amount = rng.random() < 0.5, amount_of(rng, python)
    for name in ("amount_in", "least_amount_in", "ticks_crossed", "segment"):
        mine = said(getattr(python, name), amount, side)
        assert said(getattr(rust, name), amount, side) == mine, (name, amount, side)
    fall = 2**64 + rng.getrandbits(rng.randrange(1, 200))
    assert said(rust.input_to_fall, fall, side) == said(python.input_to_fall, fall, side)
    for name in ("marginal_rate_x128", "log_rate"):
        assert said(getattr(rust, name), side) == said(getattr(python, name), side)
    if hasattr(whole(python), "count"):
        places = [rng.randrange(-1, whole(python).count + 1) for _ in range(2)]
        for name in ("amount_out", "amount_in"):
            mine = said(getattr(whole(python), name), amount, *places)
            assert said(getattr(whole(rust), name), amount, *places) == mine
        mine = said(whole(python).largest_amount_in, *places)
        assert said(whole(rust).largest_amount_in, *places) == mine
    if hasattr(python, "check"):
        assert said(rust.check) == said(python.check)


def test_a_hundred_thousand_events_leave_both_twins_alike():
    rng = random.Random(seed_of_run())
    cycles = made(rng)
    pools = [
        (mine, other)
        for python, rust in cycles
        for (mine, _), (other, _) in zip(python, rust, strict=True)
    ]
    counts = Counter()
    for number in range(EVENTS):
        python, rust = rng.choice(pools)
        name, arguments = event_of(rng, python)
        mine = said(getattr(whole(python), name), *arguments)
        assert said(getattr(whole(rust), name), *arguments) == mine, (name, arguments)
        counts[f"{type(whole(python)).__name__}.{name}"] += 1
        counts["refused events"] += isinstance(mine, type)
        side, amount = rng.random() < 0.5, amount_of(rng, python)
        mine = said(python.amount_out, amount, side)
        assert said(rust.amount_out, amount, side) == mine, (amount, side, python.fingerprint())
        counts["refused quotes"] += isinstance(mine, type)
        if number % LOOKED == 0:
            look(rng, *rng.choice(pools))
        if number % SIZED == 0:
            ours, theirs = rng.choice(cycles)
            sizing = TWINS[0].optimise(ours, **TERMS)
            assert TWINS[1].optimise(theirs, **TERMS) == sizing, ours
            counts["sizings that earn"] += sizing is not None
    for python, rust in pools:
        look(rng, python, rust)
    print(dict(sorted(counts.items())))
    assert EVENTS // 200 < counts["refused events"] < EVENTS // 2
    assert counts["refused quotes"] < EVENTS // 2
    assert counts["sizings that earn"] > EVENTS // SIZED // 10
