"""Tables of the protocol's reference page in Markdown, each made from `schema`.

The words between the tables stand in a template; a table goes where the template says `{{name}}`.
"""

import re
from collections.abc import Callable, Iterable, Mapping

import msgspec

from alphapulse.errors import InvariantError
from alphapulse.primitives.instrument_id import InstrumentId
from alphapulse.primitives.venue import Venue
from alphapulse.protocol.codec import encode
from alphapulse.protocol.header import Header
from alphapulse.protocol.market_data import Side, Trade
from alphapulse.protocol.message import Message
from alphapulse.protocol.schema import CHECKS, schema

__all__ = ["page", "schema_text"]

_SLOT = re.compile(r"\{\{(\w+)\}\}")
_EXAMPLE_NS = 1_700_000_000_000_000_000
_IN_TEMPLATE = ("Domain", "Flag", "Source")  # enumerations with a heading of their own
_EFFECT = {"": "–", "M": "the message is dropped", "F": "the connection is closed"}
_HEADER_MEANINGS = {
    "magic": "`0xDEADBEEF`, so the bytes are `EF BE AD DE`",
    "relay_domain": "1 market, 2 signal, 3 execution, 4 system",
    "version": "1",
    "source": "which producer; 0 is refused",
    "flags": "bits of Flag",
    "payload_size": "bytes of TLVs after the header",
    "sequence": "per domain and source, from 1 at the start of a run; 0 on messages of one connection",
    "timestamp_ns": "the producer's clock when the message was built",
    "checksum": "CRC-32 (IEEE, as in zlib) of bytes 0 to 27 and 32 to the end",
}  # fmt: skip


class _Field(msgspec.Struct):
    offset: int | None
    name: str
    type: str
    size: int = 0
    unit: str = ""
    count: str = ""
    record_size: int = 0
    fields: list["_Field"] = []
    values: str | list[int] | dict[str, int] | None = None
    meaning: str = ""


class _Counted(msgspec.Struct):
    count: str
    unit: int


class _Type(msgspec.Struct):
    number: int
    name: str
    about: str
    home: str
    least_size: int
    counted: list[_Counted]
    overflow: str
    repeats: bool
    fields: list[_Field]


class _Names(msgspec.Struct):
    kind: str
    about: str
    values: dict[str, int]


class _Schema(msgspec.Struct):
    header: list[_Field]
    limits: dict[str, int | dict[str, int]]
    first_private_type: int
    enumerations: dict[str, _Names]
    tlvs: list[_Type]


def schema_text() -> str:
    """Return the schema as JSON, one field a line."""
    return "".join(_lines(schema(), "")) + "\n"


def _lines(value: object, margin: str) -> Iterable[str]:
    """Yield JSON in which only what holds lists or mappings is spread over lines."""
    inner = list(value.values()) if isinstance(value, dict) else value
    if not isinstance(inner, list) or not any(isinstance(item, list | dict) for item in inner):
        yield msgspec.json.format(msgspec.json.encode(value), indent=0).decode()
        return
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    keys = [f'"{key}": ' for key in value] if isinstance(value, dict) else [""] * len(inner)
    yield opening + "\n"
    for number, (key, item) in enumerate(zip(keys, inner, strict=True)):
        yield f"{margin} {key}"
        yield from _lines(item, margin + " ")
        yield ",\n" if number + 1 < len(inner) else "\n"
    yield margin + closing


def page(template: str) -> str:
    """Return the reference page: the template with each `{{name}}` replaced by its table.

    Raises  InvariantError when the template names a table that does not exist, or leaves one out.
    """
    held = msgspec.convert(schema(), _Schema)
    tables: Mapping[str, Callable[[_Schema], str]] = {
        "header": _header,
        "domains": _domains,
        "flags": lambda found: _names(found, "Flag"),
        "sources": lambda found: _names(found, "Source"),
        "example": _example,
        "index": _index,
        "types": _types,
        "private": _private,
        "enumerations": _enumerations,
        "checks": lambda _: _checks(),
    }
    if sorted(_SLOT.findall(template)) != sorted(tables):
        raise InvariantError(f"the template must name each of {', '.join(tables)} once")
    return _SLOT.sub(lambda match: tables[match[1]](held), template)


