"""What a pool would trade at a price, in floating point: it locates, every amount that counts is quoted again in integers.

A pool whose curve comes in stretches of constant liquidity answers in closed form per stretch; the stretches are read once, as far
as prices have asked. Another pool is searched on its own exact quotes.
"""

import math
from collections.abc import Sequence
from typing import Protocol, TypeAlias

from alphapulse.amm.pool import PoolQuoter
from alphapulse.amm.segment import Segment
from alphapulse.errors import Rejected, ValueOutOfRange

__all__ = ["CLOSED", "SCREEN_MARGIN", "Curve", "Response", "bound_of", "curve_of", "log_cost_of"]

# Stretches read of one direction; a price that asks for more meets the end of what was read.
STRETCHES_MAX = 4_096
# Halvings of the logarithm of an input, from 2**120 down to a relative width below 1e-9.
HALVINGS = 40
LOG_INPUT_MAX = 120 * math.log(2)
# Relative width over which a slope is taken from two exact quotes.
SLOPE_WIDTH_SHIFT = 12
# Units of output that the difference of two quotes holds at least, so that their rounding does not show in the slope.
LOG_SLOPE_UNITS = 20 * math.log(2)
# On the sum of up to four logarithms of rates; their own errors are below 1e-13.
SCREEN_MARGIN = 1e-12
# What is said of a walk that no pool of constant liquidity is deeper than.
UNBOUNDED = 1 << 256
# Relative, on the square roots of a bound; rounding errors are below 1e-14.
BOUND_MARGIN = 1e-13

Response: TypeAlias = tuple[float, float]
"""What goes in and what comes out."""

Moebius: TypeAlias = tuple[float, float, float]
"""The map a x / (c x + d)."""


class Curve(Protocol):
    """One direction of a pool."""

    @property
    def log_rate(self) -> float:
        """Return the logarithm of the first marginal rate after fee, minus infinity when nothing is sold."""
        ...

    @property
    def depth(self) -> float:
        """Return the reserve of the token paid in, virtual where liquidity is concentrated."""
        ...

    def response(self, log_price: float) -> Response:
        """Return the trade after which the marginal rate has fallen to exp(log_price)."""
        ...

    def dominating(self, log_gain: float) -> Moebius:
        """Return a map that pays at least as much as this curve until its rate has fallen by exp(log_gain)."""
        ...


def curve_of(pool: PoolQuoter, *, zero_for_one: bool) -> Curve:
    """Return the curve of one direction; a pool that sells nothing there has one that never trades."""
    try:
        log_rate = pool.log_rate(zero_for_one)
        first: Segment | None = pool.segment(1, zero_for_one)
    except Rejected:
        return CLOSED
    if first is None:
        return _Searched(pool, zero_for_one, log_rate)
    return _Stretched(pool, zero_for_one, first)


def bound_of(curves: Sequence[Curve], log_gain: float, *, log_cost: float) -> int:
    """Return a profit that a walk over these curves cannot exceed, however large the loan.

    Units   smallest units of the token that the walk starts from; log_gain is the sum of the log rates less log_cost.
    Range   log_gain and log_cost in logarithms.
    Raises  nothing.
    Source  MATH section 1 over pools that are as deep as these are anywhere that the price can go.
    """
    cost = math.exp(log_cost)
    a, c, d = 1.0, 0.0, 1.0
    for curve in curves:
        gain, slope, base = curve.dominating(log_gain)
        a, c, d = a * gain, a * slope + c * base, d * base
    root = math.sqrt(a)
    excess = root - math.sqrt(cost * d) + BOUND_MARGIN * root
    if excess <= 0.0:
        return 1
    if c <= 0.0:
        return UNBOUNDED
    return math.ceil(min(excess * excess / c, 1e300) * (1.0 + BOUND_MARGIN)) + 1


class _Closed:
    """A direction in which nothing can be sold."""

    __slots__ = ()

    log_rate = -math.inf
    depth = 0.0

    def response(self, log_price: float) -> Response:
        return 0.0, 0.0

    def dominating(self, log_gain: float) -> Moebius:
        return 0.0, 0.0, 1.0


CLOSED: Curve = _Closed()


