"""Prices at which no pool of a network disagrees, found by minimising what pools would earn against them.

Floating point throughout: the flows that come out say where to look, and are rounded and run again in integers by the caller.
Unknowns are the logarithms of the tokens' prices in profit token. Each pool trades until its marginal rate equals the ratio of two
prices; the sum of what all of them earn is convex in the prices and its slope is the net flow of each token. A limited-memory
quasi-Newton method with a diagonal start and a backtracking line search goes down it.
"""

import math
from collections import deque
from collections.abc import Sequence
from heapq import heappop, heappush
from typing import NamedTuple, TypeAlias

from alphapulse.amm.network_curve import Curve

__all__ = ["Flow", "Solution", "Wire", "solve"]

ITERATIONS_MAX = 200
PAIRS_KEPT = 10  # of steps and slope changes, which stand for the curvature
BACKTRACKS_MAX = 25
SUFFICIENT = 1e-4  # part of the promised descent that a step must keep
SHORTEN = 0.35
LOG_MOVE_MAX = 0.7  # no price moves by more than a factor of two in one step
# The descent still promised, relative to the value, at which the search ends.
TOLERANCE = 1e-11
# Steps that together must gain more than this part of the value; less is noise at the kinks of closed pools.
SETTLED_STEPS = 12
SETTLED_GAIN = 1e-8
FLOW_FLOOR = 1e-9  # of the largest flow into profit token; smaller ones are noise


class Wire(NamedTuple):
    """One direction of a pool between two numbered tokens; `log_toll` is added to the price of what goes in."""

    edge: int
    source: int
    target: int
    curve: Curve
    log_toll: float


class Flow(NamedTuple):
    """What an edge trades at the optimum, and its worth and its pool's earning in profit token."""

    edge: int
    amount_in: int
    amount_out: int
    worth: int
    earning: int


class Solution(NamedTuple):
    """The flows, and a profit that no plan over these wires exceeds when all spending pays its toll."""

    flows: tuple[Flow, ...]
    bound: int
    iterations: int
    log_prices: "Vector"


Vector: TypeAlias = list[float]


def solve(wires: Sequence[Wire], tokens: int, home: int, *, near: Vector | None = None) -> Solution:
    """Return the flows at the prices that minimise what the pools earn; the search begins at the log prices `near`, if any.

    Units   flows in smallest units, bound, worth and earning in those of the profit token `home`.
    Range   tokens are 0 ... tokens - 1; prices of tokens that no wire joins to `home` stay out.
    Raises  nothing; at most 200 steps.
    Source  MATH section 6.
    """
    start, scale = _first_prices(wires, tokens, home)
    live = [wire for wire in wires if wire.source in scale and wire.target in scale]
    problem = _Problem(live, tokens, home)
    prices = near or [start.get(token, 0.0) for token in range(tokens)]
    weights = [1.0 / scale[token] if token in scale else 0.0 for token in range(tokens)]
    weights[home] = 0.0
    prices, value, iterations = _descend(problem, prices, weights)
    return Solution(problem.flows(prices), math.ceil(max(value, 0.0)), iterations, prices)


class _Problem:
    """The dual function of a network."""

    __slots__ = ("_home", "_rows", "_tokens", "_wires")

    def __init__(self, wires: Sequence[Wire], tokens: int, home: int) -> None:
        self._wires = wires
        self._rows = [
            (w.curve.log_rate - w.log_toll, w.source, w.target, w.log_toll, w.curve.response)
            for w in wires
        ]
        self._tokens = tokens
        self._home = home

    def at(self, prices: Vector) -> tuple[float, Vector]:
        """Return what the pools earn at these log prices, and its slope."""
        worth = [math.exp(price) for price in prices]
        slope = [0.0] * self._tokens
        value = 0.0
        for log_rate, source, target, log_toll, response in self._rows:
            log_price = prices[source] - prices[target]
            if log_price >= log_rate:
                continue
            taken, paid = response(log_price + log_toll)
            spent, earned = taken * worth[source], paid * worth[target]
            if log_toll:
                value += earned - spent * math.exp(log_toll)
            else:
                value += earned - spent
            slope[source] -= spent
            slope[target] += earned
        slope[self._home] = 0.0
        return value, slope

    def flows(self, prices: Vector) -> tuple[Flow, ...]:
        """Return what trades at these log prices."""
        found = []
        for wire in self._wires:
            taken, paid = wire.curve.response(
                prices[wire.source] - prices[wire.target] + wire.log_toll
            )
            if taken < 1.0 or paid < 1.0:
                continue
            worth = taken * math.exp(prices[wire.source])
            earning = paid * math.exp(prices[wire.target]) - worth * math.exp(wire.log_toll)
            found.append(Flow(wire.edge, int(taken), int(paid), int(worth), int(earning)))
        least = FLOW_FLOOR * max((flow.worth for flow in found), default=0)
        return tuple(flow for flow in found if flow.worth >= least)


