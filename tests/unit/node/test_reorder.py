"""One desk heard over several connections, and put in order again."""

from __future__ import annotations

import asyncio
import random

from alphapulse.node.heard import Heard
from alphapulse.node.reorder import InOrder
from alphapulse.protocol.header import Header
from alphapulse.protocol.message import Message

SEED = 11


def message(domain: int, sequence: int, stamp_ns: int) -> Message:
    return Message(Header(domain, 42, 0, sequence, stamp_ns), ())


def test_connections_that_lag_give_the_desk_order() -> None:
    generator = random.Random(SEED)
    said = [message(generator.choice((1, 2, 3)), index + 1, 1_000 + index) for index in range(300)]
    connections = [[one for one in said if one.header.domain == domain] for domain in (1, 2, 3)]
    seen: list[Message] = []
    times: list[int] = []
    later = InOrder((lambda one, now_ns: (seen.append(one), times.append(now_ns)),))
    while any(connections):
        connection = generator.choice([one for one in connections if one])
        one = connection.pop(0)
        later.on_message(one, one.header.timestamp_ns)
    later.deliver()
    assert seen == said
    assert times == sorted(times)
    assert later.late == 0


def test_what_comes_after_its_turn_is_delivered_and_counted() -> None:
    seen: list[int] = []
    later = InOrder((lambda one, now_ns: seen.append(one.header.timestamp_ns),))
    for stamp_ns in (5, 9):
        later.on_message(message(1, 1, stamp_ns), stamp_ns)
    later.deliver()
    later.on_message(message(2, 1, 7), 9)
    later.deliver()
    assert seen == [5, 9, 7]
    assert later.late == 1


def test_a_window_passes_before_anything_is_delivered() -> None:
    async def scenario() -> None:
        seen: list[int] = []
        both = asyncio.Event()

        def take(one: Message, now_ns: int) -> None:
            seen.append(one.header.timestamp_ns)
            if len(seen) == 2:
                both.set()

        later = InOrder((take,), window_s=0.5)
        running = asyncio.create_task(later.run())
        later.on_message(message(3, 1, 20), 20)
        await asyncio.sleep(0.05)
        later.on_message(message(2, 1, 10), 20)
        assert seen == []
        async with asyncio.timeout(10):
            await both.wait()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert seen == [10, 20]

    asyncio.run(scenario())


def test_a_whole_stream_is_told_from_one_with_holes() -> None:
    async def scenario() -> None:
        heard = Heard()
        for sequence in (1, 2, 3):
            heard.on_message(message(1, sequence, sequence), sequence)
        heard.on_message(message(3, 2, 4), 4)
        heard.on_message(message(4, 0, 5), 5)
        assert heard.last() == {"1-42": 3, "3-42": 2}
        assert heard.missing({"1-42": 3}) == []
        assert heard.missing({"1-42": 4}) == ["1-42: 3 heard of 4 said"]
        assert heard.missing({"3-42": 2}) == ["3-42: 2 came where 1 was due"]
        assert heard.missing({"2-42": 1}) == ["2-42: 0 heard of 1 said"]
        assert await heard.until({"1-42": 3}, timeout_s=1)
        assert not await heard.until({"1-42": 4}, timeout_s=0.01)
        waiting = asyncio.create_task(heard.until({"1-42": 4}, timeout_s=5))
        await asyncio.sleep(0)
        heard.on_message(message(1, 4, 6), 6)
        assert await waiting

    asyncio.run(scenario())
