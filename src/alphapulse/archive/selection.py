"""What is asked of an archive: times, domains, types, instruments, a trace; and what that leaves out."""

from typing import Any

import msgspec

from alphapulse.archive.seals import SegmentFile
from alphapulse.primitives.instrument_id import InstrumentId
from alphapulse.protocol.codec import decode
from alphapulse.protocol.header import HEADER_SIZE
from alphapulse.protocol.layout import parse_layout
from alphapulse.protocol.message import Message, RawTlv, Tlv
from alphapulse.protocol.registry import REGISTRY, number_of
from alphapulse.protocol.system import TraceContext
from alphapulse.protocol.tlv import split

__all__ = ["EVERYTHING", "Query", "instruments_of"]

_DOMAIN_AT = 4
_TIME_AT = slice(20, 28)
_POOL_ASSET = 100


class Query(msgspec.Struct, frozen=True):
    """Which messages are wanted; an empty set or None asks for everything, `to_ns` is exclusive."""

    from_ns: int = 0
    to_ns: int = 2**64
    domains: frozenset[int] = frozenset()
    types: frozenset[int] = frozenset()
    instruments: frozenset[InstrumentId] = frozenset()
    trace_id: int | None = None

    def admits_time(self, time_ns: int) -> bool:
        """Return whether a time is within the bounds."""
        return self.from_ns <= time_ns < self.to_ns

    def admits_span(self, min_ns: int, max_ns: int) -> bool:
        """Return whether anything between two times can be within the bounds."""
        return max_ns >= self.from_ns and min_ns < self.to_ns

    def admits_file(self, file: SegmentFile) -> bool:
        """Return whether a file can hold what is wanted."""
        if self.domains and file.domain not in self.domains:
            return False
        if self.types and file.types is not None and self.types.isdisjoint(file.types):
            return False
        return self.admits_span(file.min_ns, file.max_ns)

    def admits_bytes(self, raw: bytes) -> bool:
        """Return whether a message is wanted; it is decoded only where that must be known.

        Raises  DecodeError when the bytes are no message.
        """
        if not self.admits_time(int.from_bytes(raw[_TIME_AT], "little")):
            return False
        if self.domains and raw[_DOMAIN_AT] not in self.domains:
            return False
        if self.types and self.types.isdisjoint(one[0] for one in split(raw, HEADER_SIZE)):
            return False
        if self.trace_id is None and not self.instruments:
            return True
        return self._admits_content(decode(raw, verify=False))

    def admits(self, message: Message) -> bool:
        """Return whether a decoded message is wanted."""
        if not self.admits_time(message.header.timestamp_ns):
            return False
        if self.domains and message.header.domain not in self.domains:
            return False
        if self.types and self.types.isdisjoint(_number(tlv) for tlv in message.tlvs):
            return False
        return self._admits_content(message)

    def _admits_content(self, message: Message) -> bool:
        if self.trace_id is not None:
            trace = message.first(TraceContext)
            if trace is None or trace.trace_id != self.trace_id:
                return False
        return not self.instruments or not self.instruments.isdisjoint(instruments_of(message))


EVERYTHING = Query()


def instruments_of(message: Message) -> set[InstrumentId]:
    """Return every instrument a message speaks of; a pool's venue and address are its instrument."""
    found: set[InstrumentId] = set()
    for tlv in message.tlvs:
        for name, venue in _PLACES.get(type(tlv), ()):
            value: Any = getattr(tlv, name)
            found.add(InstrumentId.pool(getattr(tlv, venue), value) if venue else value)
        for name, field in _LISTS.get(type(tlv), ()):
            found.update(getattr(one, field) if field else one for one in getattr(tlv, name))
        path = getattr(tlv, "hop", ())
        found.update(InstrumentId.pool(hop.venue, hop.pool) for hop in path)
    return found


def _number(tlv: Tlv) -> int:
    return tlv.type if isinstance(tlv, RawTlv) else number_of(type(tlv))


def _places() -> tuple[dict[type[Tlv], tuple[Any, ...]], dict[type[Tlv], tuple[Any, ...]]]:
    """Return where the classes name instruments: (field, venue field) and (records, field in them)."""
    single: dict[type[Tlv], tuple[Any, ...]] = {}
    listed: dict[type[Tlv], tuple[Any, ...]] = {}
    for row in REGISTRY:
        fields = parse_layout(row.layout)
        names = {field.name for field in fields}
        places = [(field.name, "") for field in fields if field.type == "id"]
        for pool, venue in (
            ("pool", "venue"),
            ("source_pool", "source_venue"),
            ("target_pool", "target_venue"),
        ):
            if pool in names and venue in names:
                places.append((pool, venue))
        single[row.tlv] = tuple(places)
        listed[row.tlv] = tuple(
            (field.name, one.name if field.name in row.records else "")
            for field in fields
            for one in field.fields
            if one.type == "id"
        )
    return single, listed


_PLACES, _LISTS = _places()
