"""Hypothesis strategies for every registered TLV, drawn from the registry's own rows up to the bounds."""

from hypothesis import strategies as st

from alphapulse.primitives.instrument_id import InstrumentId
from alphapulse.protocol.block import integer_limits
from alphapulse.protocol.codec import stamp
from alphapulse.protocol.layout import Field, attribute_names, parse_layout
from alphapulse.protocol.message import Draft, Message, RawTlv, Tlv
from alphapulse.protocol.registry import TABLE, Row

__all__ = ["messages", "raw_tlvs", "sample_of", "tlvs_of"]

U64 = 2**64 - 1
MOST = 6  # records drawn where the protocol allows more
INSTRUMENTS = st.builds(
    InstrumentId,
    st.integers(0, 2**16 - 1),
    st.integers(0, 255),
    st.integers(0, 255),
    st.integers(0, U64),
)


def _integers(low: int, high: int) -> st.SearchStrategy[int]:
    return st.one_of(st.sampled_from([low, high]), st.integers(low, high))


def _scalar(row: Row, field: Field) -> st.SearchStrategy[object]:
    if row.key is not None and field.name == row.key.name:
        return st.sampled_from([0, 20, 32]).flatmap(lambda n: st.binary(min_size=n, max_size=n))
    if field.name in row.values:
        return st.sampled_from([int(value) for value in row.values[field.name]])
    if field.unit == "%":
        return _integers(0, 100)
    if field.type == "id":
        return INSTRUMENTS
    limits = integer_limits(field.type)
    if limits is not None:
        return _integers(*limits)
    size = {"addr": 20, "h32": 32}.get(field.type) or int(field.type[1:])
    return st.binary(min_size=size, max_size=size)


def _texts(most: int) -> st.SearchStrategy[str]:
    def fits(text: str) -> bool:
        return len(text.encode()) <= most

    characters = st.characters(exclude_categories=("Cs",))
    return st.one_of(st.just("x" * most), st.text(characters, max_size=most // 4)).filter(fits)


def _counted(row: Row, field: Field) -> st.SearchStrategy[object]:
    allowed = row.values.get(field.count, range(256))
    low, high = int(min(allowed)), int(max(allowed))
    if not field.fields:
        return _texts(high)
    record = row.records.get(field.name)
    if record is None:
        items = _scalar(row, field.fields[0])
    else:
        items = st.builds(record, *(_scalar(row, inner) for inner in field.fields))
    return st.lists(items, min_size=low, max_size=min(high, low + MOST)).map(tuple)


def tlvs_of(row: Row) -> st.SearchStrategy[Tlv]:
    """Return a strategy of typed TLVs of one row."""
    fields = parse_layout(row.layout)
    shown = attribute_names(fields, frozenset({row.key.length} if row.key else ()))
    by_name = {field.name: field for field in fields}
    drawn = (
        _counted(row, by_name[name]) if by_name[name].count else _scalar(row, by_name[name])
        for name in shown
    )
    return st.builds(row.tlv, *drawn)


def raw_tlvs() -> st.SearchStrategy[RawTlv]:
    """Return a strategy of TLVs whose type this version does not know."""
    known = {row.number for row in TABLE}
    unknown = [number for number in range(1, 255) if number not in known]
    payloads = st.one_of(st.binary(max_size=40), st.sampled_from([bytes(255), bytes(256)]))
    return st.builds(RawTlv, st.sampled_from(unknown), payloads)


def messages() -> st.SearchStrategy[Message]:
    """Return a strategy of whole messages as a producer would stamp them."""
    some = st.lists(st.sampled_from(TABLE), max_size=5, unique_by=lambda row: row.number)
    tlvs = some.flatmap(
        lambda rows: st.tuples(*(tlvs_of(row) for row in rows), st.lists(raw_tlvs(), max_size=1))
    ).map(lambda drawn: (*drawn[:-1], *drawn[-1]))
    drafts = st.builds(
        Draft,
        st.sampled_from([1, 2, 3, 4]),
        st.integers(1, 255),
        tlvs,
        st.sampled_from([0, 4, 8, 0x20, 0x2C]),
    )
    return st.builds(
        lambda draft, sequence, at: stamp(draft, sequence=sequence, timestamp_ns=at),
        drafts,
        _integers(0, U64),
        _integers(0, U64),
    )


def sample_of(row: Row) -> Tlv:
    """Return one plain TLV of a row, with as few records as its counts allow."""

    def plain(field: Field) -> object:
        if field.count:
            least = min(int(value) for value in row.values.get(field.count, range(256)))
            record = row.records.get(field.name)
            items = [plain(inner) for inner in field.fields]
            one = record(*items) if record else items[0] if items else None
            return (one,) * least if field.fields else ""
        if row.key is not None and field.name == row.key.name:
            return bytes(20)
        if field.name in row.values:
            return min(int(value) for value in row.values[field.name])
        if field.type == "id":
            return InstrumentId(1, 2, 0, 3)
        if integer_limits(field.type):
            return 1
        return bytes({"addr": 20, "h32": 32}.get(field.type) or int(field.type[1:]))

    fields = {field.name: field for field in parse_layout(row.layout)}
    return row.tlv(*(plain(fields[name]) for name in row.tlv.__struct_fields__))
