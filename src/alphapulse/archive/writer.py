"""Writes the archive behind the hot path: one bounded queue, one thread, one disk.

The hot path only appends a reference to a queue: messages are immutable, so they are encoded in the
writer's thread (`benchmarks/archive.py` compares both places and what each costs the hot path). The
thread works in small steps and sleeps between them, because what it holds while it encodes, the
interpreter, is what the hot path needs.

What happens when the disk is slow or full: the queue fills, `BEHIND` is reported at half its bound.
At the bound, or when the disk refuses, the record ends there: what follows is counted as lost and
never written, so that the archive stays an exact prefix of the run and can be replayed. The manifest
says `incomplete` and why, and the owner is told through `on_state`: who cannot remember stops trading.
"""

import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any

import msgspec
import pyarrow as pa

from alphapulse.archive.manifest import MANIFEST_NAME, ArchiveState, Manifest, dump_manifest
from alphapulse.archive.rows import FrameRows, MessageRows, TableBuilder
from alphapulse.archive.schema import FRAMES, MESSAGES, date_of, segment_path
from alphapulse.archive.storage import DiskStorage, Storage
from alphapulse.errors import AlphaPulseError, InvariantError, Misconfigured
from alphapulse.protocol.message import Message

__all__ = ["ArchiveLimits", "ArchiveStatistics", "ArchiveWriter"]

_STEP_ROWS = (
    16  # encoded in a tenth of a millisecond, the longest the hot path waits for the thread
)
_STEP_PAUSE_S = 0.0001  # seconds; long enough for a waiting thread to wake up and go on
_POLL_S = 0.02  # seconds; a queue that is looked at needs no signal from the hot path


class ArchiveLimits(msgspec.Struct, frozen=True):
    """Bounds of what waits in memory, and how often a segment is closed.

    A killed process loses what it had not flushed: at most `flush_seconds` of the record. The queue
    holds a minute of a busy chain; its frames may take 64 MiB, more than a minute of any feed.
    """

    queue_rows: int = 65_536
    queue_frame_bytes: int = 64 << 20
    flush_rows: int = 16_384
    flush_seconds: int = 5
    stalled_seconds: int = 10
    close_seconds: int = 30


