"""The shape of a message: which TLVs, in which order, and so which fields stand at which bytes.

Messages of one shape are rows of one table. The registry's layouts say what a row holds: one run of scalars
(the root), groups of records that repeat, and texts. A message whose framing a writer would not choose, or
with a type that the registry does not know, has no shape and is kept as bytes.
"""

import struct
from functools import lru_cache

import msgspec

from alphapulse.protocol.header import HEADER_SIZE
from alphapulse.protocol.layout import Field, parse_layout
from alphapulse.protocol.registry import Row, row_of
from alphapulse.protocol.tlv import STANDARD_LIMIT, split

__all__ = ["Group", "Layout", "Leaf", "Shape", "column_name", "layout_of", "parse", "shape_of"]

Shape = tuple[int, ...]
"""Type numbers in message order; a run of a type that may repeat counts once."""

_MOST_PARTS = 8  # a message with more kinds of parts is rare and kept as bytes
_CODES = {
    "u8": "B", "u16": "H", "u32": "I", "u64": "Q", "i8": "b", "i16": "h", "i32": "i", "i64": "q",
    "addr": "20s", "h32": "32s", "u160be": "20s",
}  # fmt: skip
_SPLIT = {"u128": (("_lo", "Q"), ("_hi", "Q")), "i128": (("_lo", "Q"), ("_hi", "q"))}
_ID = (("_kind", "I"), ("_asset", "Q"))  # venue, asset type and reserved byte; asset id
_HEADER = (
    ("magic", "I"), ("domain", "B"), ("version", "B"), ("source", "B"), ("flags", "B"),
    ("payload_size", "I"), ("sequence", "Q"), ("timestamp_ns", "Q"), ("checksum", "I"),
)  # fmt: skip


class Leaf(msgspec.Struct, frozen=True):
    """One column: its name, its struct code, and the type of the field it comes from."""

    name: str
    code: str
    kind: str


class Group(msgspec.Struct, frozen=True):
    """Packed records, `size` bytes each. Where `marked` each one has type and length bytes of its own."""

    name: str
    leaves: tuple[Leaf, ...]
    marked: bytes = b""

    @property
    def packer(self) -> struct.Struct:
        """The struct of one record."""
        return struct.Struct("<" + "".join(leaf.code for leaf in self.leaves))


class _Piece(msgspec.Struct, frozen=True):
    """A stretch of a TLV's payload: scalars of the root, records of a group, or text."""

    size: int = 0
    group: int = -1
    text: int = -1
    unit: int = 1
    count_at: int = 0
    count_size: int = 0


class _Part(msgspec.Struct, frozen=True):
    number: int
    pieces: tuple[_Piece, ...]
    is_run: bool = False
    size: int = -1  # of the payload, where it is fixed


class Layout(msgspec.Struct, frozen=True):
    """What the rows of one shape hold."""

    shape: Shape
    root: Group
    groups: tuple[Group, ...]
    texts: tuple[str, ...]
    parts: tuple[_Part, ...]

    @property
    def is_fixed(self) -> bool:
        """Return whether every message of the shape has the same size."""
        return not self.groups and not self.texts

    def marks(self) -> tuple[tuple[int, bytes], ...]:
        """Return offset and value of each TLV's type and length in a message of fixed size."""
        at = HEADER_SIZE
        found = []
        for part in self.parts:
            found.append((at, bytes((part.number, part.size))))
            at += part.size + 2
        return tuple(found)


class Parsed(msgspec.Struct):
    """Rows of one shape, taken apart: packed root rows, and per group its counts and packed records."""

    root: list[bytes]
    counts: list[list[int]]
    records: list[list[bytes]]
    texts: list[list[bytes]]


def column_name(name: str) -> str:
    """Return the name of a TLV as columns and views spell it: `PoolSwap` is `pool_swap`."""
    spelt = "".join(
        f"_{letter.lower()}"
        if letter.isupper() and index and not name[index - 1].isupper()
        else letter.lower()
        for index, letter in enumerate(name)
    )
    return spelt.replace("mevbundle", "mev_bundle")


def shape_of(raw: bytes) -> Shape | None:
    """Return the shape of a message whose framing holds, None where only its bytes will do.

    Raises  DecodeError for TLVs that are cut off.
    """
    shape: list[int] = []
    for number, payload, length, at in split(raw, HEADER_SIZE):
        part = _part_of(number)
        is_extended = payload - at > 2
        if part is None or is_extended != (length > STANDARD_LIMIT):
            return None
        if not _fits(part, raw[payload : payload + length]):
            return None
        if shape and shape[-1] == number and part.is_run:
            continue
        shape.append(number)
    if not shape or len(shape) > _MOST_PARTS or len(set(shape)) != len(shape):
        return None
    return tuple(shape)


@lru_cache(maxsize=256)
def _part_of(number: int) -> _Part | None:
    return layout_of((number,)).parts[0] if row_of(number) is not None else None


def _fits(part: _Part, payload: bytes) -> bool:
    if part.size >= 0:
        return len(payload) == part.size
    size = 0
    for piece in part.pieces:
        count_at = piece.count_at
        count = int.from_bytes(payload[count_at : count_at + piece.count_size], "little")
        size += piece.size or piece.unit * count
    return size == len(payload)


