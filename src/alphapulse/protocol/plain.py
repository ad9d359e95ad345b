"""Messages for people and for other programs: names instead of numbers, decimals instead of P8, text instead of bytes.

Nothing is decided on what this says, and nothing reads it back.
"""

from collections.abc import Mapping
from enum import IntEnum, IntFlag

import msgspec

from alphapulse.errors import DecodeError
from alphapulse.primitives.instrument_id import InstrumentId
from alphapulse.primitives.units import E8
from alphapulse.primitives.venue import Venue
from alphapulse.protocol.header import Domain, Source
from alphapulse.protocol.layout import parse_layout
from alphapulse.protocol.meanings import OPEN
from alphapulse.protocol.message import Message, RawTlv, Tlv
from alphapulse.protocol.registry import REGISTRY, number_of

__all__ = ["Plain", "instrument_text", "plain_message", "plain_tlv", "sentence", "source_text"]

Plain = None | bool | int | str | list["Plain"] | dict[str, "Plain"]

_SAFE = 2**53 - 1  # what every JSON reader holds exactly
_NAMES: dict[type[Tlv], Mapping[str, type[IntEnum] | type[IntFlag]]] = {}
_UNITS: dict[type[Tlv], Mapping[str, str]] = {}
for _row in REGISTRY:
    _label = _row.tlv.__name__
    _fields = parse_layout(_row.layout)
    _closed = {name: held for name, held in _row.values.items() if isinstance(held, type)}
    _open = {
        field.name: held
        for field in _fields
        if (held := OPEN.get(f"{_label}.{field.name}", OPEN.get(field.name))) is not None
    }
    _NAMES[_row.tlv] = {**_open, **_closed}
    _inner = [part for field in _fields for part in field.fields]
    _UNITS[_row.tlv] = {field.name: field.unit for field in (*_inner, *_fields) if field.unit}


def instrument_text(instrument: InstrumentId) -> str:
    """Return an id by venue and symbol where its bits say both, else in its text form."""
    try:
        venue = Venue(instrument.venue).name.lower()
        return f"{venue}:{instrument.symbol()}" if instrument.asset_id else f"{venue}:*"
    except (ValueError, DecodeError):
        return str(instrument)


def source_text(source: int) -> str:
    """Return a source's name, or its number when configuration gave it."""
    return Source(source).name.lower() if source in Source.__members__.values() else str(source)


def plain_message(message: Message) -> dict[str, Plain]:
    """Return header and TLVs with every field."""
    header = message.header
    return {
        "domain": Domain(header.domain).name.lower(),
        "source": source_text(header.source),
        "sequence": _number(header.sequence),
        "timestamp_ns": _number(header.timestamp_ns),
        "flags": header.flags,
        "tlvs": [plain_tlv(tlv) for tlv in message.tlvs],
    }


def plain_tlv(tlv: Tlv) -> dict[str, Plain]:
    """Return type number, name as `tlv`, and fields; what is unknown keeps its bytes."""
    if isinstance(tlv, RawTlv):
        return {"type": tlv.type, "tlv": "unknown", "payload": "0x" + tlv.payload.hex()}
    kind = type(tlv)
    found: dict[str, Plain] = {"type": number_of(kind), "tlv": kind.__name__}
    for name in tlv.__struct_fields__:
        found[name] = _value(getattr(tlv, name), _NAMES[kind].get(name), _UNITS[kind], name)
    return found


def sentence(message: Message) -> str:
    """Return the first TLV with its fields in one line, and the names of its companions."""
    if not message.tlvs:
        return "(empty)"
    first = plain_tlv(message.tlvs[0])
    words = [str(first["tlv"])]
    words += [
        f"{name}={_short(value)}" for name, value in first.items() if name not in ("type", "tlv")
    ]
    names = [str(plain_tlv(tlv)["tlv"]) for tlv in message.tlvs[1:]]
    return " ".join([*words, *(f"+{name}" for name in names)])


def _value(
    value: object,
    names: type[IntEnum] | type[IntFlag] | None,
    units: Mapping[str, str],
    name: str,
) -> Plain:
    if isinstance(value, InstrumentId):
        return instrument_text(value)
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, tuple):
        return [_value(item, None, units, name) for item in value]
    if isinstance(value, msgspec.Struct):
        fields = value.__struct_fields__
        return {field: _value(getattr(value, field), None, units, field) for field in fields}
    if not isinstance(value, int):
        return str(value)
    if names is not None:
        return _named(value, names)
    return _decimal(value) if units.get(name) == "P8" else _number(value)


def _named(value: int, names: type[IntEnum] | type[IntFlag]) -> Plain:
    if issubclass(names, IntFlag):
        known = [(flag.name or "").lower() for flag in names if value & flag]
        rest = value & ~sum(names)
        return "|".join([*known, *([hex(rest)] if rest or not known else [])])
    return names(value).name.lower() if value in names.__members__.values() else value


def _number(value: int) -> Plain:
    return value if abs(value) <= _SAFE else str(value)


def _decimal(value: int) -> str:
    whole, rest = divmod(abs(value), E8)
    text = f"{whole}.{rest:08d}".rstrip("0").rstrip(".")
    return f"-{text}" if value < 0 else text


def _short(value: Plain) -> str:
    if isinstance(value, list):
        return f"[{len(value)}]"
    text = str(value)
    if not text.isprintable():  # a stranger's text must not steer a terminal
        text = text.encode("unicode_escape").decode("ascii")
    return f"{text[:14]}…" if len(text) > 20 and text.startswith("0x") else text
