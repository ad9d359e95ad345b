"""One domain's relay: takes what producers numbered, remembers it, gives it to whoever asked."""

import contextlib
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable

import msgspec

from alphapulse.errors import DecodeError, JournalUnwritable
from alphapulse.observability.log import Event, log_event
from alphapulse.protocol.header import Domain
from alphapulse.protocol.message import Tlv
from alphapulse.protocol.system import (
    ErrorCode,
    RecoveryKind,
    RecoveryRequest,
    SyncReason,
)
from alphapulse.relays.config import RelayConfig, relay_source, shard_socket
from alphapulse.relays.connection import Connection
from alphapulse.relays.control import Control
from alphapulse.relays.fanout import Fanout
from alphapulse.relays.front import Front
from alphapulse.relays.journal import Journal
from alphapulse.relays.journal_file import JournalFile
from alphapulse.relays.notices import loss_notices, slow_alert, venue_resets
from alphapulse.relays.outgoing import Loss
from alphapulse.relays.producers import Producer
from alphapulse.relays.restoring import epoch_in, restore
from alphapulse.relays.run import Announcement, Run
from alphapulse.relays.snapshots import Snapshots
from alphapulse.relays.speaker import Speaker
from alphapulse.relays.tiers import Tier
from alphapulse.transport.framing import Block, Rejected

__all__ = ["Relay"]

_MS = 1_000_000
_TURNS = 256
"""Reads whose time is remembered for the statistics."""


