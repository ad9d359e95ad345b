"""Shards of market data: each its tier, together everything, and instruments change shards without a seam."""

import asyncio
import contextlib
from collections import defaultdict
from itertools import chain

from alphapulse.protocol.codec import decode
from alphapulse.protocol.header import Domain
from alphapulse.protocol.market_data import Quote, StateInvalidation, Trade
from alphapulse.protocol.system import (
    Error,
    ErrorCode,
    Hello,
    PeerRole,
    SequenceSync,
    Snapshot,
)
from alphapulse.relays.service import serve_relays
from alphapulse.relays.tiers import Move, Tier, TierConfig
from alphapulse.transport.merging import ShardMerge
from support.relay_client import (
    EPOCH,
    RelayClient,
    Voice,
    hello,
    pair,
    producer,
    relay_config,
    subscribe,
    trade,
)

MARKET = Domain.MARKET
HIGH, MEDIUM, LOW = Tier


@contextlib.asynccontextmanager
async def shard(directory, tier: Tier, **choice):
    path = directory / f"market_data.{tier.name.lower()}.sock"
    reader, writer = await asyncio.open_unix_connection(path)
    client = RelayClient(MARKET, reader, writer)
    client.say(hello(MARKET))
    client.say(subscribe(MARKET, **choice))
    await client.first(SequenceSync)
    try:
        yield client
    finally:
        await client.close()


async def settled(service) -> None:
    """Wait until every shard follows the front."""
    async with asyncio.timeout(10):
        while len(service.relays[MARKET].front._shards) < 3:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def test_instruments_move_without_loss_or_reorder(tmp_path, run) -> None:
    async def scene() -> None:
        config = relay_config(tmp_path, tiers=TierConfig(window_ms=600_000), mark_ms=20)
        async with (
            serve_relays(tmp_path, domains=[MARKET], shards=Tier, config=config) as service,
            shard(tmp_path, HIGH) as high,
            shard(tmp_path, MEDIUM) as medium,
            shard(tmp_path, LOW) as low,
            producer(tmp_path, MARKET, 6) as says,
        ):
            await settled(service)
            front = service.relays[MARKET].front
            voice = Voice(MARKET, 6)
            sent = [voice(trade(number % 7)) for number in range(2_000)]
            for at in range(0, len(sent), 20):
                says.write(b"".join(sent[at : at + 20]))
                await asyncio.sleep(0.001)
                moved = pair(at // 20 % 7).pack()
                target = Tier((at // 20) % 3)
                if front.tiers.of(moved) is not target:
                    front.move(Move(moved, front.tiers.of(moved), target))
            shards = (high, medium, low)
            last = SequenceSync(EPOCH, len(sent) + 1, 0, 6, 2)
            for client in shards:
                await client.until(lambda client=client: last in client.of(SequenceSync))
            assert front.moves > 50
            mine = [client.from_source(6) for client in shards]
            assert all(len(part) > 100 for part in mine)
            first = sent[0]  # it names the epoch, so it is everyone's
            assert (
                sorted(chain.from_iterable(part[1:] for part in mine), key=sent.index) == sent[1:]
            )
            assert all(part[0] == first for part in mine)
            assert merged(shards) == by_instrument(sent)

    run(scene())


def by_instrument(messages: list[bytes]) -> dict:
    found = defaultdict(list)
    for raw in messages:
        found[decode(raw).first(Trade).instrument].append(raw)
    return found


def merged(shards) -> dict:
    """Return what a consumer of all shards accepts, reading them one after the other: the worst lag there is."""
    merge: ShardMerge[bytes] = ShardMerge(len(shards))
    ready: list[bytes] = []
    for number in range(len(shards)):
        merge.joined(number, 1)
    for number, client in enumerate(shards):
        for raw, message in zip(client.raw, client.messages, strict=True):
            sync, header = message.first(SequenceSync), message.header
            if header.source == 6 and header.sequence:
                instrument = message.first(Trade).instrument.pack()
                ready += merge.take(header.sequence, instrument, raw)
            elif sync and not header.sequence and sync.source == 6:
                for word in message.all(StateInvalidation):
                    ready += merge.handover(number, sync.next_sequence, word.instrument.pack())
    return by_instrument(ready)


def test_state_moves_with_its_instrument(tmp_path, run) -> None:
    async def scene() -> None:
        config = relay_config(tmp_path, tiers=TierConfig(fixed={pair(1).pack().hex(): "high"}))
        async with (
            serve_relays(tmp_path, domains=[MARKET], shards=Tier, config=config) as service,
            producer(tmp_path, MARKET, 6) as says,
        ):
            await settled(service)
            voice = Voice(MARKET, 6)
            sent = [voice(), *(voice(Quote(pair(n), 1, 1, 2, 1, EPOCH)) for n in (1, 2))]
            says.write(b"".join(sent))
            async with shard(tmp_path, HIGH) as first:
                await first.until(
                    lambda: any(
                        s.source == 6 and s.next_sequence == 4 for s in first.of(SequenceSync)
                    )
                )
            front = service.relays[MARKET].front
            front.move(Move(pair(1).pack(), HIGH, LOW))
            await asyncio.sleep(0.1)
            kept = {}
            for tier in Tier:
                async with shard(tmp_path, tier, snapshot=True) as client:
                    await client.until(
                        lambda: bool([s for s in client.of(SequenceSync) if s.source == 6])
                    )
                    kept[tier] = {q.instrument for q in client.of(Quote)}
            assert kept == {HIGH: set(), MEDIUM: set(), LOW: {pair(1), pair(2)}}

    run(scene())


def test_a_shard_takes_no_producer_and_falls_with_its_front(tmp_path, run) -> None:
    async def scene() -> None:
        config = relay_config(tmp_path)
        async with (
            serve_relays(tmp_path, domains=[], shards=[LOW], config=config),
            shard(tmp_path, LOW) as hears,
        ):
            reader, writer = await asyncio.open_unix_connection(tmp_path / "market_data.low.sock")
            wrong = RelayClient(MARKET, reader, writer)
            wrong.say(hello(MARKET, role=PeerRole.PRODUCER, source=6, epoch=1))
            await wrong.closed()
            assert [one.code for one in wrong.of(Error)] == [ErrorCode.NOT_ALLOWED]
            await wrong.close()
            for epoch in (EPOCH, EPOCH + 1):
                async with (
                    serve_relays(tmp_path, domains=[MARKET], config=config) as service,
                    producer(tmp_path, MARKET, 6, epoch) as says,
                ):
                    async with asyncio.timeout(10):
                        while not service.relays[MARKET].front._shards:  # noqa: ASYNC110
                            await asyncio.sleep(0.01)
                    message = Voice(MARKET, 6, epoch)(trade(1))
                    says.write(message)
                    await hears.until(lambda message=message: message in hears.raw)
                words = len(hears.of(StateInvalidation))
                await hears.until(
                    lambda: any(
                        m.header.source == 87 and m.first(StateInvalidation) for m in hears.messages
                    )
                )
                assert words <= len(hears.of(StateInvalidation))
            assert (await hears.first(Hello)).source == 87
            assert not hears.of(Snapshot)

    run(scene())
