"""Writes the archive behind the hot path: one bounded queue, one thread, one disk.

The hot path only appends a reference to a queue: messages are immutable, so they are encoded in the
writer's thread (`benchmarks/archive.py` compares both places and what each costs the hot path). The
thread works in small steps and sleeps between them, because what it holds while it encodes, the
interpreter, is what the hot path needs. Each step ends in the journal: a killed process loses what it had
not looked at, a machine that fails what was not synced. A full journal is sealed by somebody else.

What happens when the disk is slow or full: the queue fills, `BEHIND` is reported at half its bound.
At the bound, or when the journal cannot be written, the record ends there: what follows is counted as
lost and never written, so that the archive stays an exact prefix of the run and can be replayed. The
manifest says `incomplete` and why, and the owner is told through `on_state`: who cannot remember stops
trading. A place for finished segments that refuses them is `BEHIND` for as long as journals may wait.
"""

import hashlib
import struct
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path, PurePath
from threading import Event, Lock, Thread
from typing import Any

import msgspec

from alphapulse.archive.journal import (
    JournalHead,
    frame_record,
    journal_path,
    message_record,
    pack_head,
)
from alphapulse.archive.manifest import (
    MANIFEST_NAME,
    ArchiveState,
    Manifest,
    TableFacts,
    dump_manifest,
)
from alphapulse.archive.schema import DAY_NS
from alphapulse.archive.sealer import Retention, Sealer
from alphapulse.archive.storage import DiskStorage, JournalFile, Storage
from alphapulse.errors import AlphaPulseError, InvariantError, Misconfigured
from alphapulse.protocol.codec import encode
from alphapulse.protocol.message import Message

__all__ = ["ArchiveLimits", "ArchiveStatistics", "ArchiveWriter"]

_STEP_ROWS = (
    16  # encoded in a tenth of a millisecond, the longest the hot path waits for the thread
)
_STEP_PAUSE_S = 0.0001  # seconds; long enough for a waiting thread to wake up and go on
_LENGTH = struct.Struct("<I")
_POLL_S = 0.02  # seconds; a queue that is looked at needs no signal from the hot path


class ArchiveLimits(msgspec.Struct, frozen=True):
    """Bounds of what waits in memory and of what waits on the disk.

    The queue holds a minute of a busy chain; its frames may take 64 MiB, more than a minute of any feed.
    A segment ends at the first of its rows, bytes, seconds and a new day. A machine that fails loses at
    most `sync_seconds` of the record.
    """

    queue_rows: int = 65_536
    queue_frame_bytes: int = 64 << 20
    segment_rows: int = 65_536
    segment_bytes: int = 64 << 20
    segment_seconds: int = 3_600
    sync_seconds: int = 1
    waiting_segments: int = 64
    stalled_seconds: int = 10
    retry_seconds: float = 5.0
    close_seconds: int = 60
    retention: Retention = Retention()


class ArchiveStatistics(msgspec.Struct, frozen=True):
    """Where the writer stands; `lost` counts what the record will never hold.

    `waiting` rows are in no journal yet; `writing_since_ns` is 0 while nothing is being written.
    """

    state: ArchiveState
    cause: str
    messages_stored: int
    frames_stored: int
    lost: int
    waiting: int
    writing_since_ns: int
    deepest_queue: int
    segments: int
    raw_bytes: int
    stored_bytes: int


