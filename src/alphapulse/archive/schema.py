"""Columns and file names of the archive.

A message row holds the header's numbers, the TLV bytes, and the checksum its producer would send; the
trailing TraceContext, which every event message has, stands in columns of its own. Header and message
are rebuilt from them byte for byte.
"""

import datetime
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from alphapulse.errors import ArchiveCorrupt

__all__ = [
    "DAY_NS",
    "FRAMES",
    "FRAME_SCHEMA",
    "MESSAGES",
    "MESSAGE_SCHEMA",
    "date_of",
    "parquet_options",
    "segment_path",
    "segments_of",
]

MESSAGES: Final = "messages"
FRAMES: Final = "frames"

MESSAGE_SCHEMA = pa.schema(
    [
        pa.field("position", pa.uint64(), nullable=False),
        pa.field("domain", pa.uint8(), nullable=False),
        pa.field("source", pa.uint8(), nullable=False),
        pa.field("flags", pa.uint8(), nullable=False),
        pa.field("sequence", pa.uint64(), nullable=False),
        pa.field("timestamp_ns", pa.uint64(), nullable=False),
        pa.field("primary_type", pa.uint8(), nullable=False),
        pa.field("trace_id", pa.binary(16)),
        pa.field("span_id", pa.uint64()),
        pa.field("trace_flags", pa.uint8()),
        pa.field("payload", pa.binary(), nullable=False),
        pa.field("checksum", pa.uint32(), nullable=False),
    ]
)

FRAME_SCHEMA = pa.schema(
    [
        pa.field("position", pa.uint64(), nullable=False),
        pa.field("recv_ns", pa.uint64(), nullable=False),
        pa.field("connection", pa.string(), nullable=False),
        pa.field("payload", pa.binary(), nullable=False),
    ]
)

_RISING = ("position", "sequence", "timestamp_ns", "recv_ns")
_FEW_VALUES = ("domain", "source", "flags", "primary_type", "trace_flags", "connection")
_ZSTD_LEVEL = 3
_PAGE_BYTES = 1 << 22
DAY_NS = 86_400 * 10**9
_PREFIX = "part-"
_SUFFIX = ".parquet"


def parquet_options(schema: pa.Schema) -> dict[str, Any]:
    """Return how a table is stored: deltas for what rises, dictionaries for what repeats, zstd."""
    names = schema.names
    return {
        "compression": "zstd",
        "compression_level": _ZSTD_LEVEL,
        "use_dictionary": [name for name in _FEW_VALUES if name in names],
        "column_encoding": {name: "DELTA_BINARY_PACKED" for name in _RISING if name in names},
        "write_statistics": [name for name in _RISING if name in names],
        "data_page_size": _PAGE_BYTES,
        "write_page_checksum": True,
    }


def date_of(day: int) -> str:
    """Return the date of a day, counted from 1970-01-01, as YYYY-MM-DD."""
    return (datetime.date(1970, 1, 1) + datetime.timedelta(days=day)).isoformat()


def segment_path(root: Path, table: str, date: str, first_position: int) -> Path:
    """Return where a segment lives; its name carries the position of its first row."""
    return root / table / f"date={date}" / f"{_PREFIX}{first_position:012d}{_SUFFIX}"


def segments_of(root: Path, table: str) -> list[tuple[int, Path]]:
    """Return the finished segments of a table by first position; unfinished files are not segments.

    Raises  ArchiveCorrupt for a segment whose name carries no position.
    """
    found = []
    for path in (root / table).glob(f"date=*/{_PREFIX}*{_SUFFIX}"):
        digits = path.name.removeprefix(_PREFIX).removesuffix(_SUFFIX)
        if not digits.isdecimal():
            raise ArchiveCorrupt(str(path), 0, "the name of a segment must carry a position")
        found.append((int(digits), path))
    return sorted(found)
