"""Processes on a link, inside one test process: each a bus with a list of what it heard."""

from __future__ import annotations

import asyncio
import itertools
import time
from contextlib import asynccontextmanager

from alphapulse.protocol.message import Draft
from alphapulse.protocol.system import Heartbeat, TraceContext
from alphapulse.transport.bus import LinkState
from alphapulse.transport.sequence import Sequencer
from support.drafts import swap_draft

EPOCHS = itertools.count(1_700_000_000_000_000_000, 1_000)


class Heard:
    """What one subscriber was given; heartbeats are kept apart."""

    def __init__(self):
        self.messages = []
        self.times = []
        self.beats = 0

    def __call__(self, message, now_ns):
        if type(message.tlvs[0]) is Heartbeat:
            self.beats += 1
            return
        self.messages.append(message)
        self.times.append(now_ns)

    def of(self, domain, source):
        return [m for m in self.messages if (m.header.domain, m.header.source) == (domain, source)]

    def numbers(self, domain, source):
        """Return the numbers that `said` drafts carry, in the order heard."""
        return [number_of(m) for m in self.of(domain, source) if m.header.sequence]


def said(domain, source, number):
    """Return a draft that carries a number where every domain accepts it."""
    return Draft(domain, source, (TraceContext(trace_id=number + 1, span_id=1, flags=0),))


def number_of(message):
    return message.first(TraceContext).trace_id - 1


async def until(condition, timeout_s=10.0, what=""):
    """Wait until a condition holds."""
    end = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"not within {timeout_s} s: {what or condition}")
        await asyncio.sleep(0.002)


async def live(*buses, timeout_s=10.0):
    await until(lambda: all(bus.state is LinkState.LIVE for bus in buses), timeout_s, "live")


@asynccontextmanager
async def joined(kind, config, *, epoch=0, **options):
    """Open a bus, subscribe a `Heard`, and wait until it is linked."""
    async with kind.open(config, Sequencer(epoch or next(EPOCHS)), time.time_ns, **options) as bus:
        heard = Heard()
        bus.subscribe(heard, name="heard")
        await bus.linked(timeout_s=10)
        yield bus, heard


def swaps(rng, count, block=1):
    return [swap_draft(rng, block, index) for index in range(count)]
