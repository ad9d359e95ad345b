"""The protocol as one plain value, from the registry: what a decoder in another language needs, and the reference page.

Knows layouts, names and limits; it encodes nothing. Called by `tools/protocol_reference.py`.
"""

from collections.abc import Iterable
from enum import IntEnum, IntFlag

from alphapulse.protocol.header import (
    ABSOLUTE_LIMIT,
    DOMAIN_LIMITS,
    HEADER_SIZE,
    MAGIC,
    VERSION,
    Domain,
    Flag,
    Source,
)
from alphapulse.protocol.layout import Field, parse_layout
from alphapulse.protocol.meanings import MEANINGS, OPEN
from alphapulse.protocol.private import VENDOR_TYPES
from alphapulse.protocol.registry import REGISTRY, Row
from alphapulse.protocol.tlv import EXTENDED_LIMIT, STANDARD_LIMIT

__all__ = ["CHECKS", "HEADER_LAYOUT", "Json", "schema"]

Json = None | bool | int | str | list["Json"] | dict[str, "Json"]


HEADER_LAYOUT = (
    "magic u32 · relay_domain u8 · version u8 · source u8 · flags u8 · payload_size u32 bytes · "
    "sequence u64 · timestamp_ns u64 ns · checksum u32"
)
# Step, kind, what fails it, and M where framing holds (drop the message) or F where it is lost (close the connection).
CHECKS: tuple[tuple[int, str, str, str], ...] = (
    (1, "truncated", "fewer than 32 bytes; on a stream wait for more", ""),
    (2, "bad_magic", "the magic differs", "F"),
    (3, "bad_version", "the version is not 1", "F"),
    (4, "bad_domain", "the domain is not 1 to 4", "M"),
    (5, "bad_flags", "flag 0x01 or 0x02 is set", "M"),
    (6, "too_large", "the message is above the absolute limit, at a relay above its domain's", "F"),
    (7, "truncated", "fewer bytes than the header says", "F"),
    (8, "trailing_bytes", "more bytes than the header says", "M"),
    (9, "bad_checksum", "the checksum differs, where it is verified", "M"),
    (10, "tlv_truncated", "fewer bytes left than a TLV's type and length take", "M"),
    (11, "bad_type", "type 0, or 0 or 255 inside the extended form", "M"),
    (11, "bad_extended", "the second byte of the extended form is not 0", "M"),
    (12, "tlv_overrun", "a length runs past the end of the payload", "M"),
    (13, "bad_size", "a known type has another length than its fields and counts imply", "M"),
    (14, "bad_value", "a closed field holds an unlisted value, a percentage is above 100, a text is not UTF-8, a count is above its limit", "M"),
)  # fmt: skip

_WIDTHS = {"id": 12, "addr": 20, "h32": 32, "u160be": 20}

Names = type[IntEnum] | type[IntFlag]


def _width(field: Field) -> int:
    if field.fields:
        return sum(_width(inner) for inner in field.fields)
    if field.type in _WIDTHS:
        return _WIDTHS[field.type]
    if field.type == "text":
        return 1
    digits = int(field.type[1:])
    return digits if field.type[0] in "bz" else digits >> 3


def _listed(values: Iterable[int]) -> Json:
    found = sorted(int(value) for value in values)
    if found == list(range(found[0], found[-1] + 1)):
        return {"least": found[0], "most": found[-1]}
    return list(found)


