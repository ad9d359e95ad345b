"""What was recorded is read back: same messages, same frames, same order, same bytes.

Oracle: the messages themselves and the protocol's own encoder.
"""

import hashlib
import json

import pytest

from alphapulse.archive.manifest import ArchiveState
from alphapulse.archive.reader import ArchiveReader, Frame
from alphapulse.archive.writer import ArchiveLimits, ArchiveWriter
from alphapulse.errors import InvariantError, Misconfigured
from alphapulse.protocol.codec import encode
from alphapulse.protocol.message import Draft, RawTlv
from alphapulse.transport.sequence import Sequencer
from support.drafts import START_NS, heartbeat_draft, stream, trace_of

DAY_NS = 86_400 * 10**9


def stamped(drafts, start_ns=START_NS, step_ns=10**6):
    sequencer = Sequencer(9)
    return [sequencer.stamp(draft, start_ns + i * step_ns) for i, draft in enumerate(drafts)]


def write(root, messages=(), frames=(), **options):
    writer = ArchiveWriter(root, lambda: START_NS, **options)
    for message in messages:
        writer.record_message(message)
    for frame in frames:
        writer.record_frame(*frame)
    return writer.close({"digest": "abc"})


def segments(root, table):
    return sorted(str(path.relative_to(root)) for path in (root / table).rglob("*.parquet"))


def test_messages_and_frames_come_back_in_order_across_segments(tmp_path):
    messages = stamped(stream(1, 250))
    frames = [(b'{"n":%d}' % n, START_NS + n, "chain" if n % 3 else "rest") for n in range(70)]
    manifest = write(
        tmp_path / "a", messages, frames, limits=ArchiveLimits(segment_rows=100), facts={"seed": 7}
    )
    reader = ArchiveReader(tmp_path / "a")
    assert list(reader.messages()) == messages
    assert list(reader.encoded()) == [encode(message) for message in messages]
    assert list(reader.frames()) == [
        Frame(n, recv_ns, name, payload) for n, (payload, recv_ns, name) in enumerate(frames)
    ]
    assert reader.manifest == manifest == reader.verify()
    beats = [
        next(n for n in range(first, 250) if messages[n].header.domain == 4)
        for first in (0, 100, 200)
    ]
    assert segments(tmp_path / "a", "messages") == [
        f"messages/date=2023-11-14/domain={domain}/part-{first:012d}.parquet"
        for domain, firsts in ((1, (0, 100, 200)), (4, beats))
        for first in firsts
    ]
    assert manifest.state is ArchiveState.COMPLETE
    assert (manifest.messages.rows, manifest.messages.segments) == (250, 6)
    assert (manifest.frames.rows, manifest.frames.segments, manifest.lost) == (70, 2, 0)
    assert manifest.facts == {"seed": 7, "digest": "abc"}
    raw = b"".join(len(e).to_bytes(4, "little") + e for e in map(encode, messages))
    assert manifest.messages.sha256 == hashlib.sha256(raw).hexdigest()
    assert manifest.messages.raw_bytes == len(raw) - 4 * 250


@pytest.mark.parametrize(
    "tlvs",
    [
        (),
        (RawTlv(200, b""),),
        (RawTlv(254, b"\x78\x1c" + bytes(28)),),
        (RawTlv(201, bytes(300)), trace_of(b"a", b"b", 1)),
        (trace_of(b"a", b"b", 1), RawTlv(202, b"after the trace")),
        (trace_of(b"a", b"b", 1),),
        (RawTlv(203, bytes(range(256)) * 200),),
    ],
)
def test_messages_of_every_shape_survive(tmp_path, tlvs):
    messages = stamped([heartbeat_draft(1), Draft(4, 62, tlvs, flags=0x28)])
    write(tmp_path / "a", messages)
    assert [encode(m) for m in ArchiveReader(tmp_path / "a").messages()] == [
        encode(m) for m in messages
    ]


def test_bytes_that_are_there_already_are_taken(tmp_path):
    message = stamped([heartbeat_draft(1)])[0]
    writer = ArchiveWriter(tmp_path / "a", lambda: START_NS)
    writer.record_message(message, encode(message))
    writer.close()
    assert list(ArchiveReader(tmp_path / "a").messages()) == [message]


def test_a_new_day_begins_a_new_folder(tmp_path):
    drafts = stream(2, 30)
    messages = stamped(drafts, start_ns=START_NS, step_ns=DAY_NS // 10)
    write(tmp_path / "a", messages)
    found = segments(tmp_path / "a", "messages")
    assert sorted({path.split("/")[1] for path in found}) == [
        f"date=2023-11-{day}" for day in (14, 15, 16, 17)
    ]
    assert list(ArchiveReader(tmp_path / "a").messages()) == messages


def test_an_empty_archive_is_an_archive(tmp_path):
    write(tmp_path / "a")
    reader = ArchiveReader(tmp_path / "a")
    assert (list(reader.messages()), list(reader.frames())) == ([], [])
    assert reader.verify().state is ArchiveState.COMPLETE


def test_the_manifest_says_open_while_the_writer_lives(tmp_path):
    writer = ArchiveWriter(tmp_path / "a", lambda: START_NS, facts={"config": "x"})
    manifest = json.loads((tmp_path / "a" / "manifest.json").read_text())
    assert (manifest["state"], manifest["facts"]) == ("open", {"config": "x"})
    assert writer.state is ArchiveState.OPEN
    first = writer.close()
    assert writer.close() is first


def test_time_ends_a_segment_too(tmp_path):
    times = [START_NS]
    writer = ArchiveWriter(
        tmp_path / "a", lambda: times[0], limits=ArchiveLimits(segment_seconds=5)
    )
    writer.record_message(stamped([heartbeat_draft(1)])[0])
    wait_until(lambda: writer.statistics().messages_stored == 1)
    assert writer.statistics().segments == 0
    times[0] += 5 * 10**9
    wait_until(lambda: writer.statistics().segments == 1)
    assert segments(tmp_path / "a", "messages")
    writer.close()


def test_nothing_is_recorded_after_the_end(tmp_path):
    writer = ArchiveWriter(tmp_path / "a", lambda: START_NS)
    writer.close()
    with pytest.raises(InvariantError, match="closed"):
        writer.record_message(stamped([heartbeat_draft(1)])[0])
    with pytest.raises(InvariantError, match="closed"):
        writer.record_frame(b"", 1, "a")


def test_an_archive_is_never_written_over(tmp_path):
    """Covers: B7."""
    write(tmp_path / "a")
    with pytest.raises(Misconfigured, match=r"already holds an archive; choose another folder"):
        ArchiveWriter(tmp_path / "a", lambda: START_NS)


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(Misconfigured, match=r"file/a` cannot be written"):
        ArchiveWriter(tmp_path / "file" / "a", lambda: START_NS)


def test_facts_must_be_plain_values(tmp_path):
    with pytest.raises(Misconfigured, match="plain JSON"):
        ArchiveWriter(tmp_path / "a", lambda: START_NS, facts={"x": object()})


def wait_until(claim, seconds=10.0):
    import threading
    import time

    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while not claim():
        assert time.monotonic() < deadline, "did not happen in time"
        pause.wait(0.005)
