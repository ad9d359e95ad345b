"""Reads an archive in its total order and believes nothing: checksums, positions and counts must hold."""

import hashlib
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from alphapulse.archive.manifest import (
    MANIFEST_NAME,
    ArchiveState,
    Manifest,
    TableFacts,
    load_manifest,
)
from alphapulse.archive.rows import trace_tail
from alphapulse.archive.schema import (
    FRAME_SCHEMA,
    FRAMES,
    MESSAGE_SCHEMA,
    MESSAGES,
    segments_of,
)
from alphapulse.errors import ArchiveCorrupt, InvalidData, Misconfigured
from alphapulse.protocol.codec import decode
from alphapulse.protocol.header import Header, pack_header
from alphapulse.protocol.message import Message

__all__ = ["ArchiveReader", "Frame"]

_BATCH_ROWS = 1024
_LENGTH = struct.Struct("<I")
_CHECKSUM_OFFSET = 28


class Frame(msgspec.Struct, frozen=True):
    """A raw frame as a connection delivered it."""

    position: int
    recv_ns: int
    connection: str
    payload: bytes


class ArchiveReader:
    """One archive folder. An archive whose process was killed is read up to its last whole segment."""

    def __init__(self, root: Path) -> None:
        """Open an archive.

        Raises  Misconfigured when the folder is no archive; ArchiveCorrupt for a broken manifest.
        """
        self._root = root
        path = root / MANIFEST_NAME
        try:
            data = path.read_bytes()
        except OSError as error:
            raise Misconfigured(
                f"`{root}` is not an archive: `{MANIFEST_NAME}` cannot be read ({error.strerror})"
            ) from error
        self.manifest: Manifest = load_manifest(data, str(path))

    def messages(self) -> Iterator[Message]:
        """Yield every message in the order in which the components saw it.

        Raises  ArchiveCorrupt naming file and row.
        """
        for path, row, raw in self._encoded():
            try:
                yield decode(raw, verify=False)
            except InvalidData as error:
                raise ArchiveCorrupt(str(path), row, f"not a message: {error}") from error

    def encoded(self) -> Iterator[bytes]:
        """Yield the bytes of every message, checksums verified, without decoding them.

        Raises  ArchiveCorrupt naming file and row.
        """
        for _, _, raw in self._encoded():
            yield raw

    def frames(self) -> Iterator[Frame]:
        """Yield every raw frame in the order of arrival.

        Raises  ArchiveCorrupt naming file and row.
        """
        for _, _, values in self._rows(FRAMES, FRAME_SCHEMA, self.manifest.frames):
            yield Frame(*values)

    def verify(self) -> Manifest:
        """Read everything, compare counts and digests with the manifest, and return it.

        Raises  ArchiveCorrupt naming what differs.
        """
        _compare(self.encoded(), self.manifest, MESSAGES, self.manifest.messages)
        payloads = (frame.payload for frame in self.frames())
        _compare(payloads, self.manifest, FRAMES, self.manifest.frames)
        return self.manifest

    def _encoded(self) -> Iterator[tuple[Path, int, bytes]]:
        rows = self._rows(MESSAGES, MESSAGE_SCHEMA, self.manifest.messages)
        for path, row, values in rows:
            try:
                raw, checksum = _raw_message(values)
            except InvalidData as error:
                raise ArchiveCorrupt(str(path), row, f"not a message: {error}") from error
            found = int.from_bytes(raw[_CHECKSUM_OFFSET : _CHECKSUM_OFFSET + 4], "little")
            if found != checksum:
                raise ArchiveCorrupt(
                    str(path), row, f"checksum must be {checksum:#010x}, was {found:#010x}"
                )
            yield path, row, raw

    def _rows(
        self, table: str, schema: pa.Schema, facts: TableFacts
    ) -> Iterator[tuple[Path, int, tuple[Any, ...]]]:
        position = 0
        for first, path in segments_of(self._root, table):
            if first != position:
                raise ArchiveCorrupt(
                    str(path), 0, f"position {position} must come next, a segment is missing"
                )
            for row, values in _segment_rows(path, schema):
                if values[0] != position:
                    raise ArchiveCorrupt(
                        str(path), row, f"position must be {position}, was {values[0]}"
                    )
                yield path, row, values
                position += 1
        if self.manifest.state is not ArchiveState.OPEN and position != facts.rows:
            raise ArchiveCorrupt(
                str(self._root / table), position, f"must hold {facts.rows} rows, held {position}"
            )


def _segment_rows(path: Path, schema: pa.Schema) -> Iterator[tuple[int, tuple[Any, ...]]]:
    row = 0
    try:
        with pq.ParquetFile(path, page_checksum_verification=True, pre_buffer=False) as file:
            if not file.schema_arrow.equals(schema):
                raise ArchiveCorrupt(str(path), 0, "the columns are not those of this table")
            for batch in file.iter_batches(batch_size=_BATCH_ROWS):
                columns = [column.to_pylist() for column in batch.columns]
                for values in zip(*columns, strict=True):
                    yield row, values
                    row += 1
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
        raise ArchiveCorrupt(str(path), row, f"the segment cannot be read: {error}") from error


def _raw_message(values: tuple[Any, ...]) -> tuple[bytes, int]:
    (_, domain, source, flags, sequence, time_ns, _, trace_id, span_id, trace_flags, *rest) = values
    payload, checksum = rest
    if trace_id is not None:
        payload += trace_tail(trace_id[::-1], span_id or 0, trace_flags or 0)
    header = Header(domain, source, flags, sequence, time_ns)
    return pack_header(header, flags, payload) + payload, checksum


def _compare(rows: Iterator[bytes], manifest: Manifest, table: str, facts: TableFacts) -> None:
    digest = hashlib.sha256()
    count = 0
    for raw in rows:
        digest.update(_LENGTH.pack(len(raw)) + raw)
        count += 1
    if manifest.state is ArchiveState.OPEN:
        return
    if digest.hexdigest() != facts.sha256:
        raise ArchiveCorrupt(table, count, f"sha256 must be `{facts.sha256}`")
