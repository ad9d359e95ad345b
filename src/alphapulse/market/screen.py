"""Two quick questions about a cycle: can it pay at all, and how much at most? Statistics in floating point.

Nothing is decided by these figures: the screen lets pass whatever exact arithmetic could accept, and the bound is never below the
exact profit. They only save work. Everything that passes is answered again in integers.
"""

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import TypeAlias

from alphapulse.amm.kernel import ConcentratedPool, PairPool, PoolQuoter, SmoothPair
from alphapulse.amm.network_cycles import NEVER, CycleFinder
from alphapulse.amm.uniswap_v3.tick_math import MAX_SQRT_RATIO, MIN_SQRT_RATIO
from alphapulse.errors import Rejected
from alphapulse.market.graph import Cycle, PoolGraph

__all__ = ["SCREEN_MARGIN", "CycleScreen"]

SCREEN_MARGIN = 1e-12  # on the sum of logarithms; their own errors are below 1e-13
# Cycles handed on of one block; of more the ones with the largest rates, which is where what pays lies.
SURVIVORS_MAX = 8_192
BOUND_MARGIN = 1e-13  # relative, on the square roots of the bound; rounding errors are below 1e-14
TICKS_PER_LOG = 10_001.0  # 1 / log(1.0001), rounded up
THIN_RATE = -40.0  # below it the rounding of a Q128 rate shows in its logarithm
LOG_Q128 = 128 * math.log(2)
Q96 = 2.0**96
PIPS = 1_000_000
LOWEST_ROOT, HIGHEST_ROOT = (
    MIN_SQRT_RATIO + 1,
    MAX_SQRT_RATIO - 1,
)  # a pool there sells one way only
Q128 = 2.0**128
BOTTOMLESS = 1e50  # a reserve beside which any amount of the wire is nothing

Hop: TypeAlias = tuple[float, float, float]
"""Share of the input that is not fee, reserve of the token paid in, reserve of the other times that share."""

TickMap: TypeAlias = tuple[list[int], list[int]]
"""Initialised ticks in ascending order, and their net liquidity."""


