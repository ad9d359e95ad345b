"""What a parsed Huff source is made of."""

from dataclasses import dataclass

__all__ = [
    "ArgumentUse",
    "Builtin",
    "Constant",
    "ConstantUse",
    "ErrorDefinition",
    "EventDefinition",
    "FunctionDefinition",
    "Label",
    "Literal",
    "Macro",
    "MacroCall",
    "Node",
    "Parameter",
    "Place",
    "Push",
    "Source",
    "Word",
]


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands, for messages."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Literal:
    """A hexadecimal number; `digits` are those behind 0x, as written."""

    place: Place
    digits: str


@dataclass(frozen=True, slots=True)
class Push:
    """A push of a stated width, `push4 0x12`."""

    place: Place
    width: int
    digits: str


@dataclass(frozen=True, slots=True)
class Word:
    """A bare word: an opcode, else a label in reach; as a macro argument also a constant."""

    place: Place
    name: str


@dataclass(frozen=True, slots=True)
class Label:
    """A jump target, `name:`."""

    place: Place
    name: str


@dataclass(frozen=True, slots=True)
class ConstantUse:
    """The value of a constant, `[NAME]`."""

    place: Place
    name: str


@dataclass(frozen=True, slots=True)
class ArgumentUse:
    """What the caller passed for a parameter, `<name>`."""

    place: Place
    name: str


@dataclass(frozen=True, slots=True)
class Builtin:
    """A function of the compiler, `__FUNC_SIG(name)`; the argument is a name or a literal."""

    place: Place
    name: str
    argument: str


@dataclass(frozen=True, slots=True)
class MacroCall:
    """A macro's body in place of its name."""

    place: Place
    name: str
    arguments: tuple["Node", ...]


Node = Literal | Push | Word | Label | ConstantUse | ArgumentUse | Builtin | MacroCall


@dataclass(frozen=True, slots=True)
class Macro:
    """A named body with parameters."""

    place: Place
    name: str
    parameters: tuple[str, ...]
    body: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Constant:
    """A named number."""

    place: Place
    name: str
    digits: str


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a signature; the name may be empty."""

    type: str
    name: str = ""
    is_indexed: bool = False


@dataclass(frozen=True, slots=True)
class FunctionDefinition:
    """A function of the contract's interface."""

    place: Place
    name: str
    inputs: tuple[Parameter, ...]
    mutability: str
    outputs: tuple[Parameter, ...]


@dataclass(frozen=True, slots=True)
class EventDefinition:
    """An event of the contract's interface."""

    place: Place
    name: str
    inputs: tuple[Parameter, ...]


@dataclass(frozen=True, slots=True)
class ErrorDefinition:
    """An error of the contract's interface."""

    place: Place
    name: str
    inputs: tuple[Parameter, ...]


@dataclass(frozen=True, slots=True)
class Source:
    """One file, parsed. `includes` are paths as written, with their places."""

    includes: tuple[tuple[Place, str], ...]
    macros: tuple[Macro, ...]
    constants: tuple[Constant, ...]
    functions: tuple[FunctionDefinition, ...]
    events: tuple[EventDefinition, ...]
    errors: tuple[ErrorDefinition, ...]