def _table(heads: tuple[str, ...], right: str, rows: Iterable[tuple[object, ...]]) -> str:
    """Return a Markdown table; `right` has an `r` for each column of numbers."""
    marks = ["---:" if mark == "r" else "---" for mark in right]
    lines = [heads, tuple(marks), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def _header(found: _Schema) -> str:
    rows = [
        (field.offset, field.size, f"`{field.name}`", field.type, _HEADER_MEANINGS[field.name])
        for field in found.header
    ]
    return _table(("offset", "size", "field", "type", "content"), "rrlll", rows)


def _example(found: _Schema) -> str:
    """Return a message of one trade, cut into its fields."""
    bitcoin = InstrumentId.coin(Venue.BINANCE, "BTC")
    trade = Trade(bitcoin, 4_512_350_000_000, 12_345_678, Side.BUY, _EXAMPLE_NS)
    data = encode(Message(Header(1, 1, 0, 42, _EXAMPLE_NS + 1), (trade,)))
    tlv = next(row for row in found.tlvs if row.name == "Trade")
    pieces = [(field.size, field.name) for field in found.header]
    pieces += [(1, "type: Trade"), (1, "length")]
    pieces += [(field.size, field.name) for field in tlv.fields]
    rows, offset = [], 0
    for size, name in pieces:
        rows.append((offset, f"`{data[offset : offset + size].hex(' ')}`", name))
        offset += size
    return _table(("offset", "bytes", "field"), "rll", rows)


def _domains(found: _Schema) -> str:
    limits = found.limits["message_bytes_by_domain"]
    if not isinstance(limits, dict):
        raise InvariantError("limits by domain must be a mapping")
    numbers = found.enumerations["Domain"].values
    rows = [(numbers[name], name.lower(), f"{limit:,}") for name, limit in limits.items()]
    return _table(("number", "domain", "largest message, bytes"), "rlr", rows)


def _names(found: _Schema, name: str) -> str:
    held = found.enumerations[name]
    rows = [
        (f"0x{value:02x}" if held.kind == "bits" else value, member.lower().replace("_", " "))
        for member, value in held.values.items()
    ]
    return _table(("bit" if held.kind == "bits" else "number", "name"), "rl", rows)


def _size(row: _Type) -> str:
    terms = [str(row.least_size)]
    for part in row.counted:
        terms.append(part.count if part.unit == 1 else f"{part.unit}·{part.count}")
    return " + ".join(terms)


def _link(name: str) -> str:
    plural = "s" if name in _IN_TEMPLATE else ""
    return f"[{name}](#{name.lower()}{plural})"


def _public(found: _Schema) -> list[_Type]:
    return [row for row in found.tlvs if row.number < found.first_private_type]


def _index(found: _Schema) -> str:
    rows = [
        (row.number, _link(row.name), row.home.lower(), _size(row), row.about)
        for row in _public(found)
    ]
    return _table(("number", "type", "home", "payload bytes", "what it says"), "rllll", rows)


def _values(field: _Field) -> str:
    if isinstance(field.values, str):
        return _link(field.values)
    if isinstance(field.values, list):
        return ", ".join(map(str, field.values))
    if field.values is not None:
        return f"{field.values['least']}…{field.values['most']}"
    return ""


def _field_rows(fields: Iterable[_Field], prefix: str = "") -> Iterable[tuple[object, ...]]:
    for field in fields:
        kind, size = field.type, str(field.size)
        if field.fields:
            kind, size = f"{field.count} × record", f"{field.record_size} each"
        elif field.count:
            kind, size = "text, UTF-8", f"`{field.count}`"
        offset = "" if field.offset is None else f"{prefix and '+'}{field.offset}"
        words = [word for word in (_values(field), field.meaning) if word]
        name = f"{prefix}{field.name}"
        yield offset, size, f"`{name}`", kind, field.unit, "; ".join(words)
        yield from _field_rows(field.fields, f"{name}.")


def _sections(rows: Iterable[_Type]) -> str:
    sections = []
    for row in rows:
        facts = [f"Type {row.number}", f"home {row.home.lower()}", f"{_size(row)} bytes"]
        facts.append("may repeat" if row.repeats else "once a message")
        if row.overflow == "saturate":
            facts.append("figures that do not fit are clamped")
        table = _table(
            ("offset", "size", "field", "type", "unit", "values and meaning"),
            "rrllll",
            _field_rows(row.fields),
        )
        sections.append(f"#### {row.name}\n\n{row.about}\n\n{' · '.join(facts)}\n\n{table}")
    return "\n\n".join(sections)


def _types(found: _Schema) -> str:
    parts = []
    for home in ("MARKET", "SIGNAL", "EXECUTION", "SYSTEM"):
        rows = [row for row in _public(found) if row.home == home]
        parts.append(f"### {home.capitalize()}\n\n{_sections(rows)}")
    return "\n\n".join(parts)


def _private(found: _Schema) -> str:
    rows = [row for row in found.tlvs if row.number >= found.first_private_type]
    return _sections(rows) if rows else "This version registers none."


def _enumerations(found: _Schema) -> str:
    kinds = {
        "closed": "Another value is refused as `bad_value`.",
        "open": "Other values are legal.",
        "bits": "Bits; others are legal.",
    }
    parts = []
    for name, held in found.enumerations.items():
        if name in _IN_TEMPLATE:
            continue
        members = " · ".join(
            f"{value} {member.lower().replace('_', ' ')}" for member, value in held.values.items()
        )
        parts.append(f"#### {name}\n\n{held.about} {kinds[held.kind]}\n\n{members}")
    return "\n\n".join(parts)


def _checks() -> str:
    rows = [(step, f"`{kind}`", when, _EFFECT[effect]) for step, kind, when, effect in CHECKS]
    return _table(("step", "kind", "fails when", "on a stream"), "rlll", rows)
