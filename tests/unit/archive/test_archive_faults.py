"""Slow, full and dying disks, and damaged files: decided, visible, and never silent.

Covers: E10, B3.
"""

import errno
import os
import resource
import subprocess
import sys
import threading
import time
from pathlib import Path, PurePosixPath

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import fs

from alphapulse.archive.manifest import ArchiveState
from alphapulse.archive.reader import ArchiveReader
from alphapulse.archive.storage import (
    DiskStorage,
    FailingStorage,
    FilesystemStorage,
    StalledStorage,
)
from alphapulse.archive.writer import ArchiveLimits, ArchiveWriter
from alphapulse.errors import ArchiveCorrupt, Misconfigured
from alphapulse.protocol.codec import encode
from alphapulse.protocol.header import checksum_of
from alphapulse.protocol.message import Draft, RawTlv
from alphapulse.transport.sequence import Sequencer
from support.drafts import START_NS, heartbeat_draft, stream

TESTS = Path(__file__).parents[2]


def stamped(drafts, start_ns=START_NS):
    sequencer = Sequencer(9)
    return [sequencer.stamp(draft, start_ns + i * 10**6) for i, draft in enumerate(drafts)]


def wait_until(claim, seconds=10.0):
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while not claim():
        assert time.monotonic() < deadline, "did not happen in time"
        pause.wait(0.005)


def archive(root, count=300, segment_rows=100):
    messages = stamped(stream(3, count))
    writer = ArchiveWriter(root, lambda: START_NS, limits=ArchiveLimits(segment_rows=segment_rows))
    for message in messages:
        writer.record_message(message)
    writer.close()
    return messages


def only(root, number=0):
    return sorted((root / "messages").rglob("part-*.parquet"))[number]


def test_a_full_disk_ends_the_record_and_the_owner_is_told(tmp_path):
    told = []
    full = OSError(errno.ENOSPC, "No space left on device")
    writer = ArchiveWriter(
        tmp_path / "a",
        lambda: START_NS,
        on_state=lambda state, cause: told.append((state, cause)),
        limits=ArchiveLimits(segment_rows=50),
        storage=FailingStorage(DiskStorage(), 20_000, full),
    )
    messages = stamped(stream(1, 400))
    for message in messages[:200]:
        writer.record_message(message)
    wait_until(lambda: writer.state is ArchiveState.INCOMPLETE)
    for message in messages[200:]:
        writer.record_message(message)
    manifest = writer.close()
    assert [state for state, _ in told] == [ArchiveState.INCOMPLETE]
    assert "No space left" in told[0][1]
    rows = manifest.messages.rows
    assert (manifest.state, rows + manifest.lost) == (ArchiveState.INCOMPLETE, 400)
    assert 0 < rows < 200
    reader = ArchiveReader(tmp_path / "a")
    assert list(reader.messages()) == messages[:rows]
    assert reader.open_journals()


class Refusing(FilesystemStorage):
    """A bucket that takes no segments until it does."""

    def __init__(self, folder, journals):
        super().__init__(fs.SubTreeFileSystem(str(folder), fs.LocalFileSystem()), journals)
        self.refuses = True

    def write_segment(self, path, table):
        if self.refuses:
            raise OSError(errno.ECONNREFUSED, "Connection refused")
        return super().write_segment(path, table)


def refused(tmp_path, told, **limits):
    (tmp_path / "store").mkdir()
    storage = Refusing(tmp_path / "store", tmp_path / "journals")
    writer = ArchiveWriter(
        PurePosixPath("a"),
        lambda: START_NS,
        on_state=lambda state, cause: told.append((state, cause)),
        limits=ArchiveLimits(segment_rows=50, retry_seconds=0.02, **limits),
        storage=storage,
    )
    return storage, writer


def test_a_bucket_that_refuses_is_behind_until_it_takes_what_waits(tmp_path):
    told = []
    storage, writer = refused(tmp_path, told)
    messages = stamped(stream(1, 300))
    for message in messages:
        writer.record_message(message)
    wait_until(lambda: writer.statistics().messages_stored == 300 and told)
    assert told[0][0] is ArchiveState.BEHIND
    assert "segment 0 cannot be stored" in told[0][1]
    assert "Connection refused" in told[0][1]
    assert writer.statistics().segments == 0
    storage.refuses = False
    wait_until(lambda: writer.state is ArchiveState.OPEN)
    manifest = writer.close()
    assert (manifest.state, manifest.lost) == (ArchiveState.COMPLETE, 0)
    reader = ArchiveReader(
        PurePosixPath("a"), fs.SubTreeFileSystem(str(tmp_path / "store"), fs.LocalFileSystem())
    )
    assert list(reader.messages()) == messages
    assert list((tmp_path / "journals").iterdir()) == []


