"""Reads of any cut become the same messages; what is wrong with a stream is said in the protocol's words.

Covers: P9
"""

import random
from itertools import pairwise

import pytest

from alphapulse.protocol.header import ABSOLUTE_LIMIT, Domain
from alphapulse.transport.framing import Framer
from support.relay_client import Voice, trade


def stream(count: int = 50) -> list[bytes]:
    voice = Voice(Domain.MARKET, 6)
    return [voice(*(trade(n) for n in range(number % 4))) for number in range(count)]


def fed(framer: Framer, chunks: list[bytes]) -> list[bytes]:
    found: list[bytes] = []
    for chunk in chunks:
        block = framer.feed(chunk)
        if block is not None:
            assert block.data == b"".join(block.messages())
            found += block.messages()
    return found


@pytest.mark.parametrize("size", [1, 2, 31, 32, 33, 71, 500, 10**6])
def test_the_cut_of_reads_does_not_matter(size: int) -> None:
    sent = stream()
    whole = b"".join(sent)
    framer = Framer()
    assert fed(framer, [whole[at : at + size] for at in range(0, len(whole), size)]) == sent
    assert framer.held == 0
    assert framer.end() is None


def test_random_cuts_do_not_matter() -> None:
    seed = random.SystemRandom().getrandbits(32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    sent = stream(200)
    whole = b"".join(sent)
    for _ in range(50):
        cuts = sorted(rng.randrange(len(whole)) for _ in range(rng.randrange(60)))
        bounds = [0, *cuts, len(whole)]
        chunks = [whole[a:b] for a, b in pairwise(bounds) if a < b]
        assert fed(Framer(Domain.MARKET), chunks) == sent


def test_a_block_knows_who_and_which() -> None:
    block = Framer().feed(b"".join(stream(3)) + b"\xef")
    assert block is not None
    assert (block.sources, block.sequences, len(block)) == ([6, 6, 6], [1, 2, 3], 3)


def test_a_large_message_is_joined_once() -> None:
    message = Voice(Domain.MARKET, 6).at(2, *(trade(n % 9) for n in range(1_500)))
    framer = Framer()
    assert [framer.feed(message[at : at + 1]) for at in range(len(message) - 1)] == [None] * (
        len(message) - 1
    )
    assert framer.held == len(message) - 1
    assert framer.feed(message[-1:]).messages() == [message]


@pytest.mark.parametrize(
    ("bad", "kind", "offset"),
    [
        (b"\x00" * 32, "bad_magic", 0),
        (b"\xef\xbe\xad\xde\x01\x02" + bytes(26), "bad_version", 5),
        (b"\xef\xbe\xad\xde\x01\x01\x06\x00" + (1 << 31).to_bytes(4, "little") + bytes(20), "too_large", 8),
    ],
)  # fmt: skip
def test_lost_framing_keeps_what_came_before(bad: bytes, kind: str, offset: int) -> None:
    sent = stream(3)
    framer = Framer()
    assert fed(framer, [b"".join(sent) + bad]) == sent
    assert (framer.failure.kind, framer.failure.offset) == (kind, offset)
    assert framer.feed(sent[0]) is None


def test_messages_with_a_wrong_domain_or_flag_are_cut_out() -> None:
    sent = stream(4)
    flagged = sent[1][:7] + b"\x02" + sent[1][8:]
    foreign = sent[2][:4] + b"\x09" + sent[2][5:]
    other = sent[2][:4] + b"\x02" + sent[2][5:]
    framer = Framer(Domain.MARKET)
    assert fed(framer, [sent[0] + flagged + foreign + other + sent[3] + flagged]) == [
        sent[0],
        sent[3],
    ]
    kinds = [(one.error.kind, one.sequence) for one in framer.rejected]
    assert kinds == [("bad_flags", 2), ("bad_domain", 3), ("bad_domain", 3), ("bad_flags", 2)]
    assert framer.failure is None


def test_a_stream_that_ends_inside_a_message_is_truncated() -> None:
    framer = Framer()
    framer.feed(stream(1)[0][:40])
    assert framer.end().kind == "truncated"


def test_a_lying_length_allocates_nothing() -> None:
    head = stream(1)[0][:8] + (ABSOLUTE_LIMIT - 32).to_bytes(4, "little") + bytes(20)
    framer = Framer()
    framer.feed(head)
    assert framer.held == 32
    relay = Framer(Domain.EXECUTION)
    relay.feed(head[:4] + b"\x03" + head[5:])
    assert relay.failure.kind == "too_large"
