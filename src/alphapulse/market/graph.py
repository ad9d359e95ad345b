"""Pools as directed edges between tokens, and the cycles through them.

An edge is a number: twice the pool's index, plus one when token1 is paid in. Indices follow the order of pool identities, so
that nothing depends on the order in which pools became known.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from alphapulse.amm.network_cycles import MAX_HOPS, MIN_HOPS
from alphapulse.errors import ValueOutOfRange
from alphapulse.market.pool import Pool
from alphapulse.primitives.address import Address

__all__ = ["DEFAULT_HOPS", "MAX_HOPS", "MIN_HOPS", "Cycle", "PoolGraph"]

DEFAULT_HOPS = 3
MAX_KEPT_CYCLES = 50_000  # of those that passed the screen before; about 15 MB


@dataclass(frozen=True, slots=True, order=True)
class Cycle:
    """A directed cycle of distinct pools and tokens, written from its least edge.

    `starts` are the offsets of the edges that take in a borrowable token, in order: the ways to walk it. `kinds` are the sorted
    kinds of its pools.
    """

    edges: tuple[int, ...]
    starts: tuple[int, ...]
    kinds: tuple[int, ...]

    def rotation(self, start: int) -> tuple[int, ...]:
        """Return the edges in walking order from an offset."""
        return self.edges[start:] + self.edges[:start]

    def pools(self) -> tuple[int, ...]:
        """Return the indices of the pools, in cycle order."""
        return tuple([edge >> 1 for edge in self.edges])


class PoolGraph:
    """The pools of one chain as a multigraph of tokens, fixed once built; make another when a pool is added.

    `sources` and `targets` are the edges' tokens as numbers, which follow the order of addresses; `anchors` are the numbers of
    the borrowable ones.
    """

    __slots__ = (
        "_cycles",
        "_out",
        "anchors",
        "index",
        "kinds",
        "max_hops",
        "pools",
        "sources",
        "targets",
        "token_in",
        "token_out",
        "tokens",
    )

    def __init__(
        self,
        pools: Iterable[Pool],
        borrowable: Iterable[Address],
        *,
        max_hops: int = DEFAULT_HOPS,
    ) -> None:
        if not MIN_HOPS <= max_hops <= MAX_HOPS:
            raise ValueOutOfRange(
                f"`max_hops` must be in {MIN_HOPS} ... {MAX_HOPS}, was {max_hops}"
            )
        self.max_hops = max_hops
        self.pools: tuple[Pool, ...] = tuple(sorted(pools, key=lambda pool: pool.key))
        self.index = {pool.key: number for number, pool in enumerate(self.pools)}
        self.token_in: list[Address] = []
        self.token_out: list[Address] = []
        self._out: dict[Address, dict[Address, list[int]]] = {}
        self._cycles: dict[tuple[int, ...], Cycle] = {}
        for pool in self.pools:
            self._add(pool.token0, pool.token1)
            self._add(pool.token1, pool.token0)
        self.kinds = [pool.kind.value for pool in self.pools]
        self.tokens: tuple[Address, ...] = tuple(sorted(self._out))
        numbers = {token: number for number, token in enumerate(self.tokens)}
        self.sources = [numbers[token] for token in self.token_in]
        self.targets = [numbers[token] for token in self.token_out]
        self.anchors = frozenset(numbers[token] for token in borrowable if token in numbers)

    def cycles_through(self, index: int) -> Iterator[Cycle]:
        """Yield every cycle through a pool that holds a borrowable token, whatever it pays: the search's plain specification."""
        for first in (2 * index, 2 * index + 1):
            for edges in self._closed((first,), self.token_in[first]):
                least = edges.index(min(edges))
                cycle = self._made(edges[least:] + edges[:least])
                if cycle.starts:
                    yield cycle

    def cycle(self, edges: tuple[int, ...]) -> Cycle:
        """Return the cycle of these edges, which begin with the least."""
        known = self._cycles.get(edges)
        if known is None:
            known = self._made(edges)
            if len(self._cycles) >= MAX_KEPT_CYCLES:
                self._cycles.clear()
            self._cycles[edges] = known
        return known

    def edges_between(self, token_in: Address, token_out: Address) -> Sequence[int]:
        """Return the edges that turn one token into another, in ascending order."""
        return self._out.get(token_in, {}).get(token_out, ())

    def _made(self, edges: tuple[int, ...]) -> Cycle:
        starts = [place for place, edge in enumerate(edges) if self.sources[edge] in self.anchors]
        kinds = sorted([self.kinds[edge >> 1] for edge in edges])
        return Cycle(edges, tuple(starts), tuple(kinds))

    def _add(self, token_in: Address, token_out: Address) -> None:
        edge = len(self.token_in)
        self.token_in.append(token_in)
        self.token_out.append(token_out)
        self._out.setdefault(token_in, {}).setdefault(token_out, []).append(edge)

    def _closed(self, path: tuple[int, ...], home: Address) -> Iterator[tuple[int, ...]]:
        """Yield the ways to lead a path home over tokens that it has not met."""
        here = self.token_out[path[-1]]
        for last in self.edges_between(here, home):
            if last >> 1 != path[0] >> 1:
                yield (*path, last)
        if len(path) + 1 == self.max_hops:
            return
        met = {self.token_in[edge] for edge in path}
        for target, edges in self._out[here].items():
            if target not in met:
                for edge in edges:
                    yield from self._closed((*path, edge), home)
