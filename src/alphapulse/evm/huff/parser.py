"""Tokens of one file into its definitions."""

from collections.abc import Callable
from typing import TypeVar

from alphapulse.errors import SourceError
from alphapulse.evm.huff.lexer import Token, tokenize
from alphapulse.evm.huff.syntax import (
    ArgumentUse,
    Builtin,
    Constant,
    ConstantUse,
    ErrorDefinition,
    EventDefinition,
    FunctionDefinition,
    Label,
    Literal,
    Macro,
    MacroCall,
    Node,
    Parameter,
    Place,
    Push,
    Source,
    Word,
)

__all__ = ["BUILTINS", "parse"]

BUILTINS = frozenset({"__FUNC_SIG", "__EVENT_HASH", "__ERROR", "__RIGHTPAD", "__codesize"})
MUTABILITIES = frozenset({"pure", "view", "payable", "nonpayable"})
MAX_PUSH_BYTES = 32

Item = TypeVar("Item")


def parse(text: str, file: str) -> Source:
    """Return the definitions of one source text; included files are named, not read.

    Raises  SourceError with file and line at the first piece that fits no rule.
    """
    return _Parser(tokenize(text, file)).source()


class _Parser:
    """A cursor over tokens; every method consumes what it returns."""

    __slots__ = ("_at", "_tokens")

    def __init__(self, tokens: tuple[Token, ...]) -> None:
        self._tokens = tokens
        self._at = 0

    def source(self) -> Source:
        includes: list[tuple[Place, str]] = []
        macros: list[Macro] = []
        constants: list[Constant] = []
        functions: list[FunctionDefinition] = []
        events: list[EventDefinition] = []
        errors: list[ErrorDefinition] = []
        while self._peek().kind != "end":
            directive = self._expect("directive")
            if directive.text == "#include":
                includes.append((directive.place, self._expect("string").text[1:-1]))
                continue
            if directive.text != "#define":
                raise _unexpected(directive, "#define or #include")
            what = self._expect("word")
            match what.text:
                case "macro":
                    macros.append(self._macro())
                case "constant":
                    constants.append(self._constant())
                case "function":
                    functions.append(self._function())
                case "event":
                    name = self._expect("word")
                    events.append(EventDefinition(name.place, name.text, self._parameters()))
                case "error":
                    name = self._expect("word")
                    errors.append(ErrorDefinition(name.place, name.text, self._parameters()))
                case _:
                    raise _unexpected(what, "macro, constant, function, event or error")
        return Source(
            tuple(includes),
            tuple(macros),
            tuple(constants),
            tuple(functions),
            tuple(events),
            tuple(errors),
        )

    def _macro(self) -> Macro:
        name = self._expect("word")
        parameters = self._list(lambda: self._expect("word").text)
        self._sign("=")
        for count in ("takes", "returns"):
            if self._peek().text == count:
                self._take()
                self._sign("(")
                self._expect("number")
                self._sign(")")
        self._sign("{")
        body: list[Node] = []
        while self._peek().text != "}":
            body.append(self._node())
        self._sign("}")
        return Macro(name.place, name.text, parameters, tuple(body))

    def _constant(self) -> Constant:
        name = self._expect("word")
        self._sign("=")
        value = self._take()
        if value.kind != "literal":
            raise _unexpected(value, "a literal such as 0x01")
        return Constant(name.place, name.text, _digits(value))

    def _function(self) -> FunctionDefinition:
        name = self._expect("word")
        inputs = self._parameters()
        mutability = self._expect("word")
        if mutability.text not in MUTABILITIES:
            raise _unexpected(mutability, "pure, view, payable or nonpayable")
        returns = self._expect("word")
        if returns.text != "returns":
            raise _unexpected(returns, "returns")
        return FunctionDefinition(
            name.place, name.text, inputs, mutability.text, self._parameters()
        )

    def _parameters(self) -> tuple[Parameter, ...]:
        return self._list(self._parameter)

    def _parameter(self) -> Parameter:
        type_name = self._expect("word").text
        while self._peek().text == "[":
            self._sign("[")
            size = self._take().text if self._peek().kind == "number" else ""
            self._sign("]")
            type_name += f"[{size}]"
        is_indexed = self._peek().text == "indexed"
        if is_indexed:
            self._take()
        name = self._take().text if self._peek().kind == "word" else ""
        return Parameter(type_name, name, is_indexed)

    def _node(self) -> Node:
        token = self._take()
        if token.kind == "literal":
            return Literal(token.place, _digits(token))
        if token.text == "[":
            name = self._expect("word").text
            self._sign("]")
            return ConstantUse(token.place, name)
        if token.text == "<":
            name = self._expect("word").text
            self._sign(">")
            return ArgumentUse(token.place, name)
        if token.kind != "word":
            raise _unexpected(token, "an instruction")
        if token.text in BUILTINS:
            return self._builtin(token)
        if self._peek().text == ":":
            self._sign(":")
            return Label(token.place, token.text)
        if self._peek().text == "(":
            return MacroCall(token.place, token.text, self._list(self._node))
        width = _push_width(token)
        if width:
            literal = self._expect("literal")
            return _sized_push(literal, width)
        return Word(token.place, token.text)

    def _builtin(self, token: Token) -> Builtin:
        self._sign("(")
        argument = self._take()
        if argument.kind not in {"word", "literal"}:
            raise _unexpected(argument, "a name or a literal")
        self._sign(")")
        return Builtin(token.place, token.text, argument.text)

    def _list(self, item: Callable[[], Item]) -> tuple[Item, ...]:
        self._sign("(")
        items: list[Item] = []
        while self._peek().text != ")":
            if items:
                self._sign(",")
            items.append(item())
        self._sign(")")
        return tuple(items)

    def _peek(self) -> Token:
        return self._tokens[self._at]

    def _take(self) -> Token:
        token = self._tokens[self._at]
        if token.kind == "end":
            raise _unexpected(token, "more")
        self._at += 1
        return token

    def _expect(self, kind: str) -> Token:
        token = self._take()
        if token.kind != kind:
            raise _unexpected(token, f"a {kind}")
        return token

    def _sign(self, text: str) -> None:
        token = self._take()
        if token.kind != "sign" or token.text != text:
            raise _unexpected(token, f"`{text}`")


def _digits(literal: Token) -> str:
    digits = literal.text[2:]
    if len(digits.lstrip("0")) > 2 * MAX_PUSH_BYTES:
        raise SourceError(
            literal.place.file,
            literal.place.line,
            f"`{literal.text}` must fit {MAX_PUSH_BYTES} bytes",
        )
    return digits


def _push_width(token: Token) -> int:
    digits = token.text.removeprefix("push")
    if digits == token.text or not digits.isdecimal():
        return 0
    width = int(digits)
    if width > MAX_PUSH_BYTES:
        raise _unexpected(token, "push0 to push32")
    return width


def _sized_push(literal: Token, width: int) -> Push:
    digits = literal.text[2:].lstrip("0")
    if len(digits) > 2 * width:
        raise SourceError(
            literal.place.file, literal.place.line, f"`{literal.text}` must fit {width} bytes"
        )
    return Push(literal.place, width, digits)


def _unexpected(token: Token, wanted: str) -> SourceError:
    return SourceError(
        token.place.file, token.place.line, f"expected {wanted}, found `{token.text}`"
    )
