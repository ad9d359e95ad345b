"""What every bus promises, whatever carries it: a local one, real relays, a real nats-server.

Oracle: the drafts that were published, and the rules of the wire protocol on sequences and unknown types.
"""

import asyncio
import itertools
import random
import time

import pytest

from alphapulse.protocol.codec import decode, encode
from alphapulse.protocol.market_data import ChainEvent, PoolSwap, Trade
from alphapulse.protocol.message import Draft, RawTlv
from alphapulse.protocol.system import SequenceSync, TraceContext
from alphapulse.transport.bus import LinkState
from support.bus_kinds import KINDS, world
from support.drafts import swap_draft
from support.links import number_of, said, until

PATIENCE_S = 60


@pytest.fixture(params=KINDS)
def run(request, tmp_path):
    """Run a scenario in a world of each kind."""

    def run_in(scenario):
        async def inside():
            async with asyncio.timeout(PATIENCE_S), world(request.param, tmp_path) as place:
                await scenario(place)

        asyncio.run(inside())

    return run_in


def test_messages_of_a_producer_arrive_once_in_order_and_unchanged(run):
    async def scenario(place):
        keys = [(1, 6), (2, 20), (3, 42), (4, 62)]
        desk, own = await place.process("desk", produces=keys)
        _, heard = await place.process("books")
        for number in range(400):
            desk.publish(said(*keys[number % 4], number))
        await until(lambda: len(heard.messages) >= 400)
        for index, key in enumerate(keys):
            assert heard.numbers(*key) == list(range(index, 400, 4))
            sequences = [m.header.sequence for m in heard.of(*key)]
            assert all(earlier < later for earlier, later in itertools.pairwise(sequences))
            first = heard.of(*key)[0]
            assert first.first(SequenceSync) is not None or first.header.sequence > 1
            assert [encode(m) for m in heard.of(*key)] == [encode(m) for m in own.of(*key)]

    run(scenario)


def test_real_events_arrive_as_they_were_said(run):
    async def scenario(place):
        rng = random.Random(3)
        desk, _ = await place.process("desk", produces=[(1, 6)], consumes=())
        _, heard = await place.process("books")
        drafts = [swap_draft(rng, 1, index) for index in range(50)]
        desk.publish_all(drafts)
        await until(lambda: len(heard.of(1, 6)) == 50)
        kinds = (Trade, PoolSwap, ChainEvent, TraceContext)
        assert [tuple(m.first(k) for k in kinds) for m in heard.of(1, 6)] == [
            d.tlvs for d in drafts
        ]

    run(scenario)


