"""The registry says what the published table says. Oracle: the table, kept verbatim in `registry.tsv`.

`deployment.tsv` holds, in the same form, the types that this deployment adds in the range left to it (200 to 254).
"""

import re
from pathlib import Path

import pytest

from alphapulse.protocol.layout import Field, parse_layout
from alphapulse.protocol.registry import PRIVATE, TABLE, Row, number_of, row_of

ROWS = [
    line.split("\t")
    for table in ("registry.tsv", "deployment.tsv")
    for line in Path(__file__).with_name(table).read_text("utf-8").splitlines()[1:]
]
WIDTHS = {"id": 12, "addr": 20, "h32": 32, "u160be": 20}


def _width(field: Field) -> int:
    if field.type in WIDTHS:
        return WIDTHS[field.type]
    number = int(field.type[1:])
    return number if field.type[0] in "bz" else number // 8


def _text(field: Field) -> str:
    if field.fields:
        return f"{field.name} {field.count}×{{{', '.join(map(_text, field.fields))}}}"
    if field.count:
        return f"{field.name} str({field.count})"
    return f"{field.name} {field.type} {field.unit}".rstrip()


def _rendered(row: Row) -> tuple[str, str]:
    """Return the bytes cell and the layout cell, offsets computed while they are fixed."""
    offset, terms, cells = 0, {}, []
    moved = False
    for field in parse_layout(row.layout):
        text = _text(field)
        cells.append(text if moved and not field.fields else f"{offset} {text}")
        if field.count:
            terms.setdefault(sum(map(_width, field.fields)) or 1, []).append(field.count)
            moved = True
        else:
            offset += _width(field)
    size = str(offset)
    for width, counts in terms.items():
        many = f"({' + '.join(counts)})" if len(counts) > 1 else counts[0]
        size += f" + {many}" if width == 1 else f" + {width}·{many}"
    return size, " · ".join(cells)


def _plain(layout: str) -> str:
    """Return a layout cell without the offsets after the first variable part, which it may omit."""
    head, mark, tail = layout.partition("}")
    return head + mark + re.sub(r"· \d+ ", "· ", tail)


def test_same_types_in_the_same_order() -> None:
    assert [row[0] for row in ROWS] == [str(row.number) for row in (*TABLE, *PRIVATE)]


@pytest.mark.parametrize("published", ROWS, ids=[row[1] for row in ROWS])
def test_row(published: list[str]) -> None:
    number, name, domain, size, overflow, layout = published
    row = row_of(int(number))
    assert row is not None
    assert row.tlv.__name__ == name
    assert number_of(row.tlv) == int(number)
    assert "MSEY"[row.home - 1] == domain
    assert row.overflow.value == overflow
    rendered = _rendered(row)
    assert rendered[0] == size
    assert _plain(rendered[1]) == _plain(layout)


def test_types_that_may_repeat() -> None:
    assert {row.number for row in TABLE if row.repeats} == {4, 14, 48, 61, 106}


def test_reserved_numbers_have_no_row() -> None:
    reserved = [
        0,
        3,
        7,
        8,
        24,
        27,
        29,
        30,
        *range(35, 40),
        *range(80, 100),
        103,
        104,
        105,
        108,
        109,
    ]
    assert [number for number in (*reserved, 199, 254, 255) if row_of(number)] == []
