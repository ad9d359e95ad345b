"""The instructions of the EVM by their Huff names, and the upgrade that brought each."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from alphapulse.errors import Misconfigured

__all__ = ["EVM_VERSIONS", "OPCODES", "PUSH0", "RETURN", "Opcode", "has_push0", "is_available"]

# Oldest first; an opcode is available in its own version and in every later one.
EVM_VERSIONS = ("paris", "shanghai", "cancun")

PUSH0 = 0x5F
RETURN = 0xF3


@dataclass(frozen=True, slots=True)
class Opcode:
    """One instruction: its byte, and the first version of `EVM_VERSIONS` that has it."""

    byte: int
    since: str = "paris"


_RUNS: tuple[tuple[int, str], ...] = (
    (0x00, "stop add mul sub div sdiv mod smod addmod mulmod exp signextend"),
    (0x10, "lt gt slt sgt eq iszero and or xor not byte shl shr sar"),
    (0x20, "sha3"),
    (0x20, "keccak256"),
    (0x30, "address balance origin caller callvalue calldataload calldatasize calldatacopy"),
    (0x38, "codesize codecopy gasprice extcodesize extcodecopy returndatasize returndatacopy"),
    (0x3F, "extcodehash blockhash coinbase timestamp number prevrandao gaslimit chainid"),
    (0x47, "selfbalance basefee"),
    (0x50, "pop mload mstore mstore8 sload sstore jump jumpi pc msize gas jumpdest"),
    (0x80, " ".join(f"dup{depth}" for depth in range(1, 17))),
    (0x90, " ".join(f"swap{depth}" for depth in range(1, 17))),
    (0xA0, "log0 log1 log2 log3 log4"),
    (0xF0, "create call callcode return delegatecall create2"),
    (0xFA, "staticcall"),
    (0xFD, "revert invalid selfdestruct"),
)

_LATER: tuple[tuple[str, int, str], ...] = (
    ("push0", PUSH0, "shanghai"),
    ("blobhash", 0x49, "cancun"),
    ("blobbasefee", 0x4A, "cancun"),
    ("tload", 0x5C, "cancun"),
    ("tstore", 0x5D, "cancun"),
    ("mcopy", 0x5E, "cancun"),
)


def _table() -> dict[str, Opcode]:
    table = {
        name: Opcode(first + place)
        for first, names in _RUNS
        for place, name in enumerate(names.split())
    }
    return table | {name: Opcode(byte, since) for name, byte, since in _LATER}


OPCODES: Mapping[str, Opcode] = MappingProxyType(_table())


def is_available(opcode: Opcode, evm_version: str) -> bool:
    """Return whether a chain at this version executes the instruction.

    Raises  Misconfigured when the version is not one of `EVM_VERSIONS`.
    """
    return _rank(evm_version) >= _rank(opcode.since)


def has_push0(evm_version: str) -> bool:
    """Return whether zero is pushed by one byte instead of two."""
    return is_available(OPCODES["push0"], evm_version)


def _rank(evm_version: str) -> int:
    if evm_version not in EVM_VERSIONS:
        known = ", ".join(EVM_VERSIONS)
        raise Misconfigured(f"`evm_version` must be one of {known}, was `{evm_version}`")
    return EVM_VERSIONS.index(evm_version)
