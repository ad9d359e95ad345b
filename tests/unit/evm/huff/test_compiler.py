"""Bytes, labels, includes, interface. The byte rules are those of huff-neo 1.5."""

import pytest

from alphapulse.errors import Misconfigured, SourceError
from alphapulse.evm.hashing import keccak256
from alphapulse.evm.huff.assembler import MAX_DEPTH
from alphapulse.evm.huff.compiler import MAX_RUNTIME_BYTES, CompiledContract, compile_file
from alphapulse.evm.huff.opcodes import EVM_VERSIONS, OPCODES

ERROR = "#define error E(uint256)\n"
FUNCTION = "#define function transfer(address,uint256) nonpayable returns (bool)\n"
EVENT = "#define event Transfer(address indexed,address indexed,uint256)\n"
TRANSFER_TOPIC = "ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"


def compiled(text: str, evm_version: str = "cancun", **others: str) -> CompiledContract:
    files = {"Main.huff": text} | {f"{name}.huff": other for name, other in others.items()}
    return compile_file(files.__getitem__, "Main.huff", evm_version)


def runtime(body: str, before: str = "", evm_version: str = "cancun") -> str:
    text = f"{before}\n#define macro MAIN() = takes(0) returns(0) {{ {body} }}"
    return compiled(text, evm_version).runtime_code.hex()


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("0x01", "6001"),
        ("0x0001", "6001"),
        ("0x123", "610123"),
        ("0x00", "5f"),
        ("0x0", "5f"),
        ("0x" + "ff" * 32, "7f" + "ff" * 32),
        ("push2 0x34", "610034"),
        ("push2 0x0034", "610034"),
        ("push1 0x00", "6000"),
        ("push0", "5f"),
        ("push32 0x1", "7f" + "00" * 31 + "01"),
        ("tload tstore mcopy", "5c5d5e"),
        ("selfbalance basefee blobhash blobbasefee", "4748494a"),
        ("sha3 keccak256 prevrandao extcodehash", "2020443f"),
        ("dup1 dup16 swap1 swap16 log0 log4", "808f909fa0a4"),
        ("create2 staticcall selfdestruct invalid", "f5fafffe"),
    ],
)
def test_pushes_and_opcodes(body: str, code: str) -> None:
    assert runtime(body) == code


def test_zero_is_two_bytes_before_shanghai() -> None:
    assert runtime("0x00", evm_version="paris") == "6000"
    assert runtime("0x00", evm_version="shanghai") == "5f"


def test_opcodes_are_refused_where_the_target_lacks_them() -> None:
    with pytest.raises(SourceError, match="`push0` needs shanghai, target is paris"):
        runtime("push0", evm_version="paris")
    with pytest.raises(SourceError, match="`tload` needs cancun, target is shanghai"):
        runtime("tload", evm_version="shanghai")
    with pytest.raises(Misconfigured, match=r"`evm_version` must be one of paris, .*, was `osaka`"):
        runtime("add", evm_version="osaka")


def test_opcode_table_has_no_byte_twice_but_for_two_names_of_one() -> None:
    bytes_of = [opcode.byte for name, opcode in OPCODES.items() if name != "keccak256"]
    assert len(bytes_of) == len(set(bytes_of))
    assert len(bytes_of) == 149 - 32  # all of cancun, the sized pushes apart
    assert EVM_VERSIONS == ("paris", "shanghai", "cancun")


# ------------------------------------------------------------------ labels


def test_labels_are_two_bytes_forward_and_back() -> None:
    assert runtime("end jump here: here jump end:") == "610009565b610004565b"


def test_a_label_belongs_to_one_expansion() -> None:
    twice = "#define macro LOOP() = takes(0) returns(0) { here: here jump }"
    assert runtime("LOOP() LOOP()", twice) == "5b610000565b61000556"


def test_labels_are_found_outwards_nearest_first() -> None:
    inner = "#define macro M() = { end jump }\n#define macro N() = { M() end: }"
    assert runtime("M() end:", inner) == "610004565b"
    assert runtime("N() end:", inner) == "610004565b5b"


def test_a_label_argument_is_the_caller_s() -> None:
    macro = "#define macro M(to) = { here: <to> jump }"
    assert runtime("here: M(here)", macro) == "5b5b61000056"


def test_a_label_inside_a_called_macro_is_out_of_reach() -> None:
    with pytest.raises(SourceError, match=r"Main\.huff:2: `end` is neither an opcode nor a label"):
        runtime("end jump M()", "#define macro M() = { end: }")


