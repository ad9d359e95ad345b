"""Latencies in a bounded window; percentiles are exact for what the window holds."""

from array import array

import msgspec

from alphapulse.errors import InvariantError
from alphapulse.primitives.units import div_ceil

__all__ = ["LatencyPercentiles", "LatencyRecorder"]

_PERCENT = 100


class LatencyPercentiles(msgspec.Struct, frozen=True):
    """Nearest-rank percentiles of the window in ns; maximum and count since the start."""

    p50_ns: int
    p99_ns: int
    max_ns: int
    count: int


class LatencyRecorder:
    """Keeps the last `capacity` latencies."""

    __slots__ = ("_capacity", "_count", "_max", "_window")

    def __init__(self, capacity: int) -> None:
        if capacity < 1:
            raise InvariantError(f"`capacity` must be above 0, was {capacity}")
        self._capacity = capacity
        self._window = array("q")
        self._count = 0
        self._max = 0

    def record(self, ns: int) -> None:
        """Note one latency; a clock that stepped back in between makes it 0."""
        ns = max(ns, 0)
        if len(self._window) < self._capacity:
            self._window.append(ns)
        else:
            self._window[self._count % self._capacity] = ns
        self._count += 1
        self._max = max(self._max, ns)

    def percentiles(self) -> LatencyPercentiles:
        """Return p50, p99, maximum and count; all 0 before the first latency."""
        ordered = sorted(self._window)
        if not ordered:
            return LatencyPercentiles(p50_ns=0, p99_ns=0, max_ns=0, count=0)
        return LatencyPercentiles(
            p50_ns=ordered[div_ceil(len(ordered) * 50, _PERCENT) - 1],
            p99_ns=ordered[div_ceil(len(ordered) * 99, _PERCENT) - 1],
            max_ns=self._max,
            count=self._count,
        )
