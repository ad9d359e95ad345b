"""One connection to one domain's relay: handshake, what is sent, what is heard, silence, and connecting again."""

import asyncio
import contextlib
import random
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Protocol, cast

from alphapulse.errors import DecodeError
from alphapulse.protocol.codec import decode, encode
from alphapulse.protocol.header import DOMAIN_LIMITS, VERSION, Header
from alphapulse.protocol.message import Message, Tlv
from alphapulse.protocol.system import (
    Error,
    Hello,
    PeerRole,
    RecoveryKind,
    RecoveryRequest,
    SequenceSync,
    Subscribe,
    SyncReason,
)
from alphapulse.transport.follower import DomainFollower
from alphapulse.transport.framing import Framer
from alphapulse.transport.outbox import Outbox
from alphapulse.transport.settings import UnixConfig
from alphapulse.transport.sockets import socket_path

__all__ = ["Carried", "Dial", "RelayClient", "RelayClientOwner", "dial_sockets"]

CONSUMER_SOURCE = (
    255  # on words of a connection that produces nothing; a header must name some source
)
HANDSHAKE_S = 2.0
SILENT_INTERVALS = 3
WRITE_BYTES = 256 * 1024  # what the socket's buffer may hold before messages wait in the outbox
DELIVER_LIMIT = 256  # messages delivered in a row
_ADD = 1
_SNAPSHOT_WANTED = 1
_INSTRUMENTS_PER_SUBSCRIBE = 2_000
_NS = 1_000_000_000
_MS = 1_000_000


class Carried(Message, frozen=True):
    """A message with the bytes it came as: for whoever hands it on unchanged."""

    data: bytes


Dial = Callable[[int, asyncio.Protocol], Awaitable[None]]
"""Connects a protocol to the relay of a domain, or raises OSError."""


def dial_sockets(directory: Path) -> Dial:
    """Return a dial that connects to the sockets of a directory."""

    async def dial(domain: int, protocol: asyncio.Protocol) -> None:
        path = socket_path(directory, domain)
        try:
            await asyncio.get_running_loop().create_unix_connection(lambda: protocol, str(path))
        except OSError as error:
            raise OSError(f"`{path}`: {error.strerror or error}") from error

    return dial


class RelayClientOwner(Protocol):
    """What a connection tells the bus it belongs to."""

    def on_received(self, messages: list[Message]) -> None:
        """Take messages into the local order."""
        ...

    def on_base_wanted_by_relay(self, domain: int, source: int) -> None:
        """Ask the producer for fresh base messages."""
        ...

    def on_change(self) -> None:
        """Look at the connections again."""
        ...


