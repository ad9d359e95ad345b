import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alphapulse.errors import SourceError
from alphapulse.evm.hashing import keccak256
from alphapulse.evm.huff.__main__ import main
from alphapulse.evm.huff.compiler import compile_file

SOURCE = '#include "part.huff"\n#define macro MAIN() = { [C] }\n'
PART = "#define constant C = 0x2a\n"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "part.huff").write_text(PART)
    path = tmp_path / "Small.huff"
    path.write_text(SOURCE)
    return path


def test_artifact_and_manifest_are_written(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert main([str(source), "-o", str(out)]) == 0
    artifact = json.loads((out / "Small.json").read_text())
    assert artifact == {
        "contractName": "Small",
        "abi": [],
        "bytecode": "0x60028060093d393df3602a",
        "runtimeBytecode": "0x602a",
        "bytecodeHash": "0x" + keccak256(bytes.fromhex("60028060093d393df3602a")).hex(),
        "runtimeBytecodeHash": "0x" + keccak256(b"\x60\x2a").hex(),
        "evmVersion": "cancun",
    }
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["sources"] == {
        "Small.huff": "0x" + keccak256(SOURCE.encode()).hex(),
        "part.huff": "0x" + keccak256(PART.encode()).hex(),
    }
    assert manifest["artifact"] == "0x" + keccak256((out / "Small.json").read_bytes()).hex()


def test_without_output_the_code_is_printed(
    source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(source)]) == 0
    assert capsys.readouterr().out == "60028060093d393df3602a\n"


def test_what_does_not_compile_is_one_line(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source.write_text(SOURCE.replace("[C]", "\n[D]"))
    assert main([str(source), "-o", str(tmp_path / "out")]) == 1
    error = capsys.readouterr().err
    assert error == "cannot compile: Small.huff:3: constant `D` is not defined\n"
    assert not (tmp_path / "out").exists()
    assert main([str(tmp_path / "absent.huff")]) == 1
    assert "absent.huff" in capsys.readouterr().err


PIECES = ["#define", "macro", "MAIN", "(", ")", "=", "{", "}", "[", "C", "]", "<", ">", ":", ","]
PIECES += ["0x01", "push2", "add", "a", "takes", "1", "constant", "__ERROR", "error", "#include"]


@given(st.lists(st.sampled_from(PIECES)), st.text(max_size=8))
def test_any_text_compiles_or_raises_the_typed_error(pieces: list[str], tail: str) -> None:
    text = " ".join(pieces) + tail
    try:
        compile_file({"M.huff": text}.__getitem__, "M.huff", "cancun")
    except SourceError as error:
        assert error.file == "M.huff"
