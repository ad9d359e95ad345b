"""Keys enter a keystore by standard input only, and leave no trace in output."""

import io
import json
import stat

import pytest

from alphapulse.cli.main import main
from alphapulse.execution.wallet import Wallet

KEY = "0x" + "00" * 31 + "01"
ADDRESS = "0x7e5f4552091a69125d5dfcb7b8c2659029395bdf"  # of private key 1


@pytest.fixture
def password(tmp_path):
    path = tmp_path / "word"
    path.write_text("correct horse\n")
    return f"file:{path}"


def test_an_imported_key_signs_and_is_listed(tmp_path, password, monkeypatch, capsys) -> None:
    store = tmp_path / "keys" / "hot.json"
    store.parent.mkdir()
    monkeypatch.setattr("sys.stdin", io.StringIO(KEY + "\n"))
    assert (
        main(["keys", "import", "--keystore", str(store), "--password", password, "--lightkdf"])
        == 0
    )
    assert capsys.readouterr().out.strip() == ADDRESS
    assert stat.S_IMODE(store.stat().st_mode) == 0o600
    assert "0x" + Wallet.load(store, "correct horse").address.hex() == ADDRESS
    assert main(["keys", "list", str(store.parent), "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert {name: found.lower() for name, found in listed.items()} == {"hot.json": ADDRESS}


def test_a_created_key_differs_each_time(tmp_path, password, capsys) -> None:
    for name in ("a", "b"):
        assert (
            main(
                [
                    "keys",
                    "create",
                    "--keystore",
                    str(tmp_path / name),
                    "--password",
                    password,
                    "--lightkdf",
                ]
            )
            == 0
        )
    first, second = capsys.readouterr().out.split()
    assert first != second


@pytest.mark.parametrize("text", ["", "zz", "0x1234", "00" * 33])
def test_what_is_no_key_is_refused_without_an_echo(
    tmp_path, password, monkeypatch, capsys, text
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(text + "\n"))
    assert (
        main(
            [
                "keys",
                "import",
                "--keystore",
                str(tmp_path / "k"),
                "--password",
                password,
                "--lightkdf",
            ]
        )
        == 2
    )
    error = capsys.readouterr().err
    assert "32 bytes" in error
    assert not text or text not in error


def test_a_keystore_is_never_overwritten(tmp_path, password, capsys) -> None:
    store = tmp_path / "k"
    store.write_text("mine")
    assert (
        main(["keys", "create", "--keystore", str(store), "--password", password, "--lightkdf"])
        == 2
    )
    assert store.read_text() == "mine"
    assert str(store) in capsys.readouterr().err


def test_a_plain_password_is_refused_without_an_echo(tmp_path, capsys) -> None:
    assert main(["keys", "create", "--keystore", str(tmp_path / "k"), "--password", "hunter2"]) == 2
    assert "hunter2" not in capsys.readouterr().err
