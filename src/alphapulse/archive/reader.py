"""Reads an archive in its total order and believes nothing: checksums, positions and counts must hold.

An archive is on any pyarrow filesystem; its journals, where there are any, on this machine's disk. What is
asked for by time, domain, type, instrument or trace is looked for only in the files and row groups that
can hold it.
"""

import hashlib
import struct
from collections.abc import Callable, Iterator
from pathlib import Path, PurePath

import msgspec
from pyarrow import fs

from alphapulse.archive.delivery import DeliveredMessage, delivered
from alphapulse.archive.index import KeyFilter, trace_key
from alphapulse.archive.journal import Journal, journals_of, read_journal
from alphapulse.archive.manifest import (
    MANIFEST_NAME,
    ArchiveState,
    Manifest,
    TableFacts,
    load_manifest,
)
from alphapulse.archive.schema import EXPIRED_NAME, FRAMES, JOURNALS, MESSAGES, SEALS
from alphapulse.archive.sealer import Expired
from alphapulse.archive.seals import Seal, SegmentFile, load_seal
from alphapulse.archive.selection import EVERYTHING, Query
from alphapulse.archive.tables import ParquetRows
from alphapulse.errors import ArchiveCorrupt, InvalidData, Misconfigured
from alphapulse.protocol.codec import decode
from alphapulse.protocol.message import Message

__all__ = ["ArchiveReader", "Frame", "ReadStatistics", "Recorded"]

_LENGTH = struct.Struct("<I")
_SEVERAL = 2
_TELL_ROWS = 1_000


class Frame(msgspec.Struct, frozen=True):
    """A raw frame as a connection delivered it."""

    position: int
    recv_ns: int
    connection: str
    payload: bytes


class Recorded(msgspec.Struct, frozen=True):
    """A message as it was recorded, and where: `path` and `row` name it when it turns out to be none."""

    position: int
    raw: bytes
    path: str
    row: int

    def message(self) -> Message:
        """Return the message.

        Raises  ArchiveCorrupt when the bytes are none.
        """
        try:
            return decode(self.raw)
        except InvalidData as error:
            raise ArchiveCorrupt(self.path, self.row, f"not a message: {error}") from error


class ReadStatistics(msgspec.Struct, frozen=True):
    """What queries touched of all they could have touched."""

    row_groups_read: int
    row_groups_skipped: int
    files_skipped: int


