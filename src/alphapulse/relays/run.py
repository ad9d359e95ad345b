"""A run: messages of one producer, back to back, as everyone behind the relay gets them."""

from collections.abc import Sequence

from alphapulse.relays.contents import frames_of, instruments_of, types_of

__all__ = ["Announcement", "Contents", "Run"]

Contents = tuple[int, frozenset[bytes]]
"""Type bits and instrument ids of a message."""


class Run:
    """Message i is `data[starts[i]:starts[i + 1]]` and has `sequences[i]`. Shared by all, changed by nobody."""

    __slots__ = ("_contents", "data", "epoch", "sequences", "source", "starts")

    def __init__(
        self, data: bytes, starts: list[int], source: int, epoch: int, sequences: Sequence[int]
    ) -> None:
        self.data = data
        self.starts = starts
        self.source = source
        self.epoch = epoch
        self.sequences = sequences
        self._contents: list[Contents | None] | None = None

    @classmethod
    def of(cls, message: bytes, source: int, epoch: int, sequence: int) -> "Run":
        """Return the run that is one message."""
        return cls(message, [0, len(message)], source, epoch, (sequence,))

    def __len__(self) -> int:
        """Return how many messages the run holds."""
        return len(self.sequences)

    def message(self, index: int) -> bytes:
        """Return the bytes of one message."""
        return self.data[self.starts[index] : self.starts[index + 1]]

    def contents(self, index: int) -> Contents:
        """Return types and instruments of one message; read once, whoever asks."""
        known = self._contents
        if known is None:
            known = self._contents = [None] * len(self.sequences)
        found = known[index]
        if found is None:
            frames = frames_of(self.data, self.starts[index], self.starts[index + 1])
            found = known[index] = (types_of(frames), instruments_of(self.data, frames))
        return found

    def part(self, begin: int, end: int) -> "Run":
        """Return messages `begin` to `end - 1` as a run."""
        if begin == 0 and end == len(self.sequences):
            return self
        starts = self.starts[begin : end + 1]
        first = starts[0]
        part = Run(
            self.data[first : starts[-1]],
            [start - first for start in starts],
            self.source,
            self.epoch,
            self.sequences[begin:end],
        )
        if self._contents is not None:
            part._contents = self._contents[begin:end]
        return part

    def chosen(self, indexes: list[int]) -> "Run":
        """Return the messages with these rising indexes as a run."""
        if len(indexes) == len(self.sequences):
            return self
        parts = [self.message(index) for index in indexes]
        starts = [0]
        for part in parts:
            starts.append(starts[-1] + len(part))
        chosen = Run(
            b"".join(parts), starts, self.source, self.epoch, [self.sequences[i] for i in indexes]
        )
        if self._contents is not None:
            chosen._contents = [self._contents[i] for i in indexes]
        return chosen


class Announcement(Run):
    """A relay's word about a gap in a producer's numbering, in its place between that producer's messages."""

    __slots__ = ("missing", "next_sequence")

    def __init__(
        self, message: bytes, source: int, epoch: int, *, next_sequence: int, missing: int
    ) -> None:
        super().__init__(message, [0, len(message)], source, epoch, (0,))
        self.next_sequence = next_sequence
        self.missing = missing

    def concerning(self, venues: frozenset[bytes]) -> "Announcement":
        """Name the venues whose instruments the missing messages may have been about."""
        self._contents = [(0, frozenset(venue + bytes(10) for venue in venues))]
        return self
