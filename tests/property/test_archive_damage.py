"""Whatever is missing or flipped, the reader gives a true prefix or names the damage."""

import random
import shutil
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from alphapulse.archive.reader import ArchiveReader
from alphapulse.archive.writer import ArchiveLimits, ArchiveWriter
from alphapulse.errors import ArchiveCorrupt
from alphapulse.transport.sequence import Sequencer
from support.drafts import START_NS, stream


def build(root, seed, count, segment_rows):
    sequencer = Sequencer(9)
    messages = [sequencer.stamp(draft, START_NS + i) for i, draft in enumerate(stream(seed, count))]
    writer = ArchiveWriter(root, lambda: START_NS, limits=ArchiveLimits(segment_rows=segment_rows))
    for message in messages:
        writer.record_message(message)
    writer.close()
    return messages


def reopen(root):
    """Make the manifest say what a killed process leaves behind."""
    path = root / "manifest.json"
    path.write_text(path.read_text().replace('"complete"', '"open"'))


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 60), st.integers(8, 40), st.integers(0, 200))
def test_any_prefix_of_segments_is_readable_and_any_hole_is_named(seed, count, segment_rows, kept):
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "a"
        messages = build(root, seed, count, segment_rows)
        reopen(root)
        segments = sorted((root / "seals").glob("seal-*.json"))
        kept %= len(segments) + 1
        for path in segments[kept:]:
            path.rename(path.with_suffix(".away"))
        assert list(ArchiveReader(root).messages()) == messages[: kept * segment_rows]
        if kept < len(segments) - 1:
            last = segments[-1]
            last.with_suffix(".away").rename(last)
            try:
                list(ArchiveReader(root).messages())
            except ArchiveCorrupt as error:
                assert error.path == str(last)
            else:
                raise AssertionError("a hole was not noticed")


def test_a_flipped_bit_never_yields_a_wrong_message():
    seed = 20231114
    print(f"seed {seed}")
    rng = random.Random(seed)
    noticed = 0
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "a"
        messages = build(root, 5, 120, 1000)
        path = next((root / "messages").rglob("*.parquet"))
        whole = path.read_bytes()
        backup = Path(folder) / "whole"
        shutil.copy(path, backup)
        for _ in range(300):
            damaged = bytearray(whole)
            damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
            path.write_bytes(damaged)
            try:
                assert list(ArchiveReader(root).messages()) == messages
            except ArchiveCorrupt as error:
                assert error.path.startswith(str(root))
                noticed += 1
    assert noticed > 200