class ArchiveWriter:
    """Records everything one process saw and said, in the order in which it is handed over.

    `record_message` and `record_frame` belong to one thread, the hot path's. `on_state` is called
    once per change of state, from the hot path's thread or the writer's own: hand it something that
    is safe in both.
    """

    def __init__(
        self,
        root: PurePath,
        clock: Callable[[], int],
        *,
        facts: Mapping[str, Any] | None = None,
        on_state: Callable[[ArchiveState, str], None] | None = None,
        limits: ArchiveLimits | None = None,
        storage: Storage | None = None,
    ) -> None:
        """Begin an archive at `root` of the storage, the disk unless told otherwise.

        Raises  Misconfigured when there is an archive already, or the place cannot be written.
        """
        self._root = root
        self._clock = clock
        self._facts = dict(facts or {})
        self._on_state = on_state
        self._limits = limits or ArchiveLimits()
        self._storage = storage or DiskStorage()
        self._queue: deque[tuple[Any, ...]] = deque()
        self._journals = self._storage.journals(root)
        self._segment: _Segment | None = None
        self._segments = 0
        self._messages = _Account()
        self._frames = _Account()
        self._seal_error = ""
        self._sealer = Sealer(
            root,
            self._journals,
            self._storage,
            clock=clock,
            on_error=self._seal_failed,
            retention=self._limits.retention,
            retry_s=self._limits.retry_seconds,
        )
        self._waiting_seals = 0
        self._opened_ns = clock()
        self._state = ArchiveState.OPEN
        self._cause = ""
        self._state_lock = Lock()
        self._ended = False
        self._closed: Manifest | None = None
        self._handed_over = 0
        self._refused = 0
        self._sealed = False
        self._frame_bytes_in = 0
        self._frame_bytes_out = 0
        self._deepest_queue = 0
        self._busy_since_ns = 0
        self._closing = Event()
        self._prepare()
        self._sealer.start()
        self._thread = Thread(target=self._run, name="archive-writer", daemon=True)
        self._thread.start()

    @property
    def state(self) -> ArchiveState:
        """`open`, `behind`, `complete` or `incomplete`."""
        return self._state

    def record_message(self, message: Message, encoded: bytes | None = None) -> None:
        """Take a message as the next of the total order; its bytes, when somebody has them already.

        Raises  InvariantError after `close`.
        """
        if self._admits(message.header.timestamp_ns):
            self._queue.append((message, encoded))

    def record_frame(self, payload: bytes, recv_ns: int, name: str) -> None:
        """Take a raw frame of a connection.

        Raises  InvariantError after `close`.
        """
        if self._admits(recv_ns):
            self._frame_bytes_in += len(payload)
            self._queue.append((payload, recv_ns, name))

    def close(self, facts: Mapping[str, Any] | None = None) -> Manifest:
        """Write what waits, then the manifest with counts, digests and the caller's facts.

        A disk that does not finish within `close_seconds` leaves the archive incomplete.
        """
        if self._closed is not None:
            return self._closed
        self._facts.update(facts or {})
        self._ended = True
        self._closing.set()
        self._thread.join(self._limits.close_seconds)
        if self._thread.is_alive():
            self._change(ArchiveState.INCOMPLETE, "the disk did not finish in time")
        else:
            self._change(ArchiveState.COMPLETE, "")
        self._closed = self._manifest(self._clock())
        if not self._thread.is_alive():
            self._write_manifest(self._closed)
            self._closed = self._manifest(self._closed.closed_ns)
        return self._closed

    def statistics(self) -> ArchiveStatistics:
        """Return a frozen view of the counts."""
        messages, frames = self._messages, self._frames
        return ArchiveStatistics(
            state=self._state,
            cause=self._cause,
            messages_stored=messages.rows,
            frames_stored=frames.rows,
            lost=self._refused if self._thread.is_alive() else self._unstored(),
            waiting=len(self._queue),
            writing_since_ns=self._busy_since_ns,
            deepest_queue=self._deepest_queue,
            segments=sum(self._sealer.segments),
            raw_bytes=messages.raw_bytes + frames.raw_bytes,
            stored_bytes=sum(self._sealer.stored_bytes),
        )

    def _prepare(self) -> None:
        manifest = self._root / MANIFEST_NAME
        data = dump_manifest(self._manifest(0))
        is_local = isinstance(self._root, Path)
        if (is_local and Path(manifest).exists()) or any(self._journals.glob("*.log")):
            raise Misconfigured(
                f"`{self._root}` already holds an archive; choose another folder, one per run"
            )
        try:
            self._journals.mkdir(parents=True, exist_ok=True)
            self._storage.write_file(manifest, data)
        except OSError as error:
            raise Misconfigured(
                f"the archive folder `{self._root}` cannot be written: {error.strerror or error}"
            ) from error

    def _admits(self, now_ns: int) -> bool:
        if self._closing.is_set():
            raise InvariantError("the archive is closed, nothing more can be recorded")
        self._handed_over += 1
        if self._ended or not self._has_room(now_ns):
            self._refused += 1
            return False
        return True

    def _has_room(self, now_ns: int) -> bool:
        limits = self._limits
        depth = len(self._queue)
        self._deepest_queue = max(self._deepest_queue, depth)
        if depth >= limits.queue_rows:
            self._end(f"the disk is too slow: {depth} rows wait, the bound of the queue")
            return False
        if self._frame_bytes_in - self._frame_bytes_out > limits.queue_frame_bytes:
            self._end(f"the disk is too slow: frames of {limits.queue_frame_bytes} bytes wait")
            return False
        if self._state is ArchiveState.OPEN:
            if depth * 2 >= limits.queue_rows:
                self._change(ArchiveState.BEHIND, f"{depth} rows wait for the disk")
            elif (
                self._busy_since_ns
                and now_ns - self._busy_since_ns > limits.stalled_seconds * 10**9
            ):
                self._change(ArchiveState.BEHIND, "the disk has not answered for seconds")
        return True

    def _unstored(self) -> int:
        return self._handed_over - self._messages.rows - self._frames.rows

    def _end(self, cause: str) -> None:
        self._ended = True
        self._change(ArchiveState.INCOMPLETE, cause)

    def _change(self, state: ArchiveState, cause: str) -> None:
        with self._state_lock:
            if state is self._state or self._state is ArchiveState.INCOMPLETE:
                return
            self._state = state
            self._cause = cause
        if self._on_state is not None:
            self._on_state(state, cause)

    def _seal_failed(self, error: str) -> None:
        self._seal_error = error
        self._change(ArchiveState.BEHIND if error else ArchiveState.OPEN, error)

    def _run(self) -> None:
        cause = "the writer's thread ended by a mistake of its own"
        try:
            self._write_behind()
            cause = ""
        except OSError as error:
            cause = f"the disk refused: {error}"
        finally:
            if cause:
                self._end(cause)
                self._queue.clear()
            self._end_segment()
            self._sealer.close()
            if self._sealer.error:
                self._change(ArchiveState.INCOMPLETE, self._sealer.error)
            if self._state is ArchiveState.INCOMPLETE:
                self._write_manifest(self._manifest(0))

    def _write_behind(self) -> None:
        told = False
        while not (self._closing.is_set() and not self._queue):
            self._closing.wait(_POLL_S)
            self._take_waiting()
            self._sync_due()
            if self._state is ArchiveState.BEHIND and not self._seal_error:
                self._change(ArchiveState.OPEN, "")
            if self._state is ArchiveState.INCOMPLETE and not told:
                self._write_manifest(self._manifest(0))
                told = True
        if self._segment is not None:
            self._segment.file.sync()

    def _take_waiting(self) -> None:
        while self._queue:
            self._take([self._queue.popleft() for _ in range(min(_STEP_ROWS, len(self._queue)))])
            if not self._closing.is_set():
                time.sleep(_STEP_PAUSE_S)

    def _take(self, items: list[tuple[Any, ...]]) -> None:
        """Put some items into the journal with one write, then account for them."""
        records: list[bytes] = []
        taken: tuple[list[bytes], list[bytes]] = ([], [])
        for item in items:
            is_message = isinstance(item[0], Message)
            if not is_message:
                self._frame_bytes_out += len(item[0])
            if self._sealed:
                continue
            time_ns = item[0].header.timestamp_ns if is_message else item[1]
            if self._segment is None or self._segment.is_over(time_ns, self._limits):
                self._append(records, taken)
                records, taken = [], ([], [])
                self._end_segment()
                self._begin_segment(time_ns)
            if not is_message:
                taken[1].append(item[0])
                records.append(frame_record(*item))
                self._count(records[-1])
                continue
            try:
                raw = item[1] or encode(item[0])
            except AlphaPulseError as error:
                self._sealed = True
                self._end(f"a message has no encoding: {error}")
                continue
            taken[0].append(raw)
            records.append(message_record(raw))
            self._count(records[-1])
        self._append(records, taken)

    def _count(self, record: bytes) -> None:
        assert self._segment is not None
        self._segment.rows += 1
        self._segment.size += len(record)

    def _append(self, records: list[bytes], taken: tuple[list[bytes], list[bytes]]) -> None:
        if not records or self._segment is None:
            return
        self._busy_since_ns = self._clock()
        self._segment.file.append(b"".join(records))
        self._busy_since_ns = 0
        self._messages.add(taken[0])
        self._frames.add(taken[1])

    def _begin_segment(self, time_ns: int) -> None:
        if self._waiting_seals - len(self._sealer.sealed) >= self._limits.waiting_segments:
            raise OSError(f"{self._limits.waiting_segments} segments wait: {self._seal_error}")
        head = JournalHead(self._segments, self._messages.rows, self._frames.rows)
        self._busy_since_ns = self._clock()
        file = self._storage.open_journal(journal_path(self._journals, self._segments))
        file.append(pack_head(head))
        self._busy_since_ns = 0
        self._segment = _Segment(file, time_ns // DAY_NS, self._clock())
        self._segments += 1

    def _end_segment(self) -> None:
        if self._segment is None:
            return
        segment, self._segment = self._segment, None
        segment.file.close()
        self._waiting_seals += 1
        self._sealer.seal(self._segments - 1)

    def _sync_due(self) -> None:
        segment = self._segment
        if segment is None:
            return
        now_ns = self._clock()
        if now_ns - segment.synced_ns >= self._limits.sync_seconds * 10**9:
            self._busy_since_ns = now_ns
            segment.file.sync()
            self._busy_since_ns = 0
            segment.synced_ns = now_ns
        if now_ns - segment.opened_ns >= self._limits.segment_seconds * 10**9:
            self._end_segment()

    def _manifest(self, closed_ns: int) -> Manifest:
        return Manifest(
            state=ArchiveState.OPEN if self._state is ArchiveState.BEHIND else self._state,
            opened_ns=self._opened_ns,
            closed_ns=closed_ns,
            cause=self._cause,
            lost=self._unstored() if self._ended else 0,
            messages=self._messages.facts(self._sealed_files(0)),
            frames=self._frames.facts(self._sealed_files(1)),
            facts=self._facts,
        )

    def _write_manifest(self, manifest: Manifest) -> None:
        try:
            self._storage.write_file(self._root / MANIFEST_NAME, dump_manifest(manifest))
        except OSError as error:
            self._change(ArchiveState.INCOMPLETE, f"the manifest cannot be written: {error}")

    def _sealed_files(self, table: int) -> tuple[int, int]:
        return self._sealer.segments[table], self._sealer.stored_bytes[table]


class _Segment:
    """The open journal."""

    __slots__ = ("day", "file", "opened_ns", "rows", "size", "synced_ns")

    def __init__(self, file: JournalFile, day: int, now_ns: int) -> None:
        self.file = file
        self.day = day
        self.opened_ns = now_ns
        self.synced_ns = now_ns
        self.rows = 0
        self.size = 0

    def is_over(self, time_ns: int, limits: ArchiveLimits) -> bool:
        """Return whether a row of that time belongs in the next one."""
        return (
            self.rows >= limits.segment_rows
            or self.size >= limits.segment_bytes
            or time_ns // DAY_NS > self.day
        )


class _Account:
    """What the journals hold of one table."""

    __slots__ = ("_hash", "raw_bytes", "rows")

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self.rows = 0
        self.raw_bytes = 0

    def add(self, rows: list[bytes]) -> None:
        """Account for rows that were written."""
        for raw in rows:
            self._hash.update(_LENGTH.pack(len(raw)) + raw)
            self.raw_bytes += len(raw)
        self.rows += len(rows)

    def facts(self, files: tuple[int, int]) -> TableFacts:
        """Return the account, with number and bytes of the finished files."""
        return TableFacts(self.rows, files[0], self.raw_bytes, files[1], self._hash.hexdigest())
