"""A consumer that does not keep up: told what it lost in market data, parted with where nothing may be lost.

Covers: E10
"""

import asyncio
import socket
from contextlib import asynccontextmanager

from alphapulse.protocol.codec import decode, encode
from alphapulse.protocol.execution import RiskAlert
from alphapulse.protocol.header import Domain, Header
from alphapulse.protocol.market_data import StateInvalidation
from alphapulse.protocol.message import Message
from alphapulse.protocol.system import Error, ErrorCode, SequenceSync
from alphapulse.relays.service import serve_relays
from alphapulse.transport.framing import Framer
from support.relay_client import (
    EPOCH,
    Voice,
    consumer,
    hello,
    pair,
    producer,
    relay_config,
    subscribe,
    trade,
)

MARKET, SIGNAL = Domain.MARKET, Domain.SIGNAL


@asynccontextmanager
async def deaf(path, domain: int):
    """Subscribe and then read nothing."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_UNIX) as stream:
        stream.setblocking(False)
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        await loop.sock_connect(stream, str(path))
        for tlv in (hello(domain, name="deaf:1"), subscribe(domain)):
            await loop.sock_sendall(stream, encode(Message(Header(domain, 60, 0, 0, 1), (tlv,))))
        yield stream


async def everything(stream: socket.socket, last: bytes) -> list[bytes]:
    """Read until a message comes or the stream ends."""
    framer, found = Framer(), []
    while data := await asyncio.get_running_loop().sock_recv(stream, 1 << 18):
        block = framer.feed(data)
        if block is not None:
            found += block.messages()
        if last in found:
            break
    return found


async def until(condition) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)  # a counter of another connection has no event


def test_market_data_drops_the_oldest_and_says_what(tmp_path, run) -> None:
    async def scene() -> None:
        config = relay_config(
            tmp_path, MARKET, {"queue_messages": 100}, write_buffer_bytes=4096, heartbeat_ms=60_000
        )
        async with (
            serve_relays(tmp_path, config=config) as service,
            consumer(tmp_path, MARKET) as hears,
            producer(tmp_path, MARKET, 6) as says,
            deaf(tmp_path / "market_data.sock", MARKET) as stream,
        ):
            relay = service.relays[MARKET]
            await until(lambda: any(one.name == "deaf:1" for one in relay.connections))
            await asyncio.sleep(0.05)
            voice = Voice(MARKET, 6)
            sent = [voice(trade(number % 7, 100 + number % 2)) for number in range(20_000)]
            for at in range(0, len(sent), 500):
                says.write(b"".join(sent[at : at + 500]))
                await hears.until(lambda at=at: len(hears.from_source(6)) >= at + 500)
            assert hears.from_source(6) == sent
            (slow,) = [
                one for one in service.statistics()[MARKET].consumers if one.name == "deaf:1"
            ]
            assert slow.queued == 100
            assert slow.dropped > 1_000
            assert slow.behind_ms >= 0
            got = await everything(stream, sent[-1])
            mine = [raw for raw in got if raw[6] == 6]
            assert mine[-100:] == sent[-100:]
            assert len(mine) + slow.dropped == len(sent)
            words = [decode(raw) for raw in got if raw[6] == 80 and raw[12:20] == bytes(8)]
            (lost,) = [
                w.first(SequenceSync)
                for w in words
                if w.first(SequenceSync) and w.first(SequenceSync).reason == 1
            ]
            assert lost == SequenceSync(EPOCH, len(sent) - 99, slow.dropped, 6, 1)
            invalid = {one for w in words for one in w.all(StateInvalidation)}
            assert {(one.action, one.reason) for one in invalid} == {(2, 6)}
            ids = {pair(n % 7, 100 + n % 2) for n in range(14)}
            assert {one.instrument for one in invalid} == ids
            at = [raw for raw in got if raw[6] in (6, 80)].index(mine[-100])
            assert got.index(mine[-100]) > at - 1

    run(scene())


def test_signals_are_never_dropped_the_consumer_goes(tmp_path, run) -> None:
    async def scene() -> None:
        config = relay_config(tmp_path, SIGNAL, {"queue_messages": 100}, write_buffer_bytes=4096)
        async with (
            serve_relays(tmp_path, config=config) as service,
            consumer(tmp_path, SIGNAL) as hears,
            producer(tmp_path, SIGNAL, 20) as says,
            deaf(tmp_path / "signals.sock", SIGNAL) as stream,
        ):
            await until(lambda: service.statistics()[SIGNAL].connections == 3)
            await asyncio.sleep(0.05)
            voice = Voice(SIGNAL, 20)
            sent = [voice(trade(number)) for number in range(10_000)]
            says.write(b"".join(sent))
            await hears.until(lambda: len(hears.from_source(20)) == len(sent))
            assert hears.from_source(20) == sent
            alert = await hears.first(RiskAlert)
            assert alert.severity == 3
            assert "deaf:1" in alert.text
            assert (await hears.first(Error)).code == ErrorCode.SLOW_CONSUMER
            got = await everything(stream, b"")
            mine = [raw for raw in got if raw[6] == 20]
            assert mine == sent[: len(mine)]
            assert decode(got[-1]).first(Error).code == ErrorCode.SLOW_CONSUMER
            assert service.statistics()[SIGNAL].slow_disconnects == 1
            assert service.statistics()[SIGNAL].dropped == 0

    run(scene())
