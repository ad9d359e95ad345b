"""What clients ask of a relay: Hello, Subscribe, RecoveryRequest. Everything else of sequence 0 is not for us."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from zlib import crc32

import msgspec

from alphapulse.errors import DecodeError, LimitExceeded
from alphapulse.protocol.codec import decode
from alphapulse.protocol.header import DOMAIN_LIMITS, VERSION
from alphapulse.protocol.message import Message
from alphapulse.protocol.system import (
    ErrorCode,
    Hello,
    PeerRole,
    RecoveryKind,
    RecoveryRequest,
    RecoveryResponse,
    RecoveryStatus,
    Snapshot,
    SnapshotPhase,
    Subscribe,
)
from alphapulse.relays.front import SHARD_NAME
from alphapulse.relays.handshake import refusal_of
from alphapulse.relays.subscription import NOTHING, Filter
from alphapulse.relays.tiers import Tier

if TYPE_CHECKING:
    from alphapulse.relays.connection import Connection
    from alphapulse.relays.producers import Producer
    from alphapulse.relays.relay import Relay

__all__ = ["Control"]

_WANTS_SNAPSHOT = 1
_WANTS_OWN = 2
_MODES = (1, 2, 3)


class Control:
    """Answers the control messages of one relay's clients."""

    __slots__ = ("_consumers", "_relay", "_snapshots")

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self._consumers = 0
        self._snapshots = 0

    def take(self, connection: Connection, data: bytes) -> None:
        """Answer one message of sequence 0."""
        relay = self._relay
        try:
            message = decode(data, relay=True)
        except DecodeError as error:
            relay.reject(connection, error.kind, ErrorCode.INVALID_DATA, str(error), 0)
            return
        first = message.tlvs[0] if message.tlvs else None
        if isinstance(first, Hello):
            self._greet(connection, first)
        elif not connection.is_greeted:
            self._refuse(connection, ErrorCode.HANDSHAKE, "say Hello first")
        elif isinstance(first, Subscribe):
            self._subscribe(connection, first)
        elif isinstance(first, RecoveryRequest):
            self._recover(connection, first)
        else:
            self._ignore(connection, message)

    def _ignore(self, connection: Connection, message: Message) -> None:
        kind = type(message.tlvs[0]).__name__ if message.tlvs else "nothing"
        text = f"{kind} with sequence 0 is not for a relay"
        self._relay.reject(connection, "not_control", ErrorCode.NOT_ALLOWED, text, 0)

    def _refuse(self, connection: Connection, code: ErrorCode, text: str) -> None:
        self._relay.refused[code.name.lower()] += 1
        connection.close(self._relay.speaker.error(code, text))

    def _greet(self, connection: Connection, hello: Hello) -> None:
        relay = self._relay
        refusal = refusal_of(
            hello,
            domain=relay.domain,
            user=connection.user,
            own_user=os.geteuid(),
            allowed=relay.config.sources_by_user,
        )
        if refusal is not None:
            self._refuse(connection, *refusal)
            return
        producer = None
        if hello.role & PeerRole.PRODUCER:
            if relay.tier is not None:
                self._refuse(connection, ErrorCode.NOT_ALLOWED, "a shard takes no producers")
                return
            if hello.source not in relay.producers and len(relay.producers) > relay.config.sources:
                self._refuse(connection, ErrorCode.RATE, "no more sources")
                return
            producer = relay.producer(hello.source)
            if producer.connection is not None:
                text = f"source {hello.source} is live as `{producer.connection.name}`"
                self._refuse(connection, ErrorCode.DUPLICATE_PRODUCER, text)
                return
        if not connection.is_greeted:
            self._consumers += 1
            connection.consumer_id = self._consumers
            connection.is_greeted = True
            connection.name = hello.name
        connection.answer(self._hello(connection))
        if producer is not None:
            self._admit(connection, producer, hello.epoch)
        if hello.role & PeerRole.RELAY and relay.front is not None:
            self._attach(connection, hello.name)

    def _attach(self, connection: Connection, name: str) -> None:
        tier = name.removeprefix(SHARD_NAME).upper()
        if self._relay.front is not None and tier in Tier.__members__:
            self._relay.front.attach(connection, Tier[tier])

    def _hello(self, connection: Connection) -> bytes:
        relay = self._relay
        return relay.speaker.control(
            Hello(
                protocol=VERSION,
                role=PeerRole.RELAY,
                source=relay.speaker.source,
                domains=1 << (relay.domain - 1),
                consumer_id=connection.consumer_id,
                epoch=relay.speaker.epoch,
                max_message=DOMAIN_LIMITS[relay.domain],
                heartbeat=relay.config.heartbeat_ms,
                name=f"relay:{relay.settings.socket_name.removesuffix('.sock')}",
            )
        )

    def _admit(self, connection: Connection, producer: Producer, epoch: int) -> None:
        """Let a connection speak for a source, and tell it where that source stands."""
        if epoch != producer.epoch:
            self._relay.restart(producer, epoch)
            self._relay.note_epoch(producer)
        producer.connection = connection
        connection.sources[producer.source] = producer
        self._relay.acknowledge(producer)

    def _subscribe(self, connection: Connection, request: Subscribe) -> None:
        relay = self._relay
        if request.mode not in _MODES:
            text = f"`mode` must be 1, 2 or 3, was {request.mode}"
            relay.reject(connection, "bad_value", ErrorCode.INVALID_DATA, text, 0)
            return
        if not request.domains >> (relay.domain - 1) & 1:
            if request.mode == 3:
                relay.fanout.place(connection, NOTHING)
            return
        try:
            chosen = connection.filter.changed(request)
        except LimitExceeded as error:
            relay.reject(connection, "filter", ErrorCode.NOT_ALLOWED, str(error), 0)
            return
        if request.flags & _WANTS_SNAPSHOT and not self._may_snapshot(connection):
            return
        connection.wants_own = bool(request.flags & _WANTS_OWN)
        if request.flags & _WANTS_SNAPSHOT:
            for producer in relay.producers.values():
                self.send_snapshot(connection, producer, chosen)
        if chosen is not NOTHING:
            connection.answer(*relay.standings())
        relay.fanout.place(connection, chosen)

    def _may_snapshot(self, connection: Connection) -> bool:
        """Count a request for a snapshot; who asks all the time is refused, since an answer costs the others time."""
        relay = self._relay
        if connection.may_ask(relay.mono_ns(), relay.config.snapshots_per_second):
            return True
        relay.reject(connection, "too_many_snapshots", ErrorCode.RATE, "too many snapshots", 0)
        return False

    def _recover(self, connection: Connection, request: RecoveryRequest) -> None:
        relay = self._relay
        producer = relay.producers.get(request.source)
        if producer is None:
            connection.answer(self._response(request, 0, 0, RecoveryStatus.REFUSED, 0))
            return
        if request.request == RecoveryKind.SNAPSHOT:
            if not self._may_snapshot(connection):
                return
            self.send_snapshot(connection, producer, connection.filter)
            return
        first, last = request.last_sequence + 1, request.current_sequence - 1
        runs = relay.journals[request.source].between(first, last) if first <= last else []
        if runs is None:
            connection.answer(
                self._response(request, first, last, RecoveryStatus.SNAPSHOT_FOLLOWS, 0)
            )
            self.send_snapshot(connection, producer, connection.filter)
            return
        count = max(last - first + 1, 0)
        connection.answer(
            self._response(request, first, last, RecoveryStatus.BEGIN, count),
            *(run.data for run in runs),
            self._response(request, first, last, RecoveryStatus.END, count),
        )

    def _response(
        self, request: RecoveryRequest, first: int, last: int, status: RecoveryStatus, count: int
    ) -> bytes:
        return self._relay.speaker.control(
            RecoveryResponse(
                consumer_id=request.consumer_id,
                first_sequence=first,
                last_sequence=last,
                status=status,
                source=request.source,
                messages=count,
            )
        )

    def send_snapshot(self, connection: Connection, producer: Producer, chosen: Filter) -> None:
        """Send what is kept of a source and matches, as one uninterrupted answer."""
        self.enclose(connection, producer, self._relay.snapshots.of(producer.source, chosen))

    def enclose(self, connection: Connection, producer: Producer, kept: list[bytes]) -> None:
        """Send messages as a snapshot of a source."""
        checksum = 0
        for message in kept:
            checksum = crc32(message, checksum)
        self._snapshots = self._snapshots % 0xFFFFFFFF + 1
        begin = Snapshot(
            snapshot_id=self._snapshots,
            phase=SnapshotPhase.BEGIN,
            domain=self._relay.domain,
            source=producer.source,
            as_of_sequence=producer.next_sequence - 1,
            epoch=producer.epoch,
            messages=len(kept),
            content_crc=0,
        )
        end = msgspec.structs.replace(begin, phase=SnapshotPhase.END, content_crc=checksum)
        speak = self._relay.speaker.control
        connection.answer(speak(begin), *kept, speak(end))
