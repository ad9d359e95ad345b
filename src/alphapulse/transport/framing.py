"""Messages back to back on a byte stream: reads of any cut become blocks of whole messages, nothing is copied twice.

Used by relays and by their clients. Only headers are looked at: what a message says, and its checksum, is for whoever
takes it from the block.
"""

import struct
from itertools import pairwise

from alphapulse.errors import DecodeError
from alphapulse.protocol.header import ABSOLUTE_LIMIT, DOMAIN_LIMITS, HEADER_SIZE, MAGIC, VERSION

__all__ = ["Block", "Framer", "Rejected"]

_HEAD = struct.Struct("<QIQ")
_REFUSED_FLAGS = 0x03
_UNIFORM = 16
_UNIFORM_BYTES = 2_048
"""Messages and bytes from which on equal headers are compared as columns."""
_HEADS_KEPT = 4_096
"""Different first header words of one connection; a producer writes a handful of them."""


class Block:
    """Whole messages of one read: message i fills `data[starts[i]:starts[i + 1]]`.

    `sources` and `sequences` come from the headers, whose checks 1 to 6 have passed.
    """

    __slots__ = ("data", "sequences", "sources", "starts")

    def __init__(
        self, data: bytes, starts: list[int], sources: list[int], sequences: list[int]
    ) -> None:
        self.data = data
        self.starts = starts
        self.sources = sources
        self.sequences = sequences

    def __len__(self) -> int:
        """Return how many messages the block holds."""
        return len(self.sequences)

    def message(self, index: int) -> bytes:
        """Return the bytes of one message."""
        return self.data[self.starts[index] : self.starts[index + 1]]

    def messages(self) -> list[bytes]:
        """Return the bytes of each message."""
        data, starts = self.data, self.starts
        return [data[starts[i] : starts[i + 1]] for i in range(len(self.sequences))]


class Rejected:
    """A message that was cut out of the stream because its header failed a check that leaves framing intact."""

    __slots__ = ("domain", "error", "sequence", "source")

    def __init__(self, error: DecodeError, domain: int, source: int, sequence: int) -> None:
        self.error = error
        self.domain = domain
        self.source = source
        self.sequence = sequence