class CycleScreen:
    """Holds one log rate per directed edge and sums them along cycles.

    Refresh a pool when its revision changed, then ask. A pool without a usable quote never passes.
    """

    __slots__ = (
        "_cost",
        "_finder",
        "_flat",
        "_graph",
        "_has_parts",
        "_hops",
        "_log_cost",
        "_revisions",
        "_ticks",
    )

    def __init__(self, graph: PoolGraph, premium_bps: int) -> None:
        self._graph = graph
        self._log_cost = math.log1p(premium_bps / 10_000)
        self._cost = 1.0 + premium_bps / 10_000
        self._hops: list[dict[int, Hop]] = [{} for _ in graph.sources]
        self._flat: list[Hop | None] = [None] * len(graph.sources)  # as deep at any reach
        self._finder = CycleFinder(graph.sources, graph.targets, len(graph.tokens))
        self._has_parts = any(pool.key.part for pool in graph.pools)
        self._revisions = [-1] * len(graph.pools)
        self._ticks: list[tuple[int, TickMap] | None] = [None] * len(graph.pools)

    def refresh(self, index: int) -> None:
        """Take over a pool's state."""
        pool = self._graph.pools[index]
        if self._revisions[index] == pool.revision:
            return
        self._revisions[index] = pool.revision
        for edge, rate in zip((2 * index, 2 * index + 1), _log_rates(pool.quoter), strict=True):
            self._hops[edge].clear()
            self._flat[edge] = None
            self._finder.set_rate(edge, rate)

    def survivors(self, indices: Iterable[int]) -> tuple[int, list[tuple[Cycle, int]]]:
        """Return how many sums were made, and the cycles through one of the pools that could pay, each with its gain.

        The gain is the log of what one unit returns over what it owes, times 1e15, rounded up and at least 0. A cycle that exact
        arithmetic accepts is among them; they come in ascending order of their edges.
        """
        graph = self._graph
        least = self._log_cost - SCREEN_MARGIN
        edges = [edge for index in indices for edge in (2 * index, 2 * index + 1)]
        looked, found = self._finder.through(
            edges, graph.anchors, least=least, max_hops=graph.max_hops, most=SURVIVORS_MAX
        )
        return looked, [
            (graph.cycle(edges), math.ceil((total - least + SCREEN_MARGIN) * 1e15))
            for edges, total in found
            if not (self._has_parts and self._is_repeated(edges))
        ]

    def _is_repeated(self, edges: Sequence[int]) -> bool:
        """Return whether a cycle meets one pool in two of its pairs: the first would move the second."""
        places = {self._graph.pools[edge >> 1].key[:2] for edge in edges}
        return len(places) < len(edges)

    @property
    def dropped(self) -> int:
        """How many cycles passed and were not handed on, because too many did."""
        return self._finder.dropped

    def bounds(self, cycle: Cycle, gain: int, max_loans: Sequence[int]) -> list[int]:
        """Return, for each start of a cycle, a profit before gas that no loan up to its limit exceeds.

        Units   smallest units of the token that the walk starts from; `max_loans` stand in the order of `cycle.starts`.

        Each hop is replaced by a constant-product pool at the same price that is at least as deep as the hop is anywhere the
        price can go before the cycle stops paying: the product of the hops' marginal rates falls from its start to the cost of
        the loan, so no single price moves by more than the whole gain. The composed pool has a closed-form optimum.
        """
        log_gain = gain * 1e-15
        cost = self._cost
        reach = (
            1 << (int(log_gain * TICKS_PER_LOG) + 2).bit_length()
        )  # few, so that hops are reused
        flat = self._flat
        hops = [
            flat[edge] or self._hops[edge].get(reach) or self._hop(edge, reach)
            for edge in cycle.edges
        ]
        a, d, slopes = _composed(hops)
        root = math.sqrt(a)
        excess = root - math.sqrt(cost * d) + BOUND_MARGIN * root
        if excess <= 0.0:
            return [1] * len(cycle.starts)
        most = excess * excess * (1.0 + BOUND_MARGIN)
        growth = math.expm1(log_gain) * cost * (1.0 + BOUND_MARGIN)
        found = []
        for start, max_loan in zip(cycle.starts, max_loans, strict=True):
            c = slopes[start]
            found.append(math.ceil(min(most / c, growth * max_loan)) + 1 if c > 0.0 else 1)
        return found

    def _hop(self, edge: int, reach: int) -> Hop:
        """Return what a hop pays per unit kept, its reserve in and its reserve out after fee, as deep as it is within reach."""
        pool = self._graph.pools[edge >> 1]
        quoter = pool.quoter
        rate = 1.0 - pool.fee_pips / 1_000_000
        zero_for_one = not edge & 1
        if quoter is None:
            return rate, 0.0, 0.0
        if isinstance(quoter, SmoothPair):
            return self._straight(edge, quoter, zero_for_one)
        if isinstance(quoter, PairPool):
            reserves = float(quoter.reserve0), float(quoter.reserve1)
        else:
            depth = float(self._deepest(edge >> 1, quoter, zero_for_one, reach))
            root_price = quoter.sqrt_price_x96 / Q96
            reserves = depth / root_price, depth * root_price
        reserve_in, reserve_out = reserves if zero_for_one else (reserves[1], reserves[0])
        hop = rate, reserve_in, rate * reserve_out
        if isinstance(quoter, ConcentratedPool):
            self._hops[edge][reach] = hop
        else:
            self._flat[edge] = hop
        return hop

    def _straight(self, edge: int, quoter: SmoothPair, zero_for_one: bool) -> Hop:
        """Return a hop that pays the first rate for any amount: no smooth curve pays more."""
        try:
            slope = quoter.marginal_rate_x128(zero_for_one) / Q128 * (1.0 + BOUND_MARGIN)
        except Rejected:
            slope = 0.0
        hop = 1.0, BOTTOMLESS, BOTTOMLESS * slope
        self._flat[edge] = hop
        return hop

    def _deepest(self, index: int, quoter: ConcentratedPool, zero_for_one: bool, reach: int) -> int:
        """Return the largest active liquidity within so many ticks of the price, in one direction."""
        order, nets = self._tick_map(index, quoter)
        tick = quoter.tick
        place = bisect_right(order, tick)
        depth = most = quoter.liquidity
        if zero_for_one:
            while place and order[place - 1] >= tick - reach:
                place -= 1
                depth -= nets[place]
                most = max(most, depth)
        else:
            while place < len(order) and order[place] <= tick + reach:
                depth += nets[place]
                place += 1
                most = max(most, depth)
        return most

    def _tick_map(self, index: int, quoter: ConcentratedPool) -> TickMap:
        version = self._graph.pools[index].tick_version
        held = self._ticks[index]
        if held is None or held[0] != version:
            ticks = quoter.state().ticks
            order = sorted(ticks)
            held = (version, (order, [ticks[tick][1] for tick in order]))
            self._ticks[index] = held
        return held[1]


