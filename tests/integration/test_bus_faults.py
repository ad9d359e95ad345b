"""Relays and servers that die under load, slow consumers, repeats: what lossless means, and what is said when it does not hold.

Oracle: the numbers that were produced.
"""

import asyncio
import random
import sys
import time

import msgspec
import nats
import pytest

from alphapulse.errors import EndpointDown
from alphapulse.primitives.instrument_id import InstrumentId
from alphapulse.primitives.secret import Secret
from alphapulse.protocol.execution import EmergencyStop
from alphapulse.protocol.market_data import (
    InstrumentMeta,
    InvalidationAction,
    StateInvalidation,
    Trade,
)
from alphapulse.protocol.message import Draft
from alphapulse.protocol.system import SequenceSync
from alphapulse.relays.config import RelayConfig, default_domains
from alphapulse.relays.service import serve_relays
from alphapulse.transport.bus import LinkState
from alphapulse.transport.nats import NatsBus
from alphapulse.transport.sequence import Sequencer
from alphapulse.transport.settings import NatsConfig, UnixConfig
from alphapulse.transport.unix import UnixBus
from support.links import joined, live, said, swaps, until
from support.nats_server import NatsServer
from support.relay_process import RelayProcess

POOL = bytes.fromhex("88e6a0c2ddd26feeb64f039a2c41296fcb3f5640")
FAST = {"reconnect_min_ms": 10, "reconnect_max_ms": 100}


def unix(directory, name, produces=(), consumes=(1, 2, 3, 4), **options):
    return UnixConfig(
        name=f"{name}:1",
        directory=directory,
        produces=frozenset(produces),
        consumes=frozenset(consumes),
        **(FAST | options),
    )


def over_nats(server, name, produces=(), consumes=(1, 2, 3, 4), **options):
    return NatsConfig(
        name=f"{name}:1",
        url=Secret(server.url),
        produces=frozenset(produces),
        consumes=frozenset(consumes),
        **(FAST | options),
    )


def run(scenario, timeout_s=60):
    asyncio.run(asyncio.wait_for(scenario, timeout_s))


async def say(bus, keys, numbers, pause_every=25):
    for number in numbers:
        for key in keys:
            bus.publish(said(*key, number))
        if number % pause_every == 0:
            await asyncio.sleep(0.002)


def notices_of(heard):
    return [
        tlv.action
        for message in heard.messages
        if message.header.sequence == 0
        for tlv in message.all(StateInvalidation)
    ]


def test_killed_relays_lose_nothing_of_signals_and_executions(tmp_path):
    keys = [(2, 20), (3, 42)]

    async def scenario(relays):
        desk = unix(relays.directory, "desk", produces=[*keys, (1, 6)])
        async with (
            joined(UnixBus, desk) as (a, _),
            joined(UnixBus, unix(relays.directory, "books")) as (b, at_b),
            joined(UnixBus, unix(relays.directory, "archive", history=True)) as (c, at_c),
        ):
            a.publish_all(swaps(random.Random(1), 5))
            count = 0
            for _ in range(3):
                await say(a, keys, range(count, count + 400))
                count += 400
                relays.kill()
                await say(a, keys, range(count, count + 400))
                count += 400
                await until(lambda: b.state is LinkState.LOST)
                relays.start()
                await live(a, b, c, timeout_s=15)
            for heard in (at_b, at_c):
                for key in keys:
                    await until(lambda h=heard, k=key: len(h.of(*k)) >= count)
                    assert heard.numbers(*key) == list(range(count))
            assert b.link_statistics().lost == 0
            assert notices_of(at_b)[0] == InvalidationAction.STALE
            assert at_b.of(1, 6)

    with RelayProcess(tmp_path / "relays") as relays:
        run(scenario(relays))


