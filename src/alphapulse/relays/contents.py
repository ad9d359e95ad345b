"""What a message holds as far as a relay cares: its TLV types and its instruments, read without building objects."""

from collections.abc import Iterable
from functools import cache
from typing import NamedTuple

from alphapulse.errors import DecodeError
from alphapulse.protocol.header import HEADER_SIZE
from alphapulse.protocol.layout import Field, parse_layout
from alphapulse.protocol.registry import TABLE
from alphapulse.protocol.signals import ArbitrageSignal

__all__ = [
    "VENUE_FIRST",
    "Frame",
    "Rule",
    "frames_of",
    "instruments_of",
    "pool_id",
    "rules",
    "types_of",
]

Frame = tuple[int, int, int]
"""Type, first payload byte, payload length."""

_NO_INSTRUMENT = bytes(12)
_POOL = b"\x64\x00"  # asset type 100, reserved byte
_MARKER = 255
_POOLS_APART = {ArbitrageSignal: ((16, 20), (18, 40))}


class Rule(NamedTuple):
    """What the registry implies for one type: its size, and where it names instruments."""

    minimum: int
    counts: tuple[tuple[int, int, int], ...]
    ids: tuple[int, ...]
    pools: tuple[tuple[int, int], ...]
    records: tuple[int, int, int, int] | None


def _width(kind: str) -> int:
    if kind in ("id", "addr", "h32"):
        return {"id": 12, "addr": 20, "h32": 32}[kind]
    if kind == "u160be":
        return 20
    number = int(kind[1:])
    return number // 8 if kind[0] in "ui" else number


def _rule(layout: str) -> Rule:
    ids: list[int] = []
    pools: list[tuple[int, int]] = []
    places: dict[str, tuple[int, int]] = {}
    counts: list[tuple[int, int, int]] = []
    records = None
    at = 0
    venue = None
    for field in parse_layout(layout):
        if field.count:
            start, width = places[field.count]
            unit = sum(_width(one.type) for one in field.fields) if field.fields else 1
            counts.append((start, width, unit))
            if _names(field.fields) == ("venue", "pool"):
                records = (start, width, at, unit)
            continue
        width = _width(field.type)
        places[field.name] = (at, width)
        if field.type == "id":
            ids.append(at)
        if field.name == "pool" and venue is not None:
            pools.append((venue, at))
        venue = at if field.name == "venue" else None
        at += width
    return Rule(at, tuple(counts), tuple(ids), tuple(pools), records)


def _names(fields: tuple[Field, ...]) -> tuple[str, ...]:
    return tuple(field.name for field in fields[:2])


@cache
def rules() -> dict[int, Rule]:
    """Return the rule of every registered type."""
    found = {row.number: _rule(row.layout) for row in TABLE}
    for row in TABLE:
        if row.tlv in _POOLS_APART:
            found[row.number] = found[row.number]._replace(pools=_POOLS_APART[row.tlv])
    return found


VENUE_FIRST = frozenset(
    number for number, rule in rules().items() if 0 in rule.ids or (0, 2) in rule.pools
)
"""Types whose payload begins with a venue, its own or that of its instrument."""
_RULES: list[Rule | None] = [rules().get(number) for number in range(256)]


def frames_of(data: bytes, start: int, end: int) -> list[Frame]:
    """Return the TLVs of the message that fills `data[start:end]`.

    Raises  DecodeError of checks 10 to 13, its offset counted from the message's first byte.
    """
    frames: list[Frame] = []
    at = start + HEADER_SIZE
    while at < end:
        number = data[at]
        if number == _MARKER:
            if end - at < 5:
                raise DecodeError("tlv_truncated", at - start)
            if data[at + 1]:
                raise DecodeError("bad_extended", at - start)
            number = data[at + 2]
            length = data[at + 3] | data[at + 4] << 8
            payload = at + 5
        elif end - at < 2:
            raise DecodeError("tlv_truncated", at - start)
        else:
            length = data[at + 1]
            payload = at + 2
        if number in (0, _MARKER):
            raise DecodeError("bad_type", at - start, str(number))
        if payload + length > end:
            raise DecodeError("tlv_overrun", at - start, f"{length} bytes")
        frames.append((number, payload, length))
        at = payload + length
    for number, payload, length in frames:
        rule = _RULES[number]
        if rule is not None and (length != rule.minimum or rule.counts):
            _check_size(data, rule, (number, payload, length), start)
    return frames


def _check_size(data: bytes, rule: Rule, frame: Frame, start: int) -> None:
    number, payload, length = frame
    size = rule.minimum
    if length >= size:
        for at, width, unit in rule.counts:
            first = payload + at
            size += unit * int.from_bytes(data[first : first + width], "little")
    if length != size:
        at = _frame_start(data, frame, start) - start
        raise DecodeError("bad_size", at, f"{length} bytes of type {number}")


def _frame_start(data: bytes, wanted: Frame, start: int) -> int:
    """Return where the TLV header of a frame stands, which its two forms leave open."""
    at = start + HEADER_SIZE
    while at < wanted[1]:
        extended = data[at] == _MARKER
        length = data[at + 3] | data[at + 4] << 8 if extended else data[at + 1]
        payload = at + (5 if extended else 2)
        if payload == wanted[1]:
            return at
        at = payload + length
    return at


def types_of(frames: Iterable[Frame]) -> int:
    """Return a bit per TLV type."""
    bits = 0
    for number, _, _ in frames:
        bits |= 1 << number
    return bits


def has_fixed_size(number: int) -> bool:
    """Return whether a type has one size, or none that a relay knows: nothing of a payload says how long it is."""
    rule = _RULES[number]
    return rule is None or not rule.counts


def instruments_of(data: bytes, frames: Iterable[Frame], start: int = 0) -> frozenset[bytes]:
    """Return the 12-byte ids of the instruments that the TLVs are about; `start` is added to the frames' offsets."""
    found = set()
    for number, offset, _ in frames:
        payload = start + offset
        rule = _RULES[number]
        if rule is None:
            continue
        for at in rule.ids:
            found.add(data[payload + at : payload + at + 12])
        for venue, pool in rule.pools:
            found.add(pool_id(data, payload + venue, payload + pool))
        if rule.records is not None:
            counted, width, first, unit = rule.records
            count = int.from_bytes(data[payload + counted : payload + counted + width], "little")
            for at in range(payload + first, payload + first + count * unit, unit):
                found.add(pool_id(data, at, at + 2))
    found.discard(_NO_INSTRUMENT)
    return frozenset(found)


def pool_id(data: bytes, venue: int, pool: int) -> bytes:
    """Return the 12 bytes of a pool's id, from the offsets of its venue and of its address."""
    return data[venue : venue + 2] + _POOL + data[pool + 7 : pool - 1 : -1]
