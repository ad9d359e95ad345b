"""What a consumer wants to hear, and whether a message is that."""

from collections.abc import Iterable

from alphapulse.errors import LimitExceeded
from alphapulse.protocol.execution import CircuitBreaker, EmergencyStop
from alphapulse.protocol.market_data import InstrumentMeta, StateInvalidation
from alphapulse.protocol.registry import number_of
from alphapulse.protocol.system import Heartbeat, SequenceSync, Subscribe

__all__ = ["ALL_TYPES", "ALWAYS", "EVERYTHING", "NOTHING", "Filter", "type_bits"]

ALL_TYPES = (1 << 256) - 1
INSTRUMENTS_KEPT = 1_000_000
"""Instruments of one filter: the whole pool universe of every chain is smaller, and a message names 5,000."""

_ADD, _REMOVE, _REPLACE = 1, 2, 3
_WILDCARD = bytes(10)


def type_bits(*kinds: type) -> int:
    """Return the bits that stand for these TLV classes."""
    return sum(1 << number_of(kind) for kind in kinds)


ALWAYS = type_bits(EmergencyStop, CircuitBreaker, Heartbeat, SequenceSync)
_ALWAYS_OF_INSTRUMENT = type_bits(InstrumentMeta, StateInvalidation)


class Filter:
    """A frozen choice of types and instruments; equal choices are one filter to the relay.

    `instruments` is None for all, else the 12-byte ids; a venue's wildcard stands in `venues` as its two bytes.
    """

    __slots__ = ("_touched", "instruments", "key", "types", "venues")

    def __init__(
        self, types: int, instruments: frozenset[bytes] | None, venues: frozenset[bytes]
    ) -> None:
        self.types = types
        self.instruments = instruments
        self.venues = venues
        self.key = (types, instruments, venues)
        self._touched = frozenset(one[:2] for one in instruments or ())

    @property
    def is_everything(self) -> bool:
        """Return whether every message of the domain passes."""
        return self.types == ALL_TYPES and self.instruments is None

    def matches(self, types: int, instruments: frozenset[bytes]) -> bool:
        """Return whether a message with these type bits and instruments is wanted."""
        if types & ALWAYS:
            return True
        if not types & (self.types | _ALWAYS_OF_INSTRUMENT):
            return False
        return self.concerns(instruments)

    def concerns(self, instruments: frozenset[bytes]) -> bool:
        """Return whether one of these instruments is wanted, or there is none to want."""
        wanted = self.instruments
        if wanted is None or not instruments:
            return True
        if not wanted.isdisjoint(instruments):
            return True
        if self.venues and any(one[:2] in self.venues for one in instruments):
            return True
        return any(one[2:] == _WILDCARD and one[:2] in self._touched for one in instruments)

    def changed(self, request: Subscribe) -> "Filter":
        """Return the filter after a Subscribe that selects this domain.

        Raises  LimitExceeded when single instruments are to be removed from all, or too many are named.
        """
        types = int.from_bytes(request.types, "little")
        named = frozenset(one.pack() for one in request.instruments)
        if request.mode == _REPLACE:
            return _filter(types or ALL_TYPES, named or None)
        if request.mode == _ADD:
            mine = self._named()
            together = None if mine is None or not named else mine | named
            return _filter(self.types | (types or ALL_TYPES), together)
        if not types and not named:
            return NOTHING
        if not named:
            return _filter(self.types & ~types, self._named())
        mine = self._named()
        if mine is None:
            raise LimitExceeded("single instruments cannot be removed from all: replace the filter")
        rest = mine - named
        return _filter(self.types & ~types, rest) if rest else NOTHING

    def _named(self) -> frozenset[bytes] | None:
        if self.instruments is None:
            return None
        return self.instruments | {venue + _WILDCARD for venue in self.venues}


def _filter(types: int, named: Iterable[bytes] | None) -> Filter:
    if not types:
        return NOTHING
    if named is None:
        return Filter(types, None, frozenset())
    single = frozenset(one for one in named if one[2:] != _WILDCARD)
    if len(single) > INSTRUMENTS_KEPT:
        raise LimitExceeded(f"a filter holds at most {INSTRUMENTS_KEPT} instruments")
    return Filter(types, single, frozenset(one[:2] for one in named if one[2:] == _WILDCARD))


NOTHING = Filter(0, frozenset(), frozenset())
EVERYTHING = Filter(ALL_TYPES, None, frozenset())
