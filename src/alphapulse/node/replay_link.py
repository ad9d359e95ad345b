"""A replay whose messages travel: out of the archive, through relays or a NATS server of its own, to the components.

Messages go with their original bytes, except for the replay flag and with it the checksum: should such a
transport ever be shared with live services, they must discard what they hear. The flag is taken off again on
arrival. Each producer is a connection of its own with its recorded epoch and numbers, and domains overtake each
other on the way as they do live, so the recorded order is restored before anybody acts.
"""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from itertools import islice
from pathlib import Path

import msgspec

from alphapulse.errors import InvariantError, StreamLost
from alphapulse.node.config import resolve_secret
from alphapulse.node.nats_server import nats_server
from alphapulse.node.replay import (
    Delivery,
    ReplayRequest,
    ReplayResult,
    deliveries_of,
    open_recording,
    replay,
)
from alphapulse.primitives.secret import Secret
from alphapulse.protocol.header import Flag
from alphapulse.protocol.message import Message
from alphapulse.protocol.system import SequenceSync
from alphapulse.relays.service import serve_relays
from alphapulse.transport.bus import ALL_DOMAINS
from alphapulse.transport.linked import LinkedBusBase
from alphapulse.transport.nats import NatsBus
from alphapulse.transport.sequence import Sequencer
from alphapulse.transport.settings import NatsConfig, UnixConfig
from alphapulse.transport.unix import UnixBus

__all__ = ["replay_over"]

BATCH = 256  # messages on the way at once: fewer than any relay lets wait
ARRIVAL_S = 30.0  # for a batch to come back; it takes milliseconds
_QUIET_MS = 86_400_000  # the recorded heartbeats are the only ones
_RELAYS = range(80, 100)  # sources of the transport itself: what they said stays theirs
Key = tuple[int, int, int]
Producers = dict[int, set[tuple[int, int]]]
Produces = frozenset[tuple[int, int]]
_PREFIX = "alphapulse-replay-"
_LISTENER: tuple[str, Produces, frozenset[int]] = ("replay:listener", frozenset(), ALL_DOMAINS)


class _Resending(LinkedBusBase):
    """A bus that sends recorded messages and says nothing of its own."""

    def resend(self, message: Message) -> bool:
        """Send a message as its producer's next; False where that is not its number."""
        header = message.header
        key = (header.domain, header.source)
        outbox = self._outboxes.get(key)
        if outbox is None or outbox.end_sequence != header.sequence:
            return False
        outbox.add(header.sequence, self._encoded(_flagged(message, header.flags | Flag.REPLAY)))
        self._flush(*key)
        return True

    def _beat(self, now_ns: int) -> None:
        """Leave heartbeats to the record."""


class _UnixSender(_Resending, UnixBus):
    pass


class _NatsSender(_Resending, NatsBus):
    pass


class _Arrivals:
    """What came out at the other end, by producer and number."""

    def __init__(self) -> None:
        self._found: dict[Key, Message] = {}
        self._news = asyncio.Event()

    def on_message(self, message: Message, now_ns: int) -> None:
        """Take one message as it comes."""
        header = message.header
        if header.flags & Flag.REPLAY:
            message = _flagged(message, header.flags & ~Flag.REPLAY)
            self._found[_key(message)] = message
            self._news.set()

    async def take(self, key: Key) -> Message:
        """Return a message when it is here."""
        while key not in self._found:
            self._news.clear()
            await self._news.wait()
        return self._found.pop(key)


class _Link:
    """Senders by the epoch of their producers, and one consumer of everything."""

    def __init__(self, senders: dict[int, _Resending], arrivals: _Arrivals) -> None:
        self._senders = senders
        self._arrivals = arrivals

    async def carry(self, batch: list[Delivery]) -> list[Delivery]:
        """Send a batch and return it, in its own order, as it arrived.

        Raises  StreamLost when a message does not arrive; InvariantError when another one does.
        """
        sent = [
            any(sender.resend(message) for sender in self._senders.values()) for message, _ in batch
        ]
        carried: list[Delivery] = []
        try:
            async with asyncio.timeout(ARRIVAL_S):
                for (message, now_ns), is_sent in zip(batch, sent, strict=True):
                    arrived = await self._arrivals.take(_key(message)) if is_sent else message
                    if arrived != message:
                        raise InvariantError(f"{_key(message)} arrived with another content")
                    carried.append((arrived, now_ns))
        except TimeoutError as error:
            message = batch[len(carried)][0]
            raise StreamLost(
                f"message {_key(message)} (domain, source, sequence) did not arrive"
            ) from error
        return carried


