"""Messages as flat rows: one table for each TLV type with decoded columns, one of headers, one of frames.

Integers beyond 64 bits and fixed-size bytes are text, decimal and `0x` hex, because tables elsewhere have no
wider type; instruments are spelt as the protocol spells them. Records inside a TLV are lists of structs.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec
import pyarrow as pa

from alphapulse.archive.reader import ArchiveReader
from alphapulse.archive.selection import Query
from alphapulse.archive.shapes import column_name
from alphapulse.protocol.layout import Field, parse_layout
from alphapulse.protocol.message import Message, RawTlv, Tlv
from alphapulse.protocol.registry import REGISTRY, Row, number_of, row_of
from alphapulse.protocol.system import TraceContext

__all__ = ["FRAMES_TABLE", "MESSAGES_TABLE", "FlatTable", "as_json", "flat_tables"]

MESSAGES_TABLE = "messages"
FRAMES_TABLE = "frames"
BATCH_ROWS = 4_096
_INTEGERS = {
    "u8": pa.uint8(), "u16": pa.uint16(), "u32": pa.uint32(), "u64": pa.uint64(),
    "i8": pa.int8(), "i16": pa.int16(), "i32": pa.int32(), "i64": pa.int64(),
}  # fmt: skip
_HEADER = (
    ("position", pa.uint64()),
    ("time", pa.timestamp("ns")),
    ("timestamp_ns", pa.uint64()),
    ("domain", pa.uint8()),
    ("source", pa.uint8()),
    ("sequence", pa.uint64()),
    ("trace_id", pa.string()),
)
_LATEST_NS = 2**63 - 1
Values = dict[str, Any]


class FlatTable(msgspec.Struct, frozen=True):
    """One table: `wide` names the columns that hold integers of 128 bits as text, signed or not."""

    name: str
    number: int
    schema: pa.Schema
    wide: Mapping[str, bool] = {}

    def batches(self, reader: ArchiveReader, query: Query) -> Iterator[pa.RecordBatch]:
        """Yield the rows that a query admits.

        Raises  ArchiveCorrupt naming file and row.
        """
        rows: list[Values] = []
        for row in self._rows(reader, query):
            rows.append(row)
            if len(rows) >= BATCH_ROWS:
                yield self._batch(rows)
                rows = []
        yield self._batch(rows)

    def _batch(self, rows: list[Values]) -> pa.RecordBatch:
        return pa.RecordBatch.from_pylist(rows, self.schema)

    def _rows(self, reader: ArchiveReader, query: Query) -> Iterator[Values]:
        if self.name == FRAMES_TABLE:
            for frame in reader.frames(query):
                yield {
                    "position": frame.position,
                    "time": min(frame.recv_ns, _LATEST_NS),
                    "recv_ns": frame.recv_ns,
                    "connection": frame.connection,
                    "size": len(frame.payload),
                    "payload": frame.payload,
                }
            return
        if self.number:
            wanted = query.types & {self.number} if query.types else frozenset({self.number})
            query = msgspec.structs.replace(query, types=frozenset(wanted) or frozenset({0}))
        for recorded in reader.recorded(query):
            message = recorded.message()
            head = _head(recorded.position, message)
            if self.number:
                row = row_of(self.number)
                assert row is not None
                for tlv in message.all(row.tlv):
                    yield {**head, **_plain(tlv)}
            else:
                numbers = [_number(tlv) for tlv in message.tlvs]
                yield {
                    **head,
                    "flags": message.header.flags,
                    "size": len(recorded.raw),
                    "types": numbers,
                    "names": [_name(number) for number in numbers],
                }


def flat_tables() -> dict[str, FlatTable]:
    """Return every table by its name."""
    head = [pa.field(name, kind) for name, kind in _HEADER]
    found = {
        MESSAGES_TABLE: FlatTable(
            MESSAGES_TABLE,
            0,
            pa.schema(
                [
                    *head,
                    pa.field("flags", pa.uint8()),
                    pa.field("size", pa.uint32()),
                    pa.field("types", pa.list_(pa.uint8())),
                    pa.field("names", pa.list_(pa.string())),
                ]
            ),
        ),
        FRAMES_TABLE: FlatTable(
            FRAMES_TABLE,
            0,
            pa.schema(
                [
                    ("position", pa.uint64()),
                    ("time", pa.timestamp("ns")),
                    ("recv_ns", pa.uint64()),
                    ("connection", pa.string()),
                    ("size", pa.uint32()),
                    ("payload", pa.binary()),
                ]
            ),
        ),
    }
    for row in REGISTRY:
        found[column_name(row.tlv.__name__)] = _table_of(row, head)
    return found


def _table_of(row: Row, head: list[pa.Field]) -> FlatTable:
    fields = {field.name: field for field in parse_layout(row.layout)}
    taken = {name for name, _ in _HEADER}
    columns = list(head)
    wide: dict[str, bool] = {}
    for name in row.tlv.__struct_fields__:
        field = fields[name]
        spelt = f"own_{name}" if name in taken else name
        columns.append(pa.field(spelt, _type_of(field)))
        if field.type in ("u128", "i128"):
            wide[spelt] = field.type == "i128"
    return FlatTable(column_name(row.tlv.__name__), row.number, pa.schema(columns), wide)


def _type_of(field: Field) -> pa.DataType:
    if not field.fields:
        return _INTEGERS.get(field.type, pa.string())
    if len(field.fields) == 1:
        return pa.list_(_type_of(field.fields[0]))
    return pa.list_(pa.struct([(one.name, _type_of(one)) for one in field.fields]))


def _head(position: int, message: Message) -> Values:
    header = message.header
    trace = message.first(TraceContext)
    return {
        "position": position,
        "time": min(header.timestamp_ns, _LATEST_NS),
        "timestamp_ns": header.timestamp_ns,
        "domain": header.domain,
        "source": header.source,
        "sequence": header.sequence,
        "trace_id": f"{trace.trace_id:032x}" if trace is not None else None,
    }


def _plain(tlv: Tlv) -> Values:
    row = row_of(number_of(type(tlv)))
    assert row is not None
    taken = {name for name, _ in _HEADER}
    kinds = {field.name: field for field in parse_layout(row.layout)}
    return {
        f"own_{name}" if name in taken else name: _value(getattr(tlv, name), kinds[name])
        for name in tlv.__struct_fields__
    }


def _value(value: object, field: Field) -> object:
    if field.fields:
        assert isinstance(value, tuple)
        if len(field.fields) == 1:
            return [_value(one, field.fields[0]) for one in value]
        return [
            {one.name: _value(getattr(record, one.name), one) for one in field.fields}
            for record in value
        ]
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, int) and field.type in _INTEGERS:
        return int(value)
    return str(value)


def _number(tlv: Tlv) -> int:
    return tlv.type if isinstance(tlv, RawTlv) else number_of(type(tlv))


def _name(number: int) -> str:
    row = row_of(number)
    return row.tlv.__name__ if row is not None else f"type {number}"


def as_json(rows: Iterable[pa.RecordBatch]) -> Iterator[bytes]:
    """Yield rows as lines of JSON; bytes as base64, times by their nanoseconds."""
    encoder = msgspec.json.Encoder()
    for batch in rows:
        columns = [name for name in batch.schema.names if name != "time"]
        for row in batch.select(columns).to_pylist():
            yield encoder.encode(row) + b"\n"
