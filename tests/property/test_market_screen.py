"""Screen and bound only save work: neither loses what exact arithmetic accepts. Oracle: the exact sizing of every cycle."""

from dataclasses import dataclass
from fractions import Fraction
from math import exp, log1p
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alphapulse.amm.kernel import optimise
from alphapulse.errors import Rejected
from alphapulse.market.graph import PoolGraph
from alphapulse.market.pools import Market
from alphapulse.market.screen import SCREEN_MARGIN, CycleScreen
from support.random_universe import add_pool, make
from support.universe import V2_A, V2_B, Chain, address_of

PREMIUM_BPS = 5


@dataclass
class Found:
    graph: PoolGraph
    screen: CycleScreen
    gains: dict


def screened(messages, borrowable, premium_bps=PREMIUM_BPS, max_hops=3):
    market = Market()
    for message in messages:
        market.apply(message, 0)
    graph = PoolGraph(market.pools.values(), borrowable, max_hops=max_hops)
    screen = CycleScreen(graph, premium_bps)
    for index in range(len(graph.pools)):
        screen.refresh(index)
    gains = {cycle.edges: gain for cycle, gain in screen.survivors(range(len(graph.pools)))[1]}
    return Found(graph, screen, gains), every_cycle(graph, range(len(graph.pools)))


def every_cycle(graph, indices):
    """Each cycle through one of the pools once, ascending, by the graph's plain enumeration."""
    return sorted({cycle for index in indices for cycle in graph.cycles_through(index)})


def hops_of(graph, edges):
    return [(graph.pools[edge >> 1].quoter, not edge & 1) for edge in edges]


@pytest.mark.parametrize("max_hops", [2, 3, 4])
@pytest.mark.parametrize("seed", range(6))
def test_survivors_are_those_whose_own_sum_passes_whichever_pools_moved(seed, max_hops):
    """Oracle: the plain enumeration, each cycle summed by itself."""
    print(f"seed {seed}")
    random = Random(seed)
    universe = make(random, tokens=5, pools=14, noise=random.choice((0.002, 0.03)))
    found, _ = screened(universe.messages(), universe.tokens[:2], max_hops=max_hops)
    graph = found.graph
    least = log1p(PREMIUM_BPS / 10_000) - SCREEN_MARGIN
    for moved in (*((index,) for index in range(14)), random.sample(range(14), 5), range(14)):
        expected = []
        for cycle in every_cycle(graph, moved):
            total = sum(
                graph.pools[edge >> 1].quoter.log_rate(not edge & 1) for edge in cycle.edges
            )
            if total > least:
                expected.append(cycle)
        looked, survivors = found.screen.survivors(moved)
        assert [cycle for cycle, _ in survivors] == expected
        assert looked > 0


def test_a_pool_that_moves_is_summed_anew():
    """Rates follow the pools up and down, whichever of parallel pools was best before."""
    random = Random(3)
    universe = make(random, tokens=4, pools=12, noise=0.02, v3_share=0.0)
    market = Market()
    for message in universe.messages():
        market.apply(message, 0)
    graph = PoolGraph(market.pools.values(), universe.tokens, max_hops=4)
    screen = CycleScreen(graph, PREMIUM_BPS)
    for step in range(60):
        index = random.randrange(12)
        pool = graph.pools[index]
        pool.quoter.set_reserves(
            pool.quoter.reserve0 * random.randrange(970, 1030) // 1000, pool.quoter.reserve1
        )
        pool.touch()
        for moved in range(12) if step == 0 else (index,):
            screen.refresh(moved)
        fresh = CycleScreen(graph, PREMIUM_BPS)
        for other in range(12):
            fresh.refresh(other)
        assert screen.survivors((index,)) == fresh.survivors((index,))


@pytest.mark.parametrize("seed", range(16))
def test_no_profitable_cycle_is_screened_out_and_no_bound_is_below_the_profit(seed):
    """Covers: M12"""
    print(f"seed {seed}")
    random = Random(seed)
    tokens = random.choice((4, 5))
    universe = make(random, tokens=tokens, pools=10, noise=random.choice((0.01, 0.03, 0.3)))
    found, cycles = screened(universe.messages(), universe.tokens, max_hops=4)
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


@settings(max_examples=100, deadline=None)
@given(
    reserves=st.lists(st.integers(10**5, 10**33), min_size=4, max_size=4),
    hops=st.integers(2, 4),
    excess=st.integers(-20, 20),
)
def test_the_margin_holds_for_cycles_of_any_length_at_break_even(reserves, hops, excess):
    """A ring of pairs whose last pays back what the others ask: the longer the cycle, the more roundings in its sum."""
    tokens = sorted(address_of(f"ring{number}") for number in range(hops))
    chain = Chain()
    messages = [chain.token(token, 18) for token in tokens]
    owed = reserves[0] * 10_005 * 1000**hops // (10_000 * 997**hops) + excess
    for place in range(hops):
        last = place == hops - 1
        token_in, token_out = tokens[place], tokens[(place + 1) % hops]
        reserve_in, reserve_out = reserves[place], owed if last else reserves[place + 1]
        pair = (
            (reserve_in, reserve_out)
            if token_in == min(token_in, token_out)
            else (reserve_out, reserve_in)
        )
        if max(pair) >= 2**112:
            return
        name = address_of(f"pair{place}")
        ends = sorted((token_in, token_out))
        messages.append(chain.pool(name, *ends, venue=V2_A if place else V2_B))
        messages.append(chain.state_v2(name, *pair, 1))
    messages.append(chain.block(1))
    found, cycles = screened(messages, tokens, max_hops=4)
    for cycle in cycles:
        for start in cycle.starts:
            if most_of_a_few(hops_of(found.graph, cycle.rotation(start))) > 0:
                assert cycle.edges in found.gains


def test_rates_too_thin_for_q128_pass_when_they_could_pay():
    """A pair of 2**111 to a few units: its rate in Q128 is rounded by more than the screen's margin."""
    token0, token1 = sorted((address_of("a"), address_of("b")))
    chain = Chain()
    messages = [chain.token(token0, 18), chain.token(token1, 18)]
    for name, venue, reserves in (
        ("one", V2_A, (2**111, 10**4)),
        ("two", V2_B, (2**111 // 993 * 1000, 10**4)),
    ):
        messages.append(chain.pool(address_of(name), token0, token1, venue=venue))
        messages.append(chain.state_v2(address_of(name), *reserves, 1))
    messages.append(chain.block(1))
    found, cycles = screened(messages, (token0, token1), premium_bps=0)
    paying = [c for c in cycles if rate_product(hops_of(found.graph, c.edges)) > 1]
    assert paying
    assert all(cycle.edges in found.gains for cycle in paying)


def rate_product(hops):
    """The product of the marginal rates as an exact fraction."""
    rate = Fraction(1)
    for pool, zero_for_one in hops:
        reserves = (pool.reserve0, pool.reserve1)
        reserve_in, reserve_out = reserves if zero_for_one else reserves[::-1]
        rate *= Fraction(997 * reserve_out, 1000 * reserve_in)
    return rate
