"""Every guard of the contract is proved by a call that fails only because of it.

Each mutant of the Huff sources lacks one guard: its conditional jump is taken out, or one term of
a compound condition. The forge tests must notice. Covers: C1, C3, C4, C7.
"""

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from alphapulse.evm.huff.artifact import artifact_text
from support.contract_forge import CACHE, CONTRACTS, FORGE, compiled, run_forge, source_texts

pytestmark = pytest.mark.skipif(
    not FORGE.exists() or shutil.which("node") is None,
    reason="needs node and node_modules (npm ci)",
)

REFUSALS = [
    "not_owner",
    "reentered",
    "bad_input",
    "bad_callback",
    "no_loan",
    "bad_pool",
    "bad_path",
    "partial_fill",
    "token_refused",
    "insufficient_profit",
    "bubble",
    "refuse",
]
GUARD = re.compile(rf"\b({'|'.join(REFUSALS)}) jumpi\b")

# Terms of compound conditions and cleanings: file, text as written, what a mutant has instead.
TERMS = (
    ("FlashArbitrage.huff", "[STAGE] tload [STAGE_ASKED] eq ", "0x01 "),
    ("FlashArbitrage.huff", "WORD_BEHIND(LENDER) caller eq and ", ""),
    ("FlashArbitrage.huff", "[LOAN_INITIATOR] calldataload address ", "dup1 dup1 "),
    ("FlashArbitrage.huff", "[LOAN_PARAMS_OFFSET] calldataload 0xa0 ", "dup1 dup1 "),
    ("FlashArbitrage.huff", "[STAGE_WALKING] [STAGE] tstore ", "0x01 [STAGE] tstore "),
    ("FlashArbitrage.huff", "0x00 [STAGE] tstore ", ""),
    ("FlashArbitrage.huff", "0x00 [PAY_TOKEN] tstore ", ""),
    ("FlashArbitrage.huff", "0x00 [PAY_AMOUNT] tstore ", ""),
    ("FlashArbitrage.huff", "0x00 [CALLEE] tstore ", ""),
    ("FlashArbitrage.huff", "0xa0 [IN_POOLS_OFFSET] calldataload xor ", "0x00 "),
    ("FlashArbitrage.huff", "[IN_AMOUNTS_OFFSET] calldataload xor or ", "pop "),
    ("FlashArbitrage.huff", "dup3 0xc4 add calldataload xor or ", "pop "),
    ("FlashArbitrage.huff", "dup2 0x01 shl 0xe4 add calldatasize xor ", "0x00 "),
    ("FlashArbitrage.huff", "dup1 iszero swap1 [AMOUNT_BITS] shr or  ", "[AMOUNT_BITS] shr "),
    ("FlashArbitrage.huff", "dup1 iszero swap1 [AMOUNT_BITS] shr or  ", "iszero "),
    ("FlashArbitrage.huff", "dup1 iszero swap1 [AMOUNT_BITS] shr or or ", "[AMOUNT_BITS] shr or "),
    ("FlashArbitrage.huff", "dup1 iszero swap1 [AMOUNT_BITS] shr or or ", "iszero or "),
    ("FlashArbitrage.huff", "[ADDRESS_BITS] shr or                     // [bad]", "pop"),
    ("FlashArbitrage.huff", "dup1 iszero                               // [zero, rec", "0x00 // ["),
    ("FlashArbitrage.huff", "dup2 [ADDRESS_BITS] shr or                // [bad rec", "// ["),
    ("FlashArbitrage.huff", "swap1 address eq or or ", "swap1 pop or "),
    ("FlashArbitrage.huff", "swap1 iszero or refuse jumpi ", "swap1 pop refuse jumpi "),
    (
        "FlashArbitrage.huff",
        "dup1 [ADDRESS_BITS] shr                   // [more than an",
        "0x00 // [",
    ),
    ("FlashArbitrage.huff", "dup2 0x40 mstore ", "0x00 not 0x40 mstore "),
    ("calls.huff", "extcodesize judged jump ", "pop 0x01 judged jump "),
    ("calls.huff", "0x00 mload 0x01 eq and ", "pop 0x01 "),
    ("steps.huff", "eq iszero and                             // [send", "pop pop // ["),
    ("steps.huff", "iszero nothing_stays jumpi ", "pop nothing_stays jump "),
    ("steps.huff", "returndatasize 0x60 eq and ", ""),
)


@dataclass(frozen=True, slots=True)
class Mutant:
    name: str
    texts: dict[str, str]


def mutants() -> Iterator[Mutant]:
    originals = source_texts()
    for file, text in originals.items():
        for number, match in enumerate(GUARD.finditer(text)):
            line = text.count("\n", 0, match.start()) + 1
            name = f"{file}:{line} {match[1]} ({number})"
            yield Mutant(
                name, originals | {file: text[: match.start()] + "pop" + text[match.end() :]}
            )
    for file, written, instead in TERMS:
        assert originals[file].count(written) >= 1, f"{file} has no `{written}`"
        name = f"{file} `{written.strip()}` -> `{instead.strip()}`"
        yield Mutant(name, originals | {file: originals[file].replace(written, instead, 1)})


def is_noticed(mutant: Mutant) -> bool:
    artifact = CACHE / "mutant" / "FlashArbitrage.json"
    artifact.parent.mkdir(parents=True, exist_ok=True)
    artifact.write_text(artifact_text(compiled(mutant.texts)))
    relative = Path("./") / artifact.relative_to(CONTRACTS)
    run = run_forge("--match-contract", "HuffTest", "--fail-fast", artifact=relative)
    return bool(run.failed)


def test_the_contract_itself_passes() -> None:
    """The control: a mutant that changes nothing goes unnoticed."""
    assert not is_noticed(Mutant("unchanged", source_texts()))


def test_no_guard_can_be_taken_out_unnoticed() -> None:
    found = tuple(mutants())
    unnoticed = {mutant.name for mutant in found if not is_noticed(mutant)}
    print(f"guards: {len(found)} mutants, {len(unnoticed)} unnoticed")
    assert unnoticed == set()
