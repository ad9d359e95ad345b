"""Walks of pools that begin and end in the profit token, sized exactly on a state that earlier walks have moved."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import TypeAlias

from alphapulse.amm.network_curve import (
    CLOSED,
    SCREEN_MARGIN,
    Curve,
    bound_of,
    curve_of,
    log_cost_of,
)
from alphapulse.amm.network_cycles import CycleFinder
from alphapulse.amm.network_state import NetworkState
from alphapulse.amm.pool import PoolQuoter
from alphapulse.amm.screen import LogRate
from alphapulse.amm.sizing import optimise
from alphapulse.errors import Rejected, ValueOutOfRange

__all__ = ["NetworkPool", "Path", "Walk", "WalkSearch"]

Path: TypeAlias = tuple[int, ...]
"""The edges of a walk from the profit token."""

HELD_BACK_SHIFT = 10  # a loan within a thousandth of its limit is held back by it


@dataclass(frozen=True, slots=True)
class NetworkPool:
    """A pool between two numbered tokens; `gas` is what a step through it costs, in smallest units of the profit token."""

    pool: PoolQuoter
    token0: int
    token1: int
    gas: int = 0


@dataclass(frozen=True, slots=True)
class Walk:
    """Edges from profit token to profit token, the amounts along them, and what is left after premium and gas."""

    edges: Path
    amounts: tuple[int, ...]
    net: int

    @property
    def amount_in(self) -> int:
        """Return what goes in."""
        return self.amounts[0]

    @property
    def gross_profit(self) -> int:
        """Return what comes out beyond what goes in."""
        return self.amounts[-1] - self.amounts[0]


@dataclass(frozen=True, slots=True)
class _Size:
    """What came of sizing a walk; `is_held_back` when a larger loan could change that."""

    amount_in: int
    walk: Walk | None
    is_held_back: bool


class WalkSearch:
    """Finds the best single walk on a state, again and again as the state moves."""

    __slots__ = (
        "_all_bounds",
        "_all_by_pool",
        "_all_curves",
        "_all_queue",
        "_bounds",
        "_by_pool",
        "_finder",
        "_home",
        "_max_hops",
        "_pools",
        "_premium_bps",
        "_queue",
        "_sizes",
        "_stale",
        "_touched",
        "curves",
        "sources",
        "state",
        "targets",
    )

    def __init__(self, pools: Sequence[NetworkPool], home: int, *, max_hops: int) -> None:
        self.sources: list[int] = []
        for row in pools:
            self.sources += (row.token0, row.token1)
        self.targets = [self.sources[edge ^ 1] for edge in range(len(self.sources))]
        self._pools = pools
        self._home = home
        self._max_hops = max_hops
        self._finder = CycleFinder(self.sources, self.targets, max((*self.sources, home)) + 1)
        self._all_curves: list[Curve] = []
        for edge in range(len(self.sources)):
            curve = curve_of(pools[edge >> 1].pool, zero_for_one=not edge & 1)
            self._all_curves.append(curve)
            self._finder.set_rate(edge, curve.log_rate)
        self._touched: set[int] = set()
        self._stale: set[int] = set()
        self._premium_bps = -1
        self._by_pool: dict[int, set[Path]] = {}
        self._bounds: dict[Path, int] = {}
        self._sizes: dict[Path, _Size] = {}
        self._queue: list[tuple[int, Path]] = []
        self.curves = list(self._all_curves)
        self.state = NetworkState([row.pool for row in pools])
        self._add(self._through(range(len(self.sources))))
        self._all_bounds = dict(self._bounds)
        self._all_queue = list(self._queue)
        self._all_by_pool = {index: frozenset(paths) for index, paths in self._by_pool.items()}

    def restart(self) -> None:
        """Go back to the state that the pools are in."""
        self.state = NetworkState([row.pool for row in self._pools])
        for edge in self._touched:
            self._set(edge, self._all_curves[edge])
        for edge in self._touched:
            self._by_pool[edge >> 1] = set(self._all_by_pool.get(edge >> 1, ()))
        self._touched.clear()
        self._stale.clear()
        self._sizes.clear()
        self._bounds = dict(self._all_bounds)
        self._queue = list(self._all_queue)

    def gas_of(self, edges: Iterable[int]) -> int:
        """Return what the steps of a walk cost."""
        return sum([self._pools[edge >> 1].gas for edge in edges])

    def best(self, *, premium_bps: int, max_loan: int) -> Walk | None:
        """Return the walk that leaves most after premium and gas on the present state, None when none leaves anything.

        Equal walks go to the one with the lower edges.
        """
        self.refresh()
        if premium_bps != self._premium_bps:
            self._premium_bps = premium_bps
            self._sizes.clear()
        looked_at = []
        best: Walk | None = None
        while self._queue and (best is None or -self._queue[0][0] >= best.net):
            most, path = heappop(self._queue)
            if self._bounds.get(path) != -most:
                continue  # its pools have moved since
            looked_at.append((most, path))
            walk = self.sized(path, premium_bps=premium_bps, max_loan=max_loan)
            if walk is not None and (
                best is None or (-walk.net, walk.edges) < (-best.net, best.edges)
            ):
                best = walk
        for entry in looked_at:
            heappush(self._queue, entry)
        return best

    def sized(self, edges: Path, *, premium_bps: int, max_loan: int) -> Walk | None:
        """Return the best walk over these edges on the present state, None when it leaves nothing."""
        if premium_bps != self._premium_bps or not self._stale.isdisjoint(edges):
            return self._size(edges, premium_bps, max_loan).walk
        known = self._sizes.get(edges)
        if known is None or known.is_held_back:
            known = self._sizes[edges] = self._size(edges, premium_bps, max_loan)
        return known.walk if known.amount_in <= max_loan else None

    def _size(self, edges: Path, premium_bps: int, max_loan: int) -> "_Size":
        try:
            hops = [(self.state.pool(edge >> 1), not edge & 1) for edge in edges]
        except (Rejected, ValueOutOfRange):
            return _Size(0, None, is_held_back=False)
        sizing = optimise(hops, premium_bps=premium_bps, max_amount_in=max_loan)
        if sizing is None:
            return _Size(0, None, is_held_back=False)
        net = sizing.profit - self.gas_of(edges)
        held_back = max_loan - sizing.amount_in <= max_loan >> HELD_BACK_SHIFT
        walk = Walk(edges, sizing.amounts, net) if net > 0 else None
        return _Size(sizing.amount_in, walk, is_held_back=held_back)

    def _bound(self, path: Path, total: LogRate) -> int:
        """Return what a walk cannot exceed on the present state, however large and cheap the loan."""
        curves = [self.curves[edge] for edge in path]
        return bound_of(curves, total, log_cost=log_cost_of(0)) - self.gas_of(path)

    def take(self, walk: Walk) -> None:
        """Move the state by a walk."""
        self.state.trade(walk.edges, walk.amounts)
        for edge in walk.edges:
            self._stale.update((edge, edge ^ 1))

    def refresh(self) -> None:
        """Take over what the walks since the last time have moved."""
        if not self._stale:
            return
        for edge in sorted(self._stale):
            self._set(edge, self._curve(edge))
        gone = {path for edge in self._stale for path in self._by_pool.pop(edge >> 1, ())}
        for path in gone:
            self._bounds.pop(path, None)
            self._sizes.pop(path, None)
        self._add(self._through(self._stale))
        self._touched |= self._stale
        self._stale.clear()

    def _add(self, totals: Mapping[Path, LogRate]) -> None:
        for path, total in totals.items():
            most = self._bound(path, total)
            if most > 0:
                self._bounds[path] = most
                heappush(self._queue, (-most, path))
                for edge in path:
                    self._by_pool.setdefault(edge >> 1, set()).add(path)

    def _curve(self, edge: int) -> Curve:
        try:
            return curve_of(self.state.pool(edge >> 1), zero_for_one=not edge & 1)
        except (Rejected, ValueOutOfRange):
            return CLOSED

    def _set(self, edge: int, curve: Curve) -> None:
        self.curves[edge] = curve
        self._finder.set_rate(edge, curve.log_rate)

    def _through(self, edges: Iterable[int]) -> dict[Path, LogRate]:
        """Return the walks through one of the edges that could pay, with the sum of their logarithms."""
        _, found = self._finder.through(
            edges, frozenset((self._home,)), least=-SCREEN_MARGIN, max_hops=self._max_hops
        )
        walks = {}
        for edges_from_least, total in found:
            for place, edge in enumerate(edges_from_least):
                if self.sources[edge] == self._home:
                    walks[edges_from_least[place:] + edges_from_least[:place]] = total
        return walks
