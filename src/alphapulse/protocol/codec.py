"""Bytes to messages and back, by the rules of the registry; checks run in one documented order.

Decoding is all or nothing. A repeat of a type that may not repeat does not count: it stays in the message
as a `RawTlv`, so that re-encoding keeps it and no reader takes it for a statement. So does a vendor type whose
payload is not what this deployment agreed on.
"""

import struct
from collections.abc import Callable
from zlib import crc32

from alphapulse.errors import DecodeError, InvariantError, ValueOutOfRange
from alphapulse.protocol.block import FixedBlock
from alphapulse.protocol.header import (
    DOMAIN_LIMITS,
    HEADER_SIZE,
    MAGIC,
    VERSION,
    Header,
    checksum_of,
    pack_header,
    unpack_header,
)
from alphapulse.protocol.layout import Field, attribute_names, parse_layout
from alphapulse.protocol.message import Draft, Message, RawTlv, Tlv
from alphapulse.protocol.packing import Codec, CountedCodec, FixedCodec, Records, Text
from alphapulse.protocol.private import VENDOR_TYPES
from alphapulse.protocol.registry import REGISTRY, Overflow, Row
from alphapulse.protocol.straight import straight_of
from alphapulse.protocol.system import TraceContext
from alphapulse.protocol.tlv import frame, split

__all__ = [
    "decode",
    "encode",
    "encode_tlv",
    "ignored_repeats",
    "payload_of",
    "stamp",
    "traced_flags",
]

_CHECKSUM_OFFSET = 28
_HEAD = struct.Struct("<IBBBBIQQI").unpack_from
_PLAIN_LIMIT = min(DOMAIN_LIMITS.values())  # what is larger is measured against limits first
_TYPE_AT = HEADER_SIZE  # where the first TLV's type stands
_FIRST_VENDOR_TYPE = VENDOR_TYPES.start


def _codec_of(row: Row) -> Codec:
    """Return the codec that a row of the registry implies.

    Raises  InvariantError when a class does not show the fields of its layout.
    """
    fields = parse_layout(row.layout)
    lengths = frozenset({row.key.length} if row.key else ())
    if row.tlv.__struct_fields__ != attribute_names(fields, lengths):
        raise InvariantError(f"`{row.tlv.__name__}` does not show the fields of its layout")
    saturates = row.overflow is Overflow.SATURATE
    parts = _parts_of(row, fields)
    if len(parts) == 1 and isinstance(parts[0], FixedBlock):
        straight = straight_of(row.number, row.tlv, fields, row.listed())
        return FixedCodec(row.number, row.tlv, parts[0], straight=straight, saturates=saturates)
    return CountedCodec(
        row.number,
        row.tlv,
        parts,
        key=row.key,
        most_records=row.most_records,
        saturates=saturates,
    )


def _parts_of(row: Row, fields: tuple[Field, ...]) -> list[FixedBlock | Records | Text]:
    parts: list[FixedBlock | Records | Text] = []
    label = row.tlv.__name__
    listed = row.listed()
    scalars: list[Field] = []
    for field in (*fields, None):
        if field is not None and not field.count:
            scalars.append(field)
            continue
        if scalars:
            parts.append(FixedBlock(label, scalars, listed))
            scalars = []
        if field is None:
            continue
        if field.fields:
            block = FixedBlock(f"{label}.{field.name}", field.fields, listed)
            record = row.records.get(field.name)
            if record is not None and record.__struct_fields__ != block.names:
                raise InvariantError(f"`{record.__name__}` does not show the fields of its layout")
            parts.append(Records(field.name, field.count, block, record))
        else:
            most = max(listed.get(field.count, range(256)))
            saturates = row.overflow is Overflow.SATURATE
            parts.append(Text(field.name, field.count, most if saturates else None))
    return parts


