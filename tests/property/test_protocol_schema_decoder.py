"""The schema alone is enough to read every message: a decoder made of nothing but its JSON agrees with ours. Covers: P9."""

from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alphapulse.protocol.codec import payload_of
from alphapulse.protocol.registry import REGISTRY, Row
from support.protocol_strategies import tlvs_of

SCHEMA = msgspec.json.decode(
    (Path(__file__).parents[2] / "docs" / "protocol.schema.json").read_bytes()
)
TYPES = {tlv["number"]: tlv for tlv in SCHEMA["tlvs"]}


def _scalar(field, raw):
    kind = field["type"]
    if kind == "id":
        return tuple(
            int.from_bytes(raw[a:b], "little") for a, b in ((0, 2), (2, 3), (3, 4), (4, 12))
        )
    if kind.endswith("be"):
        return int.from_bytes(raw, "big")
    if kind[0] in "ui":
        return int.from_bytes(raw, "little", signed=kind[0] == "i")
    return raw


def _read(fields, data, offset):
    values = {}
    for field in fields:
        assert field["offset"] in (None, offset)
        if field["type"] == "records":
            records = []
            for number in range(values[field["count"]]):
                at = offset + number * field["record_size"]
                part = data[at : at + field["record_size"]]
                records.append(tuple(_read(field["fields"], part, 0).values()))
            values[field["name"]] = tuple(records)
            offset += len(records) * field["record_size"]
            continue
        size = values[field["count"]] if field["type"] == "text" else field["size"]
        raw = data[offset : offset + size]
        values[field["name"]] = raw.decode() if field["type"] == "text" else _scalar(field, raw)
        offset += size
    assert offset == len(data)
    return values


@pytest.mark.parametrize("row", REGISTRY, ids=lambda row: row.tlv.__name__)
@settings(max_examples=8, deadline=None, print_blob=True)
@given(data=st.data())
def test_the_schema_reads_what_the_codec_writes(row: Row, data: st.DataObject) -> None:
    tlv = data.draw(tlvs_of(row))
    payload = payload_of(tlv)
    described = TYPES[row.number]
    values = _read(described["fields"], payload, 0)
    counted = sum(part["unit"] * values[part["count"]] for part in described["counted"])
    assert len(payload) == described["least_size"] + counted
    for name in tlv.__struct_fields__:
        ours, theirs = getattr(tlv, name), values[name]
        if row.key is not None and name == row.key.name:
            theirs = theirs[: values[row.key.length]]
        elif isinstance(theirs, tuple) and theirs and isinstance(theirs[0], tuple):
            record = row.records.get(name)
            ours = tuple(msgspec.structs.astuple(item) if record else (item,) for item in ours)
        assert ours == theirs, name
        listed = next(f for f in described["fields"] if f["name"] == name).get("values")
        if isinstance(listed, str) and SCHEMA["enumerations"][listed]["kind"] == "closed":
            assert ours in SCHEMA["enumerations"][listed]["values"].values()
