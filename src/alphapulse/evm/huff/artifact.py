"""The committed form of a compiled contract, and the manifest that pins it."""

import json

from alphapulse.evm.hashing import keccak256
from alphapulse.evm.huff.compiler import CompiledContract
from alphapulse.primitives.address import hex_of

__all__ = ["artifact_text", "manifest_text"]


def artifact_text(contract: CompiledContract) -> str:
    """Return the artifact as JSON text: ABI, creation code, runtime code and their hashes."""
    return _json(
        {
            "contractName": contract.name,
            "abi": list(contract.abi),
            "bytecode": hex_of(contract.creation_code),
            "runtimeBytecode": hex_of(contract.runtime_code),
            "bytecodeHash": hex_of(keccak256(contract.creation_code)),
            "runtimeBytecodeHash": hex_of(keccak256(contract.runtime_code)),
            "evmVersion": contract.evm_version,
        }
    )


def manifest_text(contract: CompiledContract, sources: dict[str, str]) -> str:
    """Return the manifest as JSON text: Keccak-256 of each source text, the artifact, the code."""
    hashes = {name: hex_of(keccak256(text.encode())) for name, text in sorted(sources.items())}
    return _json(
        {
            "contractName": contract.name,
            "evmVersion": contract.evm_version,
            "sources": hashes,
            "artifact": hex_of(keccak256(artifact_text(contract).encode())),
            "bytecode": hex_of(keccak256(contract.creation_code)),
            "runtimeBytecode": hex_of(keccak256(contract.runtime_code)),
            "runtimeBytes": len(contract.runtime_code),
        }
    )


def _json(value: object) -> str:
    return json.dumps(value, indent=2) + "\n"
