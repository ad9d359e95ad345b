"""What a relay says about itself and its clients, as TLVs."""

from collections.abc import Iterable, Iterator

from alphapulse.primitives.instrument_id import InstrumentId
from alphapulse.protocol.execution import AlertKind, RiskAlert
from alphapulse.protocol.market_data import (
    InvalidationAction,
    InvalidationReason,
    StateInvalidation,
)
from alphapulse.protocol.system import Severity, SyncReason
from alphapulse.relays.outgoing import Loss
from alphapulse.relays.speaker import NOWHERE, TEXT_LIMIT, Speaker

__all__ = ["loss_notices", "slow_alert", "venue_resets"]

_NOTICES = 2_000
"""StateInvalidations of one message: 32 KB, within the limit of the domains that drop."""
_WILDCARD = bytes(10)


def loss_notices(speaker: Speaker, source: int, loss: Loss) -> Iterator[bytes]:
    """Yield what a consumer is told about the messages of a source that it did not get."""
    yield speaker.sync(
        source, loss.epoch, loss.next_sequence, dropped=loss.dropped, reason=SyncReason.DROPPED
    )
    for words in _invalid(
        loss.instruments, InvalidationAction.STALE, InvalidationReason.QUEUE_OVERFLOW
    ):
        yield speaker.control(*words)


def venue_resets(venues: Iterable[bytes]) -> Iterator[list[StateInvalidation]]:
    """Yield, message by message, the words that discard every instrument of these venues: their producer is gone."""
    named = [venue + _WILDCARD for venue in venues]
    return _invalid(named, InvalidationAction.RESET, InvalidationReason.DISCONNECT)


def slow_alert(text: str, now_ns: int) -> RiskAlert:
    """Return the alert about a consumer that was disconnected because nothing may be dropped."""
    return RiskAlert(
        severity=Severity.CRITICAL,
        alert=AlertKind.SEQUENCE_GAP,
        strategy_id=0,
        instrument=NOWHERE,
        observed=0,
        threshold=0,
        event_ns=now_ns,
        text=text[:TEXT_LIMIT],
    )


def _invalid(
    named: Iterable[bytes], action: InvalidationAction, reason: InvalidationReason
) -> Iterator[list[StateInvalidation]]:
    ordered = sorted(named)
    for begin in range(0, len(ordered), _NOTICES):
        part = ordered[begin : begin + _NOTICES]
        yield [StateInvalidation(InstrumentId.unpack(one), action, reason) for one in part]