@pytest.mark.parametrize("gap", [60, 400])
def test_a_consumer_that_was_away_gets_what_it_missed(tmp_path, gap):
    """A short gap of market data is sent again, a long one gives way to a snapshot; executions come whole."""

    async def scenario():
        async with serve_relays(tmp_path / "relays"):
            desk = unix(tmp_path / "relays", "desk", produces=[(1, 6), (3, 42)])
            async with (
                joined(UnixBus, desk) as (a, _),
                joined(UnixBus, unix(tmp_path / "relays", "books")) as (b, heard),
            ):
                rng = random.Random(2)
                a.publish_all(swaps(rng, 10))
                a.publish_all(said(3, 42, number) for number in range(10))
                await until(lambda: len(heard.of(1, 6)) == 10 and len(heard.of(3, 42)) == 10)
                for domain in (1, 3):
                    b._clients[domain].reconnect("a test")
                await until(lambda: b.state is LinkState.LOST)
                a.publish_all(swaps(rng, gap, block=2))
                a.publish_all(said(3, 42, number) for number in range(10, 10 + gap))
                await live(b)
                await until(lambda: len(heard.of(3, 42)) == 10 + gap)
                assert heard.numbers(3, 42) == list(range(10 + gap))
                assert notices_of(heard)[0] == InvalidationAction.STALE
                stream = next(s for s in b.link_statistics().sources if s.source == 6)
                await until(
                    lambda: (
                        next(s for s in b.link_statistics().sources if s.source == 6).next_sequence
                        > 10 + gap
                    )
                )
                if gap < 100:
                    assert [m.header.sequence for m in heard.of(1, 6)] == list(range(1, 11 + gap))
                    assert notices_of(heard)[-1] == InvalidationAction.RESUME
                else:
                    assert InvalidationAction.RESET in notices_of(heard)
                assert stream.epoch

    run(scenario())


def test_a_late_joiner_begins_with_the_state_that_the_relay_keeps(tmp_path):
    async def scenario():
        async with serve_relays(tmp_path / "relays"):
            desk = unix(tmp_path / "relays", "desk", produces=[(1, 6), (3, 41)])
            async with joined(UnixBus, desk, epoch=99) as (a, _):
                meta = InstrumentMeta(
                    instrument=InstrumentId.pool(301, POOL),
                    chain_id=1,
                    kind=2,
                    pool_type=1,
                    decimals=0,
                    key=POOL,
                    fee_pips=500,
                    tick_spacing=10,
                    flags=0,
                    hooks=bytes(20),
                    price_step=0,
                    size_step=0,
                    asset_class=0,
                    event_ns=1,
                    leg=(),
                    symbol="A/B",
                )
                stop = EmergencyStop(reason=6, action=1, affected_strategies=65_535, event_ns=1)
                a.publish(Draft(1, 6, (meta,)))
                a.publish_all(said(1, 6, number) for number in range(20))
                a.publish(Draft(3, 41, (stop,)))
                assert await a.drain(timeout_s=2)
                late = unix(tmp_path / "relays", "late")
                async with joined(UnixBus, late) as (b, heard):
                    await until(lambda: heard.of(1, 6) and heard.of(3, 41))
                    assert heard.of(1, 6)[0].first(InstrumentMeta) == meta
                    assert heard.of(3, 41)[0].first(EmergencyStop) == stop
                    assert (b.epoch_of(1, 6), b.epoch_of(3, 41)) == (99, 99)
                    a.publish(said(1, 6, 20))
                    await until(lambda: heard.of(1, 6)[-1].header.sequence >= 22)
                    assert b.link_statistics().lost == 0
                    assert sum(s.gaps for s in b.link_statistics().sources) == 0

    run(scenario())


def test_a_narrowed_consumer_hears_its_types_and_instruments_only(tmp_path):
    async def scenario():
        async with serve_relays(tmp_path / "relays"):
            drafts = swaps(random.Random(8), 120)
            wanted = drafts[0].tlvs[0].instrument
            desk = unix(tmp_path / "relays", "desk", produces=[(1, 6)])
            few = unix(tmp_path / "relays", "few", consumes=(1,), instruments=frozenset({wanted}))
            none = unix(tmp_path / "relays", "none", consumes=(1,), types=frozenset({17}))
            async with (
                joined(UnixBus, desk) as (a, _),
                joined(UnixBus, few) as (b, at_b),
                joined(UnixBus, none) as (c, at_c),
            ):
                a.publish_all(drafts)
                mine = [d.tlvs[:4] for d in drafts if d.tlvs[0].instrument == wanted]
                await until(lambda: len(at_b.of(1, 6)) >= len(mine))
                assert [
                    tuple(t for t in m.tlvs if not isinstance(t, SequenceSync))
                    for m in at_b.of(1, 6)
                    if m.first(Trade).instrument == wanted
                ] == mine
                assert len(at_b.of(1, 6)) <= len(mine) + 1
                assert len(at_c.of(1, 6)) <= 1
                for bus in (b, c):
                    assert bus.link_statistics().recoveries == 0
                    assert bus.link_statistics().lost == 0

    run(scenario())


