"""Screen and bound only save work: neither loses what exact arithmetic accepts. Oracle: the exact sizing of every cycle."""

from dataclasses import dataclass
from fractions import Fraction
from math import exp, log1p
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alphapulse.amm.contest import BELOW_FLOOR, UNPROFITABLE, Terms
from alphapulse.amm.cycle_bounds import MARGIN, bounds_of, hop_of, reach_of
from alphapulse.amm.kernel import CycleGraph, optimise
from alphapulse.amm.pool_graph import PoolGraph
from alphapulse.errors import Rejected
from alphapulse.market.pools import Market
from alphapulse.market.roster import Roster
from support.cycles import every_cycle, graph_over, sized
from support.random_universe import add_pool, make
from support.universe import V2_A, V2_B, Chain, address_of

PREMIUM_BPS = 5


@dataclass
class Found:
    roster: Roster
    graph: CycleGraph
    gains: dict


@dataclass
class Cycle:
    edges: tuple
    starts: list

    def rotation(self, start):
        return self.edges[start:] + self.edges[:start]


def screened(messages, borrowable, premium_bps=PREMIUM_BPS, max_hops=3):
    market = Market()
    for message in messages:
        market.apply(message, 0)
    roster = Roster(market.pools.values())
    graph = graph_over(roster, premium_bps=premium_bps, max_hops=max_hops)
    found = survivors(roster, borrowable, premium_bps, max_hops, range(len(roster.pools)))
    lent = set(borrowable)
    cycles = [
        Cycle(edges, [at for at, edge in enumerate(edges) if roster.token_in[edge] in lent])
        for edges in every_cycle(roster, borrowable, max_hops)
    ]
    return Found(roster, graph, dict(found)), cycles


def survivors(roster, borrowable, premium_bps, max_hops, moved):
    """What the specification's screen lets pass, each with its gain."""
    graph = graph_over(roster, premium_bps=premium_bps, max_hops=max_hops, twin=Specification)
    _, found = graph._cycles(list(moved), dict.fromkeys(anchors_of(roster, borrowable)))
    return [(edges, total - log1p(premium_bps / 10_000)) for edges, total in found]


class Specification:
    pool_graph = PoolGraph


def anchors_of(roster, borrowable, most=10**40):
    numbers = roster.numbers
    return {numbers[token]: (most, (1, 1)) for token in borrowable if token in numbers}


def hops_of(roster, edges):
    return [(roster.pools[edge >> 1].quoter, not edge & 1) for edge in edges]


def bound_of(roster, edges, gain, max_loan):
    """The bound of a walk from its first edge."""
    log_gain = max(0.0, gain) + 2 * MARGIN
    reach = reach_of(log_gain)
    hops = [hop_of(quoter, reach, zero_for_one=side) for quoter, side in hops_of(roster, edges)]
    return bounds_of(hops, log_gain, 1 + PREMIUM_BPS / 10_000, [(0, float(max_loan))])[0]


@pytest.mark.parametrize("max_hops", [2, 3, 4])
@pytest.mark.parametrize("seed", range(6))
def test_survivors_are_those_whose_own_sum_passes_whichever_pools_moved(seed, max_hops):
    """Oracle: the plain enumeration, each cycle summed by itself; and both twins bring up as many."""
    print(f"seed {seed}")
    random = Random(seed)
    universe = make(random, tokens=5, pools=14, noise=random.choice((0.002, 0.03)))
    lent = universe.tokens[:2]
    found, _ = screened(universe.messages(), lent, max_hops=max_hops)
    roster = found.roster
    least = log1p(PREMIUM_BPS / 10_000) - MARGIN
    for moved in (*((index,) for index in range(14)), random.sample(range(14), 5), range(14)):
        expected = []
        for edges in every_cycle(roster, lent, max_hops, moved):
            hops = hops_of(roster, edges)
            if sum(quoter.log_rate(side) for quoter, side in hops) > least:
                expected.append(edges)
        passed = survivors(roster, lent, PREMIUM_BPS, max_hops, moved)
        assert [edges for edges, _ in passed] == expected
        contest = found.graph.contest(list(moved), Terms(anchors_of(roster, lent)))
        assert len(contest) == len(expected)
        assert contest.sums > 0


def test_a_pool_that_moves_is_summed_anew():
    """Rates follow the pools up and down, whichever of parallel pools was best before."""
    random = Random(3)
    universe = make(random, tokens=4, pools=12, noise=0.02, v3_share=0.0)
    found, _ = screened(universe.messages(), universe.tokens, max_hops=4)
    roster, anchors = found.roster, anchors_of(found.roster, universe.tokens)
    weights = dict.fromkeys(anchors, (10**40, 1))
    for step in range(60):
        index = random.randrange(12)
        pool = roster.pools[index]
        pool.quoter.set_reserves(
            pool.quoter.reserve0 * random.randrange(970, 1030) // 1000, pool.quoter.reserve1
        )
        for moved in range(12) if step == 0 else (index,):
            found.graph.update([(moved, roster.pools[moved].quoter, 0)])
        fresh = graph_over(roster, premium_bps=PREMIUM_BPS, max_hops=4)
        terms = Terms(anchors)
        one, other = (graph.contest([index], terms) for graph in (found.graph, fresh))
        assert (one.sums, len(one)) == (other.sums, len(other))
        assert found.graph.search([index], weights) == fresh.search([index], weights)


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
                hops_of(found.roster, edges), premium_bps=PREMIUM_BPS, max_amount_in=max_loan
            )
            if sizing is None:
                continue
            profitable += 1
            assert cycle.edges in found.gains
            bound = bound_of(found.roster, edges, found.gains[cycle.edges], max_loan)
            assert bound >= sizing.profit
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
        sizing = sized(found.roster, edges, 10**40, PREMIUM_BPS)
        profit = sizing.profit if sizing else 0
        bound = bound_of(found.roster, edges, found.gains[cycle.edges], 10**40)
        assert bound <= profit + 4 + profit // 10**6


@pytest.mark.parametrize("seed", range(6))
def test_every_cycle_of_a_contest_ends_once(seed):
    """Whatever floor, least and taking: the ends add up to the cycles, and taken pools are disjoint."""
    print(f"seed {seed}")
    random = Random(seed)
    universe = make(random, tokens=5, pools=14, noise=0.03)
    found, _ = screened(universe.messages(), universe.tokens[:2])
    moved = list(range(14))
    kinds = [(one, other) for one in (0, 1) for other in (0, 1) if one <= other]
    found.graph.expect(dict.fromkeys(kinds, (10**5, 90)))
    for exponent in range(0, 24, 3):
        terms = Terms(
            anchors_of(found.roster, universe.tokens[:2]), price=10**exponent, least=10**exponent
        )
        contest = found.graph.contest(moved, terms)
        taken = set()
        while (walk := contest.best(0)) is not None:
            if random.random() < 0.3:
                contest.close(walk.place, BELOW_FLOOR)
            elif contest.take(walk.place):
                pools = {edge >> 1 for edge in walk.edges}
                assert not pools & taken
                taken |= pools
                assert not contest.take(walk.place)
        assert sum(contest.ends()) == len(contest)
        assert contest.ends()[UNPROFITABLE] <= contest.sized
        assert contest.waiting() == sorted(set(contest.waiting()))


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
            best = most_of_a_few(hops_of(found.roster, cycle.rotation(start)))
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
        unclosed.roster.pools[edge >> 1].quoter is not None
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
            if most_of_a_few(hops_of(found.roster, cycle.rotation(start))) > 0:
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
    paying = [c for c in cycles if rate_product(hops_of(found.roster, c.edges)) > 1]
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