class _Stretched:
    """A curve in stretches: beyond its start each pays `gain * z / (z + base)`."""

    __slots__ = (
        "_at",
        "_bases",
        "_end_in",
        "_ends",
        "_gains",
        "_is_whole",
        "_pool",
        "_roots",
        "_starts",
        "_starts_in",
        "_starts_out",
        "_zero_for_one",
        "depth",
        "log_rate",
    )

    def __init__(self, pool: PoolQuoter, zero_for_one: bool, first: Segment) -> None:
        self._pool = pool
        self._zero_for_one = zero_for_one
        self._at = 0
        self._end_in = 0
        self._is_whole = False
        self._gains: list[float] = []
        self._bases: list[float] = []
        self._roots: list[float] = []
        self._starts: list[float] = []
        self._ends: list[float] = []
        self._starts_in: list[float] = []
        self._starts_out: list[float] = []
        self._take(first)
        self.log_rate = self._starts[0]
        self.depth = self._bases[0]

    def response(self, log_price: float) -> Response:
        if log_price >= self.log_rate:
            return 0.0, 0.0
        at = self._at
        while at and log_price >= self._starts[at]:
            at -= 1
        while log_price < self._ends[at] and (at + 1 < len(self._ends) or self._read()):
            at += 1
        if log_price >= self._starts[at]:  # a price between two stretches
            at -= 1
        self._at = at
        base = self._bases[at]
        beyond = self._roots[at] * math.exp(-0.5 * max(log_price, self._ends[at])) - base
        return (
            self._starts_in[at] + beyond,
            self._starts_out[at] + self._gains[at] * beyond / (beyond + base),
        )

    def dominating(self, log_gain: float) -> Moebius:
        end = self.log_rate - log_gain - SCREEN_MARGIN
        root, at = self._roots[0], 0
        while self._ends[at] > end and (at + 1 < len(self._ends) or self._read()):
            at += 1
            root = max(root, self._roots[at])
        price = math.exp(0.5 * self.log_rate)
        return root * price, 1.0, root / price

    def _read(self) -> bool:
        if self._is_whole or len(self._ends) >= STRETCHES_MAX:
            return False
        try:
            segment = self._pool.segment(self._end_in + 1, self._zero_for_one)
        except (Rejected, ValueOutOfRange):
            segment = None
        if segment is None:
            self._is_whole = True
            return False
        self._take(segment)
        return True

    def _take(self, segment: Segment) -> None:
        gain, base = segment.gain / segment.slope, segment.base / segment.slope
        root = math.sqrt(gain * base)
        width = float(max(segment.end_in - segment.start_in, 1))
        self._gains.append(gain)
        self._bases.append(base)
        self._roots.append(root)
        self._starts.append(2.0 * math.log(root / base))
        self._ends.append(2.0 * math.log(root / (base + width)))
        self._starts_in.append(float(segment.start_in))
        self._starts_out.append(float(segment.start_out))
        self._end_in = segment.end_in


class _Searched:
    """A curve without stretches, searched on exact quotes."""

    __slots__ = ("_least_width", "_pool", "_zero_for_one", "depth", "log_rate")

    def __init__(self, pool: PoolQuoter, zero_for_one: bool, log_rate: float) -> None:
        self._pool = pool
        self._zero_for_one = zero_for_one
        self.log_rate = log_rate
        self._least_width = 1 + int(math.exp(max(0.0, LOG_SLOPE_UNITS - log_rate)))
        self.depth = self.response(log_rate - 1.0)[0]

    def response(self, log_price: float) -> Response:
        if log_price >= self.log_rate:
            return 0.0, 0.0
        low, high = 0.0, LOG_INPUT_MAX
        for _ in range(HALVINGS):
            middle = 0.5 * (low + high)
            if self._log_slope(int(math.exp(middle))) > log_price:
                low = middle
            else:
                high = middle
        amount_in = int(math.exp(low))
        return float(amount_in), float(self._paid(amount_in) or 0)

    def dominating(self, log_gain: float) -> Moebius:
        return math.exp(self.log_rate), 0.0, 1.0

    def _log_slope(self, amount_in: int) -> float:
        width = max(amount_in >> SLOPE_WIDTH_SHIFT, self._least_width)
        near, far = self._paid(amount_in), self._paid(amount_in + width)
        if near is None or far is None or far <= near:
            return -math.inf
        return math.log((far - near) / width)

    def _paid(self, amount_in: int) -> int | None:
        try:
            return self._pool.amount_out(amount_in, self._zero_for_one)
        except (Rejected, ValueOutOfRange):
            return None


def log_cost_of(premium_bps: int) -> float:
    """Return the logarithm of what a borrowed unit costs to repay."""
    return math.log1p(premium_bps / 10_000)
