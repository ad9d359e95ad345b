"""V3 swaps against the deployed pool bytecode, to the wei.

Oracle: @uniswap/v3-core UniswapV3Pool run in an EVM. Covers: M1, M2, M4, M5, M13, M14.
"""

import random

import pytest

from alphapulse.amm.kernel import ConcentratedPool, V3Pool
from alphapulse.amm.uniswap_v3.pool import SwapResult, V3State, limit_of, swap
from alphapulse.amm.uniswap_v3.tick_math import (
    MAX_TICK,
    MIN_TICK,
    sqrt_ratio_at_tick,
    tick_at_sqrt_ratio,
)
from alphapulse.errors import InsufficientLiquidity, PoolNotTradeable, ValueOutOfRange
from support.amm_evm import Asked, Chain, V3Contract, seed_of_run

# (fee, spacing), centre of the liquidity, half width of the positions in spacings, depth in bits.
POOLS = [
    (100, 1, 0, 40, 60),
    (100, 1, -276_324, 900, 50),
    (500, 10, 196_250, 30, 70),
    (500, 10, -7, 4000, 62),
    (3000, 60, 265_269, 300, 56),
    (3000, 60, -200_000, 12, 80),
    (10000, 200, 0, 4000, 64),
    (10000, 200, 700_000, 20, 40),
    (2500, 50, -850_000, 200, 90),
]
SWAPS_PER_POOL = 1600
# With spacing 1 a drain visits 3466 bitmap words, in the contract as in the loop.
SWAPS_PER_FINE_POOL = 500
EXECUTE_EVERY = 40