def test_unknown_words_name_file_and_line() -> None:
    text = "#define macro MAIN() = {\n  0x01\n  0x02\n  ad\n}"
    with pytest.raises(SourceError, match=r"^Main\.huff:4: `ad` is neither") as caught:
        compiled(text)
    assert (caught.value.file, caught.value.line) == ("Main.huff", 4)


# ------------------------------------------------------------------ macros and constants


def test_macro_arguments_of_every_kind() -> None:
    before = """
    #define constant C = 0x0102
    #define error E(uint256)
    #define macro ONE() = { 0x01 }
    #define macro M(a) = { <a> }
    #define macro OUTER(a) = { M(<a>) }
    """
    assert runtime("M(0x05)", before) == "6005"
    assert runtime("M(caller)", before) == "33"
    assert runtime("M(C)", before) == "610102"
    assert runtime("M([C])", before) == "610102"
    assert runtime("M(ONE())", before) == "6001"
    assert runtime("OUTER(C) OUTER(ONE())", before) == "6101026001"
    assert runtime("M(__ERROR(E))", before)[:2] == "7f"
    assert runtime("M(push2 0x01)", before) == "610001"


def test_sizes_of_macros() -> None:
    before = "#define macro M() = { 0x01 0x00 end jump end: }"
    assert runtime("__codesize(M)", before) == "6008"
    with pytest.raises(SourceError, match="the size of `MAIN` depends on itself"):
        runtime("__codesize(MAIN)")
    with pytest.raises(SourceError, match="the size of `A` depends on itself"):
        runtime(
            "__codesize(A)",
            "#define macro A() = { __codesize(B) }\n#define macro B() = { __codesize(A) }",
        )


@pytest.mark.parametrize(
    ("before", "body", "detail"),
    [
        ("", "M()", "macro `M` is not defined"),
        ("", "[C]", "constant `C` is not defined"),
        ("", "<a>", "`<a>` is no parameter of this macro"),
        ("#define macro M(a) = { <a> }", "M()", "macro `M` takes 1 arguments, found 0"),
        ("#define macro M(a) = { <a> }", "M(add, add)", "takes 1 arguments, found 2"),
        ("#define macro M() = { M() }", "M()", f"nested more than {MAX_DEPTH} deep"),
        ("", "a: a:", "label `a` stands twice in one macro"),
        ("", "__ERROR(E)", "`E` is not defined for `__ERROR`"),
        (ERROR, "__FUNC_SIG(E)", "`E` is not defined for `__FUNC_SIG`"),
        ("", "__EVENT_HASH(E)", "`E` is not defined for `__EVENT_HASH`"),
        ("", "__codesize(N)", "`N` is not defined for `__codesize`"),
        ("", "__RIGHTPAD(word)", "takes a literal, found `word`"),
        ("", "__RIGHTPAD(0x" + "11" * 33 + ")", "must fit 32 bytes"),
    ],
)
def test_what_has_no_meaning_is_refused(before: str, body: str, detail: str) -> None:
    with pytest.raises(SourceError, match=detail):
        runtime(body, before)


def test_a_program_needs_main_and_no_name_twice() -> None:
    with pytest.raises(SourceError, match="macro `MAIN` is not defined"):
        compiled("#define macro M() = { }")
    with pytest.raises(SourceError, match=r"Main\.huff:2: `C` is already defined at Main\.huff:1"):
        compiled("#define constant C = 0x01\n#define constant C = 0x01")


# ------------------------------------------------------------------ signatures


def test_builtins() -> None:
    assert runtime("__FUNC_SIG(transfer)", FUNCTION) == "63a9059cbb"
    assert runtime("__EVENT_HASH(Transfer)", EVENT) == "7f" + TRANSFER_TOPIC
    selector = keccak256(b"E(uint256)")[:4].hex()
    assert runtime("__ERROR(E)", ERROR) == "7f" + selector + "00" * 28
    assert runtime("__RIGHTPAD(0x123)") == "7f0123" + "00" * 30


def test_a_selector_that_begins_with_zero_is_pushed_short() -> None:
    name = next(
        name
        for number in range(10_000)
        if keccak256(f"{(name := f'f{number}')}()".encode())[0] == 0
    )
    digest = keccak256(f"{name}()".encode())
    assert digest[1] != 0
    code = runtime(f"__FUNC_SIG({name})", f"#define function {name}() view returns ()")
    assert code == "62" + digest[1:4].hex()


