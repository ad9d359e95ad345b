"""Framing and the order of the checks: the first failure of steps 10 to 14 is the one raised."""

import pytest

from alphapulse.errors import DecodeError, InvariantError, ValueOutOfRange
from alphapulse.primitives.instrument_id import InstrumentId
from alphapulse.protocol.codec import decode, encode, encode_tlv
from alphapulse.protocol.header import Header, checksum_of
from alphapulse.protocol.layout import parse_layout
from alphapulse.protocol.market_data import StateInvalidation, Trade
from alphapulse.protocol.message import Message, RawTlv, Tlv
from alphapulse.protocol.tlv import frame, split

TRADE = encode_tlv(Trade(InstrumentId.coin(100, "BTC"), 1, 1, 0, 1))
BAD_SIDE = TRADE[:30] + b"\x07" + TRADE[31:]
BAD_SIZE = b"\x01\x24" + TRADE[2:38]


def _message(payload: bytes) -> bytes:
    data = bytearray(encode(Message(Header(1, 6, 0, 1, 1), ())) + payload)
    data[8:12] = len(payload).to_bytes(4, "little")
    data[28:32] = checksum_of(bytes(data)).to_bytes(4, "little")
    return bytes(data)


@pytest.mark.parametrize(
    ("payload", "kind", "offset"),
    [
        (b"\x01", "tlv_truncated", 32),
        (b"\xff\x00\x01\x00", "tlv_truncated", 32),
        (b"\xff\x01", "tlv_truncated", 32),
        (b"\xff\x01\x01\x00\x00", "bad_extended", 32),
        (b"\xff\x00\x00\x00\x00", "bad_type", 32),
        (b"\xff\x00\xff\x00\x00", "bad_type", 32),
        (b"\x00\x00", "bad_type", 32),
        (b"\xff\x00\xc8\x01\x00", "tlv_overrun", 32),
        (b"\xc8\x01", "tlv_overrun", 32),
        (TRADE + b"\xc8\x05\x00", "tlv_overrun", 71),
        (TRADE + BAD_SIZE, "bad_size", 71),
        (TRADE + TRADE[:31] + b"\x07", "tlv_overrun", 71),
        (BAD_SIDE + b"\x00\x00", "bad_type", 71),
        (BAD_SIZE + b"\x00\x00", "bad_type", 70),
        (BAD_SIDE + BAD_SIZE, "bad_size", 71),
        (BAD_SIDE + b"\xc8\x00", "bad_value", 32),
    ],
)
def test_first_failure(payload: bytes, kind: str, offset: int) -> None:
    with pytest.raises(DecodeError) as caught:
        decode(_message(payload))
    assert (caught.value.kind, caught.value.offset) == (kind, offset)


def test_a_repeat_that_does_not_count_is_measured_but_not_read() -> None:
    read = decode(_message(TRADE + BAD_SIDE))
    assert [type(tlv) for tlv in read.tlvs] == [Trade, RawTlv]


def test_empty_payload_and_empty_vendor_parts_are_valid() -> None:
    assert decode(_message(b"")).tlvs == ()
    assert decode(_message(b"\xc8\x00\xff\x00\xc9\x00\x00")).tlvs == (
        RawTlv(200, b""),
        RawTlv(201, b""),
    )


@pytest.mark.parametrize("size", [0, 255, 256, 65_535])
def test_frame_and_split_are_inverse(size: int) -> None:
    framed = frame(200, bytes(size))
    header = 2 if size <= 255 else 5
    assert split(framed, 0) == [(200, header, size, 0)]
    assert len(framed) == header + size


@pytest.mark.parametrize(("number", "size"), [(0, 1), (255, 1), (-1, 1), (200, 65_536)])
def test_frame_refuses_types_and_sizes_that_do_not_exist(number: int, size: int) -> None:
    with pytest.raises(ValueOutOfRange):
        frame(number, bytes(size))


def test_repeatable_types_are_all_read() -> None:
    parts = tuple(StateInvalidation(InstrumentId.venue_wildcard(n), 2, 0) for n in (300, 301, 302))
    message = Message(Header(1, 6, 0, 1, 1), parts)
    read = decode(encode(message))
    assert read.all(StateInvalidation) == parts
    assert read.first(StateInvalidation) == parts[0]
    assert read.first(Trade) is None
    assert read.all(Trade) == ()


def test_a_class_outside_the_registry_is_our_mistake() -> None:
    class Stranger(Tlv, frozen=True):
        number: int

    with pytest.raises(InvariantError):
        encode_tlv(Stranger(1))


def test_a_layout_outside_the_language_is_our_mistake() -> None:
    with pytest.raises(InvariantError):
        parse_layout("price i64 P8 · what?")
