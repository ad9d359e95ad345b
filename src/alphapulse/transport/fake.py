"""A relay without sockets, and a seeded plan of what goes wrong on the way: for tests of whatever stands on a bus."""

import asyncio
import random
from collections.abc import Callable
from zlib import crc32

import msgspec

from alphapulse.protocol.codec import decode, encode
from alphapulse.protocol.header import HEADER_SIZE, Header, Source
from alphapulse.protocol.message import Message, Tlv
from alphapulse.protocol.system import (
    HealthStatus,
    Heartbeat,
    Hello,
    RecoveryKind,
    RecoveryRequest,
    RecoveryResponse,
    RecoveryStatus,
    SequenceSync,
    Snapshot,
    SnapshotPhase,
    Subscribe,
    SyncReason,
)
from alphapulse.transport.framing import Framer

__all__ = ["FakeRelay", "Faults"]

_SNAPSHOT_WANTED = 1


class Faults(msgspec.Struct, frozen=True, kw_only=True):
    """What happens to messages on their way to a consumer, each in a thousand, drawn from `seed`.

    A dropped message is gone, a doubled one comes twice, a late one comes `late_ms` after those behind it, a flipped one has
    one wrong bit behind its header. A cut ends the connection after the message.
    """

    seed: int = 0
    drop: int = 0
    double: int = 0
    late: int = 0
    late_ms: int = 5
    flip: int = 0
    cut: int = 0


class _Pipe(asyncio.Transport):
    """One connection as its client sees it: a transport whose other end is the relay."""

    def __init__(self, relay: "FakeRelay", domain: int, protocol: asyncio.Protocol) -> None:
        super().__init__()
        self.domain = domain
        self.sources: set[int] = set()
        self.is_subscribed = False
        self.is_open = True
        self.reads = True
        self._relay = relay
        self._protocol = protocol
        self._framer = Framer()
        self._waiting: list[bytes] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Give the relay what the client says."""
        if not self.is_open:
            return
        if not self.reads:
            self._waiting.append(bytes(data))
            self._protocol.pause_writing()
            return
        block = self._framer.feed(bytes(data))
        for part in block.messages() if block is not None else ():
            self._relay.take(self, part)

    def read_on(self) -> None:
        """Let the relay read again."""
        self.reads = True
        waiting, self._waiting = self._waiting, []
        self.write(b"".join(waiting))
        self._protocol.resume_writing()

    def give(self, data: bytes) -> None:
        """Give the client what the relay says, unless the connection has ended by then."""
        if self.is_open:
            asyncio.get_running_loop().call_soon(self._give, data)

    def _give(self, data: bytes) -> None:
        if self.is_open:
            self._protocol.data_received(data)

    def cut(self) -> None:
        """End the connection."""
        if self.is_open:
            self.is_open = False
            self._relay.forget(self)
            asyncio.get_running_loop().call_soon(self._protocol.connection_lost, None)

    def close(self) -> None:
        """End the connection, as the client wants it."""
        self.cut()

    def abort(self) -> None:
        """End the connection, as the client wants it."""
        self.cut()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Take any amount."""


