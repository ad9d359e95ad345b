"""Recursive length prefix: the bytes of transactions. Pure."""

from collections.abc import Sequence
from typing import TypeAlias

from alphapulse.errors import DecodeError, ValueOutOfRange

__all__ = ["Item", "decode", "encode", "encode_bytes", "encode_integer", "integer", "list_of"]

Item: TypeAlias = "bytes | Sequence[Item]"

_SHORT = 55  # longest payload whose length fits the prefix byte
_STRING = 0x80
_LIST = 0xC0
MAX_DEPTH = 32  # transactions need three; a bound keeps hostile input off the stack
_BYTES = [bytes((value,)) for value in range(256)]
_SHORT_STRINGS = [_BYTES[_STRING + length] for length in range(_SHORT + 1)]


def encode(item: Item) -> bytes:
    """Return the encoding of bytes or of nested sequences of bytes.

    Source  Ethereum yellow paper, appendix B.
    """
    if isinstance(item, bytes):
        return encode_bytes(item)
    return list_of(b"".join([encode(part) for part in item]))


def encode_bytes(item: bytes) -> bytes:
    """Return the encoding of bytes."""
    length = len(item)
    if length == 1 and item[0] < _STRING:
        return item
    if length <= _SHORT:
        return _SHORT_STRINGS[length] + item
    return _prefix(length, _STRING) + item


def encode_integer(value: int) -> bytes:
    """Return the encoding of an integer's shortest bytes.

    Range   0 <= value < 2**256.
    Raises  OverflowError outside of it.
    """
    if 0 < value < _STRING:
        return _BYTES[value]
    size = (value.bit_length() + 7) >> 3
    return _SHORT_STRINGS[size] + value.to_bytes(size, "big")


def list_of(payload: bytes) -> bytes:
    """Return the list whose items' encodings are joined in `payload`."""
    return _prefix(len(payload), _LIST) + payload


def integer(value: int) -> bytes:
    """Return the shortest big-endian bytes of an integer; 0 is the empty string.

    Range   value >= 0.
    Raises  ValueOutOfRange otherwise.
    """
    if value < 0:
        raise ValueOutOfRange(f"an RLP integer must be at least 0, was {value}")
    return value.to_bytes((value.bit_length() + 7) >> 3, "big")


def decode(data: bytes) -> Item:
    """Return the item that the whole of `data` encodes: bytes, or nested lists of bytes.

    Raises  DecodeError for anything that `encode` would not have written.
    """
    item, end = _decode(data, 0, len(data), 0)
    if end != len(data):
        raise DecodeError("trailing_bytes", end)
    return item


def _prefix(length: int, base: int) -> bytes:
    if length <= _SHORT:
        return bytes((base + length,))
    size = (length.bit_length() + 7) >> 3
    return bytes((base + _SHORT + size,)) + length.to_bytes(size, "big")


def _decode(data: bytes, start: int, limit: int, depth: int) -> tuple[Item, int]:
    if start >= limit:
        raise DecodeError("truncated", start)
    if depth > MAX_DEPTH:
        raise DecodeError("too_deep", start)
    first = data[start]
    if first < _STRING:
        return data[start : start + 1], start + 1
    base = _LIST if first >= _LIST else _STRING
    body, end = _span(data, start, limit, first - base)
    if base == _STRING:
        payload = data[body:end]
        if len(payload) == 1 and payload[0] < _STRING:
            raise DecodeError("not_shortest", start)
        return payload, end
    items: list[Item] = []
    position = body
    while position < end:
        item, position = _decode(data, position, end, depth + 1)
        items.append(item)
    return items, end


def _span(data: bytes, start: int, limit: int, code: int) -> tuple[int, int]:
    body, length = start + 1, code
    if code > _SHORT:
        size = code - _SHORT
        field = data[body : min(body + size, limit)]
        if len(field) < size:
            raise DecodeError("truncated", start)
        length = int.from_bytes(field, "big")
        if field[0] == 0 or length <= _SHORT:
            raise DecodeError("not_shortest", start)
        body += size
    if body + length > limit:
        raise DecodeError("truncated", start)
    return body, body + length
