import pytest

from alphapulse.errors import InvalidData, SourceError
from alphapulse.evm.huff.lexer import tokenize


def kinds(text: str) -> list[tuple[str, str]]:
    return [(token.kind, token.text) for token in tokenize(text, "a.huff")][:-1]


def test_tokens_of_each_kind() -> None:
    assert kinds('#define "x.huff" 0x0aF 12 name_1 __ERROR [ ] ( ) { } < > = , :') == [
        ("directive", "#define"),
        ("string", '"x.huff"'),
        ("literal", "0x0aF"),
        ("number", "12"),
        ("word", "name_1"),
        ("word", "__ERROR"),
        *(("sign", sign) for sign in "[](){}<>=,:"),
    ]


def test_comments_are_space_and_lines_are_counted_through_them() -> None:
    text = "one // 0x01 {\n/* two\nthree */ four\n"
    tokens = tokenize(text, "a.huff")
    assert [(token.text, token.place.line) for token in tokens] == [
        ("one", 1),
        ("four", 3),
        ("end of file", 4),
    ]


@pytest.mark.parametrize("text", ["$", "0xzz", "0x", '"open', "12ab", "/* open", "-1"])
def test_text_that_is_no_token_is_refused_with_its_line(text: str) -> None:
    with pytest.raises(SourceError, match=r"^b\.huff:3: ") as caught:
        tokenize(f"fine\n\n{text}", "b.huff")
    assert isinstance(caught.value, InvalidData)
    assert (caught.value.file, caught.value.line) == ("b.huff", 3)
