"""The written-out packers and parsers say what the readable codec says, on good bytes and on damaged ones.

Oracle: the codec of blocks, which checks field by field and names what is wrong.
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alphapulse.errors import DecodeError
from alphapulse.protocol.codec import decode, encode, encode_tlv, payload_of
from alphapulse.protocol.header import Header
from alphapulse.protocol.message import Message
from alphapulse.protocol.registry import REGISTRY, Row
from alphapulse.protocol.tlv import frame
from support.protocol_strategies import messages, tlvs_of


def outcome(data):
    try:
        return decode(data)
    except DecodeError as error:
        return error.kind, error.offset


def readable(data):
    """Decode from a buffer that the short way does not take."""
    return outcome(bytearray(data))


@pytest.mark.parametrize("row", REGISTRY, ids=lambda row: row.tlv.__name__)
@settings(max_examples=15, deadline=None, print_blob=True)
@given(data=st.data())
def test_one_type(row: Row, data: st.DataObject) -> None:
    tlv = data.draw(tlvs_of(row))
    assert encode_tlv(tlv) == frame(row.number, payload_of(tlv))
    message = Message(Header(3, 40, 0x20, 7, 8), (tlv,))
    whole = encode(message)
    tail = encode(Message(Header(3, 40, 0x20, 7, 8), (tlv, tlv)))
    assert whole[32:] == encode_tlv(tlv)
    assert tail[32:] == whole[32:] * 2
    assert outcome(whole).tlvs == (tlv,)
    assert outcome(whole) == readable(whole)
    assert outcome(tail) == readable(tail)


@settings(max_examples=150, deadline=None, print_blob=True)
@given(messages(), st.data())
def test_damaged_messages_end_alike(message: Message, data: st.DataObject) -> None:
    whole = bytearray(encode(message))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(whole) - 1))
        whole[place] = data.draw(st.integers(0, 255))
    size = data.draw(st.sampled_from([len(whole), len(whole), len(whole) - 1]))
    damaged = bytes(whole[:size])
    assert outcome(damaged) == readable(damaged)


@settings(max_examples=100, deadline=None, print_blob=True)
@given(messages(), st.data())
def test_damage_under_a_right_checksum_ends_alike(message: Message, data: st.DataObject) -> None:
    whole = bytearray(encode(message))
    if len(whole) > 32:
        whole[data.draw(st.integers(32, len(whole) - 1))] = data.draw(st.integers(0, 255))
    damaged = bytes(whole)

    def unverified(buffer):
        try:
            return decode(buffer, verify=False)
        except DecodeError as error:
            return error.kind, error.offset

    assert unverified(damaged) == unverified(bytearray(damaged))
