"""Follows the producers of one domain on a bus that keeps its own streams: repeats go, holes are said. No I/O.

The bus itself brings back what a connection lost, so a hole in a producer's numbers is one that nobody can fill.
"""

from collections.abc import Callable

from alphapulse.primitives.instrument_id import InstrumentId
from alphapulse.protocol.header import Domain, Header, Source
from alphapulse.protocol.market_data import InvalidationReason
from alphapulse.protocol.message import Message
from alphapulse.protocol.system import SequenceSync, SyncReason
from alphapulse.transport.announced import Notices, resume_notices
from alphapulse.transport.dedupe import Seen
from alphapulse.transport.tracking import Stream

__all__ = ["BusFollower"]

WHOLE_DOMAIN = ""


class BusFollower:
    """Answers what of the arriving messages enters the local order.

    `want_base` is called with the source whose state has to be told anew. A member of a group hears some partitions only:
    its lanes are partitions, and holes mean nothing there.
    """

    def __init__(
        self,
        domain: int,
        clock: Callable[[], int],
        *,
        is_own: Callable[[int, int], bool],
        want_base: Callable[[int], None],
        shares: bool,
    ) -> None:
        self.lost = 0
        self._domain = domain
        self._clock = clock
        self._is_own = is_own
        self._want_base = want_base
        self._shares = shares
        self._may_lose = domain == Domain.MARKET
        self._seen = Seen()
        self._streams: dict[int, Stream] = {}

    def streams(self) -> list[Stream]:
        """Return the producers heard so far, by source."""
        return [self._streams[source] for source in sorted(self._streams)]

    def take(self, message: Message, epoch: int, *, lane: str = WHOLE_DOMAIN) -> list[Message]:
        """Return what enters the order now: the message, with what must be known before it, or nothing for a repeat."""
        header = message.header
        source, sequence = header.source, header.sequence
        if self._is_own(source, epoch):
            return []
        stream = self._streams.get(source)
        if stream is None:
            stream = self._streams[source] = Stream(self._domain, source)
        if self._seen.is_repeat(lane, self._domain, source, epoch=epoch, sequence=sequence):
            stream.duplicates += 1
            return []
        answers: list[Message] = []
        if not self._shares:
            answers += self._judge(stream, epoch, sequence)
        stream.epoch = epoch
        stream.expected = max(stream.expected, sequence + 1)
        stream.delivered += 1
        if self._may_lose:
            stream.announced.learn(message)
        answers.append(message)
        return answers

    def interrupt(self) -> list[Message]:
        """Return what must be said when the connection has ended."""
        answers: list[Message] = []
        for stream in self.streams():
            if not stream.is_interrupted:
                stream.is_interrupted = True
                answers += self._say(stream.announced.stale(InvalidationReason.DISCONNECT))
        return answers

    def resume(self) -> list[Message]:
        """Return what may be said when all that was missed has been heard."""
        venues: set[int] = set()
        forbidden: dict[InstrumentId, int] = {}
        for stream in self.streams():
            if stream.is_interrupted:
                stream.is_interrupted = False
                venues |= stream.announced.venues
            forbidden |= stream.announced.forbidden
        return self._say(resume_notices(venues, forbidden, InvalidationReason.RECOVERY))

    def _judge(self, stream: Stream, epoch: int, sequence: int) -> list[Message]:
        """Return what a hole before this message means; the first message of a run or of this listener has none."""
        if epoch != stream.epoch:
            hole = sequence - 1 if stream.epoch else 0
            stream.expected = 0
        else:
            hole = sequence - stream.expected
        if hole <= 0:
            return []
        stream.gaps += 1
        self.lost += hole
        if self._may_lose:
            self._want_base(stream.source)
            return self._say(stream.announced.reset(InvalidationReason.SEQUENCE_GAP))
        lost = SequenceSync(
            epoch=epoch,
            next_sequence=sequence,
            dropped=hole,
            source=stream.source,
            reason=SyncReason.JOURNAL_TOO_SHORT,
        )
        return [Message(self._header(), (lost,))]

    def _say(self, contents: list[Notices]) -> list[Message]:
        if not self._may_lose:
            return []
        return [Message(self._header(), notices) for notices in contents]

    def _header(self) -> Header:
        return Header(self._domain, Source.MARKET_RELAY + self._domain - 1, 0, 0, self._clock())