def _first_prices(
    wires: Sequence[Wire], tokens: int, home: int
) -> tuple[dict[int, float], dict[int, float]]:
    """Return log prices spread outward from the profit token over the deepest pools, and the worth of each token's depth."""
    around: list[list[tuple[Wire, Wire]]] = [[] for _ in range(tokens)]
    for there, back in zip(wires[::2], wires[1::2], strict=True):
        if min(there.curve.log_rate, back.curve.log_rate) > -math.inf:
            around[there.source].append((there, back))
            around[there.target].append((back, there))
    prices: dict[int, float] = {}
    depths = {home: 0.0}
    queue: list[tuple[float, int, float]] = [(0.0, home, 0.0)]
    while queue:
        _, token, price = heappop(queue)
        if token in prices:
            continue
        prices[token] = price
        worth = math.exp(price)
        for there, back in around[token]:
            depth = there.curve.depth * worth
            depths[token] = depths.get(token, 0.0) + 0.5 * depth
            if there.target not in prices:
                beyond = price + 0.5 * (back.curve.log_rate - there.curve.log_rate)
                heappush(queue, (-depth, there.target, beyond))
    return prices, {token: max(depths.get(token, 0.0), 1.0) for token in prices}


def _descend(problem: _Problem, prices: Vector, weights: Vector) -> tuple[Vector, float, int]:
    """Return the prices where the value is least, the value, and the steps that took."""
    value, slope = problem.at(prices)
    recent: deque[float] = deque(maxlen=SETTLED_STEPS)
    pairs: deque[tuple[Vector, Vector, float]] = deque(maxlen=PAIRS_KEPT)
    for iteration in range(ITERATIONS_MAX):
        step = _direction(slope, weights, pairs)
        promised = _dot(slope, step)
        if promised >= 0.0:
            pairs.clear()
            step = [-weight * part for weight, part in zip(weights, slope, strict=True)]
            promised = _dot(slope, step)
        if -promised <= TOLERANCE * (abs(value) + 1.0):
            return prices, value, iteration
        if len(recent) == SETTLED_STEPS and recent[0] - value <= SETTLED_GAIN * abs(value):
            return prices, value, iteration
        recent.append(value)
        length = min(1.0, LOG_MOVE_MAX / max(*map(abs, step), 1e-300))
        moved = _walk(problem, prices, value, step, length=length, promised=promised)
        if moved is None:
            if not pairs:
                return prices, value, iteration
            pairs.clear()
            continue
        after, lower, tilt = moved
        change = [b - a for a, b in zip(prices, after, strict=True)]
        bend = [b - a for a, b in zip(slope, tilt, strict=True)]
        curvature = _dot(change, bend)
        if curvature > 0.0:
            pairs.append((change, bend, curvature))
        prices, value, slope = after, lower, tilt
    return prices, value, ITERATIONS_MAX


def _walk(
    problem: _Problem,
    prices: Vector,
    value: float,
    step: Vector,
    *,
    length: float,
    promised: float,
) -> tuple[Vector, float, Vector] | None:
    """Return the first point along a step that keeps part of the promise, None when none does."""
    for _ in range(BACKTRACKS_MAX):
        after = [price + length * part for price, part in zip(prices, step, strict=True)]
        lower, tilt = problem.at(after)
        if lower <= value + SUFFICIENT * length * promised:
            return after, lower, tilt
        length *= SHORTEN
    return None


def _direction(
    slope: Vector, weights: Vector, pairs: deque[tuple[Vector, Vector, float]]
) -> Vector:
    """Return minus the slope, bent by the curvature that the last steps have met."""
    step = [-part for part in slope]
    shares = []
    for change, bend, curvature in reversed(pairs):
        share = _dot(change, step) / curvature
        shares.append(share)
        step = [part - share * b for part, b in zip(step, bend, strict=True)]
    step = [weight * part for weight, part in zip(weights, step, strict=True)]
    if pairs:
        _, bend, curvature = pairs[-1]
        stretched = sum(weight * b * b for weight, b in zip(weights, bend, strict=True))
        if stretched > 0.0:
            step = [part * (curvature / stretched) for part in step]
    for (change, bend, curvature), share in zip(pairs, reversed(shares), strict=True):
        back = share - _dot(bend, step) / curvature
        step = [part + back * c for part, c in zip(step, change, strict=True)]
    return step


def _dot(one: Vector, other: Vector) -> float:
    return sum(map(float.__mul__, one, other))
