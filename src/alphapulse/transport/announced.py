"""Which venues one producer speaks for, and which of its instruments it has itself forbidden."""

from collections.abc import Iterable, Mapping

from alphapulse.primitives.instrument_id import ASSET_WILDCARD, InstrumentId
from alphapulse.protocol.header import DOMAIN_LIMITS, HEADER_SIZE, Domain
from alphapulse.protocol.market_data import (
    InvalidationAction,
    InvalidationReason,
    StateInvalidation,
)
from alphapulse.protocol.message import Message, Tlv

__all__ = ["NOTICES_PER_MESSAGE", "Announced", "Notices", "instrument_of", "resume_notices"]

_NOTICE_SIZE = 16  # type, length, 14 bytes
NOTICES_PER_MESSAGE = (DOMAIN_LIMITS[Domain.MARKET] - HEADER_SIZE) // _NOTICE_SIZE

Notices = tuple[StateInvalidation, ...]


def instrument_of(tlv: Tlv) -> InstrumentId | None:
    """Return the instrument a TLV is about, if it names one or a pool of a venue."""
    instrument = getattr(tlv, "instrument", None)
    if isinstance(instrument, InstrumentId):
        return instrument
    venue, pool = getattr(tlv, "venue", None), getattr(tlv, "pool", None)
    if isinstance(venue, int) and isinstance(pool, bytes):
        return InstrumentId.pool(venue, pool)
    return None


class Announced:
    """Answers what to forbid while messages of a producer are missing, and what to allow when they are back.

    What the producer itself called stale stays forbidden, see `resume_notices`.
    """

    __slots__ = ("_stale", "_venues")

    def __init__(self) -> None:
        self._venues: set[int] = set()
        self._stale: dict[InstrumentId, int] = {}

    @property
    def venues(self) -> frozenset[int]:
        """Return the venues that the producer has spoken of."""
        return frozenset(self._venues)

    @property
    def forbidden(self) -> dict[InstrumentId, int]:
        """Return what the producer itself has called stale, with its reasons."""
        return dict(self._stale)

    def learn(self, message: Message) -> None:
        """Remember what a message of the producer is about, and what it forbids or allows."""
        first = True
        for tlv in message.tlvs:
            if isinstance(tlv, StateInvalidation):
                self._judge(tlv)
            elif first:
                instrument = instrument_of(tlv)
                if instrument is not None:
                    self._venues.add(instrument.venue)
            first = False

    def _judge(self, notice: StateInvalidation) -> None:
        instrument = notice.instrument
        self._venues.add(instrument.venue)
        if notice.action == InvalidationAction.STALE:
            self._stale[instrument] = notice.reason
            return
        self._stale.pop(instrument, None)
        if instrument.asset_type == ASSET_WILDCARD:
            venue = instrument.venue
            self._stale = {one: why for one, why in self._stale.items() if one.venue != venue}

    def reset(self, reason: InvalidationReason) -> list[Notices]:
        """Return notices that discard everything of the producer, as contents of messages."""
        self._stale.clear()
        return self._wildcards(InvalidationAction.RESET, reason)

    def stale(self, reason: InvalidationReason) -> list[Notices]:
        """Return notices that forbid everything of the producer and keep it for repair."""
        return self._wildcards(InvalidationAction.STALE, reason)

    def _wildcards(self, action: InvalidationAction, reason: InvalidationReason) -> list[Notices]:
        notices = tuple(
            StateInvalidation(InstrumentId.venue_wildcard(venue), action, reason)
            for venue in sorted(self._venues)
        )
        return [notices] if notices else []


def resume_notices(
    venues: Iterable[int], forbidden: Mapping[InstrumentId, int], reason: InvalidationReason
) -> list[Notices]:
    """Return notices that allow venues except for what their producers have forbidden, as contents of messages.

    The message that allows a venue forbids those instruments again, so that nobody sees them allowed in between.
    """
    contents: list[Notices] = []
    for venue in sorted(venues):
        wildcard = InstrumentId.venue_wildcard(venue)
        if wildcard in forbidden:
            continue
        notices = [StateInvalidation(wildcard, InvalidationAction.RESUME, reason)]
        notices += [
            StateInvalidation(one, InvalidationAction.STALE, forbidden[one])
            for one in sorted(forbidden)
            if one.venue == venue
        ]
        contents += [
            tuple(notices[at : at + NOTICES_PER_MESSAGE])
            for at in range(0, len(notices), NOTICES_PER_MESSAGE)
        ]
    return contents
