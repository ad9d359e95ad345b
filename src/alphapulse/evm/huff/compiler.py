"""A Huff source into creation code, runtime code and ABI."""

import posixpath
from dataclasses import dataclass

from alphapulse.errors import SourceError
from alphapulse.evm.huff.assembler import assemble
from alphapulse.evm.huff.interface import AbiEntry, abi_of
from alphapulse.evm.huff.opcodes import RETURN
from alphapulse.evm.huff.program import PathReader, load

__all__ = ["MAX_RUNTIME_BYTES", "CompiledContract", "compile_file"]

# EIP-170: a chain refuses to store more code than this.
MAX_RUNTIME_BYTES = 24_576

# The bootstrap is nine bytes, and one more for each of its two sizes that needs two bytes.
BOOTSTRAP_BYTES = 9


@dataclass(frozen=True, slots=True)
class CompiledContract:
    """What a chain needs to hold the contract and a caller to talk to it."""

    name: str
    abi: tuple[AbiEntry, ...]
    creation_code: bytes
    runtime_code: bytes
    files: tuple[str, ...]
    evm_version: str


def compile_file(read: PathReader, entry: str, evm_version: str) -> CompiledContract:
    """Return the contract whose macros MAIN and (if there is one) CONSTRUCTOR a source defines.

    Units   code in bytes; `evm_version` as in opcodes.EVM_VERSIONS.
    Range   runtime code of at most MAX_RUNTIME_BYTES.
    Raises  SourceError with file and line; Misconfigured for an unknown version; and what `read`
            raises for a file it cannot give.
    Source  the byte rules of huff-neo 1.5; checked against huffc 0.0.25 on their common subset.
    """
    program = load(read, entry)
    if "MAIN" not in program.macros:
        raise SourceError(entry, 1, "macro `MAIN` is not defined")
    runtime = assemble(program, "MAIN", evm_version).code
    if len(runtime) > MAX_RUNTIME_BYTES:
        detail = f"runtime code must be at most {MAX_RUNTIME_BYTES} bytes, was {len(runtime)}"
        raise SourceError(entry, 1, detail)
    creation = runtime
    if "CONSTRUCTOR" in program.macros:
        constructor = assemble(program, "CONSTRUCTOR", evm_version)
        has_own_return = RETURN in constructor.opcodes
        bootstrap = b"" if has_own_return else _bootstrap(len(constructor.code), len(runtime))
        creation = constructor.code + bootstrap + runtime
    else:
        creation = _bootstrap(0, len(runtime)) + runtime
    name = posixpath.basename(entry).removesuffix(".huff")
    return CompiledContract(name, abi_of(program), creation, runtime, program.files, evm_version)


def _bootstrap(constructor_bytes: int, runtime_bytes: int) -> bytes:
    """Return code that copies the runtime code from behind itself and returns it."""
    size = _push_size(runtime_bytes)
    length = BOOTSTRAP_BYTES + len(size) - 2
    if constructor_bytes + length >= 256:
        length += 1
    offset = _push_size(constructor_bytes + length)
    return size + b"\x80" + offset + b"\x3d\x39\x3d\xf3"


def _push_size(size: int) -> bytes:
    return bytes([0x60, size]) if size < 256 else b"\x61" + size.to_bytes(2, "big")
