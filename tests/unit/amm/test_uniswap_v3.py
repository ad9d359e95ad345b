"""Bounds, refusals and folds of the concentrated pool. Covers: M2, M3, M4, M5, M13."""

import pytest

from alphapulse.amm.kernel import ConcentratedPool, V3Pool
from alphapulse.amm.uniswap_v3.liquidity_math import add_delta
from alphapulse.amm.uniswap_v3.pool import V3State, limit_of, swap
from alphapulse.amm.uniswap_v3.tick_bitmap import next_initialized_tick_within_one_word, words_of
from alphapulse.amm.uniswap_v3.tick_math import (
    MAX_SQRT_RATIO,
    MAX_TICK,
    MIN_SQRT_RATIO,
    MIN_TICK,
    sqrt_ratio_at_tick,
    tick_at_sqrt_ratio,
)
from alphapulse.errors import (
    BeyondKnownState,
    InsufficientLiquidity,
    PoolNotTradeable,
    StateConflict,
    ValueOutOfRange,
)

ONE = 2**96


def pool_of(*positions: tuple[int, int, int], tick: int = 0, spacing: int = 60) -> ConcentratedPool:
    pool = V3Pool(sqrt_ratio_at_tick(tick), tick, 0, 3000, spacing, {})
    for position in positions:
        pool.apply_liquidity(*position)
    return pool


def test_ticks_and_prices_at_the_bounds() -> None:
    assert sqrt_ratio_at_tick(MIN_TICK) == MIN_SQRT_RATIO
    assert sqrt_ratio_at_tick(MAX_TICK) == MAX_SQRT_RATIO
    assert tick_at_sqrt_ratio(MIN_SQRT_RATIO) == MIN_TICK
    assert tick_at_sqrt_ratio(MAX_SQRT_RATIO - 1) == MAX_TICK - 1
    assert tick_at_sqrt_ratio(ONE) == 0
    assert tick_at_sqrt_ratio(ONE - 1) == -1
    for tick in (MIN_TICK - 1, MAX_TICK + 1):
        with pytest.raises(ValueOutOfRange):
            sqrt_ratio_at_tick(tick)
    for price in (MIN_SQRT_RATIO - 1, MAX_SQRT_RATIO):
        with pytest.raises(ValueOutOfRange):
            tick_at_sqrt_ratio(price)


@pytest.mark.parametrize("spacing", [1, 10, 60, 200])
def test_search_stops_at_word_edges_of_both_signs(spacing: int) -> None:
    words = words_of([-3 * spacing, 5 * spacing], spacing)
    step = next_initialized_tick_within_one_word
    assert step(words, 5 * spacing, spacing, lte=True) == (5 * spacing, True)
    assert step(words, 5 * spacing - 1, spacing, lte=True) == (0, False)
    assert step(words, -1, spacing, lte=True) == (-3 * spacing, True)
    assert step(words, -3 * spacing - 1, spacing, lte=True) == (-256 * spacing, False)
    assert step(words, -3 * spacing - 1, spacing, lte=False) == (-3 * spacing, True)
    assert step(words, -3 * spacing, spacing, lte=False) == (-spacing, False)
    assert step(words, -spacing, spacing, lte=False) == (5 * spacing, True)
    assert step(words, 5 * spacing, spacing, lte=False) == (255 * spacing, False)
    assert step({}, 255 * spacing, spacing, lte=False) == (511 * spacing, False)


def test_tick_between_multiples_is_refused() -> None:
    with pytest.raises(ValueOutOfRange):
        words_of([61], 60)
    with pytest.raises(ValueOutOfRange):
        pool_of((-61, 60, 5))


def test_four_kinds_of_nothing_are_told_apart() -> None:
    with pytest.raises(PoolNotTradeable, match="never initialised"):
        V3Pool(0, 0, 0, 3000, 60, {}).amount_out(1, True)
    with pytest.raises(PoolNotTradeable, match="no liquidity"):
        pool_of().amount_out(1, True)
    bound = pool_of((-60, 60, 10**9))
    bound.apply_swap(limit_of(zero_for_one=True), MIN_TICK, 0)
    with pytest.raises(PoolNotTradeable, match="bound"):
        bound.amount_out(1, True)
    with pytest.raises(InsufficientLiquidity):
        pool_of((-60, 60, 10**9)).amount_out(10**12, True)
    assert pool_of((-60, 60, 10**9)).amount_out(1, True) == 0


def test_gap_without_liquidity_is_leapt_over() -> None:
    pool = pool_of((600, 660, 10**18), (-660, -600, 10**18))
    assert pool.liquidity == 0
    for zero_for_one in (True, False):
        assert pool.amount_out(10**12, zero_for_one) > 0
        assert pool.ticks_crossed(10**12, zero_for_one) == 1
        assert pool.marginal_rate_x128(zero_for_one) < 2**128


def test_window_of_known_ticks() -> None:
    entry = {-600: (10**18, 10**18), 600: (10**18, -(10**18))}
    pool = V3Pool(ONE, 0, 10**18, 3000, 60, entry, known_lower=-600, known_upper=600)
    assert pool.amount_out(10**12, True) > 0
    with pytest.raises(BeyondKnownState):
        pool.amount_out(10**18, True)
    with pytest.raises(BeyondKnownState):
        swap(pool.state(), True, 10**18, limit_of(zero_for_one=True))
    with pytest.raises(BeyondKnownState):
        pool.amount_in(10**17, False)


def test_liquidity_that_contradicts_the_ticks() -> None:
    pool = V3Pool(ONE, 0, 5, 3000, 60, {-60: (10, 10), 60: (10, -10)})
    with pytest.raises(StateConflict):
        pool.check()
    with pytest.raises(BeyondKnownState):
        pool.amount_out(10**6, False)
    with pytest.raises(BeyondKnownState):
        add_delta(2**128 - 1, 1)


def test_burn_of_more_than_was_minted_changes_nothing() -> None:
    pool = pool_of((-60, 60, 100))
    before = pool.fingerprint()
    with pytest.raises(StateConflict):
        pool.apply_liquidity(-60, 60, -101)
    with pytest.raises(ValueOutOfRange):
        pool.apply_liquidity(60, 60, 1)
    assert pool.fingerprint() == before
    pool.apply_liquidity(-60, 60, -100)
    assert pool.fingerprint() == pool_of().fingerprint()


def test_state_widths_are_checked() -> None:
    for arguments in (
        (2**160, 0, 0, 3000, 60, {}),
        (ONE, 0, 2**128, 3000, 60, {}),
        (ONE, 0, 0, 10**6, 60, {}),
        (ONE, 0, 0, 3000, 0, {}),
        (ONE, 0, 0, 3000, 60, {60: (1, 2**127)}),
        (ONE, 0, 0, 3000, 60, {60: (2**128, 1)}),
    ):
        with pytest.raises(ValueOutOfRange):
            V3State(*arguments)
        with pytest.raises(ValueOutOfRange):
            V3Pool(*arguments)


def test_tick_after_ending_on_a_boundary_depends_on_direction() -> None:
    state = pool_of((-60, 60, 10**18), (-600, 600, 10**18)).state()
    down = swap(state, True, 10**30, sqrt_ratio_at_tick(-60))
    assert (down.tick, down.liquidity, down.ticks_crossed) == (-61, 10**18, 1)
    up = swap(state, False, 10**30, sqrt_ratio_at_tick(60))
    assert (up.tick, up.liquidity, up.ticks_crossed) == (60, 10**18, 1)
