"""Straight-line packers and parsers of TLVs of fixed size, written from their layouts when the codec is made.

They take the common case only: each returns None wherever a value does not fit or a check fails, and the readable
codec, which is the specification, then does it again and says what is wrong. Nothing here decides anything.
"""

import struct
from collections.abc import Callable, Collection, Mapping, Sequence
from zlib import crc32

import msgspec

from alphapulse.errors import ValueOutOfRange
from alphapulse.primitives.instrument_id import InstrumentId
from alphapulse.protocol.header import MAGIC, VERSION, Header
from alphapulse.protocol.layout import Field
from alphapulse.protocol.message import Message, Tlv

__all__ = ["Straight", "straight_of"]

_CODES = {
    "u8": "B",
    "u16": "H",
    "u32": "I",
    "u64": "Q",
    "i8": "b",
    "i16": "h",
    "i32": "i",
    "i64": "q",
    "id": "HBBQ",
}
_BYTES = {"addr": 20, "h32": 32}
_WIDE = {"u128": (16, "little", False), "i128": (16, "little", True), "u160be": (20, "big", False)}
_FAILURES = (struct.error, OverflowError, TypeError, AttributeError, ValueError, ValueOutOfRange)
_HEAD = "IBBBBIQQ"

Framer = Callable[[Tlv], bytes | None]
Writer = Callable[[Header, Tlv], bytes | None]
Parser = Callable[[bytes, int], Tlv | None]
Reader = Callable[[bytes, bool], Message | None]


class Straight(msgspec.Struct, frozen=True):
    """What is written for one type: type, length and payload; a whole message of one TLV; and both read again."""

    frame: Framer
    write: Writer
    parse: Parser
    read: Reader


_TEXT = """
def frame(t):
    try:
        if {refuse}:
            return None
        {split}
        return pack_frame({number}, {payload}, {packed})
    except FAILURES:
        return None

def write(h, t):
    try:
        flags = h.flags
        if flags & 3 or not h.source or not 0 < h.domain < 5 or {refuse}:
            return None
        {split}
        raw = pack_whole(MAGIC, h.domain, VERSION, h.source, flags & 0x2F | TRACED, {whole},
                         h.sequence, h.timestamp_ns, {number}, {payload}, {packed})
    except FAILURES:
        return None
    return raw[:28] + pack_sum(crc32(raw)) + raw[28:]

def parse(data, offset):
    {targets}, = unpack_payload(data, offset)
    if False{wrong}:
        return None
    return Make({built})

def read(data, verify):
    (magic, domain, version, source, flags, size, sequence, timestamp_ns, checksum, number, length,
     {targets}) = unpack_whole(data)
    if (magic != MAGIC or version != VERSION or flags & 3 or not 0 < domain < 5 or size != {whole}
            or number != {number} or length != {payload}
            or (verify and crc32(data[32:], crc32(data[:28])) != checksum){wrong}):
        return None
    return Message(Header(domain, source, flags, sequence, timestamp_ns), (Make({built}),))
"""


class _Source:
    """Collects the text of the expressions, field by field."""

    def __init__(self, listed: Mapping[str, Collection[int]]) -> None:
        self.listed = listed
        self.codes = ""
        self.split: list[str] = []
        self.pack: list[str] = []
        self.refuse: list[str] = []
        self.targets: list[str] = []
        self.wrong: list[str] = []
        self.build: list[str] = []
        self.names: dict[str, object] = {}

    def add(self, field: Field) -> None:
        """Note how a field is packed, checked and parsed."""
        name = field.name
        if field.type[0] == "z":
            self.codes += f"{field.type[1:]}x"
            return
        mine, local = f"t.{name}", f"v_{name}"
        closed = range(101) if field.unit == "%" else self.listed.get(name)
        if closed is not None:
            self.names[f"s_{name}"] = frozenset(closed)
            self.refuse.append(f"{mine} not in s_{name}")
            self.wrong.append(f"{local} not in s_{name}")
        if field.type == "id":
            self.codes += _CODES["id"]
            self.split.append(f"{name}_0, {name}_1, {name}_2, {name}_3 = {mine}")
            self.pack += [f"{name}_{part}" for part in range(4)]
            parts = [f"{local}_{part}" for part in range(4)]
            self.targets += parts
            self.build.append(f"new(Id, ({', '.join(parts)}))")
            return
        self.targets.append(local)
        if field.type in _CODES:
            self.codes += _CODES[field.type]
            self.pack.append(mine)
            self.build.append(local)
        elif field.type in _WIDE:
            size, order, signed = _WIDE[field.type]
            self.codes += f"{size}s"
            self.pack.append(f'to_bytes({mine}, {size}, "{order}", signed={signed})')
            self.build.append(f'from_bytes({local}, "{order}", signed={signed})')
        else:
            size = _BYTES.get(field.type) or int(field.type[1:])
            self.codes += f"{size}s"
            self.refuse.append(f"len({mine}) != {size}")
            self.pack.append(mine)
            self.build.append(local)


def straight_of(
    number: int, make: type[Tlv], fields: Sequence[Field], listed: Mapping[str, Collection[int]]
) -> Straight:
    """Return the functions of one type of fixed size.

    Range   the payload must fit the standard form: at most 255 bytes.
    """
    source = _Source(listed)
    for field in fields:
        source.add(field)
    payload = struct.calcsize("<" + source.codes)
    refuse = " or ".join(source.refuse) or "False"
    wrong = "".join(f" or {check}" for check in source.wrong)
    split = "; ".join(source.split) or "pass"
    packed, built = ", ".join(source.pack), ", ".join(source.build)
    text = _TEXT.format(
        built=built,
        number=number,
        packed=packed,
        payload=payload,
        refuse=refuse,
        split=split,
        targets=", ".join(source.targets),
        whole=payload + 2,
        wrong=wrong,
    )
    names: dict[str, object] = {
        **source.names,
        "FAILURES": _FAILURES,
        "TRACED": 0x10 if make.__name__ == "TraceContext" else 0,
        "Header": Header,
        "Id": InstrumentId,
        "MAGIC": MAGIC,
        "VERSION": VERSION,
        "Make": make,
        "Message": Message,
        "crc32": crc32,
        "from_bytes": int.from_bytes,
        "new": tuple.__new__,
        "pack_frame": struct.Struct(f"<BB{source.codes}").pack,
        "pack_sum": struct.Struct("<I").pack,
        "pack_whole": struct.Struct(f"<{_HEAD}BB{source.codes}").pack,
        "to_bytes": int.to_bytes,
        "unpack_payload": struct.Struct(f"<{source.codes}").unpack_from,
        "unpack_whole": struct.Struct(f"<{_HEAD}IBB{source.codes}").unpack,
    }
    exec(compile(text, f"<{make.__name__}>", "exec"), names)  # noqa: S102 - text from our own layouts
    return Straight(names["frame"], names["write"], names["parse"], names["read"])  # type: ignore[arg-type]  # made by the text above