def _is_run(row: Row) -> bool:
    return row.repeats and all(not field.count for field in parse_layout(row.layout))


@lru_cache(maxsize=4096)  # shapes; a run of a node has a few dozen
def layout_of(shape: Shape) -> Layout:
    """Return what the registry says about the rows of a shape."""
    leaves = [Leaf(name, code, code) for name, code in _HEADER]
    groups: list[Group] = []
    texts: list[str] = []
    parts: list[_Part] = []
    for number in shape:
        row = row_of(number)
        assert row is not None
        name = column_name(row.tlv.__name__)
        fields = parse_layout(row.layout)
        if _is_run(row):
            own = tuple(leaf for field in fields for leaf in _leaves("", field))
            size = _size(own)
            groups.append(Group(name, own, bytes((number, size))))
            parts.append(_Part(number, (_Piece(group=len(groups) - 1),), is_run=True, size=size))
            continue
        if all(not field.count for field in fields):
            own = tuple(leaf for field in fields for leaf in _leaves(f"{name}_", field))
            size = _size(own)
            leaves += [Leaf(f"{name}__type", "B", "u8"), Leaf(f"{name}__length", "B", "u8"), *own]
            parts.append(_Part(number, (_Piece(size=size + 2),), size=size))
            continue
        parts.append(_Part(number, _pieces(name, fields, leaves, (groups, texts))))
    return Layout(shape, Group("", tuple(leaves)), tuple(groups), tuple(texts), tuple(parts))


def _pieces(
    name: str, fields: tuple[Field, ...], leaves: list[Leaf], found: tuple[list[Group], list[str]]
) -> tuple[_Piece, ...]:
    groups, texts = found
    pieces: list[_Piece] = []
    places: dict[str, tuple[int, int]] = {}
    at = size = 0
    for field in fields:
        if not field.count:
            own = _leaves(f"{name}_", field)
            leaves += own
            width = _size(own)
            places[field.name] = (at + size, width)
            size += width
            continue
        if size:
            pieces.append(_Piece(size=size))
            at, size = at + size, 0
        count_at, count_size = places[field.count]
        if field.fields:
            records = tuple(leaf for one in field.fields for leaf in _leaves("", one))
            groups.append(Group(f"{name}_{field.name}", records))
            unit = _size(records)
            piece = _Piece(
                group=len(groups) - 1, unit=unit, count_at=count_at, count_size=count_size
            )
        else:
            texts.append(f"{name}_{field.name}")
            piece = _Piece(text=len(texts) - 1, count_at=count_at, count_size=count_size)
        pieces.append(piece)
    if size:
        pieces.append(_Piece(size=size))
    return tuple(pieces)


def _leaves(prefix: str, field: Field) -> tuple[Leaf, ...]:
    name, kind = prefix + field.name, field.type
    split_up = _ID if kind == "id" else _SPLIT.get(kind)
    if split_up is not None:
        return tuple(Leaf(name + suffix, code, kind) for suffix, code in split_up)
    code = _CODES.get(kind) or f"{kind[1:]}s"
    return (Leaf(name, code, kind),)


def _size(leaves: tuple[Leaf, ...]) -> int:
    return struct.calcsize("<" + "".join(leaf.code for leaf in leaves))


def parse(layout: Layout, messages: list[bytes]) -> Parsed:
    """Take the messages of one shape apart. What does not fit shows when they are put together again."""
    if layout.is_fixed:
        return Parsed(messages, [], [], [])
    parsed = Parsed(
        [], [[] for _ in layout.groups], [[] for _ in layout.groups], [[] for _ in layout.texts]
    )
    for raw in messages:
        root = [raw[:HEADER_SIZE]]
        at = HEADER_SIZE
        for part in layout.parts:
            if part.is_run:
                at = _take_run(layout, part, parsed, (raw, at))
            elif part.size >= 0:
                root.append(raw[at : at + part.size + 2])
                at += part.size + 2
            else:
                at = _take_counted(layout, part, parsed, (raw, at, root))
        parsed.root.append(b"".join(root))
    return parsed


def _take_run(layout: Layout, part: _Part, parsed: Parsed, place: tuple[bytes, int]) -> int:
    raw, at = place
    index = part.pieces[0].group
    marked = layout.groups[index].marked
    step = part.size + 2
    records = parsed.records[index]
    count = 0
    while raw[at : at + 2] == marked:
        records.append(raw[at + 2 : at + step])
        at += step
        count += 1
    parsed.counts[index].append(count)
    return at


def _take_counted(
    layout: Layout, part: _Part, parsed: Parsed, place: tuple[bytes, int, list[bytes]]
) -> int:
    raw, at, root = place
    start = at = at + (5 if raw[at] == 255 else 2)
    for piece in part.pieces:
        if piece.size:
            root.append(raw[at : at + piece.size])
            at += piece.size
            continue
        count_at = start + piece.count_at
        count = int.from_bytes(raw[count_at : count_at + piece.count_size], "little")
        if piece.text >= 0:
            parsed.texts[piece.text].append(raw[at : at + count])
            at += count
            continue
        size = piece.unit
        parsed.records[piece.group].extend(
            [raw[start_at : start_at + size] for start_at in range(at, at + count * size, size)]
        )
        parsed.counts[piece.group].append(count)
        at += count * size
    return at
