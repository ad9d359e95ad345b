"""A consumer group on a real server: each partition has one living member, and a dead one's work goes on elsewhere.

Oracle: the numbers that were produced; what two members took together is each of them once.
"""

import asyncio
import os
import signal
import sys
import time
from collections import Counter

from alphapulse.primitives.secret import Secret
from alphapulse.protocol.execution import EmergencyStop, OrderCancel
from alphapulse.protocol.message import Draft
from alphapulse.protocol.system import TraceContext
from alphapulse.transport.nats import NatsBus
from alphapulse.transport.settings import NatsConfig
from support.links import joined, until
from support.nats_server import NatsServer

LEASE = {"lease_s": 2, "renew_s": 1, "partitions": 8}


def config(server, name, produces=(), group="", consumes=(3,)):
    return NatsConfig(
        name=f"{name}:1",
        url=Secret(server.url),
        produces=frozenset(produces),
        consumes=frozenset(consumes),
        group=group,
        **LEASE,
    )


def order(number):
    """Return a draft whose order id is its partition key."""
    trace = TraceContext(trace_id=number + 1, span_id=1, flags=0)
    return Draft(3, 42, (OrderCancel(order_id=number + 1, reason=0), trace))


def orders_of(heard):
    return [
        m.first(OrderCancel).order_id - 1
        for m in heard.messages
        if m.first(OrderCancel) is not None
    ]


async def balanced(*members):
    """Wait until the members hold equal shares."""
    share = LEASE["partitions"] // len(members)
    try:
        await until(lambda: all(len(one.partitions_held) == share for one in members), 30)
    except AssertionError:
        print([(one.partitions_held, one.link_statistics()) for one in members])
        raise


def run(scenario, timeout_s=90):
    asyncio.run(asyncio.wait_for(scenario, timeout_s))


def test_members_share_the_partitions_and_both_hear_a_broadcast(tmp_path):
    async def scenario(server):
        async with (
            joined(NatsBus, config(server, "desk", produces=[(3, 42)], consumes=(4,))) as (a, _),
            joined(NatsBus, config(server, "one", group="books")) as (b, at_b),
            joined(NatsBus, config(server, "two", group="books")) as (c, at_c),
        ):
            await balanced(b, c)
            assert set(b.partitions_held) | set(c.partitions_held) == {f"{n:02d}" for n in range(8)}
            a.publish_all(order(number) for number in range(200))
            stop = EmergencyStop(reason=6, action=1, affected_strategies=65_535, event_ns=1)
            a.publish(Draft(3, 42, (stop,)))
            await until(lambda: len(at_b.messages) + len(at_c.messages) == 202)
            assert sorted(orders_of(at_b) + orders_of(at_c)) == list(range(200))
            assert orders_of(at_b)
            assert orders_of(at_c)
            for heard in (at_b, at_c):
                assert sum(m.first(EmergencyStop) is not None for m in heard.messages) == 1
        async with joined(NatsBus, config(server, "three", group="books")) as (d, at_d):
            await until(lambda: len(d.partitions_held) == 8)
            await asyncio.sleep(0.2)
            assert orders_of(at_d) == []

    with NatsServer(tmp_path / "nats") as server:
        run(scenario(server))


MEMBER = """
import asyncio, sys, time
from alphapulse.primitives.secret import Secret
from alphapulse.protocol.execution import OrderCancel
from alphapulse.transport.nats import NatsBus
from alphapulse.transport.sequence import Sequencer
from alphapulse.transport.settings import NatsConfig

async def main():
    config = NatsConfig(name="child:1", url=Secret(sys.argv[1]), consumes=frozenset({3}), group="books",
                        lease_s=2, renew_s=1, partitions=8)
    async with NatsBus.open(config, Sequencer(time.time_ns()), time.time_ns) as bus:
        def note(message, now_ns):
            cancel = message.first(OrderCancel)
            if cancel is not None:
                print(cancel.order_id - 1, flush=True)
        bus.subscribe(note, name="note")
        await bus.linked()
        while len(bus.partitions_held) < 4:
            await asyncio.sleep(0.05)
        print("ready", flush=True)
        await bus.failed()

asyncio.run(main())
"""


def test_a_killed_members_partitions_go_on_at_the_other_with_nothing_lost(tmp_path):
    """What was acknowledged is not taken again; at most the one message in flight of a partition may be."""

    async def scenario(server):
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-c", MEMBER, server.url, stdout=asyncio.subprocess.PIPE
        )
        lines = []

        async def read():
            while line := await child.stdout.readline():
                lines.append(line.decode().strip())

        reading = asyncio.create_task(read())
        async with (
            joined(NatsBus, config(server, "desk", produces=[(3, 42)], consumes=(4,))) as (a, _),
            joined(NatsBus, config(server, "one", group="books")) as (b, heard),
        ):
            await until(lambda: "ready" in lines and len(b.partitions_held) == 4)
            for number in range(200):
                a.publish(order(number))
                await asyncio.sleep(0.001)
            await until(lambda: len(heard.messages) + len(lines) >= 200)
            os.kill(child.pid, signal.SIGKILL)
            killed = time.monotonic()
            for number in range(200, 400):
                a.publish(order(number))
            await until(lambda: len(b.partitions_held) == 8, 15)
            assert time.monotonic() - killed > LEASE["lease_s"] - LEASE["renew_s"]
            await child.wait()
            await reading
            taken = [int(line) for line in lines if line.isdigit()]
            await until(lambda: len(set(taken) | set(orders_of(heard))) == 400, 15)
            counts = Counter(taken + orders_of(heard))
            assert sorted(counts) == list(range(400))
            assert sum(count - 1 for count in counts.values()) <= LEASE["partitions"] // 2
            for partition_order in (taken, orders_of(heard)):
                assert len(partition_order) == len(set(partition_order))

    with NatsServer(tmp_path / "nats") as server:
        run(scenario(server))


def test_a_group_goes_on_behind_a_killed_server_and_takes_nothing_twice(tmp_path):
    async def scenario(server):
        signals = (2, 3)
        async with (
            joined(NatsBus, config(server, "desk", produces=[(3, 42)], consumes=(4,))) as (a, _),
            joined(NatsBus, config(server, "one", group="books", consumes=signals)) as (b, at_b),
            joined(NatsBus, config(server, "two", group="books", consumes=signals)) as (c, at_c),
        ):
            await balanced(b, c)
            for number in range(300):
                a.publish(order(number))
                if number in (100, 200):
                    await asyncio.sleep(0.05)
                    server.kill()
                    await asyncio.sleep(0.05)
                    server.start()
            await until(lambda: len(set(orders_of(at_b) + orders_of(at_c))) == 300, 30)
            await asyncio.sleep(0.5)
            counts = Counter(orders_of(at_b) + orders_of(at_c))
            assert sorted(counts) == list(range(300))
            assert set(counts.values()) == {1}

    with NatsServer(tmp_path / "nats") as server:
        run(scenario(server))
