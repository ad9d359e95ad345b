"""Packers and parsers derived from layouts, so that a declared length cannot disagree with its fields.

A `FixedCodec` is one block of scalars. A `CountedCodec` is a first block that holds counts, followed by
records, texts and further blocks.
"""

from collections.abc import Callable, Sequence

import msgspec
from msgspec.structs import astuple

from alphapulse.errors import DecodeError, ValueOutOfRange
from alphapulse.protocol.block import FixedBlock
from alphapulse.protocol.message import Tlv
from alphapulse.protocol.straight import Straight

__all__ = ["Codec", "CountedCodec", "FixedCodec", "KeyRule", "Records", "Text"]


class Codec:
    """How one TLV type is packed, measured and parsed."""

    __slots__ = ("fixed_size", "number", "prefix", "saturates")

    def __init__(self, number: int, *, saturates: bool) -> None:
        self.number = number
        self.saturates = saturates
        self.fixed_size = -1  # -1 where the size depends on counts
        self.prefix = b""  # type and length bytes where the size is fixed

    def pack(self, tlv: Tlv) -> bytes:
        """Return the payload bytes.

        Raises  ValueOutOfRange when a value does not fit and the type is not a statistic.
        """
        raise NotImplementedError

    def size_fits(self, data: bytes, offset: int, length: int) -> bool:
        """Return whether a payload's length is the one its layout and its own counts imply."""
        raise NotImplementedError

    def unpack(self, data: bytes, offset: int, at: int) -> Tlv:
        """Return the typed part whose payload, of a size that fits, starts at `offset`.

        Raises  DecodeError(bad_value) with the offset `at`.
        """
        raise NotImplementedError

    def _pack_block(self, block: FixedBlock, values: Sequence[object]) -> bytes:
        try:
            return block.pack(values)
        except ValueOutOfRange:
            if not self.saturates:
                raise
            return block.pack(block.clamped(values))


class FixedCodec(Codec):
    """A TLV of fixed size."""

    __slots__ = ("_block", "_make", "straight")

    def __init__(
        self,
        number: int,
        make: type[Tlv],
        block: FixedBlock,
        *,
        straight: Straight,
        saturates: bool,
    ) -> None:
        super().__init__(number, saturates=saturates)
        self.straight = straight
        self._block = block
        self._make: Callable[..., Tlv] = make
        self.fixed_size = block.size
        self.prefix = bytes((number, block.size))

    def pack(self, tlv: Tlv) -> bytes:
        """Return the payload bytes."""
        if self.saturates:
            return self._pack_block(self._block, astuple(tlv))
        return self._block.pack(astuple(tlv))

    def size_fits(self, data: bytes, offset: int, length: int) -> bool:
        """Return whether the length is the fixed size."""
        return length == self.fixed_size

    def unpack(self, data: bytes, offset: int, at: int) -> Tlv:
        """Return the typed part whose payload starts at `offset`."""
        return self.straight.parse(data, offset) or self._make(
            *self._block.unpack(data, offset, at)
        )


class Records:
    """A run of packed records; a record of one field is that field's plain value."""

    __slots__ = ("_block", "_make", "count", "name", "unit")

    def __init__(
        self, name: str, count: str, block: FixedBlock, record: type[msgspec.Struct] | None
    ) -> None:
        self.name = name
        self.count = count
        self.unit = block.size
        self._block = block
        self._make: Callable[..., object] | None = record

    def pack(self, records: object) -> tuple[bytes, int]:
        """Return the bytes of a tuple of records and its length."""
        if not isinstance(records, tuple):
            raise ValueOutOfRange(f"`{self.name}` must be a tuple, was `{records!r}`")
        pack = self._block.pack
        if self._make is None:
            return b"".join([pack((record,)) for record in records]), len(records)
        return b"".join([pack(astuple(record)) for record in records]), len(records)

    def unpack(self, data: bytes, offset: int, count: int, at: int) -> tuple[object, ...]:
        """Return `count` records from `offset`."""
        unpack = self._block.unpack
        starts = range(offset, offset + count * self.unit, self.unit)
        make = self._make
        if make is None:
            return tuple([unpack(data, start, at)[0] for start in starts])
        return tuple([make(*unpack(data, start, at)) for start in starts])


