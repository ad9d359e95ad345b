"""A process that is killed at any moment has lost what it had not flushed, and nothing before it.

The child tells after each burst how many messages are in its journals; a SIGKILL comes at a random moment.
Oracle: the same seeded stream, stamped again.
"""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from alphapulse.archive.journal import (
    JournalHead,
    frame_record,
    message_record,
    pack_head,
    read_journal,
)
from alphapulse.archive.manifest import ArchiveState
from alphapulse.archive.reader import ArchiveReader
from alphapulse.errors import ArchiveCorrupt
from alphapulse.transport.sequence import Sequencer
from support.drafts import START_NS, stream

TESTS = Path(__file__).parents[2]
SEED = 20261124
ENDLESS = """
import sys, time, itertools
from pathlib import Path
from support.drafts import START_NS, stream
from alphapulse.archive.writer import ArchiveLimits, ArchiveWriter
from alphapulse.transport.sequence import Sequencer
writer = ArchiveWriter(Path(sys.argv[1]), time.time_ns, limits=ArchiveLimits(segment_rows=700))
sequencer = Sequencer(9)
drafts = stream(3, 5000)
for number in itertools.count():
    writer.record_message(sequencer.stamp(drafts[number % 5000], START_NS + number))
    if number % 7 == 0:
        writer.record_frame(b"frame %d" % number, START_NS + number, "chain")
    if number % 50 == 0:
        print(writer.statistics().messages_stored, flush=True)
        time.sleep(0.002)
"""


def killed_after(seconds, root):
    """Run the endless writer until the blow falls; return what it last said to be stored."""
    environment = dict(
        os.environ, PYTHONPATH=os.pathsep.join([str(TESTS), str(TESTS.parent / "src")])
    )
    child = subprocess.Popen(
        [sys.executable, "-c", ENDLESS, str(root)],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        child.stdout.readline()
        time.sleep(seconds)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    said = [int(line) for line in child.stdout.read().split("\n") if line.strip()]
    child.stdout.close()
    return max(said, default=0)


@pytest.mark.parametrize("attempt", range(5))
def test_kill_at_a_random_moment_loses_only_the_unflushed_tail(tmp_path, attempt):
    seconds = random.Random(SEED + attempt).uniform(0.02, 1.2)
    print(f"seed {SEED + attempt}, killed after {seconds:.3f} s")
    stored = killed_after(seconds, tmp_path / "a")
    reader = ArchiveReader(tmp_path / "a")
    assert reader.manifest.state is ArchiveState.OPEN
    read = list(reader.messages())
    assert len(read) >= stored
    sequencer, drafts = Sequencer(9), stream(3, 5000)
    assert read == [
        sequencer.stamp(drafts[number % 5000], START_NS + number) for number in range(len(read))
    ]
    frames = [frame.payload for frame in reader.frames()]
    assert frames == [b"frame %d" % (7 * number) for number in range(len(frames))]
    assert abs(len(frames) * 7 - len(read)) <= 7 * 16


def journal_of(messages):
    data = pack_head(JournalHead(3, 100, 50))
    ends = [len(data)]
    for number, raw in enumerate(messages):
        data += message_record(raw) if number % 3 else frame_record(raw, number, "a")
        ends.append(len(data))
    return data, ends


def test_a_journal_cut_at_any_byte_gives_every_whole_record(tmp_path):
    messages = [bytes([number]) * (number * 7 % 40) for number in range(1, 12)]
    data, ends = journal_of(messages)
    path = tmp_path / "journal-000003.log"
    for size in range(len(data) + 1):
        path.write_bytes(data[:size])
        journal = read_journal(path)
        if size < ends[0]:
            assert journal is None
            continue
        whole = sum(end <= size for end in ends) - 1
        found = sorted(raw for _, raw in journal.messages)
        found += [payload for _, _, _, payload in journal.frames]
        assert sorted(found) == sorted(messages[:whole])
        assert [position for position, _ in journal.messages] == list(
            range(100, 100 + len(journal.messages))
        )


def test_zeros_after_a_lost_write_end_a_journal(tmp_path):
    data, _ = journal_of([b"a", b"b", b"c"])
    path = tmp_path / "journal-000003.log"
    path.write_bytes(data + bytes(4096))
    assert len(read_journal(path).messages) == 2


def test_damage_before_further_records_is_named(tmp_path):
    data, ends = journal_of([b"first", b"second", b"third"])
    path = tmp_path / "journal-000003.log"
    for at in range(ends[0] + 4, ends[2]):
        damaged = bytearray(data)
        damaged[at] ^= 1
        path.write_bytes(damaged)
        try:
            journal = read_journal(path)
        except ArchiveCorrupt as error:
            assert error.path == str(path)
        else:  # a length that now reaches beyond the end cannot be told from a torn record
            assert len(journal.messages) + len(journal.frames) < 3
