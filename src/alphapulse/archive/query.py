"""SQL over an archive: a table for each message type, `messages` and `frames`, in DuckDB.

What a query names is read from the archive, with the archive's own pruning, into a database in memory that may
use a folder of its own on the disk. The rest is not touched. Nothing of the archive can be changed from here.
"""

import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import duckdb
import msgspec
import pyarrow as pa

from alphapulse.archive.flat import FlatTable, flat_tables
from alphapulse.archive.reader import ArchiveReader
from alphapulse.archive.selection import EVERYTHING, Query
from alphapulse.errors import InvalidData, Misconfigured

__all__ = ["Answer", "ask"]

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_BATCH = "incoming"


class Answer(msgspec.Struct, frozen=True):
    """Names of the columns, and the rows."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]


def ask(
    reader: ArchiveReader,
    sql: str,
    query: Query = EVERYTHING,
    progress: Callable[[str, int], None] | None = None,
) -> Answer:
    """Return the answer to one SQL statement over what `query` admits of an archive.

    Raises  Misconfigured when DuckDB refuses the statement; ArchiveCorrupt where the archive is damaged.
    """
    tables = flat_tables()
    named = {word.lower() for word in _WORD.findall(sql)}
    with _database() as database:
        for name, table in tables.items():
            if name in named:
                _load(database, table, table.batches(reader, query), progress)
            else:
                database.execute(_create(table))
        database.execute("SET enable_external_access = false")
        try:
            found = database.execute(sql)
            columns = tuple(column[0] for column in found.description or ())
            return Answer(columns, found.fetchall() if columns else [])
        except duckdb.Error as error:
            raise Misconfigured(f"the query was refused: {error}") from error


@contextmanager
def _database() -> Iterator[duckdb.DuckDBPyConnection]:
    with (
        tempfile.TemporaryDirectory(prefix="alphapulse-sql-") as folder,
        duckdb.connect(":memory:") as database,
    ):
        database.execute(f"SET temp_directory = '{folder}'")
        yield database


def _create(table: FlatTable) -> str:
    columns = ", ".join(f'"{field.name}" {_sql_type(table, field)}' for field in table.schema)
    return f'CREATE TABLE "{table.name}" ({columns})'


def _load(
    database: duckdb.DuckDBPyConnection,
    table: FlatTable,
    batches: Iterator[pa.RecordBatch],
    progress: Callable[[str, int], None] | None,
) -> None:
    database.execute(_create(table))
    rows = 0
    for batch in batches:
        database.register(_BATCH, batch)
        try:
            database.execute(f'INSERT INTO "{table.name}" SELECT * FROM {_BATCH}')  # noqa: S608  # our own names
        except duckdb.Error as error:
            raise InvalidData(f"`{table.name}` does not fit its table: {error}") from error
        database.unregister(_BATCH)
        rows += batch.num_rows
        if progress is not None:
            progress(table.name, rows)


def _sql_type(table: FlatTable, field: pa.Field) -> str:
    if field.name in table.wide:
        return "HUGEINT" if table.wide[field.name] else "UHUGEINT"
    return _spelt(str(field.type), field.type)


def _spelt(text: str, kind: pa.DataType) -> str:
    if text.startswith("list"):
        return _spelt(str(kind.value_type), kind.value_type) + "[]"
    if text.startswith("struct"):
        inner = ", ".join(f'"{one.name}" {_spelt(str(one.type), one.type)}' for one in kind)
        return f"STRUCT({inner})"
    return _NAMES[text]


_NAMES = {
    "uint8": "UTINYINT",
    "uint16": "USMALLINT",
    "uint32": "UINTEGER",
    "uint64": "UBIGINT",
    "int8": "TINYINT",
    "int16": "SMALLINT",
    "int32": "INTEGER",
    "int64": "BIGINT",
    "string": "VARCHAR",
    "binary": "BLOB",
    "timestamp[ns]": "TIMESTAMP_NS",
}
