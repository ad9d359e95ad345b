"""Breakers: a condition over what happened, a latch, and the rule by which the latch opens again."""

import msgspec

from alphapulse.errors import Misconfigured
from alphapulse.primitives.units import div_floor

__all__ = ["DAY_NS", "RESULTS_KEPT", "DailyLoss", "LossTrip"]

DAY_NS = 86_400 * 10**9

RESULTS_KEPT = 16_384
"""Results whose later report is recognised as the same one; more than a day of trading has."""


class LossTrip(msgspec.Struct, frozen=True):
    """Why the breaker opened: the loss of a UTC day in USD P8, and the limit that it reached."""

    day: int
    loss_usd_e8: int
    limit_usd_e8: int


class DailyLoss:
    """Trips when the loss of a UTC day reaches a limit, and stays so until somebody resumes.

    Units   USD P8, the limit as a positive amount; times in ns since 1970, UTC.
    Law     monotone: what trips under a limit trips, no later, under every smaller limit.

    A limit of 0 trips at the first result that leaves the day without a gain. A new day begins at
    zero but does not open the latch.
    """

    __slots__ = ("_day", "_limit", "_profit", "_results", "_trip")

    def __init__(self, limit_usd_e8: int) -> None:
        """Begin with an empty day.

        Raises  Misconfigured for a negative limit.
        """
        if limit_usd_e8 < 0:
            raise Misconfigured(
                "`daily_loss_limit_usd_e8` must be a positive amount or 0, "
                f"was {limit_usd_e8}; write a loss limit without its sign"
            )
        self._limit = limit_usd_e8
        self._day = 0
        self._profit = 0
        self._results: dict[tuple[int, int], tuple[int, int]] = {}
        self._trip: LossTrip | None = None

    @property
    def trip(self) -> LossTrip | None:
        """Why the breaker is open, None while it is closed."""
        return self._trip

    @property
    def day(self) -> int:
        """The UTC day that is being counted, from 1970-01-01."""
        return self._day

    @property
    def loss_usd_e8(self) -> int:
        """Loss of the day, negative when the day has gained."""
        return -self._profit

    def record(self, key: tuple[int, int], profit_usd_e8: int, now_ns: int) -> LossTrip | None:
        """Count the result of a signal and return the trip when it opened the breaker.

        `key` is (strategy_id, signal_id). A later report replaces the earlier one, in its day.
        """
        self.roll(now_ns)
        day, before = self._results.get(key, (self._day, 0))
        self._results[key] = (day, profit_usd_e8)
        if len(self._results) > RESULTS_KEPT:
            del self._results[next(iter(self._results))]
        if day == self._day:
            self._profit += profit_usd_e8 - before
        return self._judge()

    def withdraw(self, key: tuple[int, int], now_ns: int) -> LossTrip | None:
        """Count nothing for a signal that was reported in a block and is not; a lost gain can trip too."""
        self.roll(now_ns)
        return self.record(key, 0, now_ns) if key in self._results else None

    def roll(self, now_ns: int) -> None:
        """Begin a new day when one has begun; a clock that steps back does not bring a day back."""
        day = div_floor(now_ns, DAY_NS)
        if day > self._day:
            self._day = day
            self._profit = 0

    def resume(self, now_ns: int) -> bool:
        """Close the latch unless its condition still holds, and return whether it is closed."""
        self.roll(now_ns)
        if self._trip is not None and (self._trip.day < self._day or not self._holds()):
            self._trip = None
        return self._trip is None

    def _judge(self) -> LossTrip | None:
        if self._trip is not None or not self._holds():
            return None
        self._trip = LossTrip(self._day, self.loss_usd_e8, self._limit)
        return self._trip

    def _holds(self) -> bool:
        return self.loss_usd_e8 >= self._limit