class ArchiveReader:
    """One archive. That of a killed process is read to the last whole record of its journal."""

    def __init__(
        self,
        root: PurePath,
        filesystem: fs.FileSystem | None = None,
        *,
        journals: Path | None = None,
    ) -> None:
        """Open an archive; `root` is a path of the filesystem, this machine's unless told otherwise.

        Raises  Misconfigured when the folder is no archive; ArchiveCorrupt for a broken manifest.
        """
        self._root = root
        self._filesystem = filesystem or fs.LocalFileSystem()
        self._journals = journals or (Path(root) / JOURNALS if filesystem is None else None)
        self._read = [0, 0, 0]
        path = root / MANIFEST_NAME
        try:
            data = self._bytes_of(path)
        except OSError as error:
            detail = error.strerror or str(error)
            raise Misconfigured(
                f"`{root}` is not an archive: `{MANIFEST_NAME}` cannot be read ({detail})"
            ) from error
        self.manifest: Manifest = load_manifest(data, str(path))

    def messages(self, query: Query = EVERYTHING, *, seen_by: str = "") -> Iterator[Message]:
        """Yield messages in the order of the record, or in the order in which one process saw them.

        Raises  ArchiveCorrupt naming file and row; Misconfigured when that process left no order.
        """
        if seen_by:
            for one in self.deliveries(seen_by):
                if query.admits(one.message):
                    yield one.message
            return
        for recorded in self.recorded(query):
            yield recorded.message()

    def deliveries(self, seen_by: str) -> Iterator[DeliveredMessage]:
        """Yield what the bus of one process delivered, in its order, each with the `now_ns` it came with.

        Raises  as `messages`.
        """
        return delivered(
            lambda: ((one.position, one.message()) for one in self.recorded()), seen_by
        )

    def encoded(self) -> Iterator[bytes]:
        """Yield the bytes of every message, rebuilt and compared with their checksums.

        Raises  ArchiveCorrupt naming file and row.
        """
        for recorded in self.recorded():
            yield recorded.raw

    def recorded(self, query: Query = EVERYTHING) -> Iterator[Recorded]:
        """Yield the messages that a query admits, in the order of the record.

        Raises  ArchiveCorrupt naming file and row.
        """
        is_whole = query == EVERYTHING
        position = self.expired().messages
        for first, count, where in self._segments(MESSAGES):
            if is_whole and first != position:
                raise ArchiveCorrupt(
                    str(where[0]), 0, f"position {position} must come next, a segment is missing"
                )
            for one in self._segment_rows(where, query):
                if is_whole and one.position != position:
                    raise ArchiveCorrupt(
                        one.path, one.row, f"position must be {position}, was {one.position}"
                    )
                position = one.position + 1
                if is_whole or query.admits_bytes(one.raw):
                    yield one
            if is_whole and position != first + count:
                raise ArchiveCorrupt(
                    str(self._root / MESSAGES),
                    position,
                    f"position {position} must come next, a file is missing",
                )
        self._count(MESSAGES, position, self.manifest.messages, is_whole=is_whole)

    def frames(self, query: Query = EVERYTHING) -> Iterator[Frame]:
        """Yield raw frames in the order of arrival; of a query only its times count.

        Raises  ArchiveCorrupt naming file and row.
        """
        is_whole = query == EVERYTHING
        position = self.expired().frames
        for first, _, where in self._segments(FRAMES):
            if is_whole and first != position:
                raise ArchiveCorrupt(
                    str(where[0]), 0, f"position {position} must come next, a segment is missing"
                )
            for row in self._frame_rows(where, query):
                if is_whole and row[0] != position:
                    raise ArchiveCorrupt(
                        str(where[0]), 0, f"position must be {position}, was {row[0]}"
                    )
                position = row[0] + 1
                if is_whole or query.admits_time(row[1]):
                    yield Frame(*row)
        self._count(FRAMES, position, self.manifest.frames, is_whole=is_whole)

    def verify(self, progress: Callable[[int], None] | None = None) -> Manifest:
        """Read everything, compare counts and digests with the manifest, and return it.

        `progress` is told how many rows of a table were read.

        Raises  ArchiveCorrupt naming what differs.
        """
        expired = self.expired()
        payloads = (frame.payload for frame in self.frames())
        for rows, table, facts, gone in (
            (self.encoded(), MESSAGES, self.manifest.messages, expired.messages),
            (payloads, FRAMES, self.manifest.frames, expired.frames),
        ):
            count, found = _digest_of(rows, progress)
            is_final = self.manifest.state is not ArchiveState.OPEN and not gone
            if is_final and found != facts.sha256:
                raise ArchiveCorrupt(table, count, f"sha256 must be `{facts.sha256}`")
        return self.manifest

    def statistics(self) -> ReadStatistics:
        """Return a frozen view of what queries touched."""
        return ReadStatistics(*self._read)

    def expired(self) -> Expired:
        """Return what retention has removed."""
        try:
            data = self._bytes_of(self._root / SEALS / EXPIRED_NAME)
        except FileNotFoundError:
            return Expired()
        return msgspec.json.decode(data, type=Expired)

    def seals(self) -> list[Seal]:
        """Return the seals in order."""
        return [item for _, item in self._parts() if isinstance(item, Seal)]

    def open_journals(self) -> list[Journal]:
        """Return what no seal stands for yet."""
        return [item for _, item in self._parts() if isinstance(item, Journal)]

    def files(self, table: str) -> list[SegmentFile]:
        """Return the finished files of a table."""
        return [file for seal in self.seals() for file in seal.files if file.table == table]

    def open_file(self, file: SegmentFile) -> ParquetRows:
        """Open a finished file.

        Raises  ArchiveCorrupt when it cannot be read.
        """
        path = self._root / file.path
        try:
            source = self._filesystem.open_input_file(str(path))
        except FileNotFoundError as error:
            raise ArchiveCorrupt(
                str(path), 0, f"position {file.first} must come next, a segment is missing"
            ) from error
        except OSError as error:
            raise ArchiveCorrupt(str(path), 0, f"the segment cannot be read: {error}") from error
        return ParquetRows(source, str(path))

    def _parts(self) -> list[tuple[PurePath, Seal | Journal]]:
        expired = self.expired()
        found: dict[int, tuple[PurePath, Seal | Journal]] = {}
        journals = journals_of(self._journals) if self._journals is not None else []
        for number, path in self._seal_paths():
            seal = load_seal(self._bytes_of(path))
            if seal is not None and seal.number >= expired.seal:
                found[number] = (path, seal)
            elif seal is None and all(one != number for one, _ in journals):
                raise ArchiveCorrupt(str(path), 0, "the seal cannot be read (checksum)")
        for number, path in journals:
            if number in found:
                continue
            try:
                journal = read_journal(path)
            except FileNotFoundError:  # sealed since the seals were listed
                return self._parts()
            if journal is not None:
                found[number] = (path, journal)
        return [found[number] for number in sorted(found)]

    def _seal_paths(self) -> list[tuple[int, PurePath]]:
        folder = self._root / SEALS
        selector = fs.FileSelector(str(folder), allow_not_found=True)
        found = []
        for info in self._filesystem.get_file_info(selector):
            name = info.base_name
            if name.startswith("seal-") and name.endswith(".json"):
                digits = name[5:-5]
                if not digits.isdecimal():
                    raise ArchiveCorrupt(
                        str(folder / name), 0, "the name of a seal must carry a number"
                    )
                found.append((int(digits), folder / name))
        return sorted(found)

    def _segments(self, table: str) -> Iterator[tuple[int, int, tuple[PurePath, Seal | Journal]]]:
        for path, part in self._parts():
            if isinstance(part, Seal):
                is_messages = table == MESSAGES
                first = part.first_message if is_messages else part.first_frame
                count = part.messages if is_messages else part.frames
            else:
                first = part.head.first_message if table == MESSAGES else part.head.first_frame
                count = len(part.messages if table == MESSAGES else part.frames)
            if count:
                yield first, count, (path, part)

    def _segment_rows(
        self, where: tuple[PurePath, Seal | Journal], query: Query
    ) -> Iterator[Recorded]:
        path, part = where
        if isinstance(part, Journal):
            for row, (position, raw) in enumerate(part.messages):
                yield Recorded(position, raw, str(path), row)
            return
        files = [file for file in part.files if file.table == MESSAGES]
        wanted = [file for file in files if query.admits_file(file)]
        self._read[2] += len(files) - len(wanted)
        rows = []
        for file in wanted:
            opened = self.open_file(file)
            try:
                for group in self._groups(opened, query):
                    start = sum(one.rows for one in opened.groups[:group])
                    rows += [
                        Recorded(position, raw, opened.path, start + index)
                        for index, (position, raw) in enumerate(opened.messages(group))
                    ]
            finally:
                opened.close()
        rows.sort(key=lambda one: one.position)
        yield from rows

    def _frame_rows(
        self, where: tuple[PurePath, Seal | Journal], query: Query
    ) -> Iterator[tuple[int, int, str, bytes]]:
        _, part = where
        if isinstance(part, Journal):
            yield from part.frames
            return
        wanted = [
            file
            for file in part.files
            if file.table == FRAMES and query.admits_span(file.min_ns, file.max_ns)
        ]
        rows = (row for file in wanted for row in self._rows_of_frames(file))
        # Frames of one day are in order; a clock that steps back over midnight leaves two days side by side.
        yield from rows if len(wanted) < _SEVERAL else sorted(rows)

    def _rows_of_frames(self, file: SegmentFile) -> Iterator[tuple[int, int, str, bytes]]:
        opened = self.open_file(file)
        try:
            for group in range(len(opened.groups)):
                yield from opened.frames(group)
        finally:
            opened.close()

    def _groups(self, opened: ParquetRows, query: Query) -> Iterator[int]:
        for group, facts in enumerate(opened.groups):
            bounds = opened.bounds(group, "timestamp_ns")
            is_wanted = bounds is None or query.admits_span(*bounds)
            if is_wanted and query.trace_id is not None:
                is_wanted = _admits(facts.traces, trace_key(query.trace_id))
            if is_wanted and query.instruments:
                is_wanted = any(
                    _admits(facts.instruments, one.asset_id) for one in query.instruments
                )
            self._read[0 if is_wanted else 1] += 1
            if is_wanted:
                yield group

    def _count(self, table: str, position: int, facts: TableFacts, *, is_whole: bool) -> None:
        if is_whole and self.manifest.state is not ArchiveState.OPEN and position != facts.rows:
            raise ArchiveCorrupt(
                str(self._root / table), position, f"must hold {facts.rows} rows, held {position}"
            )

    def _bytes_of(self, path: PurePath) -> bytes:
        with self._filesystem.open_input_stream(str(path)) as source:
            return bytes(source.read())


def _admits(text: str, key: int) -> bool:
    return bool(text) and KeyFilter.parse(text).admits(key)


def _digest_of(rows: Iterator[bytes], progress: Callable[[int], None] | None) -> tuple[int, str]:
    digest = hashlib.sha256()
    count = 0
    for raw in rows:
        digest.update(_LENGTH.pack(len(raw)) + raw)
        count += 1
        if progress is not None and count % _TELL_ROWS == 0:
            progress(count)
    return count, digest.hexdigest()
