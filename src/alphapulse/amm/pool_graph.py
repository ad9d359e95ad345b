"""A graph over pools that others keep: told what changed, it answers with the cycles through it, best first and exactly sized.

Numbers name everything: pools in the order in which they were added, tokens as the caller numbers them, edge 2 * pool for token0 paid in
and the next one for token1. The graph holds no state of a pool but the logarithms of its rates; floats only decide what is looked at.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from alphapulse.amm.contest import (
    ENDS,
    RESTING,
    UNPRICED,
    UNPROFITABLE,
    Contest,
    Entrant,
    Terms,
    Way,
)
from alphapulse.amm.cycle_bounds import MARGIN, Hop, bounds_of, hop_of, rates_of, reach_of
from alphapulse.amm.network_cycles import MAX_HOPS, MIN_HOPS, NEVER, CycleFinder, Found
from alphapulse.amm.pool import PoolQuoter
from alphapulse.amm.sizing import Sizing, optimise
from alphapulse.errors import ValueOutOfRange

__all__ = ["CYCLES_MAX", "Anchors", "Change", "PoolGraph"]

MAX_TOKEN = 2**32 - 2
MAX_KIND = 255
# Cycles of one question; of more the ones with the largest rates, which is where what pays lies.
CYCLES_MAX = 8_192
PERCENT = 100

Anchors: TypeAlias = Mapping[int, tuple[int, int]]
"""Tokens from which a cycle may be walked: the most that may be borrowed, and what a unit counts in ranking."""

Change: TypeAlias = tuple[int, PoolQuoter | None, int]
"""A pool's number, what answers for it now, and 0, or the code that ends every cycle through it."""

Expected: TypeAlias = Mapping[tuple[int, ...], tuple[int, int]]
"""By the sorted kinds of a walk's pools: the least effort of walking it, and the most percent of its worth that counts."""


