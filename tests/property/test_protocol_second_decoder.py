"""A second, tiny decoder agrees with ours on random messages and on every golden vector.

It shares no code with the package: it reads the published layout table verbatim and counts bytes. Covers: P9.
"""

import re
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alphapulse.protocol.codec import decode, encode
from alphapulse.protocol.header import Header
from alphapulse.protocol.message import Message, RawTlv, Tlv
from alphapulse.protocol.registry import TABLE, Row
from support.protocol_strategies import messages, tlvs_of

GOLDEN = Path(__file__).parents[1] / "golden" / "protocol"
LAYOUTS = {
    int(row.split("\t")[0]): (row.split("\t")[1], row.split("\t")[5].split(" · "))
    for table in ("registry.tsv", "deployment.tsv")
    for row in GOLDEN.joinpath(table).read_text("utf-8").splitlines()[1:]
}
Value = int | bytes | str | tuple[object, ...]


def _scalar(kind: str, data: bytes, offset: int) -> tuple[Value, int]:
    if kind == "id":
        return struct.unpack_from("<HBBQ", data, offset), 12
    if kind in {"addr", "h32"}:
        size = 20 if kind == "addr" else 32
        return data[offset : offset + size], size
    if kind == "u160be":
        return int.from_bytes(data[offset : offset + 20], "big"), 20
    number = int(kind[1:])
    if kind[0] in "bz":
        return data[offset : offset + number], number
    raw = data[offset : offset + number // 8]
    return int.from_bytes(raw, "little", signed=kind[0] == "i"), number // 8


def _payload(cells: list[str], data: bytes) -> dict[str, Value]:
    values: dict[str, Value] = {}
    offset = 0
    for cell in cells:
        name, kind, *_ = re.sub(r"^\d+ ", "", cell).split()
        if match := re.search(r"(\w+)×\{(.*)\}", cell):
            records = []
            for _ in range(int(values[match[1]])):
                record = []
                for part in match[2].split(", "):
                    value, size = _scalar(part.split()[1], data, offset)
                    record.append(value)
                    offset += size
                records.append(tuple(record))
            values[name] = tuple(records)
        elif match := re.fullmatch(r"str\((\w+)\)", kind):
            size = int(values[match[1]])
            values[name] = data[offset : offset + size].decode()
            offset += size
        else:
            values[name], size = _scalar(kind, data, offset)
            offset += size
    assert offset == len(data)
    return values


def second_decode(data: bytes) -> tuple[tuple[int, ...], list[tuple[int, bytes]]]:
    """Return (domain, source, flags, sequence, timestamp) and (type, payload) of each TLV."""
    _, domain, _, source, flags, size, sequence, at, _ = struct.unpack_from("<IBBBBIQQI", data)
    rest, tlvs = data[32:], []
    assert len(rest) == size
    while rest:
        if rest[0] == 255:
            number, length, start = rest[2], struct.unpack_from("<H", rest, 3)[0], 5
        else:
            number, length, start = rest[0], rest[1], 2
        tlvs.append((number, rest[start : start + length]))
        rest = rest[start + length :]
    return (domain, source, flags, sequence, at), tlvs


def _same(tlv: Tlv, number: int, payload: bytes) -> None:
    if isinstance(tlv, RawTlv):
        assert (tlv.type, tlv.payload) == (number, payload)
        return
    name, cells = LAYOUTS[number]
    assert type(tlv).__name__ == name
    values = _payload(cells, payload)
    if "key_len" in values:
        values["key"] = values["key"][: values["key_len"]]
    for field in tlv.__struct_fields__:
        ours, theirs = getattr(tlv, field), values[field]
        if isinstance(theirs, tuple) and theirs and isinstance(theirs[0], tuple):
            single = len(theirs[0]) == 1
            ours = tuple(
                (item,) if single else tuple(getattr(item, n) for n in item.__struct_fields__)
                for item in ours
            )
        assert ours == theirs, (name, field)


def _agree(encoded: bytes) -> None:
    message = decode(encoded)
    head, tlvs = second_decode(encoded)
    header = message.header
    ours = (header.domain, header.source, header.flags, header.sequence, header.timestamp_ns)
    assert ours == head
    assert len(message.tlvs) == len(tlvs)
    for tlv, (number, payload) in zip(message.tlvs, tlvs, strict=True):
        _same(tlv, number, payload)


@settings(max_examples=150, deadline=None, print_blob=True)
@given(messages())
def test_both_decoders_agree_on_random_messages(message: Message) -> None:
    _agree(encode(message))


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.tlv.__name__)
@settings(max_examples=10, deadline=None, print_blob=True)
@given(data=st.data())
def test_both_decoders_agree_on_each_type(row: Row, data: st.DataObject) -> None:
    _agree(encode(Message(Header(1, 6, 0, 1, 1), (data.draw(tlvs_of(row)),))))


def test_both_decoders_agree_on_the_golden_vectors() -> None:
    for line in GOLDEN.joinpath("messages.txt").read_text("ascii").splitlines()[1:]:
        _agree(bytes.fromhex(line.split()[1]))