_CODEC_OF_CLASS: dict[type[Tlv], Codec] = {row.tlv: _codec_of(row) for row in REGISTRY}
_CODEC_OF_NUMBER: dict[int, Codec] = {codec.number: codec for codec in _CODEC_OF_CLASS.values()}
_STRAIGHT = {
    kind: codec.straight for kind, codec in _CODEC_OF_CLASS.items() if isinstance(codec, FixedCodec)
}
_FRAMERS = {kind: straight.frame for kind, straight in _STRAIGHT.items()}
_WRITERS = {kind: straight.write for kind, straight in _STRAIGHT.items()}
# Size of a message of one TLV and its reader, by the TLV's type.
_READERS: list[tuple[int, Callable[[bytes, bool], Message | None] | None]] = [(0, None)] * 256
# Length and parser of each type of fixed size, by its number.
_PARSERS: list[tuple[int, Callable[[bytes, int], Tlv | None]] | None] = [None] * 256
for _codec in _CODEC_OF_CLASS.values():
    if isinstance(_codec, FixedCodec):
        _PARSERS[_codec.number] = (_codec.fixed_size, _codec.straight.parse)
        _READERS[_codec.number] = (HEADER_SIZE + 2 + _codec.fixed_size, _codec.straight.read)
_REPEATABLE = frozenset(row.number for row in REGISTRY if row.repeats)


def payload_of(tlv: Tlv) -> bytes:
    """Return the payload bytes of a TLV.

    Raises  ValueOutOfRange when a value does not fit its field and the registry says refuse.
    """
    if isinstance(tlv, RawTlv):
        return tlv.payload
    return _CODEC_OF_CLASS[type(tlv)].pack(tlv)


def encode_tlv(tlv: Tlv) -> bytes:
    """Return type, length and payload of a TLV.

    Raises  ValueOutOfRange as `payload_of`, and for a payload beyond 65,535 bytes.
    """
    framer = _FRAMERS.get(type(tlv))
    if framer is not None and (framed := framer(tlv)) is not None:
        return framed
    codec = _CODEC_OF_CLASS.get(type(tlv))
    if codec is None:
        return _raw_tlv(tlv)
    if codec.prefix:
        return codec.prefix + codec.pack(tlv)
    return frame(codec.number, codec.pack(tlv))


def _raw_tlv(tlv: Tlv) -> bytes:
    if not isinstance(tlv, RawTlv):
        raise InvariantError(f"`{type(tlv).__name__}` is not in the registry")
    known = _CODEC_OF_NUMBER.get(tlv.type)
    if (
        known is not None
        and tlv.type < _FIRST_VENDOR_TYPE
        and not known.size_fits(tlv.payload, 0, len(tlv.payload))
    ):
        raise ValueOutOfRange(f"{len(tlv.payload)} bytes are no payload of type {tlv.type}")
    return frame(tlv.type, tlv.payload)


def traced_flags(flags: int, tlvs: tuple[Tlv, ...]) -> int:
    """Return the flags with bit 0x10 set if and only if a TraceContext is among the TLVs."""
    for tlv in reversed(tlvs):
        if type(tlv) is TraceContext:
            return flags | 0x10
    return flags & ~0x10


def stamp(draft: Draft, *, sequence: int, timestamp_ns: int) -> Message:
    """Return the draft as a message with number and time, and the traced flag as its TLVs demand."""
    flags = traced_flags(draft.flags, draft.tlvs)
    header = Header(draft.domain, draft.source, flags, sequence, timestamp_ns)
    return Message(header, draft.tlvs)


def encode(message: Message) -> bytes:
    """Return the whole message as bytes: header, checksum, TLVs in their order.

    Raises  ValueOutOfRange when a value does not fit, or the message exceeds its domain's limit.
    """
    tlvs = message.tlvs
    if len(tlvs) == 1:
        writer = _WRITERS.get(type(tlvs[0]))
        if writer is not None and (whole := writer(message.header, tlvs[0])) is not None:
            return whole
    payload = b"".join([encode_tlv(tlv) for tlv in tlvs])
    flags = traced_flags(message.header.flags, tlvs)
    return pack_header(message.header, flags, payload) + payload