class _Writer:
    """Turns rows into plain values and remembers which enumerations they named."""

    def __init__(self) -> None:
        self.named: dict[str, tuple[Names, str]] = {}

    def row(self, row: Row) -> dict[str, Json]:
        """Return one type."""
        fields = parse_layout(row.layout)
        least = sum(_width(field) for field in fields if not field.count)
        label = row.tlv.__name__
        kept: dict[str, Json] = {
            "number": row.number,
            "name": label,
            "about": (row.tlv.__doc__ or "").strip(),
            "home": row.home.name,
            "least_size": least,
            "counted": [
                {"count": field.count, "unit": _width(field)} for field in fields if field.count
            ],
            "overflow": row.overflow.name.lower(),
            "repeats": row.repeats,
        }
        if row.most_records is not None:
            kept["most_records"] = row.most_records
        kept["fields"] = self._fields(row, label, fields)
        return kept

    def _fields(self, row: Row, label: str, fields: tuple[Field, ...]) -> list[Json]:
        offset: int | None = 0
        found: list[Json] = []
        for field in fields:
            found.append(self._field(row, label, field, offset))
            offset = None if field.count or offset is None else offset + _width(field)
        return found

    def _field(self, row: Row, label: str, field: Field, offset: int | None) -> dict[str, Json]:
        kept: dict[str, Json] = {"offset": offset, "name": field.name, "type": field.type}
        if not field.count:
            kept["size"] = _width(field)
        if field.unit:
            kept["unit"] = field.unit
        if field.count:
            kept["count"] = field.count
        if field.fields:
            record = row.records.get(field.name)
            kept["record_size"] = _width(field)
            inner_label = record.__name__ if record else label
            kept["fields"] = self._fields(row, inner_label, field.fields)
        self._say_values(row, label, field, kept)
        meaning = MEANINGS.get(f"{label}.{field.name}", MEANINGS.get(field.name))
        if meaning and field.type[0] != "z":
            kept["meaning"] = meaning
        return kept

    def _say_values(self, row: Row, label: str, field: Field, kept: dict[str, Json]) -> None:
        closed = row.values.get(field.name)
        if isinstance(closed, type):
            self.named[closed.__name__] = (closed, "closed")
            kept["values"] = closed.__name__
        elif closed is not None:
            kept["values"] = _listed(closed)
        elif field.unit == "%":
            kept["values"] = {"least": 0, "most": 100}
        else:
            names = OPEN.get(f"{label}.{field.name}", OPEN.get(field.name))
            if names is not None:
                kind = "bits" if issubclass(names, IntFlag) else "open"
                self.named[names.__name__] = (names, kind)
                kept["values"] = names.__name__


def _members(names: Names) -> dict[str, Json]:
    return {name: int(member) for name, member in names.__members__.items()}


def schema() -> dict[str, Json]:
    """Return the whole protocol: header, limits, checks, enumerations and every registered type."""
    writer = _Writer()
    tlvs: list[Json] = [writer.row(row) for row in sorted(REGISTRY, key=lambda row: row.number)]
    header: list[Json] = []
    offset = 0
    for field in parse_layout(HEADER_LAYOUT):
        header.append(
            {"offset": offset, "name": field.name, "type": field.type, "size": _width(field)}
        )
        offset += _width(field)
    domains: dict[str, Json] = {domain.name: DOMAIN_LIMITS[domain] for domain in Domain}
    writer.named |= {
        "Domain": (Domain, "closed"),
        "Flag": (Flag, "bits"),
        "Source": (Source, "open"),
    }
    return {
        "protocol": "alphapulse",
        "version": VERSION,
        "byte_order": "little",
        "magic": MAGIC,
        "header_size": HEADER_SIZE,
        "header": header,
        "limits": {
            "message_bytes": ABSOLUTE_LIMIT,
            "message_bytes_by_domain": domains,
            "standard_payload": STANDARD_LIMIT,
            "extended_payload": EXTENDED_LIMIT,
        },
        "checks": [
            {"step": step, "kind": kind, "fails_when": when, "stream": effect}
            for step, kind, when, effect in CHECKS
        ],
        "first_private_type": VENDOR_TYPES.start,
        "enumerations": {
            name: {"kind": kind, "about": (names.__doc__ or "").strip(), "values": _members(names)}
            for name, (names, kind) in sorted(writer.named.items())
        },
        "tlvs": tlvs,
    }