def test_a_bucket_that_never_takes_anything_ends_the_record_at_the_bound(tmp_path):
    told = []
    _, writer = refused(tmp_path, told, waiting_segments=3)
    messages = stamped(stream(1, 300))
    for message in messages:
        writer.record_message(message)
    wait_until(lambda: writer.state is ArchiveState.INCOMPLETE)
    manifest = writer.close()
    assert "3 segments wait" in manifest.cause
    assert manifest.messages.rows == 150
    assert manifest.lost == 150
    reader = ArchiveReader(
        PurePosixPath("a"),
        fs.SubTreeFileSystem(str(tmp_path / "store"), fs.LocalFileSystem()),
        journals=tmp_path / "journals",
    )
    assert list(reader.messages()) == messages[:150]


def test_a_stalled_disk_is_behind_then_catches_up(tmp_path):
    told = []
    storage = StalledStorage(DiskStorage())
    writer = ArchiveWriter(
        tmp_path / "a",
        lambda: START_NS,
        on_state=lambda state, cause: told.append(state),
        limits=ArchiveLimits(segment_rows=10, queue_rows=100),
        storage=storage,
    )
    messages = stamped(stream(1, 90))
    storage.stall()
    for message in messages[:30]:
        writer.record_message(message)
    wait_until(lambda: writer.statistics().waiting <= 19)
    for message in messages[30:]:
        writer.record_message(message)
    assert told == [ArchiveState.BEHIND]
    storage.release()
    wait_until(lambda: writer.state is ArchiveState.OPEN)
    manifest = writer.close()
    assert told == [ArchiveState.BEHIND, ArchiveState.OPEN, ArchiveState.COMPLETE]
    assert (manifest.lost, manifest.messages.rows) == (0, 90)
    assert list(ArchiveReader(tmp_path / "a").messages()) == messages


def test_a_disk_that_answers_nothing_for_seconds_is_behind(tmp_path):
    told = []
    storage = StalledStorage(DiskStorage())
    writer = ArchiveWriter(
        tmp_path / "a",
        lambda: START_NS,
        on_state=lambda state, cause: told.append(cause),
        limits=ArchiveLimits(segment_rows=1, stalled_seconds=3),
        storage=storage,
    )
    storage.stall()
    for message in stamped([heartbeat_draft(1)] * 3):
        writer.record_message(message)
    wait_until(lambda: writer.statistics().writing_since_ns)
    for message in stamped([heartbeat_draft(1)], start_ns=START_NS + 3 * 10**9 + 1):
        writer.record_message(message)
    assert told == ["the disk has not answered for seconds"]
    storage.release()
    writer.close()


def test_at_the_bound_the_record_ends_as_an_exact_prefix(tmp_path):
    told = []
    storage = StalledStorage(DiskStorage())
    writer = ArchiveWriter(
        tmp_path / "a",
        lambda: START_NS,
        on_state=lambda state, cause: told.append((state, cause)),
        limits=ArchiveLimits(segment_rows=10, queue_rows=40),
        storage=storage,
    )
    messages = stamped(stream(1, 500))
    storage.stall()
    began = time.perf_counter()
    for message in messages:
        writer.record_message(message)
        writer.record_frame(b"frame", START_NS, "chain")
    assert time.perf_counter() - began < 5, "the hot path must not wait for the disk"
    assert [state for state, _ in told][-1] is ArchiveState.INCOMPLETE
    assert "too slow" in told[-1][1]
    storage.release()
    wait_until(lambda: ArchiveReader(tmp_path / "a").manifest.state is ArchiveState.INCOMPLETE)
    manifest = writer.close()
    assert manifest.messages.rows + manifest.frames.rows + manifest.lost == 1000
    assert manifest.lost > 800
    reader = ArchiveReader(tmp_path / "a")
    assert list(reader.messages()) == messages[: manifest.messages.rows]
    reader.verify()


def test_large_frames_are_bounded_by_their_bytes(tmp_path):
    storage = StalledStorage(DiskStorage())
    writer = ArchiveWriter(
        tmp_path / "a",
        lambda: START_NS,
        limits=ArchiveLimits(segment_rows=1, queue_frame_bytes=10_000),
        storage=storage,
    )
    storage.stall()
    for number in range(20):
        writer.record_frame(bytes(1000), START_NS + number, "chain")
    assert writer.state is ArchiveState.INCOMPLETE
    assert writer.statistics().lost >= 5
    storage.release()
    writer.close()


