"""Five times smaller than the bytes of the wire, on real traffic, and every byte comes back.

Oracle: recorded mainnet logs and recorded exchange frames; bytes are counted by the archive's own account.
"""

import sys
from pathlib import Path

import pytest

from alphapulse.archive.reader import ArchiveReader
from alphapulse.archive.writer import ArchiveLimits, ArchiveWriter
from alphapulse.protocol.codec import decode

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

from peers.captures import EXCHANGES, LOGS, exchange_frames, mainnet_messages

pytestmark = [
    pytest.mark.shared_data,
    pytest.mark.skipif(
        not LOGS.is_dir() or not EXCHANGES.is_dir(), reason="shared data is not here"
    ),
]
GOAL = 5


def recorded(root, messages=(), frames=()):
    writer = ArchiveWriter(root, lambda: 1, limits=ArchiveLimits(queue_frame_bytes=1 << 30))
    for raw in messages:
        writer.record_message(decode(raw))
    for frame in frames:
        writer.record_frame(*frame)
    return writer.close()


def test_mainnet_logs_as_messages(tmp_path):
    messages = mainnet_messages()
    table = recorded(tmp_path / "a", messages).messages
    assert table.rows == len(messages) > 1_000
    print(f"{table.raw_bytes / table.stored_bytes:.2f} times smaller")
    assert table.raw_bytes >= GOAL * table.stored_bytes
    assert list(ArchiveReader(tmp_path / "a").encoded()) == messages


def test_exchange_frames(tmp_path):
    frames = exchange_frames()[:20_000]
    table = recorded(tmp_path / "a", frames=frames).frames
    print(f"{table.raw_bytes / table.stored_bytes:.2f} times smaller")
    assert table.raw_bytes >= GOAL * table.stored_bytes
    found = ArchiveReader(tmp_path / "a").frames()
    assert [(one.payload, one.recv_ns, one.connection) for one in found] == frames
