"""Tables as Parquet: encodings by what a column holds, and beside the rows the account that readers check.

A file's own metadata carries its recipe and, for each row group, a CRC over the messages' bytes and the
filters of the index. Readers rebuild the messages and compare, so no flipped bit passes for a message.
"""

import base64
import io
import struct
import zlib
from array import array
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from zlib import crc32

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from alphapulse.archive.columns import Recipe, Table, all_columns, columns_of, messages_of
from alphapulse.archive.index import KeyFilter, instrument_keys, trace_keys
from alphapulse.archive.shapes import Shape, layout_of, shape_of
from alphapulse.errors import ArchiveCorrupt, DecodeError, InvalidData

__all__ = [
    "FRAME_SCHEMA",
    "GROUP_ROWS",
    "RAW_SHAPE",
    "ParquetRows",
    "RowGroup",
    "frame_table",
    "message_table",
    "shape_or_raw",
    "write_parquet",
]

GROUP_ROWS = 8_192
"""Rows of a group: what a query reads at least, and what a filter of the index speaks for."""

RAW_SHAPE: Shape = ()
_Row = tuple[int, int, bytes]  # window, position, message
FRAME_SCHEMA = pa.schema(
    [
        pa.field("position", pa.uint64(), nullable=False),
        pa.field("recv_ns", pa.uint64(), nullable=False),
        pa.field("connection", pa.string(), nullable=False),
        pa.field("payload", pa.binary(), nullable=False),
    ]
)
_RAW = "message"
_FEWEST_ROWS = (
    64,
    16,
    GROUP_ROWS + 1,
)  # below this a shape gets no columns; the last keeps bytes only
_ACCOUNT = b"alphapulse"
_ENCODINGS = b"encodings"
_PRUNED_BY = ("position", "timestamp_ns", "recv_ns")
_ZSTD_LEVEL = (
    12  # the thread behind the hot path has the time; what is read is decompressed as fast
)
_PAGE_BYTES = 1 << 20
_FEW = 3  # a dictionary pays where a value comes back this often
_TIMES = ("position", "sequence", "block", "log_index", "tx_index")
_TIMESTAMP_AT = slice(20, 28)
_DAMAGE = (OSError, pa.ArrowException, UnicodeDecodeError, IndexError, KeyError, ValueError)


class RowGroup(msgspec.Struct, frozen=True):
    """What a file says about one of its row groups; `counts` are the rows of each of the file's shapes, in order."""

    rows: int
    crc: int
    counts: tuple[int, ...] = ()
    traces: str = ""
    instruments: str = ""


class _Account(msgspec.Struct, frozen=True):
    recipes: tuple[Recipe, ...]
    groups: tuple[RowGroup, ...]


def message_table(rows: Sequence[tuple[int, bytes]]) -> pa.Table:
    """Return messages as one table that rebuilds them exactly.

    Rows stand in windows of GROUP_ROWS, by shape within a window. A shape too rare to pay for columns of
    its own, and a message that its shape does not rebuild, are kept as bytes. What is too rare is tried
    out where rows are few, because there the columns themselves are most of a file.
    """
    if len(rows) > GROUP_ROWS:
        return _message_table(rows, _FEWEST_ROWS[0])
    return min((_message_table(rows, fewest) for fewest in _FEWEST_ROWS), key=_stored_size)


def _stored_size(table: pa.Table) -> int:
    sink = io.BytesIO()
    write_parquet(table, sink)
    return sink.tell()


