"""Layout cells of the registry as data: the text of a cell in, its fields out.

A cell reads `name type unit` between middle dots. `legs×{...}` is as many packed records as the earlier
field `legs` says, `str(symbol_len)` is text of that many bytes, `zN` is reserved.
"""

import re

import msgspec

from alphapulse.errors import InvariantError

__all__ = ["Field", "attribute_names", "parse_layout"]

_SCALAR = re.compile(r"(?P<name>\w+) (?P<type>[a-z]\w*)(?: (?P<unit>\S+))?")
_TEXT = re.compile(r"(?P<name>\w+) str\((?P<count>\w+)\)")
_RECORDS = re.compile(r"(?P<name>\w+) (?P<count>\w+)×\{(?P<fields>[^}]*)\}")


class Field(msgspec.Struct, frozen=True):
    """One field: a scalar, `records` of other fields, or text; the last two name their count field."""

    name: str
    type: str
    unit: str = ""
    count: str = ""
    fields: tuple["Field", ...] = ()


def parse_layout(cell: str) -> tuple[Field, ...]:
    """Return the fields of a layout cell in wire order."""
    return tuple(_parse(part.strip()) for part in cell.split("·"))


def attribute_names(fields: tuple[Field, ...], lengths: frozenset[str]) -> tuple[str, ...]:
    """Return the fields a typed class shows: all but counts, lengths and reserved bytes."""
    hidden = lengths | {field.count for field in fields}
    return tuple(
        field.name for field in fields if field.name not in hidden and field.type[0] != "z"
    )


def _parse(part: str) -> Field:
    if match := _RECORDS.fullmatch(part):
        inner = tuple(_parse(field.strip()) for field in match["fields"].split(","))
        return Field(match["name"], "records", count=match["count"], fields=inner)
    if match := _TEXT.fullmatch(part):
        return Field(match["name"], "text", count=match["count"])
    if match := _SCALAR.fullmatch(part):
        return Field(match["name"], match["type"], match["unit"] or "")
    raise InvariantError(f"layout part `{part}` is not in the language of the registry")
