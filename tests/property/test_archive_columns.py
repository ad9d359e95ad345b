"""Every message, of every type and in every odd encoding, comes back from columns byte for byte.

Oracle: the bytes that went in.
"""

import io

from hypothesis import given, settings
from hypothesis import strategies as st

from alphapulse.archive import tables
from alphapulse.archive.columns import columns_of, messages_of
from alphapulse.archive.shapes import shape_of
from alphapulse.archive.tables import ParquetRows, message_table, write_parquet
from alphapulse.primitives.instrument_id import InstrumentId
from alphapulse.protocol.codec import encode
from alphapulse.protocol.header import Header, checksum_of
from alphapulse.protocol.market_data import Quote, Trade
from alphapulse.protocol.message import Message
from alphapulse.protocol.registry import REGISTRY
from support.protocol_strategies import tlvs_of

ROWS = list(REGISTRY)
ANY_ROW = st.sampled_from(ROWS)


def there_and_back(raws):
    rows = [(3 * number + 5, raw) for number, raw in enumerate(raws)]
    sink = io.BytesIO()
    write_parquet(message_table(rows), sink)
    file = ParquetRows(io.BytesIO(sink.getvalue()), "memory")
    found = [row for group in range(len(file.groups)) for row in file.messages(group)]
    assert found == rows


@st.composite
def messages(draw, rows=ANY_ROW):
    tlvs = tuple(draw(tlvs_of(row)) for row in draw(st.lists(rows, min_size=1, max_size=4)))
    header = Header(
        draw(st.integers(1, 4)),
        draw(st.integers(1, 255)),
        draw(st.sampled_from([0, 4, 8, 0x20])),
        draw(st.integers(0, 2**64 - 1)),
        draw(st.integers(0, 2**64 - 1)),
    )
    return encode(Message(header, tlvs))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_columns_of_one_shape_rebuild_its_messages(data):
    row = data.draw(st.sampled_from(ROWS))
    raws = data.draw(st.lists(messages(st.just(row)), min_size=1, max_size=6))
    by_shape = {}
    for raw in raws:
        by_shape.setdefault(shape_of(raw), []).append(raw)
    for shape, found in by_shape.items():
        if shape is not None:
            table = columns_of(shape, range(len(found)), found)
            assert messages_of(table) == found


@settings(max_examples=25, deadline=None)
@given(st.lists(messages(), min_size=1, max_size=40))
def test_any_mixture_comes_back(raws):
    there_and_back(raws)


@settings(max_examples=25, deadline=None)
@given(st.lists(messages(), min_size=1, max_size=5), st.data())
def test_odd_bytes_come_back(raws, data):
    """Reserved bytes that are not zero, wrong checksums, extended forms nobody needs, and worse."""
    odd = []
    for raw in raws:
        body = bytearray(raw)
        at = data.draw(st.integers(32, max(32, len(body) - 1)))
        if len(body) > 32:
            body[at] ^= data.draw(st.integers(1, 255))
        if data.draw(st.booleans()):
            body[28:32] = checksum_of(bytes(body)).to_bytes(4, "little")
        odd.append(bytes(body))
    there_and_back(raws * 40 + odd)


def test_windows_are_read_one_by_one(monkeypatch):
    raws = []
    for number in range(700):
        header = Header(4, 62, 0, number + 1, 10**18 + number)
        tlv = Trade if number % 3 else Quote
        values = dict.fromkeys(tlv.__struct_fields__, 0)
        values["instrument"] = InstrumentId(1, 50, 0, number % 7)
        raws.append(encode(Message(header, (tlv(**values),))))
    monkeypatch.setattr(tables, "GROUP_ROWS", 100)
    sink = io.BytesIO()
    write_parquet(message_table(list(enumerate(raws))), sink)
    file = ParquetRows(io.BytesIO(sink.getvalue()), "memory")
    assert len(file.groups) == 7
    for group in (6, 2, 0):
        first = group * 100
        assert file.messages(group) == list(enumerate(raws))[first : first + 100]