class ArchiveStatistics(msgspec.Struct, frozen=True):
    """Where the writer stands; `lost` counts what the record will never hold.

    `waiting` rows are in no segment yet, `queued` of them the writer has not even looked at;
    `writing_since_ns` is 0 while no segment is being written.
    """

    state: ArchiveState
    cause: str
    messages_stored: int
    frames_stored: int
    lost: int
    waiting: int
    queued: int
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
        root: Path,
        clock: Callable[[], int],
        *,
        facts: Mapping[str, Any] | None = None,
        on_state: Callable[[ArchiveState, str], None] | None = None,
        limits: ArchiveLimits | None = None,
        storage: Storage | None = None,
    ) -> None:
        self._root = root
        self._clock = clock
        self._facts = dict(facts or {})
        self._on_state = on_state
        self._limits = limits or ArchiveLimits()
        self._storage = storage or DiskStorage()
        self._queue: deque[tuple[Any, ...]] = deque()
        self._messages = TableBuilder(MessageRows())
        self._frames = TableBuilder(FrameRows())
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
        messages, frames = self._messages.facts(), self._frames.facts()
        return ArchiveStatistics(
            state=self._state,
            cause=self._cause,
            messages_stored=messages.rows,
            frames_stored=frames.rows,
            lost=self._refused if self._thread.is_alive() else self._unstored(),
            waiting=len(self._queue) + self._messages.size + self._frames.size,
            queued=len(self._queue),
            writing_since_ns=self._busy_since_ns,
            deepest_queue=self._deepest_queue,
            segments=messages.segments + frames.segments,
            raw_bytes=messages.raw_bytes + frames.raw_bytes,
            stored_bytes=messages.stored_bytes + frames.stored_bytes,
        )

    def _prepare(self) -> None:
        manifest = self._root / MANIFEST_NAME
        if manifest.exists():
            raise Misconfigured(
                f"`{self._root}` already holds an archive; choose another folder, one per run"
            )
        try:
            self._root.mkdir(parents=True, exist_ok=True)
            self._storage.write_file(manifest, dump_manifest(self._manifest(0)))
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
        return self._handed_over - self._messages.facts().rows - self._frames.facts().rows

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

    def _run(self) -> None:
        cause = "the writer's thread ended by a mistake of its own"
        try:
            self._write_behind()
            cause = ""
        except (OSError, pa.ArrowException) as error:
            cause = f"the disk refused: {error}"
        finally:
            if cause:
                self._end(cause)
                self._queue.clear()
            if self._state is ArchiveState.INCOMPLETE:
                self._write_manifest(self._manifest(0))

    def _write_behind(self) -> None:
        told = False
        while not (self._closing.is_set() and not self._queue):
            self._closing.wait(_POLL_S)
            self._take_waiting()
            self._flush_due()
            if self._state is ArchiveState.BEHIND:
                self._change(ArchiveState.OPEN, "")
            if self._state is ArchiveState.INCOMPLETE and not told:
                self._flush_all()
                self._write_manifest(self._manifest(0))
                told = True
        self._flush_all()

    def _take_waiting(self) -> None:
        while self._queue:
            now_ns = self._clock()
            for _ in range(min(_STEP_ROWS, len(self._queue))):
                self._take(self._queue.popleft(), now_ns)
            if not self._closing.is_set():
                time.sleep(_STEP_PAUSE_S)

    def _take(self, item: tuple[Any, ...], now_ns: int) -> None:
        if self._sealed:
            return
        if not isinstance(item[0], Message):
            self._frame_bytes_out += len(item[0])
            self._add(self._frames, FRAMES, item, item[1], now_ns)
            return
        try:
            self._add(self._messages, MESSAGES, item, item[0].header.timestamp_ns, now_ns)
        except AlphaPulseError as error:
            self._sealed = True
            self._end(f"a message has no encoding: {error}")

    def _add(
        self,
        builder: TableBuilder[Any],
        table: str,
        item: tuple[Any, ...],
        time_ns: int,
        now_ns: int,
    ) -> None:
        if builder.size >= self._limits.flush_rows or builder.is_new_day(time_ns):
            self._flush(builder, table)
        builder.add(item, now_ns)

    def _flush_due(self) -> None:
        oldest_ns = self._clock() - self._limits.flush_seconds * 10**9
        for builder, table in ((self._messages, MESSAGES), (self._frames, FRAMES)):
            if builder.size and builder.opened_ns <= oldest_ns:
                self._flush(builder, table)

    def _flush_all(self) -> None:
        self._flush(self._messages, MESSAGES)
        self._flush(self._frames, FRAMES)

    def _flush(self, builder: TableBuilder[Any], table: str) -> None:
        if not builder.size:
            return
        path = segment_path(self._root, table, date_of(builder.day), builder.first_position)
        self._busy_since_ns = self._clock()
        builder.stored(self._storage.write_segment(path, builder.table()))
        self._busy_since_ns = 0

    def _manifest(self, closed_ns: int) -> Manifest:
        return Manifest(
            state=ArchiveState.OPEN if self._state is ArchiveState.BEHIND else self._state,
            opened_ns=self._opened_ns,
            closed_ns=closed_ns,
            cause=self._cause,
            lost=self._unstored() if self._ended else 0,
            messages=self._messages.facts(),
            frames=self._frames.facts(),
            facts=self._facts,
        )

    def _write_manifest(self, manifest: Manifest) -> None:
        try:
            self._storage.write_file(self._root / MANIFEST_NAME, dump_manifest(manifest))
        except OSError as error:
            self._change(ArchiveState.INCOMPLETE, f"the manifest cannot be written: {error}")
