"""A shard: a relay of market data that hears one tier from the relay in front of it, and fans it out to its own clients."""

import asyncio
import contextlib
from pathlib import Path
from typing import cast

from alphapulse.errors import DecodeError
from alphapulse.protocol.codec import decode, encode
from alphapulse.protocol.header import VERSION, Header
from alphapulse.protocol.market_data import StateInvalidation
from alphapulse.protocol.message import Message
from alphapulse.protocol.system import (
    Hello,
    PeerRole,
    RecoveryKind,
    RecoveryRequest,
    SequenceSync,
    Snapshot,
    SnapshotPhase,
    SyncReason,
)
from alphapulse.relays.front import SHARD_NAME
from alphapulse.relays.relay import Relay
from alphapulse.relays.run import Announcement, Run
from alphapulse.relays.tiers import Tier
from alphapulse.transport.framing import Block, Framer

__all__ = ["follow_front"]

_AGAIN_S = (0.1, 0.2, 0.4, 0.8, 1.6, 3.2)


async def follow_front(relay: Relay, tier: Tier, path: Path) -> None:
    """Feed a shard from the relay at `path` until cancelled; while that is gone, the shard's state is taken back."""
    loop = asyncio.get_running_loop()
    failures = 0
    while True:
        with contextlib.suppress(OSError):
            _, upstream = await loop.create_unix_connection(
                lambda: _Upstream(relay, tier), str(path)
            )
            try:
                await upstream.ended.wait()
            finally:
                upstream.close()
            failures = 0
        await asyncio.sleep(_AGAIN_S[min(failures, len(_AGAIN_S) - 1)])
        failures += 1


class _Upstream(asyncio.Protocol):
    """The connection to the front."""

    def __init__(self, relay: Relay, tier: Tier) -> None:
        self._relay = relay
        self._tier = tier
        self._framer = Framer()
        self._enclosed = 0
        self._transport: asyncio.Transport | None = None
        self.ended = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet."""
        self._transport = cast(asyncio.Transport, transport)
        self._say(
            Hello(
                protocol=VERSION,
                role=PeerRole.CONSUMER | PeerRole.RELAY,
                source=self._relay.speaker.source,
                domains=1 << (self._relay.domain - 1),
                consumer_id=0,
                epoch=0,
                max_message=0,
                heartbeat=self._relay.config.heartbeat_ms,
                name=f"{SHARD_NAME}{self._tier.name.lower()}",
            )
        )

    def data_received(self, data: bytes) -> None:
        """Take what the front says, in its order."""
        block = self._framer.feed(data)
        if block is not None:
            self._take(block)
        if self._framer.failure is not None or self._framer.rejected:
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Take back everything: nobody says any more whether it still holds."""
        self._relay.invalidate_all()
        self.ended.set()

    def close(self) -> None:
        """End the connection."""
        if self._transport is not None:
            self._transport.abort()

    def _take(self, block: Block) -> None:
        at, count = 0, len(block)
        sequences, sources = block.sequences, block.sources
        while at < count:
            if not sequences[at]:
                self._control(block.message(at))
                at += 1
                continue
            end = at + 1
            while end < count and sequences[end] and sources[end] == sources[at]:
                end += 1
            starts = block.starts[at : end + 1]
            data = block.data[starts[0] : starts[-1]]
            moved = [start - starts[0] for start in starts]
            run = Run(data, moved, sources[at], 0, sequences[at:end])
            if self._enclosed:
                self._relay.snapshots.fold(run)
            else:
                self._relay.take_partial(run)
            at = end

    def _control(self, data: bytes) -> None:
        try:
            message = decode(data)
        except DecodeError:
            self.close()
            return
        first = message.tlvs[0] if message.tlvs else None
        if isinstance(first, Snapshot):
            self._enclosed = first.source if first.phase == SnapshotPhase.BEGIN else 0
        elif isinstance(first, StateInvalidation) and self._enclosed:
            self._relay.snapshots.fold(Run.of(data, self._enclosed, 0, 0))
        elif isinstance(first, SequenceSync):
            self._sync(first, data)
        elif isinstance(first, StateInvalidation):
            self._relay.announce_raw(data)

    def _sync(self, sync: SequenceSync, data: bytes) -> None:
        """Pass on where a source stands, and what the front had to drop."""
        relay = self._relay
        producer = relay.producer(sync.source)
        if producer.epoch != sync.epoch:
            relay.restart(producer, sync.epoch)
        producer.next_sequence = max(producer.next_sequence, sync.next_sequence)
        told = Announcement(
            data, sync.source, sync.epoch, next_sequence=sync.next_sequence, missing=sync.dropped
        )
        relay.fanout.announce(told.concerning(producer.venues), relay.mono_ns())
        if sync.reason != SyncReason.PRODUCER_START:
            relay.snapshots.doubt(sync.source)
            relay.snapshots.wanting()
            self._say(
                RecoveryRequest(
                    consumer_id=0,
                    last_sequence=0,
                    current_sequence=0,
                    request=RecoveryKind.SNAPSHOT,
                    source=sync.source,
                )
            )

    def _say(self, tlv: Hello | RecoveryRequest) -> None:
        header = Header(self._relay.domain, self._relay.speaker.source, 0, 0, self._relay.clock())
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(encode(Message(header, (tlv,))))