def test_a_disk_that_never_finishes_does_not_hold_the_process(tmp_path):
    storage = StalledStorage(DiskStorage())
    limits = ArchiveLimits(close_seconds=0)
    writer = ArchiveWriter(tmp_path / "a", lambda: START_NS, limits=limits, storage=storage)
    storage.stall()
    writer.record_message(stamped([heartbeat_draft(1)])[0])
    manifest = writer.close()
    assert (manifest.state, manifest.lost) == (ArchiveState.INCOMPLETE, 1)
    assert manifest.cause == "the disk did not finish in time"
    assert ArchiveReader(tmp_path / "a").verify().state is ArchiveState.OPEN
    storage.release()
    wait_until(lambda: ArchiveReader(tmp_path / "a").manifest.state is ArchiveState.INCOMPLETE)


def test_a_message_without_an_encoding_is_not_lost_silently(tmp_path):
    writer = ArchiveWriter(tmp_path / "a", lambda: START_NS)
    good = stamped([heartbeat_draft(1)])[0]
    writer.record_message(good)
    writer.record_message(Sequencer(1).stamp(Draft(4, 62, (RawTlv(200, bytes(70_000)),)), START_NS))
    wait_until(lambda: writer.state is ArchiveState.INCOMPLETE)
    manifest = writer.close()
    assert "no encoding" in manifest.cause
    assert manifest.lost + manifest.messages.rows == 2


def run_child(code, *arguments, **options):
    environment = dict(
        os.environ, PYTHONPATH=os.pathsep.join([str(TESTS), str(TESTS.parent / "src")])
    )
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        **options,
    )


LIMITED = """
import sys, time
from pathlib import Path, PurePosixPath
from support.drafts import START_NS, stream
from alphapulse.archive.writer import ArchiveLimits, ArchiveWriter
from alphapulse.transport.sequence import Sequencer
writer = ArchiveWriter(Path(sys.argv[1]), time.time_ns, limits=ArchiveLimits(segment_rows=int(sys.argv[2])))
sequencer = Sequencer(9)
for number, draft in enumerate(stream(3, 1000)):
    writer.record_message(sequencer.stamp(draft, START_NS + number))
manifest = writer.close()
print(manifest.state, manifest.lost, manifest.messages.rows, manifest.cause)
"""


def test_a_real_file_size_limit_is_a_refusing_disk(tmp_path):
    limit = 20_000
    child = run_child(
        LIMITED,
        str(tmp_path / "a"),
        "1000",
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    output, _ = child.communicate(timeout=60)
    state, lost, rows, cause = output.split(maxsplit=3)
    assert (state, int(lost) + int(rows)) == ("incomplete", 1000), output
    assert cause.startswith("the disk refused:")
    assert 0 < int(rows) < 100
    sequencer = Sequencer(9)
    assert list(ArchiveReader(tmp_path / "a").messages()) == [
        sequencer.stamp(draft, START_NS + n) for n, draft in enumerate(stream(3, int(rows)))
    ]
    assert not list((tmp_path / "a").rglob("*.unfinished"))
    assert ArchiveReader(tmp_path / "a").manifest.state is ArchiveState.INCOMPLETE


def test_unfinished_files_are_not_segments(tmp_path):
    messages = archive(tmp_path / "a")
    path = only(tmp_path / "a")
    path.with_name(f".{path.name}.unfinished").write_bytes(b"torn")
    assert list(ArchiveReader(tmp_path / "a").messages()) == messages


def rewrite(path, column, row, change):
    """Change one value and keep all that the file says about itself."""
    file = pq.ParquetFile(path)
    table, metadata = file.read(), file.metadata.metadata
    values = table[column].to_pylist()
    values[row] = change(values[row])
    index = table.schema.get_field_index(column)
    field = table.schema.field(index)
    with pq.ParquetWriter(path, table.schema, store_schema=False) as writer:
        writer.write_table(table.set_column(index, field, pa.array(values, field.type)))
        writer.add_key_value_metadata(metadata)


@pytest.mark.parametrize(
    "column",
    ["position", "sequence", "timestamp_ns", "pool_swap_amount_in_lo", "chain_event_block_hash"],
)
def test_every_changed_column_is_named_by_its_file(tmp_path, column):
    archive(tmp_path / "a")
    path = only(tmp_path / "a", 1)

    def change(value):
        return value + 1 if isinstance(value, int) else bytes(len(value))

    rewrite(path, column, 0, change)
    with pytest.raises(ArchiveCorrupt, match=r"checksum|cannot be read") as caught:
        list(ArchiveReader(tmp_path / "a").messages())
    assert caught.value.path == str(path)


def test_bytes_with_a_right_checksum_that_are_no_message_are_named(tmp_path):
    message = stamped([heartbeat_draft(1)])[0]
    torn = encode(message)[:-1]
    torn = torn[:8] + (len(torn) - 32).to_bytes(4, "little") + torn[12:]
    torn = torn[:28] + checksum_of(torn).to_bytes(4, "little") + torn[32:]
    writer = ArchiveWriter(tmp_path / "a", lambda: START_NS)
    writer.record_message(message, torn)
    writer.close()
    with pytest.raises(ArchiveCorrupt, match="row 0: not a message: `tlv_overrun`"):
        list(ArchiveReader(tmp_path / "a").messages())


@pytest.mark.parametrize("keep", [0, 3, 100, -8, -1])
def test_a_truncated_segment_is_named(tmp_path, keep):
    archive(tmp_path / "a")
    path = only(tmp_path / "a", 1)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ArchiveCorrupt, match="cannot be read") as caught:
        list(ArchiveReader(tmp_path / "a").messages())
    assert (caught.value.path, caught.value.row) == (str(path), 0)


