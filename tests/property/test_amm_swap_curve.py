"""The curve equals the step loop, whatever moved the pool before.

Oracle: our own slow loop, which test_amm_uniswap_v3_bytecode holds to the deployed pool.
Covers: M1, M2, M3, M5.
"""

import random

import pytest

from alphapulse.amm.kernel import ConcentratedPool, V3Pool
from alphapulse.amm.uniswap_v3.pool import SwapResult, V3State, limit_of, swap
from alphapulse.amm.uniswap_v3.swap_curve import SwapCurve
from alphapulse.amm.uniswap_v3.tick_map import TickMap
from alphapulse.amm.uniswap_v3.tick_math import MAX_TICK
from alphapulse.errors import BeyondKnownState, InsufficientLiquidity, PoolNotTradeable
from support.amm_evm import seed_of_run
from support.amm_random import v3_pool, v3_state

POOLS = 60
MOVES = 6


def loop(state: V3State, zero_for_one: bool, amount: int) -> SwapResult:
    return swap(state, zero_for_one, amount, limit_of(zero_for_one=zero_for_one))


def sides(result: SwapResult, zero_for_one: bool) -> tuple[int, int]:
    if zero_for_one:
        return result.amount0, -result.amount1
    return result.amount1, -result.amount0


def draw(rng: random.Random, whole: int) -> int:
    scaled = int(whole * 10 ** rng.uniform(-12, 1))
    edge = whole + rng.randrange(-2, 3)
    return max(
        1, rng.choice([1, 2, rng.randrange(1, 1000), rng.randrange(whole + 1), scaled, edge])
    )


def curve_of(state: V3State, zero_for_one: bool) -> SwapCurve:
    nets = {tick: net for tick, (_, net) in state.ticks.items()}
    ticks = TickMap(nets, state.tick_spacing)
    curve = SwapCurve(ticks, state.fee_pips, zero_for_one=zero_for_one)
    curve.move(state.sqrt_price_x96, state.tick, state.liquidity)
    return curve


def compare(rng: random.Random, pool: ConcentratedPool, state: V3State) -> None:
    """Hold pool and a curve built from nothing to the loop, fully and partly filled alike."""
    for zero_for_one in (True, False):
        try:
            wholes = sides(loop(state, zero_for_one, 2**254), zero_for_one)
        except PoolNotTradeable:
            with pytest.raises(PoolNotTradeable):
                pool.amount_out(1, zero_for_one)
            continue
        curve = curve_of(state, zero_for_one)
        for exact_in in (True, True, False, False):
            amount = draw(rng, wholes[0] if exact_in else wholes[1])
            result = loop(state, zero_for_one, amount if exact_in else -amount)
            taken, paid = sides(result, zero_for_one)
            if wholes == (0, 0):
                with pytest.raises(PoolNotTradeable):
                    (pool.amount_out if exact_in else pool.amount_in)(amount, zero_for_one)
                continue
            mine = curve.swap_in(amount) if exact_in else curve.swap_out(amount)
            expected = (taken, paid, result.sqrt_price_x96, result.ticks_crossed)
            assert tuple(mine) == expected, (state, zero_for_one, exact_in, amount)
            ask = pool.amount_out if exact_in else pool.amount_in
            if (taken if exact_in else paid) == amount:
                assert ask(amount, zero_for_one) == (paid if exact_in else taken)
                if exact_in:
                    check_segment(pool, amount, zero_for_one, paid)
            else:
                with pytest.raises(InsufficientLiquidity):
                    ask(amount, zero_for_one)


def check_segment(pool: ConcentratedPool, amount: int, zero_for_one: bool, paid: int) -> None:
    """The segment that sizing computes with is never below what the pool pays."""
    segment = pool.segment(amount, zero_for_one)
    assert segment.start_in <= amount <= segment.end_in
    beyond = amount - segment.start_in
    under = segment.slope * beyond + segment.base
    assert (paid - segment.start_out) * under <= segment.gain * beyond


def test_curve_equals_loop_through_swaps_mints_and_burns() -> None:
    rng = random.Random(seed_of_run())
    for _ in range(POOLS):
        state, positions = v3_state(rng)
        pool = v3_pool(state)
        pool.check()
        compare(rng, pool, state)
        for _ in range(MOVES):
            if not move(rng, pool, state, positions):
                continue
            state = pool.state()
            pool.check()
            assert v3_pool(state).fingerprint() == pool.fingerprint()
            compare(rng, pool, state)


def move(
    rng: random.Random,
    pool: ConcentratedPool,
    state: V3State,
    positions: list[tuple[int, int, int]],
) -> bool:
    """Swap, mint or burn; False when the draw was impossible."""
    kind = rng.random()
    if kind < 0.5:
        zero_for_one = rng.random() < 0.5
        try:
            whole = sides(loop(state, zero_for_one, 2**254), zero_for_one)[0]
        except PoolNotTradeable:
            return False
        result = loop(state, zero_for_one, draw(rng, whole))
        pool.apply_swap(result.sqrt_price_x96, result.tick, result.liquidity)
        return True
    if kind < 0.7 and positions:
        lower, upper, liquidity = positions.pop(rng.randrange(len(positions)))
        pool.apply_liquidity(lower, upper, -liquidity)
        return True
    spacing = state.tick_spacing
    edge, centre = MAX_TICK // spacing, state.tick // spacing
    lower = max(-edge, centre + rng.randrange(-300, 300))
    upper = min(edge, lower + rng.randrange(1, 300))
    if lower >= upper:
        return False
    position = (lower * spacing, upper * spacing, 10 ** rng.randrange(1, 25))
    positions.append(position)
    pool.apply_liquidity(*position)
    return True


def test_unknown_ticks_are_refused_not_guessed() -> None:
    """A pool that knows a window answers as the whole pool inside it and refuses beyond."""
    rng = random.Random(seed_of_run())
    refused = 0
    for _ in range(POOLS):
        state, _ = v3_state(rng)
        span = 200 * state.tick_spacing
        window = (state.tick - span, state.tick + span)
        inside = {t: entry for t, entry in state.ticks.items() if window[0] <= t <= window[1]}
        scalars = (state.sqrt_price_x96, state.tick, state.liquidity, state.fee_pips)
        part = V3Pool(
            *scalars, state.tick_spacing, inside, known_lower=window[0], known_upper=window[1]
        )
        whole = v3_pool(state)
        for zero_for_one in (True, False):
            for exponent in range(0, 30, 3):
                try:
                    mine = part.amount_out(10**exponent, zero_for_one)
                except BeyondKnownState:
                    refused += 1
                    with pytest.raises(BeyondKnownState):
                        swap(
                            part.state(), zero_for_one, 2**250, limit_of(zero_for_one=zero_for_one)
                        )
                except (InsufficientLiquidity, PoolNotTradeable) as refusal:
                    with pytest.raises(type(refusal)):
                        whole.amount_out(10**exponent, zero_for_one)
                else:
                    assert mine == whole.amount_out(10**exponent, zero_for_one)
    assert refused
