"""The compiler beside two programs that others wrote: huffc 0.0.25 and `cast disassemble`.

huffc knows paris, one macro argument, no builtins, and definitions only above their use; the
sources here stay within that, and our side compiles them for paris.
"""

import shutil
import subprocess
from pathlib import Path

import pytest

from alphapulse.evm.huff.compiler import compile_file
from alphapulse.evm.huff.opcodes import OPCODES

ROOT = Path(__file__).parents[4]
HUFFC = ROOT / "node_modules" / "huffc" / "dist" / "bin.js"
CAST = ROOT / "node_modules" / ".bin" / "cast"
NODE = shutil.which("node")
TIMEOUT_SECONDS = 60

# A till: anyone may pay in, one account may take out, each payment is logged and counted.
TILL = """
#define constant KEEPER = 0x07
#define constant PAID = 0x0a0b
#define constant SEL_TAKE = 0xdeadbeef
#define constant TOPIC = 0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef
#define constant LARGE = 0xffffffffffffffffffffffffffffffff

#define macro STORE_AT(place) = takes(1) returns(0) {
    <place> mstore
}

#define macro REFUSE() = takes(0) returns(0) {
    0x00 dup1 revert
}

#define macro COUNT() = takes(0) returns(0) {
    [PAID] sload callvalue add          // a comment with a } in it
    dup1 [LARGE] lt too_much jumpi
    [PAID] sstore
    done jump
    too_much:
        REFUSE()
    done:
}

#define macro LOG() = takes(0) returns(0) {
    callvalue STORE_AT(0x20)
    caller STORE_AT(0x40)
    [TOPIC] 0x40 0x20 log1
}

#define macro TAKE() = takes(0) returns(0) {
    caller [KEEPER] sload eq iszero refuse jumpi
    0x00 0x00 0x00 0x00 address balance caller gas call
    iszero refuse jumpi
    stop
    refuse:
        REFUSE()
}

#define macro CONSTRUCTOR() = takes(0) returns(0) {
    caller [KEEPER] sstore
}

#define macro MAIN() = takes(0) returns(0) {
    0x00 calldataload 0xe0 shr
    dup1 [SEL_TAKE] eq take jumpi
    calldatasize refuse jumpi
    COUNT()
    LOG()
    stop
    take:
        pop TAKE()
    refuse:
        REFUSE()
}
"""


def snippet(body: str, before: str = "") -> str:
    return f"{before}\n#define macro MAIN() = takes(0) returns(0) {{ {body} }}\n"


SOURCES = {
    "till": TILL,
    "loop": snippet("0x0a again: 0x01 swap1 sub dup1 again jumpi stop"),
    "same_label_in_two_expansions": snippet(
        "WAIT() WAIT() stop",
        "#define macro WAIT() = takes(0) returns(0) { gas until jumpi pop until: }",
    ),
    "large": snippet("0x112233 mload " * 90 + "end jump end:"),
}


def ours(text: str) -> str:
    return compile_file({"Main.huff": text}.__getitem__, "Main.huff", "paris").creation_code.hex()


@pytest.mark.skipif(NODE is None or not HUFFC.exists(), reason="needs huffc (npm ci)")
@pytest.mark.parametrize("name", SOURCES)
def test_bytes_are_those_of_huffc(name: str, tmp_path: Path) -> None:
    (tmp_path / "Main.huff").write_text(SOURCES[name])
    done = subprocess.run(
        [str(NODE), str(HUFFC), "Main.huff", "--bytecode"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=True,
    )
    assert ours(SOURCES[name]) == done.stdout.strip()


def disassembled(code: str) -> list[str]:
    done = subprocess.run(
        [CAST, "disassemble", "0x" + code],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=True,
    )
    return [line.partition(": ")[2] for line in done.stdout.splitlines() if line]


@pytest.mark.skipif(not CAST.exists(), reason="needs cast (npm ci)")
def test_every_opcode_reads_back_as_its_name() -> None:
    also_called = {"sha3": "keccak256", "prevrandao": "difficulty"}
    names = sorted(OPCODES)
    text = f"#define macro MAIN() = {{ {' '.join(names)} }}"
    code = compile_file({"M.huff": text}.__getitem__, "M.huff", "cancun").runtime_code.hex()
    found = [name.lower() for name in disassembled(code)]
    assert len(found) == len(names)
    for name, read_back in zip(names, found, strict=True):
        assert read_back in {name, also_called.get(name)}


@pytest.mark.skipif(not CAST.exists(), reason="needs cast (npm ci)")
def test_pushes_read_back_with_their_widths() -> None:
    text = snippet("0x00 0x01 0x123 push4 0x09 0x" + "ab" * 32)
    code = compile_file({"M.huff": text}.__getitem__, "M.huff", "cancun").runtime_code.hex()
    assert disassembled(code) == [
        "PUSH0",
        "PUSH1 0x01",
        "PUSH2 0x0123",
        "PUSH4 0x00000009",
        "PUSH32 0x" + "ab" * 32,
    ]
