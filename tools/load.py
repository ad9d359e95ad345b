"""Load for relays: says market data, signals and executions at stated rates by a stated arrival process, and what it said.

Usage: load.py --directory DIR [--seconds S] [--market N] [--signal N] [--execution N] [--arrivals poisson|regular] [--seed N]

Rates are messages a second of each domain. Arrivals are an open loop: each message has a time at which it is due, drawn before it is
sent, so that a stall shows as lateness and not as a lower rate. The last line is JSON: count and CRC-32 of the encoded messages of each
domain, in order, and how late they left.
"""

import argparse
import asyncio
import json
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

import msgspec
import uvloop

from alphapulse.primitives.instrument_id import InstrumentId
from alphapulse.protocol.codec import encode
from alphapulse.protocol.execution import ExecutionStarted
from alphapulse.protocol.header import Domain, Source
from alphapulse.protocol.market_data import Quote
from alphapulse.protocol.message import Draft, Message, Tlv
from alphapulse.protocol.signals import SignalIdentity
from alphapulse.protocol.system import TraceContext
from alphapulse.transport.sequence import Sequencer
from alphapulse.transport.settings import UnixConfig
from alphapulse.transport.unix import UnixBus

INSTRUMENTS = 16
SIGNALS = 64
PAIRS = [InstrumentId.spot_pair(100, f"PAIR{number}") for number in range(INSTRUMENTS)]
SOURCES = {
    Domain.MARKET: Source.KRAKEN,
    Domain.SIGNAL: Source.ARBITRAGE,
    Domain.EXECUTION: Source.EXECUTION,
}
DRAIN_S = 30.0


class Ledger:
    """Count and running CRC-32 of each producer's messages, at either end of a link."""

    def __init__(self) -> None:
        self.counts: dict[int, int] = dict.fromkeys(SOURCES, 0)
        self.sums: dict[int, int] = dict.fromkeys(SOURCES, 0)
        self.holes: dict[int, int] = dict.fromkeys(SOURCES, 0)
        self._last: dict[int, int] = dict.fromkeys(SOURCES, 0)

    def take(self, message: Message, _now_ns: int) -> None:
        """Count a message if it is one of the load's."""
        header = message.header
        if header.sequence == 0 or SOURCES.get(Domain(header.domain)) != header.source:
            return
        if header.sequence != self._last[header.domain] + 1:
            self.holes[header.domain] += 1
        self._last[header.domain] = header.sequence
        self.counts[header.domain] += 1
        self.sums[header.domain] = crc32(encode(message), self.sums[header.domain])

    def report(self) -> dict[str, dict[str, int]]:
        """Return what was counted, by the domain's name."""
        return {
            Domain(domain).name.lower(): {
                "count": self.counts[domain],
                "crc": self.sums[domain],
                "holes": self.holes[domain],
            }
            for domain in SOURCES
        }


def content(domain: int, number: int, now_ns: int) -> tuple[Tlv, ...]:
    """Return what a message of a domain says; instruments and signals come round, so that snapshots stay small."""
    trace = TraceContext(number, domain, 1)
    if domain == Domain.MARKET:
        price = 10**10 + number
        return (Quote(PAIRS[number % INSTRUMENTS], price, 10**8, price + 1, 10**8, now_ns), trace)
    signal = 1 + number % SIGNALS
    if domain == Domain.SIGNAL:
        return (SignalIdentity(1, signal, number & 0xFFFFFFFF, 90, 1), trace)
    return (
        ExecutionStarted(
            signal, 1, 1, 1, 1, bytes(32), number, 200_000, 10**9, 10**9, number, now_ns
        ),
        trace,
    )


def arrivals(rate: float, rng: random.Random, process: str) -> Iterator[float]:
    """Yield when each message is due, in seconds from the start."""
    at = 0.0
    while rate > 0:
        at += rng.expovariate(rate) if process == "poisson" else 1 / rate
        yield at


async def say(bus: UnixBus, options: argparse.Namespace) -> list[float]:
    """Publish each message when it is due; return by how many milliseconds each left late."""
    rng = random.Random(options.seed)  # noqa: S311 - a run must be repeatable
    rates = {
        Domain.MARKET: options.market,
        Domain.SIGNAL: options.signal,
        Domain.EXECUTION: options.execution,
    }
    clocks = {
        domain: arrivals(rate, rng, options.arrivals) for domain, rate in rates.items() if rate > 0
    }
    due = {domain: next(clock) for domain, clock in clocks.items()}
    numbers = dict.fromkeys(due, 0)
    late: list[float] = []
    start = time.monotonic()
    while due:
        domain = min(due, key=due.__getitem__)
        if due[domain] > options.seconds:
            break
        wait = start + due[domain] - time.monotonic()
        if wait > 0:
            await asyncio.sleep(wait)
        numbers[domain] += 1
        bus.publish(
            Draft(domain, SOURCES[domain], content(domain, numbers[domain], time.time_ns()))
        )
        if len(late) < 1_000_000:
            late.append((time.monotonic() - start - due[domain]) * 1e3)
        due[domain] = next(clocks[domain])
        if wait <= 0:
            await asyncio.sleep(0)
    return late


async def run(options: argparse.Namespace) -> dict[str, object]:
    """Link, say, drain, and report."""
    ledger = Ledger()
    config = UnixConfig(
        name="load:1",
        directory=options.directory,
        produces=frozenset((int(domain), int(source)) for domain, source in SOURCES.items()),
        consumes=frozenset(),
        retained_messages=8_192,
    )
    async with UnixBus.open(config, Sequencer(epoch=time.time_ns()), time.time_ns) as bus:
        bus.subscribe(ledger.take, name="ledger")
        await bus.linked()
        late = sorted(await say(bus, options))
        is_empty = await bus.drain(timeout_s=DRAIN_S)
        held = msgspec.to_builtins(bus.link_statistics())
    marks = {"p50": 0.5, "p99": 0.99, "most": 1.0}
    return {
        "said": ledger.report(),
        "drained": is_empty,
        "arrivals": f"{options.arrivals}, seed {options.seed}, open loop",
        "late_ms": {
            name: round(late[min(len(late) - 1, int(share * len(late)))], 3)
            for name, share in marks.items()
            if late
        },
        "reconnects": held["reconnects"],
        "resent": held["resent"],
    }


def parse(words: list[str] | None = None) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--directory", type=Path, required=True, help="where the relays' sockets are"
    )
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--market", type=float, default=300.0)
    parser.add_argument("--signal", type=float, default=30.0)
    parser.add_argument("--execution", type=float, default=30.0)
    parser.add_argument("--arrivals", choices=("poisson", "regular"), default="poisson")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args(words)


if __name__ == "__main__":
    print(json.dumps(uvloop.run(run(parse()))))
    sys.exit(0)
