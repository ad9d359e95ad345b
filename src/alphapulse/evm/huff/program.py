"""All definitions that a source and its includes bring, each name once."""

import posixpath
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar

from alphapulse.errors import SourceError
from alphapulse.evm.huff.parser import parse
from alphapulse.evm.huff.syntax import (
    Constant,
    ErrorDefinition,
    EventDefinition,
    FunctionDefinition,
    Macro,
    Place,
    Source,
)

__all__ = ["PathReader", "Program", "load"]

# Returns the text of a source; paths are those of `#include`, joined to the including file's.
PathReader = Callable[[str], str]


class _Named(Protocol):
    @property
    def place(self) -> Place: ...

    @property
    def name(self) -> str: ...


Definition = TypeVar("Definition", bound=_Named)


@dataclass(frozen=True, slots=True)
class Program:
    """Definitions by name, in the order of their text; `files` in the order of reading."""

    files: tuple[str, ...]
    macros: Mapping[str, Macro]
    constants: Mapping[str, Constant]
    functions: Mapping[str, FunctionDefinition]
    events: Mapping[str, EventDefinition]
    errors: Mapping[str, ErrorDefinition]


def load(read: PathReader, entry: str) -> Program:
    """Return the program that starts at the entry file; each file is read once.

    Raises  SourceError for text that does not parse or a name defined twice.
    """
    sources: dict[str, Source] = {}
    _collect(read, posixpath.normpath(entry), sources)
    parsed = tuple(sources.values())
    return Program(
        tuple(sources),
        _by_name([macro for source in parsed for macro in source.macros]),
        _by_name([constant for source in parsed for constant in source.constants]),
        _by_name([function for source in parsed for function in source.functions]),
        _by_name([event for source in parsed for event in source.events]),
        _by_name([error for source in parsed for error in source.errors]),
    )


def _collect(read: PathReader, path: str, sources: dict[str, Source]) -> None:
    if path in sources:
        return
    source = parse(read(path), path)
    sources[path] = source
    for _, included in source.includes:
        joined = posixpath.join(posixpath.dirname(path), included)
        _collect(read, posixpath.normpath(joined), sources)


def _by_name(definitions: list[Definition]) -> dict[str, Definition]:
    table: dict[str, Definition] = {}
    for definition in definitions:
        first = table.setdefault(definition.name, definition)
        if first is not definition:
            place = definition.place
            detail = f"`{definition.name}` is already defined at {first.place}"
            raise SourceError(place.file, place.line, detail)
    return table
