"""A pool graph that the Rust twin keeps, made whole: pools of the specification live in it too, and what only it can size it sizes.

The twin finds and bounds all cycles, and sizes those whose pools it keeps. A walk over another pool
is handed back to be sized by exact quotes, in its turn.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeAlias

from alphapulse.amm.contest import Terms, Walk
from alphapulse.amm.cycle_bounds import rates_of, slope_of
from alphapulse.amm.optimum import Hop
from alphapulse.amm.pool import PoolQuoter
from alphapulse.amm.pool_graph import Anchors, Change, Expected
from alphapulse.amm.sizing import Sizing, optimise

__all__ = ["NativeContest", "NativeGraph"]

Parts: TypeAlias = tuple[tuple[int, ...], int, int]
"""Amounts, premium and gross profit."""

Step: TypeAlias = tuple[int, int, tuple[int, ...], Parts] | tuple[list[Hop], int] | None
"""A sized walk (place, start, edges, parts), or a walk to be sized here (hops, limit)."""


class _Contest(Protocol):
    """The twin's side of a contest."""

    def __len__(self) -> int: ...

    @property
    def sums(self) -> int: ...

    @property
    def sized(self) -> int: ...

    def best(self, above: float) -> Step: ...

    def answer(self, parts: Parts | None) -> None: ...

    def close(self, place: int, end: int) -> None: ...

    def take(self, place: int) -> bool: ...

    def ends(self) -> list[int]: ...

    def waiting(self) -> list[int]: ...


class _Graph(Protocol):
    """The twin's side of a graph."""

    def __len__(self) -> int: ...

    @property
    def dropped(self) -> int: ...

    def add(self, token0: int, token1: int, kind: int, place: int | None) -> int: ...

    def expect(self, expected: Sequence[tuple[Sequence[int], int, float]]) -> None: ...

    def update(self, changes: Sequence[Change]) -> list[int]: ...

    def line(
        self, index: int, rates: Sequence[float], slopes: Sequence[float], bar: int
    ) -> None: ...

    def contest(
        self,
        changed: Sequence[int],
        anchors: Mapping[int, tuple[int, tuple[int, int] | None]],
        price: int,
        least: int,
        resting: Sequence[Sequence[int]],
    ) -> _Contest: ...

    def search(
        self, changed: Sequence[int], anchors: Anchors
    ) -> tuple[
        list[tuple[tuple[int, ...], Parts, int]], list[tuple[tuple[int, ...], list[Hop], int, int]]
    ]: ...


class NativeContest:
    """See `amm.contest.Contest`."""

    __slots__ = ("_native", "_premium_bps", "close", "ends", "take", "waiting")

    def __init__(self, native: _Contest, premium_bps: int) -> None:
        self._native = native
        self._premium_bps = premium_bps
        self.close = native.close
        self.ends = native.ends
        self.take = native.take
        self.waiting = native.waiting

    def __len__(self) -> int:
        return len(self._native)

    @property
    def sums(self) -> int:
        """Return how many sums were made to find the cycles."""
        return self._native.sums

    @property
    def sized(self) -> int:
        """Return how many walks have been sized."""
        return self._native.sized

    def best(self, above: int) -> Walk | None:
        """Return the sized walk that could be worth most, None when none can be worth so much."""
        step = self._native.best(above)
        while step is not None:
            if len(step) == 4:
                place, start, edges, parts = step
                return Walk(place, start, edges, _sizing(parts))
            hops, max_amount_in = step
            sizing = optimise(hops, premium_bps=self._premium_bps, max_amount_in=max_amount_in)
            self._native.answer(
                None if sizing is None else (sizing.amounts, sizing.premium, sizing.profit)
            )
            step = self._native.best(above)
        return None


class NativeGraph:
    """See `amm.pool_graph.PoolGraph`."""

    __slots__ = ("_native", "_premium_bps")

    def __init__(self, make: Callable[..., _Graph], *, premium_bps: int, max_hops: int) -> None:
        self._native = make(premium_bps=premium_bps, max_hops=max_hops)
        self._premium_bps = premium_bps

    def __len__(self) -> int:
        return len(self._native)

    @property
    def dropped(self) -> int:
        """How many cycles passed and were not handed on, because too many did."""
        return self._native.dropped

    def add(
        self,
        token0: int,
        token1: int,
        pool: PoolQuoter | None,
        *,
        kind: int = 0,
        place: int | None = None,
    ) -> int:
        """Add a pool and return its number."""
        index = self._native.add(token0, token1, kind, place)
        self.update([(index, pool, 0)])
        return index

    def expect(self, expected: Expected) -> None:
        """Take what walks cost and count at least and at most."""
        self._native.expect(
            [(kinds, effort, percent) for kinds, (effort, percent) in expected.items()]
        )

    def update(self, changes: Sequence[Change]) -> None:
        """Take over pools that changed."""
        foreign = self._native.update(changes)
        if foreign:
            last = {index: (pool, bar) for index, pool, bar in changes}
            for index in foreign:
                pool, bar = last[index]
                slopes = [slope_of(pool, zero_for_one=side) for side in (True, False)]
                self._native.line(index, rates_of(pool), slopes, bar)

    def contest(self, changed: Sequence[int], terms: Terms) -> NativeContest:
        """Return the cycles through changed pools that could pay."""
        contest = self._native.contest(
            changed, terms.anchors, terms.price, terms.least, list(terms.resting)
        )
        return NativeContest(contest, self._premium_bps)

    def search(
        self, changed: Sequence[int], anchors: Anchors
    ) -> list[tuple[tuple[int, ...], Sizing]]:
        """Return every cycle through a changed pool that earns anything, best first."""
        found, left = self._native.search(changed, anchors)
        walks = [(edges, _sizing(parts)) for edges, parts, _ in found]
        if not left:
            return walks
        weights = {edges: weight for edges, _, weight in found}
        for edges, hops, max_amount_in, weight in left:
            weights[edges] = weight
            sizing = optimise(hops, premium_bps=self._premium_bps, max_amount_in=max_amount_in)
            if sizing is not None:
                walks.append((edges, sizing))
        walks.sort(key=lambda walk: (-walk[1].profit * weights[walk[0]], walk[0]))
        return walks


def _sizing(parts: Parts) -> Sizing:
    amounts, premium, gross_profit = parts
    return Sizing(amounts[0], amounts, premium, gross_profit)
