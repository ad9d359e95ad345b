"""A thousand consumers, some of which stop reading: everyone else hears everything.

Covers: P5
"""

import asyncio
import contextlib
import resource

from alphapulse.protocol.header import Domain
from alphapulse.protocol.system import Hello
from alphapulse.relays.service import serve_relays
from support.relay_client import (
    Voice,
    connected,
    consumer,
    hello,
    producer,
    relay_config,
    subscribe,
    trade,
)

MARKET = Domain.MARKET
CONSUMERS = 1_000
MESSAGES = 40


def test_a_thousand_consumers_hear_everything(tmp_path, run) -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = 2 * CONSUMERS + 200
    if limits[0] < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(needed, limits[1]), limits[1]))

    async def scene() -> None:
        config = relay_config(
            tmp_path, MARKET, {"connections": CONSUMERS + 2, "queue_messages": 10}, hello_ms=20_000
        )
        async with (
            serve_relays(tmp_path, config=config, domains=[MARKET]) as service,
            contextlib.AsyncExitStack() as everyone,
        ):
            clients = []
            for number in range(CONSUMERS):
                client = await everyone.enter_async_context(connected(tmp_path, MARKET))
                client.say(hello(MARKET))
                client.say(subscribe(MARKET, types=[1] if number % 2 else []))
                clients.append(client)
            for client in clients:
                await client.first(Hello)
            for client in clients[::10]:
                client.writer.transport.pause_reading()
            hearing = [one for number, one in enumerate(clients) if number % 10]
            async with producer(tmp_path, MARKET, 6) as says:
                voice = Voice(MARKET, 6)
                sent = [voice(trade(number)) for number in range(MESSAGES)]
                for one in sent:
                    says.write(one)
                    await asyncio.sleep(0)
                for client in hearing:
                    await client.until(lambda client=client: sent[-1] in client.raw, 30)
            assert all(client.from_source(6) == sent for client in hearing)
            told = service.statistics()[MARKET]
            assert told.connections >= CONSUMERS
            assert told.forwarded >= CONSUMERS * MESSAGES

    run(scene())


def test_a_close_drains_what_consumers_have_not_read(tmp_path, run) -> None:
    async def scene() -> None:
        config = relay_config(tmp_path, write_buffer_bytes=4096, drain_ms=5_000)
        async with contextlib.AsyncExitStack() as later:
            async with serve_relays(tmp_path, config=config) as service:
                hears = await later.enter_async_context(consumer(tmp_path, MARKET))
                hears.writer.transport.pause_reading()
                says = await later.enter_async_context(producer(tmp_path, MARKET, 6))
                voice = Voice(MARKET, 6)
                sent = [voice(trade(number)) for number in range(8_000)]
                says.write(b"".join(sent))
                while service.statistics()[MARKET].received < len(sent):  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
                hears.writer.transport.resume_reading()
            await hears.closed()
            assert hears.from_source(6) == sent

    run(scene())
