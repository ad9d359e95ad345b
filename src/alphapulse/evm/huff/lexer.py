"""Text into tokens. Comments and white space end here."""

import re
from dataclasses import dataclass

from alphapulse.errors import SourceError
from alphapulse.evm.huff.syntax import Place

__all__ = ["Token", "tokenize"]

_PATTERN = re.compile(
    r"""
    (?P<space>\s+|//[^\n]*|/\*.*?\*/)
    | (?P<directive>\#[a-z]+)
    | (?P<literal>0x[0-9a-fA-F]+\b)
    | (?P<number>[0-9]+\b)
    | (?P<string>"[^"\n]*")
    | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<sign>[(){}\[\]<>=,:])
    """,
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of source: `kind` is directive, literal, number, string, word, sign or end."""

    kind: str
    text: str
    place: Place


def tokenize(text: str, file: str) -> tuple[Token, ...]:
    """Return the tokens of a source and a last one of kind `end`.

    Raises  SourceError at the first character that begins no token.
    """
    tokens = []
    offset, line = 0, 1
    while offset < len(text):
        match = _PATTERN.match(text, offset)
        if match is None:
            raise SourceError(file, line, f"unexpected character `{text[offset]}`")
        kind = match.lastgroup or ""
        if kind != "space":
            tokens.append(Token(kind, match.group(), Place(file, line)))
        line += match.group().count("\n")
        offset = match.end()
    return (*tokens, Token("end", "end of file", Place(file, line)))
