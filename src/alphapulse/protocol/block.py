"""A run of scalars of fixed size, packed and parsed by one precompiled struct."""

import struct
from collections.abc import Callable, Collection, Mapping, Sequence

from alphapulse.errors import DecodeError, ValueOutOfRange
from alphapulse.primitives.instrument_id import InstrumentId
from alphapulse.protocol.layout import Field

__all__ = ["FixedBlock", "integer_limits"]

_ID = struct.Struct("<HBBQ")
_NATIVE = {
    "u8": "B",
    "u16": "H",
    "u32": "I",
    "u64": "Q",
    "i8": "b",
    "i16": "h",
    "i32": "i",
    "i64": "q",
}
_OPAQUE_SIZES = {"addr": 20, "h32": 32}
_PERCENT = range(101)


def _pack_u128(value: int) -> bytes:
    return int.to_bytes(value, 16, "little")


def _pack_i128(value: int) -> bytes:
    return int.to_bytes(value, 16, "little", signed=True)


def _pack_u160be(value: int) -> bytes:
    return int.to_bytes(value, 20, "big")


def _pack_id(value: InstrumentId) -> bytes:
    return _ID.pack(*value)


def _unpack_u128(raw: bytes) -> int:
    return int.from_bytes(raw, "little")


def _unpack_i128(raw: bytes) -> int:
    return int.from_bytes(raw, "little", signed=True)


def _unpack_u160be(raw: bytes) -> int:
    return int.from_bytes(raw, "big")


def _unpack_id(raw: bytes) -> InstrumentId:
    return InstrumentId(*_ID.unpack(raw))


# What no struct code can hold: size, to bytes, from bytes.
_WIDE: dict[str, tuple[int, Callable[..., bytes], Callable[[bytes], object]]] = {
    "u128": (16, _pack_u128, _unpack_u128),
    "i128": (16, _pack_i128, _unpack_i128),
    "u160be": (20, _pack_u160be, _unpack_u160be),
    "id": (12, _pack_id, _unpack_id),
}


def _fits_id(value: object) -> bool:
    try:
        return isinstance(value, InstrumentId) and len(value.pack()) == _ID.size
    except ValueOutOfRange:
        return False


def _exactly(size: int) -> Callable[..., bytes]:
    """Return a packer of opaque bytes; a struct alone would cut or fill them silently."""

    def pack(value: bytes) -> bytes:
        if len(value) != size:
            raise OverflowError
        return value

    return pack


def integer_limits(type_name: str) -> tuple[int, int] | None:
    """Return the least and the greatest value of an integer type, None for other types."""
    bits = type_name[1:].removesuffix("be")
    if type_name[0] not in "ui" or not bits.isdigit():
        return None
    if type_name[0] == "u":
        return 0, (1 << int(bits)) - 1
    return -(1 << (int(bits) - 1)), (1 << (int(bits) - 1)) - 1


