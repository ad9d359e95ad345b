"""Some services on relays, some on the bus, one bridge: both hear everything once, as the bytes that were said.

Oracle: the messages as their producers' own processes have them.
"""

import asyncio
import random
import time

from alphapulse.primitives.secret import Secret
from alphapulse.protocol.codec import encode
from alphapulse.protocol.message import Draft, RawTlv
from alphapulse.relays.service import serve_relays
from alphapulse.transport.bridge import Bridge
from alphapulse.transport.nats import NatsBus
from alphapulse.transport.settings import NatsConfig, UnixConfig
from alphapulse.transport.unix import UnixBus
from support.links import joined, live, said, swaps, until
from support.nats_server import NatsServer

AT_BUS = frozenset({(3, 40), (1, 7)})
FAST = {"reconnect_min_ms": 10, "reconnect_max_ms": 100}


def on_relays(directory, name, produces=()):
    return UnixConfig(name=f"{name}:1", directory=directory, produces=frozenset(produces), **FAST)


def on_bus(server, name, produces=(), **options):
    return NatsConfig(
        name=f"{name}:1", url=Secret(server.url), produces=frozenset(produces), **FAST, **options
    )


def open_bridge(directory, server):
    return Bridge.open(
        on_relays(directory, "bridge"), on_bus(server, "bridge"), time.time_ns, at_bus=AT_BUS
    )


def run(scenario, timeout_s=60):
    asyncio.run(asyncio.wait_for(scenario, timeout_s))


def test_both_sides_hear_each_other_once_and_unchanged(tmp_path):
    async def scenario(server):
        relays = tmp_path / "relays"
        async with (
            serve_relays(relays),
            joined(UnixBus, on_relays(relays, "desk", [(1, 6), (2, 20)])) as (a, at_a),
            joined(NatsBus, on_bus(server, "books", AT_BUS)) as (b, at_b),
            open_bridge(relays, server) as bridge,
        ):
            await bridge.linked(timeout_s=10)
            strange = Draft(1, 6, (RawTlv(type=199, payload=b"\x01\x02"),))
            a.publish_all([*swaps(random.Random(1), 50), strange])
            for number in range(300):
                a.publish(said(2, 20, number))
                b.publish(said(3, 40, number))
                b.publish(said(1, 7, number))
                if number % 20 == 0:
                    await asyncio.sleep(0.002)
            await until(lambda: len(at_b.of(2, 20)) >= 300 and len(at_b.of(1, 6)) >= 51)
            await until(lambda: len(at_a.of(3, 40)) >= 300 and len(at_a.of(1, 7)) >= 300)
            for key in ((1, 6), (2, 20), (3, 40), (1, 7)):
                here, there = at_a.of(*key), at_b.of(*key)
                assert [encode(m) for m in here] == [encode(m) for m in there]
            await asyncio.sleep(0.3)
            assert at_a.numbers(2, 20) == at_b.numbers(2, 20) == list(range(300))
            for bus in (a, b):
                assert sum(s.duplicates for s in bus.link_statistics().sources) == 0
            assert (bridge.statistics().repeats, bridge.statistics().invalid) == (0, 0)

    with NatsServer(tmp_path / "nats") as server:
        run(scenario(server))


def test_a_bridge_that_was_away_goes_on_where_each_side_stands(tmp_path):
    async def scenario(server):
        relays = tmp_path / "relays"
        async with (
            serve_relays(relays),
            joined(UnixBus, on_relays(relays, "desk", [(2, 20)])) as (a, at_a),
            joined(NatsBus, on_bus(server, "books", [(3, 40)])) as (b, at_b),
        ):
            count = 0
            for _ in range(3):
                async with open_bridge(relays, server) as bridge:
                    await bridge.linked(timeout_s=10)
                    for number in range(count, count + 100):
                        a.publish(said(2, 20, number))
                        b.publish(said(3, 40, number))
                    count += 100
                    await until(lambda c=count: len(at_b.of(2, 20)) >= c)
                    await until(lambda c=count: len(at_a.of(3, 40)) >= c)
                for number in range(count, count + 150):
                    a.publish(said(2, 20, number))
                    b.publish(said(3, 40, number))
                count += 150
            async with open_bridge(relays, server) as bridge:
                await bridge.linked(timeout_s=10)
                await until(lambda: len(at_b.of(2, 20)) >= count)
                await until(lambda: len(at_a.of(3, 40)) >= count)
                assert at_b.numbers(2, 20) == at_a.numbers(3, 40) == list(range(count))

    with NatsServer(tmp_path / "nats") as server:
        run(scenario(server))


def test_a_killed_server_under_a_bridge_loses_nothing(tmp_path):
    async def scenario(server):
        relays = tmp_path / "relays"
        async with (
            serve_relays(relays),
            joined(UnixBus, on_relays(relays, "desk", [(2, 20)])) as (a, at_a),
            joined(NatsBus, on_bus(server, "books", [(3, 40)])) as (b, at_b),
            open_bridge(relays, server) as bridge,
        ):
            await bridge.linked(timeout_s=10)
            for number in range(200):
                a.publish(said(2, 20, number))
                b.publish(said(3, 40, number))
                if number == 100:
                    server.kill()
            await asyncio.sleep(0.2)
            server.start()
            await live(a, b, timeout_s=15)
            await until(lambda: len(at_b.of(2, 20)) >= 200, 20)
            await until(lambda: len(at_a.of(3, 40)) >= 200, 20)
            assert at_b.numbers(2, 20) == at_a.numbers(3, 40) == list(range(200))

    with NatsServer(tmp_path / "nats") as server:
        run(scenario(server))


def test_a_new_run_of_a_producer_crosses_as_a_new_run(tmp_path):
    async def scenario(server):
        relays = tmp_path / "relays"
        async with (
            serve_relays(relays),
            joined(UnixBus, on_relays(relays, "desk")) as (_, at_a),
            joined(NatsBus, on_bus(server, "watch")) as (_, at_b),
            open_bridge(relays, server) as bridge,
        ):
            await bridge.linked(timeout_s=10)
            for round_ in range(2):
                async with (
                    joined(NatsBus, on_bus(server, "books", [(3, 40)])) as (b, _),
                    joined(UnixBus, on_relays(relays, "arb", [(2, 20)])) as (a, _),
                ):
                    b.publish_all(said(3, 40, number) for number in range(5))
                    a.publish_all(said(2, 20, number) for number in range(5))
                    await until(lambda r=round_: len(at_a.of(3, 40)) == 5 * (r + 1))
                    await until(lambda r=round_: len(at_b.of(2, 20)) == 5 * (r + 1))
            assert at_a.numbers(3, 40) == at_b.numbers(2, 20) == [*range(5), *range(5)]

    with NatsServer(tmp_path / "nats") as server:
        run(scenario(server))
