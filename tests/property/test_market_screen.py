"""Screen and bound only save work: neither loses what exact arithmetic accepts. Oracle: the exact sizing of every cycle."""

from dataclasses import dataclass
from math import exp
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alphapulse.amm.kernel import optimise
from alphapulse.errors import Rejected
from alphapulse.market.graph import PoolGraph
from alphapulse.market.pools import Market
from alphapulse.market.screen import CycleScreen
from support.random_universe import add_pool, make
from support.universe import V2_A, V2_B, Chain, address_of

PREMIUM_BPS = 5


@dataclass
class Found:
    graph: PoolGraph
    screen: CycleScreen
    gains: dict


def screened(messages, borrowable, premium_bps=PREMIUM_BPS):
    market = Market()
    for message in messages:
        market.apply(message, 0)
    graph = PoolGraph(market.pools.values(), borrowable)
    screen = CycleScreen(graph, premium_bps)
    for index in range(len(graph.pools)):
        screen.refresh(index)
    cycles = graph.cycles_through_any(range(len(graph.pools)))
    gains = {cycle.edges: gain for cycle, gain in screen.survivors(cycles)}
    return Found(graph, screen, gains), cycles


def hops_of(graph, edges):
    return [(graph.pools[edge >> 1].quoter, not edge & 1) for edge in edges]


@pytest.mark.parametrize("seed", range(16))
def test_no_profitable_cycle_is_screened_out_and_no_bound_is_below_the_profit(seed):
    """Covers: M12"""
    print(f"seed {seed}")
    random = Random(seed)
    universe = make(random, tokens=4, pools=9, noise=random.choice((0.01, 0.03, 0.3)))
    found, cycles = screened(universe.messages(), universe.tokens)
    profitable = 0
    for cycle in cycles:
        for start in cycle.starts:
            edges = cycle.rotation(start)
            max_loan = 10 ** random.randrange(6, 30)
            sizing = optimise(
                hops_of(found.graph, edges), premium_bps=PREMIUM_BPS, max_amount_in=max_loan
            )
            if sizing is None:
                continue
            profitable += 1
            assert cycle.edges in found.gains
            loans = [max_loan] * len(cycle.starts)
            bounds = found.screen.bounds(cycle, found.gains[cycle.edges], loans)
            assert bounds[cycle.starts.index(start)] >= sizing.gross_profit - sizing.premium
    print(f"{profitable} profitable walks")


@pytest.mark.parametrize("seed", range(6))
def test_bounds_are_close_enough_to_save_work(seed):
    """A bound far above the profit would be true and useless."""
    print(f"seed {seed}")
    universe = make(Random(seed), tokens=4, pools=9, v3_share=0.0)
    found, cycles = screened(universe.messages(), universe.tokens)
    for cycle in cycles:
        if cycle.edges not in found.gains:
            continue
        edges = cycle.rotation(cycle.starts[0])
        sizing = optimise(
            hops_of(found.graph, edges), premium_bps=PREMIUM_BPS, max_amount_in=10**40
        )
        profit = sizing.gross_profit - sizing.premium if sizing else 0
        assert (
            found.screen.bounds(cycle, found.gains[cycle.edges], [10**40] * len(cycle.starts))[0]
            <= profit + 4 + profit // 10**6
        )


@settings(max_examples=150, deadline=None)
@given(
    reserve=st.integers(10**3, 10**30),
    other=st.integers(10**3, 10**30),
    scale=st.integers(1, 10**6),
    excess=st.integers(-20, 20),
)
def test_the_screen_is_exact_to_its_margin_at_break_even(reserve, other, scale, excess):
    """Two pairs a hair from break-even: whatever pays exactly at any amount must pass."""
    token0, token1 = sorted((address_of("a"), address_of("b")))
    chain = Chain()
    messages = [chain.token(token0, 18), chain.token(token1, 18)]
    # the second pair pays back what the first asks, fees and premium included, give or take `excess` units
    back = reserve * scale * 10_005 * 1000 * 1000 // (10_000 * 997 * 997) + excess
    for name, venue, reserves in (
        ("one", V2_A, (reserve, other)),
        ("two", V2_B, (back, other * scale)),
    ):
        if max(reserves) >= 2**112:
            return
        messages.append(chain.pool(address_of(name), token0, token1, venue=venue))
        messages.append(chain.state_v2(address_of(name), *reserves, 1))
    messages.append(chain.block(1))
    found, cycles = screened(messages, (token0, token1))
    for cycle in cycles:
        for start in cycle.starts:
            best = most_of_a_few(hops_of(found.graph, cycle.rotation(start)))
            if best > 0:
                assert cycle.edges in found.gains


def most_of_a_few(hops):
    best = -1
    for exponent in range(0, 70):
        amount_in = int(exp(exponent))
        amount = amount_in
        try:
            for pool, zero_for_one in hops:
                amount = pool.amount_out(amount, zero_for_one)
        except Rejected:
            continue
        best = max(best, amount - amount_in - (amount_in * PREMIUM_BPS + 5000) // 10_000)
    return best


def test_a_pool_without_state_never_passes():
    universe = make(Random(1), tokens=3, pools=2)
    found, cycles = screened(universe.setup[:3], universe.tokens)
    assert found.gains == {}
    add_pool(
        universe,
        "late",
        *sorted(universe.tokens[:2]),
        venue=V2_A,
        usd_depth=1e5,
        skew=1.5,
        random=Random(1),
    )
    unclosed, cycles = screened(universe.setup[:-1], universe.tokens)
    assert cycles
    assert all(
        unclosed.graph.pools[edge >> 1].quoter is not None
        for edges in unclosed.gains
        for edge in edges
    )
