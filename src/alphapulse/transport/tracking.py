"""One foreign producer's numbers as a consumer keeps them: what is expected, what is missing, what is held back."""

from collections import deque
from enum import StrEnum, unique

from alphapulse.protocol.message import Message
from alphapulse.transport.announced import Announced
from alphapulse.transport.bus import SourceStatistics

__all__ = ["HELD_LIMIT", "Phase", "Stream"]

HELD_LIMIT = 10_000  # messages held back while earlier ones are missing
_EPOCHS_REMEMBERED = 16


@unique
class Phase(StrEnum):
    """What a stream waits for."""

    FOLLOWING = "following"
    RETRANSMISSION = "retransmission"
    SNAPSHOT = "snapshot"


class Stream:
    """One (domain, source): `expected` is 0 while nothing is known, `epoch` is 0 while nobody has told it.

    `target` is the sequence before which something is missing while the phase is not FOLLOWING.
    """

    __slots__ = (
        "announced",
        "attempts",
        "chunk_end",
        "deadline_ns",
        "delivered",
        "domain",
        "duplicates",
        "epoch",
        "expected",
        "gaps",
        "held",
        "is_interrupted",
        "past_epochs",
        "phase",
        "source",
        "target",
    )

    def __init__(self, domain: int, source: int) -> None:
        self.domain = domain
        self.source = source
        self.epoch = 0
        self.expected = 0
        self.phase = Phase.FOLLOWING
        self.is_interrupted = False
        self.target = 0
        self.chunk_end = 0
        self.attempts = 0
        self.deadline_ns = 0
        self.held: dict[int, Message] = {}
        self.past_epochs: deque[int] = deque(maxlen=_EPOCHS_REMEMBERED)
        self.announced = Announced()
        self.delivered = 0
        self.duplicates = 0
        self.gaps = 0

    def begin_run(self, epoch: int, expected: int) -> None:
        """Forget what an earlier run left, and expect `expected` of a run."""
        if self.epoch:
            self.past_epochs.append(self.epoch)
        self.epoch = epoch
        self.expected = expected
        self.held.clear()
        self.follow()

    def follow(self) -> None:
        """Note that nothing is missing."""
        self.phase = Phase.FOLLOWING
        self.target = 0
        self.chunk_end = 0
        self.attempts = 0
        self.deadline_ns = 0

    def hold(self, message: Message) -> bool:
        """Keep a message for later, and return False when there is no room for it."""
        sequence = message.header.sequence
        if sequence in self.held:
            self.duplicates += 1
            return True
        if len(self.held) >= HELD_LIMIT:
            return False
        self.held[sequence] = message
        return True

    def first_held(self) -> int:
        """Return the lowest sequence that is held back, 0 when none is."""
        return min(self.held, default=0)

    def drop_held(self, below: int) -> None:
        """Forget what is held below a sequence."""
        for sequence in [one for one in self.held if one < below]:
            del self.held[sequence]

    def statistics(self) -> SourceStatistics:
        """Return a frozen view of the counts."""
        return SourceStatistics(
            domain=self.domain,
            source=self.source,
            epoch=self.epoch,
            next_sequence=self.expected,
            delivered=self.delivered,
            duplicates=self.duplicates,
            gaps=self.gaps,
            held=len(self.held),
        )
