"""Numbers and stamps what producers say, per (domain, source), from 1."""

from alphapulse.errors import ValueOutOfRange
from alphapulse.protocol.codec import traced_flags
from alphapulse.protocol.header import Header
from alphapulse.protocol.message import Draft, Message
from alphapulse.protocol.system import SequenceSync, SyncReason, TraceContext

__all__ = ["Sequencer"]

_MAX_EPOCH = 2**64 - 1


class Sequencer:
    """Turns drafts into messages: exact sequences from 1, and one epoch for the whole run."""

    __slots__ = ("_epoch", "_last")

    def __init__(self, epoch: int) -> None:
        if not 0 < epoch <= _MAX_EPOCH:
            raise ValueOutOfRange(f"`epoch` must be a u64 above 0, was {epoch}")
        self._epoch = epoch
        self._last: dict[tuple[int, int], int] = {}

    @property
    def epoch(self) -> int:
        """The run's epoch, as it is written in every SequenceSync."""
        return self._epoch

    def last(self, domain: int, source: int) -> int:
        """Return the last sequence given to a producer, 0 when it has said nothing."""
        return self._last.get((domain, source), 0)

    def stamp(self, draft: Draft, now_ns: int) -> Message:
        """Return the draft as its producer's next message, with `now_ns` as its timestamp.

        The first message of each (domain, source) also announces the epoch: its SequenceSync
        stands after what the draft says and before the TraceContext.
        """
        key = (draft.domain, draft.source)
        sequence = self._last.get(key, 0) + 1
        tlvs = draft.tlvs
        if sequence == 1:
            sync = SequenceSync(
                epoch=self._epoch,
                next_sequence=1,
                dropped=0,
                source=draft.source,
                reason=SyncReason.PRODUCER_START,
            )
            if tlvs and type(tlvs[-1]) is TraceContext:
                tlvs = (*tlvs[:-1], sync, tlvs[-1])
            else:
                tlvs = (*tlvs, sync)
        flags = traced_flags(draft.flags, tlvs)
        message = Message(Header(*key, flags, sequence, now_ns), tlvs)
        self._last[key] = sequence
        return message
