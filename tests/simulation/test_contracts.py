"""The contract project: its forge tests, its committed bytes, its gas, its interface.

Oracles: published bytecode of Uniswap and Aave (in forge), the Solidity model, `solc`'s ABI.
Covers: C6, C7, C8.
"""

import json
import shutil
from itertools import pairwise

import pytest

from alphapulse.evm.hashing import keccak256
from alphapulse.evm.huff.artifact import artifact_text, manifest_text
from alphapulse.evm.huff.opcodes import OPCODES, PUSH0
from support.contract_forge import (
    ARTIFACTS,
    CACHE,
    CONTRACTS,
    FORGE,
    ForgeRun,
    compiled,
    run_forge,
    source_texts,
)

needs_forge = pytest.mark.skipif(
    not FORGE.exists() or shutil.which("node") is None,
    reason="needs node and node_modules (npm ci)",
)

# Fewer would mean that forge did not find a test file.
LEAST_TESTS = 97

EXTERNAL_SELECTORS = {
    "SEL_FLASH_LOAN_SIMPLE": "flashLoanSimple(address,address,uint256,bytes,uint16)",
    "SEL_TRANSFER": "transfer(address,uint256)",
    "SEL_APPROVE": "approve(address,uint256)",
    "SEL_BALANCE_OF": "balanceOf(address)",
    "SEL_TOKEN0": "token0()",
    "SEL_TOKEN1": "token1()",
    "SEL_GET_RESERVES": "getReserves()",
    "SEL_V2_SWAP": "swap(uint256,uint256,address,bytes)",
    "SEL_V3_SWAP": "swap(address,bool,int256,uint160,bytes)",
}


@pytest.fixture(scope="module")
def forge_run() -> ForgeRun:
    return run_forge()


def signatures(abi: list[dict[str, object]]) -> set[tuple[str, ...]]:
    def types(parameters: object) -> str:
        assert isinstance(parameters, list)
        return ",".join(parameter["type"] for parameter in parameters)

    return {
        (
            str(entry["type"]),
            str(entry.get("name", "")),
            types(entry["inputs"]),
            types(entry.get("outputs", [])),
            str(entry.get("stateMutability", "")),
        )
        for entry in abi
    }


@needs_forge
def test_forge_tests_pass(forge_run: ForgeRun) -> None:
    print(f"forge: {len(forge_run.passed)} passed, {len(forge_run.failed)} failed")
    assert forge_run.failed == ()
    assert len(forge_run.passed) >= LEAST_TESTS


@needs_forge
def test_gas_of_successful_flows_is_the_committed_gas(forge_run: ForgeRun) -> None:
    """After an intended change: copy contracts/cache/gas.json to contracts/gas.json."""
    assert "GasTest::test_gas_of_successful_runs()" in forge_run.passed
    measured = json.loads((CACHE / "gas.json").read_text())
    assert measured == json.loads((CONTRACTS / "gas.json").read_text())


@needs_forge
def test_interface_is_that_of_the_solidity_model(forge_run: ForgeRun) -> None:
    assert forge_run.passed
    path = CONTRACTS / "out" / "FlashArbitrageModel.sol" / "FlashArbitrageModel.json"
    model = json.loads(path.read_text())["abi"]
    ours = json.loads((ARTIFACTS / "FlashArbitrage.json").read_text())["abi"]
    assert signatures(ours) == signatures(model)


def test_a_rebuild_reproduces_artifact_and_manifest() -> None:
    """After an intended change: the build line in the head of the Huff source."""
    texts = source_texts()
    contract = compiled(texts)
    assert set(contract.files) == set(texts), "every source is part of the contract"
    assert artifact_text(contract) == (ARTIFACTS / "FlashArbitrage.json").read_text()
    assert manifest_text(contract, texts) == (ARTIFACTS / "manifest.json").read_text()


def test_every_jump_of_the_code_goes_to_a_target() -> None:
    """Each jump follows the push of its address, and a jumpdest stands there."""
    code = compiled(source_texts()).runtime_code
    instructions: dict[int, tuple[int, int]] = {}
    offset = 0
    while offset < len(code):
        width = code[offset] - PUSH0 if PUSH0 < code[offset] <= PUSH0 + 32 else 0
        value = int.from_bytes(code[offset + 1 : offset + 1 + width], "big")
        instructions[offset] = (code[offset], value)
        offset += 1 + width
    assert offset == len(code)
    jump, jumpi, jumpdest = (OPCODES[name].byte for name in ("jump", "jumpi", "jumpdest"))
    ordered = list(instructions.values())
    targets = set()
    for before, (opcode, _) in pairwise(ordered):
        if opcode in {jump, jumpi}:
            assert before[0] == PUSH0 + 2
            assert instructions[before[1]][0] == jumpdest
            targets.add(before[1])
    labels = {place for place, (opcode, _) in instructions.items() if opcode == jumpdest}
    assert targets == labels, "and no label is unused"


def test_hashes_of_the_artifact_are_those_of_its_code() -> None:
    artifact = json.loads((ARTIFACTS / "FlashArbitrage.json").read_text())
    for code, digest in (
        ("bytecode", "bytecodeHash"),
        ("runtimeBytecode", "runtimeBytecodeHash"),
    ):
        raw = bytes.fromhex(artifact[code].removeprefix("0x"))
        assert artifact[digest] == "0x" + keccak256(raw).hex()
    assert artifact["runtimeBytecode"].removeprefix("0x") in artifact["bytecode"]


def test_entry_point_has_the_selector_that_callers_know() -> None:
    artifact = json.loads((ARTIFACTS / "FlashArbitrage.json").read_text())
    entry = next(item for item in artifact["abi"] if item.get("name") == "flashloanArbitrage")
    signature = f"flashloanArbitrage({','.join(item['type'] for item in entry['inputs'])})"
    assert keccak256(signature.encode())[:4].hex() == "6f6400d3"


def test_selectors_of_others_are_the_hashes_of_their_signatures() -> None:
    layout = source_texts()["layout.huff"]
    constants = {
        words[2]: int(words[4], 16)
        for line in layout.splitlines()
        if (words := line.split()) and words[:2] == ["#define", "constant"]
    }
    written = {name for name in constants if name.startswith("SEL_")}
    assert written == set(EXTERNAL_SELECTORS)
    for name, signature in EXTERNAL_SELECTORS.items():
        assert constants[name] == int.from_bytes(keccak256(signature.encode())[:4], "big"), name


def test_every_line_of_code_has_its_stack_comment() -> None:
    """Covers: C7. A line inside a macro says the stack after it, or ends the execution."""
    endings = ("revert", "return", "stop", "{", "}", "returndatacopy", "FAIL()")
    for name, text in source_texts().items():
        depth = 0
        for number, line in enumerate(text.splitlines(), 1):
            code, _, comment = line.partition("//")
            depth += code.count("{") - code.count("}")
            stripped = code.strip()
            if depth == 0 or not stripped or stripped.endswith(endings) or name == "interface.huff":
                continue
            is_covered = comment.strip().startswith("[") or stripped.endswith(":")
            is_ending = stripped.startswith(("pop ", "ANSWER_WORD("))
            assert is_covered or is_ending, f"{name}:{number}: {line}"
