"""Numbers of pools and tokens, and the cycles that graphs over them find. Oracle: plain enumeration."""

from random import Random

import pytest

from alphapulse.amm import kernel
from alphapulse.amm.contest import Terms
from alphapulse.errors import ValueOutOfRange
from alphapulse.market.pools import Market
from alphapulse.market.roster import Roster
from support.cycles import every_cycle, graph_over
from support.random_universe import make


def roster_of(seed):
    universe = make(Random(seed), tokens=5, pools=11)
    market = Market()
    for message in universe.messages():
        market.apply(message, 0)
    return Roster(market.pools.values()), universe


def test_numbers_follow_identities_and_addresses():
    roster, _ = roster_of(0)
    keys = [pool.key for pool in roster.pools]
    assert keys == sorted(keys)
    assert [roster.index[key] for key in keys] == list(range(len(keys)))
    assert list(roster.numbers) == sorted(roster.numbers)
    for number, pool in enumerate(roster.pools):
        assert (roster.token_in[2 * number], roster.token_out[2 * number]) == (
            pool.token0,
            pool.token1,
        )
        assert roster.token_in[2 * number + 1] == pool.token1


def test_a_path_is_the_same_wherever_its_cycle_is_entered():
    roster, _ = roster_of(1)
    edges = (9, 4, 2)
    paths = {roster.path(edges[turn:] + edges[:turn]) for turn in range(3)}
    assert paths == {tuple(roster.pools[index].key for index in (1, 4, 2))}
    assert roster.kinds(edges) == tuple(
        sorted(roster.pools[index].kind.value for index in (1, 2, 4))
    )


@pytest.mark.parametrize("max_hops", [2, 3, 4])
@pytest.mark.parametrize("seed", range(3))
def test_cycles_are_all_there_once(seed, max_hops):
    """With a loan that costs nothing and pays everything back, whatever could pay is found. Covers: M11"""
    roster, universe = roster_of(seed)
    borrowable = universe.tokens[:2]
    graph = graph_over(roster, premium_bps=0, max_hops=max_hops)
    anchors = {roster.numbers[token]: (1, None) for token in borrowable}
    for index in range(len(roster.pools)):
        expected = [
            edges
            for edges in every_cycle(roster, borrowable, max_hops, [index])
            if sum(roster.pools[edge >> 1].quoter.log_rate(not edge & 1) for edge in edges) > 1e-9
        ]
        assert len(graph.contest([index], Terms(anchors))) == len(expected), f"seed {seed}"


@pytest.mark.parametrize("hops", [1, 5])
def test_other_lengths_are_refused(hops):
    with pytest.raises(ValueOutOfRange):
        kernel.pool_graph(premium_bps=0, max_hops=hops)
