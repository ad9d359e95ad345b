"""Where segments and manifests end up; the seam at which disks fail."""

import os
from pathlib import Path
from threading import Event
from typing import Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from alphapulse.archive.schema import parquet_options

__all__ = ["DiskStorage", "FailingStorage", "StalledStorage", "Storage"]


class Storage(Protocol):
    """Puts whole files in place, or raises OSError and leaves the place as it was."""

    def write_segment(self, path: Path, table: pa.Table) -> int:
        """Store an Arrow table and return the bytes it takes."""
        ...

    def write_file(self, path: Path, data: bytes) -> None:
        """Store a small file, replacing the one before."""
        ...


class DiskStorage:
    """A file gets its name after its bytes are on the disk, and the name is on the disk too."""

    def write_segment(self, path: Path, table: pa.Table) -> int:
        """Store an Arrow table as Parquet and return the bytes it takes.

        Raises  OSError when the disk refuses.
        """
        if not path.parent.exists():
            path.parent.mkdir(parents=True)
            _sync(path.parent.parent)
        unfinished = _unfinished(path)
        try:
            pq.write_table(table, unfinished, **parquet_options(table.schema))
            size = unfinished.stat().st_size
            _publish(unfinished, path)
        except OSError:
            unfinished.unlink(missing_ok=True)
            raise
        return size

    def write_file(self, path: Path, data: bytes) -> None:
        """Store a small file, replacing the one before.

        Raises  OSError when the disk refuses.
        """
        unfinished = _unfinished(path)
        try:
            unfinished.write_bytes(data)
            _publish(unfinished, path)
        except OSError:
            unfinished.unlink(missing_ok=True)
            raise


class FailingStorage:
    """A disk that takes a number of segments and then raises the given error on everything."""

    def __init__(self, inner: Storage, segments: int, error: OSError) -> None:
        self._inner = inner
        self._left = segments
        self._error = error

    def write_segment(self, path: Path, table: pa.Table) -> int:
        """Store, or raise once the segments are used up."""
        if self._left <= 0:
            raise self._error
        self._left -= 1
        return self._inner.write_segment(path, table)

    def write_file(self, path: Path, data: bytes) -> None:
        """Store, or raise once the segments are used up."""
        if self._left <= 0:
            raise self._error
        self._inner.write_file(path, data)


class StalledStorage:
    """A disk that answers nothing between `stall` and `release`."""

    def __init__(self, inner: Storage) -> None:
        self._inner = inner
        self._answers = Event()
        self._answers.set()

    def stall(self) -> None:
        """Let every write from now on wait."""
        self._answers.clear()

    def release(self) -> None:
        """Let the waiting writes go on."""
        self._answers.set()

    def write_segment(self, path: Path, table: pa.Table) -> int:
        """Store when released."""
        self._answers.wait()
        return self._inner.write_segment(path, table)

    def write_file(self, path: Path, data: bytes) -> None:
        """Store when released."""
        self._answers.wait()
        self._inner.write_file(path, data)


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
