"""The optimum over many pools. Oracles: the contracts' own arithmetic on copies, the plain enumeration of single cycles, brute force
over splits on small networks, and the dual's value, which no plan exceeds."""

from itertools import pairwise
from random import Random

import pytest

from alphapulse.amm.network import (
    NetworkPool,
    as_contract_path,
    as_contract_paths,
    optimal_flow,
)
from alphapulse.amm.network_curve import curve_of
from alphapulse.amm.network_cycles import MAX_HOPS
from alphapulse.amm.network_dual import Wire, solve
from alphapulse.amm.pool import V2Pool, V3Pool
from alphapulse.amm.sizing import optimise, premium
from alphapulse.amm.solidly import SolidlyVolatilePool
from alphapulse.errors import Rejected, ValueOutOfRange
from alphapulse.execution.gas import GasModel
from alphapulse.market.pools import Market
from alphapulse.market.roster import Roster
from alphapulse.strategies.flash_arbitrage.strategy import FlashArbitrage
from support.flash import config_for, feed, plans_of
from support.networks import Copies, executed, network, price_of
from support.random_universe import make

HOME = 0
PREMIUM_BPS = 5
MAX_LOAN = 10**24
SIZES = ((4, 10), (5, 16), (8, 30), (12, 60))


def best_cycle(rows, max_hops, premium_bps=PREMIUM_BPS, max_loan=MAX_LOAN):
    """The best single walk from the profit token over all of them, each sized."""
    onward = {}
    for index, row in enumerate(rows):
        onward.setdefault(row.token0, []).append((index, True, row.token1))
        onward.setdefault(row.token1, []).append((index, False, row.token0))
    best = 0
    stack = [((), HOME, frozenset())]
    while stack:
        path, token, met = stack.pop()
        for index, zero_for_one, target in onward.get(token, ()):
            step = (*path, (index, zero_for_one))
            if target == HOME and path and path[0][0] != index:
                hops = [(rows[i].pool, way) for i, way in step]
                sizing = optimise(hops, premium_bps=premium_bps, max_amount_in=max_loan)
                gas = sum(rows[i].gas for i, _ in step)
                best = max(best, sizing.profit - gas if sizing else 0)
            elif target != HOME and target not in met and len(step) < max_hops:
                stack.append((step, target, met | {target}))
    return best


def universe_of(seed, size, **settings):
    tokens, pools = size
    noise = (0.004, 0.02, 0.1)[seed % 3]
    return network(Random(seed), tokens=tokens, pools=pools, noise=noise, **settings)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("seed", range(6))
def test_a_plan_runs_on_copies_and_beats_every_single_cycle(seed, size):
    """Each step sells what the one before paid, so no unit of another token remains: the bound on dust is zero."""
    print(f"seed {seed}")
    rows = universe_of(seed, size)
    before = [row.pool.fingerprint() for row in rows]
    plan = optimal_flow(rows, HOME, premium_bps=PREMIUM_BPS, max_loan=MAX_LOAN, max_hops=MAX_HOPS)
    assert [row.pool.fingerprint() for row in rows] == before
    best = best_cycle(rows, MAX_HOPS) if len(rows) <= 16 else best_cycle(rows, 3)
    if plan is None:
        assert best == 0
        return
    held = executed(plan, rows)
    assert held.pop(HOME) - plan.loan - plan.premium == plan.profit > 0
    assert set(held.values()) <= {0}
    assert plan.premium == premium(plan.loan, PREMIUM_BPS)
    assert plan.loan == max(plan.legs[start].amount_in for start in plan.starts[:1])
    assert plan.loan <= MAX_LOAN
    assert plan.net_profit == plan.profit >= best
    again = optimal_flow(rows, HOME, premium_bps=PREMIUM_BPS, max_loan=MAX_LOAN, max_hops=MAX_HOPS)
    assert again == plan


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("seed", range(4))
def test_no_plan_exceeds_the_dual_and_most_come_near(seed, size):
    print(f"seed {seed}")
    rows = universe_of(seed, size)
    wires = []
    for index, row in enumerate(rows):
        there, back = (curve_of(row.pool, zero_for_one=way) for way in (True, False))
        wires.append(Wire(2 * index, row.token0, row.token1, there, 0.0))
        wires.append(Wire(2 * index + 1, row.token1, row.token0, back, 0.0))
    solution = solve(wires, size[0], HOME)
    plan = optimal_flow(rows, HOME, premium_bps=0, max_loan=10**30)
    profit = plan.profit if plan else 0
    print(f"{profit} of at most {solution.bound} after {solution.iterations} steps")
    assert solution.iterations < 200
    assert profit <= solution.bound * (1 + 1e-9) + 2