def test_what_is_published_in_a_delivery_stands_behind_it_for_everyone(run):
    async def scenario(place):
        a, at_a = await place.process("desk", produces=[(1, 6)])
        b, at_b = await place.process("books", produces=[(2, 20)])

        def answer(message, now_ns):
            if message.header.source == 6 and message.first(TraceContext) is not None:
                b.publish(said(2, 20, number_of(message) * 10))
                b.publish_all([said(2, 20, number_of(message) * 10 + 1)])

        b.subscribe(answer, name="answering")
        a.publish_all(said(1, 6, number) for number in range(1, 41))
        await until(lambda: len(at_a.of(2, 20)) == 80 and len(at_b.of(2, 20)) == 80)
        answers = [n for number in range(1, 41) for n in (number * 10, number * 10 + 1)]
        assert at_a.numbers(2, 20) == at_b.numbers(2, 20) == answers
        for heard in (at_a, at_b):
            order = [(m.header.source, number_of(m)) for m in heard.messages]
            places = {said_by: place for place, said_by in enumerate(order)}
            assert all(places[6, n // 10] < places[20, n] for n in answers)

    run(scenario)


def test_time_given_to_subscribers_never_falls(run):
    async def scenario(place):
        a, at_a = await place.process("desk", produces=[(1, 6), (4, 62)])
        b, at_b = await place.process("books", produces=[(3, 40)])
        for number in range(50):
            a.publish(said(1, 6, number))
            b.publish(said(3, 40, number))
            await asyncio.sleep(0)
        await until(lambda: len(at_a.messages) == 100 and len(at_b.messages) == 100)
        for heard in (at_a, at_b):
            assert heard.times == sorted(heard.times)
            pairs = zip(heard.messages, heard.times, strict=True)
            assert all(now_ns >= m.header.timestamp_ns for m, now_ns in pairs)

    run(scenario)


def test_unknown_types_pass_unharmed(run):
    async def scenario(place):
        desk, _ = await place.process("desk", produces=[(1, 6)], consumes=())
        _, heard = await place.process("books")
        strange = (
            RawTlv(type=199, payload=b"\x01\x02\x03"),
            RawTlv(type=253, payload=bytes(range(256)) * 4),
            TraceContext(trace_id=1, span_id=2, flags=0),
        )
        desk.publish(said(1, 6, 0))
        desk.publish(Draft(1, 6, strange))
        await until(lambda: len(heard.of(1, 6)) == 2)
        message = heard.of(1, 6)[1]
        assert message.tlvs == strange
        assert decode(encode(message)) == message

    run(scenario)


def test_the_largest_messages_of_each_domain_pass(run):
    async def scenario(place):
        sizes = {1: 65_536, 2: 32_768, 3: 16_384, 4: 65_536}
        keys = [(1, 6), (2, 20), (3, 42), (4, 62)]
        desk, _ = await place.process("desk", produces=keys, consumes=())
        _, heard = await place.process("books")
        for domain, source in keys:
            desk.publish(said(domain, source, 0))
            room = sizes[domain] - 32 - 30
            parts = []
            while room > 5 + 256:
                size = min(room - 5, 60_000)
                parts.append(RawTlv(type=254, payload=random.Random(room).randbytes(size)))
                room -= size + 5
            trace = TraceContext(trace_id=1, span_id=2, flags=0)
            for _ in range(8):
                desk.publish(Draft(domain, source, (*parts, trace)))
        await until(lambda: len(heard.messages) >= 36)
        for key in keys:
            large = heard.of(*key)[1:]
            assert len(large) == 8
            assert len({encode(m)[32:] for m in large}) == 1
            assert sizes[key[0]] - 300 < len(encode(large[0])) <= sizes[key[0]]

    run(scenario)


def test_a_process_hears_its_domains_only_and_counts_what_it_delivers(run):
    async def scenario(place):
        desk, _ = await place.process("desk", produces=[(1, 6), (3, 42)])
        books, heard = await place.process("books", consumes=(3,))
        for number in range(20):
            desk.publish(said(1, 6, number))
            desk.publish(said(3, 42, number))
        await until(lambda: len(heard.of(3, 42)) == 20)
        assert heard.of(1, 6) == []
        statistics = books.statistics()
        mine = next(s for s in statistics.subscribers if s.name in ("heard", "books"))
        assert mine.delivered == len(heard.messages) + heard.beats
        if place.kind == "local":
            return
        assert statistics.foreign == statistics.messages == mine.delivered
        link = books.link_statistics()
        assert (link.state, link.lost, link.invalid) == (LinkState.LIVE, 0, 0)
        assert link.received >= 20
        assert next(s for s in link.sources if s.source == 42).next_sequence >= 21
        assert await desk.drain(timeout_s=5)
        sent = desk.link_statistics()
        assert (sent.waiting, sent.resent) == (0, 0)
        assert sent.sent == desk.statistics().messages - desk.statistics().foreign

    run(scenario)


def test_many_producers_and_consumers_hear_each_other_whole(run):
    async def scenario(place):
        parts = [
            await place.process(f"part{n}", produces=[(2, 20 + n)], consumes=(2,)) for n in range(4)
        ]
        for number in range(100):
            for n, (bus, _) in enumerate(parts):
                bus.publish(said(2, 20 + n, number))
            await asyncio.sleep(0)
        await until(lambda: all(len(heard.messages) >= 400 for _, heard in parts))
        for _, heard in parts:
            for n in range(4):
                assert heard.numbers(2, 20 + n) == list(range(100))

    run(scenario)


def test_a_new_run_of_a_producer_begins_at_one(run):
    async def scenario(place):
        if place.kind == "local":
            pytest.skip("a local bus has one run")
        books, heard = await place.process("books", consumes=(2,))
        for round_ in range(2):
            desk, _ = await place.process("desk", produces=[(2, 20)], consumes=(4,))
            desk.publish_all(said(2, 20, number) for number in range(5))
            await until(lambda r=round_: len(heard.of(2, 20)) == 5 * (r + 1))
            await place.close(desk)
        assert [m.first(SequenceSync) is not None for m in heard.of(2, 20)] == (
            [True] + [False] * 4
        ) * 2
        assert books.link_statistics().lost == 0

    run(scenario)


def test_latency_of_a_quiet_bus_is_far_below_a_heartbeat(run):
    async def scenario(place):
        desk, _ = await place.process("desk", produces=[(1, 6)], consumes=())
        _, heard = await place.process("books")
        spent = []
        for number in range(20):
            began = time.perf_counter()
            desk.publish(said(1, 6, number))
            await until(lambda n=number: len(heard.of(1, 6)) > n)
            spent.append(time.perf_counter() - began)
        assert sorted(spent)[10] < 0.1

    run(scenario)
