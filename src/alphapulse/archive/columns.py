"""Messages of one shape to the columns of one table and back, byte for byte.

A column is stored only where it has something of its own to say. What is the same in every row, equal to
another column or derived from others stands in the table's recipe instead, and the checksum is computed.
"""

import struct
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any
from zlib import crc32

import msgspec
import pyarrow as pa

from alphapulse.archive import swaps
from alphapulse.archive.derived import RULES
from alphapulse.archive.shapes import Group, Layout, Leaf, Shape, layout_of, parse
from alphapulse.protocol.header import HEADER_SIZE
from alphapulse.protocol.tlv import frame

__all__ = ["Recipe", "Table", "all_columns", "columns_of", "messages_of", "stored_rows"]

Values = Sequence[Any]
_COMPUTED = ("payload_size", "checksum")
_ALWAYS = ("sequence", "timestamp_ns")  # what queries prune by is stored, whatever it holds
_CHECKSUM_OFFSET = 28
_CHECKSUM = struct.Struct("<I")
_INTEGERS = {
    "B": pa.uint8(), "H": pa.uint16(), "I": pa.uint32(), "Q": pa.uint64(),
    "b": pa.int8(), "h": pa.int16(), "i": pa.int32(), "q": pa.int64(),
}  # fmt: skip


class Recipe(msgspec.Struct, frozen=True):
    """How the rows of a table become messages; columns of a group are named `group.column`."""

    shape: Shape
    constant: dict[str, int | str] = {}
    same: dict[str, str] = {}
    derived: tuple[str, ...] = ()
    fees: dict[str, int] = {}


class Table(msgspec.Struct, frozen=True):
    """Rows of one shape as Arrow columns, `position` first, with what is needed to read them.

    Rows from one of `breaks` to the next can be read without the others.
    """

    recipe: Recipe
    columns: pa.Table
    breaks: frozenset[int] = frozenset()


def columns_of(
    shape: Shape,
    positions: Sequence[int],
    messages: list[bytes],
    breaks: frozenset[int] = frozenset(),
) -> Table:
    """Return messages of one shape as a table that can be cut at `breaks`."""
    layout = layout_of(shape)
    parsed = parse(layout, messages)
    values = _unpacked(layout.root, parsed.root)
    for index, group in enumerate(layout.groups):
        named = _unpacked(group, parsed.records[index])
        values |= {f"{group.name}.{name}": column for name, column in named.items()}
    recipe = _recipe_of(shape, values)
    if recipe.fees:
        values |= swaps.predict(values, recipe.fees, breaks)
    kept = _kept(layout, recipe)
    arrays: dict[str, pa.Array] = {"position": pa.array(positions, pa.uint64())}
    for leaf in layout.root.leaves:
        if leaf.name in kept:
            arrays[leaf.name] = pa.array(values[leaf.name], _arrow_type(leaf))
    for index, group in enumerate(layout.groups):
        arrays |= _group_arrays(group, kept, values, parsed.counts[index])
    for name, texts in zip(layout.texts, parsed.texts, strict=True):
        arrays[name] = pa.array(texts, pa.binary())
    return Table(recipe, pa.table(arrays), breaks)


def messages_of(table: Table) -> list[bytes]:
    """Return the bytes of every row's message."""
    layout = layout_of(table.recipe.shape)
    values, counts = all_columns(table)
    rows = table.columns.num_rows
    packer = layout.root.packer
    names = [leaf.name for leaf in layout.root.leaves]
    packed = [packer.pack(*row) for row in zip(*[values[name] for name in names], strict=True)]
    if layout.is_fixed:
        return [_with_checksum(raw) for raw in packed]
    records = []
    for index, group in enumerate(layout.groups):
        leaves = [values[f"{group.name}.{leaf.name}"] for leaf in group.leaves]
        pack = group.packer.pack
        flat = [group.marked + pack(*row) for row in zip(*leaves, strict=True)]
        edges = [0, *accumulate(counts[index])]
        records.append([b"".join(flat[edges[row] : edges[row + 1]]) for row in range(rows)])
    texts = [table.columns[name].to_pylist() for name in layout.texts]
    return [
        _assembled(
            layout, packed[row], [group[row] for group in records], [text[row] for text in texts]
        )
        for row in range(rows)
    ]


def all_columns(table: Table) -> tuple[dict[str, Values], list[list[int]]]:
    """Return every column of a table as Python values, stored or not, and each group's counts."""
    layout, recipe, stored = layout_of(table.recipe.shape), table.recipe, table.columns
    values: dict[str, Values] = {}
    lengths: dict[str, int] = {}
    counts: list[list[int]] = []
    for name in ("position", *sorted(_kept(layout, recipe))):
        if "." not in name:
            values[name] = stored[name].to_pylist()
    for group in layout.groups:
        column = stored[group.name].combine_chunks()
        counts.append(column.value_lengths().to_pylist())
        inner = column.flatten()
        lengths[group.name] = len(inner)
        for field in inner.type:
            values[f"{group.name}.{field.name}"] = inner.field(field.name).to_pylist()
    rows = stored.num_rows
    for name, value in recipe.constant.items():
        count = lengths[name.split(".")[0]] if "." in name else rows
        values[name] = [bytes.fromhex(value) if isinstance(value, str) else value] * count
    for name, other in recipe.same.items():
        values[name] = values[other]
    if recipe.fees:
        values |= swaps.restore(values, recipe.fees, table.breaks)
    for rule in RULES:
        if rule.name in recipe.derived:
            values |= zip(rule.targets, rule.columns(values), strict=True)
    for name in _COMPUTED:
        values[name] = [0] * rows
    return values, counts


