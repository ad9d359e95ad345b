"""What a field may hold: refused, clamped or read as bad_value, for every closed field of the registry."""

from itertools import takewhile

import pytest

from alphapulse.errors import DecodeError, ValueOutOfRange
from alphapulse.primitives.instrument_id import InstrumentId
from alphapulse.protocol.block import integer_limits
from alphapulse.protocol.codec import decode, encode, encode_tlv, payload_of
from alphapulse.protocol.header import Header, checksum_of
from alphapulse.protocol.layout import Field, parse_layout
from alphapulse.protocol.market_data import BookLevel, L2Snapshot, PoolSwap, Trade
from alphapulse.protocol.message import Message, RawTlv, Tlv
from alphapulse.protocol.registry import TABLE, Overflow, Row, row_of
from alphapulse.protocol.signals import PerformanceMetrics, SignalIdentity
from alphapulse.protocol.system import Error, Heartbeat, SystemHealth
from support.protocol_strategies import sample_of

HEADER = Header(1, 6, 0, 1, 1)
NOBODY = InstrumentId(0, 0, 0, 0)
WIDTHS = {"id": 12, "addr": 20, "h32": 32, "u160be": 20}


def _width(field: Field) -> int:
    if field.type in WIDTHS:
        return WIDTHS[field.type]
    number = int(field.type[1:])
    return number if field.type[0] in "bz" else number // 8


def _read(number: int, payload: bytes) -> Tlv:
    """Return what a payload decodes to, whatever its producer should have refused."""
    framed = b"\xff\0" + bytes((number,)) + len(payload).to_bytes(2, "little") + payload
    data = bytearray(encode(Message(HEADER, ())) + framed)
    data[8:12] = len(framed).to_bytes(4, "little")
    data[28:32] = checksum_of(bytes(data)).to_bytes(4, "little")
    return decode(bytes(data)).tlvs[0]


def _replaced(tlv: Tlv, **changes: object) -> Tlv:
    fields = {name: getattr(tlv, name) for name in tlv.__struct_fields__}
    return type(tlv)(**(fields | changes))


CLOSED = [
    (row, field)
    for row in TABLE
    for field in parse_layout(row.layout)
    if (field.name in row.values or field.unit == "%") and field.name in row.tlv.__struct_fields__
]
COUNTS = [
    (row, field)
    for row in TABLE
    for field in parse_layout(row.layout)
    if field.count and field.count in row.values
]
INTEGERS = [
    (row, field)
    for row in TABLE
    for field in parse_layout(row.layout)
    if integer_limits(field.type) and field.name in row.tlv.__struct_fields__
]


def _names(pair: object) -> str:
    return pair.tlv.__name__ if isinstance(pair, Row) else getattr(pair, "name", "")


@pytest.mark.parametrize(("row", "field"), CLOSED, ids=_names)
def test_an_unlisted_value_is_refused_and_read_as_bad_value(row: Row, field: Field) -> None:
    allowed = {int(value) for value in row.values.get(field.name, range(101))}
    fields = parse_layout(row.layout)
    offset = sum(_width(f) for f in takewhile(lambda f: f.name != field.name, fields))
    payload = bytearray(payload_of(sample_of(row)))
    for value in (max(allowed) + 1, 255):
        payload[offset : offset + _width(field)] = value.to_bytes(_width(field), "little")
        with pytest.raises(DecodeError) as caught:
            _read(row.number, bytes(payload))
        assert (caught.value.kind, caught.value.offset) == ("bad_value", 32)
        if field.unit != "%" or row.overflow is Overflow.REFUSE:
            with pytest.raises(ValueOutOfRange, match=field.name):
                payload_of(_replaced(sample_of(row), **{field.name: value}))


@pytest.mark.parametrize(("row", "field"), COUNTS, ids=_names)
def test_a_count_above_its_limit_is_refused_and_read_as_bad_value(row: Row, field: Field) -> None:
    most = max(int(value) for value in row.values[field.count])
    if row.overflow is Overflow.REFUSE:
        item = getattr(sample_of(row), field.name)[:1] or ((NOBODY,) if row.number == 114 else None)
        value = "x" * (most + 1) if not field.fields else (item or _leg()) * (most + 1)
        with pytest.raises(ValueOutOfRange, match=field.count):
            payload_of(_replaced(sample_of(row), **{field.name: value}))
    fields = parse_layout(row.layout)
    place = sum(_width(f) for f in takewhile(lambda f: f.name != field.count, fields))
    width = _width(next(f for f in fields if f.name == field.count))
    unit = sum(map(_width, field.fields)) or 1
    payload = bytearray(payload_of(sample_of(row)))
    now = int.from_bytes(payload[place : place + width], "little")
    payload[place : place + width] = (most + 1).to_bytes(width, "little")
    end = len(payload) if fields[-1].count else len(payload) - 8
    payload[end:end] = b"\0" * unit * (most + 1 - now)
    with pytest.raises(DecodeError) as caught:
        _read(row.number, bytes(payload))
    assert caught.value.kind == "bad_value"


def _leg() -> tuple[object, ...]:
    records = row_of(4).records["leg"]
    return (records(NOBODY, bytes(20), 0),)


