"""Where each source of a domain stands: which run, which number comes next, who speaks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alphapulse.relays.statistics import ProducerStatistics

if TYPE_CHECKING:
    from alphapulse.relays.connection import Connection

__all__ = ["Producer"]


class Producer:
    """One source. It outlives its connections: the next one continues the run, or starts another epoch."""

    __slots__ = (
        "connection",
        "duplicates",
        "epoch",
        "gaps",
        "missing",
        "next_sequence",
        "received",
        "restarts",
        "source",
        "unacknowledged",
        "venues",
    )

    def __init__(self, source: int) -> None:
        self.source = source
        self.connection: Connection | None = None
        self.epoch = 0
        self.next_sequence = 1
        self.unacknowledged = 0
        self.venues: set[bytes] = set()
        self.received = 0
        self.duplicates = 0
        self.gaps = 0
        self.missing = 0
        self.restarts = 0

    def begin(self, epoch: int) -> None:
        """Expect the first message of a run."""
        if self.epoch:
            self.restarts += 1
        self.epoch = epoch
        self.next_sequence = 1

    def standing(self) -> tuple[int, int, int]:
        """Return source, epoch and the next sequence."""
        return self.source, self.epoch, self.next_sequence

    def statistics(self, *, journaled: int, snapshot_messages: int) -> ProducerStatistics:
        """Return a frozen view."""
        return ProducerStatistics(
            source=self.source,
            is_live=self.connection is not None,
            epoch=self.epoch,
            next_sequence=self.next_sequence,
            received=self.received,
            duplicates=self.duplicates,
            gaps=self.gaps,
            missing=self.missing,
            restarts=self.restarts,
            journaled=journaled,
            snapshot_messages=snapshot_messages,
        )
