"""Cycles of pools that could pay, found from what moved: sums of logarithms, so statistics and no decision.

An edge is a number: twice a pool's number, plus one when token1 is paid in, so `edge ^ 1` is the way back. Tokens are numbers
too. Parallel pools are looked at as one, by the best of their rates: a question costs a sum for each closed walk over tokens
through a moved pair, found by intersecting neighbours, and only walks whose best sum passes are taken apart into pools. Nothing
is enumerated before it is asked for, so memory grows with the pools and not with the cycles.

Cycles are simple: no token twice, hence no pool twice. A walk that meets a token again is two cycles and is found as those; a walk
through one pool both ways undoes its own trade.
"""

from collections.abc import Iterable, Sequence, Set
from math import inf
from typing import TypeAlias

from alphapulse.errors import ValueOutOfRange

__all__ = ["MAX_HOPS", "MIN_HOPS", "NEVER", "CycleFinder", "Found"]

MIN_HOPS = 2
MAX_HOPS = 4
NEVER = -inf
# Cycles that one question may bring up; of more the ones with the largest sums are kept, and the rest is counted.
CYCLES_MAX = 65_536
# Sums of the same four numbers differ by their order, by less than this.
ORDER_SLACK = 1e-12

Found: TypeAlias = tuple[tuple[int, ...], float]
"""A cycle's edges from its least one, and the sum of their logarithms in that order."""

Rates: TypeAlias = list[dict[int, float]]


