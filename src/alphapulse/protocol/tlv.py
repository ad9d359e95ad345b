"""TLV framing, standard and extended: types, lengths and offsets, no meaning."""

from alphapulse.errors import DecodeError, ValueOutOfRange

__all__ = ["EXTENDED_LIMIT", "STANDARD_LIMIT", "frame", "split"]

STANDARD_LIMIT = 255  # payload bytes of the standard form
EXTENDED_LIMIT = 65_535  # payload bytes of the extended form
_MARKER = 255


def frame(number: int, payload: bytes) -> bytes:
    """Return type, length and payload, extended only where the standard form does not reach.

    Raises  ValueOutOfRange when the type is not 1 to 254 or the payload is too long.
    """
    length = len(payload)
    if not 0 < number < _MARKER:
        raise ValueOutOfRange(f"a TLV type must be 1 to 254, was `{number}`")
    if length <= STANDARD_LIMIT:
        return bytes((number, length)) + payload
    if length > EXTENDED_LIMIT:
        raise ValueOutOfRange(
            f"the payload of type {number} must have at most {EXTENDED_LIMIT} bytes, had {length}"
        )
    return bytes((_MARKER, 0, number)) + length.to_bytes(2, "little") + payload


def split(data: bytes, start: int) -> list[tuple[int, int, int, int]]:
    """Return (type, payload offset, payload length, TLV offset) of each TLV from `start` to the end.

    Raises  DecodeError(tlv_truncated, bad_type, bad_extended, tlv_overrun), checks 10 to 12.
    """
    end = len(data)
    frames = []
    offset = start
    while offset < end:
        if end - offset < 2:
            raise DecodeError("tlv_truncated", offset)
        number = data[offset]
        if number == _MARKER:
            if end - offset < 5:
                raise DecodeError("tlv_truncated", offset)
            if data[offset + 1] != 0:
                raise DecodeError("bad_extended", offset)
            number = data[offset + 2]
            if number in {0, _MARKER}:
                raise DecodeError("bad_type", offset, str(number))
            length = data[offset + 3] | data[offset + 4] << 8
            payload = offset + 5
        else:
            if number == 0:
                raise DecodeError("bad_type", offset, "0")
            length = data[offset + 1]
            payload = offset + 2
        if payload + length > end:
            raise DecodeError("tlv_overrun", offset, f"{length} bytes")
        frames.append((number, payload, length, offset))
        offset = payload + length
    return frames
