"""Where segments, seals and manifests end up; the seam at which disks fail."""

import os
from pathlib import Path, PurePath
from threading import Event
from typing import Protocol

import pyarrow as pa
from pyarrow import fs

from alphapulse.archive.schema import JOURNALS
from alphapulse.archive.tables import write_parquet

__all__ = [
    "DiskStorage",
    "FailingStorage",
    "FilesystemStorage",
    "JournalFile",
    "StalledStorage",
    "Storage",
]


class JournalFile(Protocol):
    """An open journal: appended to and nothing else."""

    def append(self, data: bytes) -> None:
        """Hand bytes to the operating system: a killed process has not lost them.

        Raises  OSError when the disk refuses; the file then ends where it ended before.
        """
        ...

    def sync(self) -> None:
        """Wait until the bytes are on the disk: a machine that fails has not lost them."""
        ...

    def close(self) -> None:
        """Close the file."""
        ...


class Storage(Protocol):
    """Puts whole files in place, or raises OSError. Journals are always on this machine's disk."""

    def write_segment(self, path: PurePath, table: pa.Table) -> int:
        """Store an Arrow table as Parquet and return the bytes it takes."""
        ...

    def write_file(self, path: PurePath, data: bytes) -> None:
        """Store a small file, replacing the one before."""
        ...

    def remove(self, path: PurePath) -> None:
        """Remove a file; one that is not there is no error."""
        ...

    def journals(self, root: PurePath) -> Path:
        """Return the folder of this machine in which an archive keeps its journals."""
        ...

    def open_journal(self, path: Path) -> JournalFile:
        """Begin a journal."""
        ...


class _DiskJournal:
    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        self._size = 0

    def append(self, data: bytes) -> None:
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._file, view) :]
        except OSError:
            os.ftruncate(self._file, self._size)
            raise
        self._size += len(data)

    def sync(self) -> None:
        os.fsync(self._file)

    def close(self) -> None:
        os.close(self._file)


class DiskStorage:
    """A file gets its name after its bytes are on the disk, and the name is on the disk too."""

    def write_segment(self, path: PurePath, table: pa.Table) -> int:
        """Store an Arrow table as Parquet and return the bytes it takes.

        Raises  OSError when the disk refuses.
        """
        target = Path(path)
        _make_folder(target.parent)
        unfinished = _unfinished(target)
        try:
            write_parquet(table, unfinished)
            size = unfinished.stat().st_size
            _publish(unfinished, target)
        except OSError:
            unfinished.unlink(missing_ok=True)
            raise
        return size

    def write_file(self, path: PurePath, data: bytes) -> None:
        """Store a small file, replacing the one before.

        Raises  OSError when the disk refuses.
        """
        target = Path(path)
        _make_folder(target.parent)
        unfinished = _unfinished(target)
        try:
            unfinished.write_bytes(data)
            _publish(unfinished, target)
        except OSError:
            unfinished.unlink(missing_ok=True)
            raise

    def remove(self, path: PurePath) -> None:
        """Remove a file."""
        Path(path).unlink(missing_ok=True)

    def journals(self, root: PurePath) -> Path:
        """Return a folder beside the finished segments."""
        return Path(root) / JOURNALS

    def open_journal(self, path: Path) -> JournalFile:
        """Begin a journal."""
        return _DiskJournal(path)


class FilesystemStorage:
    """Any pyarrow filesystem: a file is written in place once and closed, as object stores want it."""

    def __init__(self, filesystem: fs.FileSystem, journals: Path) -> None:
        self._filesystem = filesystem
        self._folder = journals

    def write_segment(self, path: PurePath, table: pa.Table) -> int:
        """Store an Arrow table as Parquet and return the bytes it takes.

        Raises  OSError when the filesystem refuses.
        """
        self._filesystem.create_dir(str(path.parent), recursive=True)
        with self._filesystem.open_output_stream(str(path)) as sink:
            write_parquet(table, sink)
        return int(self._filesystem.get_file_info(str(path)).size)

    def write_file(self, path: PurePath, data: bytes) -> None:
        """Store a small file, replacing the one before.

        Raises  OSError when the filesystem refuses.
        """
        self._filesystem.create_dir(str(path.parent), recursive=True)
        with self._filesystem.open_output_stream(str(path)) as sink:
            sink.write(data)

    def remove(self, path: PurePath) -> None:
        """Remove a file."""
        try:
            self._filesystem.delete_file(str(path))
        except FileNotFoundError:
            return

    def journals(self, root: PurePath) -> Path:
        """Return the folder that was given."""
        return self._folder

    def open_journal(self, path: Path) -> JournalFile:
        """Begin a journal on this machine's disk."""
        return _DiskJournal(path)


class _Gate:
    """What stands before every write of a faulty storage."""

    def __init__(self, inner: Storage) -> None:
        self._inner = inner

    def pass_through(self, size: int) -> None:
        """Return, wait or raise before so many bytes are written."""

    def write_segment(self, path: PurePath, table: pa.Table) -> int:
        """Store when the gate lets it pass."""
        self.pass_through(table.nbytes)
        return self._inner.write_segment(path, table)

    def write_file(self, path: PurePath, data: bytes) -> None:
        """Store when the gate lets it pass."""
        self.pass_through(len(data))
        self._inner.write_file(path, data)

    def remove(self, path: PurePath) -> None:
        """Remove a file."""
        self._inner.remove(path)

    def journals(self, root: PurePath) -> Path:
        """Return the inner storage's folder."""
        return self._inner.journals(root)

    def open_journal(self, path: Path) -> JournalFile:
        """Begin a journal whose writes pass the gate too."""
        return _GatedJournal(self._inner.open_journal(path), self)


class _GatedJournal:
    def __init__(self, inner: JournalFile, gate: _Gate) -> None:
        self._inner = inner
        self._gate = gate

    def append(self, data: bytes) -> None:
        self._gate.pass_through(len(data))
        self._inner.append(data)

    def sync(self) -> None:
        self._inner.sync()

    def close(self) -> None:
        self._inner.close()


class FailingStorage(_Gate):
    """A disk with some bytes left; what does not fit raises the given error, and so does all that follows."""

    def __init__(self, inner: Storage, free_bytes: int, error: OSError) -> None:
        super().__init__(inner)
        self._free = free_bytes
        self._error = error

    def fill(self) -> None:
        """Leave no room from now on."""
        self._free = 0

    def pass_through(self, size: int) -> None:
        """Raise once the bytes are used up."""
        self._free -= size
        if self._free < 0:
            raise self._error


class StalledStorage(_Gate):
    """A disk that answers nothing between `stall` and `release`."""

    def __init__(self, inner: Storage) -> None:
        super().__init__(inner)
        self._answers = Event()
        self._answers.set()

    def stall(self) -> None:
        """Let every write from now on wait."""
        self._answers.clear()

    def release(self) -> None:
        """Let the waiting writes go on."""
        self._answers.set()

    def pass_through(self, size: int) -> None:
        """Wait until released."""
        self._answers.wait()


def _make_folder(folder: Path) -> None:
    if not folder.exists():
        folder.mkdir(parents=True, exist_ok=True)
        _sync(folder.parent)


def _unfinished(path: Path) -> Path:
    return path.with_name(f".{path.name}.unfinished")


def _publish(unfinished: Path, path: Path) -> None:
    _sync(unfinished)
    unfinished.replace(path)
    _sync(path.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