def test_abi_has_the_shape_of_solc() -> None:
    text = (
        "#define function f(uint pools, int[2] x) view returns (bool)\n"
        "#define function constructor(address lender) nonpayable returns ()\n"
        + EVENT
        + ERROR
        + "#define macro MAIN() = { __FUNC_SIG(f) }"
    )
    contract = compiled(text)
    assert list(contract.abi) == [
        {
            "type": "constructor",
            "inputs": [{"name": "lender", "type": "address"}],
            "stateMutability": "nonpayable",
        },
        {
            "type": "function",
            "name": "f",
            "inputs": [
                {"name": "pools", "type": "uint256"},
                {"name": "x", "type": "int256[2]"},
            ],
            "outputs": [{"name": "", "type": "bool"}],
            "stateMutability": "view",
        },
        {
            "type": "event",
            "name": "Transfer",
            "inputs": [
                {"name": "", "type": "address", "indexed": True},
                {"name": "", "type": "address", "indexed": True},
                {"name": "", "type": "uint256", "indexed": False},
            ],
            "anonymous": False,
        },
        {"type": "error", "name": "E", "inputs": [{"name": "", "type": "uint256"}]},
    ]
    assert contract.runtime_code == b"\x63" + keccak256(b"f(uint256,int256[2])")[:4]


# ------------------------------------------------------------------ creation code, files


def test_bootstrap_without_constructor() -> None:
    contract = compiled("#define macro MAIN() = { stop }")
    assert contract.creation_code.hex() == "60018060093d393df3" + "00"


@pytest.mark.parametrize(
    ("constructor_bytes", "runtime_bytes", "bootstrap"),
    [
        (1, 255, "60ff80600a3d393df3"),
        (1, 256, "61010080600b3d393df3"),
        (246, 1, "60018060ff3d393df3"),
        (247, 1, "6001806101013d393df3"),
        (300, 300, "61012c806101373d393df3"),
    ],
)
def test_bootstrap_sizes(constructor_bytes: int, runtime_bytes: int, bootstrap: str) -> None:
    constructor, main = "pc " * constructor_bytes, "gas " * runtime_bytes
    contract = compiled(
        f"#define macro CONSTRUCTOR() = {{ {constructor} }}\n#define macro MAIN() = {{ {main} }}"
    )
    code = contract.creation_code
    assert code.hex() == "58" * constructor_bytes + bootstrap + "5a" * runtime_bytes
    offset = len(code) - runtime_bytes
    assert code[offset:] == contract.runtime_code


def test_no_bootstrap_behind_a_constructor_that_returns() -> None:
    contract = compiled(
        "#define macro CONSTRUCTOR() = { 0x00 0x00 return }\n#define macro MAIN() = { stop }"
    )
    assert contract.creation_code.hex() == "5f5ff300"


def test_runtime_code_has_a_largest_size() -> None:
    fits = compiled(f"#define macro MAIN() = {{ {'gas ' * MAX_RUNTIME_BYTES} }}")
    assert len(fits.runtime_code) == MAX_RUNTIME_BYTES
    with pytest.raises(SourceError, match="must be at most 24576 bytes, was 24577"):
        compiled(f"#define macro MAIN() = {{ {'gas ' * (MAX_RUNTIME_BYTES + 1)} }}")


def test_includes_are_read_once_and_relative_to_their_file() -> None:
    files = {
        "src/Main.huff": '#include "lib/a.huff"\n#include "b.huff"\n#define macro MAIN() = { A() }',
        "src/lib/a.huff": '#include "../b.huff"\n#define macro A() = { [B] }',
        "src/b.huff": "#define constant B = 0x07",
    }
    reads: list[str] = []

    def read(path: str) -> str:
        reads.append(path)
        return files[path]

    contract = compile_file(read, "src/Main.huff", "cancun")
    assert contract.runtime_code.hex() == "6007"
    assert contract.name == "Main"
    assert reads == list(contract.files) == ["src/Main.huff", "src/lib/a.huff", "src/b.huff"]


def test_an_error_in_an_included_file_names_that_file() -> None:
    with pytest.raises(SourceError, match=r"^a\.huff:2: "):
        compiled(
            '#include "a.huff"\n#define macro MAIN() = { A() }', a="\n#define macro A() = { x }"
        )