class Relay:
    """Forwards one domain. Everything happens on the thread of its event loop."""

    def __init__(
        self,
        domain: int,
        config: RelayConfig,
        *,
        tier: Tier | None = None,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self.domain = domain
        self.config = config
        self.tier = tier
        self.settings = config.domains[domain]
        if tier is not None:
            name = shard_socket(self.settings.socket_name, tier)
            self.settings = msgspec.structs.replace(self.settings, socket_name=name)
        self.clock = clock
        self.mono_ns: Callable[[], int] = time.monotonic_ns
        self.speaker = Speaker(domain, relay_source(domain, tier), clock(), clock)
        self.producers: dict[int, Producer] = {}
        self.journals: dict[int, Journal] = {}
        self.connections: set[Connection] = set()
        self.fanout = Fanout()
        self.snapshots = Snapshots(
            domain, most_after=config.snapshot_after_base, most_bytes=config.snapshot_bytes
        )
        self.refused: Counter[str] = Counter()
        self.rejected: Counter[str] = Counter()
        self.file: JournalFile | None = None
        self._held: deque[tuple[Connection, Producer, Run]] = deque()
        self.front = Front(self) if domain == Domain.MARKET and tier is None else None
        self.control = Control(self)
        self._own = self.producer(self.speaker.source)
        self._own.begin(self.speaker.epoch)
        self.started_ns = self.mono_ns()
        self.received = self.received_bytes = self.dropped = self.slow = 0
        self.unwritten = self.flush_failures = self.status_failures = 0
        self.turns_ns: deque[int] = deque(maxlen=_TURNS)
        self.is_writable = True

    # the journal on disk

    def open(self) -> None:
        """Take the journal's directory and learn from it what earlier relays had.

        Raises  Misconfigured when another relay has it.
        """
        if not self.settings.keeps_on_disk:
            return
        root = self.config.journal_directory or self.config.directory / "journal"
        file = JournalFile(
            root / self.settings.socket_name.removesuffix(".sock"), self.settings, self.standings
        )
        file.open()
        for block in file.recovered():
            restore(self, block)
        self.file = file

    def take_back(self, run: Run) -> None:
        """Remember what an earlier relay journaled; nobody hears it again."""
        producer = self.producer(run.source)
        if run.sequences[-1] < producer.next_sequence:
            return
        run = run.part(max(producer.next_sequence - run.sequences[0], 0), len(run.sequences))
        run.epoch = producer.epoch
        producer.next_sequence = run.sequences[-1] + 1
        self.journals[run.source].add(run)
        self.snapshots.fold(run)

    def standings(self) -> list[bytes]:
        """Return where every known source stands, the relay's own included."""
        return [
            self.speaker.standing(*one.standing()) for one in self.producers.values() if one.epoch
        ]

    # connections

    def on_connect(self, connection: Connection) -> None:
        """Take a connection in while there is room."""
        if len(self.connections) >= self.settings.connections:
            self.refused["connections"] += 1
            connection.close(self.speaker.error(ErrorCode.RATE, "no more connections"))
            return
        self.connections.add(connection)

    def on_close(self, connection: Connection) -> None:
        """Forget a connection; the sources it spoke for are silent now."""
        self.connections.discard(connection)
        if self.front is not None:
            self.front.detach(connection)
        self.fanout.remove(connection)
        for producer in connection.sources.values():
            producer.connection = None
            if self.domain == Domain.MARKET:
                self._invalidate(producer)
        connection.sources.clear()

    def on_failure(self, connection: Connection, error: DecodeError) -> None:
        """Close a stream whose framing is lost."""
        self.rejected[error.kind] += 1
        code = ErrorCode.TOO_LARGE if error.kind == "too_large" else ErrorCode.INVALID_DATA
        if error.kind == "bad_version":
            code = ErrorCode.VERSION
        connection.close(self.speaker.error(code, str(error)))

    def on_silence(self, connection: Connection) -> None:
        """Close a client that did not say Hello in time."""
        self.refused["no_hello"] += 1
        connection.close(self.speaker.error(ErrorCode.HANDSHAKE, "no Hello came in time"))

    def on_rejected(self, connection: Connection, rejected: Rejected) -> None:
        """Answer a message whose header was refused."""
        if rejected.error.kind == "bad_domain" and rejected.domain in self.config.domains:
            text = f"this is the relay of domain {self.domain}"
            self.reject(
                connection, "other_domain", ErrorCode.DOMAIN_MISMATCH, text, rejected.sequence
            )
            return
        error = rejected.error
        self.reject(connection, error.kind, ErrorCode.INVALID_DATA, str(error), rejected.sequence)

    def reject(
        self, connection: Connection, kind: str, code: ErrorCode, text: str, sequence: int
    ) -> None:
        """Count and answer a dropped message; a client that sends too many of them is closed."""
        self.rejected[kind] += 1
        if connection.is_closing:
            return
        connection.answer(self.speaker.error(code, text, sequence=sequence))
        if not connection.may_reject(self.mono_ns(), self.config.rejects_window_ms * _MS):
            self.refused["rejects"] += 1
            connection.close(self.speaker.error(ErrorCode.RATE, "too many invalid messages"))

    def on_overflow(self, connection: Connection) -> None:
        """Drop the oldest and say so, or part with the consumer, as the domain demands."""
        if self.settings.drops:
            self.dropped += connection.outgoing.drop_to(self.settings.queue_messages)
            return
        self.slow += 1
        text = f"{connection.name or 'a consumer'} let {connection.outgoing.queued} messages wait"
        log_event(Event.CONNECTION_LOST, domain=self.domain, peer=connection.name, cause=text)
        connection.close(self.speaker.error(ErrorCode.SLOW_CONSUMER, text))
        self.fanout.remove(connection)
        self.say(
            slow_alert(text, self.clock()), self.speaker.complaint(ErrorCode.SLOW_CONSUMER, text)
        )

    def tell_loss(self, source: int, loss: Loss) -> Iterable[bytes]:
        """Say how many messages of a source a consumer lost and what it must not use any more."""
        return loss_notices(self.speaker, source, loss)

    # messages

    def on_block(self, connection: Connection, block: Block) -> None:
        """Take the messages of one read, in their order."""
        self._forward(connection, block)
        self.turns_ns.append(self.mono_ns() - connection.heard_ns)

    def _forward(self, connection: Connection, block: Block) -> None:
        sequences, sources = block.sequences, block.sources
        self.received += len(sequences)
        self.received_bytes += len(block.data)
        if 0 not in sequences and sources.count(sources[0]) == len(sources):
            self._take(connection, Run(block.data, block.starts, sources[0], 0, sequences))
            return
        at, count = 0, len(sequences)
        while at < count and not connection.is_closing:
            if not sequences[at]:
                self.control.take(connection, block.message(at))
                at += 1
                continue
            end = at + 1
            while end < count and sequences[end] and sources[end] == sources[at]:
                end += 1
            starts = block.starts[at : end + 1]
            first = starts[0]
            data = block.data[first : starts[-1]]
            moved = [start - first for start in starts]
            self._take(connection, Run(data, moved, sources[at], 0, sequences[at:end]))
            at = end

    def _take(self, connection: Connection, run: Run) -> None:
        producer = connection.sources.get(run.source)
        if producer is None:
            if not connection.is_greeted:
                connection.close(self.speaker.error(ErrorCode.HANDSHAKE, "say Hello first"))
                return
            text = f"this connection is not source {run.source}"
            for sequence in run.sequences:
                self.reject(connection, "other_source", ErrorCode.NOT_ALLOWED, text, sequence)
            return
        sound = self._sound(connection, run)
        if sound is None or connection.is_closing:
            return
        if self._held:
            self._hold(connection, producer, sound)
        else:
            self._place(connection, producer, sound)

    def _sound(self, connection: Connection, run: Run) -> Run | None:
        """Return the messages that pass the checks a relay makes; the others are answered one by one."""
        bad = run.wrong_sums() if self.settings.verifies else {}
        for index, error in run.survey().items():
            bad.setdefault(index, error)
        for index in sorted(bad):
            text = str(bad[index])
            sequence = run.sequences[index]
            self.reject(connection, bad[index].kind, ErrorCode.INVALID_DATA, text, sequence)
        if not bad:
            return run
        good = [index for index in range(len(run.sequences)) if index not in bad]
        return run.chosen(good) if good else None

    def _place(self, connection: Connection, producer: Producer, run: Run) -> None:
        """Put a run into its producer's order: pass what follows, drop repeats, tell gaps."""
        begin = 0
        wanted = producer.next_sequence
        if wanted > 1 and run.sequences == list(range(wanted, wanted + len(run.sequences))):
            if not self._pass(connection, producer, run):
                self._hold(connection, producer, run)
            return
        for index, sequence in enumerate(run.sequences):
            if sequence == wanted and sequence != 1:
                wanted += 1
                continue
            if not self._pass(connection, producer, run.part(begin, index)):
                self._hold(connection, producer, run.part(begin, len(run.sequences)))
                return
            begin = index
            if sequence == 1:
                epoch = epoch_in(run.message(index))
                if epoch and (wanted == 1 or epoch != producer.epoch):
                    if epoch != producer.epoch:
                        self.restart(producer, epoch)
                    wanted = 2
                    continue
                if wanted == 1:
                    text = "the first message of a run must carry SequenceSync with reason 2"
                    self.reject(connection, "no_epoch", ErrorCode.SEQUENCE, text, 1)
                    begin = index + 1
                    continue
            if sequence < wanted:
                producer.duplicates += 1
                begin = index + 1
                continue
            self._tell_gap(producer, wanted, sequence)
            wanted = sequence + 1
        rest = run.part(begin, len(run.sequences))
        if not self._pass(connection, producer, rest):
            self._hold(connection, producer, rest)

    def _pass(self, connection: Connection | None, producer: Producer, run: Run) -> bool:
        """Journal a run without holes, then forward it; False when it cannot be journaled."""
        count = len(run.sequences)
        if not count:
            return True
        if self.file is not None and not self._write(run):
            if connection is not None:
                return False
            self.unwritten += (
                count  # the relay's own word goes out: it says that the journal stands still
            )
        run.epoch = producer.epoch
        self.journals[run.source].add(run)
        producer.next_sequence = run.sequences[-1] + 1
        producer.received += count
        self.snapshots.fold(run)
        if self.domain == Domain.MARKET:
            self._learn_venues(producer, run)
        if self.front is not None:
            self.front.count(run)
        self.fanout.send(run, connection, self.mono_ns())
        producer.unacknowledged += count
        if connection is not None and producer.unacknowledged >= self.config.ack_messages:
            self.acknowledge(producer)
        return True

    def take_partial(self, run: Run) -> None:
        """Pass on a run of which another relay has checked order and bytes, and of which only a part comes here."""
        producer = self.producer(run.source)
        if run.sequences[0] == 1:
            epoch = epoch_in(run.message(0))
            if epoch and epoch != producer.epoch:
                self.restart(producer, epoch)
        self.received += len(run.sequences)
        self.received_bytes += len(run.data)
        self._pass(None, producer, run)
        producer.unacknowledged = 0

    def announce_raw(self, message: bytes) -> None:
        """Give every consumer a notice as it came from the relay in front."""
        run = Run.of(message, self.speaker.source, self.speaker.epoch, 0)
        self.fanout.announce(run, self.mono_ns())

    def invalidate_all(self) -> None:
        """Take back what every producer said: the relay in front of this shard is gone."""
        for producer in tuple(self.producers.values()):
            if producer is not self._own:
                self._invalidate(producer)

    def _learn_venues(self, producer: Producer, run: Run) -> None:
        """Remember of which venues a producer speaks; the first TLV that names an instrument says it."""
        data = run.data
        found = {
            data[start + shape.venue_at : start + shape.venue_at + 2]
            for start, shape in zip(run.starts, run.shapes(), strict=False)
            if shape.venue_at
        }
        producer.venues |= found

    def _write(self, run: Run) -> bool:
        assert self.file is not None
        try:
            self.file.write(run.data)
        except JournalUnwritable as error:
            if self.is_writable:
                self.is_writable = False
                log_event(Event.STORE_UNAVAILABLE, domain=self.domain, cause=str(error))
            return False
        self.is_writable = True
        return True

    def _hold(self, connection: Connection, producer: Producer, run: Run) -> None:
        """Keep what cannot be journaled, and let its producer wait."""
        self._held.append((connection, producer, run))
        connection.pause_reading()

    @property
    def is_holding(self) -> bool:
        """Return whether producers wait for the journal."""
        return bool(self._held)

    def on_flush_failed(self, error: OSError) -> None:
        """Begin another segment: what the disk did not take cannot be trusted to stand in this one."""
        log_event(Event.STORE_UNAVAILABLE, domain=self.domain, cause=error.strerror or str(error))
        self.flush_failures += 1
        if self.file is not None:
            self.file.give_up()

    def retry(self) -> None:
        """Try again to journal what was held; when all of it is, read from the producers again."""
        waiting, self._held = self._held, deque()
        while waiting and not self._held:
            self._place(*waiting.popleft())
        self._held.extend(waiting)
        if not self._held:
            for connection in self.connections:
                connection.resume_reading()

    def _tell_gap(self, producer: Producer, wanted: int, sequence: int) -> None:
        missing = sequence - wanted
        producer.gaps += 1
        producer.missing += missing
        word = self.speaker.sync(
            producer.source,
            producer.epoch,
            sequence,
            dropped=missing,
            reason=SyncReason.PRODUCER_GAP,
        )
        told = Announcement(
            word, producer.source, producer.epoch, next_sequence=sequence, missing=missing
        )
        if self.domain == Domain.MARKET:
            self.snapshots.doubt(producer.source)
        self.fanout.announce(told.concerning(producer.venues), self.mono_ns())

    # producers

    def producer(self, source: int) -> Producer:
        """Return a source's standing, made on its first Hello."""
        found = self.producers.get(source)
        if found is None:
            found = self.producers[source] = Producer(source)
            self.journals[source] = Journal(
                self.settings.journal_messages, self.settings.journal_bytes
            )
        return found

    def restart(self, producer: Producer, epoch: int) -> None:
        """Begin another run of a source."""
        producer.begin(epoch)
        if self.domain == Domain.MARKET:
            self.snapshots.forget_source(producer.source)
        self.journals[producer.source].clear()

    def note_epoch(self, producer: Producer) -> None:
        """Journal that a source begins a run whose first message may have come to an earlier relay."""
        if self.file is not None:
            with contextlib.suppress(JournalUnwritable):  # the next message of it will say so
                self.file.write(self.speaker.standing(*producer.standing()))

    def acknowledge(self, producer: Producer) -> None:
        """Tell a live producer what is journaled."""
        connection = producer.connection
        if connection is not None and connection.outgoing.is_empty:
            producer.unacknowledged = 0
            connection.answer(self.speaker.standing(*producer.standing()))

    def _invalidate(self, producer: Producer) -> None:
        """Take back what a vanished producer of market data had said, and ask others for it."""
        if not producer.venues:
            return
        venues = producer.venues
        for words in venue_resets(venues):
            self.say(*words)
        self.snapshots.drop_venues(producer.source, venues)
        for other in self.producers.values():
            if other.connection is not None and not other.venues.isdisjoint(venues):
                self.ask_base(other)
        producer.venues = set()

    def ask_base(self, producer: Producer) -> None:
        """Ask a live producer to publish fresh base messages."""
        if producer.connection is not None:
            producer.connection.answer(
                self.speaker.control(
                    RecoveryRequest(
                        consumer_id=0,
                        last_sequence=producer.next_sequence - 1,
                        current_sequence=producer.next_sequence,
                        request=RecoveryKind.SNAPSHOT,
                        source=producer.source,
                    )
                )
            )

    # the relay's own voice and clock

    def say(self, *tlvs: Tlv) -> None:
        """Publish a message of the relay itself."""
        sequence = self.speaker.next_sequence
        message = self.speaker.numbered(*tlvs)
        run = Run.of(message, self.speaker.source, self.speaker.epoch, sequence)
        self._pass(None, self._own, run)

    def has_unsent(self) -> bool:
        """Return whether a connection still waits for something that was said."""
        return any(
            not one.is_closing and (not one.outgoing.is_empty or one.unsent_bytes())
            for one in self.connections
        )

    def close(self) -> None:
        """End every connection."""
        for connection in tuple(self.connections):
            connection.close()

    def release(self) -> None:
        """Let go of the journal."""
        if self.file is not None:
            self.file.close()
