"""What the strategy remembers of its own plans: pools in use, paths that failed, and how plans came out."""

from collections.abc import Iterable
from dataclasses import dataclass

from alphapulse.market.pool import PoolKey
from alphapulse.protocol.execution import (
    ExecutionFlag,
    ExecutionReason,
    ExecutionResult,
    ExecutionStatus,
)
from alphapulse.strategies.flash_arbitrage.confidence import Calibration, Forecast
from alphapulse.strategies.flash_arbitrage.config import FlashArbitrageConfig

__all__ = ["InFlight", "PathKey"]

MAX_REMEMBERED_PATHS = 4_096  # failed paths; the oldest is forgiven first

PathKey = tuple[PoolKey, ...]
"""The pools of a cycle in its one writing: a path, whichever token it is walked from."""

_FAILED = (
    ExecutionStatus.REVERTED,
    ExecutionStatus.DROPPED,
    ExecutionStatus.TIMED_OUT,
    ExecutionStatus.NOT_INCLUDED,
)
_FAILED_IN_SIMULATION = (ExecutionReason.REVERTED, ExecutionReason.INSUFFICIENT_PROFIT)


@dataclass(frozen=True, slots=True)
class _Flight:
    path: PathKey
    free_after_block: int
    forecast: Forecast


@dataclass(frozen=True, slots=True)
class _Failures:
    count: int
    rests_until_block: int


class InFlight:
    """Plans without a result, failed paths, and the calibration of forecasts by results.

    A pool is busy until the result of the plan that uses it, or until the plan has expired. A path whose last executions or
    simulations failed rests for some blocks; a success on chain clears it. Confidence counts what happened on chain only.
    """

    __slots__ = (
        "_block",
        "_busy",
        "_failures",
        "_flights",
        "_margin_blocks",
        "_suppress_after",
        "_suppress_blocks",
        "calibration",
    )

    def __init__(
        self, *, margin_blocks: int, suppress_blocks: int, suppress_after_failures: int
    ) -> None:
        self._margin_blocks = margin_blocks
        self._suppress_blocks = suppress_blocks
        self._suppress_after = suppress_after_failures
        self._flights: dict[int, _Flight] = {}
        self._busy: dict[PoolKey, int] = {}
        self._failures: dict[PathKey, _Failures] = {}
        self.calibration = Calibration()
        self._block = 0

    @classmethod
    def of(cls, config: FlashArbitrageConfig) -> "InFlight":
        """Return the memory of a strategy of these settings."""
        return cls(
            margin_blocks=config.busy_margin_blocks,
            suppress_blocks=config.suppress_blocks,
            suppress_after_failures=config.suppress_after_failures,
        )

    def begin(
        self, signal_id: int, path: PathKey, valid_until_block: int, forecast: Forecast
    ) -> None:
        """Note a plan that goes out; its pools are busy from now on."""
        free_after = valid_until_block + self._margin_blocks
        self._flights[signal_id] = _Flight(path, free_after, forecast)
        for key in path:
            self._busy[key] = signal_id

    def end(self, result: ExecutionResult) -> PathKey:
        """Note a result; return the pools that it frees, none for a plan of someone else."""
        flight = self._flights.get(result.signal_id)
        if flight is None:
            return ()
        if not result.flags & ExecutionFlag.SIMULATED:
            self._judge(flight, result)
        elif result.status == ExecutionStatus.REVERTED or result.reason in _FAILED_IN_SIMULATION:
            self._fail(flight.path)
        self._release(result.signal_id)
        return flight.path

    def on_block(self, block: int) -> tuple[PoolKey, ...]:
        """Return the pools to look at again: those of expired plans, and of paths that have rested."""
        last, self._block = self._block, block
        again: dict[PoolKey, None] = {}
        for signal_id, flight in list(self._flights.items()):
            if flight.free_after_block < block:
                self._release(signal_id)
                again.update(dict.fromkeys(flight.path))
        for path, failures in self._failures.items():
            if last <= failures.rests_until_block < block:
                again.update(dict.fromkeys(path))
        return tuple(again)

    def is_busy(self, keys: Iterable[PoolKey]) -> bool:
        """Return whether a plan without a result uses one of the pools."""
        return bool(self._busy) and any(key in self._busy for key in keys)

    def resting(self) -> list[PathKey]:
        """Return the paths that rest after failures."""
        return [
            path
            for path, failures in self._failures.items()
            if self._block <= failures.rests_until_block
        ]

    @property
    def count(self) -> int:
        """How many plans have no result yet."""
        return len(self._flights)

    def _judge(self, flight: _Flight, result: ExecutionResult) -> None:
        succeeded = result.status == ExecutionStatus.SUCCEEDED
        if not succeeded and result.status not in _FAILED:
            return
        self.calibration.record(
            flight.forecast, succeeded=succeeded, actual_profit=result.actual_profit
        )
        if succeeded:
            self._failures.pop(flight.path, None)
        else:
            self._fail(flight.path)

    def _fail(self, path: PathKey) -> None:
        known = self._failures.pop(path, None)
        count = known.count + 1 if known else 1
        rests = self._block + self._suppress_blocks if count >= self._suppress_after else -1
        self._failures[path] = _Failures(count, rests)
        if len(self._failures) > MAX_REMEMBERED_PATHS:
            del self._failures[next(iter(self._failures))]

    def _release(self, signal_id: int) -> None:
        flight = self._flights.pop(signal_id)
        for key in flight.path:
            if self._busy.get(key) == signal_id:
                del self._busy[key]
