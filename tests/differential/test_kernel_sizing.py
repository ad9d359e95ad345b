"""Sizings of both twins on random cycles: the same amounts, to the unit.

Oracle: the readable Python, whose sizings are proved by brute force elsewhere. Covers: M14, P6.
"""

import random

import pytest

from alphapulse.amm import kernel
from alphapulse.amm.pool import V2Pool
from alphapulse.amm.uniswap_v3.pool import limit_of, swap
from alphapulse.errors import ValueOutOfRange
from support.amm_evm import seed_of_run
from support.amm_families import FAMILIES, mixed_cycle
from support.amm_random import cycle
from support.kernel_twins import RUST, TWINS, needs_rust, rust_twin, said

pytestmark = needs_rust

CYCLES = 1500
MIXED = 400
DEPTHS = ((2, 6), (9, 12), (15, 25), (8, 28))


def python_of(pool: object) -> object:
    """Return the specification's pool of any pool's state."""
    if isinstance(pool, kernel.PairPool):
        return V2Pool(pool.reserve0, pool.reserve1, pool.fee_pips)
    state = pool.state()
    return kernel.PYTHON.v3_pool(
        state.sqrt_price_x96,
        state.tick,
        state.liquidity,
        state.fee_pips,
        state.tick_spacing,
        state.ticks,
    )


def test_random_cycles_are_sized_alike() -> None:
    rng = random.Random(seed_of_run())
    paying, batches = 0, []
    for number in range(CYCLES):
        kinds = [rng.choice([2, 3]) for _ in range(rng.choice([1, 2, 2, 2, 3, 3, 4, 6]))]
        try:
            hops = cycle(rng, kinds, depth_digits=rng.choice(DEPTHS), spread=rng.choice([0, 1, 4]))
        except ValueOutOfRange:  # reserves beyond uint112
            continue
        hops = [(python_of(pool), zero_for_one) for pool, zero_for_one in hops]
        twins = [(rust_twin(pool), zero_for_one) for pool, zero_for_one in hops]
        for _ in range(2):
            terms = {
                "premium_bps": rng.choice([0, 1, 5, 9, 300]),
                "max_amount_in": rng.choice([10**30, 2**300, 10 ** rng.randrange(1, 25), 0, -5]),
            }
            mine = kernel.PYTHON.optimise(hops, **terms)
            assert RUST.optimise(twins, **terms) == mine, (number, kinds, terms)
            paying += mine is not None
            pool, zero_for_one = rng.choice(hops)
            if isinstance(pool, V2Pool):
                break
            amount = rng.getrandbits(rng.randrange(1, 80)) + 1
            end = said(
                swap,
                pool.state(),
                not zero_for_one,
                amount,
                limit_of(zero_for_one=not zero_for_one),
            )
            if pool.state().tick_spacing == 1 or isinstance(end, type):
                break
            for one in (pool, twins[hops.index((pool, zero_for_one))][0]):
                one.apply_swap(end.sqrt_price_x96, end.tick, end.liquidity)
        batches.append((hops, twins))
    assert paying > CYCLES // 4
    terms = {"premium_bps": 5, "max_amount_in": 10**30}
    sizings = kernel.PYTHON.optimise_batch([hops for hops, _ in batches[:200]], **terms)
    found = RUST.optimise_batch([twins for _, twins in batches[:200]], **terms)
    assert list(found) == sizings
    assert found[-1] == sizings[-1]
    assert found[3:9] == sizings[3:9]


def test_cycles_that_mix_all_families_are_sized_alike() -> None:
    """From a few units to many, from equal worth to worths far apart, with and without a limit."""
    rng = random.Random(seed_of_run())
    paying = 0
    for _ in range(MIXED):
        names = [rng.choice(list(FAMILIES)) for _ in range(rng.choice([2, 2, 3, 4]))]
        seed, digits = rng.getrandbits(64), rng.uniform(1, 20)
        shape = {"depth_digits": (digits, digits + 3), "spread": rng.uniform(0, 8)}
        try:
            hops, twins = (
                mixed_cycle(random.Random(seed), names, **shape, twin=twin) for twin in TWINS
            )
        except ValueOutOfRange:  # reserves beyond uint112
            continue
        terms = {
            "premium_bps": rng.choice([0, 5, 9, 100]),
            "max_amount_in": rng.choice([10**30, 10**30, 10 ** rng.randrange(1, 25), 0]),
        }
        mine = kernel.PYTHON.optimise(hops, **terms)
        assert RUST.optimise(twins, **terms) == mine, (names, seed, shape, terms)
        paying += mine is not None
    assert paying > MIXED // 4


@pytest.mark.parametrize("name", FAMILIES)
def test_no_cycle_of_its_own_pools_is_handed_back_to_python(name: str) -> None:
    alphapulse_kernel = pytest.importorskip("alphapulse_kernel")
    shape = {"depth_digits": (18, 20), "spread": 0}
    hops = mixed_cycle(random.Random(1), [name, "v2"], **shape, twin=RUST)
    terms = {"premium_bps": 0, "max_amount_in": 10**30}
    found = alphapulse_kernel.optimise(hops, **terms)
    sizing = RUST.optimise(hops, **terms)
    assert (found and found[0]) == (sizing and sizing.amounts)


def test_questions_that_make_no_sense_are_answered_alike() -> None:
    pair = V2Pool(10**18, 2 * 10**18, 3000)
    empty = kernel.PYTHON.v3_pool(0, 0, 0, 3000, 60, {})
    for hops in (
        [],
        [(pair, True)],
        [(empty, True), (pair, False)],
        [(pair, True), (pair, True)],
        [(pair, True), (pair, False)],
    ):
        twins = [(rust_twin(pool), zero_for_one) for pool, zero_for_one in hops]
        for limit in (-1, 0, 1, 2**256, 2**999):
            terms = {"premium_bps": 5, "max_amount_in": limit}
            assert said(RUST.optimise, twins, **terms) == said(
                kernel.PYTHON.optimise, hops, **terms
            )


def test_the_same_pool_twice_and_foreign_things() -> None:
    pair = RUST.v2_pool(10**18, 2 * 10**18, 3000)
    assert RUST.optimise([(pair, True), (pair, False)], premium_bps=0, max_amount_in=10**18) is None
    alphapulse_kernel = pytest.importorskip("alphapulse_kernel")
    with pytest.raises(TypeError):
        alphapulse_kernel.optimise([(object(), True)], premium_bps=5, max_amount_in=1)
