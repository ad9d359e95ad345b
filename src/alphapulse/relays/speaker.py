"""A relay's own voice: what it says to one peer without a number, and what it says to all as a producer."""

from collections.abc import Callable

from alphapulse.primitives.instrument_id import InstrumentId
from alphapulse.protocol.codec import encode
from alphapulse.protocol.header import Header
from alphapulse.protocol.message import Draft, Message, Tlv
from alphapulse.protocol.system import Error, ErrorCode, SequenceSync, Severity, SyncReason
from alphapulse.transport.sequence import Sequencer

__all__ = ["NOWHERE", "TEXT_LIMIT", "Speaker"]

NOWHERE = InstrumentId(0, 0, 0, 0)
TEXT_LIMIT = 200


class Speaker:
    """Encodes as the source of one domain's relay."""

    __slots__ = ("_clock", "_domain", "_sequencer", "source")

    def __init__(self, domain: int, source: int, epoch: int, clock: Callable[[], int]) -> None:
        self._domain = domain
        self.source = source
        self._sequencer = Sequencer(epoch)
        self._clock = clock

    @property
    def epoch(self) -> int:
        """Return when this relay's run began."""
        return self._sequencer.epoch

    @property
    def next_sequence(self) -> int:
        """Return the sequence of the next message to all."""
        return self._sequencer.last(self._domain, self.source) + 1

    def control(self, *tlvs: Tlv) -> bytes:
        """Return a message of sequence 0, for one connection."""
        return encode(Message(Header(self._domain, self.source, 0, 0, self._clock()), tlvs))

    def numbered(self, *tlvs: Tlv) -> bytes:
        """Return the relay's next message to everyone."""
        return encode(self._sequencer.stamp(Draft(self._domain, self.source, tlvs), self._clock()))

    def error(self, code: ErrorCode, text: str, *, sequence: int = 0) -> bytes:
        """Return a complaint to one peer."""
        return self.control(self.complaint(code, text, sequence=sequence))

    def complaint(self, code: ErrorCode, text: str, *, sequence: int = 0) -> Error:
        """Return the TLV of a complaint."""
        return Error(
            code=code,
            severity=Severity.CRITICAL if code == ErrorCode.SLOW_CONSUMER else Severity.WARNING,
            tlv_type=0,
            source=self.source,
            ref_sequence=sequence,
            event_ns=self._clock(),
            instrument=NOWHERE,
            text=text[:TEXT_LIMIT],
        )

    def standing(self, source: int, epoch: int, next_sequence: int, *more: Tlv) -> bytes:
        """Return where a producer stands with this relay."""
        sync = SequenceSync(epoch, next_sequence, 0, source, SyncReason.PRODUCER_START)
        return self.control(sync, *more)

    def sync(
        self, source: int, epoch: int, next_sequence: int, *, dropped: int, reason: SyncReason
    ) -> bytes:
        """Return an announcement about a producer's numbering, for one connection."""
        return self.control(SequenceSync(epoch, next_sequence, dropped, source, reason))