def replay_over(
    transport: str,
    root: Path,
    progress: Callable[[int], None] | None = None,
    *,
    request: ReplayRequest,
) -> ReplayResult:
    """Return the outcome of a replay whose messages travel over `transport`.

    Raises  as `replay`; StreamLost when the transport loses a message.
    """
    recording = open_recording(root)
    process = str(recording.reader.manifest.facts.get("seen_by", ""))
    producers = _producers(message for message, _ in deliveries_of(recording.reader, process))

    def carry(order: Iterable[Delivery]) -> Iterator[Delivery]:
        loop = asyncio.new_event_loop()
        stack = AsyncExitStack()
        batches = iter(order)
        try:
            link = loop.run_until_complete(stack.enter_async_context(_LINKS[transport](producers)))
            while batch := list(islice(batches, BATCH)):
                yield from loop.run_until_complete(link.carry(batch))
        finally:
            loop.run_until_complete(stack.aclose())
            loop.close()

    return replay(root, progress, request=request, carry=carry)


@asynccontextmanager
async def _unix_link(producers: Producers) -> AsyncIterator[_Link]:
    with tempfile.TemporaryDirectory(prefix=_PREFIX) as folder:
        directory = Path(folder) / "relays"
        async with serve_relays(directory), AsyncExitStack() as stack:

            def config(name: str, produces: Produces, consumes: frozenset[int]) -> UnixConfig:
                return UnixConfig(
                    name=name,
                    directory=directory,
                    produces=produces,
                    consumes=consumes,
                    heartbeat_ms=_QUIET_MS,
                )

            listener = UnixBus.open(config(*_LISTENER), Sequencer(1), time.time_ns)
            senders = {
                epoch: _UnixSender.open(
                    config(*_sender(epoch, made)), Sequencer(epoch), time.time_ns
                )
                for epoch, made in producers.items()
            }
            yield await _linked(stack, listener, senders)


@asynccontextmanager
async def _nats_link(producers: Producers) -> AsyncIterator[_Link]:
    with tempfile.TemporaryDirectory(prefix=_PREFIX) as folder:
        async with nats_server(Path(folder) / "server") as reference, AsyncExitStack() as stack:
            url = Secret(resolve_secret(reference, {}, "replay"))

            def config(name: str, produces: Produces, consumes: frozenset[int]) -> NatsConfig:
                return NatsConfig(
                    name=name,
                    url=url,
                    produces=produces,
                    consumes=consumes,
                    heartbeat_ms=_QUIET_MS,
                )

            listener = NatsBus.open(config(*_LISTENER), Sequencer(1), time.time_ns)
            senders = {
                epoch: _NatsSender.open(
                    config(*_sender(epoch, made)), Sequencer(epoch), time.time_ns
                )
                for epoch, made in producers.items()
            }
            yield await _linked(stack, listener, senders)


def _sender(epoch: int, producers: set[tuple[int, int]]) -> tuple[str, Produces, frozenset[int]]:
    return f"replay:{epoch}", frozenset(producers), frozenset()


async def _linked(
    stack: AsyncExitStack,
    listener: AbstractAsyncContextManager[LinkedBusBase],
    senders: Mapping[int, AbstractAsyncContextManager[LinkedBusBase]],
) -> _Link:
    """Open all connections, the listener's first, and wait until they stand."""
    arrivals = _Arrivals()
    hears = await stack.enter_async_context(listener)
    hears.subscribe(arrivals.on_message, name="replay")
    await hears.linked()
    opened: dict[int, _Resending] = {}
    for epoch, sender in senders.items():
        bus = await stack.enter_async_context(sender)
        assert isinstance(bus, _Resending)
        opened[epoch] = bus
        await bus.linked()
    return _Link(opened, arrivals)


_LINKS = {"unix": _unix_link, "nats": _nats_link}


def _producers(messages: Iterable[Message]) -> Producers:
    """Return the producers of a record by the epoch they announced; what never announced one does not travel."""
    found: Producers = {}
    for message in messages:
        header = message.header
        sync = message.first(SequenceSync)
        if header.sequence == 1 and sync is not None and header.source not in _RELAYS:
            found.setdefault(sync.epoch, set()).add((header.domain, header.source))
    return found


def _key(message: Message) -> Key:
    header = message.header
    return (header.domain, header.source, header.sequence)


def _flagged(message: Message, flags: int) -> Message:
    return Message(msgspec.structs.replace(message.header, flags=flags), message.tlvs)
