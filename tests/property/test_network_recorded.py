"""The network optimum on recorded universes. Oracle: the contracts' own arithmetic on copies, and the best single walk."""

from random import Random

import pytest

from alphapulse.amm.network import NetworkPool, optimal_flow
from alphapulse.amm.network_walks import WalkSearch
from support.networks import executed
from support.recorded_networks import DATA, grown, mainnet, polygon, pushed

pytestmark = [
    pytest.mark.shared_data,
    pytest.mark.skipif(not DATA.is_dir(), reason="shared data is not here"),
]

MAX_LOAN = 10**24


def checked(rows, home, gas=0):
    rows = [NetworkPool(row.pool, row.token0, row.token1, gas) for row in rows]
    plan = optimal_flow(rows, home, premium_bps=5, max_loan=MAX_LOAN)
    best = WalkSearch(rows, home, max_hops=3).best(premium_bps=5, max_loan=MAX_LOAN)
    if plan is None:
        assert best is None
        return 0
    held = executed(plan, rows, home)
    assert held.pop(home) == plan.loan + plan.premium + plan.profit
    assert set(held.values()) <= {0}
    assert plan.net_profit >= (best.net if best else 0)
    assert optimal_flow(rows, home, premium_bps=5, max_loan=MAX_LOAN) == plan
    print(f"{len(rows)} pools: {plan.net_profit}, best walk {best and best.net}")
    return plan.net_profit


@pytest.mark.parametrize("gas", [0, 10**16])
@pytest.mark.parametrize("count", [100, 560, 1_000])
def test_a_plan_over_the_pools_of_polygon(count, gas):
    rows, home = polygon()
    rows = grown(rows, count, Random(count)) if count > len(rows) else rows[:count]
    profit = checked(rows, home, gas)
    assert profit > 0 or (count, gas) == (100, 10**16)


def test_pools_of_one_moment_leave_nothing_to_earn():
    rows, _ = mainnet()
    for home in sorted({row.token0 for row in rows} | {row.token1 for row in rows}):
        assert checked(rows, home) == 0


@pytest.mark.parametrize("index", range(17))
def test_a_pool_with_all_its_ticks_that_was_pushed_is_brought_back(index):
    """A twentieth of the price is far more than fees and premium: whoever shares the tokens earns it."""
    rows, home = mainnet()
    row = rows[index]
    moved = pushed(row.pool)
    shared = [
        other
        for place, other in enumerate(rows)
        if place != index and {other.token0, other.token1} == {row.token0, row.token1}
    ]
    fallen = moved.marginal_rate_x128(True) * 100 < row.pool.marginal_rate_x128(True) * 96
    rows[index] = NetworkPool(moved, row.token0, row.token1)
    profit = checked(rows, home)
    if home in (row.token0, row.token1) and shared and fallen:
        assert profit > 0