@pytest.mark.parametrize(("row", "field"), INTEGERS, ids=_names)
def test_an_integer_past_its_bounds_is_refused_or_clamped(row: Row, field: Field) -> None:
    low, high = integer_limits(field.type) or (0, 0)
    for value in (low - 1, high + 1):
        tlv = _replaced(sample_of(row), **{field.name: value})
        if row.overflow is Overflow.REFUSE or field.name in row.values:
            with pytest.raises(ValueOutOfRange, match=field.name):
                encode_tlv(tlv)
        else:
            most = 100 if field.unit == "%" else high
            read = _read(row.number, payload_of(tlv))
            assert getattr(read, field.name) == (low if value < low else most)


@pytest.mark.parametrize("value", ["1", 1.5, None, b"1"])
def test_what_is_no_integer_is_refused(value: object) -> None:
    with pytest.raises(ValueOutOfRange, match="volume"):
        payload_of(Trade(NOBODY, 1, value, 0, 1))  # type: ignore[arg-type]
    swap = _replaced(sample_of(row_of(11)), amount_in=value)
    with pytest.raises(ValueOutOfRange, match="amount_in"):
        payload_of(swap)


@pytest.mark.parametrize("pool", [b"", bytes(19), bytes(21), "x" * 20, None])
def test_bytes_of_another_length_are_refused_not_filled(pool: object) -> None:
    swap = sample_of(row_of(11))
    assert isinstance(swap, PoolSwap)
    with pytest.raises(ValueOutOfRange, match="pool"):
        payload_of(_replaced(swap, pool=pool))


@pytest.mark.parametrize("instrument", [InstrumentId(65536, 0, 0, 0), InstrumentId(0, 0, 0, -1)])
def test_an_instrument_id_that_does_not_fit_is_refused(instrument: InstrumentId) -> None:
    with pytest.raises(ValueOutOfRange, match="instrument"):
        payload_of(Trade(instrument, 1, 1, 0, 1))


@pytest.mark.parametrize("size", [1, 19, 21, 31, 33])
def test_a_key_has_no_other_length_than_0_20_or_32(size: int) -> None:
    with pytest.raises(ValueOutOfRange, match="key"):
        payload_of(_replaced(sample_of(row_of(4)), key=bytes(size)))


def test_at_most_4000_levels_travel_in_one_message() -> None:
    def book(bids: int, asks: int) -> L2Snapshot:
        level = BookLevel(1, 1)
        return L2Snapshot(NOBODY, 1, 1, 0, 1, (level,) * bids, (level,) * asks)

    full = book(1500, 2500)
    payload = payload_of(full)
    assert _read(17, payload) == full
    with pytest.raises(ValueOutOfRange, match="4000"):
        payload_of(book(1501, 2500))
    more = payload[:30] + (1501).to_bytes(2, "little") + payload[32:] + bytes(16)
    with pytest.raises(DecodeError, match="bad_value"):
        _read(17, more)


def test_statistics_are_clamped() -> None:
    health = SystemHealth(1, 0, 250, -3, 2**40, -1, 70_000, 70_000, 1, 0)
    read = _read(107, payload_of(health))
    assert read == SystemHealth(1, 0, 100, 0, 2**32 - 1, 0, 65_535, 65_535, 1, 0)
    metrics = PerformanceMetrics(1, 1, 1, 1, 1, 1, 2**70, -(2**70), 0, 0, 0, 0, 1, 1, 1)
    assert payload_of(metrics)[24:40] == (2**63 - 1).to_bytes(8, "little") + (2**63).to_bytes(
        8, "little"
    )
    assert _read(100, payload_of(Heartbeat(1, 0, 62, 2**33))) == Heartbeat(1, 0, 62, 2**32 - 1)


def test_a_signals_percentage_is_refused_not_clamped() -> None:
    with pytest.raises(ValueOutOfRange, match="confidence"):
        payload_of(SignalIdentity(1, 1, 1, 101, 1))


def test_text_of_a_complaint_is_cut_at_a_character() -> None:
    error = Error(1, 1, 0, 0, 0, 1, NOBODY, "é" * 150)
    assert _read(102, payload_of(error)).text == "é" * 100  # type: ignore[attr-defined]
    lone = Error(1, 1, 0, 0, 0, 1, NOBODY, "a\ud800")
    assert _read(102, payload_of(lone)).text == "a?"  # type: ignore[attr-defined]


def test_text_that_is_not_utf8() -> None:
    with pytest.raises(ValueOutOfRange, match="symbol"):
        payload_of(_replaced(sample_of(row_of(4)), symbol="\ud800"))
    error = Error(1, 1, 0, 0, 0, 1, NOBODY, "abc")
    with pytest.raises(DecodeError) as caught:
        _read(102, payload_of(error)[:-1] + b"\xff")
    assert caught.value.kind == "bad_value"


def test_open_lists_take_any_number() -> None:
    trade = Trade(InstrumentId(64_999, 249, 7, 1), 1, 1, 0, 1)
    assert _read(1, payload_of(trade)) == trade
    assert _read(100, payload_of(Heartbeat(1, 0, 250, 1))) == Heartbeat(1, 0, 250, 1)


def test_reserved_bytes_are_zero_and_ignored() -> None:
    payload = bytearray(payload_of(SignalIdentity(1, 2, 3, 4, 5)))
    assert payload[19] == 0
    payload[19] = 9
    assert _read(20, bytes(payload)) == SignalIdentity(1, 2, 3, 4, 5)


def test_a_raw_part_of_a_known_type_must_have_its_size() -> None:
    assert encode_tlv(RawTlv(20, bytes(20))) == b"\x14\x14" + bytes(20)
    with pytest.raises(ValueOutOfRange, match="type 20"):
        encode_tlv(RawTlv(20, bytes(19)))