def test_a_slow_consumer_of_market_data_knows_what_it_lost(tmp_path):
    async def scenario():
        domains = default_domains()
        domains[1] = msgspec.structs.replace(domains[1], queue_messages=200)
        relay_config = RelayConfig(
            directory=tmp_path / "relays", domains=domains, write_buffer_bytes=4_096
        )
        async with serve_relays(tmp_path / "relays", config=relay_config):
            desk = unix(tmp_path / "relays", "desk", produces=[(1, 6)], consumes=())
            async with (
                joined(UnixBus, desk) as (a, _),
                joined(UnixBus, unix(tmp_path / "relays", "books", consumes=(1,))) as (b, heard),
            ):
                everything = []
                b.subscribe(lambda message, now_ns: everything.append(message), name="all")
                rng = random.Random(3)
                a.publish_all(swaps(rng, 20))
                await until(lambda: len(heard.of(1, 6)) == 20)
                b._clients[1]._transport.pause_reading()
                for block in range(60):
                    a.publish_all(swaps(rng, 100, block=block))
                    await asyncio.sleep(0.005)
                assert len(heard.of(1, 6)) == 20
                b._clients[1]._transport.resume_reading()
                a.publish_all(swaps(rng, 1, block=99))
                await until(
                    lambda: (
                        next(s for s in b.link_statistics().sources if s.source == 6).next_sequence
                        > 6_021
                    )
                )
                actions = notices_of(heard)
                assert InvalidationAction.STALE in actions
                assert InvalidationAction.RESET in actions
                sequences = (m.header.sequence for m in everything if m.header.source == 6)
                expected, is_told = next(sequences), False
                for message in everything:
                    if message.header.source == 6:
                        assert is_told or message.header.sequence == expected
                        expected = message.header.sequence + 1
                    is_told = is_told or message.first(StateInvalidation) is not None

    run(scenario())


def test_a_second_producer_of_a_source_is_refused_by_name(tmp_path):
    async def scenario():
        async with serve_relays(tmp_path / "relays"):
            first = unix(tmp_path / "relays", "desk", produces=[(2, 20)])
            second = unix(tmp_path / "relays", "twin", produces=[(2, 20)])
            async with joined(UnixBus, first) as (a, _):
                async with UnixBus.open(second, Sequencer(9), time.time_ns) as twin:
                    with pytest.raises(EndpointDown, match="source 20 is live as `desk:1`"):
                        await twin.linked(timeout_s=0.3)
                assert a.state is LinkState.LIVE

    run(scenario())


def test_a_second_producer_on_the_bus_is_refused_by_name_until_the_first_ends(tmp_path):
    async def scenario(server):
        first = over_nats(server, "desk", produces=[(2, 20)])
        second = over_nats(server, "twin", produces=[(2, 20)])
        async with NatsBus.open(second, Sequencer(9), time.time_ns) as twin:
            await twin.linked(timeout_s=5)
            async with NatsBus.open(first, Sequencer(10), time.time_ns) as desk:
                with pytest.raises(EndpointDown, match="source 20 of domain 2 is live as `twin:1`"):
                    await desk.linked(timeout_s=0.3)
        async with joined(NatsBus, first):
            pass

    with NatsServer(tmp_path / "nats") as server:
        run(scenario(server))


