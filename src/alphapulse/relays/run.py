"""A run: messages of one producer, back to back, as everyone behind the relay gets them."""

from collections.abc import Sequence
from zlib import crc32

from alphapulse.errors import DecodeError
from alphapulse.protocol.header import HEADER_SIZE
from alphapulse.relays.contents import instruments_of
from alphapulse.relays.shapes import Shape, shapes_of

__all__ = ["Announcement", "Run"]


class Run:
    """Message i is `data[starts[i]:starts[i + 1]]` and has `sequences[i]`. Shared by all, changed by nobody."""

    __slots__ = (
        "_instruments",
        "_shapes",
        "_together",
        "data",
        "epoch",
        "sequences",
        "source",
        "starts",
    )

    def __init__(
        self, data: bytes, starts: list[int], source: int, epoch: int, sequences: Sequence[int]
    ) -> None:
        self.data = data
        self.starts = starts
        self.source = source
        self.epoch = epoch
        self.sequences = sequences
        self._shapes: list[Shape] | None = None
        self._instruments: list[frozenset[bytes] | None] | None = None
        self._together: frozenset[bytes] | None = None

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

    def wrong_sums(self) -> dict[int, DecodeError]:
        """Return the messages whose checksum differs, by index."""
        bad = {}
        data, starts = memoryview(self.data), self.starts
        for index in range(len(self.sequences)):
            start, end = starts[index], starts[index + 1]
            found = crc32(data[start + HEADER_SIZE : end], crc32(data[start : start + 28]))
            if found != int.from_bytes(data[start + 28 : start + HEADER_SIZE], "little"):
                bad[index] = DecodeError("bad_checksum", 28)
        return bad

    def survey(self) -> dict[int, DecodeError]:
        """Read the shapes of all messages; return by index why some have none."""
        self._shapes, bad = shapes_of(self.data, self.starts)
        return bad

    def shapes(self) -> list[Shape]:
        """Return the shape of each message, read once."""
        if self._shapes is None:
            self.survey()
        assert self._shapes is not None
        return self._shapes

    def types(self, index: int) -> int:
        """Return a bit per TLV type of one message."""
        return self.shapes()[index].types

    def instruments(self, index: int) -> frozenset[bytes]:
        """Return the instruments that one message is about; read once, whoever asks."""
        if self._instruments is None:
            self._instruments = [None] * len(self.sequences)
        found = self._instruments[index]
        if found is None:
            frames = self.shapes()[index].frames
            found = instruments_of(self.data, frames, self.starts[index])
            self._instruments[index] = found
        return found

    def all_instruments(self) -> frozenset[bytes]:
        """Return the instruments that the whole run is about; read once."""
        if self._together is None:
            self._together = frozenset[bytes]().union(*map(self.instruments, range(len(self))))
        return self._together

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
        if self._shapes is not None:
            part._shapes = self._shapes[begin:end]
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
        if self._shapes is not None:
            chosen._shapes = [self._shapes[i] for i in indexes]
        return chosen


class Announcement(Run):
    """A relay's word about a gap in a producer's numbering, in its place between that producer's messages."""

    __slots__ = ("_venues", "missing", "next_sequence")

    def __init__(
        self, message: bytes, source: int, epoch: int, *, next_sequence: int, missing: int
    ) -> None:
        super().__init__(message, [0, len(message)], source, epoch, (0,))
        self.next_sequence = next_sequence
        self.missing = missing
        self._venues = frozenset[bytes]()

    def concerning(self, venues: set[bytes]) -> "Announcement":
        """Name the venues whose instruments the missing messages may have been about."""
        self._venues = frozenset(venue + bytes(10) for venue in venues)
        return self

    def instruments(self, index: int) -> frozenset[bytes]:
        """Return the venues as wildcards."""
        return self._venues
