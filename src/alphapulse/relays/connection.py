"""One client of a relay: its reads become blocks, its queue becomes writes, its word is believed only so far."""

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Iterable
from typing import Protocol, cast

from alphapulse.errors import DecodeError
from alphapulse.relays.config import DomainConfig, RelayConfig
from alphapulse.relays.outgoing import Loss, Outgoing
from alphapulse.relays.producers import Producer
from alphapulse.relays.run import Run
from alphapulse.relays.statistics import ConsumerStatistics
from alphapulse.relays.subscription import NOTHING, Filter
from alphapulse.transport.framing import Block, Framer, Rejected

__all__ = ["Connection", "Hub"]

_CREDENTIALS = struct.Struct("3i")  # pid, user, group
_ANSWERS = 64
"""Answers that may wait for a peer that asks faster than it reads."""


class Hub(Protocol):
    """What a connection needs of its relay."""

    domain: int
    config: RelayConfig
    settings: DomainConfig

    def mono_ns(self) -> int:
        """Return the monotonic time."""
        ...

    def on_connect(self, connection: "Connection") -> None:
        """Take a connection in, or refuse it."""
        ...

    def on_block(self, connection: "Connection", block: Block) -> None:
        """Take the messages of one read."""
        ...

    def on_rejected(self, connection: "Connection", rejected: Rejected) -> None:
        """Answer a message that was dropped."""
        ...

    def on_failure(self, connection: "Connection", error: DecodeError) -> None:
        """Count a stream that lost its framing; the connection closes."""
        ...

    def on_silence(self, connection: "Connection") -> None:
        """Close a client that did not say Hello in time."""
        ...

    def on_overflow(self, connection: "Connection") -> None:
        """Apply the domain's policy to a full queue."""
        ...

    def on_close(self, connection: "Connection") -> None:
        """Forget a connection."""
        ...

    def tell_loss(self, source: int, loss: Loss) -> Iterable[bytes]:
        """Return what a consumer is told about dropped messages."""
        ...


