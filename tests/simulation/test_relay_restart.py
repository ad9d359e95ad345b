"""A relay process killed without warning under load: after its restart nobody has lost or doubled a signal or a result.

Covers: P8
"""

import asyncio
import random
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

from alphapulse.protocol.header import Domain
from alphapulse.protocol.market_data import Quote
from alphapulse.protocol.system import Hello, PeerRole, RecoveryRequest, SequenceSync
from alphapulse.relays.service import serve_relays
from support.relay_client import (
    EPOCH,
    RelayClient,
    Voice,
    connected,
    consumer,
    hello,
    pair,
    producer,
    subscribe,
    trade,
)

MARKET, SIGNAL, EXECUTION = Domain.MARKET, Domain.SIGNAL, Domain.EXECUTION
MESSAGES = 6_000
KILLS = 3


class RelayProcess:
    """`alphapulse relay serve`, started again after each kill."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        words = ["relay", "serve", "--directory", str(self.directory), "--json"]
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "alphapulse.cli.main", *words, stdout=PIPE
        )
        assert b"sockets" in await self.process.stdout.readline()

    async def kill(self) -> None:
        self.process.kill()
        await self.process.wait()

    async def stop(self) -> int:
        self.process.terminate()
        return await self.process.wait()

    async def __aenter__(self) -> "RelayProcess":
        await self.start()
        return self

    async def __aexit__(self, *raised: object) -> None:
        if self.process.returncode is None:
            await self.kill()


async def reconnecting(directory: Path, domain: int, scene) -> None:
    """Run a scene on a connection, again and again until it returns."""
    while True:
        try:
            async with connected(directory, domain) as client:
                if await scene(client):
                    return
        except (ConnectionError, FileNotFoundError):
            pass
        await asyncio.sleep(0.05)


async def produce(directory: Path, domain: int, source: int, sent: list[bytes]) -> None:
    """Say every message, from wherever the relay stands, until it has them all."""

    async def scene(client: RelayClient) -> bool:
        client.say(hello(domain, role=PeerRole.PRODUCER, source=source, epoch=EPOCH))
        await client.until(lambda: client.is_closed or bool(client.of(SequenceSync)))
        if client.is_closed:
            return False
        at = client.of(SequenceSync)[0].next_sequence - 1
        while at < len(sent) and not client.is_closed:
            client.write(b"".join(sent[at : at + 20]))
            at += 20
            await client.writer.drain()
            await asyncio.sleep(0.005)
        await client.until(
            lambda: client.is_closed or client.of(SequenceSync)[-1].next_sequence > len(sent)
        )
        return not client.is_closed

    await reconnecting(directory, domain, scene)


class Listener:
    """Accepts in order, asks for what is missing, ignores repeats."""

    def __init__(self, domain: int, source: int) -> None:
        self.domain, self.source = domain, source
        self.accepted: list[bytes] = []
        self.held: dict[int, bytes] = {}

    def hear(self, client: RelayClient, begin: int) -> int:
        for raw, message in zip(client.raw[begin:], client.messages[begin:], strict=True):
            header = message.header
            if header.source == self.source and header.sequence:
                self.held.setdefault(header.sequence, raw)
                assert self.held[header.sequence] == raw
            sync = message.first(SequenceSync)
            if sync is not None and sync.source == self.source and not header.sequence:
                self.wanted = max(self.wanted, sync.next_sequence - 1)
        while len(self.accepted) + 1 in self.held:
            self.accepted.append(self.held[len(self.accepted) + 1])
        self.wanted = max(self.wanted, max(self.held, default=0))
        return len(client.raw)

    async def listen(self, directory: Path, count: int) -> None:
        self.wanted = 0

        async def scene(client: RelayClient) -> bool:
            client.say(hello(self.domain))
            client.say(subscribe(self.domain))
            begin = asked = 0
            while not client.is_closed and len(self.accepted) < count:
                begin = self.hear(client, begin)
                have = len(self.accepted)
                if self.wanted > have and asked != have + 1:
                    asked = have + 1
                    client.ask(self.source, have, min(self.wanted + 1, have + 100))
                await client.until(lambda n=begin: client.is_closed or len(client.raw) > n)
            return len(self.accepted) >= count

        await reconnecting(directory, self.domain, scene)


def test_signals_and_results_survive_the_relay(tmp_path) -> None:
    seed = random.SystemRandom().getrandbits(32)
    print(f"seed {seed}")
    rng = random.Random(seed)

    async def scene() -> None:
        async with RelayProcess(tmp_path / "r") as relay:
            said, listeners, tasks = {}, [], []
            for domain, source in ((SIGNAL, 20), (EXECUTION, 42), (EXECUTION, 41)):
                voice = Voice(domain, source)
                said[source] = [voice(trade(number)) for number in range(MESSAGES)]
                tasks.append(produce(relay.directory, domain, source, said[source]))
                listeners += [Listener(domain, source) for _ in range(2)]
            tasks += [one.listen(relay.directory, MESSAGES) for one in listeners]

            async def faults() -> None:
                for _ in range(KILLS):
                    await asyncio.sleep(rng.uniform(0.1, 0.5))
                    await relay.kill()
                    await relay.start()

            async with asyncio.timeout(50):
                await asyncio.gather(faults(), *tasks)
            for one in listeners:
                assert one.accepted == said[one.source]
            assert await relay.stop() == 0

    asyncio.run(scene())


def test_market_data_starts_from_a_fresh_base(tmp_path) -> None:
    async def scene() -> None:
        async with RelayProcess(tmp_path / "r") as relay:
            voice = Voice(MARKET, 6)
            prices = [0]

            def base() -> bytes:
                prices[0] += 1
                return b"".join(
                    voice(Quote(pair(number), prices[0], 1, prices[0] + 1, 1, EPOCH))
                    for number in range(5)
                )

            async def say(stop: asyncio.Event) -> None:
                async def scene(client: RelayClient) -> bool:
                    client.say(hello(MARKET, role=PeerRole.PRODUCER, source=6, epoch=EPOCH))
                    await client.until(lambda: client.is_closed or bool(client.of(Hello)))
                    answered = 0
                    if voice.last == 0:
                        client.write(base())
                    while not client.is_closed and not stop.is_set():
                        client.write(voice(trade(1)))
                        if len(client.of(RecoveryRequest)) > answered:
                            answered = len(client.of(RecoveryRequest))
                            client.write(base())
                        await asyncio.sleep(0.01)
                    return stop.is_set()

                await reconnecting(relay.directory, MARKET, scene)

            async def quotes(price: int) -> None:
                async def scene(client: RelayClient) -> bool:
                    client.say(hello(MARKET))
                    client.say(subscribe(MARKET, snapshot=True))
                    await client.until(
                        lambda: (
                            client.is_closed
                            or {q.instrument for q in client.of(Quote) if q.bid_price >= price}
                            == {pair(number) for number in range(5)}
                        )
                    )
                    assert not [q for q in client.of(Quote) if q.bid_price < price]
                    return not client.is_closed

                await reconnecting(relay.directory, MARKET, scene)

            stop = asyncio.Event()
            async with asyncio.timeout(30):
                speaking = asyncio.create_task(say(stop))
                await quotes(1)
                await relay.kill()
                await relay.start()
                await quotes(2)
                stop.set()
                await speaking
            assert await relay.stop() == 0

    asyncio.run(scene())


@pytest.mark.parametrize("torn", [1, 31, 40, 70])
def test_a_torn_end_of_the_journal_is_passed_over(tmp_path, torn: int) -> None:
    voice = Voice(EXECUTION, 42)
    sent = [voice(trade(number)) for number in range(10)]

    async def life(begin: int, end: int) -> None:
        async with (
            serve_relays(tmp_path),
            consumer(tmp_path, EXECUTION) as hears,
            producer(tmp_path, EXECUTION, 42) as says,
        ):
            assert says.of(SequenceSync)[0].next_sequence == begin + 1
            says.write(b"".join(sent[begin:end]))
            await hears.until(lambda: hears.from_source(42) == sent[begin:end])
            hears.ask(42, 0, end + 1)
            await hears.until(lambda: hears.from_source(42)[end - begin :] == sent[:end])

    asyncio.run(life(0, 5))
    segment = max((tmp_path / "journal" / "execution").glob("*.messages"))
    whole = segment.read_bytes()
    segment.write_bytes(whole[: whole.index(sent[4]) + torn])
    asyncio.run(life(4, 10))
