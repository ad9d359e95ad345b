"""Cycles of pools by plain enumeration: what a search of graphs is held to."""

from collections.abc import Iterable, Iterator

from alphapulse.amm import kernel
from alphapulse.amm.kernel import Sizing, optimise
from alphapulse.market.roster import Roster
from alphapulse.primitives.address import Address

Edges = tuple[int, ...]


def graph_over(
    roster: Roster, *, premium_bps: int, max_hops: int, twin: kernel.Kernel | None = None
) -> kernel.CycleGraph:
    """Return a graph of the pools as they stand, by the chosen twin or by one."""
    make = twin.pool_graph if twin else kernel.pool_graph
    graph = make(premium_bps=premium_bps, max_hops=max_hops)
    for pool, place in zip(roster.pools, roster.places(), strict=True):
        ends = roster.numbers[pool.token0], roster.numbers[pool.token1]
        graph.add(*ends, pool.quoter, kind=pool.kind.value, place=place)
    return graph


def every_cycle(
    roster: Roster,
    borrowable: Iterable[Address],
    max_hops: int,
    through: Iterable[int] | None = None,
) -> list[Edges]:
    """Return each cycle over distinct pools and tokens that holds a borrowable token and one of the pools, once, ascending."""
    wanted = set(range(len(roster.pools)) if through is None else through)
    lent = set(borrowable)
    found = set()
    for first in range(len(roster.token_in)):
        for edges in _closed(roster, (first,), max_hops):
            least = edges.index(min(edges))
            tokens = {roster.token_in[edge] for edge in edges}
            if lent & tokens and wanted & {edge >> 1 for edge in edges}:
                found.add(edges[least:] + edges[:least])
    return sorted(found)


def every_walk(roster: Roster, borrowable: Iterable[Address], max_hops: int = 3) -> list[Edges]:
    """Return each cycle from each of its borrowable tokens."""
    lent = set(borrowable)
    return [
        edges[start:] + edges[:start]
        for edges in every_cycle(roster, lent, max_hops)
        for start, edge in enumerate(edges)
        if roster.token_in[edge] in lent
    ]


def sized(roster: Roster, edges: Edges, max_loan: int, premium_bps: int) -> Sizing | None:
    """Return a walk's best amounts by the chosen twin."""
    hops = [(roster.pools[edge >> 1].quoter, not edge & 1) for edge in edges]
    if any(quoter is None for quoter, _ in hops):
        return None
    return optimise(hops, premium_bps=premium_bps, max_amount_in=max_loan)


def _closed(roster: Roster, path: Edges, max_hops: int) -> Iterator[Edges]:
    """Yield the ways to lead a path home over pools and tokens that it has not met."""
    here, home = roster.token_out[path[-1]], roster.token_in[path[0]]
    met = {roster.token_in[edge] for edge in path}
    places = {roster.pools[edge >> 1].key[:2] for edge in path}
    for edge, token in enumerate(roster.token_in):
        if token != here or roster.pools[edge >> 1].key[:2] in places:
            continue
        if roster.token_out[edge] == home:
            yield (*path, edge)
        elif roster.token_out[edge] not in met and len(path) + 1 < max_hops:
            yield from _closed(roster, (*path, edge), max_hops)
