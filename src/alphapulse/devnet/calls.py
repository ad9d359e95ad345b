"""Call data, creation arguments and contract addresses, from signatures written as Solidity writes them."""

from collections.abc import Sequence
from functools import lru_cache

from eth_abi.abi import decode, encode

from alphapulse.evm.hashing import keccak256
from alphapulse.primitives.address import Address

__all__ = ["answer_of", "arguments", "call_data", "create2_address", "create_address", "selector"]


def call_data(signature: str, *values: object) -> bytes:
    """Return selector and arguments of a call, `signature` as in `transfer(address,uint256)`."""
    return selector(signature) + encode(_types(signature), values)


def arguments(types: Sequence[str], *values: object) -> bytes:
    """Return the arguments of a constructor, to be appended to its creation code."""
    return encode(types, values)


def answer_of(types: Sequence[str], data: bytes) -> tuple[object, ...]:
    """Return the values in a call's answer."""
    return tuple(decode(types, data))


@lru_cache(maxsize=256)
def selector(signature: str) -> bytes:
    """Return the four bytes that name a function."""
    return keccak256(signature.encode())[:4]


def create_address(sender: bytes, nonce: int) -> Address:
    """Return where a contract lands that `sender` creates with its transaction (or creation) number `nonce`.

    Range   nonce < 2**32.
    Source  Ethereum Yellow Paper, section 7: the hash of the RLP list of sender and nonce.
    """
    if nonce == 0:
        number = b"\x80"
    elif nonce < 0x80:
        number = bytes([nonce])
    else:
        raw = nonce.to_bytes((nonce.bit_length() + 7) // 8, "big")
        number = bytes([0x80 + len(raw)]) + raw
    body = b"\x94" + sender + number
    return Address(keccak256(bytes([0xC0 + len(body)]) + body)[12:])


def create2_address(creator: bytes, salt: bytes, init_code_hash: bytes) -> Address:
    """Return where a contract lands that `creator` creates with a salt (EIP-1014)."""
    return Address(keccak256(b"\xff" + creator + salt + init_code_hash)[12:])


@lru_cache(maxsize=256)
def _types(signature: str) -> tuple[str, ...]:
    """Return the argument types of a signature, tuples kept whole."""
    inner = signature[signature.index("(") + 1 : -1]
    types: list[str] = []
    depth = start = 0
    for position, sign in enumerate(inner):
        if sign == "," and depth == 0:
            types.append(inner[start:position])
            start = position + 1
        depth += (sign == "(") - (sign == ")")
    if inner:
        types.append(inner[start:])
    return tuple(types)