def _composed(hops: list[Hop]) -> tuple[float, float, Sequence[float]]:
    """Return the cycle as the map a x / (c x + d): a and d, which no rotation changes, and c for each start.

    Two and three hops are written out, since most questions are of those.
    """
    if len(hops) == 2:
        (r0, d0, a0), (r1, d1, a1) = hops
        return a0 * a1, d0 * d1, (r0 * d1 + a0 * r1, r1 * d0 + a1 * r0)
    if len(hops) == 3:
        (r0, d0, a0), (r1, d1, a1), (r2, d2, a2) = hops
        slopes = (
            r0 * d1 * d2 + a0 * (r1 * d2 + a1 * r2),
            r1 * d2 * d0 + a1 * (r2 * d0 + a2 * r0),
            r2 * d0 * d1 + a2 * (r0 * d1 + a0 * r1),
        )
        return a0 * a1 * a2, d0 * d1 * d2, slopes
    turned = []
    a = d = 1.0
    for start in range(len(hops)):
        a, c, d = 1.0, 0.0, 1.0
        for rate, reserve_in, gross_out in hops[start:] + hops[:start]:
            c = a * rate + c * reserve_in
            a *= gross_out
            d *= reserve_in
        turned.append(c)
    return a, d, turned


def _log_rates(quoter: PoolQuoter | None) -> tuple[float, float]:
    """Return the logarithms of both rates, from one logarithm where liquidity stands at the price.

    At the edge of a gap in liquidity that says more than the pool pays, so nothing is lost.
    """
    if isinstance(quoter, PairPool):
        reserve0, reserve1 = quoter.reserve0, quoter.reserve1
        if reserve0 and reserve1:
            price = math.log(reserve1 / reserve0)
            kept = math.log1p(-quoter.fee_pips / PIPS)
            return kept + price, kept - price
    elif isinstance(quoter, ConcentratedPool) and quoter.liquidity:
        root = quoter.sqrt_price_x96
        if LOWEST_ROOT < root < HIGHEST_ROOT:
            price = 2.0 * math.log(root / Q96)
            kept = math.log1p(-quoter.fee_pips / PIPS)
            return kept + price, kept - price
    return (_log_rate(quoter, zero_for_one=True), _log_rate(quoter, zero_for_one=False))


def _log_rate(quoter: PoolQuoter | None, *, zero_for_one: bool) -> float:
    """Return the logarithm of the rate, never below its true value by more than the margin allows."""
    if quoter is None:
        return NEVER
    try:
        rate = quoter.log_rate(zero_for_one)
        if rate > THIN_RATE:
            return rate
        return math.log(quoter.marginal_rate_x128(zero_for_one) + 1) - LOG_Q128
    except Rejected:
        return NEVER
