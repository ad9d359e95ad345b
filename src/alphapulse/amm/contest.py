"""The cycles of one question, handed out best first: sized when their turn comes, each pool used once.

Every way to walk a cycle waits by the most it could be worth; the one on top is sized and waits again by what it does earn. So whoever
takes walks until nothing better waits chooses the same as if everything had been sized. Each cycle ends once, with a code: the lower,
the farther it came. The codes below are the contest's own, the caller says what others mean.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from typing import NamedTuple, TypeAlias

from alphapulse.amm.pool import PoolQuoter
from alphapulse.amm.sizing import Sizing, optimise
from alphapulse.errors import ValueOutOfRange

__all__ = [
    "BELOW_FLOOR",
    "BELOW_LEAST",
    "ENDS",
    "HELD_BACK",
    "OVERLAPPING",
    "RESTING",
    "TAKEN",
    "UNPRICED",
    "UNPROFITABLE",
    "Contest",
    "Entrant",
    "Terms",
    "Walk",
]

ENDS = 16  # codes there are
TAKEN, OVERLAPPING, BELOW_LEAST, BELOW_FLOOR = 0, 1, 2, 3
HELD_BACK, UNPRICED, UNPROFITABLE, RESTING = 6, 7, 8, 9
LIMIT_REACHED_SHIFT = 10  # a loan within a thousandth of its limit is held back by it
WORTH_MARGIN = 1e-12  # relative; more than the roundings of a worth

Price: TypeAlias = tuple[int, int]
"""What a unit of a token is worth, as a fraction."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a walk must come up to.

    Units   `anchors` hold for each token that can be borrowed the most that may be, in its smallest units, and its worth (None
            when nobody knows); a walk costs its effort times `price`; `least` and the cost are in what things are worth in.
    Range   `resting` are paths that take no part, as their pools in the order of a cycle that begins with its least edge.
    """

    anchors: Mapping[int, tuple[int, Price | None]]
    price: int = 0
    least: int = 0
    resting: Collection[tuple[int, ...]] = ()


class Walk(NamedTuple):
    """A sized way through a cycle, `place` naming the cycle within the contest."""

    place: int
    start: int
    edges: tuple[int, ...]
    sizing: Sizing


@dataclass(slots=True)
class Entrant:
    """A cycle from its least edge, how many ways may still win, and how far the others came."""

    edges: tuple[int, ...]
    ways: int
    end: int
    is_settled: bool = False

    def close_way(self, end: int) -> None:
        """Note the end of one way; the last one's is the cycle's, unless another came farther."""
        self.ways -= 1
        self.end = min(self.end, end)
        self.is_settled = self.ways <= 0

    def settle(self, end: int) -> None:
        """Note the end of the whole cycle."""
        self.end = end
        self.is_settled = True


class Way(NamedTuple):
    """One way before it is sized: the most of it in a worth, its cost, and what its rank is multiplied by."""

    max_amount_in: int
    worth: float
    cost: float
    factor: float


class Contest:
    """Made by a graph; asked until nothing waits. `sums` were made to find its cycles, `sized` is how many walks have been."""

    __slots__ = (
        "_entrants",
        "_least",
        "_pools",
        "_premium_bps",
        "_queue",
        "_taken",
        "_ways",
        "sized",
        "sums",
    )

    def __init__(
        self,
        pools: Sequence[PoolQuoter | None],
        entrants: list[Entrant],
        *,
        sums: int,
        least: int,
        premium_bps: int,
    ) -> None:
        self.sums = sums
        self.sized = 0
        self._pools = pools
        self._entrants = entrants
        self._least = float(least)
        self._premium_bps = premium_bps
        self._ways: dict[tuple[int, int], Way] = {}
        self._queue: list[tuple[float, int, int, Sizing | None]] = []
        self._taken: set[int] = set()

    def __len__(self) -> int:
        """Return how many cycles take part."""
        return len(self._entrants)

    def enter(self, place: int, start: int, way: Way, bound: float) -> None:
        """Let a way wait by the most it could be worth."""
        rank = self._rank(place, way, bound)
        if rank is not None:
            self._ways[place, start] = way
            self._queue.append((-rank, place, start, None))

    def ready(self) -> "Contest":
        """Return the contest once every way has entered."""
        heapify(self._queue)
        return self

    def best(self, above: int) -> Walk | None:
        """Return the sized walk that could be worth most, None when none can be worth `above`.

        Units   `above` is in what things are worth in, times the factor that the graph was told for such walks.
        Raises  nothing. A walk is handed out once; `close`, `take` or a better one ends its cycle.
        """
        queue, limit = self._queue, -float(above)
        while queue and queue[0][0] <= limit:
            _, place, start, sizing = heappop(queue)
            entrant = self._entrants[place]
            if entrant.is_settled or self._is_overlapping(entrant):
                continue
            edges = entrant.edges[start:] + entrant.edges[:start]
            if sizing is not None:
                return Walk(place, start, edges, sizing)
            way = self._ways[place, start]
            self.sized += 1
            sizing = self._sized(edges, way.max_amount_in)
            if sizing is None:
                entrant.close_way(UNPROFITABLE)
                continue
            held_back = way.max_amount_in - sizing.amount_in <= (
                way.max_amount_in >> LIMIT_REACHED_SHIFT
            )
            rank = self._rank(
                place, way, float(sizing.profit), HELD_BACK if held_back else BELOW_FLOOR
            )
            if rank is not None:
                heappush(queue, (-rank, place, start, sizing))
        return None

    def close(self, place: int, end: int) -> None:
        """Note that a walk which was handed out is not worth it.

        Raises  ValueOutOfRange for an unknown cycle or code.
        """
        if not 0 <= end < ENDS:
            raise ValueOutOfRange(f"`end` must be below {ENDS}, was {end}")
        entrant = self._entrant(place)
        if not entrant.is_settled:
            entrant.close_way(end)

    def take(self, place: int) -> bool:
        """Take a cycle and its pools; return False when it has ended or one of its pools is taken.

        Raises  ValueOutOfRange for an unknown cycle.
        """
        entrant = self._entrant(place)
        if entrant.is_settled or self._is_overlapping(entrant):
            return False
        entrant.settle(TAKEN)
        self._taken.update(edge >> 1 for edge in entrant.edges)
        return True

    def ends(self) -> list[int]:
        """Return how many cycles came to each end, by code."""
        counts = [0] * ENDS
        for entrant in self._entrants:
            counts[entrant.end] += 1
        return counts

    def waiting(self) -> list[int]:
        """Return the pools of cycles that a lower cost could let pass, in ascending order."""
        return sorted(
            {
                edge >> 1
                for entrant in self._entrants
                if entrant.end in (BELOW_FLOOR, BELOW_LEAST)
                for edge in entrant.edges
            }
        )

    def _entrant(self, place: int) -> Entrant:
        if not 0 <= place < len(self._entrants):
            raise ValueOutOfRange(f"there is no cycle {place} among {len(self._entrants)}")
        return self._entrants[place]

    def _sized(self, edges: tuple[int, ...], max_amount_in: int) -> Sizing | None:
        hops = []
        for edge in edges:
            pool = self._pools[edge >> 1]
            if pool is None:
                return None
            hops.append((pool, not edge & 1))
        return optimise(hops, premium_bps=self._premium_bps, max_amount_in=max_amount_in)

    def _is_overlapping(self, entrant: Entrant) -> bool:
        if self._taken.isdisjoint([edge >> 1 for edge in entrant.edges]):
            return False
        entrant.settle(OVERLAPPING)
        return True

    def _rank(self, place: int, way: Way, profit: float, end: int = BELOW_FLOOR) -> float | None:
        """Return what a profit ranks as, None when its way ends here."""
        most = profit * way.worth * (1.0 + WORTH_MARGIN) - way.cost
        if most <= 0.0:
            self._entrants[place].close_way(end)
        elif most < self._least:
            self._entrants[place].close_way(BELOW_LEAST)
        else:
            return most * way.factor
        return None