@pytest.mark.parametrize("seed", range(6))
def test_it_is_never_below_the_best_plan_of_the_strategy(seed):
    """The same market through both: messages, search, selection there; the network here."""
    print(f"seed {seed}")
    universe = make(Random(seed), tokens=5, pools=14, noise=0.03)
    free = GasModel(0, 0, 0, 0)
    config = config_for(universe, borrowable=1, gas_model=free, tip_per_gas_wei=0, max_hops=4)
    strategy = FlashArbitrage(config)
    said = plans_of(feed(strategy, *universe.setup, universe.chain.block(1, base_fee=0)))
    market = Market()
    for message in universe.messages():
        market.apply(message, 0)
    roster = Roster(market.pools.values())
    numbers = roster.numbers
    rows = [
        NetworkPool(pool.quoter, numbers[pool.token0], numbers[pool.token1])
        for pool in roster.pools
    ]
    plan = optimal_flow(
        rows,
        numbers[universe.tokens[0]],
        premium_bps=5,
        max_loan=config.borrowable[0].max_loan,
        max_hops=4,
    )
    assert said
    assert plan.profit >= max(one.predicted_profit for one in said)


def pair(depth, price, token0, token1, gas=0):
    """A pair whose token0 is worth `price` per mille of the usual."""
    reserve0, reserve1 = int(depth / price_of(token0)), int(depth / price_of(token1))
    return NetworkPool(V2Pool(reserve0, reserve1 * price // 1000, 3000), token0, token1, gas)


@pytest.mark.parametrize("prices", [(1000, 1030, 1040), (1000, 970, 1050), (1000, 1040, 1041)])
def test_a_split_over_parallel_pairs_equals_brute_force(prices):
    """One pair against two others: every split over a grid that is refined around its best point, run exactly.

    Within 2e-5: the dual trades with each pair once, and a pair that two walks share is traded with twice, the second time at
    reserves that hold the first one's fee.
    """
    rows = [pair(10**6, price, 0, 1) for price in prices]
    plan = optimal_flow(rows, HOME, premium_bps=0, max_loan=MAX_LOAN)
    brute = 0
    for one, two in (((0, 1), (0, 2)), ((0, 2), (1, 2)), ((1, 2), (0, 2)), ((1, 0), (2, 0))):
        for walk in ((one, two), (one[::-1], two[::-1])):
            brute = max(brute, refined(rows, walk))
    assert brute > 0
    assert plan.profit >= brute - brute // 50_000
    assert plan.profit <= brute + brute // 10**3


def refined(rows, walks):
    """The best profit of two walks run in order, each buying in its first pool and selling in its second."""
    centre, width, best = (5 * 10**18, 5 * 10**18), 5 * 10**18, 0
    for _ in range(14):
        around = centre
        for step0 in range(-6, 7):
            for step1 in range(-6, 7):
                inputs = (around[0] + step0 * width // 6, around[1] + step1 * width // 6)
                profit = run(rows, walks, inputs)
                if profit > best:
                    best, centre = profit, inputs
        width = width * 2 // 5
    return best


def run(rows, walks, inputs):
    copies, profit = Copies(rows), 0
    for (buy, sell), amount in zip(walks, inputs, strict=True):
        if amount > 0:
            bought = copies.swap(buy, True, amount)
            profit += copies.swap(sell, False, bought) - amount
    return profit


@pytest.mark.parametrize("seed", range(6))
def test_gas_is_paid_by_every_walk_or_the_walk_is_left_out(seed):
    print(f"seed {seed}")
    rows = universe_of(seed, (6, 24), gas=10**14)
    plan = optimal_flow(rows, HOME, premium_bps=PREMIUM_BPS, max_loan=MAX_LOAN)
    best = best_cycle(rows, 3)
    assert (plan.net_profit if plan else 0) >= best
    if plan:
        assert plan.gas == len(plan.legs) * 10**14
        for start, end in pairwise((*plan.starts, len(plan.legs))):
            legs = plan.legs[start:end]
            assert legs[-1].amount_out - legs[0].amount_in > len(legs) * 10**14
    dear = [NetworkPool(row.pool, row.token0, row.token1, 10**24) for row in rows]
    assert optimal_flow(dear, HOME, premium_bps=PREMIUM_BPS, max_loan=MAX_LOAN) is None


@pytest.mark.parametrize("max_loan", [1, 10**3, 10**15, 10**17])
def test_no_more_than_the_limit_is_borrowed(max_loan):
    rows = universe_of(1, (6, 24))
    plan = optimal_flow(rows, HOME, premium_bps=PREMIUM_BPS, max_loan=max_loan)
    if plan is not None:
        assert plan.loan <= max_loan
        executed(plan, rows)
    assert (plan.profit if plan else 0) >= best_cycle(rows, 3, max_loan=max_loan)


@pytest.mark.parametrize("seed", range(4))
def test_the_runs_of_the_contract_add_up_to_the_plan(seed):
    """Each run holds its loan only; what it sells is what it holds by then."""
    print(f"seed {seed}")
    rows = network(Random(seed), tokens=5, pools=8 + 4 * seed, noise=0.03)
    plan = optimal_flow(rows, HOME, premium_bps=PREMIUM_BPS, max_loan=MAX_LOAN)
    runs = as_contract_paths(plan, PREMIUM_BPS)
    single = as_contract_path(plan)
    assert (single is None) == (len(plan.legs) > 8)
    if single is not None:
        assert contract_profit(Copies(rows), rows, single) == single.profit == plan.profit
    copies = Copies(rows)
    for one in runs:
        assert len(one.pools) == len(one.amounts) <= 8
        assert contract_profit(copies, rows, one) == one.profit
        assert one.profit > 0
    steps = sum(len(one.pools) for one in runs)
    ends = [end for start, end in pairwise((*plan.starts, len(plan.legs))) if end <= steps]
    gross = sum(
        plan.legs[end - 1].amount_out - plan.legs[start].amount_in
        for start, end in zip(plan.starts, ends, strict=False)
    )
    assert sum(one.profit + one.premium for one in runs) == gross
    assert steps == len(plan.legs) or len(plan.legs) > 8


def contract_profit(copies, rows, path):
    """Walk the pools as the contract does: 0 sells what the step before paid, profit token stays in the contract."""
    balance, token, held = path.amounts[0], HOME, path.amounts[0]
    for index, wanted in zip(path.pools, path.amounts, strict=True):
        sold = wanted or held
        if token == HOME:
            assert sold <= balance
            balance -= sold
        else:
            assert sold == held
        row = rows[index]
        zero_for_one = token == row.token0
        held = copies.swap(index, zero_for_one, sold)
        token = row.token1 if zero_for_one else row.token0
        if token == HOME:
            balance += held
    assert token == HOME
    return balance - path.amounts[0] - premium(path.amounts[0], PREMIUM_BPS)


class Smooth:
    """A pair that hides its closed form, as a curve without stretches does."""

    def __init__(self, pool):
        self._pool = pool

    def __getattr__(self, name):
        return getattr(self._pool, name)

    def segment(self, amount_in, zero_for_one):
        return None


def test_pools_without_stretches_are_searched_and_used_once():
    """The sizing of single walks over them is the sizing's own matter; the dual's flows must agree with the closed form's."""
    rows = [pair(10**6, price, 0, 1) for price in (1000, 1030, 1041)]
    flows = []
    for wrap in (lambda pool: pool, Smooth):
        wires = []
        for index, row in enumerate(rows):
            for way in (True, False):
                ends = (row.token0, row.token1) if way else (row.token1, row.token0)
                curve = curve_of(wrap(row.pool), zero_for_one=way)
                wires.append(Wire(2 * index + (not way), *ends, curve, 0.0))
        flows.append(solve(wires, 2, HOME).flows)
    closed, searched = flows
    assert [flow.edge for flow in searched] == [flow.edge for flow in closed]
    for one, other in zip(closed, searched, strict=True):
        assert abs(one.amount_in - other.amount_in) < one.amount_in // 100


@pytest.mark.parametrize("smooth", [(1,), (0, 1, 2)])
def test_a_smooth_pool_is_used_once_since_its_state_after_a_trade_is_not_known(smooth):
    """What it is worth afterwards would be a guess, so the plan does without, and is still no worse than one cycle."""
    rows = [pair(10**6, price, 0, 1) for price in (1000, 1030, 1041)]
    for index in smooth:
        reserves = rows[index].pool.reserve0, rows[index].pool.reserve1
        view = SolidlyVolatilePool(*reserves, 30, fee_denominator=10_000).pair(0, 1)
        rows[index] = NetworkPool(view, 0, 1)
    plan = optimal_flow(rows, HOME, premium_bps=PREMIUM_BPS, max_loan=MAX_LOAN)
    assert plan.profit >= best_cycle(rows, 3) > 0
    used = [leg.pool_index for leg in plan.legs]
    assert all(used.count(index) <= 1 for index in smooth)
    for leg in plan.legs:
        if leg.pool_index in smooth:
            pool = rows[leg.pool_index].pool
            assert pool.amount_out(leg.amount_in, leg.zero_for_one) == leg.amount_out


def test_pools_that_cannot_trade_are_passed_over():
    """Uninitialised, empty and one-sided pools say no; the rest is planned as if they were not there."""
    rows = [pair(10**6, price, 0, 1) for price in (1000, 1050)]
    dead = [
        NetworkPool(V3Pool(0, 0, 0, 3000, 60, {}), 0, 1),
        NetworkPool(V2Pool(0, 0, 3000), 0, 1),
        NetworkPool(V3Pool(2**96, 0, 0, 3000, 60, {}), 0, 2),
        NetworkPool(V2Pool(1, 2**112 - 1, 3000), 1, 2),
    ]
    alone = optimal_flow(rows, HOME, premium_bps=PREMIUM_BPS, max_loan=MAX_LOAN)
    plan = optimal_flow([*rows, *dead], HOME, premium_bps=PREMIUM_BPS, max_loan=MAX_LOAN)
    assert plan == alone
    assert optimal_flow([], HOME, premium_bps=PREMIUM_BPS, max_loan=MAX_LOAN) is None
    assert optimal_flow(dead, HOME, premium_bps=PREMIUM_BPS, max_loan=MAX_LOAN) is None
    with pytest.raises(ValueOutOfRange):
        optimal_flow(rows, HOME, premium_bps=0, max_loan=MAX_LOAN, max_hops=5)
    with pytest.raises(Rejected):
        dead[0].pool.amount_out(1, True)
