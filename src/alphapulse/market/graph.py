"""Pools as directed edges between tokens, and the cycles through them.

An edge is a number: twice the pool's index, plus one when token1 is paid in. Indices follow the order of pool identities, so
that nothing depends on the order in which pools became known.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from alphapulse.errors import ValueOutOfRange
from alphapulse.market.pool import Pool
from alphapulse.primitives.address import Address

__all__ = ["MAX_HOPS", "MIN_HOPS", "Cycle", "PoolGraph"]

MIN_HOPS = 2
MAX_HOPS = 3
MAX_CACHED_CYCLES = (
    200_000  # cycles held at once, about 100 MB; beyond it the oldest pools' lists are made again
)


@dataclass(frozen=True, slots=True, order=True)
class Cycle:
    """A directed cycle of distinct pools, written from its least edge.

    `starts` are the offsets of the edges that take in a borrowable token, in order: the ways to walk it.
    """

    edges: tuple[int, ...]
    starts: tuple[int, ...]

    def rotation(self, start: int) -> tuple[int, ...]:
        """Return the edges in walking order from an offset."""
        return self.edges[start:] + self.edges[:start]

    def pools(self) -> tuple[int, ...]:
        """Return the indices of the pools, in cycle order."""
        return tuple(edge >> 1 for edge in self.edges)


class PoolGraph:
    """The pools of one chain as a multigraph of tokens, fixed once built; make another when a pool is added.

    Cycles are found when a pool is first asked for and kept up to a bound.
    """

    __slots__ = (
        "_borrowable",
        "_by_pool",
        "_held",
        "_limit",
        "_max_hops",
        "_out",
        "index",
        "pools",
        "token_in",
        "token_out",
    )

    def __init__(
        self,
        pools: Iterable[Pool],
        borrowable: Iterable[Address],
        *,
        max_hops: int = MAX_HOPS,
        limit: int = MAX_CACHED_CYCLES,
    ) -> None:
        if not MIN_HOPS <= max_hops <= MAX_HOPS:
            raise ValueOutOfRange(f"`max_hops` must be {MIN_HOPS} or {MAX_HOPS}, was {max_hops}")
        self.pools: tuple[Pool, ...] = tuple(sorted(pools, key=lambda pool: pool.key))
        self.index = {pool.key: number for number, pool in enumerate(self.pools)}
        self.token_in: list[Address] = []
        self.token_out: list[Address] = []
        self._out: dict[Address, dict[Address, list[int]]] = {}
        self._borrowable = frozenset(borrowable)
        self._max_hops = max_hops
        self._limit = limit
        self._by_pool: dict[int, tuple[Cycle, ...]] = {}
        self._held = 0
        for pool in self.pools:
            self._add(pool.token0, pool.token1)
            self._add(pool.token1, pool.token0)

    def cycles_through(self, index: int) -> tuple[Cycle, ...]:
        """Return the cycles of 2 and 3 hops through a pool that hold a borrowable token, in ascending order."""
        known = self._by_pool.get(index)
        if known is None:
            known = tuple(sorted(self._find(index)))
            while self._by_pool and self._held + len(known) > self._limit:
                oldest = next(iter(self._by_pool))
                self._held -= len(self._by_pool.pop(oldest))
            self._by_pool[index] = known
            self._held += len(known)
        return known

    def cycles_through_any(self, indices: Sequence[int]) -> list[Cycle]:
        """Return the cycles through at least one of the pools, each once."""
        if len(indices) == 1:
            return list(self.cycles_through(indices[0]))
        found: dict[tuple[int, ...], Cycle] = {}
        for index in indices:
            for cycle in self.cycles_through(index):
                found[cycle.edges] = cycle
        return list(found.values())

    def edges_between(self, token_in: Address, token_out: Address) -> Sequence[int]:
        """Return the edges that turn one token into another, in ascending order."""
        return self._out.get(token_in, {}).get(token_out, ())

    def _add(self, token_in: Address, token_out: Address) -> None:
        edge = len(self.token_in)
        self.token_in.append(token_in)
        self.token_out.append(token_out)
        self._out.setdefault(token_in, {}).setdefault(token_out, []).append(edge)

    def _find(self, index: int) -> Iterable[Cycle]:
        for first in (2 * index, 2 * index + 1):
            start, middle = self.token_in[first], self.token_out[first]
            for back in self.edges_between(middle, start):
                if back >> 1 != index:
                    yield from self._cycle((first, back))
            if self._max_hops < 3:
                continue
            for third, seconds in self._out.get(middle, {}).items():
                lasts = self.edges_between(third, start)
                if third == start or not lasts:
                    continue
                for second in seconds:
                    for last in lasts:
                        yield from self._cycle((first, second, last))

    def _cycle(self, edges: tuple[int, ...]) -> Iterable[Cycle]:
        """Yield the cycle in its one writing, unless it holds no borrowable token."""
        least = edges.index(min(edges))
        written = edges[least:] + edges[:least]
        starts = tuple(
            offset for offset, edge in enumerate(written) if self.token_in[edge] in self._borrowable
        )
        if starts:
            yield Cycle(written, starts)
