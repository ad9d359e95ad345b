"""Graphs of both twins through the same random updates: the same refusals, the same cycles, the same amounts, the same order.

Oracle: the readable Python; and, for completeness of the search, every cycle by brute force. Covers: M14, P6.
"""

import random
from itertools import permutations

import pytest

from alphapulse.amm import kernel
from alphapulse.amm.pool_graph import LIQUIDITY, RESERVES, SWAP
from alphapulse.amm.uniswap_v3.tick_math import sqrt_ratio_at_tick
from alphapulse.errors import ValueOutOfRange
from support.amm_evm import seed_of_run
from support.kernel_twins import TWINS, needs_rust, said

UNIVERSES = 120
ROUNDS = 12
TOKENS = 7
HOSTILE = (-(2**300), -1, 2**112, 2**128, 2**160, 2**256, 2**300)
EDGE = 887220


def fill(rng, graphs, pools):
    """Add the same pools to every graph; prices are near each other so that some cycles pay."""
    kinds = []
    for _ in range(pools):
        token0, token1 = rng.sample(range(TOKENS), 2)
        kinds.append(rng.choice([2, 3]))
        if kinds[-1] == 2:
            reserve = rng.randrange(10**18, 10**21)
            state = {
                "reserve0": reserve,
                "reserve1": reserve * rng.randrange(980, 1020) // 1000,
                "fee_pips": rng.choice([500, 3000]),
            }
            numbers = {graph.add_pair(token0, token1, **state) for graph in graphs}
        else:
            tick, liquidity = rng.randrange(-200, 200), rng.randrange(10**18, 10**21)
            thick = rng.randrange(10**18, 10**22)
            ticks = {
                -EDGE: (liquidity, liquidity),
                EDGE: (liquidity, -liquidity),
                -600: (thick, thick),
                600: (thick, -thick),
            }
            state = {
                "sqrt_price_x96": sqrt_ratio_at_tick(tick),
                "tick": tick,
                "liquidity": liquidity + thick,
                "fee_pips": 500,
                "tick_spacing": 60,
                "ticks": ticks,
            }
            numbers = {graph.add_concentrated(token0, token1, **state) for graph in graphs}
        assert numbers == {len(kinds) - 1}
    return kinds


def update_of(rng, index, kind):
    if rng.random() < 0.03:
        return (index, rng.choice([RESERVES, SWAP, LIQUIDITY]), *rng.choices(HOSTILE, k=3))
    if kind == 2:
        reserve = rng.randrange(10**18, 10**21)
        return (index, RESERVES, reserve, reserve * rng.randrange(980, 1020) // 1000, 0)
    if rng.random() < 0.5:
        tick = rng.randrange(-200, 200)
        return (index, SWAP, sqrt_ratio_at_tick(tick), tick, rng.randrange(10**18, 10**21))
    lower = rng.randrange(-20, 20) * 60
    return (index, LIQUIDITY, lower, lower + rng.randrange(1, 20) * 60, rng.randrange(10**20))


@needs_rust
@pytest.mark.parametrize("max_hops", [2, 3, 4])
def test_the_same_updates_give_the_same_cycles(max_hops):
    rng = random.Random(f"{seed_of_run()}{max_hops}")
    paying = 0
    for _ in range(UNIVERSES):
        graphs = [
            twin.pool_graph(premium_bps=rng.choice([0, 5, 9]), max_hops=max_hops)
            for twin in TWINS[:1]
        ]
        graphs.append(TWINS[1].pool_graph(premium_bps=graphs[0]._premium_bps, max_hops=max_hops))
        kinds = fill(rng, graphs, rng.randrange(4, 28))
        for _ in range(ROUNDS):
            updates = [
                update_of(rng, index, kinds[index])
                for index in rng.choices(range(len(kinds)), k=rng.randrange(4))
            ]
            assert graphs[1].apply(updates) == graphs[0].apply(updates)
            changed = [update[0] for update in updates] or [rng.randrange(len(kinds))]
            anchors = {
                token: (rng.choice([10**30, 2**300, 10**15, 0]), rng.choice([0, 1, 3, 2**64]))
                for token in rng.sample(range(TOKENS + 1), rng.randrange(1, 4))
            }
            found = graphs[0].search(changed, anchors)
            assert graphs[1].search(changed, anchors) == found
            paying += len(found)
        for index in range(len(kinds)):
            assert graphs[1].fingerprint(index) == graphs[0].fingerprint(index)
    print(f"{paying} paying cycles")
    assert paying > 100


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
            reserves = (reserve, reserve * rng.randrange(970, 1030) // 1000)
            graph.add_pair(*tokens, reserve0=reserves[0], reserve1=reserves[1], fee_pips=3000)
            ends.append(tokens)
            pools.append(twin.v2_pool(*reserves, 3000))
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
def test_unknown_numbers_and_kinds_are_refused(twin):
    graph = twin.pool_graph(premium_bps=5, max_hops=4)
    assert len(graph) == 0
    assert graph.add_pair(1, 2, reserve0=10**18, reserve1=10**18, fee_pips=3000) == 0
    before = graph.fingerprint(0)
    for index in (-1, 1, 2**32, 2**70):
        batch = [(0, RESERVES, 5, 5, 0), (index, RESERVES, 1, 1, 0)]
        assert said(graph.apply, batch) is ValueOutOfRange
        assert said(graph.search, [index], {1: (10**30, 1)}) is ValueOutOfRange
        assert said(graph.fingerprint, index) is ValueOutOfRange
    assert said(graph.apply, [(0, 3, 1, 1, 0)]) is ValueOutOfRange
    assert graph.fingerprint(0) == before
    for tokens in ((1, 1), (-1, 2), (2**32, 1)):
        assert said(graph.add_pair, *tokens, reserve0=1, reserve1=1, fee_pips=1) is ValueOutOfRange
    assert len(graph) == 1
    for hops in (0, 1, 5, -2, 2**70):
        with pytest.raises(ValueOutOfRange):
            twin.pool_graph(premium_bps=5, max_hops=hops)
    assert graph.apply([(0, SWAP, 2**96, 0, 1)]) == [0]
    assert graph.search([0], {1: (10**30, 1)}) == []


def test_the_door_makes_the_chosen_graph():
    assert len(kernel.pool_graph(premium_bps=5, max_hops=2)) == 0
