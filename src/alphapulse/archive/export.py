"""Rows of an archive as a file that other programs read: Parquet, CSV or lines of JSON."""

from collections.abc import Callable, Iterator
from enum import StrEnum, unique
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import csv

from alphapulse.archive.flat import FlatTable, as_json
from alphapulse.archive.reader import ArchiveReader
from alphapulse.archive.selection import Query
from alphapulse.errors import Misconfigured

__all__ = ["ExportFormat", "export"]


@unique
class ExportFormat(StrEnum):
    """What is written."""

    PARQUET = "parquet"
    CSV = "csv"
    JSON_LINES = "jsonl"


def export(
    reader: ArchiveReader,
    table: FlatTable,
    target: Path,
    *,
    kind: ExportFormat,
    query: Query,
    progress: Callable[[int], None] | None = None,
) -> int:
    """Write the rows that a query admits and return their number; a file that is there already is not replaced.

    In CSV, which knows no lists and no bytes, those stand as JSON and as hex.

    Raises  Misconfigured when the file cannot be written; ArchiveCorrupt where the archive is damaged.
    """
    count = 0

    def counted() -> Iterator[pa.RecordBatch]:
        nonlocal count
        for batch in table.batches(reader, query):
            yield batch
            count += batch.num_rows
            if progress is not None:
                progress(count)

    try:
        with target.open("xb") as sink:
            _WRITERS[kind](counted(), table.schema, sink)
    except OSError as error:
        raise Misconfigured(f"`{target}` cannot be written ({error.strerror or error})") from error
    return count


def _write_parquet(batches: Iterator[pa.RecordBatch], schema: pa.Schema, sink: object) -> None:
    with pq.ParquetWriter(sink, schema, compression="zstd") as writer:
        for batch in batches:
            writer.write_batch(batch)


def _write_csv(batches: Iterator[pa.RecordBatch], schema: pa.Schema, sink: object) -> None:
    plain = pa.schema([pa.field(field.name, _plain_type(field.type)) for field in schema])
    with csv.CSVWriter(sink, plain) as writer:
        for batch in batches:
            columns = [_plain(batch[field.name], field.type) for field in schema]
            writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=plain))


def _write_json(batches: Iterator[pa.RecordBatch], schema: pa.Schema, sink: object) -> None:
    write = getattr(sink, "write")  # noqa: B009  # an open file, whatever kind pyarrow takes
    for line in as_json(batches):
        write(line)


def _is_plain(kind: pa.DataType) -> bool:
    return not pa.types.is_list(kind) and not pa.types.is_binary(kind)


def _plain_type(kind: pa.DataType) -> pa.DataType:
    return kind if _is_plain(kind) else pa.string()


def _plain(column: pa.Array, kind: pa.DataType) -> pa.Array:
    if _is_plain(kind):
        return column
    values = column.to_pylist()
    if pa.types.is_binary(kind):
        return pa.array([None if value is None else "0x" + value.hex() for value in values])
    return pa.array([msgspec.json.encode(value).decode() for value in values], pa.string())


_WRITERS = {
    ExportFormat.PARQUET: _write_parquet,
    ExportFormat.CSV: _write_csv,
    ExportFormat.JSON_LINES: _write_json,
}