CHILD = """
import asyncio, sys, time
from pathlib import Path
from alphapulse.protocol.message import Draft
from alphapulse.protocol.system import TraceContext
from alphapulse.transport.sequence import Sequencer
from alphapulse.transport.settings import UnixConfig
from alphapulse.transport.unix import UnixBus

async def main():
    config = UnixConfig(name="child:1", directory=Path(sys.argv[1]), produces=frozenset({(2, 21)}),
                        consumes=frozenset({2}))
    done = asyncio.Event()
    async with UnixBus.open(config, Sequencer(time.time_ns()), time.time_ns) as bus:
        def answer(message, now_ns):
            if message.header.source == 20 and type(message.tlvs[-1]) is TraceContext:
                number = message.first(TraceContext).trace_id
                bus.publish(Draft(2, 21, (TraceContext(trace_id=number, span_id=1, flags=0),)))
                if number == 500:
                    done.set()
        bus.subscribe(answer, name="answer")
        await bus.linked()
        print("ready", flush=True)
        await done.wait()

asyncio.run(main())
"""


def test_two_processes_answer_each_other(tmp_path):
    async def scenario():
        async with serve_relays(tmp_path / "relays"):
            child = await asyncio.create_subprocess_exec(
                sys.executable,
                "-c",
                CHILD,
                str(tmp_path / "relays"),
                stdout=asyncio.subprocess.PIPE,
            )
            desk = unix(tmp_path / "relays", "desk", produces=[(2, 20)])
            async with joined(UnixBus, desk) as (a, heard):
                assert (await child.stdout.readline()).strip() == b"ready"
                await say(a, [(2, 20)], range(500))
                await until(lambda: len(heard.of(2, 21)) == 500)
                assert heard.numbers(2, 21) == list(range(500))
            assert await child.wait() == 0

    run(scenario())


def test_a_killed_server_loses_nothing_of_signals_and_executions(tmp_path):
    keys = [(2, 20), (3, 42)]

    async def scenario(server):
        desk = over_nats(server, "desk", produces=[*keys, (1, 6)])
        async with (
            joined(NatsBus, desk) as (a, _),
            joined(NatsBus, over_nats(server, "books")) as (b, heard),
        ):
            a.publish_all(swaps(random.Random(4), 5))
            await until(lambda: len(heard.of(1, 6)) == 5)
            count = 0
            for _ in range(2):
                await say(a, keys, range(count, count + 300))
                count += 300
                server.kill()
                await say(a, keys, range(count, count + 300))
                count += 300
                await until(lambda: b.state is LinkState.LOST, 10)
                server.start()
                await live(a, b, timeout_s=15)
            for key in keys:
                await until(lambda k=key: len(heard.of(*k)) >= count, 20)
                assert heard.numbers(*key) == list(range(count))
            actions = notices_of(heard)
            assert actions[:2] == [InvalidationAction.STALE, InvalidationAction.RESUME]
            assert b.link_statistics().lost == 0

    with NatsServer(tmp_path / "nats") as server:
        run(scenario(server))


def test_market_data_said_while_the_server_was_away_is_heard_from_its_new_stream(tmp_path):
    """The stream in memory dies with the server; what the producer still has goes into the next one."""

    async def scenario(server):
        quick = over_nats(server, "desk", produces=[(1, 6)])
        slow = over_nats(server, "books", reconnect_min_ms=700, reconnect_max_ms=1_000)
        async with joined(NatsBus, quick) as (a, _), joined(NatsBus, slow) as (b, heard):
            a.publish_all(said(1, 6, number) for number in range(5))
            await until(lambda: len(heard.of(1, 6)) == 5)
            server.kill()
            await until(lambda: a.state is LinkState.LOST and b.state is LinkState.LOST)
            server.start()
            await live(a)
            a.publish_all(said(1, 6, number) for number in range(5, 40))
            await until(lambda: len(heard.of(1, 6)) == 40)
            assert heard.numbers(1, 6) == list(range(40))
            assert b.link_statistics().lost == 0

    with NatsServer(tmp_path / "nats") as server:
        run(scenario(server))


