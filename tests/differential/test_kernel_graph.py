"""Graphs of both twins over the same random pools and changes: the same cycles, amounts, order, and the same end of every cycle.

Oracle: the readable Python; and, for completeness of the search, every cycle by brute force. Covers: M14, P6.
"""

import random
from itertools import permutations

import pytest

from alphapulse.amm import kernel
from alphapulse.amm.contest import ENDS, Terms
from alphapulse.amm.uniswap_v3.tick_math import tick_at_sqrt_ratio
from alphapulse.errors import ValueOutOfRange
from support.amm_evm import seed_of_run
from support.amm_families import FAMILIES
from support.kernel_twins import TWINS, needs_rust, said

UNIVERSES = 48
ROUNDS = 6
TOKENS = 6
DEPTH = 10.0**21


def pool_at(rng, price, foreign):
    """One pool near a price in every twin, most of them of the two kinds that search meets most, some of the specification alone."""
    name = rng.choice(["v2", "v3"] * 6 + list(FAMILIES))
    seed = rng.getrandbits(64)
    depth = DEPTH * 10 ** rng.uniform(-3, 0)
    made = [FAMILIES[name](random.Random(seed), price, depth, twin) for twin in TWINS]
    if rng.random() < foreign:
        made = [made[0]] * len(TWINS)  # the Rust graph holds a pool of the specification
    return made


def move(rng, pools):
    """Move one pool in all twins, if its kind can be moved by a value."""
    if hasattr(pools[0], "set_reserves"):
        reserve = pools[0].reserve0 * rng.randrange(985, 1016) // 1000
        state = "set_reserves", (reserve, pools[0].reserve1)
    elif hasattr(pools[0], "apply_swap"):
        root = pools[0].sqrt_price_x96 * rng.randrange(990, 1011) // 1000
        nets = pools[0].state().ticks.items()
        tick = tick_at_sqrt_ratio(root)
        inside = sum(net for place, (_, net) in nets if place <= tick)
        state = "apply_swap", (root, tick, inside)
    else:
        return
    for pool in {id(pool): pool for pool in pools}.values():
        getattr(pool, state[0])(*state[1])


def terms_of(rng):
    tokens = rng.sample(range(TOKENS + 1), rng.randrange(1, 4))
    worths = [None, (1, 1), (rng.getrandbits(120) + 1, 2**128), (2**200, 3)]
    anchors = {
        token: (rng.choice([10**30, 2**300, 10**15, 10**19]), rng.choice(worths))
        for token in tokens
    }
    return anchors, Terms(
        anchors,
        price=rng.choice([0, 1, 10**9, 10**12]),
        least=rng.choice([0, 0, 10**15]),
        resting=[tuple(rng.sample(range(4), 2)) for _ in range(rng.randrange(3))],
    )


def played(contests, rng):
    """Take walks out of all contests alike; return how many were handed out."""
    count = 0
    while True:
        above = rng.choice([0, 0, 0, rng.getrandbits(rng.randrange(1, 90))])
        walks = [contest.best(above) for contest in contests]
        assert all(walk == walks[0] for walk in walks), walks
        if walks[0] is None:
            if above == 0:
                return count
            continue
        count += 1
        place = walks[0].place
        if rng.random() < 0.5:
            assert len({contest.take(place) for contest in contests}) == 1
        else:
            end = rng.randrange(2, ENDS)
            for contest in contests:
                contest.close(place, end)


@needs_rust
@pytest.mark.parametrize("max_hops", [2, 3, 4])
def test_the_same_changes_give_the_same_contests(max_hops):
    rng = random.Random(f"{seed_of_run()}{max_hops}")
    paying = handed_out = cycles = 0
    for universe in range(UNIVERSES):
        foreign = 0.15 if universe % 4 == 0 else 0.0
        premium_bps = rng.choice([0, 5, 9])
        graphs = [twin.pool_graph(premium_bps=premium_bps, max_hops=max_hops) for twin in TWINS]
        kinds = {(a, b): (rng.getrandbits(20), rng.randrange(1, 100)) for a in (0, 1) for b in (1,)}
        prices = [10 ** rng.uniform(-2, 2) for _ in range(TOKENS)]
        pools = []
        for number in range(rng.randrange(4, 16)):
            one, other = rng.sample(range(TOKENS), 2)
            price = prices[other] / prices[one] * rng.uniform(0.97, 1.03)
            pools.append(pool_at(rng, price, foreign))
            place = rng.choice([None, None, None, rng.randrange(number + 1)])
            kind = rng.randrange(2)
            for graph, pool in zip(graphs, pools[-1], strict=True):
                graph.add(one, other, pool, kind=kind, place=place)
        for graph in graphs:
            graph.expect(kinds)
        for _ in range(ROUNDS):
            changed = rng.sample(range(len(pools)), rng.randrange(1, 4))
            for index in changed:
                move(rng, pools[index])
            bars = [rng.choice([0] * 8 + [10, 11]) for _ in changed]
            present = [rng.random() > 0.03 for _ in changed]
            for twin, graph in enumerate(graphs):
                graph.update(
                    [
                        (index, pools[index][twin] if is_there else None, bar)
                        for index, bar, is_there in zip(changed, bars, present, strict=True)
                    ]
                )
            moved = rng.choice([changed, list(range(len(pools)))])
            anchors, terms = terms_of(rng)
            contests = [graph.contest(moved, terms) for graph in graphs]
            assert len({(contest.sums, len(contest)) for contest in contests}) == 1
            seed = rng.getrandbits(64)
            handed_out += played(contests, random.Random(seed))
            cycles += len(contests[0])
            for fact in ("ends", "waiting"):
                said_of = [getattr(contest, fact)() for contest in contests]
                assert foreign or said_of[0] == said_of[1], fact
            # A pool of the specification has a looser bound in the Rust graph: more is sized, and no other walk comes of it.
            assert foreign or contests[0].sized == contests[1].sized
            weights = {
                token: (most, rng.choice([0, 1, 2**64])) for token, (most, _) in anchors.items()
            }
            found = graphs[0].search(changed, weights)
            assert graphs[1].search(changed, weights) == found
            paying += len(found)
    print(f"{cycles} cycles, {handed_out} walks handed out, {paying} paying")
    assert paying > 50
    assert handed_out > 50


