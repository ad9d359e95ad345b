"""Finished segments on any pyarrow filesystem, queries that leave files and row groups out, and retention."""

from pathlib import PurePosixPath

import msgspec
import pytest
from pyarrow import fs

from alphapulse.archive import tables
from alphapulse.archive.reader import ArchiveReader
from alphapulse.archive.sealer import Retention
from alphapulse.archive.selection import Query
from alphapulse.archive.storage import FilesystemStorage
from alphapulse.archive.writer import ArchiveLimits, ArchiveWriter
from alphapulse.errors import Misconfigured
from alphapulse.primitives.instrument_id import InstrumentId
from alphapulse.protocol.market_data import GasPrice, PoolSwap
from alphapulse.protocol.message import Draft
from alphapulse.protocol.registry import number_of
from alphapulse.protocol.system import TraceContext
from alphapulse.transport.sequence import Sequencer
from support.drafts import START_NS, stream

DAY_NS = 86_400 * 10**9
STEP_NS = 10**6


def stamped(drafts, start_ns=START_NS, step_ns=STEP_NS):
    sequencer = Sequencer(9)
    return [sequencer.stamp(draft, start_ns + i * step_ns) for i, draft in enumerate(drafts)]


def filled(root, messages, frames=(), **options):
    writer = ArchiveWriter(root, lambda: START_NS, **options)
    for message in messages:
        writer.record_message(message)
    for frame in frames:
        writer.record_frame(*frame)
    return writer.close()


def places(tmp_path):
    (tmp_path / "store").mkdir()
    local = fs.LocalFileSystem()
    return {
        "sub tree": fs.SubTreeFileSystem(str(tmp_path / "store"), local),
        "memory": fs._MockFileSystem(),
    }


@pytest.mark.parametrize("kind", ["sub tree", "memory"])
def test_segments_live_on_any_filesystem(tmp_path, kind):
    filesystem = places(tmp_path)[kind]
    root, journals = PurePosixPath("runs/one"), tmp_path / "journals"
    messages = stamped(stream(5, 400))
    frames = [(b"frame", START_NS + number, "chain") for number in range(30)]
    manifest = filled(
        root,
        messages,
        frames,
        storage=FilesystemStorage(filesystem, journals),
        limits=ArchiveLimits(segment_rows=150),
    )
    reader = ArchiveReader(root, filesystem)
    assert list(reader.messages()) == messages
    assert len(list(reader.frames())) == 30
    assert reader.verify() == manifest
    assert list(journals.iterdir()) == []


def test_a_seal_that_was_not_written_to_its_end_does_not_count(tmp_path):
    """An object store has no rename: what is there without a whole seal is not there."""
    filesystem = places(tmp_path)["sub tree"]
    root, journals = PurePosixPath("one"), tmp_path / "journals"
    messages = stamped(stream(5, 100))

    class Torn(FilesystemStorage):
        def write_file(self, path, data):
            super().write_file(path, data[:-20] if path.name.startswith("seal-") else data)

    writer = ArchiveWriter(root, lambda: START_NS, storage=Torn(filesystem, journals))
    for message in messages:
        writer.record_message(message)
    journal = journals / "journal-000000.log"
    while writer.statistics().messages_stored < 100:
        pass
    kept = journal.read_bytes()
    writer.close()
    journal.write_bytes(kept)
    assert list(ArchiveReader(root, filesystem, journals=journals).messages()) == messages


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    root = tmp_path_factory.mktemp("large") / "a"
    messages = stamped(stream(6, 40_000))
    filled(root, messages)
    return root, messages


def test_a_range_of_time_reads_few_row_groups(large):
    root, messages = large
    reader = ArchiveReader(root)
    begin, end = START_NS + 20_000 * STEP_NS, START_NS + 20_500 * STEP_NS
    found = list(reader.messages(Query(from_ns=begin, to_ns=end)))
    assert found == messages[20_000:20_500]
    seen = reader.statistics()
    assert seen.row_groups_read <= 2
    assert seen.row_groups_read + seen.row_groups_skipped >= 40_000 // tables.GROUP_ROWS


