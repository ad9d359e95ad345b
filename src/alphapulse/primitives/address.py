"""Addresses and hashes as bytes; their text form is made at the edges only."""

from typing import NewType

from alphapulse.errors import ValueOutOfRange

__all__ = ["ZERO_ADDRESS", "ZERO_HASH", "Address", "Hash32", "address", "hash32", "hex_of"]

Address = NewType("Address", bytes)
Hash32 = NewType("Hash32", bytes)

ZERO_ADDRESS = Address(bytes(20))
ZERO_HASH = Hash32(bytes(32))


def address(value: str | bytes) -> Address:
    """Return the 20 bytes of an address given as bytes or as hex with or without 0x.

    Raises  ValueOutOfRange when it is not 20 bytes of hex.
    """
    return Address(_fixed(value, 20, "address"))


def hash32(value: str | bytes) -> Hash32:
    """Return the 32 bytes of a hash given as bytes or as hex with or without 0x.

    Raises  ValueOutOfRange when it is not 32 bytes of hex.
    """
    return Hash32(_fixed(value, 32, "hash"))


def hex_of(value: bytes) -> str:
    """Return lower-case hex with 0x."""
    return "0x" + value.hex()


def _fixed(value: str | bytes, size: int, what: str) -> bytes:
    try:
        raw = value if isinstance(value, bytes) else bytes.fromhex(value.removeprefix("0x"))
    except ValueError as error:
        raise ValueOutOfRange(f"{what} must be hex, was `{value!r}`") from error
    if len(raw) != size:
        raise ValueOutOfRange(f"{what} must have {size} bytes, had {len(raw)}")
    return raw