@pytest.mark.parametrize("twin", TWINS, ids=lambda twin: twin.name)
def test_no_paying_cycle_is_missed(twin):
    """Every walk over distinct tokens by brute force, sized without any screen."""
    rng = random.Random(seed_of_run())
    for _ in range(6):
        graph = twin.pool_graph(premium_bps=5, max_hops=3)
        ends, pools = [], []
        for _ in range(7):
            tokens = rng.sample(range(4), 2)
            reserve = rng.randrange(10**18, 10**20)
            pools.append(twin.v2_pool(reserve, reserve * rng.randrange(970, 1030) // 1000, 3000))
            graph.add(*tokens, pools[-1])
            ends.append(tokens)
        edges = [(number, *ends[number >> 1][:: -1 if number & 1 else 1]) for number in range(14)]
        expected = {}
        for hops in (2, 3):
            for walk in permutations(edges, hops):
                closed = all(a[2] == b[1] for a, b in zip(walk, walk[1:] + walk[:1], strict=True))
                if closed and walk[0][1] == 0 and len({edge[1] for edge in walk}) == hops:
                    if len({edge[0] >> 1 for edge in walk}) < hops:
                        continue
                    path = [(pools[edge[0] >> 1], not edge[0] & 1) for edge in walk]
                    sizing = twin.optimise(path, premium_bps=5, max_amount_in=10**30)
                    if sizing is not None:
                        expected[tuple(edge[0] for edge in walk)] = sizing
        found = graph.search(list(range(7)), {0: (10**30, 1)})
        assert dict(found) == expected
        assert [sizing.profit for _, sizing in found] == sorted(
            (s.profit for s in expected.values()), reverse=True
        )


@pytest.mark.parametrize("twin", TWINS, ids=lambda twin: twin.name)
def test_unknown_numbers_are_refused(twin):
    graph = twin.pool_graph(premium_bps=5, max_hops=4)
    assert len(graph) == 0
    pool = twin.v2_pool(10**18, 10**18, 3000)
    assert graph.add(1, 2, pool) == 0
    for index in (-1, 1, 2**32, 2**70):
        assert said(graph.search, [index], {1: (10**30, 1)}) is ValueOutOfRange
        assert said(graph.contest, [index], Terms({})) is ValueOutOfRange
        assert said(graph.update, [(0, None, 0), (index, pool, 0)]) is ValueOutOfRange
    for tokens in ((1, 1), (-1, 2), (2**32, 1)):
        assert said(graph.add, *tokens, pool) is ValueOutOfRange
    for out_of_range in ({"kind": 256}, {"kind": -1}, {"place": -1}, {"place": 2**32}):
        assert said(graph.add, 1, 2, pool, **out_of_range) is ValueOutOfRange
    assert said(graph.update, [(0, pool, ENDS)]) is ValueOutOfRange
    assert len(graph) == 1
    for hops in (0, 1, 5, -2, 2**70):
        with pytest.raises(ValueOutOfRange):
            twin.pool_graph(premium_bps=5, max_hops=hops)
    contest = graph.contest([0], Terms({1: (1, None)}))
    assert (len(contest), contest.best(0)) == (0, None)
    for place, end in ((0, 0), (-1, 0), (2**70, 0)):
        assert said(contest.close, place, end) is ValueOutOfRange
        assert said(contest.take, place) is ValueOutOfRange


def test_the_door_makes_the_chosen_graph():
    assert len(kernel.pool_graph(premium_bps=5, max_hops=2)) == 0
