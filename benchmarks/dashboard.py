"""What the dashboard costs the process that it shares with the hot path.

Run as `python benchmarks/dashboard.py`: one JSON object. U1 is the CPU time of one refresh of one open page, from
asking what changed to the serialised update, over a replica full of data; U2 is the time that the replica takes per message.
"""

import asyncio
import gc
import json
import os
import platform
from collections.abc import Callable
from statistics import median
from time import perf_counter_ns, process_time_ns

from nicegui import Client, core, ui
from nicegui import json as wire

from alphapulse.dashboard.facts import Facts
from alphapulse.dashboard.fake_stream import CHAIN_ID, FakePool, FakeStream
from alphapulse.dashboard.pages import build_overview
from alphapulse.dashboard.replica import Replica
from alphapulse.primitives.venue import Venue
from alphapulse.protocol.message import Message

BLOCKS = 600
EXECUTIONS = 2_000
ROUNDS = 9
REFRESHES = 100
MESSAGES = 2_000
GOAL_REFRESH_US = 5_000
GOAL_MESSAGE_US = 10
START_NS = 1_700_000_000 * 10**9
PAIRS = (("WETH", "USDC"), ("WETH", "DAI"), ("WBTC", "WETH"), ("USDC", "DAI"))
VENUES = (
    (Venue.UNISWAP_V2, 3000),
    (Venue.UNISWAP_V3, 500),
    (Venue.UNISWAP_V3, 3000),
    (Venue.SUSHISWAP, 3000),
)


def filled() -> tuple[FakeStream, Replica]:
    """Return a replica with 600 price points in each of 16 pools and 2,000 executions."""
    pools = tuple(FakePool(venue, *pair, fee) for pair in PAIRS for venue, fee in VENUES)
    stream, replica = FakeStream(START_NS, pools), Replica()
    for message in stream.begin():
        replica.on_message(message, message.header.timestamp_ns)
    for block in range(BLOCKS):
        for message in one_block(stream, block):
            replica.on_message(message, message.header.timestamp_ns)
    for number in range(EXECUTIONS):
        for message in one_execution(stream, number + 1):
            replica.on_message(message, message.header.timestamp_ns)
    return stream, replica


def one_block(stream: FakeStream, number: int) -> list[Message]:
    """Return a swap in each pool, and the message that closes the block."""
    said = [
        message
        for place, pool in enumerate(stream.pools)
        for message in stream.move(pool, 3000 + (number * 7 + place) % 50)
    ]
    return [*said, stream.close()]


def one_execution(stream: FakeStream, number: int) -> list[Message]:
    """Return a signal, its transaction and its result."""
    return [stream.signal(number), stream.started(number), stream.result(number)]


def refresh_us(
    stream: FakeStream, replica: Replica, change: Callable[[int], list[Message]]
) -> float:
    """Return the CPU time of one refresh of one page, its serialised update included, after each change."""
    with Client(ui.page("/")) as client:
        refresh = build_overview(replica, Facts(CHAIN_ID, "bench", True), lambda: stream.now_ns)
        outbox = client.outbox
        spent: list[int] = []
        for number in range(REFRESHES):
            for message in change(number):
                replica.on_message(message, message.header.timestamp_ns)
            outbox.updates.clear()
            begin = process_time_ns()
            refresh()
            told = {name: element._to_dict() for name, element in outbox.updates.items()}
            wire.dumps(told)
            spent.append(process_time_ns() - begin)
        client.delete()
    return median(spent) / 1_000


def message_us(replica: Replica, messages: list[Message]) -> float:
    """Return the time per message."""
    begin = perf_counter_ns()
    for message in messages:
        replica.on_message(message, message.header.timestamp_ns)
    return (perf_counter_ns() - begin) / len(messages) / 1_000


def run() -> dict[str, object]:
    """Return the report, one row per measured case."""
    stream, replica = filled()
    gc.collect()
    serial = iter(range(10**6, 10**9))

    def market() -> list[Message]:
        said: list[Message] = []
        while len(said) < MESSAGES:
            said += one_block(stream, len(said))
        return said

    def trading() -> list[Message]:
        said: list[Message] = []
        while len(said) < MESSAGES:
            said += one_execution(stream, next(serial))
        return said

    def busy(number: int) -> list[Message]:
        return one_execution(stream, next(serial)) + one_block(stream, number)

    cases: list[tuple[str, str, Callable[[], float], int]] = [
        (
            "U1",
            "one refresh, nothing happened",
            lambda: refresh_us(stream, replica, lambda _: []),
            GOAL_REFRESH_US,
        ),
        (
            "U1",
            "one refresh after a block and an execution",
            lambda: refresh_us(stream, replica, busy),
            GOAL_REFRESH_US,
        ),
        ("U2", "market message", lambda: message_us(replica, market()), GOAL_MESSAGE_US),
        (
            "U2",
            "signal or execution message",
            lambda: message_us(replica, trading()),
            GOAL_MESSAGE_US,
        ),
    ]
    figures: list[list[float]] = [[] for _ in cases]
    for _ in range(ROUNDS):
        for place, case in enumerate(cases):
            figures[place].append(case[2]())
    rows = [
        {
            "id": row,
            "twin": "python",
            "what": what,
            "value": round(median(values), 2),
            "unit": "us",
            "peer": None,
            "peer_value": None,
            "ratio": None,
            "goal": goal,
            "met": median(values) <= goal,
        }
        for (row, what, _, goal), values in zip(cases, figures, strict=True)
    ]
    machine = f"{platform.machine()}, {os.cpu_count()} CPUs, CPython {platform.python_version()}"
    return {"name": "dashboard", "machine": machine, "kernel": "python", "rows": rows}


async def main() -> None:
    """Print the report as one JSON object."""
    core.loop = asyncio.get_running_loop()
    print(json.dumps(run(), indent=1))


if __name__ == "__main__":
    asyncio.run(main())
