"""However shards lag and instruments move, a consumer gets each instrument in its producer's order, and all of it."""

import random
from collections import defaultdict, deque

from hypothesis import given, settings
from hypothesis import strategies as st

from alphapulse.transport.merging import ShardMerge

SHARDS, INSTRUMENTS = 3, 5


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 300))
def test_instruments_keep_their_order(seed: int, count: int) -> None:
    rng = random.Random(seed)
    home = {bytes([n]): rng.randrange(SHARDS) for n in range(INSTRUMENTS)}
    streams: list[deque] = [deque() for _ in range(SHARDS)]
    joins = [rng.randrange(1, 40) for _ in range(SHARDS)]
    merge: ShardMerge[tuple[bytes, int]] = ShardMerge(SHARDS)
    sent = defaultdict(list)
    got: list[tuple[bytes, int]] = []

    def hear(shard: int) -> None:
        if streams[shard]:
            act, *rest = streams[shard].popleft()
            got.extend(act(*rest))

    def say(shard: int, sequence: int, *words) -> None:
        if sequence >= joins[shard]:
            streams[shard].append(words)

    for sequence in range(1, count + 1):
        for shard in range(SHARDS):
            if sequence == joins[shard]:
                streams[shard].append((merge.joined, shard, sequence))
            elif sequence % 20 == 0:
                say(shard, sequence, merge.passed, shard, sequence)
        if rng.random() < 0.15:
            moved = rng.choice(sorted(home))
            target = rng.choice([n for n in range(SHARDS) if n != home[moved]])
            for shard in (home[moved], target):
                say(shard, sequence, merge.handover, shard, sequence, moved)
            home[moved] = target
        instrument = rng.choice(sorted(home))
        say(home[instrument], sequence, merge.take, sequence, instrument, (instrument, sequence))
        if sequence >= joins[home[instrument]]:
            sent[instrument].append(sequence)
        for _ in range(rng.randrange(3)):
            hear(rng.choice([0, 0, 0, 1, 1, 2]))
    for shard in range(SHARDS):
        if joins[shard] > count:
            streams[shard].append((merge.joined, shard, count + 1))
        streams[shard].append((merge.passed, shard, 400))
    while any(streams):
        hear(rng.randrange(SHARDS))
    heard = defaultdict(list)
    for instrument, sequence in got:
        heard[instrument].append(sequence)
    assert heard == sent
    assert merge.overflows == 0


def test_a_message_over_two_shards_counts_once() -> None:
    merge: ShardMerge[int] = ShardMerge(1)
    assert merge.joined(0, 1) == []
    assert [merge.take(sequence, None, sequence) for sequence in (1, 1, 2)] == [[1], [], [2]]


def test_a_lost_shard_frees_what_waited_for_it() -> None:
    merge: ShardMerge[int] = ShardMerge(2)
    assert merge.joined(0, 1) == merge.joined(1, 1) == []
    assert merge.take(1, b"i", 1) == [1]
    assert merge.handover(1, 5, b"i") == []
    assert merge.take(5, b"i", 5) == []
    assert merge.take(4, b"i", 4) == [4]
    assert merge.lost(0) == [5]
    assert merge.take(7, b"i", 7) == [7]
