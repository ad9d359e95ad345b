"""Many reads in one `eth_call`: the aggregate3 function of the Multicall3 contract.

Pure encoding; who is asked, and at which block, is the caller's affair.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from alphapulse.errors import DecodeError
from alphapulse.evm.hashing import keccak256
from alphapulse.primitives.address import Address
from alphapulse.primitives.units import div_ceil

__all__ = ["Call", "decode_aggregate3", "encode_aggregate3"]

WORD = 32
SELECTOR = keccak256(b"aggregate3((address,bool,bytes)[])")[:4]


@dataclass(frozen=True, slots=True)
class Call:
    """One read: a contract and its calldata."""

    target: Address
    data: bytes


def encode_aggregate3(calls: Sequence[Call]) -> bytes:
    """Return calldata that runs every call and lets each fail on its own.

    Units   bytes.
    Range   any number of calls.
    Raises  nothing.
    Source  Multicall3 (mds1/multicall), Solidity ABI; checked against an independent ABI library.
    """
    offsets: list[bytes] = []
    bodies: list[bytes] = []
    position = WORD * len(calls)
    for call in calls:
        padded = call.data.ljust(WORD * div_ceil(len(call.data), WORD), b"\0")
        body = (
            call.target.rjust(WORD, b"\0")
            + _word(1)  # allowFailure: one bad pool must not hide the others
            + _word(3 * WORD)
            + _word(len(call.data))
            + padded
        )
        offsets.append(_word(position))
        bodies.append(body)
        position += len(body)
    return SELECTOR + _word(WORD) + _word(len(calls)) + b"".join(offsets) + b"".join(bodies)


def decode_aggregate3(answer: bytes, count: int) -> list[bytes | None]:
    """Return what each call returned, None for one that reverted.

    Units   bytes.
    Range   count is the number of calls that were sent.
    Raises  DecodeError when the answer is not that many results.
    Source  Multicall3 (mds1/multicall), Solidity ABI; checked against an independent ABI library.
    """
    array = _read(answer, 0, len(answer))
    found = _read(answer, array, len(answer))
    if found != count:
        raise DecodeError("bad_size", array, f"{count} results expected, were {found}")
    base = array + WORD
    results: list[bytes | None] = []
    for index in range(count):
        item = base + _read(answer, base + WORD * index, len(answer))
        succeeded = _read(answer, item, 1)
        data = item + _read(answer, item + WORD, len(answer))
        size = _read(answer, data, len(answer))
        start = data + WORD
        if start + size > len(answer):
            raise DecodeError("bad_size", start, "a result runs past the end of the answer")
        results.append(answer[start : start + size] if succeeded else None)
    return results


def _word(value: int) -> bytes:
    return value.to_bytes(WORD, "big")


def _read(data: bytes, offset: int, limit: int) -> int:
    if offset + WORD > len(data):
        raise DecodeError("bad_size", offset, f"the answer ends at byte {len(data)}")
    value = int.from_bytes(data[offset : offset + WORD], "big")
    if value > limit:
        raise DecodeError("bad_value", offset, f"at most {limit} expected, was {value}")
    return value
