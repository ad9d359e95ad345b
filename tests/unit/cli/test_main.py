"""What the command line makes of errors."""

import pytest

from alphapulse.cli.main import exit_code_of
from alphapulse.errors import (
    EndpointDown,
    GateClosed,
    InvariantError,
    Misconfigured,
    ValueOutOfRange,
)


def raising(error):
    def run():
        raise error

    return run


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Misconfigured("`key` is wrong; mend it"), 2),
        (GateClosed("not allowed"), 3),
        (EndpointDown("gone"), 1),
        (ValueOutOfRange("too much"), 1),
    ],
)
def test_each_kind_of_error_has_its_code(capsys, error, code: int) -> None:
    assert exit_code_of(raising(error)) == code
    assert capsys.readouterr().err == f"alphapulse: {error}\n"


def test_text_of_others_cannot_break_the_line(capsys) -> None:
    exit_code_of(raising(EndpointDown("node said:\n  a\r\nb")))
    assert capsys.readouterr().err == "alphapulse: node said: a b\n"


def test_a_mistake_of_ours_shows_where(capsys) -> None:
    assert exit_code_of(raising(InvariantError("books do not balance"))) == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("Traceback")
    assert lines[-1] == "alphapulse: books do not balance"


def test_an_interrupt_is_130(capsys) -> None:
    assert exit_code_of(raising(KeyboardInterrupt())) == 130
    assert capsys.readouterr().err == ""


def test_what_a_verb_returns_is_kept() -> None:
    assert exit_code_of(lambda: 7) == 7