def decode(data: bytes, *, verify: bool = True, relay: bool = False) -> Message:
    """Return the message that fills `data` exactly.

    `verify` checks the checksum; `relay` applies the domain's size limit instead of the absolute one.

    Raises  DecodeError with the kind and offset of the first of steps 1 to 14 that fails.
    """
    if type(data) is bytes and len(data) > _TYPE_AT:
        size, reader = _READERS[data[_TYPE_AT]]
        if reader is not None and size == len(data):
            message = reader(data, verify)
        else:
            message = _read_plain(data, verify)
        if message is not None:
            return message
    header, payload_size = unpack_header(data, relay=relay)
    size = HEADER_SIZE + payload_size
    if len(data) < size:
        raise DecodeError("truncated", 8, f"{len(data)} of {size} bytes")
    if len(data) > size:
        raise DecodeError("trailing_bytes", 8, f"{len(data)} bytes instead of {size}")
    data = bytes(data)
    if verify and checksum_of(data) != int.from_bytes(data[_CHECKSUM_OFFSET:HEADER_SIZE], "little"):
        raise DecodeError("bad_checksum", _CHECKSUM_OFFSET)
    frames = split(data, HEADER_SIZE)
    for number, offset, length, at in frames:
        codec = _CODEC_OF_NUMBER.get(number)
        if codec is None or length == codec.fixed_size:
            continue
        if number < _FIRST_VENDOR_TYPE and not codec.size_fits(data, offset, length):
            raise DecodeError("bad_size", at, f"{length} bytes of type {number}")
    return Message(header, _typed(data, frames))


def _read_plain(data: bytes, verify: bool) -> Message | None:
    """Return a message made of types of fixed size in the standard form, None for any other and where a check fails."""
    magic, domain, version, source, flags, size, sequence, timestamp_ns, checksum = _HEAD(data)
    end = len(data)
    if (
        magic != MAGIC
        or version != VERSION
        or flags & 3
        or not 0 < domain < 5
        or HEADER_SIZE + size != end
        or end > _PLAIN_LIMIT
        or (verify and crc32(data[32:], crc32(data[:28])) != checksum)
    ):
        return None
    offset, last = HEADER_SIZE, end - 2
    seen: set[int] = set()
    tlvs: list[Tlv] = []
    while offset <= last:
        number = data[offset]
        known = _PARSERS[number]
        if known is None or data[offset + 1] != known[0] or offset + known[0] > last:
            return None
        if number in seen and number not in _REPEATABLE:
            return None
        seen.add(number)
        tlv = known[1](data, offset + 2)
        if tlv is None:
            return None
        tlvs.append(tlv)
        offset += 2 + known[0]
    if offset != end:
        return None
    return Message(Header(domain, source, flags, sequence, timestamp_ns), tuple(tlvs))


def _typed(data: bytes, frames: list[tuple[int, int, int, int]]) -> tuple[Tlv, ...]:
    """Return the TLVs of checked frames; what is unknown or does not count stays raw."""
    seen = set()
    tlvs: list[Tlv] = []
    for number, offset, length, at in frames:
        codec = _CODEC_OF_NUMBER.get(number)
        if codec is None or (number in seen and number not in _REPEATABLE):
            tlvs.append(RawTlv(number, data[offset : offset + length]))
            continue
        seen.add(number)
        if number < _FIRST_VENDOR_TYPE:
            tlvs.append(codec.unpack(data, offset, at))
        else:
            tlvs.append(_vendor_tlv(codec, data, (offset, length, at)))
    return tuple(tlvs)


def _vendor_tlv(codec: Codec, data: bytes, place: tuple[int, int, int]) -> Tlv:
    offset, length, at = place
    if codec.size_fits(data, offset, length):
        try:
            return codec.unpack(data, offset, at)
        except DecodeError:
            pass  # bytes of the size that our layout implies, and yet somebody else's
    return RawTlv(codec.number, data[offset : offset + length])


def ignored_repeats(message: Message) -> int:
    """Return how many TLVs of a decoded message repeat a type that may not repeat."""
    return sum(
        isinstance(tlv, RawTlv) and tlv.type in _CODEC_OF_NUMBER and tlv.type < _FIRST_VENDOR_TYPE
        for tlv in message.tlvs
    )
