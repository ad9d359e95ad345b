"""Walks of pools that begin and end in the profit token, sized exactly on a state that earlier walks have moved."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

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

__all__ = ["NetworkPool", "Walk", "WalkSearch"]

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

    edges: tuple[int, ...]
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
        "_all_curves",
        "_all_cycles",
        "_bounds",
        "_cycles",
        "_finder",
        "_home",
        "_max_hops",
        "_pools",
        "_premium_bps",
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
        self._all_cycles = self._through(range(len(self.sources)))
        self._touched: set[int] = set()
        self._stale: set[int] = set()
        self._premium_bps = 0
        self._bounds: dict[tuple[int, ...], int] = {}
        self._sizes: dict[tuple[int, ...], _Size] = {}
        self.curves = list(self._all_curves)
        self.restart()

    def restart(self) -> None:
        """Go back to the state that the pools are in."""
        self.state = NetworkState([row.pool for row in self._pools])
        for edge in self._touched:
            self._set(edge, self._all_curves[edge])
        self._forget(self._touched)
        self._touched.clear()
        self._stale.clear()
        self._cycles = self._all_cycles

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
            self._bounds.clear()
            self._sizes.clear()
        queue = []
        for edges, total in self._cycles.items():
            most = self._bounds.get(edges)
            if most is None:
                most = self._bounds[edges] = self._bound(edges, total)
            if most > 0:
                queue.append((-most, edges))
        queue.sort()
        best: Walk | None = None
        for most, edges in queue:
            if best is not None and -most <= best.net:
                break
            walk = self.sized(edges, premium_bps=premium_bps, max_loan=max_loan)
            if walk is not None and (best is None or walk.net > best.net):
                best = walk
        return best

    def sized(self, edges: tuple[int, ...], *, premium_bps: int, max_loan: int) -> Walk | None:
        """Return the best walk over these edges on the present state, None when it leaves nothing."""
        if premium_bps != self._premium_bps or not self._stale.isdisjoint(edges):
            return self._size(edges, premium_bps, max_loan).walk
        known = self._sizes.get(edges)
        if known is None or known.is_held_back:
            known = self._sizes[edges] = self._size(edges, premium_bps, max_loan)
        return known.walk if known.amount_in <= max_loan else None

    def _size(self, edges: tuple[int, ...], premium_bps: int, max_loan: int) -> "_Size":
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

    def _bound(self, edges: tuple[int, ...], total: LogRate) -> int:
        """Return what a walk cannot exceed on the present state, however large the loan."""
        log_cost = log_cost_of(self._premium_bps)
        if total - log_cost <= -SCREEN_MARGIN:
            return 0
        curves = [self.curves[edge] for edge in edges]
        return bound_of(curves, total - log_cost, log_cost=log_cost) - self.gas_of(edges)

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
        kept = {path: total for path, total in self._cycles.items() if self._stale.isdisjoint(path)}
        self._cycles = kept | self._through(self._stale)
        self._forget(self._stale)
        self._touched |= self._stale
        self._stale.clear()

    def _forget(self, edges: Iterable[int]) -> None:
        """Drop what was worked out for walks through these edges."""
        moved = set(edges)
        for known in (self._bounds, self._sizes):
            for path in [path for path in known if not moved.isdisjoint(path)]:
                del known[path]

    def _curve(self, edge: int) -> Curve:
        try:
            return curve_of(self.state.pool(edge >> 1), zero_for_one=not edge & 1)
        except (Rejected, ValueOutOfRange):
            return CLOSED

    def _set(self, edge: int, curve: Curve) -> None:
        self.curves[edge] = curve
        self._finder.set_rate(edge, curve.log_rate)

    def _through(self, edges: Iterable[int]) -> dict[tuple[int, ...], LogRate]:
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