class FakeRelay:
    """All domains' relays in memory: journal, standing, retransmission, snapshots of the last `kept` messages.

    `dial` is for `UnixBus.open`. `restart` forgets everything, as a relay does whose memory is its journal.
    """

    def __init__(
        self, clock: Callable[[], int], *, faults: Faults | None = None, kept: int = 50
    ) -> None:
        self.faults = faults or Faults()
        self.requests: list[RecoveryRequest] = []
        self.journals: dict[tuple[int, int], list[bytes]] = {}
        self.is_up = True
        self.acknowledges = True
        self._clock = clock
        self._kept = kept
        self._random = random.Random(self.faults.seed)  # noqa: S311  # faults, no secret
        self._pipes: list[_Pipe] = []
        self._epochs: dict[tuple[int, int], int] = {}
        self._first: dict[tuple[int, int], int] = {}

    async def dial(self, domain: int, protocol: asyncio.Protocol) -> None:
        """Connect a client.

        Raises  OSError while the relay is down.
        """
        if not self.is_up:
            raise OSError("the fake relay is down")
        pipe = _Pipe(self, domain, protocol)
        self._pipes.append(pipe)
        asyncio.get_running_loop().call_soon(protocol.connection_made, pipe)

    def forget(self, pipe: _Pipe) -> None:
        """Drop an ended connection."""
        if pipe in self._pipes:
            self._pipes.remove(pipe)

    def disconnect(self) -> None:
        """End every connection."""
        for pipe in tuple(self._pipes):
            pipe.cut()

    def stop(self) -> None:
        """End every connection, forget everything and refuse connections until `start`."""
        self.is_up = False
        self.disconnect()
        self.journals.clear()
        self._epochs.clear()
        self._first.clear()

    def start(self) -> None:
        """Accept connections again."""
        self.is_up = True

    def block(self) -> None:
        """Read nothing more from anyone until `unblock`, as a relay does whose journal cannot be written."""
        for pipe in self._pipes:
            pipe.reads = False

    def unblock(self) -> None:
        """Read again."""
        for pipe in tuple(self._pipes):
            pipe.read_on()

    def beat(self) -> None:
        """Say that the relay lives: an unnumbered heartbeat to every consumer."""
        for pipe in self._pipes:
            if pipe.is_subscribed:
                relay = Source.MARKET_RELAY + pipe.domain - 1
                beat = Heartbeat(
                    event_ns=self._clock(), status=HealthStatus.OK, source=relay, interval=1_000
                )
                self._say(pipe, beat)

    def want_base(self, domain: int, source: int) -> None:
        """Ask a producer for fresh base messages."""
        request = RecoveryRequest(
            consumer_id=0,
            last_sequence=0,
            current_sequence=0,
            request=RecoveryKind.SNAPSHOT,
            source=source,
        )
        for pipe in self._pipes:
            if pipe.domain == domain and source in pipe.sources:
                self._say(pipe, request)

    # --- what clients say -------------------------------------------------------------------------------------------------

    def take(self, pipe: _Pipe, data: bytes) -> None:
        """Take one message of a client."""
        message = decode(data)
        if message.header.sequence:
            self._journal(pipe, message, data)
            return
        word = message.tlvs[0]
        if isinstance(word, Hello):
            self._greet(pipe, word)
        elif isinstance(word, Subscribe):
            self._subscribe(pipe, word)
        elif isinstance(word, RecoveryRequest):
            self.requests.append(word)
            self._recover(pipe, word)

    def _greet(self, pipe: _Pipe, hello: Hello) -> None:
        self._say(pipe, msgspec.structs.replace(hello, consumer_id=len(self._pipes)))
        if hello.source:
            pipe.sources.add(hello.source)
            key = (pipe.domain, hello.source)
            if self._epochs.get(key) != hello.epoch:
                self._epochs[key] = hello.epoch
                self.journals[key] = []
                self._first[key] = 0
            self._stand(pipe, key)

    def _subscribe(self, pipe: _Pipe, wish: Subscribe) -> None:
        pipe.is_subscribed = True
        for key in sorted(self._epochs):
            if key[0] == pipe.domain and key[1] not in pipe.sources:
                if wish.flags & _SNAPSHOT_WANTED:
                    self._snapshot(pipe, key)
                self._stand(pipe, key)
        self.beat()

    def _journal(self, pipe: _Pipe, message: Message, data: bytes) -> None:
        key = (pipe.domain, message.header.source)
        sequence = message.header.sequence
        if not self._first[key]:
            self._first[key] = sequence
        if sequence < self._first[key] + len(self.journals[key]):
            return
        self.journals[key].append(data)
        if self.acknowledges:
            self._stand(pipe, key)
        for other in tuple(self._pipes):
            if other is not pipe and other.is_subscribed and other.domain == pipe.domain:
                self._forward(other, data)

    def _forward(self, pipe: _Pipe, data: bytes) -> None:
        faults = self.faults
        if self._draws(faults.drop):
            return
        if self._draws(faults.late):
            asyncio.get_running_loop().call_later(faults.late_ms / 1_000, pipe.give, data)
            return
        if self._draws(faults.flip) and len(data) > HEADER_SIZE:
            at = self._random.randrange(HEADER_SIZE, len(data))
            data = data[:at] + bytes([data[at] ^ 1 << self._random.randrange(8)]) + data[at + 1 :]
        pipe.give(data)
        if self._draws(faults.double):
            pipe.give(data)
        if self._draws(faults.cut):
            asyncio.get_running_loop().call_soon(pipe.cut)

    def _draws(self, per_mille: int) -> bool:
        return per_mille > 0 and self._random.randrange(1_000) < per_mille

    def _recover(self, pipe: _Pipe, request: RecoveryRequest) -> None:
        key = (pipe.domain, request.source)
        journal, first = self.journals.get(key, []), self._first.get(key, 0)
        begin, end = request.last_sequence + 1, request.current_sequence
        if request.request == RecoveryKind.SNAPSHOT:
            self._snapshot(pipe, key)
            return
        is_held = bool(journal) and first <= begin and end <= first + len(journal)
        status = RecoveryStatus.BEGIN if is_held else RecoveryStatus.SNAPSHOT_FOLLOWS
        found = journal[begin - first : end - first] if is_held else []
        for step in (status, RecoveryStatus.END) if is_held else (status,):
            answer = RecoveryResponse(
                consumer_id=request.consumer_id,
                first_sequence=begin,
                last_sequence=end - 1,
                status=step,
                source=request.source,
                messages=len(found),
            )
            self._say(pipe, answer)
            if step is RecoveryStatus.BEGIN:
                for data in found:
                    pipe.give(data)
        if not is_held:
            self._snapshot(pipe, key)

    def _snapshot(self, pipe: _Pipe, key: tuple[int, int]) -> None:
        journal = self.journals.get(key, [])
        enclosed = journal[-self._kept :]
        crc = 0
        for data in enclosed:
            crc = crc32(data, crc)
        for phase in SnapshotPhase:
            marker = Snapshot(
                snapshot_id=1,
                phase=phase,
                domain=key[0],
                source=key[1],
                as_of_sequence=max(self._first.get(key, 0) + len(journal) - 1, 0),
                epoch=self._epochs.get(key, 0),
                messages=len(enclosed),
                content_crc=0 if phase is SnapshotPhase.BEGIN else crc,
            )
            self._say(pipe, marker)
            if phase is SnapshotPhase.BEGIN:
                for data in enclosed:
                    pipe.give(data)

    def _stand(self, pipe: _Pipe, key: tuple[int, int]) -> None:
        first = self._first.get(key, 0)
        standing = SequenceSync(
            epoch=self._epochs[key],
            next_sequence=first + len(self.journals[key]) if first else 1,
            dropped=0,
            source=key[1],
            reason=SyncReason.PRODUCER_START,
        )
        self._say(pipe, standing)

    def _say(self, pipe: _Pipe, tlv: Tlv) -> None:
        relay = Source.MARKET_RELAY + pipe.domain - 1
        header = Header(pipe.domain, relay, 0, 0, self._clock())
        pipe.give(encode(Message(header, (tlv,))))