class FixedBlock:
    """Scalars in wire order; reserved bytes are written as zero and skipped when read."""

    __slots__ = (
        "_checks",
        "_decoders",
        "_encoders",
        "_label",
        "_places",
        "_struct",
        "_types",
        "names",
        "size",
    )

    def __init__(
        self, label: str, fields: Sequence[Field], values: Mapping[str, Collection[int]]
    ) -> None:
        self._label = label
        shown = [field for field in fields if field.type[0] != "z"]
        self.names = tuple(field.name for field in shown)
        self._types = tuple(field.type for field in shown)
        self._encoders: list[tuple[int, Callable[..., bytes]]] = []
        self._decoders: list[tuple[int, Callable[[bytes], object]]] = []
        self._checks: list[tuple[int, Collection[int]]] = []
        codes = [self._add(field, values) for field in fields]
        self._places: dict[str, tuple[int, int]] = {}
        for index, field in enumerate(fields):
            start = struct.calcsize("<" + "".join(codes[:index]))
            self._places[field.name] = (start, struct.calcsize("<" + codes[index]))
        self._struct = struct.Struct("<" + "".join(codes))
        self.size = self._struct.size

    def _add(self, field: Field, values: Mapping[str, Collection[int]]) -> str:
        """Note how a field is converted and checked; return its struct code."""
        if field.type[0] == "z":
            return f"{int(field.type[1:])}x"
        position = self.names.index(field.name)
        if field.unit == "%":
            self._checks.append((position, _PERCENT))
        if field.name in values:
            self._checks.append((position, values[field.name]))
        if field.type in _NATIVE:
            return _NATIVE[field.type]
        if field.type in _WIDE:
            size, encoder, decoder = _WIDE[field.type]
            self._encoders.append((position, encoder))
            self._decoders.append((position, decoder))
        else:
            size = _OPAQUE_SIZES.get(field.type) or int(field.type[1:])
            self._encoders.append((position, _exactly(size)))
        return f"{size}s"

    def place_of(self, name: str) -> tuple[int, int]:
        """Return offset and width of an unsigned field that holds a count."""
        return self._places[name]

    def pack(self, values: Sequence[object]) -> bytes:
        """Return the wire bytes of the values.

        Raises  ValueOutOfRange naming the field whose value does not fit or is not listed.
        """
        wire = list(values)
        try:
            for position, listed in self._checks:
                if wire[position] not in listed:
                    raise self._complaint(values)
            for position, encoder in self._encoders:
                wire[position] = encoder(wire[position])
            return self._struct.pack(*wire)
        except (struct.error, OverflowError, TypeError) as error:
            raise self._complaint(values) from error

    def unpack(self, data: bytes, offset: int, at: int) -> list[object]:
        """Return the values that stand at `offset`; `at` is the offset an error shall name.

        Raises  DecodeError(bad_value) for a value that is not listed or a percentage above 100.
        """
        values = list(self._struct.unpack_from(data, offset))
        for position, listed in self._checks:
            if values[position] not in listed:
                name = f"{self._label}.{self.names[position]}"
                raise DecodeError("bad_value", at, f"`{name}` was {values[position]}")
        for position, decoder in self._decoders:
            values[position] = decoder(values[position])
        return values

    def clamped(self, values: Sequence[object]) -> list[object]:
        """Return the values with each measured integer moved to the nearest one its field can carry.

        Closed fields stay as they are: the nearest listed value would say something else.
        """
        closed = dict(self._checks)
        result = list(values)
        for position, type_name in enumerate(self._types):
            value = result[position]
            limits = (0, 100) if closed.get(position) is _PERCENT else integer_limits(type_name)
            is_open = closed.get(position, _PERCENT) is _PERCENT
            if is_open and limits is not None and isinstance(value, int):
                result[position] = min(max(value, limits[0]), limits[1])
        return result

    def _complaint(self, values: Sequence[object]) -> ValueOutOfRange:
        checks = dict(self._checks)
        for position, type_name in enumerate(self._types):
            value = values[position]
            name = f"`{self._label}.{self.names[position]}`"
            limits = integer_limits(type_name)
            if limits is not None:
                if not (isinstance(value, int) and limits[0] <= value <= limits[1]):
                    return ValueOutOfRange(f"{name} must fit {type_name}, was `{value!r}`")
                if position in checks and value not in checks[position]:
                    return ValueOutOfRange(f"{name} must be a listed value, was `{value!r}`")
            elif type_name == "id":
                if not _fits_id(value):
                    return ValueOutOfRange(f"{name} must be an instrument id, was `{value!r}`")
            else:
                size = _OPAQUE_SIZES.get(type_name) or int(type_name[1:])
                if not (isinstance(value, bytes) and len(value) == size):
                    return ValueOutOfRange(f"{name} must be {size} bytes, was `{value!r}`")
        return ValueOutOfRange(f"`{self._label}` does not fit its fields, was `{values!r}`")
