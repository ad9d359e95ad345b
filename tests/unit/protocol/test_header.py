"""Header: limits per domain, flags, sources, and the length a stream reader needs."""

import pytest

from alphapulse.errors import DecodeError, ValueOutOfRange
from alphapulse.protocol.codec import decode, encode, stamp
from alphapulse.protocol.header import (
    ABSOLUTE_LIMIT,
    DOMAIN_LIMITS,
    Domain,
    Flag,
    Header,
    Source,
    checksum_of,
    message_size,
    pack_header,
)
from alphapulse.protocol.message import Draft, Message, RawTlv
from alphapulse.protocol.system import TraceContext

TRACE = TraceContext(trace_id=1, span_id=2, flags=1)


def _message_of(domain: int, size: int) -> Message:
    """Return a message of exactly `size` bytes, filled with vendor TLVs."""
    tlvs = []
    left = size - 32
    while left > 0:
        step = min(left, 60_000)
        if step - 5 > 255:
            tlvs.append(RawTlv(200, bytes(step - 5)))
        else:
            tlvs.append(RawTlv(200, bytes(step - 2)))
        left -= step
    return Message(Header(domain, 6, 0, 1, 1), tuple(tlvs))


def test_numbers_of_the_header() -> None:
    data = encode(Message(Header(Domain.SYSTEM, Source.ARCHIVER, 0, 2**64 - 1, 7), ()))
    assert data[:12].hex() == "efbeadde04013f0000000000"
    assert len(data) == 32
    assert int.from_bytes(data[28:32], "little") == checksum_of(data)


@pytest.mark.parametrize("domain", list(Domain))
def test_a_domain_refuses_what_exceeds_its_limit(domain: Domain) -> None:
    limit = DOMAIN_LIMITS[domain]
    assert len(encode(_message_of(domain, limit))) == limit
    with pytest.raises(ValueOutOfRange, match="at most"):
        encode(_message_of(domain, limit + 1))


@pytest.mark.parametrize("domain", list(Domain))
def test_a_relay_reads_up_to_the_domain_limit_and_a_parser_up_to_the_absolute(domain: int) -> None:
    size = DOMAIN_LIMITS[domain] + 1
    data = bytearray(encode(_message_of(domain, size - 1)))
    data[8:12] = (size - 32).to_bytes(4, "little")
    assert message_size(bytes(data)) == size
    with pytest.raises(DecodeError) as caught:
        message_size(bytes(data), relay=True)
    assert (caught.value.kind, caught.value.offset) == ("too_large", 8)
    with pytest.raises(DecodeError, match="too_large"):
        decode(bytes(data), relay=True)


@pytest.mark.parametrize(("size", "refused"), [(ABSOLUTE_LIMIT, False), (ABSOLUTE_LIMIT + 1, True)])
def test_the_absolute_limit(size: int, refused: bool) -> None:
    data = bytearray(encode(Message(Header(1, 6, 0, 1, 1), ())))
    data[8:12] = (size - 32).to_bytes(4, "little")
    with pytest.raises(DecodeError) as caught:
        decode(bytes(data))
    assert caught.value.kind == ("too_large" if refused else "truncated")


def test_a_stream_reader_waits_for_the_header() -> None:
    assert message_size(b"\xef\xbe\xad") is None
    assert message_size(encode(Message(Header(1, 6, 0, 1, 1), ())) + b"next") == 32


@pytest.mark.parametrize(
    "header",
    [
        Header(0, 6, 0, 1, 1),
        Header(5, 6, 0, 1, 1),
        Header(1, 0, 0, 1, 1),
        Header(1, 256, 0, 1, 1),
        Header(1, 6, 1, 1, 1),
        Header(1, 6, 2, 1, 1),
        Header(1, 6, 0, -1, 1),
        Header(1, 6, 0, 2**64, 1),
        Header(1, 6, 0, 1, 2**64),
    ],
)
def test_the_encoder_refuses_a_header_that_does_not_fit(header: Header) -> None:
    with pytest.raises(ValueOutOfRange):
        encode(Message(header, ()))


def test_reserved_flags_are_written_as_zero_and_ignored_when_read() -> None:
    data = encode(Message(Header(1, 6, 0xC4, 1, 1), ()))
    assert data[7] == 0x04
    bare = Header(1, 6, 0, 1, 1)
    raw = bytearray(pack_header(bare, 0, b""))
    raw[7] = 0xC0
    assert decode(bytes(raw), verify=False).tlvs == ()


@pytest.mark.parametrize(("before", "tlvs", "after"), [(0, (TRACE,), 0x10), (0x14, (), 4)])
def test_the_traced_flag_follows_the_content(
    before: int, tlvs: tuple[TraceContext], after: int
) -> None:
    assert encode(Message(Header(1, 6, before, 1, 1), tlvs))[7] == after
    stamped = stamp(Draft(1, 6, tlvs, before), sequence=3, timestamp_ns=4)
    assert stamped.header == Header(1, 6, after, 3, 4)
    assert decode(encode(stamped)) == stamped


def test_the_replay_flag_stays() -> None:
    stamped = stamp(Draft(1, 6, (TRACE,), Flag.REPLAY), sequence=1, timestamp_ns=1)
    assert decode(encode(stamped)).header.flags == Flag.REPLAY | Flag.TRACED


def test_checksum_is_looked_at_only_where_asked() -> None:
    data = bytearray(encode(Message(Header(1, 6, 0, 1, 1), ())))
    data[28] ^= 1
    assert decode(bytes(data), verify=False).header.sequence == 1
    with pytest.raises(DecodeError, match="bad_checksum"):
        decode(bytes(data))


def test_other_buffers_decode_alike() -> None:
    message = Message(Header(1, 6, 0x10, 1, 1), (TRACE, RawTlv(201, b"ab")))
    data = encode(message)
    assert decode(bytearray(data)) == decode(memoryview(data)) == message
