"""Signatures, selectors and the JSON ABI of the definitions of a program."""

from alphapulse.evm.hashing import keccak256
from alphapulse.evm.huff.program import Program
from alphapulse.evm.huff.syntax import (
    ErrorDefinition,
    EventDefinition,
    FunctionDefinition,
    Parameter,
)

__all__ = ["CONSTRUCTOR_NAME", "AbiEntry", "abi_of", "selector", "signature", "signature_hash"]

AbiEntry = dict[str, object]

# A function definition of this name describes the arguments behind the creation code.
CONSTRUCTOR_NAME = "constructor"


def signature(definition: FunctionDefinition | EventDefinition | ErrorDefinition) -> str:
    """Return name and types as they are hashed, `transfer(address,uint256)`."""
    return f"{definition.name}({','.join(_canonical(item.type) for item in definition.inputs)})"


def signature_hash(definition: FunctionDefinition | EventDefinition | ErrorDefinition) -> bytes:
    """Return the 32-byte hash of the signature, topic 0 of an event."""
    return keccak256(signature(definition).encode())


def selector(definition: FunctionDefinition | ErrorDefinition) -> bytes:
    """Return the first four bytes of the signature's hash."""
    return signature_hash(definition)[:4]


def abi_of(program: Program) -> tuple[AbiEntry, ...]:
    """Return the ABI: constructor, functions, events, errors, each in the order of the text."""
    entries = [_function_entry(function) for function in program.functions.values()]
    entries.sort(key=lambda entry: entry["type"] != "constructor")
    for event in program.events.values():
        inputs = [_parameter_entry(item) | {"indexed": item.is_indexed} for item in event.inputs]
        entries.append({"type": "event", "name": event.name, "inputs": inputs, "anonymous": False})
    for error in program.errors.values():
        entries.append({"type": "error", "name": error.name, "inputs": _entries(error.inputs)})
    return tuple(entries)


def _function_entry(function: FunctionDefinition) -> AbiEntry:
    inputs = _entries(function.inputs)
    if function.name == CONSTRUCTOR_NAME:
        return {
            "type": "constructor",
            "inputs": inputs,
            "stateMutability": function.mutability,
        }
    return {
        "type": "function",
        "name": function.name,
        "inputs": inputs,
        "outputs": _entries(function.outputs),
        "stateMutability": function.mutability,
    }


def _entries(parameters: tuple[Parameter, ...]) -> list[AbiEntry]:
    return [_parameter_entry(parameter) for parameter in parameters]


def _parameter_entry(parameter: Parameter) -> AbiEntry:
    return {"name": parameter.name, "type": _canonical(parameter.type)}


def _canonical(type_name: str) -> str:
    base, bracket, size = type_name.partition("[")
    full = {"uint": "uint256", "int": "int256"}.get(base, base)
    return full + bracket + size
