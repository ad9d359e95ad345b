"""Messages of one shape: the same size and the same TLVs at the same places, so what holds for one holds for all.

A producer says few shapes again and again. Walking the TLVs of a message costs more than everything else a relay does
with it; recognising a known shape costs a comparison per TLV, and in a block of equal messages one per TLV and byte.
"""

from collections.abc import Sequence

from alphapulse.errors import DecodeError
from alphapulse.protocol.header import HEADER_SIZE
from alphapulse.relays.contents import VENUE_FIRST, Frame, frames_of, has_fixed_size, types_of

__all__ = ["Shape", "shape_of", "shapes_of"]

_KEYS = 1_024
_PER_KEY = 8
"""Shapes that are recognised, at most, by size and first type, and for each of these: others are walked."""
_FEW = 4
"""Messages from which on comparing columns is cheaper than comparing messages."""


class Shape:
    """Types, and frames whose offsets count from the message's first byte."""

    __slots__ = ("frames", "heads", "types", "venue_at")

    def __init__(self, frames: tuple[Frame, ...], heads: tuple[tuple[int, bytes], ...]) -> None:
        self.frames = frames
        self.heads = heads
        self.types = types_of(frames)
        self.venue_at = next((at for number, at, _ in frames if number in VENUE_FIRST), 0)

    def fits(self, data: bytes, start: int) -> bool:
        """Return whether the message of the right size at `start` has this shape."""
        for at, head in self.heads:
            first = start + at
            if data[first : first + len(head)] != head:
                return False
        return True

    def fits_all(self, data: bytes, size: int, count: int) -> bool:
        """Return whether each of `count` messages of `size` bytes, back to back, has this shape."""
        for at, head in self.heads:
            for offset, byte in enumerate(head, at):
                if data[offset::size].count(byte) != count:
                    return False
        return True


_BOOK: dict[int, list[Shape]] = {}


def shape_of(data: bytes, start: int, end: int) -> Shape:
    """Return the shape of the message that fills `data[start:end]`.

    Raises  DecodeError of checks 10 to 13, its offset counted from the message's first byte.
    """
    key = end - start << 8 | (data[start + HEADER_SIZE] if end - start > HEADER_SIZE else 0)
    for known in _BOOK.get(key, ()):
        if known.fits(data, start):
            return known
    return _walked(data, start, end, key)


def _walked(data: bytes, start: int, end: int, key: int) -> Shape:
    frames = frames_of(data, start, end)
    heads = []
    at = start + HEADER_SIZE
    for _, payload, length in frames:
        heads.append((at - start, data[at:payload]))
        at = payload + length
    moved = tuple((number, payload - start, length) for number, payload, length in frames)
    shape = Shape(moved, tuple(heads))
    if all(has_fixed_size(number) for number, _, _ in frames):
        if len(_BOOK) >= _KEYS and key not in _BOOK:
            _BOOK.clear()
        known = _BOOK.setdefault(key, [])
        if len(known) < _PER_KEY:
            known.append(shape)
    return shape


def shapes_of(data: bytes, starts: Sequence[int]) -> tuple[list[Shape], dict[int, DecodeError]]:
    """Return the shape of each message, and by index why some have none; those have a shape without frames."""
    count = len(starts) - 1
    size = starts[1] - starts[0]
    if count >= _FEW and not starts[0] and starts[-1] == count * size == len(data):
        shape = _BOOK.get(size << 8 | data[HEADER_SIZE] if size > HEADER_SIZE else size << 8, [])
        if (
            shape
            and starts == list(range(0, len(data) + 1, size))
            and shape[0].fits_all(data, size, count)
        ):
            return [shape[0]] * count, {}
    shapes: list[Shape] = []
    bad: dict[int, DecodeError] = {}
    for index in range(count):
        try:
            shapes.append(shape_of(data, starts[index], starts[index + 1]))
        except DecodeError as error:
            bad[index] = error
            shapes.append(_SHAPELESS)
    return shapes, bad


_SHAPELESS = Shape((), ())
