"""The open segment: an append-only file of what was recorded last, each record with its length and CRC.

A process that is killed leaves at most one torn record, at the end. Reading stops there, and nowhere else:
damage in front of further records is named.
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

import msgspec

from alphapulse.errors import ArchiveCorrupt

__all__ = [
    "Journal",
    "JournalHead",
    "frame_record",
    "journal_path",
    "journals_of",
    "message_record",
    "pack_head",
    "read_journal",
]

_MAGIC = b"APJRNL2\n"
_HEAD = struct.Struct("<8sQQQI")
_RECORD = struct.Struct("<II")
_FRAME = struct.Struct("<BQB")
_MESSAGE_KIND = b"\x01"
_FRAME_KIND = 2
_PREFIX = "journal-"
_SUFFIX = ".log"


class JournalHead(msgspec.Struct, frozen=True):
    """Number of a journal, and the positions at which its messages and frames begin."""

    number: int
    first_message: int
    first_frame: int


class Journal(msgspec.Struct, frozen=True):
    """What a journal holds: positions with messages, and rows of frames."""

    head: JournalHead
    messages: list[tuple[int, bytes]]
    frames: list[tuple[int, int, str, bytes]]


def journal_path(root: Path, number: int) -> Path:
    """Return where a journal lives."""
    return root / f"{_PREFIX}{number:06d}{_SUFFIX}"


def journals_of(root: Path) -> list[tuple[int, Path]]:
    """Return the journals of a folder by number."""
    found = []
    for path in root.glob(f"{_PREFIX}*{_SUFFIX}"):
        digits = path.name.removeprefix(_PREFIX).removesuffix(_SUFFIX)
        if not digits.isdecimal():
            raise ArchiveCorrupt(str(path), 0, "the name of a journal must carry a number")
        found.append((int(digits), path))
    return sorted(found)


def pack_head(head: JournalHead) -> bytes:
    """Return the first bytes of a journal."""
    body = _HEAD.pack(_MAGIC, head.number, head.first_message, head.first_frame, 0)[:-4]
    return body + crc32(body).to_bytes(4, "little")


def message_record(raw: bytes) -> bytes:
    """Return a message as a record."""
    body = _MESSAGE_KIND + raw
    return _RECORD.pack(len(body), crc32(body)) + body


def frame_record(payload: bytes, recv_ns: int, name: str) -> bytes:
    """Return a raw frame as a record."""
    spelt = name.encode()[:255]
    body = _FRAME.pack(_FRAME_KIND, recv_ns, len(spelt)) + spelt + payload
    return _RECORD.pack(len(body), crc32(body)) + body


def read_journal(path: Path) -> Journal | None:
    """Return what a journal holds up to its torn end; None where not even its head was written.

    Raises  ArchiveCorrupt for damage that no interrupted write explains; FileNotFoundError when it is gone.
    """
    data = path.read_bytes()
    if len(data) < _HEAD.size:
        return None
    magic, number, first_message, first_frame, crc = _HEAD.unpack_from(data)
    if magic != _MAGIC or crc != crc32(data[: _HEAD.size - 4]):
        raise ArchiveCorrupt(str(path), 0, "the head of the journal is damaged (checksum)")
    journal = Journal(JournalHead(number, first_message, first_frame), [], [])
    for body in _bodies(data, path):
        if body[:1] == _MESSAGE_KIND:
            journal.messages.append((first_message + len(journal.messages), body[1:]))
            continue
        _, recv_ns, length = _FRAME.unpack_from(body)
        name = body[_FRAME.size : _FRAME.size + length].decode("utf-8", "replace")
        position = first_frame + len(journal.frames)
        journal.frames.append((position, recv_ns, name, body[_FRAME.size + length :]))
    return journal


def _bodies(data: bytes, path: Path) -> Iterator[bytes]:
    at, end, row = _HEAD.size, len(data), 0
    while at < end:
        if end - at < _RECORD.size:
            return
        length, crc = _RECORD.unpack_from(data, at)
        start, at = at, at + _RECORD.size + length
        if at > end:
            return
        body = data[start + _RECORD.size : at]
        if not length or crc != crc32(body):
            if (
                not data[start:].strip(b"\0") or at == end
            ):  # a lost write leaves zeros, a torn one an end
                return
            raise ArchiveCorrupt(str(path), row, "a record of the journal is damaged (checksum)")
        yield body
        row += 1
