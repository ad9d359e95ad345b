"""A swap's amounts must fit the manager's balance delta, as the deployed PoolManager's SafeCast demands."""

import pytest

from alphapulse.amm.kernel import V4Pool
from alphapulse.amm.uniswap_v3.tick_math import MAX_TICK, sqrt_ratio_at_tick
from alphapulse.errors import InsufficientLiquidity


def test_an_output_that_costs_more_than_a_delta_holds_is_refused() -> None:
    edge = MAX_TICK // 60 * 60
    liquidity = 10**25
    ticks = {-edge: (liquidity, liquidity), edge: (liquidity, -liquidity)}
    pool = V4Pool(sqrt_ratio_at_tick(edge - 60), edge - 60, liquidity, 3000, 60, ticks)
    with pytest.raises(InsufficientLiquidity, match="int128"):
        pool.amount_in(1000, zero_for_one=False)
    with pytest.raises(InsufficientLiquidity, match="int128"):
        pool.amount_out(10**6, zero_for_one=True)
    ordinary = V4Pool(sqrt_ratio_at_tick(0), 0, liquidity, 3000, 60, ticks)
    assert ordinary.amount_out(10**6, zero_for_one=True) == 996_999