def test_a_repeat_on_the_bus_is_heard_once(tmp_path):
    """The server refuses a repeated identity for its window; behind it, the consumer knows run and number."""

    async def scenario(server):
        async with (
            joined(NatsBus, over_nats(server, "desk", produces=[(3, 42)])) as (a, own),
            joined(NatsBus, over_nats(server, "books")) as (b, heard),
        ):
            await say(a, [(3, 42)], range(10))
            await until(lambda: len(heard.of(3, 42)) == 10)
            client = await nats.connect(server.url)
            js = client.jetstream()
            stored = [await js.get_msg("AP_EXECUTION", number) for number in range(1, 11)]
            for kept in stored:
                same = await js.publish(kept.subject, kept.data, headers=dict(kept.headers))
                assert same.duplicate
                again = dict(kept.headers) | {"Nats-Msg-Id": kept.headers["Nats-Msg-Id"] + "x"}
                assert not (await js.publish(kept.subject, kept.data, headers=again)).duplicate
            await client.close()
            await say(a, [(3, 42)], range(10, 12))
            await until(lambda: len(heard.of(3, 42)) >= 12)
            assert heard.numbers(3, 42) == list(range(12)) == own.numbers(3, 42)
            stream = next(s for s in b.link_statistics().sources if s.source == 42)
            assert stream.duplicates == 10

    with NatsServer(tmp_path / "nats") as server:
        run(scenario(server))


def test_a_full_stream_stalls_the_producer_until_there_is_room(tmp_path):
    async def scenario(server):
        config = over_nats(
            server, "desk", produces=[(3, 42)], consumes=(4,), stream_bytes=20_000, stall_ms=300
        )
        async with joined(NatsBus, config) as (a, _):
            states = []
            a.on_state(states.append)
            a.publish_all(said(3, 42, number) for number in range(200))
            await until(lambda: a.state is LinkState.STALLED)
            assert "refused domain 3" in a.link_statistics().last_error
            client = await nats.connect(server.url)
            for _ in range(8):
                await client.jetstream().purge_stream("AP_EXECUTION")
                await asyncio.sleep(0.15)
            await client.close()
            await live(a)
            assert a.link_statistics().waiting == 0

    with NatsServer(tmp_path / "nats") as server:
        run(scenario(server))


def test_a_hole_nobody_can_fill_is_said_before_what_follows(tmp_path):
    async def scenario(server):
        desk = over_nats(server, "desk", produces=[(1, 6), (2, 20)], retained_messages=50)
        wanted = []
        async with (
            joined(NatsBus, desk) as (a, _),
            joined(NatsBus, over_nats(server, "books")) as (b, heard),
        ):
            a.on_base_wanted(lambda domain, source: wanted.append((domain, source)))
            a.publish_all(swaps(random.Random(5), 5))
            a.publish(said(2, 20, 0))
            await until(lambda: len(heard.of(1, 6)) == 5 and heard.of(2, 20))
            server.kill()
            await until(lambda: a.state is LinkState.LOST and b.state is LinkState.LOST)
            a.publish_all(swaps(random.Random(6), 80, block=2))
            server.start()
            await live(a, b, timeout_s=15)
            a.publish_all(swaps(random.Random(7), 1, block=3))
            await until(lambda: heard.of(1, 6)[-1].header.sequence >= 86)
            assert b.link_statistics().lost > 0
            assert InvalidationAction.RESET in notices_of(heard)
            await until(lambda: (1, 6) in wanted)

    with NatsServer(tmp_path / "nats") as server:
        run(scenario(server))


def test_credentials_of_the_bus_are_never_shown(tmp_path):
    canary = "c4n4ry-s3cret"

    async def scenario(server):
        right = f"nats://trader:{canary}@127.0.0.1:{server.port}"
        wrong = f"nats://trader:not-{canary}@127.0.0.1:{server.port}"
        config = msgspec.structs.replace(over_nats(server, "desk"), url=Secret(right))
        assert canary not in repr(config)
        async with joined(NatsBus, config) as (bus, _):
            assert canary not in repr(bus.link_statistics())
        for url in (wrong, f"nats://trader:{canary}@127.0.0.1:1"):
            config = msgspec.structs.replace(over_nats(server, "desk"), url=Secret(url))
            async with NatsBus.open(config, Sequencer(9), time.time_ns) as refused:
                with pytest.raises(EndpointDown, match="is not linked") as caught:
                    await refused.linked(timeout_s=0.3)
                assert canary not in repr(refused.link_statistics())
                assert canary not in str(caught.value)

    with NatsServer(tmp_path / "nats", "--user", "trader", "--pass", canary) as server:
        run(scenario(server))