class Framer:
    """Turns the reads of one connection into blocks.

    With `domain` it is a relay's: messages of other domains are rejected and the domain's size limit holds. Without it
    every domain passes up to the absolute limit. After a failure that loses the framing (`failure`) nothing more is
    taken: the connection has to end. Messages whose header fails a check of the other kind are skipped and stand in
    `rejected` until the caller clears it.
    """

    __slots__ = ("_chunks", "_held", "_limits", "_needed", "_valid", "failure", "rejected")

    def __init__(self, domain: int | None = None) -> None:
        self._limits = (
            dict.fromkeys(DOMAIN_LIMITS, ABSOLUTE_LIMIT)
            if domain is None
            else {domain: DOMAIN_LIMITS[domain]}
        )
        self._chunks: list[bytes] = []
        self._held = 0
        self._needed = HEADER_SIZE
        self._valid: dict[int, int] = {}
        self.failure: DecodeError | None = None
        self.rejected: list[Rejected] = []

    @property
    def held(self) -> int:
        """Return how many bytes of an incomplete message are waiting for their rest."""
        return self._held

    def feed(self, data: bytes) -> Block | None:
        """Return the whole messages that this read completes, None when it completes none.

        A failure behind whole messages does not take them back: they are returned, and `failure` is set.
        """
        if self.failure is not None:
            return None
        if self._held:
            self._chunks.append(data)
            self._held += len(data)
            if self._held < self._needed:
                return None
            data = b"".join(self._chunks)
            self._chunks.clear()
            self._held = 0
        return self._cut(data)

    def end(self) -> DecodeError | None:
        """Return the failure of a stream that ends or stalls here: None between two messages."""
        if self.failure is None and self._held:
            self.failure = DecodeError(
                "truncated", 8, f"the stream ended {self._held} bytes into a message"
            )
        return self.failure

    def _cut(self, data: bytes) -> Block | None:
        """Walk the headers; what follows the last whole message is kept for the next read."""
        unpack, valid = _HEAD.unpack_from, self._valid
        size = len(data)
        starts: list[int] = []
        sources: list[int] = []
        sequences: list[int] = []
        skipped: list[int] = []
        offset = 0
        if size >= _UNIFORM_BYTES:
            offset = self._cut_equal(data, starts, sources, sequences)
        last_word, limit, source = -1, 0, 0
        while size - offset >= HEADER_SIZE:
            word, payload_size, sequence = unpack(data, offset)
            if word != last_word:
                limit = valid.get(word, 0) or self._check(word)
                last_word, source = word, word >> 48 & 0xFF
                if self.failure is not None:
                    break
            end = offset + HEADER_SIZE + payload_size
            if end - offset > (limit or ABSOLUTE_LIMIT):
                self.failure = DecodeError("too_large", 8, f"payload of {payload_size} bytes")
                break
            if end > size:
                self._needed = end - offset
                break
            if limit:
                starts.append(offset)
                sources.append(source)
                sequences.append(sequence)
            else:
                self.rejected.append(
                    Rejected(self._refusal(word), word >> 32 & 0xFF, source, sequence)
                )
                skipped.append(offset)
            offset = end
        else:
            self._needed = HEADER_SIZE
        if self.failure is None and offset < size:
            self._keep(data[offset:])
        elif self.failure is None:
            self._needed = HEADER_SIZE
        if not starts:
            return None
        if skipped:
            return _without(data, starts, sources, sequences, [*starts, *skipped, offset])
        starts.append(offset)
        return Block(data if offset == size else data[:offset], starts, sources, sequences)

    def _cut_equal(
        self, data: bytes, starts: list[int], sources: list[int], sequences: list[int]
    ) -> int:
        """Take the messages at the front that have equal headers but for the sequence; return where the others begin."""
        word, payload_size, _ = _HEAD.unpack_from(data)
        size = HEADER_SIZE + payload_size
        count = len(data) // size
        limit = self._valid.get(word, 0)
        if count < _UNIFORM or not limit or size > limit:
            return 0
        for probe in (1, 2, count - 1):  # mixed traffic is told here, before anything is built
            if _HEAD.unpack_from(data, probe * size)[:2] != (word, payload_size):
                return 0
        columns = struct.Struct(f"<QIQ{size - _HEAD.size}x")
        equal = memoryview(data)[: count * size]
        words, sizes, found = zip(*columns.iter_unpack(equal), strict=True)
        if words.count(word) != count or sizes.count(payload_size) != count:
            return 0
        starts += range(0, count * size, size)
        sources += [word >> 48 & 0xFF] * count
        sequences += found
        return int(count * size)

    def _keep(self, rest: bytes) -> None:
        self._chunks.append(rest)
        self._held = len(rest)

    def _check(self, word: int) -> int:
        """Return the size limit for messages that begin with this word, 0 when they are rejected one by one."""
        if word & 0xFFFFFFFF != MAGIC:
            self.failure = DecodeError("bad_magic", 0)
            return 0
        version = word >> 40 & 0xFF
        if version != VERSION:
            self.failure = DecodeError("bad_version", 5, str(version))
            return 0
        domain, flags = word >> 32 & 0xFF, word >> 56
        if domain not in self._limits or flags & _REFUSED_FLAGS:
            return 0
        if len(self._valid) >= _HEADS_KEPT:
            self._valid.clear()
        self._valid[word] = self._limits[domain]
        return self._limits[domain]

    def _refusal(self, word: int) -> DecodeError:
        domain = word >> 32 & 0xFF
        if domain not in self._limits:
            return DecodeError("bad_domain", 4, str(domain))
        return DecodeError("bad_flags", 7, hex(word >> 56))


def _without(
    data: bytes, starts: list[int], sources: list[int], sequences: list[int], bounds: list[int]
) -> Block:
    """Return a block of the messages that are left when others between them were rejected."""
    bounds.sort()
    following = dict(pairwise(bounds))
    parts = [data[start : following[start]] for start in starts]
    moved = [0]
    for part in parts:
        moved.append(moved[-1] + len(part))
    return Block(b"".join(parts), moved, sources, sequences)