def build(rng: random.Random, chain: Chain, shape: tuple[int, int, int, int, int]) -> V3Contract:
    fee, spacing, centre, width, bits = shape
    tick = max(MIN_TICK + 1, min(MAX_TICK - 1, centre + rng.randrange(-spacing, spacing + 1)))
    price = sqrt_ratio_at_tick(tick)
    if rng.random() < 0.7:
        price += rng.randrange(sqrt_ratio_at_tick(tick + 1) - price)
    contract = V3Contract(chain, fee, spacing, price)
    high = MAX_TICK // spacing
    low = -high
    middle = centre // spacing
    minted = 0
    while minted < 14:
        lower = max(low, middle + rng.randrange(-width, width))
        upper = min(high, lower + rng.randrange(1, width + 1))
        if lower < upper:
            liquidity = rng.getrandbits(rng.randrange(2, bits)) + 1
            minted += contract.mint(lower * spacing, upper * spacing, liquidity)
    if rng.random() < 0.5:
        contract.mint(low * spacing, high * spacing, rng.getrandbits(bits // 2) + 1)
    return contract


def amount_of(rng: random.Random, whole: int) -> int:
    """Draw an amount: single wei, fractions of what drains the pool, the drain and its neighbours."""
    kind = rng.randrange(6)
    if kind == 0:
        return rng.randrange(1, 5)
    if kind == 1:
        return max(1, whole + rng.randrange(-3, 4))
    if kind == 2:
        return max(1, min(2**200, int(whole * 10 ** rng.uniform(-9, 1))))
    return rng.randrange(1, max(2, whole))


def drain_of(state: V3State, *, zero_for_one: bool) -> SwapResult | None:
    """Return the swap that empties the pool in a direction, None where it stands at the bound."""
    try:
        return swap(state, zero_for_one, 2**250, limit_of(zero_for_one=zero_for_one))
    except PoolNotTradeable:
        return None


def boundary_amount(rng: random.Random, state: V3State, zero_for_one: bool, exact_in: bool) -> int:
    """Return the amount that exactly reaches some initialised tick, give or take one."""
    reachable = (tick for tick in state.ticks if MIN_TICK < tick < MAX_TICK)
    side = [tick for tick in reachable if (tick < state.tick) == zero_for_one]
    if not side:
        return 1
    limit = sqrt_ratio_at_tick(rng.choice(side))
    if not (limit < state.sqrt_price_x96 if zero_for_one else limit > state.sqrt_price_x96):
        return 1
    result = swap(state, zero_for_one, 2**250, limit)
    taken, paid = result.amount0, -result.amount1
    if not zero_for_one:
        taken, paid = result.amount1, -result.amount0
    return max(1, (taken if exact_in else paid) + rng.randrange(-1, 2))


def limit_for(rng: random.Random, state: V3State, zero_for_one: bool) -> int:
    """Return the farthest limit, a tick's own price and its neighbours, or any price on the way."""
    far = limit_of(zero_for_one=zero_for_one)
    kind = rng.randrange(4)
    if kind == 0 and state.ticks:
        limit = sqrt_ratio_at_tick(rng.choice(list(state.ticks))) + rng.randrange(-1, 2)
    elif kind == 1:
        limit = state.sqrt_price_x96 + rng.randrange(-(2**40), 2**40)
    else:
        return far
    low, high = sorted((far, state.sqrt_price_x96))
    return limit if low < limit < high else far


def compare_curve(
    pool: ConcentratedPool, answer: Asked, zero_for_one: bool, amount: int, crossed: int
) -> None:
    """Hold the pool's curve to an answer given with the farthest limit."""
    taken, paid = answer.amount0, -answer.amount1
    if not zero_for_one:
        taken, paid = answer.amount1, -answer.amount0
    if amount > 0 and taken == amount:
        assert pool.amount_out(amount, zero_for_one) == paid
        assert pool.ticks_crossed(amount, zero_for_one) == crossed
    elif amount > 0:
        with pytest.raises((InsufficientLiquidity, PoolNotTradeable)):
            pool.amount_out(amount, zero_for_one)
    elif paid == -amount:
        assert pool.amount_in(-amount, zero_for_one) == taken
    else:
        with pytest.raises((InsufficientLiquidity, PoolNotTradeable)):
            pool.amount_in(-amount, zero_for_one)


@pytest.mark.parametrize("shape", POOLS, ids=lambda shape: f"{shape[0]}pips_at_{shape[2]}")
def test_loop_and_curve_equal_the_deployed_pool(shape: tuple[int, int, int, int, int]) -> None:
    rng = random.Random(f"{seed_of_run()}{shape}")
    contract = build(rng, Chain(), shape)
    state = contract.state()
    pool = V3Pool(*(getattr(state, name) for name in STATE_FIELDS))
    drains: list[SwapResult | None] = []
    for number in range(SWAPS_PER_FINE_POOL if shape[1] == 1 else SWAPS_PER_POOL):
        zero_for_one, exact_in = rng.random() < 0.5, rng.random() < 0.5
        drains = drains or [drain_of(state, zero_for_one=side) for side in (False, True)]
        if drains[zero_for_one] is None:
            zero_for_one = not zero_for_one
        drain = drains[zero_for_one]
        assert drain is not None
        whole = (
            max(drain.amount0, drain.amount1) if exact_in else -min(drain.amount0, drain.amount1)
        )
        if rng.random() < 0.25:
            amount = boundary_amount(rng, state, zero_for_one, exact_in)
        else:
            amount = amount_of(rng, whole)
        amount = amount if exact_in else -amount
        limit = limit_for(rng, state, zero_for_one)
        answer = contract.ask(zero_for_one, amount, limit)
        assert isinstance(answer, Asked), answer
        mine = swap(state, zero_for_one, amount, limit)
        assert Asked(
            mine.amount0, mine.amount1, mine.sqrt_price_x96, mine.tick, mine.liquidity
        ) == (answer), (zero_for_one, amount, limit, state)
        if limit == limit_of(zero_for_one=zero_for_one):
            compare_curve(pool, answer, zero_for_one, amount, mine.ticks_crossed)
        if number % EXECUTE_EVERY == EXECUTE_EVERY - 1:
            assert contract.execute(zero_for_one, amount, limit) == (mine.amount0, mine.amount1)
            pool.apply_swap(mine.sqrt_price_x96, mine.tick, mine.liquidity)
            change_liquidity(rng, contract, pool, shape)
            state, drains = contract.state(), []
            assert pool.state() == state
            pool.check()


STATE_FIELDS = ("sqrt_price_x96", "tick", "liquidity", "fee_pips", "tick_spacing", "ticks")


def change_liquidity(
    rng: random.Random,
    contract: V3Contract,
    pool: ConcentratedPool,
    shape: tuple[int, int, int, int, int],
) -> None:
    """Mint a position around the price in contract and pool alike, and sometimes burn part of it."""
    spacing, width, bits = shape[1], shape[3], shape[4]
    middle = pool.tick // spacing
    edge = MAX_TICK // spacing
    lower = max(-edge, middle + rng.randrange(-width, width))
    upper = min(edge, lower + rng.randrange(1, width + 1))
    if lower >= upper:
        return
    lower, upper, liquidity = lower * spacing, upper * spacing, rng.getrandbits(bits) + 1
    if contract.mint(lower, upper, liquidity):
        pool.apply_liquidity(lower, upper, liquidity)
        burnt = liquidity if rng.random() < 0.5 else rng.randrange(liquidity)
        if rng.random() < 0.5 and contract.burn(lower, upper, burnt):
            pool.apply_liquidity(lower, upper, -burnt)


def test_refusals_match_the_deployed_pool() -> None:
    chain = Chain()
    contract = V3Contract(chain, 3000, 60, sqrt_ratio_at_tick(0))
    contract.mint(-600, 600, 10**18)
    state = contract.state()
    price = state.sqrt_price_x96
    for zero_for_one, limit in ((True, price), (True, price + 1), (False, price), (False, 1)):
        assert isinstance(contract.ask(zero_for_one, 1000, limit), bytes)
        with pytest.raises(ValueOutOfRange):
            swap(state, zero_for_one, 1000, limit)
    assert isinstance(contract.ask(True, 0, limit_of(zero_for_one=True)), bytes)
    with pytest.raises(ValueOutOfRange):
        swap(state, True, 0, limit_of(zero_for_one=True))
    for zero_for_one in (True, False):
        limit = limit_of(zero_for_one=zero_for_one)
        contract.execute(zero_for_one, 2**200, limit)
        assert isinstance(contract.ask(zero_for_one, 1, limit), bytes)
        drained = contract.state()
        with pytest.raises(PoolNotTradeable):
            swap(drained, zero_for_one, 1, limit)
        with pytest.raises(PoolNotTradeable):
            V3Pool(*(getattr(drained, name) for name in STATE_FIELDS)).amount_out(1, zero_for_one)


def test_tick_of_a_price_equals_the_deployed_pool() -> None:
    """A pool initialised at a price stores the tick that the contract derives from it."""
    rng = random.Random(seed_of_run())
    chain = Chain()
    for tick in (
        MIN_TICK,
        -1,
        0,
        1,
        MAX_TICK - 1,
        *(rng.randrange(MIN_TICK, MAX_TICK) for _ in range(20)),
    ):
        for nudge in (0, -1, 1):
            price = sqrt_ratio_at_tick(tick) + nudge
            if price < sqrt_ratio_at_tick(MIN_TICK):
                continue
            contract = V3Contract(chain, 500, 10, price)
            assert contract.state().tick == tick_at_sqrt_ratio(price)
