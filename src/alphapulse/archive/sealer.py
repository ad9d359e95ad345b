"""Turns finished journals into sealed segments, apart from the thread that records.

On a disk compaction runs in a process of its own: it would otherwise hold the interpreter that the hot path
needs. A storage that refuses is asked again and again; until it takes a segment its journal is the record.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path, PurePath
from queue import Empty, SimpleQueue
from threading import Event, Thread

import msgspec
import pyarrow as pa

from alphapulse.archive.journal import journal_path
from alphapulse.archive.schema import EXPIRED_NAME, SEALS, seal_path
from alphapulse.archive.seals import Seal, load_seal, seal_journal
from alphapulse.archive.storage import DiskStorage, Storage
from alphapulse.errors import ArchiveCorrupt

__all__ = ["Expired", "Retention", "Sealer"]

_POLL_S = 5.0  # seconds; a job wakes the thread earlier
_PATIENCE_S = 600  # of one compaction in its own process; a segment takes seconds
_DAY_NS = 86_400 * 10**9


class Retention(msgspec.Struct, frozen=True):
    """How long sealed segments are kept, by age and by stored bytes; 0 is for ever, the default."""

    days: int = 0
    stored_bytes: int = 0


class Expired(msgspec.Struct, frozen=True):
    """What retention has removed: everything before these positions and this seal."""

    seal: int = 0
    messages: int = 0
    frames: int = 0


class Sealer:
    """Seals journals in the order of their numbers. `on_error` hears of a refusal, and "" when it is over."""

    def __init__(
        self,
        root: PurePath,
        journals: Path,
        storage: Storage,
        *,
        clock: Callable[[], int],
        on_error: Callable[[str], None],
        retention: Retention,
        retry_s: float,
    ) -> None:
        self._root = root
        self._journals = journals
        self._storage = storage
        self._clock = clock
        self._on_error = on_error
        self._retention = retention
        self._retry_s = retry_s
        self._jobs: SimpleQueue[int | None] = SimpleQueue()
        self._closing = Event()
        self._kept: list[Seal] = []
        self._expired = Expired()
        self.error = ""
        self.sealed: set[int] = set()
        self.segments = [0, 0]  # files of messages, of frames
        self.stored_bytes = [0, 0]
        self._thread = Thread(target=self._run, name="archive-sealer", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def seal(self, number: int) -> None:
        """Take a finished journal."""
        self._jobs.put(number)

    def close(self) -> None:
        """Seal what waits, each once more at most, and end."""
        self._closing.set()
        self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        while True:
            try:
                number = self._jobs.get(timeout=_POLL_S)
            except Empty:
                continue
            if number is None:
                return
            while not self._sealed(number):
                if self._closing.wait(self._retry_s) and not self._sealed(number):
                    break

    def _sealed(self, number: int) -> bool:
        journal = journal_path(self._journals, number)
        try:
            if isinstance(self._storage, DiskStorage) and not self._closing.is_set():
                seal = self._seal_apart(number)
            else:
                seal = seal_journal(journal, self._root, self._storage)
        except (OSError, pa.ArrowException, ArchiveCorrupt, subprocess.TimeoutExpired) as error:
            self.error = f"segment {number} cannot be stored: {error}"
            self._on_error(self.error)
            return False
        if self.error:
            self.error = ""
            self._on_error("")
        for file in seal.files:
            index = 0 if file.table == "messages" else 1
            self.segments[index] += 1
            self.stored_bytes[index] += file.stored_bytes
        self.sealed.add(number)
        self._kept.append(seal)
        self._expire()
        return True

    def _seal_apart(self, number: int) -> Seal:
        """Seal in a child process.

        Raises  OSError with what the child said.
        """
        done = subprocess.run(  # noqa: S603  # ourselves
            [
                sys.executable,
                "-m",
                "alphapulse.archive.seals",
                str(self._root),
                str(self._journals),
                str(number),
            ],
            env=dict(os.environ, PYTHONPATH=os.pathsep.join(path for path in sys.path if path)),
            capture_output=True,
            text=True,
            timeout=_PATIENCE_S,
            check=False,
        )
        path = Path(seal_path(self._root, number))
        seal = load_seal(path.read_bytes()) if path.exists() else None
        if seal is None:
            raise OSError((done.stderr.strip().splitlines() or ["compaction ended early"])[-1])
        return seal

    def _expire(self) -> None:
        """Remove the oldest segments beyond the retention, after saying so."""
        limits = self._retention
        while len(self._kept) > 1:
            oldest = self._kept[0]
            age_ns = self._clock() - max((file.max_ns for file in oldest.files), default=0)
            is_old = limits.days > 0 and age_ns > limits.days * _DAY_NS
            stored = sum(file.stored_bytes for seal in self._kept for file in seal.files)
            if not is_old and not 0 < limits.stored_bytes < stored:
                return
            following = self._kept[1]
            self._expired = Expired(
                following.number, following.first_message, following.first_frame
            )
            try:
                body = msgspec.json.encode(self._expired)
                self._storage.write_file(self._root / SEALS / EXPIRED_NAME, body)
                for file in oldest.files:
                    self._storage.remove(self._root / file.path)
                self._storage.remove(seal_path(self._root, oldest.number))
            except OSError as error:
                self.error = f"segment {oldest.number} cannot be removed: {error}"
                self._on_error(self.error)
                return
            self._kept.pop(0)
