"""Encode and decode are inverse; nonsense raises only DecodeError. Covers: P9.

Oracle: invariants, and the tiny decoder of `test_protocol_second_decoder.py` for the values.
"""

from zlib import crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alphapulse.errors import DecodeError
from alphapulse.protocol.codec import decode, encode, encode_tlv, ignored_repeats, payload_of
from alphapulse.protocol.header import Header, message_size
from alphapulse.protocol.message import Message, RawTlv, Tlv
from alphapulse.protocol.registry import TABLE, Row
from alphapulse.protocol.system import TraceContext
from support.protocol_strategies import messages, raw_tlvs, tlvs_of

HEADER = Header(1, 6, 0, 1, 1)


def _sealed(head: bytes, payload: bytes) -> bytes:
    head = head[:8] + len(payload).to_bytes(4, "little") + head[12:28]
    return head + crc32(payload, crc32(head)).to_bytes(4, "little") + payload


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.tlv.__name__)
@settings(max_examples=25, deadline=None, print_blob=True)
@given(data=st.data())
def test_each_type_survives(row: Row, data: st.DataObject) -> None:
    tlv = data.draw(tlvs_of(row))
    flags = 0x10 if isinstance(tlv, TraceContext) else 0
    message = Message(Header(1, 6, flags, 1, 1), (tlv,))
    assert decode(encode(message)) == message
    payload = payload_of(tlv)
    extended = b"\xff\0" + bytes((row.number,)) + len(payload).to_bytes(2, "little") + payload
    assert decode(_sealed(encode(message), extended)) == message


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.tlv.__name__)
@settings(max_examples=10, deadline=None, print_blob=True)
@given(data=st.data())
def test_a_wrong_length_is_bad_size(row: Row, data: st.DataObject) -> None:
    payload = payload_of(data.draw(tlvs_of(row)))
    wrong = data.draw(st.sampled_from([payload[:-1], payload + b"\0", b""]))
    extended = b"\xff\0" + bytes((row.number,)) + len(wrong).to_bytes(2, "little") + wrong
    with pytest.raises(DecodeError) as caught:
        decode(_sealed(encode(Message(HEADER, ())), extended))
    assert (caught.value.kind, caught.value.offset) == ("bad_size", 32)


@settings(max_examples=150, deadline=None, print_blob=True)
@given(messages())
def test_whole_messages_survive(message: Message) -> None:
    encoded = encode(message)
    assert decode(encoded) == message
    assert encode(decode(encoded)) == encoded
    assert message_size(encoded) == len(encoded)
    assert bool(message.header.flags & 0x10) == (message.first(TraceContext) is not None)


@settings(max_examples=300, deadline=None, print_blob=True)
@given(st.binary(max_size=200))
def test_random_bytes_raise_only_decode_error(data: bytes) -> None:
    with pytest.raises(DecodeError):
        decode(data)


@settings(max_examples=300, deadline=None, print_blob=True)
@given(st.binary(max_size=400))
def test_random_payload_decodes_or_raises_decode_error(payload: bytes) -> None:
    try:
        message = decode(_sealed(encode(Message(HEADER, ())), payload))
    except DecodeError as error:
        assert 32 <= error.offset < 32 + len(payload)
    else:
        assert decode(encode(message)).tlvs == message.tlvs


@settings(max_examples=200, deadline=None, print_blob=True)
@given(messages(), st.data())
def test_a_flipped_byte_decodes_or_raises_decode_error(
    message: Message, data: st.DataObject
) -> None:
    encoded = bytearray(encode(message))
    place = data.draw(st.integers(0, len(encoded) - 1))
    encoded[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(DecodeError):
        decode(bytes(encoded))
    try:
        decode(bytes(encoded), verify=False)
    except DecodeError as error:
        assert 0 <= error.offset < len(encoded)


@settings(max_examples=150, deadline=None, print_blob=True)
@given(messages(), st.data())
def test_a_cut_message_is_truncated(message: Message, data: st.DataObject) -> None:
    encoded = encode(message)
    size = data.draw(st.integers(0, len(encoded) - 1))
    with pytest.raises(DecodeError) as caught:
        decode(encoded[:size])
    assert (caught.value.kind, caught.value.offset) == ("truncated", 0 if size < 32 else 8)


@settings(max_examples=50, deadline=None, print_blob=True)
@given(st.lists(raw_tlvs(), max_size=4))
def test_unknown_types_survive(tlvs: list[RawTlv]) -> None:
    message = Message(HEADER, tuple(tlvs))
    assert decode(encode(message)) == message


@settings(max_examples=60, deadline=None, print_blob=True)
@given(st.sampled_from(TABLE).flatmap(lambda row: st.tuples(tlvs_of(row), tlvs_of(row))))
def test_of_a_repeat_the_first_counts_unless_it_may_repeat(pair: tuple[Tlv, Tlv]) -> None:
    message = Message(HEADER, pair)
    encoded = encode(message)
    read = decode(encoded)
    kind = type(pair[0])
    row = next(row for row in TABLE if row.tlv is kind)
    assert read.first(kind) == pair[0]
    assert read.all(kind) == (pair if row.repeats else pair[:1])
    assert ignored_repeats(read) == (0 if row.repeats else 1)
    assert b"".join(encode_tlv(tlv) for tlv in read.tlvs) == encoded[32:]
