"""Follows all producers of one domain over one relay: repeats, gaps, recovery, snapshots. Knows no socket and no clock.

Messages go in as they arrive; what may be delivered, and what has to be asked, comes out in order. Domain 1 may lose
messages and says so by invalidating state; the other domains ask until they have everything that a journal still holds.
"""

from collections.abc import Callable
from typing import Protocol
from zlib import crc32

from alphapulse.primitives.instrument_id import InstrumentId
from alphapulse.protocol.header import Domain, Header, Source
from alphapulse.protocol.market_data import InvalidationReason, StateInvalidation
from alphapulse.protocol.message import Message
from alphapulse.protocol.system import (
    Heartbeat,
    RecoveryKind,
    RecoveryRequest,
    RecoveryResponse,
    RecoveryStatus,
    SequenceSync,
    Snapshot,
    SnapshotPhase,
    SyncReason,
)
from alphapulse.transport.announced import Notices, resume_notices
from alphapulse.transport.tracking import Phase, Stream

__all__ = ["RELAY_SOURCES", "DomainFollower", "FollowerSink"]

RELAY_SOURCES = frozenset(range(Source.MARKET_RELAY, Source.SYSTEM_RELAY + 1))
RETRANSMIT_LIMIT = 100  # a gap this long is for a snapshot, or for several requests
ATTEMPTS = 3
ANSWER_NS = 500_000_000  # patience for an answer
SNAPSHOT_LIMIT = 200_000  # messages of one snapshot


class FollowerSink(Protocol):
    """Where a follower's answers go."""

    def deliver(self, message: Message) -> None:
        """Take a message into the local order."""
        ...

    def ask(self, request: RecoveryRequest) -> None:
        """Send a request to the relay."""
        ...

    def reconnect(self, reason: str) -> None:
        """End the connection: the relay does not answer as it must."""
        ...