def test_a_missing_segment_is_noticed(tmp_path):
    archive(tmp_path / "a")
    only(tmp_path / "a", 1).unlink()
    with pytest.raises(ArchiveCorrupt, match="must come next, a segment is missing"):
        list(ArchiveReader(tmp_path / "a").messages())


def test_a_missing_tail_is_noticed(tmp_path):
    archive(tmp_path / "a")
    only(tmp_path / "a", 2).unlink()
    with pytest.raises(ArchiveCorrupt, match="must come next, a segment is missing"):
        list(ArchiveReader(tmp_path / "a").messages())


def test_a_foreign_table_is_no_segment(tmp_path):
    archive(tmp_path / "a")
    pq.write_table(pa.table({"a": [1]}), only(tmp_path / "a"))
    with pytest.raises(ArchiveCorrupt, match="columns are not those"):
        list(ArchiveReader(tmp_path / "a").messages())


def test_a_stray_name_is_no_seal(tmp_path):
    archive(tmp_path / "a")
    path = next((tmp_path / "a" / "seals").glob("seal-*.json"))
    path.rename(path.with_name("seal-x.json"))
    with pytest.raises(ArchiveCorrupt, match="must carry a number"):
        list(ArchiveReader(tmp_path / "a").messages())


def test_a_seal_with_a_flipped_byte_is_named(tmp_path):
    archive(tmp_path / "a")
    path = next((tmp_path / "a" / "seals").glob("seal-*.json"))
    path.write_bytes(path.read_bytes().replace(b'"rows"', b'"rowz"', 1))
    with pytest.raises(ArchiveCorrupt, match="seal cannot be read"):
        list(ArchiveReader(tmp_path / "a").messages())


def test_a_segment_swapped_in_from_another_run_fails_the_digest(tmp_path):
    archive(tmp_path / "a", segment_rows=1000)
    other = stamped(stream(4, 300))
    writer = ArchiveWriter(tmp_path / "b", lambda: START_NS)
    for message in other:
        writer.record_message(message)
    writer.close()
    only(tmp_path / "a").write_bytes(only(tmp_path / "b").read_bytes())
    with pytest.raises(ArchiveCorrupt, match=r"sha256|position must be"):
        ArchiveReader(tmp_path / "a").verify()


def test_a_folder_without_manifest_is_no_archive(tmp_path):
    with pytest.raises(Misconfigured, match="is not an archive"):
        ArchiveReader(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"state":"lost","opened_ns":1}', '{"x":1}'])
def test_a_broken_manifest_is_named(tmp_path, text):
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(ArchiveCorrupt, match="not a manifest"):
        ArchiveReader(tmp_path)


def test_a_manifest_of_another_format_is_refused(tmp_path):
    (tmp_path / "manifest.json").write_text('{"state":"open","opened_ns":1,"format":99}')
    with pytest.raises(Misconfigured, match="archive format 99"):
        ArchiveReader(tmp_path)
