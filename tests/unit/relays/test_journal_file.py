"""Journals on disk: whole messages survive any cut, a full disk is said and survived, old files go by rule."""

import os
import resource
import time

import msgspec
import pytest

from alphapulse.errors import JournalUnwritable, Misconfigured
from alphapulse.protocol.header import Domain
from alphapulse.relays.config import default_domains
from alphapulse.relays.journal import Journal
from alphapulse.relays.journal_file import JournalFile, read_segment
from alphapulse.relays.run import Run
from support.relay_client import EPOCH, Voice, trade

CONFIG = default_domains()[Domain.EXECUTION]


def messages(count: int, source: int = 42) -> list[bytes]:
    voice = Voice(Domain.EXECUTION, source)
    return [voice(trade(number)) for number in range(count)]


def journal(directory, **changes) -> JournalFile:
    file = JournalFile(directory, msgspec.structs.replace(CONFIG, **changes), list)
    file.open()
    return file


def recovered(directory) -> list[bytes]:
    file = journal(directory)
    found = [raw for block in file.recovered() for raw in block.messages()]
    file.close()
    return found


def test_what_was_written_is_read_back_at_every_cut(tmp_path) -> None:
    sent = messages(20)
    file = journal(tmp_path)
    file.write(b"".join(sent))
    file.close()
    (segment,) = tmp_path.glob("*.messages")
    whole = segment.read_bytes()
    for cut in range(0, len(whole), 7):
        segment.write_bytes(whole[:cut])
        assert recovered(tmp_path) == sent[: cut // len(sent[1])] or cut < len(sent[0]) * 20
        found = recovered(tmp_path)
        assert found == sent[: len(found)]
        assert sum(map(len, sent[: len(found) + 1])) > cut or len(found) == 20


def test_a_flipped_bit_ends_a_segment_not_the_journal(tmp_path) -> None:
    sent = messages(10)
    for part in (sent[:5], sent[5:]):
        file = journal(tmp_path)
        file.write(b"".join(part))
        file.close()
    first = min(tmp_path.glob("*.messages"))
    data = bytearray(first.read_bytes())
    data[data.index(sent[3]) + 50] ^= 1
    first.write_bytes(data)
    assert recovered(tmp_path) == sent[:3] + sent[5:]


def test_a_full_disk_is_said_and_survived(tmp_path) -> None:
    """A limit on file sizes stands in for the disk: the system call fails in the same way, in the middle of a message."""
    sent = messages(30)
    file = journal(tmp_path)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = len(sent[0])
    resource.setrlimit(resource.RLIMIT_FSIZE, (size * 10 + 20, limits[1]))
    try:
        file.write(b"".join(sent[:10]))
        with pytest.raises(JournalUnwritable):
            file.write(b"".join(sent[10:30]))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    file.write(b"".join(sent[10:30]))
    file.close()
    assert recovered(tmp_path) == sent


def test_segments_end_by_size_and_go_by_age_or_size(tmp_path) -> None:
    sent = messages(100)
    file = journal(tmp_path, journal_segment_bytes=1_000, journal_days=7)
    for one in sent:
        file.write(one)
    old = file.segments()[:3]
    assert len(file.segments()) > 5
    for path in old:
        os.utime(path, (time.time() - 8 * 86_400,) * 2)
    for one in messages(20, 41):
        file.write(one)
    assert not any(path.exists() for path in old)
    file.close()
    bounded = journal(
        tmp_path, journal_segment_bytes=1_000, journal_days=0, journal_files_bytes=3_000
    )
    for one in messages(20, 40):
        bounded.write(one)
    assert sum(path.stat().st_size for path in bounded.segments()) < 5_500
    bounded.close()


def test_one_process_has_a_journal(tmp_path) -> None:
    file = journal(tmp_path)
    with pytest.raises(Misconfigured, match="another relay"):
        journal(tmp_path)
    file.close()
    journal(tmp_path).close()


def test_a_clock_that_steps_back_does_not_reorder_segments(tmp_path) -> None:
    tmp_path.joinpath(f"{2**63:020d}.messages").write_bytes(b"".join(messages(3)))
    file = journal(tmp_path)
    later = messages(6)[3:]
    file.write(b"".join(later))
    file.close()
    held = [
        raw for path in file.segments() for block in read_segment(path) for raw in block.messages()
    ]
    assert [raw[12] for raw in held] == [1, 2, 3, 4, 5, 6]


def test_memory_keeps_the_last_and_answers_whole_ranges_only() -> None:
    kept = Journal(10, 1 << 20)
    sent = messages(40)
    for at in range(0, 40, 4):
        data = b"".join(sent[at : at + 4])
        starts = [sum(map(len, sent[at : at + n])) for n in range(5)]
        kept.add(Run(data, starts, 42, EPOCH, [at + n + 1 for n in range(4)]))
        assert kept.messages <= 13
    assert kept.first_sequence() == 29
    assert b"".join(run.data for run in kept.between(30, 39)) == b"".join(sent[29:39])
    assert kept.between(28, 30) is None
    assert kept.between(39, 41) is None
    kept.add(Run.of(sent[5], 42, EPOCH, 45))
    assert kept.between(39, 45) is None, "a hole is not a range"


def test_memory_is_bounded_by_bytes_too() -> None:
    sent = messages(40)
    kept = Journal(1_000, 5 * len(sent[1]))
    for number, one in enumerate(sent[1:], 2):
        kept.add(Run.of(one, 42, EPOCH, number))
    assert (kept.messages, kept.first_sequence()) == (5, 36)
    kept.add(Run.of(bytes(10_000), 42, EPOCH, 41))
    assert (kept.messages, kept.bytes, kept.first_sequence()) == (0, 0, 0)
