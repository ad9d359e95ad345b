"""Compaction: a journal becomes Parquet files by date and domain, and one seal that makes them count.

The files are whole when the seal is written, and the seal carries its own checksum, so nothing rests on
renaming: until there is a seal the journal is the record, afterwards the files are.
"""

import os
import sys
from collections.abc import Iterable
from pathlib import Path, PurePath
from zlib import crc32

import msgspec

from alphapulse.archive.journal import journal_path, read_journal
from alphapulse.archive.schema import DAY_NS, date_of, frames_path, messages_path, seal_path
from alphapulse.archive.storage import DiskStorage, Storage
from alphapulse.archive.tables import RAW_SHAPE, frame_table, message_table, shape_or_raw
from alphapulse.errors import ArchiveCorrupt
from alphapulse.protocol.header import HEADER_SIZE

__all__ = ["Seal", "SegmentFile", "dump_seal", "load_seal", "seal_journal"]

NICENESS = 10  # compaction may wait for everybody else
_DOMAIN_AT = 4
_TIME_AT = slice(20, 28)


class SegmentFile(msgspec.Struct, frozen=True):
    """One Parquet file: what it holds and the bounds by which queries leave it out.

    `types` are all TLV types in it; None where a message is kept whose types nobody looked at.
    """

    path: str
    table: str
    date: str
    domain: int
    rows: int
    raw_bytes: int
    stored_bytes: int
    first: int
    last: int
    min_ns: int
    max_ns: int
    types: tuple[int, ...] | None = None


class Seal(msgspec.Struct, frozen=True):
    """What one journal became."""

    number: int
    first_message: int
    messages: int
    first_frame: int
    frames: int
    files: tuple[SegmentFile, ...] = ()


def dump_seal(seal: Seal) -> bytes:
    """Return a seal as a line with its checksum and JSON."""
    body = msgspec.json.format(msgspec.json.encode(seal), indent=1) + b"\n"
    return b"%08x\n" % crc32(body) + body


def load_seal(data: bytes) -> Seal | None:
    """Return the seal, None where it was not written to its end or is damaged."""
    head, _, body = data.partition(b"\n")
    if head != b"%08x" % crc32(body):
        return None
    try:
        return msgspec.json.decode(body, type=Seal)
    except msgspec.MsgspecError:
        return None


def seal_journal(journal: Path, root: PurePath, storage: Storage) -> Seal:
    """Compact one journal, seal it, and remove it.

    Raises  OSError when the storage refuses: the journal then stays; ArchiveCorrupt when it is damaged.
    """
    content = read_journal(journal)
    if content is None:
        raise ArchiveCorrupt(str(journal), 0, "the journal has no head")
    days: dict[tuple[int, int], list[tuple[int, bytes]]] = {}
    for position, raw in content.messages:
        day = int.from_bytes(raw[_TIME_AT], "little") // DAY_NS
        days.setdefault((day, raw[_DOMAIN_AT]), []).append((position, raw))
    files = [
        _message_file((date_of(day), domain), rows, root, storage)
        for (day, domain), rows in sorted(days.items())
    ]
    frame_days: dict[int, list[tuple[int, int, str, bytes]]] = {}
    for frame in content.frames:
        frame_days.setdefault(frame[1] // DAY_NS, []).append(frame)
    files += [
        _frame_file(date_of(day), frames, root, storage)
        for day, frames in sorted(frame_days.items())
    ]
    head = content.head
    seal = Seal(
        head.number,
        head.first_message,
        len(content.messages),
        head.first_frame,
        len(content.frames),
        tuple(files),
    )
    storage.write_file(seal_path(root, head.number), dump_seal(seal))
    journal.unlink()
    return seal


def _message_file(
    place: tuple[str, int], rows: list[tuple[int, bytes]], root: PurePath, storage: Storage
) -> SegmentFile:
    date, domain = place
    path = messages_path(root, date, domain, rows[0][0])
    size = storage.write_segment(path, message_table(rows))
    times = [int.from_bytes(raw[_TIME_AT], "little") for _, raw in rows]
    shapes = {shape_or_raw(raw) for _, raw in rows if len(raw) > HEADER_SIZE}
    known = (
        None if RAW_SHAPE in shapes else tuple(sorted({number for one in shapes for number in one}))
    )
    return SegmentFile(
        str(path.relative_to(root)),
        "messages",
        date,
        domain,
        len(rows),
        sum(len(raw) for _, raw in rows),
        size,
        rows[0][0],
        rows[-1][0],
        min(times),
        max(times),
        known,
    )


def _frame_file(
    date: str, frames: list[tuple[int, int, str, bytes]], root: PurePath, storage: Storage
) -> SegmentFile:
    path = frames_path(root, date, frames[0][0])
    size = storage.write_segment(path, frame_table(frames))
    times = [frame[1] for frame in frames]
    return SegmentFile(
        str(path.relative_to(root)),
        "frames",
        date,
        0,
        len(frames),
        sum(len(frame[3]) for frame in frames),
        size,
        frames[0][0],
        frames[-1][0],
        min(times),
        max(times),
    )


def main(words: Iterable[str]) -> None:
    """Seal one journal of an archive on this disk, in a process of its own: folder, journals, number."""
    root, journals, number = words
    os.nice(NICENESS)
    seal_journal(journal_path(Path(journals), int(number)), Path(root), DiskStorage())


if __name__ == "__main__":
    main(sys.argv[1:])