class Text:
    """UTF-8 text whose length in bytes stands in an earlier field."""

    __slots__ = ("_cut_at", "count", "name", "unit")

    def __init__(self, name: str, count: str, cut_at: int | None) -> None:
        self.name = name
        self.count = count
        self.unit = 1
        self._cut_at = cut_at  # bytes kept of the text of a statistic; None refuses instead

    def pack(self, text: object) -> tuple[bytes, int]:
        """Return the bytes of a text and their number."""
        if not isinstance(text, str):
            raise ValueOutOfRange(f"`{self.name}` must be text, was `{text!r}`")
        if self._cut_at is not None:
            raw = text.encode("utf-8", "replace")[: self._cut_at]
            raw = raw.decode("utf-8", "ignore").encode("utf-8")
            return raw, len(raw)
        try:
            raw = text.encode("utf-8")
        except UnicodeEncodeError as error:
            raise ValueOutOfRange(f"`{self.name}` must be UTF-8, was `{text!r}`") from error
        return raw, len(raw)

    def unpack(self, data: bytes, offset: int, count: int, at: int) -> str:
        """Return the text of `count` bytes from `offset`."""
        try:
            return data[offset : offset + count].decode("utf-8")
        except UnicodeDecodeError as error:
            raise DecodeError("bad_value", at, f"`{self.name}` is not UTF-8") from error


class KeyRule(msgspec.Struct, frozen=True):
    """Bytes of which only as many as another field says are shown; the rest is zero."""

    name: str
    length: str
    size: int


class CountedCodec(Codec):
    """A TLV with records or text; every count stands in the first part."""

    __slots__ = ("_attributes", "_counts", "_key", "_make", "_minimum", "_most_records", "_parts")

    def __init__(
        self,
        number: int,
        make: type[Tlv],
        parts: Sequence[FixedBlock | Records | Text],
        *,
        key: KeyRule | None,
        most_records: int | None,
        saturates: bool,
    ) -> None:
        super().__init__(number, saturates=saturates)
        self._make: Callable[..., Tlv] = make
        self._attributes = make.__struct_fields__
        self._parts = tuple(parts)
        self._key = key
        self._most_records = most_records
        self._minimum = sum(part.size for part in parts if isinstance(part, FixedBlock))
        first = next(part for part in parts if isinstance(part, FixedBlock))
        self._counts = tuple(
            (part.count, *first.place_of(part.count), part.unit)
            for part in parts
            if not isinstance(part, FixedBlock)
        )

    def pack(self, tlv: Tlv) -> bytes:
        """Return the payload bytes."""
        values = dict(zip(self._attributes, astuple(tlv), strict=True))
        packed: dict[str, bytes] = {}
        records = 0
        for part in self._parts:
            if not isinstance(part, FixedBlock):
                packed[part.name], values[part.count] = part.pack(values[part.name])
                records += len(values[part.name]) if isinstance(part, Records) else 0
        if self._most_records is not None and records > self._most_records:
            raise ValueOutOfRange(f"at most {self._most_records} records fit, were {records}")
        if self._key is not None:
            raw = values[self._key.name]
            values[self._key.length] = len(raw)
            values[self._key.name] = raw.ljust(self._key.size, b"\0")
        return b"".join(
            [
                self._pack_block(part, [values[name] for name in part.names])
                if isinstance(part, FixedBlock)
                else packed[part.name]
                for part in self._parts
            ]
        )

    def size_fits(self, data: bytes, offset: int, length: int) -> bool:
        """Return whether the length is the one the payload's own counts imply."""
        if length < self._minimum:
            return False
        size = self._minimum
        for _, start, width, unit in self._counts:
            begin = offset + start
            size += unit * int.from_bytes(data[begin : begin + width], "little")
        return size == length

    def unpack(self, data: bytes, offset: int, at: int) -> Tlv:
        """Return the typed part whose payload starts at `offset`."""
        counts = {
            name: int.from_bytes(data[offset + start : offset + start + width], "little")
            for name, start, width, _ in self._counts
        }
        values: dict[str, object] = {}
        records = 0
        for part in self._parts:
            if isinstance(part, FixedBlock):
                values.update(zip(part.names, part.unpack(data, offset, at), strict=True))
                offset += part.size
                continue
            count = counts[part.count]
            records += count if isinstance(part, Records) else 0
            if self._most_records is not None and records > self._most_records:
                raise DecodeError("bad_value", at, f"more than {self._most_records} records")
            values[part.name] = part.unpack(data, offset, count, at)
            offset += count * part.unit
        if self._key is not None:
            raw, length = values[self._key.name], values[self._key.length]
            if isinstance(raw, bytes) and isinstance(length, int):
                values[self._key.name] = raw[:length]
        return self._make(*[values[name] for name in self._attributes])
