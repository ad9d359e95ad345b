"""Later hands on every message in order, at once when asked, and lets a failing subscriber end the run."""

import asyncio

import pytest

from alphapulse.node.later import WAITING_MAX, Later
from alphapulse.protocol.header import Header
from alphapulse.protocol.message import Message


def message(number: int) -> Message:
    return Message(Header(4, 62, 0, number, number), ())


def test_messages_arrive_in_order_once_deliver_is_called() -> None:
    seen: list[tuple[str, int]] = []

    async def scenario() -> None:
        later = Later(
            [
                lambda m, _: seen.append(("a", m.header.sequence)),
                lambda m, _: seen.append(("b", m.header.sequence)),
            ]
        )
        later.on_message(message(1), 1)
        later.on_message(message(2), 2)
        assert seen == []
        later.deliver()
        later.deliver()

    asyncio.run(scenario())
    assert seen == [("a", 1), ("b", 1), ("a", 2), ("b", 2)]


def test_what_waits_is_bounded_and_never_dropped() -> None:
    seen: list[int] = []

    async def scenario() -> None:
        later = Later([lambda m, _: seen.append(m.header.sequence)])
        for number in range(WAITING_MAX):
            later.on_message(message(number), number)

    asyncio.run(scenario())
    assert seen == list(range(WAITING_MAX))


def test_a_failing_subscriber_ends_the_task() -> None:
    def fail(_message: Message, _now_ns: int) -> None:
        raise RuntimeError("broken")

    async def scenario() -> None:
        later = Later([fail])
        task = asyncio.create_task(later.run())
        later.on_message(message(1), 1)
        with pytest.raises(RuntimeError, match="broken"):
            await task

    asyncio.run(scenario())
