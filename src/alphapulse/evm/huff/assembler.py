"""Macros into bytes: expansion, pushes, and labels resolved to two-byte jump targets.

A label belongs to one expansion of its macro. A word that is no opcode is a label of the macro
it stands in or of one that encloses it, nearest first; anything else does not compile.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn

from alphapulse.errors import SourceError
from alphapulse.evm.huff.interface import selector, signature_hash
from alphapulse.evm.huff.opcodes import OPCODES, PUSH0, Opcode, has_push0, is_available
from alphapulse.evm.huff.syntax import (
    ArgumentUse,
    Builtin,
    ConstantUse,
    Label,
    Literal,
    Macro,
    MacroCall,
    Node,
    Place,
    Push,
    Word,
)

if TYPE_CHECKING:
    from alphapulse.evm.huff.program import Program

__all__ = ["MAX_DEPTH", "Assembled", "assemble"]

# Nested macro calls; a macro that calls itself ends here instead of in Python's stack.
MAX_DEPTH = 64

JUMPDEST = 0x5B
PUSH2 = 0x61
PUSH32 = 0x7F
LABEL_BYTES = 2


@dataclass(frozen=True, slots=True)
class Assembled:
    """Code of one macro and the opcodes that it contains."""

    code: bytes
    opcodes: frozenset[int]


@dataclass(slots=True)
class _Scope:
    """One expansion of a macro: what its parameters stand for, and where its labels are."""

    parent: _Scope | None
    arguments: dict[str, tuple[Node, _Scope]]
    depth: int
    labels: dict[str, int] = field(default_factory=dict)

    def find(self, label: str) -> int | None:
        scope: _Scope | None = self
        while scope is not None:
            if label in scope.labels:
                return scope.labels[label]
            scope = scope.parent
        return None


@dataclass(frozen=True, slots=True)
class _Jump:
    """A label used before its address is known: two bytes at `offset` are still zero."""

    word: Word
    scope: _Scope
    offset: int


def assemble(program: Program, macro_name: str, evm_version: str) -> Assembled:
    """Return the bytes of a macro, which takes no arguments.

    Raises  SourceError with file and line for whatever has no meaning; Misconfigured for an
    unknown version.
    """
    return _Assembly(program, evm_version, ()).assembled(macro_name)


class _Assembly:
    """Bytes under construction; `outer` are the macros whose size waits for this one."""

    __slots__ = ("_code", "_evm_version", "_jumps", "_opcodes", "_outer", "_program", "_zero")

    def __init__(self, program: Program, evm_version: str, outer: tuple[str, ...]) -> None:
        self._program = program
        self._evm_version = evm_version
        self._zero = bytes([PUSH0]) if has_push0(evm_version) else bytes([PUSH0 + 1, 0])
        self._code = bytearray()
        self._opcodes: set[int] = set()
        self._jumps: list[_Jump] = []
        self._outer = outer

    def assembled(self, macro_name: str) -> Assembled:
        self._outer = (*self._outer, macro_name)
        macro = self._program.macros[macro_name]
        self.expand(MacroCall(macro.place, macro_name, ()), None)
        for jump in self._jumps:
            target = jump.scope.find(jump.word.name)
            if target is None:
                name = jump.word.name
                _fail(jump.word.place, f"`{name}` is neither an opcode nor a label in reach")
            if target >= 1 << (8 * LABEL_BYTES):
                _fail(jump.word.place, f"`{jump.word.name}` lies beyond {LABEL_BYTES} bytes")
            end = jump.offset + LABEL_BYTES
            self._code[jump.offset : end] = target.to_bytes(LABEL_BYTES, "big")
        return Assembled(bytes(self._code), frozenset(self._opcodes))

    def expand(self, call: MacroCall, scope: _Scope | None) -> None:
        macro = self._program.macros.get(call.name)
        if macro is None:
            _fail(call.place, f"macro `{call.name}` is not defined")
        inner = _Scope(scope, _bound(call, macro, scope), scope.depth + 1 if scope else 1)
        if inner.depth > MAX_DEPTH:
            _fail(call.place, f"macro `{call.name}` is nested more than {MAX_DEPTH} deep")
        for node in macro.body:
            self._emit(node, inner)

    def _emit(self, node: Node, scope: _Scope) -> None:
        match node:
            case Literal():
                self._push(node.digits)
            case Push():
                self._code += bytes([PUSH0 + node.width])
                self._code += bytes.fromhex(node.digits.zfill(2 * node.width))
            case Word():
                self._word(node, scope)
            case Label():
                if node.name in scope.labels:
                    _fail(node.place, f"label `{node.name}` stands twice in one macro")
                scope.labels[node.name] = len(self._code)
                self._code.append(JUMPDEST)
            case ConstantUse():
                self._constant(node)
            case ArgumentUse():
                self._argument(node, scope)
            case Builtin():
                self._builtin(node)
            case MacroCall():
                self.expand(node, scope)

    def _word(self, word: Word, scope: _Scope) -> None:
        opcode = OPCODES.get(word.name)
        if opcode is not None:
            self._instruction(word, opcode)
            return
        self._code.append(PUSH2)
        self._jumps.append(_Jump(word, scope, len(self._code)))
        self._code += bytes(LABEL_BYTES)

    def _instruction(self, word: Word, opcode: Opcode) -> None:
        if not is_available(opcode, self._evm_version):
            _fail(word.place, f"`{word.name}` needs {opcode.since}, target is {self._evm_version}")
        self._opcodes.add(opcode.byte)
        self._code.append(opcode.byte)

    def _constant(self, use: ConstantUse) -> None:
        constant = self._program.constants.get(use.name)
        if constant is None:
            _fail(use.place, f"constant `{use.name}` is not defined")
        self._push(constant.digits)

    def _argument(self, use: ArgumentUse, scope: _Scope) -> None:
        if use.name not in scope.arguments:
            _fail(use.place, f"`<{use.name}>` is no parameter of this macro")
        node, origin = scope.arguments[use.name]
        is_constant = isinstance(node, Word) and node.name in self._program.constants
        if isinstance(node, Word) and is_constant and node.name not in OPCODES:
            self._constant(ConstantUse(node.place, node.name))
            return
        self._emit(node, origin)

    def _builtin(self, use: Builtin) -> None:
        name, program = use.argument, self._program
        if use.name == "__RIGHTPAD":
            if not name.startswith("0x"):
                _fail(use.place, f"`__RIGHTPAD` takes a literal, found `{name}`")
            digits = name[2:]
            even = digits.zfill(len(digits) + len(digits) % 2)
            if len(even) > 64:
                _fail(use.place, f"`{name}` must fit 32 bytes")
            self._push_word(bytes.fromhex(even.ljust(64, "0")))
        elif use.name == "__codesize" and name in program.macros:
            if name in self._outer:
                _fail(use.place, f"the size of `{name}` depends on itself")
            inner = _Assembly(program, self._evm_version, self._outer).assembled(name)
            self._push(f"{len(inner.code):x}")
        elif use.name == "__FUNC_SIG" and name in program.functions:
            self._push(selector(program.functions[name]).hex())
        elif use.name == "__EVENT_HASH" and name in program.events:
            self._push(signature_hash(program.events[name]).hex())
        elif use.name == "__ERROR" and name in program.errors:
            self._push_word(selector(program.errors[name]).ljust(32, b"\0"))
        else:
            _fail(use.place, f"`{name}` is not defined for `{use.name}`")

    def _push(self, digits: str) -> None:
        shortest = digits.lstrip("0")
        if not shortest:
            self._code += self._zero
            return
        value = bytes.fromhex(shortest.zfill(len(shortest) + len(shortest) % 2))
        self._code += bytes([PUSH0 + len(value)]) + value

    def _push_word(self, value: bytes) -> None:
        self._code += bytes([PUSH32]) + value


def _bound(call: MacroCall, macro: Macro, scope: _Scope | None) -> dict[str, tuple[Node, _Scope]]:
    if len(call.arguments) != len(macro.parameters):
        wanted, found = len(macro.parameters), len(call.arguments)
        _fail(call.place, f"macro `{call.name}` takes {wanted} arguments, found {found}")
    if scope is None:
        return {}
    pairs = zip(macro.parameters, call.arguments, strict=True)
    return {parameter: (argument, scope) for parameter, argument in pairs}


def _fail(place: Place, detail: str) -> NoReturn:
    raise SourceError(place.file, place.line, detail)
