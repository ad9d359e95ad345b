"""Why an execution reverted, in words. Pure."""

from collections.abc import Iterable, Mapping

import msgspec

from alphapulse.errors import DecodeError
from alphapulse.evm import abi
from alphapulse.protocol.execution import ExecutionReason

__all__ = ["ErrorTable", "Revert", "decode_revert", "error_table", "reason_of_revert"]

ErrorTable = Mapping[bytes, str]
"""Custom error signatures by selector."""

_ERROR_STRING = abi.selector("Error(string)")
_PANIC = abi.selector("Panic(uint256)")
_MAX_TEXT = 200  # what a contract says is data: bounded before anyone prints it

_PANIC_TEXT = {
    0x01: "assertion failed",
    0x11: "arithmetic overflow",
    0x12: "division by zero",
    0x21: "bad enum value",
    0x22: "bad storage bytes",
    0x31: "pop of an empty array",
    0x32: "index out of bounds",
    0x41: "out of memory",
    0x51: "call of an empty function",
}


class Revert(msgspec.Struct, frozen=True):
    """Name of the error and its arguments as text."""

    name: str
    detail: str

    def __str__(self) -> str:
        return f"{self.name}({self.detail})"


def error_table(contract_abi: Iterable[Mapping[str, object]]) -> dict[bytes, str]:
    """Return the custom errors of a JSON ABI by selector.

    Raises  DecodeError when an entry is not that of an ABI.
    """
    table: dict[bytes, str] = {}
    for entry in contract_abi:
        if entry.get("type") != "error":
            continue
        inputs = entry.get("inputs")
        if not isinstance(inputs, list) or not all(
            isinstance(item, dict) and "type" in item for item in inputs
        ):
            raise DecodeError("bad_abi", 0, f"error `{entry.get('name')}` has no list of inputs")
        signature = f"{entry.get('name')}({','.join(str(item['type']) for item in inputs)})"
        table[abi.selector(signature)] = signature
    return table


def decode_revert(output: bytes, errors: ErrorTable) -> Revert:
    """Return what revert data says; unknown data is shown as bounded hex, never an exception."""
    if not output:
        return Revert("empty", "no revert data")
    name = output[:4]
    try:
        if name == _ERROR_STRING:
            return Revert("Error", str(abi.decode(["string"], output[4:])[0])[:_MAX_TEXT])
        if name == _PANIC:
            (code,) = abi.decode(["uint256"], output[4:])
            text = _PANIC_TEXT.get(code) if isinstance(code, int) else None
            return Revert("Panic", text or f"code {code}")
        signature = errors.get(name)
        if signature is not None:
            values = abi.decode(abi.argument_types(signature), output[4:])
            return Revert(signature.partition("(")[0], ", ".join(map(_text, values))[:_MAX_TEXT])
    except DecodeError:
        pass
    return Revert("unknown", "0x" + output[: _MAX_TEXT // 2 - 1].hex())


def reason_of_revert(revert: Revert) -> ExecutionReason:
    """Return the wire's reason: a missed profit floor has its own, the rest is a revert."""
    if "profit" in revert.name.lower():
        return ExecutionReason.INSUFFICIENT_PROFIT
    return ExecutionReason.REVERTED


def _text(value: object) -> str:
    return "0x" + value.hex() if isinstance(value, bytes) else str(value)
