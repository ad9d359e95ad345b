"""A relay's reading of types, sizes and instruments against the typed codec, which knows nothing of it."""

import random
import struct

from hypothesis import given, settings

from alphapulse.errors import DecodeError
from alphapulse.primitives.instrument_id import InstrumentId
from alphapulse.protocol.codec import decode, encode, ignored_repeats, stamp
from alphapulse.protocol.header import checksum_of
from alphapulse.protocol.market_data import StateInvalidation
from alphapulse.protocol.message import Draft, Message, RawTlv
from alphapulse.protocol.registry import number_of
from alphapulse.protocol.signals import SwapHop, SwapPath
from alphapulse.relays.contents import frames_of, instruments_of, types_of
from support.protocol_strategies import messages


def instruments_shown(message: Message) -> set[bytes]:
    """Return the ids and pools that the typed message shows, legs of announcements apart."""
    shown = set()
    for tlv in message.tlvs:
        ids = [
            value
            for name in tlv.__struct_fields__
            if isinstance(value := getattr(tlv, name), InstrumentId)
        ]
        if hasattr(tlv, "pool") and hasattr(tlv, "venue"):
            ids.append(InstrumentId.pool(tlv.venue, tlv.pool))
        ids += [InstrumentId.pool(hop.venue, hop.pool) for hop in getattr(tlv, "hop", ())]
        if hasattr(tlv, "source_venue"):
            ids.append(InstrumentId.pool(tlv.source_venue, tlv.source_pool))
            ids.append(InstrumentId.pool(tlv.target_venue, tlv.target_pool))
        shown |= {one.pack() for one in ids if any(one)}
    return shown


@settings(max_examples=100, deadline=None)
@given(messages())
def test_contents_are_those_of_the_typed_message(message: Message) -> None:
    data = b"before" + encode(message) + b"behind"
    frames = frames_of(data, 6, len(data) - 6)
    numbers = [
        tlv.type if isinstance(tlv, RawTlv) else number_of(type(tlv)) for tlv in message.tlvs
    ]
    assert [number for number, _, _ in frames] == numbers
    assert types_of(frames) == sum({1 << number for number in numbers})
    decoded = decode(data[6:-6])
    found = instruments_of(data, frames)
    assert found >= instruments_shown(decoded)
    if not ignored_repeats(decoded):
        assert found == instruments_shown(decoded)


def test_what_follows_a_path_is_still_found():
    hop = SwapHop(1, bytes([7] * 20), bytes(20), bytes(20), 1, 1, 1, 18, 18)
    notice = StateInvalidation(InstrumentId(405, 100, 0, 9), 1, 0)
    data = encode(
        stamp(Draft(1, 1, (SwapPath(1, 1, 0, (hop, hop)), notice)), sequence=1, timestamp_ns=1)
    )
    found = instruments_of(data, frames_of(data, 0, len(data)))
    assert found == {InstrumentId.pool(1, bytes([7] * 20)).pack(), notice.instrument.pack()}


@settings(max_examples=100, deadline=None)
@given(messages())
def test_damage_is_refused_for_the_same_reason(message: Message) -> None:
    data = bytearray(encode(message))
    rng = random.Random(bytes(data))
    for _ in range(20):
        if len(data) > 32:
            data[rng.randrange(32, len(data))] = rng.choice([0, 1, 255, rng.randrange(256)])
        whole = bytes(data[:28]) + struct.pack("<I", checksum_of(bytes(data))) + bytes(data[32:])
        try:
            decode(whole)
            said = None
        except DecodeError as error:
            said = (error.kind, error.offset)
        try:
            frames_of(b"--" + whole, 2, len(whole) + 2)
        except DecodeError as error:
            assert (error.kind, error.offset) == said
        else:
            assert said is None or said[0] == "bad_value"
