"""The component that judges results and says stop."""

import hashlib
from collections.abc import Iterable

import msgspec

from alphapulse.primitives.address import ZERO_HASH
from alphapulse.primitives.instrument_id import InstrumentId
from alphapulse.primitives.units import div_floor
from alphapulse.primitives.venue import Venue
from alphapulse.protocol.execution import (
    Breaker,
    BreakerAction,
    BreakerScope,
    CircuitBreaker,
    EmergencyStop,
    ExecutionFlag,
    ExecutionResult,
    StopAction,
)
from alphapulse.protocol.header import Domain, Flag, Source
from alphapulse.protocol.message import Draft, Message, Tlv
from alphapulse.protocol.system import TraceContext
from alphapulse.risk.circuit_breakers import DAY_NS, DailyLoss

__all__ = ["ALL_STRATEGIES", "RiskConfig", "RiskMonitor", "RiskStatistics"]

ALL_STRATEGIES = 65_535

_STOP_SOURCES = range(40, 60)
"""Only these sources may stop or resume; what others say about it is ignored and counted."""

_SAMPLED_AND_CRITICAL = 9


class RiskConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Limits as positive amounts; USD in P8."""

    daily_loss_limit_usd_e8: int


class RiskStatistics(msgspec.Struct, frozen=True):
    """What was judged, and where the day stands."""

    results: int
    simulated: int
    replayed: int
    trips: int
    resumed: int
    resume_refused: int
    strangers: int
    is_open: bool
    day: int
    loss_usd_e8: int


class RiskMonitor:
    """Watches the day's loss over all strategies.

    A result counts when it is first heard, final or not, and is corrected by its later reports: a
    loss in a block is reason enough to stop. A resume that comes while the condition still holds is
    answered with the stop again, because the gates that heard the resume have opened.
    """

    __slots__ = (
        "_daily_loss",
        "_limit_usd_e8",
        "_replayed",
        "_results",
        "_resume_refused",
        "_resumed",
        "_simulated",
        "_strangers",
        "_trips",
    )

    def __init__(self, config: RiskConfig) -> None:
        self._daily_loss = DailyLoss(config.daily_loss_limit_usd_e8)
        self._limit_usd_e8 = config.daily_loss_limit_usd_e8
        self._results = 0
        self._simulated = 0
        self._replayed = 0
        self._trips = 0
        self._resumed = 0
        self._resume_refused = 0
        self._strangers = 0

    def on_message(self, message: Message, now_ns: int) -> Iterable[Draft]:
        """Return the stop and the breaker's notice when a result opens it; answer resumes."""
        # decode
        if message.header.domain != Domain.EXECUTION:
            return ()
        if message.header.flags & Flag.REPLAY:
            self._replayed += 1
            return ()
        trace = message.first(TraceContext)
        result = message.first(ExecutionResult)
        if result is not None:
            return self._on_result(result, trace, now_ns)
        stop = message.first(EmergencyStop)
        if (
            stop is not None
            and stop.action == StopAction.RESUME
            and stop.affected_strategies == ALL_STRATEGIES
        ):
            return self._on_resume(message.header.source, trace, now_ns)
        return ()

    def on_timer(self, now_ns: int) -> Iterable[Draft]:
        """Begin a new day when one has begun; that alone resumes nothing."""
        self._daily_loss.roll(now_ns)
        return ()

    def restore(
        self, results: Iterable[tuple[int, int, int, int]], now_ns: int
    ) -> tuple[Draft, ...]:
        """Count what the portfolio store holds of today, and return the stop when that is too much.

        Each result is (strategy_id, signal_id, profit in USD P8, event_ns) of a trade that is not
        reversed. Other days are left out: what they tripped, the gates remember.
        """
        self._daily_loss.roll(now_ns)
        for strategy_id, signal_id, profit_usd_e8, event_ns in results:
            if div_floor(event_ns, DAY_NS) == self._daily_loss.day:
                self._daily_loss.record((strategy_id, signal_id), profit_usd_e8, now_ns)
        if self._daily_loss.trip is None:
            return ()
        self._trips += 1
        return self._say(StopAction.PAUSE, BreakerAction.OPEN, None, now_ns)

    def statistics(self) -> RiskStatistics:
        """Return a frozen view of the counts."""
        return RiskStatistics(
            results=self._results,
            simulated=self._simulated,
            replayed=self._replayed,
            trips=self._trips,
            resumed=self._resumed,
            resume_refused=self._resume_refused,
            strangers=self._strangers,
            is_open=self._daily_loss.trip is not None,
            day=self._daily_loss.day,
            loss_usd_e8=self._daily_loss.loss_usd_e8,
        )

    def _on_result(
        self, result: ExecutionResult, trace: TraceContext | None, now_ns: int
    ) -> tuple[Draft, ...]:
        # state
        if result.flags & ExecutionFlag.SIMULATED:
            self._simulated += 1
            return ()
        self._results += 1
        key = (result.strategy_id, result.signal_id)
        if result.tx_hash == ZERO_HASH:
            trip = self._daily_loss.withdraw(key, now_ns)
        else:
            trip = self._daily_loss.record(key, result.profit_usd, now_ns)
        # decide
        if trip is None:
            return ()
        # emit
        self._trips += 1
        return self._say(StopAction.PAUSE, BreakerAction.OPEN, trace, now_ns)

    def _on_resume(self, source: int, trace: TraceContext | None, now_ns: int) -> tuple[Draft, ...]:
        if source not in _STOP_SOURCES:
            self._strangers += 1
            return ()
        if self._daily_loss.trip is None:
            return ()
        if not self._daily_loss.resume(now_ns):
            self._resume_refused += 1
            return self._say(StopAction.PAUSE, BreakerAction.OPEN, trace, now_ns)
        self._resumed += 1
        return self._say(None, BreakerAction.RESET, trace, now_ns)

    def _say(
        self,
        stop: StopAction | None,
        action: BreakerAction,
        trace: TraceContext | None,
        now_ns: int,
    ) -> tuple[Draft, ...]:
        """Return the stop first, so that gates close before anyone reads why."""
        said: list[Tlv] = []
        if stop is not None:
            said.append(
                EmergencyStop(
                    reason=Breaker.DAILY_LOSS,
                    action=stop,
                    affected_strategies=ALL_STRATEGIES,
                    event_ns=now_ns,
                )
            )
        said.append(
            CircuitBreaker(
                breaker=Breaker.DAILY_LOSS,
                scope=BreakerScope.GLOBAL,
                strategy_id=ALL_STRATEGIES,
                action=action,
                duration=0,
                instrument=InstrumentId.venue_wildcard(Venue.GENERIC),
                observed=self._daily_loss.loss_usd_e8,
                threshold=self._limit_usd_e8,
                event_ns=now_ns,
            )
        )
        return tuple(
            Draft(Domain.EXECUTION, Source.RISK, (tlv, _trace_of(trace, tlv, now_ns)))
            for tlv in said
        )


def _trace_of(cause: TraceContext | None, tlv: Tlv, now_ns: int) -> TraceContext:
    """Return the trace of the cause with a span of our own; without a cause, a trace from the time."""
    parent = cause.trace_id.to_bytes(16, "big") if cause else b""
    seed = parent + now_ns.to_bytes(8, "big") + type(tlv).__name__.encode("ascii")
    digest = hashlib.sha256(seed).digest()
    return TraceContext(
        trace_id=cause.trace_id if cause else int.from_bytes(digest[8:24], "big"),
        span_id=int.from_bytes(digest[:8], "big"),
        flags=_SAMPLED_AND_CRITICAL,
    )
