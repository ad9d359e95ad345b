"""What one producer has said and others may still need: what waits to be sent, and what was sent and is kept."""

from collections import deque

from alphapulse.errors import InvariantError, LimitExceeded

__all__ = ["Outbox"]


class Outbox:
    """Holds a producer's encoded messages in sequence, bounded by number and bytes.

    What was sent is kept for sending again and gives way to newer messages. What waits is never dropped when the
    outbox is lossless: the producer is told that the bound is reached. Otherwise the oldest gives way and is counted.
    """

    __slots__ = (
        "_bytes",
        "_is_lossless",
        "_kept",
        "_most_bytes",
        "_most_messages",
        "_next",
        "_waiting",
        "lost",
    )

    def __init__(
        self, *, most_messages: int, most_bytes: int, lossless: bool, first: int = 1
    ) -> None:
        self._most_messages = most_messages
        self._most_bytes = most_bytes
        self._is_lossless = lossless
        self._kept: deque[bytes] = deque()
        self._waiting: deque[bytes] = deque()
        self._bytes = 0
        self._next = first
        self.lost = 0

    def __len__(self) -> int:
        """Return how many messages wait to be sent."""
        return len(self._waiting)

    @property
    def first_sequence(self) -> int:
        """Return the lowest sequence that can still be sent."""
        return self._next - len(self._waiting) - len(self._kept)

    @property
    def next_sequence(self) -> int:
        """Return the sequence of the next message that waits, or will wait."""
        return self._next - len(self._waiting)

    @property
    def end_sequence(self) -> int:
        """Return the sequence of the message that will be added next."""
        return self._next

    def add(self, sequence: int, data: bytes) -> None:
        """Let a message wait behind those before it.

        Raises  LimitExceeded when it has no room and nothing may be dropped; InvariantError for a sequence out of order.
        """
        if sequence != self._next:
            raise InvariantError(f"`sequence` must be {self._next}, was {sequence}")
        self._waiting.append(data)
        self._bytes += len(data)
        self._next += 1
        while self._is_over():
            if self._kept:
                self._bytes -= len(self._kept.popleft())
            elif self._is_lossless:
                raise LimitExceeded(
                    f"{len(self._waiting)} messages wait to be sent, none may be dropped"
                )
            else:
                self._bytes -= len(self._waiting.popleft())
                self.lost += 1

    def take(self, most_bytes: int) -> list[bytes]:
        """Return the next messages to send, at least one if any waits, and keep them."""
        taken: list[bytes] = []
        size = 0
        waiting = self._waiting
        while waiting and (not taken or size + len(waiting[0]) <= most_bytes):
            size += len(waiting[0])
            taken.append(waiting.popleft())
        self._kept.extend(taken)
        return taken

    def rewind(self, sequence: int) -> int:
        """Let everything kept from `sequence` on wait again, and return how many messages those are."""
        count = min(max(self.next_sequence - sequence, 0), len(self._kept))
        again = [self._kept.pop() for _ in range(count)]
        self._waiting.extendleft(again)
        return count

    def _is_over(self) -> bool:
        count = len(self._kept) + len(self._waiting)
        return count > self._most_messages or (self._bytes > self._most_bytes and count > 1)