class RelayClient(asyncio.Protocol):
    """Keeps one domain's connection. It is also the sink of the domain's follower."""

    def __init__(
        self,
        domain: int,
        config: UnixConfig,
        epoch: int,
        clock: Callable[[], int],
        *,
        owner: RelayClientOwner,
        dial: Dial,
        outboxes: dict[int, Outbox],
    ) -> None:
        self.domain = domain
        self.is_joined = False
        self.last_error = ""
        self.reconnects = 0
        self.sent = self.sent_bytes = self.resent = self.received = self.invalid = 0
        self._config = config
        self._epoch = epoch
        self._clock = clock
        self._owner = owner
        self._dial = dial
        self._outboxes = outboxes
        self._is_consumer = domain in config.consumes
        self.follower = DomainFollower(
            domain,
            self,
            clock,
            is_own=outboxes.__contains__,
            narrowed=bool(config.types or config.instruments),
            history=config.history,
        )
        self._carries = False
        self._was_joined = False
        self._transport: asyncio.Transport | None = None
        self._is_paused = False
        self._flush_due = False
        self._framer = Framer()
        self._greeted: set[int] = set()
        self._may_send: set[int] = set()
        self._acknowledged: dict[int, int] = {}
        self._unacknowledged_since: dict[int, int] = {}
        self._has_heard = False
        self._is_subscribed = False
        self._heard_ns = 0
        self._gone = asyncio.Event()
        self._ready: list[Message] = []

    def carry(self) -> None:
        """Deliver every message with its bytes, a relay's own heartbeats too."""
        self._carries = True
        self.follower.keeps_beats = True

    # --- life of the connection -------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Connect, and connect again, until cancelled."""
        failures = 0
        while True:
            was_joined = False
            try:
                await self._dial(self.domain, self)
                await self._gone.wait()
                was_joined = self._was_joined
            except OSError as error:
                self.last_error = str(error)
            failures = 0 if was_joined else failures + 1
            self._owner.on_change()
            await asyncio.sleep(self._pause_s(failures))
            self.reconnects += 1

    async def close(self, patience_s: float) -> None:
        """End the connection after what is in its buffer, or after the patience."""
        if self._transport is None:
            return
        self._transport.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                await self._gone.wait()
        if self._transport is not None:
            self._transport.abort()

    def _pause_s(self, failures: int) -> float:
        config = self._config
        longest_ms = min(config.reconnect_min_ms << min(failures, 16), config.reconnect_max_ms)
        return longest_ms * random.uniform(0.5, 1.0) / 1000  # noqa: S311  # jitter, no secret

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say hello, once for each source."""
        transport = cast(asyncio.Transport, transport)  # uvloop's own class has the same shape
        transport.set_write_buffer_limits(high=WRITE_BYTES)
        self._transport = transport
        self._framer = Framer()
        self._is_paused = False
        self._was_joined = self._has_heard = self._is_subscribed = False
        self._greeted.clear()
        self._may_send.clear()
        self._gone.clear()
        self.last_error = ""
        self._heard_ns = time.monotonic_ns()
        for index, source in enumerate(self._outboxes or {0: None}):
            role = PeerRole.PRODUCER if source else PeerRole(0)
            if index == 0 and self._is_consumer:
                role |= PeerRole.CONSUMER
            hello = Hello(
                protocol=VERSION,
                role=role,
                source=source,
                domains=1 << (self.domain - 1),
                consumer_id=0,
                epoch=self._epoch if source else 0,
                max_message=DOMAIN_LIMITS[self.domain],
                heartbeat=self._config.heartbeat_ms,
                name=self._config.name,
            )
            self._say(hello, source or CONSUMER_SOURCE)

    def connection_lost(self, exc: Exception | None) -> None:
        """Let what was heard be in doubt, and let what was sent wait for the next connection."""
        self._transport = None
        self.is_joined = False
        self._may_send.clear()
        self._acknowledged.clear()
        self._unacknowledged_since.clear()
        if exc is not None:
            self.last_error = str(exc)
        self._gone.set()
        if self._is_consumer:
            self.follower.on_disconnect()
            self._hand_over()
        self._owner.on_change()

    def pause_writing(self) -> None:
        """Let messages wait in the outboxes."""
        self._is_paused = True

    def resume_writing(self) -> None:
        """Send what waited."""
        self._is_paused = False
        self._flush()

    # --- what is sent -----------------------------------------------------------------------------------------------------

    def flush_soon(self) -> None:
        """Send what waits when the running callback has ended: a cascade leaves in one write."""
        if not self._flush_due and self._may_send:
            self._flush_due = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_due = False
        for source in sorted(self._may_send):
            outbox = self._outboxes[source]
            if outbox:
                self._unacknowledged_since.setdefault(source, time.monotonic_ns())
            while outbox and not self._is_paused and self._transport is not None:
                parts = outbox.take(WRITE_BYTES)
                data = b"".join(parts)
                self.sent += len(parts)
                self.sent_bytes += len(data)
                self._transport.write(data)

    def _say(self, tlv: Tlv, source: int = 0) -> None:
        """Send a word of the connection itself, which has no number."""
        if self._transport is not None:
            source = source or next(iter(self._outboxes), CONSUMER_SOURCE)
            header = Header(self.domain, source, 0, 0, self._clock())
            self._transport.write(encode(Message(header, (tlv,))))

    def _subscribe(self) -> None:
        config = self._config
        types = sum(1 << number for number in config.types).to_bytes(32, "little")
        instruments = sorted(config.instruments)
        wants_snapshot = config.snapshot and not config.history
        for at in range(0, max(len(instruments), 1), _INSTRUMENTS_PER_SUBSCRIBE):
            self._say(
                Subscribe(
                    mode=_ADD,
                    domains=1 << (self.domain - 1),
                    flags=_SNAPSHOT_WANTED if wants_snapshot else 0,
                    types=types,
                    instruments=tuple(instruments[at : at + _INSTRUMENTS_PER_SUBSCRIBE]),
                )
            )
        self._is_subscribed = True
        self.follower.on_join(time.monotonic_ns())

    # --- what is heard ----------------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Take the messages that a read completes."""
        now_ns = self._heard_ns = time.monotonic_ns()
        framer = self._framer
        block = framer.feed(data)
        if block is not None:
            for part in block.messages():
                self._take(part, now_ns)
                if len(self._ready) >= DELIVER_LIMIT:
                    self._hand_over()
        if framer.rejected:
            self.invalid += len(framer.rejected)
            framer.rejected.clear()
        self._hand_over()
        if framer.failure is not None:
            self.invalid += 1
            self.reconnect(str(framer.failure))

    def _take(self, data: bytes, now_ns: int) -> None:
        try:
            message = decode(data)
        except DecodeError as error:
            self.invalid += 1  # its number stays unaccounted and shows as a gap
            self.last_error = f"a message was invalid: {error}"
            return
        self.received += 1
        if self._carries:
            message = Carried(message.header, message.tlvs, data)
        if message.header.sequence == 0 and self._on_word(message):
            return
        if self._is_subscribed:
            self._has_heard = True
            self.follower.on_message(message, data, now_ns)
        self._check_joined()

    def _on_word(self, message: Message) -> bool:
        """Answer what concerns this connection alone, and return whether it was nothing else."""
        word = message.tlvs[0] if message.tlvs else None
        if isinstance(word, Hello):
            self._on_hello(word)
        elif isinstance(word, Error):
            self.last_error = f"relay of domain {self.domain} refused: {word.text or word.code}"
            self._owner.on_change()
        elif isinstance(word, RecoveryRequest):
            if word.request == RecoveryKind.SNAPSHOT:
                self._owner.on_base_wanted_by_relay(self.domain, word.source)
        elif isinstance(word, SequenceSync) and word.source in self._outboxes:
            self._on_standing(word)
        else:
            return False
        return True

    def _on_hello(self, hello: Hello) -> None:
        self.follower.consumer_id = hello.consumer_id
        self._greeted.add(len(self._greeted))
        if len(self._greeted) >= max(len(self._outboxes), 1) and self._is_consumer:
            self._subscribe()
        self._check_joined()

    def _on_standing(self, sync: SequenceSync) -> None:
        """Send from where the relay stands with this run, or go on: what is below is journaled there."""
        source, outbox = sync.source, self._outboxes[sync.source]
        if sync.reason != SyncReason.PRODUCER_START or sync.epoch != self._epoch:
            return
        is_progress = sync.next_sequence > self._acknowledged.get(source, 0)
        self._acknowledged[source] = sync.next_sequence
        if sync.next_sequence >= outbox.next_sequence:
            self._unacknowledged_since.pop(source, None)
        elif is_progress:
            self._unacknowledged_since[source] = time.monotonic_ns()
        if source not in self._may_send:
            self.resent += outbox.rewind(sync.next_sequence)
            self._may_send.add(source)
            self._check_joined()
            self._flush()

    def is_unheard(self, now_ns: int) -> bool:
        """Return whether the relay took messages and does not say that it has them, for a beat longer than patience."""
        patience_ns = (self._config.heartbeat_ms + self._config.stall_ms) * _MS
        return any(now_ns - since > patience_ns for since in self._unacknowledged_since.values())

    def _check_joined(self) -> None:
        if self.is_joined or len(self._may_send) < len(self._outboxes):
            return
        if self._is_consumer and not self._has_heard:
            return
        self.is_joined = self._was_joined = True
        self._owner.on_change()

    def on_tick(self, now_ns: int) -> None:
        """Look at silence and at what was asked."""
        if self._transport is None:
            return
        if self._is_subscribed:
            self.follower.on_tick(now_ns)
            self._hand_over()
            patience_ns = self._config.heartbeat_ms * _MS * SILENT_INTERVALS
            if now_ns - self._heard_ns > patience_ns:
                self.reconnect("the relay is silent")
        elif not self.is_joined and now_ns - self._heard_ns > HANDSHAKE_S * _NS:
            self.reconnect("the relay does not answer a hello")

    # --- sink of the follower ---------------------------------------------------------------------------------------------

    def deliver(self, message: Message) -> None:
        """Let a message wait for the end of the read."""
        self._ready.append(message)

    def ask(self, request: RecoveryRequest) -> None:
        """Send a request for what is missing."""
        self._say(request)

    def reconnect(self, reason: str) -> None:
        """End this connection at once; `run` makes the next."""
        self.last_error = reason
        if self._transport is not None:
            self._transport.abort()

    def _hand_over(self) -> None:
        if self._ready:
            ready, self._ready = self._ready, []
            self._owner.on_received(ready)