class CycleFinder:
    """The best rate between every two tokens that a pool joins, kept up to date edge by edge."""

    __slots__ = (
        "_best",
        "_into",
        "_pairs",
        "_parallel",
        "_rates",
        "_sources",
        "_targets",
        "dropped",
    )

    def __init__(self, sources: Sequence[int], targets: Sequence[int], tokens: int) -> None:
        self.dropped = 0
        self._sources = sources
        self._targets = targets
        self._rates = [NEVER] * len(sources)
        self._best: Rates = [{} for _ in range(tokens)]
        self._into: Rates = [{} for _ in range(tokens)]
        self._parallel: list[dict[int, list[int]]] = [{} for _ in range(tokens)]
        self._pairs = len(set(zip(sources, targets, strict=True)))
        for edge, (source, target) in enumerate(zip(sources, targets, strict=True)):
            self._best[source][target] = self._into[target][source] = NEVER
            self._parallel[source].setdefault(target, []).append(edge)

    def set_rate(self, edge: int, rate: float) -> None:
        """Take the logarithm of an edge's rate, `NEVER` for one that cannot be used."""
        rates = self._rates
        before = rates[edge]
        if rate == before:
            return
        rates[edge] = rate
        source, target = self._sources[edge], self._targets[edge]
        best = self._best[source][target]
        if rate < best:
            if before < best:
                return
            rate = max(rates[other] for other in self._parallel[source][target])
        self._best[source][target] = self._into[target][source] = rate

    def rate(self, edge: int) -> float:
        """Return the logarithm of an edge's rate."""
        return self._rates[edge]

    def through(
        self,
        edges: Iterable[int],
        anchors: frozenset[int],
        *,
        least: float,
        max_hops: int,
        most: int = CYCLES_MAX,
    ) -> tuple[int, list[Found]]:
        """Return how many sums were made, and every cycle through one of the edges whose own sum is above `least`.

        Units   logarithms of rates.
        Range   2 to 4 hops; a cycle holds at least one of the tokens `anchors`; at most so many cycles as `most`, those with
                the largest sums; `dropped` grows by what was let go, the begun path of several cycles counting once.
        Raises  ValueOutOfRange for other lengths.
        Source  MATH section 4. Each cycle comes once, in ascending order of its edges.
        """
        if not MIN_HOPS <= max_hops <= MAX_HOPS:
            raise ValueOutOfRange(
                f"`max_hops` must be in {MIN_HOPS} ... {MAX_HOPS}, was {max_hops}"
            )
        rates = self._rates
        moved = {edge for edge in edges if rates[edge] > NEVER}
        groups: dict[tuple[int, int], list[int]] = {}
        for edge in sorted(moved):
            groups.setdefault((self._sources[edge], self._targets[edge]), []).append(edge)
        whole = {
            pair
            for pair, group in groups.items()
            if len(group) == len(self._parallel[pair[0]][pair[1]])
        }
        looked = 0
        found: list[Found] = []
        all_moved = len(whole) == self._pairs
        for pair, group in groups.items():
            if all_moved and pair[0] > pair[1]:
                continue  # no walk has its least token there
            room = least - ORDER_SLACK - max([rates[edge] for edge in group])
            sums, walks = self._walks(*pair, room, max_hops)
            looked += sums
            for walk in walks:
                if anchors.isdisjoint(walk):
                    continue
                legs = self._legs(walk)
                if not whole.issuperset(legs):
                    found += self._taken_apart(legs, group, moved, least, most)
                elif pair[0] == min(walk):
                    # all of it moved, so the walk comes up from each of its tokens: once is enough
                    found += self._taken_apart(legs, group, frozenset(), least, most)
                if len(found) > 2 * most:
                    found = self._largest(found, most)
        found = self._largest(found, most)
        found.sort()
        return looked, found

    def _largest(self, found: list[Found], most: int) -> list[Found]:
        """Return at most so many, those with the largest sums; equal ones by their edges."""
        if len(found) <= most:
            return found
        self.dropped += len(found) - most
        return sorted(found, key=_by_sum)[:most]

    def _legs(self, walk: tuple[int, ...]) -> list[tuple[int, int]]:
        """Return the pairs of tokens along a closed walk."""
        return list(zip(walk, (*walk[1:], walk[0]), strict=True))

    def _walks(
        self, start: int, second: int, room: float, max_hops: int
    ) -> tuple[int, list[tuple[int, ...]]]:
        """Return the tokens of closed walks that begin with a pair and whose other legs add up to more than `room`."""
        onward, home = self._best[second], self._into[start]
        looked = 1
        found: list[tuple[int, ...]] = []
        if onward.get(start, NEVER) > room:
            found.append((start, second))
        if max_hops == MIN_HOPS:
            return looked, found
        thirds = min(onward, home, key=len)
        looked += len(thirds)
        for third in thirds:
            if onward.get(third, NEVER) + home.get(third, NEVER) > room:
                found.append((start, second, third))
        if max_hops < MAX_HOPS:
            return looked, found
        for third, rate in onward.items():
            if third == start or rate == NEVER:
                continue
            beyond, left = self._best[third], room - rate
            if len(beyond) <= len(home):
                looked += len(beyond)
                found += [
                    (start, second, third, fourth)
                    for fourth, more in beyond.items()
                    if more + home.get(fourth, NEVER) > left and fourth != second
                ]
            else:
                looked += len(home)
                found += [
                    (start, second, third, fourth)
                    for fourth, last in home.items()
                    if last + beyond.get(fourth, NEVER) > left and fourth != second
                ]
        return looked, found

    def _taken_apart(
        self,
        legs: list[tuple[int, int]],
        group: list[int],
        moved: Set[int],
        least: float,
        most: int,
    ) -> list[Found]:
        """Return the cycles of pools along a walk that begin with an edge of the group.

        Of a cycle with several of the edges `moved` only the writing from the least of them is returned.
        """
        rates = self._rates
        rest = [self._best[source][target] for source, target in legs]
        paths: list[Found] = [((edge,), rates[edge]) for edge in group]
        for place, (source, target) in enumerate(legs[1:], 2):
            need = least - ORDER_SLACK - sum(rest[place:])
            onward = [(edge, rates[edge]) for edge in self._parallel[source][target]]
            paths = [
                ((*path, edge), total + rate)
                for path, total in paths
                for edge, rate in onward
                if total + rate > need
                and edge != path[0] ^ 1
                and not (edge < path[0] and edge in moved)
            ]
            paths = self._largest(paths, most)
        found = []
        for path, _ in paths:
            place = path.index(min(path))
            written = path[place:] + path[:place] if place else path
            total = rates[written[0]]
            for edge in written[1:]:
                total += rates[edge]
            if total > least:
                found.append((written, total))
        return found


def _by_sum(found: Found) -> tuple[float, tuple[int, ...]]:
    return -found[1], found[0]
