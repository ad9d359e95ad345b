"""Tells operators, once each, what changed about a node: connection, gate, archive, store."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from alphapulse.archive.manifest import ArchiveState
from alphapulse.execution.gate import TradingState
from alphapulse.observability.log import Event, log_event

__all__ = ["Condition", "Watch"]


@dataclass(frozen=True, slots=True)
class Condition:
    """How a node is. `is_live` is about market data; the causes are what the parts say themselves.

    `closed_by` is why a desk that is alone in its process submits nothing.
    """

    is_live: bool = False
    trading: TradingState = TradingState.RUNNING
    archive: ArchiveState = ArchiveState.OPEN
    archive_cause: str = ""
    store_error: str = ""
    closed_by: str = ""


class Watch:
    """Compares conditions; the first one is compared with a node at rest."""

    def __init__(self, tell: Callable[..., None] = log_event) -> None:
        self._tell = tell
        self._last = Condition()
        self._was_live = False

    def look(self, now: Condition) -> None:
        """Tell what differs from the condition before."""
        last, self._last = self._last, now
        if now.is_live and not last.is_live:
            event = Event.CONNECTION_RESTORED if self._was_live else Event.COLLECTOR_LIVE
            self._was_live = True
            self._tell(event)
        elif last.is_live and not now.is_live:
            self._tell(Event.CONNECTION_LOST, level=logging.WARNING)
        if now.trading is not last.trading:
            if now.trading is TradingState.RUNNING:
                self._tell(Event.GATE_OPENED, level=logging.WARNING)
            else:
                self._tell(Event.GATE_CLOSED, level=logging.ERROR, state=now.trading.value)
        if now.archive is not last.archive:
            self._tell_archive(now)
        if now.closed_by != last.closed_by:
            if now.closed_by:
                self._tell(Event.DESK_HELD, level=logging.ERROR, cause=now.closed_by)
            else:
                self._tell(Event.DESK_RELEASED, level=logging.WARNING)
        if now.store_error and not last.store_error:
            self._tell(Event.STORE_UNAVAILABLE, level=logging.ERROR, cause=now.store_error)

    def _tell_archive(self, now: Condition) -> None:
        if now.archive is ArchiveState.BEHIND:
            self._tell(Event.ARCHIVE_BEHIND, level=logging.WARNING, cause=now.archive_cause)
        elif now.archive is ArchiveState.INCOMPLETE:
            self._tell(Event.ARCHIVE_INCOMPLETE, level=logging.ERROR, cause=now.archive_cause)
