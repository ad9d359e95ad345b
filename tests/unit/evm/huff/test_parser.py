import pytest

from alphapulse.errors import SourceError
from alphapulse.evm.huff.parser import parse
from alphapulse.evm.huff.syntax import (
    ArgumentUse,
    Builtin,
    ConstantUse,
    Label,
    Literal,
    MacroCall,
    Node,
    Parameter,
    Place,
    Push,
    Word,
)

HERE = Place("a.huff", 1)


def body_of(text: str) -> tuple[Node, ...]:
    (macro,) = parse(f"#define macro M() = takes(0) returns(0) {{ {text} }}", "a.huff").macros
    return macro.body


def test_every_kind_of_node() -> None:
    text = "0x2a push3 0x01 add [C] <p> here: here __ERROR(E) N(0x01, add, <q>)"
    assert body_of(text) == (
        Literal(HERE, "2a"),
        Push(HERE, 3, "1"),
        Word(HERE, "add"),
        ConstantUse(HERE, "C"),
        ArgumentUse(HERE, "p"),
        Label(HERE, "here"),
        Word(HERE, "here"),
        Builtin(HERE, "__ERROR", "E"),
        MacroCall(HERE, "N", (Literal(HERE, "01"), Word(HERE, "add"), ArgumentUse(HERE, "q"))),
    )


def test_macro_without_counts_and_with_parameters() -> None:
    (macro,) = parse("#define macro M(a, b) = { <a> <b> }", "a.huff").macros
    assert (macro.name, macro.parameters) == ("M", ("a", "b"))


def test_definitions() -> None:
    source = parse(
        """
        #include "other.huff"
        #define constant C = 0xff
        #define function f(address[] pools, uint256[2][], bytes) view returns (bool ok)
        #define event E(address indexed who, uint256)
        #define error X(uint256 had)
        """,
        "a.huff",
    )
    assert source.includes == ((Place("a.huff", 2), "other.huff"),)
    assert [(item.name, item.digits) for item in source.constants] == [("C", "ff")]
    (function,) = source.functions
    assert function.inputs == (
        Parameter("address[]", "pools"),
        Parameter("uint256[2][]"),
        Parameter("bytes"),
    )
    assert (function.mutability, function.outputs) == ("view", (Parameter("bool", "ok"),))
    (event,) = source.events
    assert event.inputs == (Parameter("address", "who", is_indexed=True), Parameter("uint256"))
    (error,) = source.errors
    assert error.inputs == (Parameter("uint256", "had"),)


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("macro M() = {}", "expected a directive, found `macro`"),
        ("#defin macro", "expected #define or #include, found `#defin`"),
        ("#define table T {}", "expected macro, constant, function, event or error"),
        ("#define constant C = 12", "expected a literal such as 0x01, found `12`"),
        ("#define constant C = FREE_STORAGE_POINTER()", "expected a literal such as 0x01"),
        ("#define constant C = 0x1" + "0" * 64, "must fit 32 bytes"),
        ("#define function f() external returns ()", "expected pure, view, payable or nonpay"),
        ("#define function f() view", "expected more, found `end of file`"),
        ("#define function f() view gives ()", "expected returns, found `gives`"),
        ("#define macro M() = { add", "expected an instruction|expected more"),
        ("#define macro M() = { 12 }", "expected an instruction, found `12`"),
        ("#define macro M() = { push2 0x010203 }", "`0x010203` must fit 2 bytes"),
        ("#define macro M() = { push33 0x01 }", "expected push0 to push32, found `push33`"),
        ("#define macro M() = { push1 add }", "expected a literal, found `add`"),
        ("#define macro M() = { N(add add) }", "expected `,`, found `add`"),
        ("#define macro M() = { __ERROR() }", "expected a name or a literal, found `\\)`"),
        ("#define macro M() = { [0x01] }", "expected a word, found `0x01`"),
    ],
)
def test_text_that_fits_no_rule(text: str, detail: str) -> None:
    with pytest.raises(SourceError, match=rf"^a\.huff:2: .*({detail})"):
        parse("\n" + text, "a.huff")
