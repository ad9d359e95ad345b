"""Writes down the order in which a bus delivered: `now_ns` and state of its components follow from that alone.

A recorder is a subscriber like any other. It knows keys and not meanings, and says what it noted as
`DeliveryOrder`, part by part, so that an archive which saw the messages in another order can give them
back in this one. What it says is itself delivered and noted, in the next part. A notice to this process alone,
with sequence 0, is in no archive otherwise and is carried whole.
"""

from alphapulse.errors import InvariantError
from alphapulse.protocol.codec import encode
from alphapulse.protocol.header import Domain
from alphapulse.protocol.message import Draft, Message
from alphapulse.protocol.private import DeliveredNotice, DeliveredRun, DeliveryOrder
from alphapulse.protocol.system import Heartbeat, SequenceSync
from alphapulse.transport.bus import Bus

__all__ = ["MOST_NOTICE_BYTES", "MOST_RUNS", "UNKNOWN_EPOCH", "OrderRecorder"]

MOST_RUNS = 1_024
"""Runs in one part: 22.5 KB, a third of the largest system message."""

MOST_NOTICE_BYTES = 16_384
"""Notices in one part, beside its runs."""

UNKNOWN_EPOCH = 0
_MOST_NAME_BYTES = 255


class OrderRecorder:
    """Notes what one bus delivers, under the name of its process.

    Subscribe it before the first message, or its positions do not count from the first delivery.
    `source` is the producer that speaks for the process on domain 4. A part is published at each
    heartbeat that the bus delivers, and when it is full.
    """

    __slots__ = (
        "_bus",
        "_epoch",
        "_epochs",
        "_first",
        "_last_ns",
        "_name",
        "_noticed",
        "_notices",
        "_position",
        "_runs",
        "_source",
    )

    def __init__(self, bus: Bus, *, name: str, source: int, epoch: int) -> None:
        if not name or len(name.encode()) > _MOST_NAME_BYTES:
            raise InvariantError(f"`name` must have 1 to {_MOST_NAME_BYTES} bytes, was `{name}`")
        self._bus = bus
        self._name = name
        self._source = source
        self._epoch = epoch
        self._epochs: dict[tuple[int, int], int] = {}
        self._runs: list[list[int]] = []
        self._notices: list[DeliveredNotice] = []
        self._noticed = 0
        self._first = 0
        self._position = 0
        self._last_ns = 0
        bus.subscribe(self._on_message, name=f"order:{name}")

    @property
    def position(self) -> int:
        """Messages noted so far."""
        return self._position

    def flush(self) -> None:
        """Publish what no part holds yet; the last thing a process says, so that nothing is missing behind it."""
        if not self._runs:
            return
        part = DeliveryOrder(
            epoch=self._epoch,
            position=self._first,
            event_ns=self._last_ns,
            run=tuple(DeliveredRun(*run) for run in self._runs),
            name=self._name,
        )
        notices, self._notices, self._noticed = self._notices, [], 0
        self._runs = []
        self._first = self._position
        self._bus.publish(Draft(Domain.SYSTEM, self._source, (part, *notices)))

    def _on_message(self, message: Message, now_ns: int) -> None:
        header = message.header
        if not header.sequence:
            self._note_whole(message)
            return
        producer = (header.domain, header.source)
        sync = message.first(SequenceSync)
        if sync is not None and sync.source == header.source:
            self._epochs[producer] = sync.epoch
        epoch = self._epochs.get(producer, UNKNOWN_EPOCH)
        runs = self._runs
        last = runs[-1] if runs else None
        if (
            last is not None
            and last[0] == header.domain
            and last[1] == header.source
            and last[2] == epoch
            and last[3] + last[4] == header.sequence
        ):
            last[4] += 1
        else:
            runs.append([header.domain, header.source, epoch, header.sequence, 1])
        self._position += 1
        self._last_ns = now_ns
        is_beat = header.domain == Domain.SYSTEM and message.first(Heartbeat) is not None
        if is_beat or len(runs) >= MOST_RUNS:
            self.flush()

    def _note_whole(self, message: Message) -> None:
        """Keep a notice to this process alone; one that would overfill a part gets a part of its own."""
        octets = tuple(encode(message))
        is_large = self._noticed + len(octets) > MOST_NOTICE_BYTES
        if is_large:
            self.flush()
        header = message.header
        self._notices.append(DeliveredNotice(self._position, octets))
        self._noticed += len(octets)
        self._runs.append([header.domain, header.source, UNKNOWN_EPOCH, 0, 1])
        self._position += 1
        self._last_ns = max(self._last_ns, header.timestamp_ns)
        if is_large:
            self.flush()