def _message_table(rows: Sequence[tuple[int, bytes]], fewest: int) -> pa.Table:
    by_shape: dict[Shape, list[_Row]] = {}
    for ordinal, (position, raw) in enumerate(rows):
        row = (ordinal // GROUP_ROWS, position, raw)
        by_shape.setdefault(shape_or_raw(raw), []).append(row)
    kept = by_shape.pop(RAW_SHAPE, [])
    tables: list[tuple[Table, list[_Row]]] = []
    for shape, found in sorted(by_shape.items()):
        table = _exact_table(shape, found) if len(found) >= fewest else None
        if table is None:
            kept += found
        else:
            tables.append((table, found))
    if kept:
        kept.sort()
        tables.append((_raw_table(kept), kept))
    return _in_windows(-(-len(rows) // GROUP_ROWS), tables)


def shape_or_raw(raw: bytes) -> Shape:
    """Return the shape of a message, the empty one where it has none."""
    try:
        return shape_of(raw) or RAW_SHAPE
    except DecodeError:
        return RAW_SHAPE


def _exact_table(shape: Shape, rows: list[_Row]) -> Table | None:
    messages = [row[2] for row in rows]
    breaks = frozenset(
        index for index in range(1, len(rows)) if rows[index][0] != rows[index - 1][0]
    )
    table = columns_of(shape, [row[1] for row in rows], messages, breaks)
    return table if messages_of(table) == messages else None


def _raw_table(rows: list[_Row]) -> Table:
    messages = [row[2] for row in rows]
    columns = [
        pa.array([row[1] for row in rows], pa.uint64()),
        pa.array([int.from_bytes(raw[_TIMESTAMP_AT], "little") for raw in messages], pa.uint64()),
        pa.array(messages, pa.binary()),
    ]
    return Table(Recipe(RAW_SHAPE), pa.table(columns, names=["position", "timestamp_ns", _RAW]))


def _in_windows(windows: int, tables: list[tuple[Table, list[_Row]]]) -> pa.Table:
    """Join tables of several shapes so that each window of positions is one row group."""
    parts, groups = [], []
    starts = [0] * len(tables)
    for window in range(windows):
        counts, raws = [], []
        traces: set[int] = set()
        instruments: set[int] = set()
        for index, (table, rows) in enumerate(tables):
            start = end = starts[index]
            while end < len(rows) and rows[end][0] == window:
                end += 1
            starts[index] = end
            counts.append(end - start)
            part = table.columns.slice(start, end - start)
            parts.append(part)
            raws += [row[2] for row in rows[start:end]]
            found = _keys(Table(table.recipe, part), raws[len(raws) - (end - start) :])
            traces |= found[0]
            instruments |= found[1]
        group = RowGroup(
            len(raws),
            _crc_of(parts[len(parts) - len(tables) :], raws),
            tuple(counts),
            KeyFilter.of(traces).text() if traces else "",
            KeyFilter.of(instruments).text() if instruments else "",
        )
        groups.append(group)
    columns = pa.concat_tables(parts, promote_options="default").combine_chunks()
    account = _Account(tuple(table.recipe for table, _ in tables), tuple(groups))
    return columns.replace_schema_metadata(
        {_ACCOUNT: _packed(account), _ENCODINGS: msgspec.json.encode(_encodings(columns))}
    )


def _crc_of(parts: list[pa.Table], messages: list[bytes]) -> int:
    """Return the CRC over some messages and their positions."""
    positions = [position for part in parts for position in part["position"].to_pylist()]
    return crc32(array("Q", positions).tobytes(), crc32(b"".join(messages)))


def _packed(account: _Account) -> bytes:
    return base64.b85encode(zlib.compress(msgspec.json.encode(account), 9))


def _keys(table: Table, messages: list[bytes]) -> tuple[set[int], set[int]]:
    """Return the keys of traces and of instruments in some rows."""
    if table.recipe.shape == RAW_SHAPE:
        return _keys_of(messages)
    values, _ = all_columns(table)
    return trace_keys(values), instrument_keys(layout_of(table.recipe.shape), values)


def _keys_of(messages: list[bytes]) -> tuple[set[int], set[int]]:
    traces: set[int] = set()
    instruments: set[int] = set()
    for raw in messages:
        shape = shape_or_raw(raw)
        if shape != RAW_SHAPE:
            values, _ = all_columns(columns_of(shape, [0], [raw]))
            traces |= trace_keys(values)
            instruments |= instrument_keys(layout_of(shape), values)
    return traces, instruments


def frame_table(rows: list[tuple[int, int, str, bytes]]) -> pa.Table:
    """Return raw frames as a table."""
    columns = [
        pa.array(column, field.type)
        for column, field in zip(zip(*rows, strict=True), FRAME_SCHEMA, strict=True)
    ]
    table = pa.table(columns, schema=FRAME_SCHEMA)
    parts = [rows[start : start + GROUP_ROWS] for start in range(0, len(rows), GROUP_ROWS)]
    groups = tuple(RowGroup(len(part), _crc_of_frames(part)) for part in parts)
    account = _packed(_Account((), groups))
    encodings = {
        "connection": "DICT",
        "position": "DELTA_BINARY_PACKED",
        "recv_ns": "DELTA_BINARY_PACKED",
    }
    return table.replace_schema_metadata(
        {_ACCOUNT: account, _ENCODINGS: msgspec.json.encode(encodings)}
    )


def _parquet_options(table: pa.Table) -> dict[str, Any]:
    """Return how `write_table` is to store a table of this module."""
    metadata = table.schema.metadata or {}
    encodings: dict[str, str] = msgspec.json.decode(metadata.get(_ENCODINGS, b"{}"))
    plain = {name: encoding for name, encoding in encodings.items() if encoding != "DICT"}
    return {
        "compression": "zstd",
        "compression_level": _ZSTD_LEVEL,
        "use_dictionary": [name for name, encoding in encodings.items() if encoding == "DICT"],
        "column_encoding": plain,
        "write_statistics": [name for name in _PRUNED_BY if name in table.column_names],
        "data_page_size": _PAGE_BYTES,
        "row_group_size": GROUP_ROWS,
        "write_page_checksum": True,
        "store_schema": False,
    }


def _crc_of_frames(rows: Iterable[tuple[int, int, str, bytes]]) -> int:
    crc = 0
    for position, recv_ns, connection, payload in rows:
        crc = crc32(payload, crc32(f"{position} {recv_ns} {connection} ".encode(), crc))
    return crc


def write_parquet(table: pa.Table, sink: Path | pa.NativeFile | io.BytesIO) -> None:
    """Write a table of this module; `sink` is a path or an open file.

    Raises  OSError when the disk refuses.
    """
    metadata = {key: value for key, value in table.schema.metadata.items() if key == _ACCOUNT}
    options = _parquet_options(table)
    rows = options.pop("row_group_size")
    with pq.ParquetWriter(sink, table.schema, **options) as writer:
        writer.write_table(table, row_group_size=rows)
        writer.add_key_value_metadata(metadata)


class ParquetRows:
    """An open Parquet file of messages or frames."""

    def __init__(self, source: pa.NativeFile, path: str) -> None:
        self.path = path
        try:
            self._file = pq.ParquetFile(source, page_checksum_verification=True, pre_buffer=False)
            metadata = self._file.metadata.metadata or {}
            account = msgspec.json.decode(
                zlib.decompress(base64.b85decode(metadata[_ACCOUNT])), type=_Account
            )
        except KeyError as error:
            raise ArchiveCorrupt(path, 0, "the columns are not those of this table") from error
        except (*_DAMAGE, zlib.error, msgspec.MsgspecError) as error:
            raise ArchiveCorrupt(path, 0, f"the segment cannot be read: {error}") from error
        self.recipes = account.recipes
        self.groups = account.groups
        if len(self.groups) != self._file.metadata.num_row_groups:
            raise ArchiveCorrupt(path, 0, "the row groups are not those of its account")

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def bounds(self, group: int, column: str) -> tuple[int, int] | None:
        """Return least and greatest value of a column in a row group, None where the file does not say."""
        metadata = self._file.metadata.row_group(group)
        for index in range(metadata.num_columns):
            chunk = metadata.column(index)
            if chunk.path_in_schema == column:
                found = chunk.statistics
                return (found.min, found.max) if found is not None and found.has_min_max else None
        return None

    def messages(self, group: int) -> list[tuple[int, bytes]]:
        """Return position and bytes of each message of a row group.

        Raises  ArchiveCorrupt when they are not those that were written.
        """
        found: list[tuple[int, bytes]] = []
        try:
            columns = self._file.read_row_group(group)
            for part in self._parts(group, columns):
                shape = part.recipe.shape
                raws = part.columns[_RAW].to_pylist() if shape == RAW_SHAPE else messages_of(part)
                found += zip(part.columns["position"].to_pylist(), raws, strict=True)
        except (
            *_DAMAGE,
            AttributeError,
            TypeError,
            AssertionError,
            InvalidData,
            struct.error,
        ) as error:
            raise self._damaged(group, f"the segment cannot be read: {error}") from error
        if _crc_of([columns], [raw for _, raw in found]) != self.groups[group].crc:
            raise self._damaged(group, "the messages are not those that were written (checksum)")
        return sorted(found)

    def tables(self, group: int) -> list[Table]:
        """Return the rows of a row group as one table for each shape.

        Raises  ArchiveCorrupt when it cannot be read.
        """
        try:
            return self._parts(group, self._file.read_row_group(group))
        except _DAMAGE as error:
            raise self._damaged(group, f"the segment cannot be read: {error}") from error

    def _parts(self, group: int, columns: pa.Table) -> list[Table]:
        start = 0
        parts = []
        for recipe, count in zip(self.recipes, self.groups[group].counts, strict=True):
            if count:
                parts.append(Table(recipe, columns.slice(start, count)))
            start += count
        return parts

    def frames(self, group: int) -> list[tuple[int, int, str, bytes]]:
        """Return the rows of a row group of frames.

        Raises  ArchiveCorrupt when they are not those that were written.
        """
        try:
            columns = self._file.read_row_group(group).to_pydict()
            rows = list(zip(*[columns[name] for name in FRAME_SCHEMA.names], strict=True))
        except _DAMAGE as error:
            raise self._damaged(group, f"the segment cannot be read: {error}") from error
        if _crc_of_frames(rows) != self.groups[group].crc:
            raise self._damaged(group, "the frames are not those that were written (checksum)")
        return rows

    def _damaged(self, group: int, detail: str) -> ArchiveCorrupt:
        return ArchiveCorrupt(self.path, sum(one.rows for one in self.groups[:group]), detail)


def _encodings(columns: pa.Table) -> dict[str, str]:
    """Return an encoding for every leaf: dictionaries for what repeats, deltas for what rises, streams for amounts."""
    found: dict[str, str] = {}
    for name in columns.column_names:
        column = columns[name].combine_chunks()
        if pa.types.is_list(column.type):
            inner = column.flatten()
            for field in inner.type:
                found[f"{name}.list.element.{field.name}"] = _encoding(
                    field.name, inner.field(field.name)
                )
        else:
            found[name] = _encoding(name, column)
    return found


def _encoding(name: str, column: pa.Array) -> str:
    if name.endswith("_ns") or any(name.endswith(one) for one in _TIMES):
        return "DELTA_BINARY_PACKED" if pa.types.is_integer(column.type) else "PLAIN"
    if len(column.unique()) * _FEW <= len(column) - column.null_count:
        return "DICT"
    is_split = pa.types.is_integer(column.type) and column.type.bit_width >= 32
    is_price = pa.types.is_fixed_size_binary(column.type) and "sqrt" in name
    return "BYTE_STREAM_SPLIT" if is_split or is_price else "PLAIN"
