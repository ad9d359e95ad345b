"""What waits to be written to one peer: bounded, in order, and honest about what it had to drop."""

from collections import deque
from collections.abc import Callable, Iterable

from alphapulse.relays.run import Announcement, Run

__all__ = ["Loss", "Outgoing"]

_WILDCARD = bytes(10)


class Loss:
    """What a consumer did not get of one source: how many messages, which instruments, and what comes next.

    `instruments` holds ids; beyond the bound a venue's wildcard stands for its instruments.
    """

    __slots__ = ("dropped", "epoch", "instruments", "next_sequence")

    def __init__(self) -> None:
        self.dropped = 0
        self.epoch = 0
        self.next_sequence = 0
        self.instruments: set[bytes] = set()

    def add(self, run: Run, begin: int, end: int, most: int) -> None:
        """Count the dropped messages `begin` to `end - 1` of a run."""
        self.epoch = run.epoch
        if isinstance(run, Announcement):
            self.dropped += run.missing
            self.next_sequence = run.next_sequence
        else:
            self.dropped += end - begin
            self.next_sequence = run.sequences[end - 1] + 1
        if end - begin == len(run):
            self.instruments |= run.all_instruments()
        else:
            self.instruments.update(*map(run.instruments, range(begin, end)))
        if len(self.instruments) > most:
            self.instruments = {one[:2] + _WILDCARD for one in self.instruments}


class _Live:
    """A run that waits, or its rest."""

    __slots__ = ("at", "run", "since_ns")

    def __init__(self, run: Run, since_ns: int) -> None:
        self.run = run
        self.at = 0
        self.since_ns = since_ns


class Outgoing:
    """The queue of one connection.

    Live messages count against the limit. Answers to the peer's own requests (snapshots, retransmissions, control)
    stand in the same order, do not count, are never dropped, and are limited by `answers`.
    """

    __slots__ = (
        "_entries",
        "_most_named",
        "_write",
        "answers",
        "dropped",
        "is_paused",
        "losses",
        "queued",
        "sent",
        "tell_loss",
    )

    def __init__(
        self,
        write: Callable[[bytes], None],
        tell_loss: Callable[[int, Loss], Iterable[bytes]],
        most_named: int,
    ) -> None:
        self._write = write
        self._entries: deque[_Live | deque[bytes]] = deque()
        self._most_named = most_named
        self.tell_loss = tell_loss
        self.losses: dict[int, Loss] = {}
        self.is_paused = False
        self.queued = 0
        self.answers = 0
        self.sent = 0
        self.dropped = 0

    @property
    def is_empty(self) -> bool:
        """Return whether everything was handed to the socket."""
        return not self._entries and not self.losses

    def since_ns(self) -> int:
        """Return when the oldest waiting live message was queued, 0 when none waits."""
        for entry in self._entries:
            if isinstance(entry, _Live):
                return entry.since_ns
        return 0

    def send(self, run: Run, now_ns: int) -> None:
        """Write a run, or let it wait behind what waits already."""
        if self._entries or self.is_paused or self.losses:
            self._entries.append(_Live(run, now_ns))
            self.queued += len(run.sequences)
        else:
            self.sent += len(run.sequences)
            self._write(run.data)

    def answer(self, parts: Iterable[bytes]) -> None:
        """Write what this peer alone gets, uninterrupted."""
        waiting = deque(parts)
        if not self._entries and not self.is_paused:
            while waiting and not self.is_paused:
                self._write(waiting.popleft())
        if waiting:
            self._entries.append(waiting)
            self.answers += 1

    def resume(self) -> None:
        """Write what waits until the socket has enough again."""
        self.is_paused = False
        entries = self._entries
        while not self.is_paused:
            if not entries:
                self._tell_losses()
                return
            entry = entries[0]
            if isinstance(entry, _Live):
                self._tell_losses()
                entries.popleft()
                rest = entry.run.part(entry.at, len(entry.run))
                self.queued -= len(rest)
                self.sent += len(rest)
                self._write(rest.data)
                continue
            while entry and not self.is_paused:
                self._write(entry.popleft())
            if not entry:
                entries.popleft()
                self.answers -= 1

    def drop_to(self, limit: int) -> int:
        """Drop the oldest live messages until `limit` are left; return how many went.

        What was lost is told before the next live message, behind the answers that stood in front of it.
        """
        excess = self.queued - limit
        passed: list[deque[bytes]] = []
        left = excess
        while left > 0:
            entry = self._entries[0]
            if not isinstance(entry, _Live):
                passed.append(entry)
                self._entries.popleft()
                continue
            run = entry.run
            end = min(len(run), entry.at + left)
            loss = self.losses.get(run.source)
            if loss is None:
                loss = self.losses[run.source] = Loss()
            loss.add(run, entry.at, end, self._most_named)
            left -= end - entry.at
            entry.at = end
            if end == len(run):
                self._entries.popleft()
        self._entries.extendleft(reversed(passed))
        self.queued -= excess
        self.dropped += excess
        return excess

    def clear(self) -> None:
        """Forget what waits; the connection is gone."""
        self._entries.clear()
        self.losses.clear()
        self.queued = self.answers = 0

    def _tell_losses(self) -> None:
        losses, self.losses = self.losses, {}
        for source, loss in losses.items():
            for part in self.tell_loss(source, loss):
                self._write(part)