class Connection(asyncio.Protocol):
    """A client, from accept to close."""

    __slots__ = (
        "_asking",
        "_hub",
        "_limit",
        "_reject_times",
        "_timer",
        "_transport",
        "connected_ns",
        "consumer_id",
        "filter",
        "framer",
        "heard_ns",
        "inside_ns",
        "is_closing",
        "is_greeted",
        "name",
        "outgoing",
        "pid",
        "rejected",
        "sources",
        "user",
        "wants_own",
    )

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._limit = hub.settings.queue_messages
        self._transport: asyncio.Transport | None = None
        self._reject_times: deque[int] = deque(maxlen=hub.config.rejects_before_close)
        self._asking = (0, 0)
        self.framer = Framer(hub.domain)
        self.outgoing = Outgoing(self._write, hub.tell_loss, hub.config.named_losses)
        self.sources: dict[int, Producer] = {}
        self.filter: Filter = NOTHING
        self.wants_own = False
        self.is_greeted = False
        self.is_closing = False
        self.name = ""
        self.consumer_id = 0
        self.pid = self.user = -1
        self.rejected = 0
        self.connected_ns = self.heard_ns = hub.mono_ns()
        self.inside_ns = 0

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Learn who it is."""
        stream = cast(asyncio.Transport, transport)  # uvloop's own class, of the same shape
        self._transport = stream
        stream.set_write_buffer_limits(high=self._hub.config.write_buffer_bytes)
        peer = stream.get_extra_info("socket")
        held = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        self.pid, self.user, _ = _CREDENTIALS.unpack(held)
        hello_s = self._hub.config.hello_ms / 1000
        self._timer = asyncio.get_running_loop().call_later(hello_s, self._demand_hello)
        self._hub.on_connect(self)

    def data_received(self, data: bytes) -> None:
        """Cut a read into messages and hand them on."""
        if self.is_closing:
            return
        hub = self._hub
        self.heard_ns = hub.mono_ns()
        framer = self.framer
        block = framer.feed(data)
        if block is not None:
            self.inside_ns = self.heard_ns
            hub.on_block(self, block)
        elif framer.held == len(data):
            self.inside_ns = self.heard_ns
        if framer.rejected:
            rejected, framer.rejected = framer.rejected, []
            for one in rejected:
                hub.on_rejected(self, one)
        if framer.failure is not None and not self.is_closing:
            hub.on_failure(self, framer.failure)

    def eof_received(self) -> bool:
        """Close when the client has ended its half."""
        error = self.framer.end()
        if error is not None and not self.is_closing:
            self._hub.on_failure(self, error)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self.is_closing = True
        self.outgoing.clear()
        self._timer.cancel()
        self._hub.on_close(self)

    def pause_writing(self) -> None:
        """Let messages wait here: the socket has enough."""
        self.outgoing.is_paused = True

    def resume_writing(self) -> None:
        """Write what waits."""
        self.outgoing.resume()

    # for the relay

    def send(self, run: Run, now_ns: int) -> None:
        """Send messages of a producer, or let them wait."""
        if self.is_closing:
            return
        outgoing = self.outgoing
        outgoing.send(run, now_ns)
        if outgoing.queued > self._limit:
            self._hub.on_overflow(self)

    def answer(self, *parts: bytes) -> None:
        """Send what this peer alone gets; a peer that lets too many answers wait is cut off."""
        if self.is_closing:
            return
        self.outgoing.answer(parts)
        if self.outgoing.answers > _ANSWERS:
            self.abort()

    def is_stalled(self, now_ns: int, limit_ns: int) -> bool:
        """Return whether a message has been incomplete for too long."""
        return self.framer.held > 0 and now_ns - self.inside_ns > limit_ns

    def may_reject(self, now_ns: int, window_ns: int) -> bool:
        """Count a dropped message and return whether the client is still to be borne with."""
        self.rejected += 1
        times = self._reject_times
        times.append(now_ns)
        return len(times) < (times.maxlen or 1) or now_ns - times[0] > window_ns

    def may_ask(self, now_ns: int, most: int) -> bool:
        """Count a request that costs the relay time, and return whether this second still has room for it."""
        second = now_ns // 1_000_000_000
        if second != self._asking[0]:
            self._asking = (second, 0)
        self._asking = (second, self._asking[1] + 1)
        return self._asking[1] <= most

    def pause_reading(self) -> None:
        """Let the client wait."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read again."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def close(self, last: bytes = b"") -> None:
        """Write a last word and end the connection when it has left, or after the grace time; what waits is forgotten."""
        if self.is_closing or self._transport is None:
            return
        self.is_closing = True
        self.outgoing.clear()
        if last:
            self._write(last)
        self._transport.close()
        grace = self._hub.config.close_grace_ms / 1000
        self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(grace, self._transport.abort)

    def abort(self) -> None:
        """End the connection at once."""
        self.is_closing = True
        self.outgoing.clear()
        if self._transport is not None:
            self._transport.abort()

    def unsent_bytes(self) -> int:
        """Return how many bytes the socket has not taken."""
        if self._transport is None or self._transport.is_closing():
            return 0
        return self._transport.get_write_buffer_size()

    def statistics(self) -> ConsumerStatistics:
        """Return a frozen view."""
        since = self.outgoing.since_ns()
        return ConsumerStatistics(
            name=self.name,
            consumer_id=self.consumer_id,
            pid=self.pid,
            user=self.user,
            sources=tuple(sorted(self.sources)),
            is_subscribed=self.filter is not NOTHING,
            sent=self.outgoing.sent,
            queued=self.outgoing.queued,
            unsent_bytes=self.unsent_bytes(),
            behind_ms=(self._hub.mono_ns() - since) // 1_000_000 if since else 0,
            dropped=self.outgoing.dropped,
            rejected=self.rejected,
        )

    def _demand_hello(self) -> None:
        if not self.is_greeted and not self.is_closing:
            self._hub.on_silence(self)

    def _write(self, data: bytes) -> None:
        # a peer that is gone closes the transport before the loop says so, and writing to it then raises
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)
