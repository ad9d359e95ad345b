"""Rows on their way into a segment: columns that grow in small steps."""

import hashlib
import struct
from typing import Any, Generic, Protocol, TypeVar

import pyarrow as pa

from alphapulse.archive.manifest import TableFacts
from alphapulse.archive.schema import DAY_NS, FRAME_SCHEMA, MESSAGE_SCHEMA
from alphapulse.protocol.codec import encode
from alphapulse.protocol.header import HEADER_SIZE
from alphapulse.protocol.message import Message
from alphapulse.protocol.system import TraceContext

__all__ = ["BATCH_ROWS", "FrameRows", "MessageRows", "Rows", "TableBuilder", "trace_tail"]

BATCH_ROWS = 256
"""Rows turned into Arrow at once: the interpreter is held for well under a millisecond."""

_TRACE = struct.Struct("<16sQB3x")
_TRACE_TLV = b"\x78\x1c"
_TRACE_SIZE = len(_TRACE_TLV) + _TRACE.size
_EXTENDED_MARKER = 0xFF
_EXTENDED_TYPE_OFFSET = 2
_LENGTH = struct.Struct("<I")
_CHECKSUM = struct.Struct("<I")
_CHECKSUM_OFFSET = 28


Item = TypeVar("Item")
Item_contra = TypeVar("Item_contra", contravariant=True)


class Rows(Protocol[Item_contra]):
    """What turns items into the columns of one schema."""

    schema: pa.Schema

    def columns_of(self, item: Item_contra, position: int) -> tuple[tuple[Any, ...], int, bytes]:
        """Return an item's column values, its time in ns and its raw bytes."""
        ...


class MessageRows:
    """A message as header columns, TLV bytes without the trailing trace, and the trace."""

    schema = MESSAGE_SCHEMA

    def columns_of(
        self, item: tuple[Message, bytes | None], position: int
    ) -> tuple[tuple[Any, ...], int, bytes]:
        """Return a message's columns, encoding it unless its bytes came along.

        Raises  ValueOutOfRange when the message cannot be encoded.
        """
        message, raw = item
        if raw is None:
            raw = encode(message)
        header = message.header
        payload = raw[HEADER_SIZE:]
        trace: tuple[bytes | None, int | None, int | None] = (None, None, None)
        if message.tlvs and type(message.tlvs[-1]) is TraceContext:
            tail = payload[-_TRACE_SIZE:]
            trace_id, span_id, trace_flags = _TRACE.unpack(tail[2:])
            if tail == trace_tail(trace_id, span_id, trace_flags):
                payload = payload[:-_TRACE_SIZE]
                trace = (trace_id[::-1], span_id, trace_flags)
        columns = (
            position,
            header.domain,
            header.source,
            raw[7],
            header.sequence,
            header.timestamp_ns,
            _primary_type(raw[HEADER_SIZE : HEADER_SIZE + 3]),
            *trace,
            payload,
            _CHECKSUM.unpack_from(raw, _CHECKSUM_OFFSET)[0],
        )
        return columns, header.timestamp_ns, raw


class FrameRows:
    """A frame as the connection delivered it."""

    schema = FRAME_SCHEMA

    def columns_of(
        self, item: tuple[bytes, int, str], position: int
    ) -> tuple[tuple[Any, ...], int, bytes]:
        """Return a frame's columns."""
        payload, recv_ns, name = item
        return (position, recv_ns, name, payload), recv_ns, payload


class TableBuilder(Generic[Item]):
    """Collects the rows of one table's next segment and accounts for all that were stored."""

    def __init__(self, rows: Rows[Item]) -> None:
        self._rows = rows
        self._columns: list[list[Any]] = [[] for _ in rows.schema.names]
        self._batches: list[Any] = []
        self._hash = hashlib.sha256()
        self._position = 0
        self._raw_bytes = 0
        self._stored = TableFacts(sha256=self._hash.hexdigest())
        self.first_position = 0
        self.day = 0
        self.opened_ns = 0
        self.size = 0

    def is_new_day(self, time_ns: int) -> bool:
        """Return whether a row of that time belongs in a segment after the collected one."""
        return self.size > 0 and time_ns // DAY_NS > self.day

    def add(self, item: Item, now_ns: int) -> None:
        """Take one item as the next row.

        Raises  ValueOutOfRange when a message cannot be encoded.
        """
        columns, time_ns, raw = self._rows.columns_of(item, self._position)
        if self.size == 0:
            self.first_position = self._position
            self.day = time_ns // DAY_NS
            self.opened_ns = now_ns
        for column, value in zip(self._columns, columns, strict=True):
            column.append(value)
        self._hash.update(_LENGTH.pack(len(raw)) + raw)
        self._raw_bytes += len(raw)
        self._position += 1
        self.size += 1
        if len(self._columns[0]) >= BATCH_ROWS:
            self._close_batch()

    def table(self) -> pa.Table:
        """Return the collected rows as one Arrow table."""
        self._close_batch()
        return pa.Table.from_batches(self._batches, self._rows.schema)

    def stored(self, stored_bytes: int) -> None:
        """Begin the next segment: the collected rows are on the disk."""
        self._stored = TableFacts(
            rows=self._position,
            segments=self._stored.segments + 1,
            raw_bytes=self._raw_bytes,
            stored_bytes=self._stored.stored_bytes + stored_bytes,
            sha256=self._hash.hexdigest(),
        )
        self._batches = []
        self.size = 0

    def facts(self) -> TableFacts:
        """Return the account of the rows on the disk."""
        return self._stored

    def _close_batch(self) -> None:
        if not self._columns[0]:
            return
        arrays = [
            pa.array(column, type=field.type)
            for column, field in zip(self._columns, self._rows.schema, strict=True)
        ]
        self._batches.append(pa.RecordBatch.from_arrays(arrays, schema=self._rows.schema))
        self._columns = [[] for _ in self._columns]


def trace_tail(trace_id: bytes, span_id: int, trace_flags: int) -> bytes:
    """Return the standard encoding of a trailing TraceContext from its wire-order parts."""
    return _TRACE_TLV + _TRACE.pack(trace_id, span_id, trace_flags)


def _primary_type(start: bytes) -> int:
    if not start:
        return 0
    return start[_EXTENDED_TYPE_OFFSET] if start[0] == _EXTENDED_MARKER else start[0]
