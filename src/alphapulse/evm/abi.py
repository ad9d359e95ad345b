"""Selectors, topics, and the ABI codec of eth_abi with addresses as bytes. Pure."""

from collections.abc import Sequence

from eth_abi.codec import ABICodec
from eth_abi.decoding import AddressDecoder
from eth_abi.encoding import AddressEncoder
from eth_abi.exceptions import DecodingError, EncodingError
from eth_abi.registry import registry

from alphapulse.errors import DecodeError, ValueOutOfRange
from alphapulse.evm.hashing import keccak256
from alphapulse.primitives.address import Hash32

__all__ = ["argument_types", "decode", "encode", "encode_call", "selector", "topic"]


class _BytesAddressDecoder(AddressDecoder):
    decoder_fn = staticmethod(bytes)  # type: ignore[assignment]  # eth_abi types it as text only


def _codec() -> ABICodec:
    own = registry.copy()  # type: ignore[no-untyped-call]  # untyped in eth_abi
    own.unregister("address")
    own.register("address", AddressEncoder, _BytesAddressDecoder, label="address")
    return ABICodec(own)


_CODEC = _codec()


def selector(signature: str) -> bytes:
    """Return the 4 bytes that name a function or a custom error, e.g. `transfer(address,uint256)`."""
    return keccak256(signature.encode("ascii"))[:4]


def topic(signature: str) -> Hash32:
    """Return the first topic of an event's logs."""
    return Hash32(keccak256(signature.encode("ascii")))


def argument_types(signature: str) -> tuple[str, ...]:
    """Return the types between the outer parentheses of a signature, tuples kept whole.

    Raises  ValueOutOfRange when it is not `name(types)`.
    """
    name, opened, rest = signature.partition("(")
    if not name or not opened or not rest.endswith(")"):
        raise ValueOutOfRange(f"a signature must be `name(types)`, was `{signature}`")
    types: list[str] = []
    depth, start, body = 0, 0, rest[:-1]
    for position, character in enumerate(body):
        depth += (character == "(") - (character == ")")
        if character == "," and depth == 0:
            types.append(body[start:position])
            start = position + 1
    if body:
        types.append(body[start:])
    return tuple(types)


def encode(types: Sequence[str], arguments: Sequence[object]) -> bytes:
    """Return the ABI encoding of arguments; addresses may be bytes or hex.

    Raises  ValueOutOfRange when an argument does not fit its type.
    """
    try:
        return _CODEC.encode(types, arguments)
    except (EncodingError, TypeError, OverflowError) as error:
        raise ValueOutOfRange(f"arguments do not fit `({','.join(types)})`: {error}") from error


def encode_call(signature: str, *arguments: object) -> bytes:
    """Return the calldata of a call, e.g. `encode_call("balanceOf(address)", owner)`."""
    return selector(signature) + encode(argument_types(signature), arguments)


def decode(types: Sequence[str], data: bytes) -> tuple[object, ...]:
    """Return the values that `data` encodes; addresses come back as 20 bytes.

    Raises  DecodeError when it does not encode these types.
    """
    try:
        return _CODEC.decode(types, data)
    except (DecodingError, OverflowError, UnicodeDecodeError) as error:
        raise DecodeError("bad_abi", 0, f"not `({','.join(types)})`: {error}") from error