def stored_rows(table: Table) -> Iterator[tuple[int, bytes]]:
    """Yield position and bytes of every row."""
    return zip(table.columns["position"].to_pylist(), messages_of(table), strict=True)


def _unpacked(group: Group, records: list[bytes]) -> dict[str, Values]:
    names = [leaf.name for leaf in group.leaves]
    if not records:
        return dict.fromkeys(names, ())
    columns = zip(*group.packer.iter_unpack(b"".join(records)), strict=True)
    return dict(zip(names, columns, strict=True))


def _recipe_of(shape: Shape, values: Mapping[str, Values]) -> Recipe:
    constant: dict[str, int | str] = {}
    same: dict[str, str] = {}
    seen: dict[int, list[str]] = {}
    derived = []
    given: set[str] = {*_COMPUTED, *_ALWAYS}
    fees = swaps.guessed_fees(values) if values.keys() >= {*swaps.SOURCES, *swaps.PREDICTED} else {}
    if fees:
        given |= set(swaps.PREDICTED)
    for rule in RULES:
        if not {*rule.sources, *rule.targets} <= values.keys():
            continue
        found = rule.columns(values)
        if all(
            tuple(column) == tuple(values[name])
            for name, column in zip(rule.targets, found, strict=True)
        ):
            derived.append(rule.name)
            given |= set(rule.targets)
    for name, column in values.items():
        if name in given or not column:
            continue
        first = column[0]
        if all(value == first for value in column):
            constant[name] = first.hex() if isinstance(first, bytes) else first
            continue
        for other in seen.setdefault(hash(column), []):
            if values[other] == column and ("." in other) == ("." in name):
                same[name] = other
                break
        else:
            seen[hash(column)].append(name)
    return Recipe(shape, constant, same, tuple(derived), fees)


def _kept(layout: Layout, recipe: Recipe) -> set[str]:
    gone = {*recipe.constant, *recipe.same, *_COMPUTED}
    for rule in RULES:
        if rule.name in recipe.derived:
            gone |= set(rule.targets)
    names = {leaf.name for leaf in layout.root.leaves}
    names |= {f"{group.name}.{leaf.name}" for group in layout.groups for leaf in group.leaves}
    return names - gone


def _group_arrays(
    group: Group, kept: set[str], values: Mapping[str, Values], counts: list[int]
) -> dict[str, pa.Array]:
    own = [leaf for leaf in group.leaves if f"{group.name}.{leaf.name}" in kept]
    total = sum(counts)
    if not own:  # the counts alone say everything, yet a list needs an element
        own = []
        inner: pa.Array = pa.StructArray.from_arrays(
            [pa.array([0] * total, pa.uint8())], fields=[pa.field("_", pa.uint8(), nullable=False)]
        )
    else:
        inner = pa.StructArray.from_arrays(
            [pa.array(values[f"{group.name}.{leaf.name}"], _arrow_type(leaf)) for leaf in own],
            fields=[pa.field(leaf.name, _arrow_type(leaf), nullable=False) for leaf in own],
        )
    edges = pa.array([0, *accumulate(counts)], pa.int32())
    return {group.name: pa.ListArray.from_arrays(edges, inner)}


def _arrow_type(leaf: Leaf) -> pa.DataType:
    integer = _INTEGERS.get(leaf.code)
    return integer if integer is not None else pa.binary(int(leaf.code[:-1]))


def _with_checksum(raw: bytes) -> bytes:
    size = (len(raw) - HEADER_SIZE).to_bytes(4, "little")
    head = raw[:8] + size + raw[12:_CHECKSUM_OFFSET]
    payload = raw[HEADER_SIZE:]
    return head + _CHECKSUM.pack(crc32(payload, crc32(head))) + payload


def _assembled(layout: Layout, root: bytes, records: list[bytes], texts: list[bytes]) -> bytes:
    out = [root[:HEADER_SIZE]]
    at = HEADER_SIZE
    for part in layout.parts:
        if part.size >= 0 and not part.is_run:
            out.append(root[at : at + part.size + 2])
            at += part.size + 2
            continue
        payload = []
        for piece in part.pieces:
            if piece.size:
                payload.append(root[at : at + piece.size])
                at += piece.size
            else:
                payload.append(texts[piece.text] if piece.text >= 0 else records[piece.group])
        whole = b"".join(payload)
        out.append(whole if part.is_run else frame(part.number, whole))
    return _with_checksum(b"".join(out))
