"""A domain's journal on disk: protocol messages back to back in append-only segments, one stream any decoder can read.

A message is handed to the operating system before it is forwarded, so it survives the relay; `flush` hands it to the
disk, so it survives the machine. Every start and every segment begins anew and nothing that was journaled is rewritten:
what a crash tore off can only be the end of a segment, and readers go on with the next one. A segment begins with the
standing of every producer (SequenceSync, sequence 0), because what named an epoch may be in a segment that is gone.
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from alphapulse.errors import JournalUnwritable, Misconfigured
from alphapulse.protocol.header import HEADER_SIZE, checksum_of
from alphapulse.relays.config import DomainConfig
from alphapulse.transport.framing import Block, Framer

__all__ = ["JournalFile", "read_segment"]

_READ_BYTES = 1 << 18
_DAY_S = 86_400
_FILE_MODE = 0o600
_RECOVERED_BYTES = 256 * 2**20
"""Newest journal bytes that a start reads back: the last minutes of any load, in a few seconds."""


def read_segment(path: Path) -> Iterator[Block]:
    """Yield the whole messages of a segment up to its torn end, if it has one; checksums hold."""
    framer = Framer()
    with path.open("rb") as file:
        while data := file.read(_READ_BYTES):
            block = framer.feed(data)
            if block is not None:
                good = _verified(block)
                if len(good):
                    yield good
                if len(good) < len(block):
                    return
            if framer.failure is not None or framer.rejected:
                return


def _verified(block: Block) -> Block:
    for index in range(len(block)):
        message = block.message(index)
        if checksum_of(message) != int.from_bytes(message[28:HEADER_SIZE], "little"):
            starts = block.starts[: index + 1]
            data = block.data[: starts[-1]]
            return Block(data, starts, block.sources[:index], block.sequences[:index])
    return block


class JournalFile:
    """The segments of one domain, written by this process alone."""

    def __init__(
        self, directory: Path, config: DomainConfig, standings: Callable[[], Iterable[bytes]]
    ) -> None:
        self._directory = directory
        self._config = config
        self._standings = standings
        self._lock = -1
        self._file = -1
        self._size = 0
        self.is_dirty = False

    def open(self) -> None:
        """Take the directory for this process.

        Raises  Misconfigured when another relay has it, or it cannot be made.
        """
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(
                self._directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _FILE_MODE
            )
        except OSError as error:
            raise Misconfigured(
                f"`{self._directory}` cannot hold a journal ({error.strerror})"
            ) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(lock)
            raise Misconfigured(
                f"another relay keeps its journal in `{self._directory}`"
            ) from error
        self._lock = lock

    def recovered(self) -> Iterator[Block]:
        """Yield what earlier processes journaled, oldest first, as far back as a start reads."""
        chosen: list[Path] = []
        size = 0
        for path in reversed(self.segments()):
            size += path.stat().st_size
            if chosen and size > _RECOVERED_BYTES:
                break
            chosen.append(path)
        for path in reversed(chosen):
            yield from read_segment(path)

    def segments(self) -> list[Path]:
        """Return the segments, oldest first."""
        return sorted(self._directory.glob("*.messages"))

    def write(self, data: bytes) -> None:
        """Append whole messages.

        Raises  JournalUnwritable; nothing of them is kept, and the next write begins a segment.
        """
        try:
            if self._file < 0 or self._size >= self._config.journal_segment_bytes:
                self._begin_segment()
            self._append(data)
        except OSError as error:
            self._cut_off()
            self.give_up()
            raise JournalUnwritable(str(self._directory), error.strerror or str(error)) from error
        self.is_dirty = True

    def flusher(self) -> Callable[[], None]:
        """Return what hands everything written so far to the disk; it may run in another thread.

        Raises  (when called) OSError.
        """
        self.is_dirty = False
        file = os.dup(self._file) if self._file >= 0 else -1

        def flush() -> None:
            if file < 0:
                return
            try:
                os.fdatasync(file)
            finally:
                os.close(file)

        return flush

    def give_up(self) -> None:
        """Leave the present segment as it is; the next write begins another."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def close(self) -> None:
        """Flush and let go of the directory."""
        with contextlib.suppress(OSError):
            self._end_segment()
        self.give_up()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _begin_segment(self) -> None:
        self._end_segment()
        number = time.time_ns()
        held = self.segments()
        if held:  # the clock may have stepped back, the order of segments must not
            number = max(number, int(held[-1].stem) + 1)
        path = self._directory / f"{number:020d}.messages"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        self._file = os.open(path, flags, _FILE_MODE)
        self._size = 0
        for standing in self._standings():
            self._append(standing)
        if self._config.flush_ms:
            self._sync_directory()
        self._forget_old()

    def _append(self, data: bytes) -> None:
        written = os.write(self._file, data)
        while written < len(data):
            written += os.write(self._file, data[written:])
        self._size += written

    def _cut_off(self) -> None:
        """Take back what was written of messages that did not fit whole; they come again in the next segment."""
        if self._file >= 0:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, self._size)

    def _end_segment(self) -> None:
        if self._file >= 0:
            if self._config.flush_ms and self.is_dirty:
                os.fdatasync(self._file)
            self.give_up()

    def _sync_directory(self) -> None:
        place = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(place)
        finally:
            os.close(place)

    def _forget_old(self) -> None:
        """Remove segments beyond the age, or beyond the size where no age is set; never the newest."""
        kept = self.segments()[:-1]
        if self._config.journal_days:
            oldest = time.time() - self._config.journal_days * _DAY_S
            for path in kept:
                if path.stat().st_mtime < oldest:
                    path.unlink()
            return
        size = 0
        for path in reversed(kept):
            size += path.stat().st_size
            if size > self._config.journal_files_bytes:
                path.unlink()