class DomainFollower:
    """Turns one domain's arriving messages into messages in sequence.

    `is_own` tells a process's own sources, whose messages come back only by mistake. `narrowed` is a subscription
    with filters, where holes mean nothing. With `history` the first join asks for all that is still journaled. A relay's
    own heartbeats are delivered only to whoever `keeps_beats`.
    """

    def __init__(
        self,
        domain: int,
        sink: FollowerSink,
        clock: Callable[[], int],
        *,
        is_own: Callable[[int], bool],
        narrowed: bool = False,
        history: bool = False,
    ) -> None:
        self.consumer_id = 0
        self.keeps_beats = False
        self.recoveries = 0
        self.snapshots = 0
        self.lost = 0
        self._domain = domain
        self._sink = sink
        self._clock = clock
        self._is_own = is_own
        self._narrowed = narrowed
        self._history = history
        self._may_lose = domain == Domain.MARKET
        self._streams: dict[int, Stream] = {}
        self._snapshot: Snapshot | None = None
        self._enclosed: list[Message] = []
        self._crc = 0

    def streams(self) -> list[Stream]:
        """Return the producers heard so far, by source."""
        return [self._streams[source] for source in sorted(self._streams)]

    def on_disconnect(self) -> None:
        """Note that the connection ended: what a domain that may lose told is not to be used until it is whole again."""
        self._snapshot = None
        self._enclosed.clear()
        for stream in self.streams():
            if stream.phase is not Phase.FOLLOWING:
                stream.deadline_ns = 0
            if not stream.is_interrupted:
                stream.is_interrupted = True
                self._notify(stream.announced.stale(InvalidationReason.DISCONNECT))

    def on_join(self, now_ns: int) -> None:
        """Note that a connection stands again, and ask again for what was missing before it ended."""
        for stream in self.streams():
            if stream.phase is not Phase.FOLLOWING:
                stream.attempts = 0
                self._recover(stream, now_ns)

    def on_tick(self, now_ns: int) -> None:
        """Repeat what was asked and not answered in time."""
        for stream in self.streams():
            if stream.deadline_ns and now_ns >= stream.deadline_ns:
                self._repeat(stream, now_ns)

    def on_message(self, message: Message, data: bytes, now_ns: int) -> None:
        """Take one message in the order of the connection; `data` are its bytes, for the checks of a snapshot."""
        header = message.header
        if header.sequence == 0:
            self._on_notice(message, now_ns)
        elif self._snapshot is not None and header.source == self._snapshot.source:
            if len(self._enclosed) < SNAPSHOT_LIMIT:
                self._enclosed.append(message)
                self._crc = crc32(data, self._crc)
        elif not self._is_own(header.source):
            stream = self._stream(header.source)
            if self._narrowed:
                self._accept_rising(stream, message)
            else:
                self._accept(stream, message, now_ns)

    # --- live messages ----------------------------------------------------------------------------------------------------

    def _stream(self, source: int) -> Stream:
        stream = self._streams.get(source)
        if stream is None:
            stream = self._streams[source] = Stream(self._domain, source)
        return stream

    def _starts_run(self, stream: Stream, message: Message) -> bool:
        """Begin a new run when the message announces one that was never heard."""
        if message.header.sequence != 1:
            return False
        sync = message.first(SequenceSync)
        if sync is None or sync.reason != SyncReason.PRODUCER_START:
            return False
        if sync.epoch == stream.epoch or sync.epoch in stream.past_epochs:
            return False
        if stream.epoch == 0 and stream.expected == 1:
            stream.epoch = sync.epoch  # the history that was asked for begins
            return False
        stream.begin_run(sync.epoch, 1)
        return True

    def _accept(self, stream: Stream, message: Message, now_ns: int) -> None:
        sequence = message.header.sequence
        self._starts_run(stream, message)
        if stream.expected == 0:
            stream.expected = 1 if self._history else sequence
        if sequence < stream.expected:
            stream.duplicates += 1
        elif sequence > stream.expected:
            self._on_hole(stream, message, now_ns)
        else:
            if stream.is_interrupted and stream.phase is Phase.FOLLOWING:
                self._resume(stream, InvalidationReason.DISCONNECT)
            self._pass(stream, message)
            if stream.phase is not Phase.FOLLOWING:
                self._proceed(stream, now_ns)

    def _accept_rising(self, stream: Stream, message: Message) -> None:
        if not self._starts_run(stream, message) and message.header.sequence < stream.expected:
            stream.duplicates += 1
            return
        if stream.is_interrupted:
            self._resume(stream, InvalidationReason.DISCONNECT)
        stream.expected = message.header.sequence
        self._pass(stream, message)

    def _pass(self, stream: Stream, message: Message) -> None:
        stream.expected += 1
        stream.delivered += 1
        if self._may_lose:
            stream.announced.learn(message)
        if self._is_beat_of_relay(message) and not self.keeps_beats:
            return  # life of the connection, no statement of the system
        self._sink.deliver(message)

    def _is_beat_of_relay(self, message: Message) -> bool:
        if message.header.source not in RELAY_SOURCES or not message.tlvs:
            return False
        return type(message.tlvs[0]) is Heartbeat

    def start_at(self, source: int, epoch: int, expected: int) -> None:
        """Expect a number of a run from the beginning, because everything before it is known elsewhere."""
        self._stream(source).begin_run(epoch, expected)

    # --- gaps -------------------------------------------------------------------------------------------------------------

    def _on_hole(self, stream: Stream, message: Message, now_ns: int) -> None:
        has_room = stream.hold(message)
        if stream.phase is Phase.FOLLOWING:
            stream.gaps += 1
            if not stream.is_interrupted:
                self._notify(stream.announced.stale(InvalidationReason.SEQUENCE_GAP))
            stream.is_interrupted = True
            stream.target = message.header.sequence
            self._recover(stream, now_ns)
        elif not has_room and self._may_lose and stream.phase is Phase.RETRANSMISSION:
            stream.held.clear()
            self._ask_snapshot(stream, now_ns)

    def _recover(self, stream: Stream, now_ns: int) -> None:
        """Ask for what is missing before `target`, in the way its length allows."""
        gap = stream.target - stream.expected
        if stream.phase is Phase.SNAPSHOT or (
            gap >= RETRANSMIT_LIMIT and self._may_lose and not self._history
        ):
            self._ask_snapshot(stream, now_ns)
        else:
            self._ask_retransmission(stream, now_ns)

    def _ask_retransmission(self, stream: Stream, now_ns: int) -> None:
        if stream.phase is not Phase.RETRANSMISSION:
            stream.attempts = 0
        stream.phase = Phase.RETRANSMISSION
        stream.chunk_end = min(stream.target, stream.expected + RETRANSMIT_LIMIT - 1)
        self._ask(stream, RecoveryKind.RETRANSMIT, stream.chunk_end, now_ns)

    def _ask_snapshot(self, stream: Stream, now_ns: int) -> None:
        if stream.phase is not Phase.SNAPSHOT:
            stream.attempts = 0
        stream.phase = Phase.SNAPSHOT
        self._ask(stream, RecoveryKind.SNAPSHOT, stream.target, now_ns)

    def _ask(self, stream: Stream, kind: RecoveryKind, current: int, now_ns: int) -> None:
        self.recoveries += 1
        stream.attempts += 1
        stream.deadline_ns = now_ns + ANSWER_NS
        self._sink.ask(
            RecoveryRequest(
                consumer_id=self.consumer_id,
                last_sequence=stream.expected - 1,
                current_sequence=current,
                request=kind,
                source=stream.source,
            )
        )

    def _repeat(self, stream: Stream, now_ns: int) -> None:
        if stream.attempts < ATTEMPTS:
            self._recover(stream, now_ns)
        elif stream.phase is Phase.RETRANSMISSION:
            self._ask_snapshot(stream, now_ns)
        else:
            stream.deadline_ns = 0
            self._sink.reconnect(f"no answer about source {stream.source}")

    def _proceed(self, stream: Stream, now_ns: int) -> None:
        """Deliver what was held for the messages that have come, and ask for the next missing ones."""
        while (message := stream.held.pop(stream.expected, None)) is not None:
            self._pass(stream, message)
        stream.drop_held(stream.expected)
        stream.target = max(stream.target, stream.first_held())
        if stream.expected >= stream.target:
            self._healed(stream)
        elif stream.phase is Phase.RETRANSMISSION and stream.expected >= stream.chunk_end:
            stream.attempts = 0
            self._ask_retransmission(stream, now_ns)

    def _healed(self, stream: Stream) -> None:
        stream.follow()
        if stream.is_interrupted:
            self._resume(stream, InvalidationReason.RECOVERY)

    def _skip_to(self, stream: Stream, sequence: int, now_ns: int) -> None:
        """Give up what no journal holds: count it and say it."""
        lost = sequence - stream.expected
        if lost > 0:
            self.lost += lost
            self._tell_lost(stream, sequence, lost)
            stream.expected = sequence
        if self._may_lose:
            self._notify(stream.announced.reset(InvalidationReason.SEQUENCE_GAP))
        self._proceed(stream, now_ns)

    def _tell_lost(self, stream: Stream, sequence: int, lost: int) -> None:
        self._sink.deliver(
            Message(
                Header(self._domain, self._relay(), 0, 0, self._clock()),
                (
                    SequenceSync(
                        epoch=stream.epoch,
                        next_sequence=sequence,
                        dropped=lost,
                        source=stream.source,
                        reason=SyncReason.JOURNAL_TOO_SHORT,
                    ),
                ),
            )
        )

    # --- words of the relay -----------------------------------------------------------------------------------------------

    def _on_notice(self, message: Message, now_ns: int) -> None:
        for tlv in message.tlvs:
            if isinstance(tlv, Snapshot):
                self._on_snapshot(tlv, now_ns)
            elif isinstance(tlv, RecoveryResponse):
                self._on_response(tlv, now_ns)
            elif isinstance(tlv, SequenceSync):
                self._on_sync(tlv, now_ns)
        if self._may_lose and message.first(StateInvalidation) is not None:
            self._sink.deliver(message)

    def _on_sync(self, sync: SequenceSync, now_ns: int) -> None:
        """Learn where the relay stands with a source: its run, and the first number that nobody can send yet."""
        if self._is_own(sync.source):
            return
        if sync.reason == SyncReason.PRODUCER_START:
            self._on_standing(self._stream(sync.source), sync, now_ns)
            return
        stream = self._streams.get(sync.source)
        if stream is None or sync.epoch not in (0, stream.epoch):
            return
        if self._narrowed:
            if self._may_lose:
                stream.target = sync.next_sequence
                self._ask_snapshot(stream, now_ns)
            return
        is_final = sync.reason in (SyncReason.PRODUCER_GAP, SyncReason.JOURNAL_TOO_SHORT)
        if is_final and sync.next_sequence > stream.expected:
            stream.is_interrupted = stream.is_interrupted or self._may_lose
            self._skip_to(stream, sync.next_sequence, now_ns)

    def _on_standing(self, stream: Stream, sync: SequenceSync, now_ns: int) -> None:
        """Compare where the relay stands with what is expected here: a tail may be missing, or a whole run."""
        after = sync.next_sequence
        if self._narrowed:
            if stream.epoch != sync.epoch:
                stream.begin_run(sync.epoch, after)
            return
        if stream.expected == 0:
            stream.begin_run(sync.epoch, 1 if self._history else after)
        elif stream.epoch not in (0, sync.epoch):
            self._notify(stream.announced.reset(InvalidationReason.SEQUENCE_GAP))
            keeps = not self._may_lose or self._history
            stream.begin_run(sync.epoch, 1 if keeps else after)
            if not keeps:
                stream.target = after
                self._ask_snapshot(stream, now_ns)
                return
        stream.epoch = sync.epoch
        if stream.expected < after:
            stream.target = max(stream.target, after)
            if stream.phase is Phase.FOLLOWING:
                stream.gaps += 1
                self._recover(stream, now_ns)
        elif stream.expected == after and stream.phase is Phase.FOLLOWING and stream.is_interrupted:
            self._resume(stream, InvalidationReason.RECOVERY)

    def _on_response(self, response: RecoveryResponse, now_ns: int) -> None:
        stream = self._streams.get(response.source)
        if stream is None or stream.phase is Phase.FOLLOWING:
            return
        if response.status == RecoveryStatus.SNAPSHOT_FOLLOWS:
            stream.phase = Phase.SNAPSHOT
            stream.attempts = 1
            stream.deadline_ns = now_ns + ANSWER_NS * ATTEMPTS
        elif response.status == RecoveryStatus.REFUSED:
            if stream.phase is Phase.RETRANSMISSION:
                self._ask_snapshot(stream, now_ns)
            else:
                self._skip_to(stream, stream.first_held() or stream.target, now_ns)

    def _on_snapshot(self, marker: Snapshot, now_ns: int) -> None:
        if marker.phase == SnapshotPhase.BEGIN:
            self._snapshot = marker
            self._enclosed.clear()
            self._crc = 0
            return
        begun, self._snapshot = self._snapshot, None
        enclosed, self._enclosed = self._enclosed, []
        if begun is None or begun.source != marker.source or self._is_own(marker.source):
            return
        stream = self._stream(marker.source)
        if marker.messages != len(enclosed) or marker.content_crc != self._crc:
            stream.target = max(stream.target, marker.as_of_sequence + 1)
            self._ask_snapshot(stream, now_ns)
            return
        self.snapshots += 1
        if not self._narrowed and self._heals_without(stream, marker, now_ns):
            return
        self._take_snapshot(stream, marker, enclosed, now_ns)

    def _heals_without(self, stream: Stream, marker: Snapshot, now_ns: int) -> bool:
        """Learn from the marker where the producer stands, and return whether its contents are not needed."""
        after = marker.as_of_sequence + 1
        is_known = stream.expected > 0
        if is_known and stream.epoch in (0, marker.epoch):
            stream.epoch = marker.epoch
            missing = after - stream.expected
            if missing <= 0 and stream.phase is not Phase.SNAPSHOT:
                if stream.phase is Phase.FOLLOWING and missing == 0 and stream.is_interrupted:
                    self._resume(stream, InvalidationReason.RECOVERY)
                return True
            is_short = missing < RETRANSMIT_LIMIT or not self._may_lose
            if missing <= 0 or stream.phase is Phase.SNAPSHOT or not is_short:
                return False
        elif self._may_lose and not self._history:
            return False
        elif is_known or self._history:
            stream.begin_run(marker.epoch, 1)
        else:
            return False
        stream.target = max(stream.target, after)
        if stream.expected < stream.target:
            self._recover(stream, now_ns)
        return True

    def _take_snapshot(
        self, stream: Stream, marker: Snapshot, enclosed: list[Message], now_ns: int
    ) -> None:
        """Put the contents in place of what is missing."""
        after = marker.as_of_sequence + 1
        is_same_run = stream.epoch in (0, marker.epoch)
        before = stream.expected if is_same_run else 0
        if self._may_lose:
            if stream.expected:
                self._notify(stream.announced.reset(InvalidationReason.RECOVERY))
        elif before:
            enclosed = [one for one in enclosed if one.header.sequence >= before]
            lost = after - before - len(enclosed)
            if lost > 0:
                self.lost += lost
                self._tell_lost(stream, after, lost)
        if not is_same_run:
            stream.begin_run(marker.epoch, after)
        stream.epoch = marker.epoch
        stream.is_interrupted = False
        for message in enclosed:
            if self._may_lose:
                stream.announced.learn(message)
            stream.delivered += 1
            self._sink.deliver(message)
        stream.expected = max(after, before)
        stream.follow()
        self._proceed_after(stream, now_ns)

    def _proceed_after(self, stream: Stream, now_ns: int) -> None:
        """Go on with what was held during a snapshot; a hole behind it is a gap of its own."""
        stream.drop_held(stream.expected)
        while (message := stream.held.pop(stream.expected, None)) is not None:
            self._pass(stream, message)
        if stream.held:
            stream.target = stream.first_held()
            stream.is_interrupted = self._may_lose
            self._notify(stream.announced.stale(InvalidationReason.SEQUENCE_GAP))
            self._recover(stream, now_ns)

    # --- notices ----------------------------------------------------------------------------------------------------------

    def _resume(self, stream: Stream, reason: InvalidationReason) -> None:
        """Allow the venues of a stream again, unless another stream that speaks for them is still interrupted."""
        stream.is_interrupted = False
        venues = set(stream.announced.venues)
        forbidden: dict[InstrumentId, int] = {}
        for one in self._streams.values():
            if one.is_interrupted:
                venues -= one.announced.venues
            forbidden |= one.announced.forbidden
        self._notify(resume_notices(venues, forbidden, reason))

    def _notify(self, contents: list[Notices]) -> None:
        """Say in the local order what must not, or may again, be used; sequence 0, since no producer said it."""
        if self._may_lose:
            for notices in contents:
                header = Header(self._domain, self._relay(), 0, 0, self._clock())
                self._sink.deliver(Message(header, notices))

    def _relay(self) -> int:
        return Source.MARKET_RELAY + self._domain - 1
