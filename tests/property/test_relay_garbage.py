"""Random and damaged bytes through framer and relay: typed failures, nothing else, and no memory that stays.

`GARBAGE_BUFFERS` sets how many buffers; the suite draws few, a soak draws a million.
"""

import asyncio
import gc
import os
import random
import tracemalloc

import pytest

from alphapulse.errors import DecodeError
from alphapulse.protocol.header import DOMAIN_LIMITS, Domain
from alphapulse.relays.connection import Connection
from alphapulse.relays.relay import Relay
from alphapulse.transport.framing import Framer
from support.relay_client import Voice, hello, relay_config, trade

BUFFERS = int(os.environ.get("GARBAGE_BUFFERS", "10000"))


@pytest.fixture
def rng() -> random.Random:
    seed = int(os.environ.get("GARBAGE_SEED", "0")) or random.SystemRandom().getrandbits(32)
    print(f"GARBAGE_SEED={seed}")
    return random.Random(seed)


def damaged(rng: random.Random, good: list[bytes]) -> bytes:
    """Return a buffer: noise, or good messages with flips, cuts, repeats and lies."""
    kind = rng.randrange(4)
    if kind == 0:
        return rng.randbytes(rng.randrange(200))
    data = bytearray(b"".join(rng.choices(good, k=rng.randrange(1, 6))))
    for _ in range(rng.randrange(4)):
        at = rng.randrange(len(data))
        if kind == 1:
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 2:
            del data[at : at + rng.randrange(1, 40)]
        else:
            data[at:at] = rng.randbytes(rng.randrange(8))
        if not data:
            break
    return bytes(data)


async def grown(step, count: int) -> int:
    """Return how many bytes more are held after `count` steps than after the first tenth of them."""
    before = 0
    tracemalloc.start()
    try:
        for done in range(count):
            step()
            if done % 64 == 0:
                await asyncio.sleep(0)
            if done == count // 10:
                gc.collect()
                before = tracemalloc.get_traced_memory()[0]
        gc.collect()
        return tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()


def test_framer_fails_in_words_only(rng: random.Random) -> None:
    voice = Voice(Domain.MARKET, 6)
    good = [voice(trade(number)) for number in range(20)]

    def step() -> None:
        framer = Framer(rng.choice([None, 1, 2, 3, 4]))
        for _ in range(rng.randrange(1, 4)):
            block = framer.feed(damaged(rng, good))
            if block is not None:
                assert block.data == b"".join(block.messages())
        assert framer.failure is None or isinstance(framer.failure, DecodeError)
        assert framer.held <= max(DOMAIN_LIMITS.values()) * 16

    assert asyncio.run(grown(step, BUFFERS)) < 100_000


class Deaf:
    """A socket's end that swallows what is written, as a transport."""

    def __init__(self) -> None:
        self.is_closed = False
        self.written = 0

    def get_extra_info(self, name: str) -> "Deaf":
        return self

    def getsockopt(self, *args: int) -> bytes:
        return os.getpid().to_bytes(4, "little") + os.geteuid().to_bytes(4, "little") + bytes(4)

    def set_write_buffer_limits(self, *, high: int) -> None: ...
    def get_write_buffer_size(self) -> int:
        return 0

    def write(self, data: bytes) -> None:
        self.written += len(data)

    def is_closing(self) -> bool:
        return self.is_closed

    def close(self) -> None:
        self.is_closed = True

    abort = close


@pytest.mark.parametrize("domain", sorted(Domain))
def test_relay_fails_in_words_only(rng: random.Random, tmp_path, domain: int) -> None:
    voice = Voice(domain, 6)
    good = [voice(trade(number)) for number in range(20)]
    greeting = Voice(domain, 6).at(0, hello(domain, role=3, source=6, epoch=voice.epoch))
    good += [greeting, Voice(domain, 6).at(0, trade())]

    async def scene() -> None:
        relay = Relay(domain, relay_config(tmp_path, domain, {"journal_messages": 16}))

        def step() -> None:
            connection = Connection(relay)
            connection.connection_made(Deaf())
            connection.data_received(greeting)
            for _ in range(4):
                connection.data_received(damaged(rng, good))
            connection.eof_received()
            connection.connection_lost(None)
            assert not relay.connections

        assert await grown(step, BUFFERS // 8) < 150_000

    asyncio.run(scene())