class PoolGraph:
    """Pools between tokens; the caller says when one has changed."""

    __slots__ = (
        "_bars",
        "_expected",
        "_finder",
        "_kinds",
        "_log_cost",
        "_max_hops",
        "_numbers",
        "_places",
        "_pools",
        "_premium_bps",
        "_repeats",
        "_tokens",
        "dropped",
    )

    def __init__(self, *, premium_bps: int, max_hops: int) -> None:
        if not MIN_HOPS <= max_hops <= MAX_HOPS:
            raise ValueOutOfRange(
                f"`max_hops` must be in {MIN_HOPS} ... {MAX_HOPS}, was {max_hops}"
            )
        self._premium_bps = premium_bps
        self._max_hops = max_hops
        self._log_cost = math.log1p(premium_bps / 10_000)
        self._pools: list[PoolQuoter | None] = []
        self._tokens: list[tuple[int, int]] = []
        self._kinds: list[int] = []
        self._places: list[int] = []
        self._repeats = False
        self._bars: list[int] = []
        self._numbers: dict[int, int] = {}
        self._expected: Expected = {}
        self._finder: CycleFinder | None = None
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._pools)

    def add(
        self,
        token0: int,
        token1: int,
        pool: PoolQuoter | None,
        *,
        kind: int = 0,
        place: int | None = None,
    ) -> int:
        """Add a pool and return its number. Pairs of one pool share a `place`: no cycle meets a place twice.

        Raises  ValueOutOfRange for equal tokens or a number out of range.
        """
        if token0 == token1 or not (0 <= token0 <= MAX_TOKEN and 0 <= token1 <= MAX_TOKEN):
            raise ValueOutOfRange(
                f"a pool joins two tokens below 2**32 - 1, was {token0}, {token1}"
            )
        index = len(self._pools)
        place = index if place is None else place
        if not (0 <= kind <= MAX_KIND and 0 <= place <= MAX_TOKEN):
            raise ValueOutOfRange(f"`kind` and `place` are out of range: {kind}, {place}")
        for token in (token0, token1):
            self._numbers.setdefault(token, len(self._numbers))
        self._repeats = self._repeats or place != index
        self._pools.append(pool)
        self._tokens.append((token0, token1))
        self._kinds.append(kind)
        self._places.append(place)
        self._bars.append(0)
        self._finder = None
        return index

    def expect(self, expected: Expected) -> None:
        """Take what walks cost and count at least and at most, for the contests to come; nothing and 100 for others."""
        self._expected = dict(expected)

    def update(self, changes: Sequence[Change]) -> None:
        """Take over the rates of pools that changed, and whether cycles through them are barred.

        Raises  ValueOutOfRange for an unknown number, before anything changes.
        """
        for index, _, bar in changes:
            self._require(index)
            if not 0 <= bar < ENDS:
                raise ValueOutOfRange(f"a bar must be below {ENDS}, was {bar}")
        for index, pool, bar in changes:
            self._pools[index] = pool
            self._bars[index] = bar
            self._refresh(index)

    def contest(self, changed: Sequence[int], terms: Terms) -> Contest:
        """Return the cycles through changed pools that could pay, to be handed out best first.

        Range   cycles meet no token twice, and hold a token that can be borrowed. They stand in ascending order of their edges.
        Raises  ValueOutOfRange for an unknown number.
        Source  MATH sections 4 and 5.
        """
        sums, cycles = self._cycles(changed, terms.anchors)
        resting = frozenset(terms.resting)
        entrants = [Entrant(edges, 0, UNPROFITABLE) for edges, _ in cycles]
        contest = Contest(
            self._pools, entrants, sums=sums, least=terms.least, premium_bps=self._premium_bps
        )
        hops: dict[tuple[int, int], Hop] = {}
        for place, (edges, total) in enumerate(cycles):
            bar = max([self._bars[edge >> 1] for edge in edges])
            if not bar and resting and tuple([edge >> 1 for edge in edges]) in resting:
                bar = RESTING
            if bar:
                entrants[place].settle(bar)
            else:
                self._enter(contest, place, entrants[place], total, terms, hops)
        return contest.ready()

    def search(
        self, changed: Sequence[int], anchors: Anchors
    ) -> list[tuple[tuple[int, ...], Sizing]]:
        """Return every cycle through a changed pool that earns anything, with its best amounts, best first.

        Units   amounts in smallest units of the token that a cycle starts from.
        Range   as contest. The rank is profit times weight, then the order of the edges. Bars are not asked.
        Raises  ValueOutOfRange for an unknown number.
        Source  MATH sections 4 and 5.
        """
        _, cycles = self._cycles(changed, anchors)
        found = []
        for cycle, _ in cycles:
            for start, edge in enumerate(cycle):
                token = self._tokens[edge >> 1][edge & 1]
                if token not in anchors:
                    continue
                max_amount_in, weight = anchors[token]
                walk = cycle[start:] + cycle[:start]
                hops = [(self._pools[one >> 1], not one & 1) for one in walk]
                sizing = optimise(
                    [(pool, way) for pool, way in hops if pool is not None],
                    premium_bps=self._premium_bps,
                    max_amount_in=max_amount_in,
                )
                if sizing is not None:
                    found.append((-sizing.profit * weight, walk, sizing))
        found.sort(key=lambda one: one[:2])
        return [(walk, sizing) for _, walk, sizing in found]

    def _cycles(
        self, changed: Sequence[int], anchors: Mapping[int, object]
    ) -> tuple[int, list[Found]]:
        """Return how many sums were made, and the cycles that could pay in ascending order."""
        for index in changed:
            self._require(index)
        finder, numbers = self._ready(), self._numbers
        sums, found = finder.through(
            [edge for index in changed for edge in (2 * index, 2 * index + 1)],
            frozenset(numbers[token] for token in anchors if token in numbers),
            least=self._log_cost - MARGIN,
            max_hops=self._max_hops,
            most=CYCLES_MAX,
        )
        self.dropped = finder.dropped
        if self._repeats:
            found = [one for one in found if not self._is_repeated(one[0])]
        return sums, found

    def _enter(
        self,
        contest: Contest,
        place: int,
        entrant: Entrant,
        total: float,
        terms: Terms,
        hops: dict[tuple[int, int], Hop],
    ) -> None:
        """Let every way of a cycle enter by its bound."""
        edges = entrant.edges
        log_gain = max(0.0, total - self._log_cost) + 2.0 * MARGIN
        reach = reach_of(log_gain)
        for edge in edges:
            if (edge, reach) not in hops:
                hops[edge, reach] = hop_of(self._pools[edge >> 1], reach, zero_for_one=not edge & 1)
        kinds = tuple(sorted([self._kinds[edge >> 1] for edge in edges]))
        effort, percent = self._expected.get(kinds, (0, PERCENT))
        cost = float(effort * terms.price)
        starts = []
        for start, edge in enumerate(edges):
            anchor = terms.anchors.get(self._tokens[edge >> 1][edge & 1])
            if anchor is not None:
                starts.append((start, *anchor))
        entrant.ways = len(starts)
        bounds = bounds_of(
            [hops[edge, reach] for edge in edges],
            log_gain,
            1.0 + self._premium_bps / 10_000,
            [(start, float(most)) for start, most, _ in starts],
        )
        for (start, most, price), bound in zip(starts, bounds, strict=True):
            if price is None:
                entrant.close_way(UNPRICED)
            else:
                worth = float(price[0]) / float(price[1])
                contest.enter(place, start, Way(most, worth, cost, float(percent)), bound)

    def _is_repeated(self, edges: Iterable[int]) -> bool:
        """Return whether a cycle meets one pool in two of its pairs: the first would move the second."""
        places = [self._places[edge >> 1] for edge in edges]
        return len(set(places)) < len(places)

    def _require(self, index: int) -> None:
        if not 0 <= index < len(self._pools):
            raise ValueOutOfRange(f"there is no pool {index} among {len(self._pools)}")

    def _ready(self) -> CycleFinder:
        if self._finder is None:
            numbers = self._numbers
            sources = [numbers[token] for tokens in self._tokens for token in tokens]
            targets = [sources[edge ^ 1] for edge in range(len(sources))]
            self._finder = CycleFinder(sources, targets, len(numbers))
            for index in range(len(self._pools)):
                self._refresh(index)
        return self._finder

    def _refresh(self, index: int) -> None:
        if self._finder is not None:
            for edge, rate in enumerate(rates_of(self._pools[index]), 2 * index):
                self._finder.set_rate(edge, rate if rate > NEVER else NEVER)
