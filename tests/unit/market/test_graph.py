"""Cycles of pools. Oracle: plain enumeration of ordered pools by itertools."""

from itertools import permutations
from random import Random

import pytest

from alphapulse.errors import ValueOutOfRange
from alphapulse.market.graph import PoolGraph
from alphapulse.market.pools import Market
from support.random_universe import make


def graph_of(seed, borrowable=2, **settings):
    universe = make(Random(seed), tokens=5, pools=11)
    market = Market()
    for message in universe.messages():
        market.apply(message, 0)
    graph = PoolGraph(market.pools.values(), universe.tokens[:borrowable], **settings)
    return graph, universe


def enumerated(graph, through, borrowable, max_hops):
    """Every closed walk over distinct pools and tokens that holds a pool and a borrowable token."""
    found = set()
    for hops in range(2, max_hops + 1):
        for pools in permutations(range(len(graph.pools)), hops):
            if through not in pools:
                continue
            for start in (graph.pools[pools[0]].token0, graph.pools[pools[0]].token1):
                edges = walk(graph, pools, start)
                if edges and borrowable & {graph.token_in[edge] for edge in edges}:
                    least = edges.index(min(edges))
                    found.add(edges[least:] + edges[:least])
    return found


def walk(graph, pools, start):
    token, edges, seen = start, [], {start}
    for place, index in enumerate(pools):
        pool = graph.pools[index]
        if token not in (pool.token0, pool.token1):
            return ()
        edges.append(2 * index + (token == pool.token1))
        token = pool.token1 if token == pool.token0 else pool.token0
        if place < len(pools) - 1 and token in seen:
            return ()
        seen.add(token)
    return tuple(edges) if token == start else ()


@pytest.mark.parametrize("max_hops", [2, 3, 4])
@pytest.mark.parametrize("seed", range(3))
def test_cycles_are_all_there_once(seed, max_hops):
    """Covers: M11"""
    graph, universe = graph_of(seed, max_hops=max_hops)
    borrowable = set(universe.tokens[:2])
    for index in range(len(graph.pools)):
        cycles = list(graph.cycles_through(index))
        edges = [cycle.edges for cycle in cycles]
        assert len(set(edges)) == len(edges)
        assert set(edges) == enumerated(graph, index, borrowable, max_hops), f"seed {seed}"
        for cycle in cycles:
            assert cycle.edges[0] == min(cycle.edges)
            for start in range(len(cycle.edges)):
                token = graph.token_in[cycle.edges[start]]
                assert (start in cycle.starts) == (token in borrowable)
                assert graph.token_in[cycle.rotation(start)[0]] == token


@pytest.mark.parametrize("hops", [1, 5])
def test_other_lengths_are_refused(hops):
    with pytest.raises(ValueOutOfRange):
        graph_of(0, max_hops=hops)