def test_domain_and_type_leave_files_out(large):
    root, messages = large
    reader = ArchiveReader(root)
    beats = list(reader.messages(Query(domains=frozenset({4}))))
    assert beats == [message for message in messages if message.header.domain == 4]
    assert reader.statistics().files_skipped == 1
    gas = list(reader.messages(Query(types=frozenset({number_of(GasPrice)}))))
    assert gas == [message for message in messages if message.first(GasPrice)]
    assert reader.statistics().files_skipped == 2


def test_a_trace_and_a_rare_instrument_read_few_row_groups(tmp_path):
    drafts = stream(7, 30_000)
    trade, swap, event, _ = next(d.tlvs for d in drafts if len(d.tlvs) == 4)
    rare = bytes.fromhex("abcdef0123456789") + bytes(12)
    drafts[20_000] = Draft(
        1,
        6,
        (
            msgspec.structs.replace(trade, instrument=InstrumentId.pool(301, rare)),
            msgspec.structs.replace(swap, pool=rare),
            event,
            TraceContext(12345 << 64 | 99, 7, 1),
        ),
    )
    messages = stamped(drafts)
    filled(tmp_path / "a", messages)
    for query in (
        Query(trace_id=12345 << 64 | 99),
        Query(instruments=frozenset({InstrumentId.pool(301, rare)})),
    ):
        reader = ArchiveReader(tmp_path / "a")
        assert list(reader.messages(query)) == [messages[20_000]]
        assert reader.statistics().row_groups_read <= 2


def test_an_instrument_finds_all_its_messages(large):
    root, messages = large
    pool = next(one.first(PoolSwap) for one in messages if one.first(PoolSwap)).pool
    wanted = Query(instruments=frozenset({InstrumentId.pool(301, pool)}), types=frozenset({11}))
    assert list(ArchiveReader(root).messages(wanted)) == [
        one for one in messages if one.first(PoolSwap) and one.first(PoolSwap).pool == pool
    ]


def test_retention_removes_the_oldest_segments_and_says_so(tmp_path):
    root = tmp_path / "a"
    messages = stamped(stream(8, 60), step_ns=DAY_NS // 10)
    limits = ArchiveLimits(retention=Retention(days=2))
    writer = ArchiveWriter(root, lambda: messages[-1].header.timestamp_ns, limits=limits)
    for message in messages:
        writer.record_message(message)
    writer.close()
    reader = ArchiveReader(root)
    gone = reader.expired().messages
    assert 0 < gone < 60
    assert list(reader.messages()) == messages[gone:]
    dates = {path.parent.parent.name for path in root.rglob("messages/*/*/*.parquet")}
    assert min(dates) > "date=2023-11-14"
    reader.verify()


def test_everything_is_kept_unless_told_otherwise(tmp_path):
    messages = stamped(stream(8, 60), step_ns=DAY_NS * 30)
    filled(tmp_path / "a", messages)
    assert list(ArchiveReader(tmp_path / "a").messages()) == messages


def test_a_bucket_without_a_manifest_is_no_archive(tmp_path):
    with pytest.raises(Misconfigured, match="is not an archive"):
        ArchiveReader(PurePosixPath("none"), fs._MockFileSystem())


def test_frames_of_a_clock_that_steps_back_over_midnight_keep_their_order(tmp_path):
    times = [START_NS, START_NS - DAY_NS, START_NS, START_NS - 3 * DAY_NS, START_NS + 1]
    frames = [(b"frame %d" % number, time_ns, "chain") for number, time_ns in enumerate(times)]
    filled(tmp_path / "a", [], frames)
    found = list(ArchiveReader(tmp_path / "a").frames())
    assert [(one.payload, one.recv_ns, one.connection) for one in found] == frames
    assert [one.position for one in found] == list(range(5))
    ArchiveReader(tmp_path / "a").verify()
