"""A client of a relay that does exactly what a test says, right or wrong; none of the real client's care is in it."""

import asyncio
import time
from collections.abc import Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from alphapulse.primitives.instrument_id import InstrumentId
from alphapulse.protocol.codec import decode, encode
from alphapulse.protocol.header import Header
from alphapulse.protocol.market_data import Trade
from alphapulse.protocol.message import Message, Tlv
from alphapulse.protocol.system import (
    Hello,
    PeerRole,
    RecoveryKind,
    RecoveryRequest,
    SequenceSync,
    Subscribe,
    TraceContext,
)
from alphapulse.relays.config import RelayConfig, default_domains
from alphapulse.transport.framing import Framer
from alphapulse.transport.sockets import socket_path

TIMEOUT_S = 10.0
EPOCH = 1_700_000_000_000_000_000


def hello(domain, *, role=PeerRole.CONSUMER, source=60, epoch=0, protocol=1, name="test:1"):
    return Hello(protocol, role, source, 1 << (domain - 1), 0, epoch, 0, 1000, name)


def subscribe(domain, *, mode=3, types=(), instruments=(), snapshot=False, own=False):
    bits = sum(1 << number for number in types)
    flags = (1 if snapshot else 0) | (2 if own else 0)
    return Subscribe(
        mode, 1 << (domain - 1), flags, bits.to_bytes(32, "little"), tuple(instruments)
    )


def pair(number: int, venue: int = 100) -> InstrumentId:
    return InstrumentId.spot_pair(venue, f"T{number}")


def trade(number: int = 0, venue: int = 100) -> Trade:
    return Trade(pair(number, venue), 10**8, 10**8, 0, EPOCH)


class Voice:
    """Numbers what one source says, as a real producer must."""

    def __init__(self, domain: int, source: int, epoch: int = EPOCH) -> None:
        self.domain, self.source, self.epoch, self.last = domain, source, epoch, 0

    def __call__(self, *tlvs: Tlv) -> bytes:
        self.last += 1
        if self.last == 1:
            tlvs = (*tlvs, SequenceSync(self.epoch, 1, 0, self.source, 2))
        return self.at(self.last, *tlvs)

    def at(self, sequence: int, *tlvs: Tlv) -> bytes:
        flags = 0x10 if any(isinstance(tlv, TraceContext) for tlv in tlvs) else 0
        header = Header(self.domain, self.source, flags, sequence, time.time_ns())
        return encode(Message(header, tlvs))


class RelayClient:
    """One connection: writes bytes, keeps every message that comes."""

    def __init__(self, domain: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        self.domain = domain
        self.reader, self.writer = reader, writer
        self.raw: list[bytes] = []
        self.messages: list[Message] = []
        self.is_closed = False
        self._framer = Framer()
        self._changed = asyncio.Event()
        self._task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        try:
            while data := await self.reader.read(1 << 18):
                block = self._framer.feed(data)
                assert self._framer.failure is None
                if block is not None:
                    for raw in block.messages():
                        self.raw.append(raw)
                        self.messages.append(decode(raw))
                self._changed.set()
        except ConnectionError:
            pass
        self.is_closed = True
        self._changed.set()

    def say(self, *tlvs: Tlv, source: int = 60) -> None:
        self.write(encode(Message(Header(self.domain, source, 0, 0, time.time_ns()), tlvs)))

    def write(self, data: bytes) -> None:
        if not self.writer.is_closing():
            self.writer.write(data)

    def ask(
        self, source: int, last: int, current: int, kind: int = RecoveryKind.RETRANSMIT
    ) -> None:
        self.say(RecoveryRequest(1, last, current, kind, source))

    async def until(self, condition: Callable[[], bool], timeout_s: float = TIMEOUT_S) -> None:
        async with asyncio.timeout(timeout_s):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def first(self, kind: type, count: int = 1):
        """Return the first TLV of a kind, once there are `count` of them."""
        await self.until(lambda: len(self.of(kind)) >= count)
        return self.of(kind)[0]

    def of(self, kind: type) -> list:
        return [tlv for message in self.messages for tlv in message.all(kind)]

    def from_source(self, source: int) -> list[bytes]:
        """Return the numbered messages of a source as they came."""
        return [
            raw
            for raw, message in zip(self.raw, self.messages, strict=True)
            if message.header.source == source and message.header.sequence
        ]

    async def closed(self) -> None:
        await self.until(lambda: self.is_closed)

    async def close(self) -> None:
        self._task.cancel()
        self.writer.close()
        await asyncio.gather(self._task, return_exceptions=True)


@asynccontextmanager
async def connected(directory: Path, domain: int):
    """Connect and say nothing."""
    reader, writer = await asyncio.open_unix_connection(
        socket_path(directory, domain), limit=1 << 20
    )
    client = RelayClient(domain, reader, writer)
    try:
        yield client
    finally:
        await client.close()


@asynccontextmanager
async def consumer(directory: Path, domain: int, **choice):
    """Connect, greet, subscribe to everything or to what is chosen."""
    async with connected(directory, domain) as client:
        client.say(hello(domain))
        await client.first(Hello)
        client.say(subscribe(domain, **choice))
        await client.first(SequenceSync)
        yield client


@asynccontextmanager
async def producer(directory: Path, domain: int, source: int, epoch: int = EPOCH):
    """Connect and greet as a source."""
    async with connected(directory, domain) as client:
        client.say(hello(domain, role=PeerRole.PRODUCER, source=source, epoch=epoch))
        await client.first(SequenceSync)
        yield client


def relay_config(
    directory: Path, domain: int | None = None, changes: dict | None = None, **numbers
):
    """Return the default numbers with short times, some of them changed: of one domain by `changes`, of all by name."""
    domains = default_domains()
    if domain is not None:
        domains[domain] = msgspec.structs.replace(domains[domain], **(changes or {}))
    chosen = {
        "heartbeat_ms": 200,
        "hello_ms": 300,
        "close_grace_ms": 200,
        "drain_ms": 500,
        **numbers,
    }
    return RelayConfig(directory=directory, domains=domains, **chosen)
