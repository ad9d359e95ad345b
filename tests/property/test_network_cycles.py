"""Cycles from what moved, on bare rates. Oracle: every closed walk over distinct tokens, summed by itself."""

from itertools import permutations, product
from random import Random

import pytest

from alphapulse.amm.network_cycles import NEVER, CycleFinder
from alphapulse.errors import ValueOutOfRange


def random_graph(random, tokens, pools):
    """Return sources and targets of the pools' edges, and a finder that knows their rates."""
    sources, targets = [], []
    for _ in range(pools):
        one, other = random.sample(range(tokens), 2)
        sources += (one, other)
        targets += (other, one)
    finder = CycleFinder(sources, targets, tokens)
    for edge in range(2 * pools):
        dead = random.random() < 0.1
        finder.set_rate(edge, NEVER if dead else random.uniform(-0.02, 0.015))
    return sources, targets, finder


def enumerated(sources, targets, finder, tokens, least, max_hops):
    """Every cycle above the least sum, written from its least edge."""
    between = {}
    for edge, pair in enumerate(zip(sources, targets, strict=True)):
        between.setdefault(pair, []).append(edge)
    found = {}
    for hops in range(2, max_hops + 1):
        for walk in permutations(range(tokens), hops):
            legs = [between.get(pair, ()) for pair in zip(walk, (*walk[1:], walk[0]), strict=True)]
            for edges in product(*legs):
                at = edges.index(min(edges))
                written = edges[at:] + edges[:at]
                total = sum(finder.rate(edge) for edge in written)
                if total > least and len({edge >> 1 for edge in edges}) == hops:
                    found[written] = total
    return found


@pytest.mark.parametrize("max_hops", [2, 3, 4])
@pytest.mark.parametrize("seed", range(8))
def test_what_moved_brings_up_its_cycles_and_no_others(seed, max_hops):
    print(f"seed {seed}")
    random = Random(seed)
    tokens, pools = 6, 22
    sources, targets, finder = random_graph(random, tokens, pools)
    whole = enumerated(sources, targets, finder, tokens, 0.0, max_hops)
    everyone, some = frozenset(range(tokens)), frozenset((0, 3))
    for moved in (range(2 * pools), random.sample(range(2 * pools), 5), [7]):
        for anchors in (everyone, some):
            _, found = finder.through(moved, anchors, least=0.0, max_hops=max_hops)
            expected = [
                edges
                for edges in sorted(whole)
                if set(moved) & set(edges) and anchors & {sources[edge] for edge in edges}
            ]
            assert [edges for edges, _ in found] == expected
            assert all(abs(total - whole[edges]) < 1e-12 for edges, total in found)


@pytest.mark.parametrize("seed", range(4))
def test_rates_that_rise_and_fall_leave_the_best_of_parallel_pools(seed):
    """A finder that was told every change equals one that was told the last rates only."""
    print(f"seed {seed}")
    random = Random(seed)
    sources, targets, finder = random_graph(random, 4, 14)
    for _ in range(300):
        rate = NEVER if random.random() < 0.2 else random.uniform(-0.02, 0.02)
        finder.set_rate(random.randrange(28), rate)
    fresh = CycleFinder(sources, targets, 4)
    for edge in range(28):
        fresh.set_rate(edge, finder.rate(edge))
    everyone = frozenset(range(4))
    assert finder.through(range(28), everyone, least=0.0, max_hops=4) == fresh.through(
        range(28), everyone, least=0.0, max_hops=4
    )


@pytest.mark.parametrize("most", [1, 5, 40])
def test_of_too_many_cycles_the_ones_that_pay_most_are_kept_and_the_rest_is_counted(most):
    """Covers: P5"""
    random = Random(1)
    _, _, finder = random_graph(random, 4, 40)
    everyone = frozenset(range(4))
    _, whole = finder.through((0, 1), everyone, least=0.0, max_hops=3)
    assert finder.dropped == 0
    _, kept = finder.through((0, 1), everyone, least=0.0, max_hops=3, most=most)
    assert len(kept) == min(most, len(whole))
    assert (finder.dropped > 0) == (len(kept) < len(whole))
    if most == 40:
        assert max(total for _, total in kept) == max(total for _, total in whole)


@pytest.mark.parametrize("max_hops", [1, 5])
def test_other_lengths_are_refused(max_hops):
    with pytest.raises(ValueOutOfRange):
        CycleFinder([0, 1], [1, 0], 2).through((0,), frozenset((0,)), least=0.0, max_hops=max_hops)
