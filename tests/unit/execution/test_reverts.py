import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alphapulse.errors import DecodeError
from alphapulse.evm import abi
from alphapulse.execution.reverts import (
    Revert,
    decode_revert,
    error_table,
    reason_of_revert,
)
from alphapulse.protocol.execution import ExecutionReason

ARTIFACT = Path(__file__).parents[3] / "contracts" / "artifacts" / "FlashArbitrage.json"
TABLE = error_table(json.loads(ARTIFACT.read_text())["abi"])


def test_the_table_holds_the_errors_of_the_committed_abi():
    """Covers: C8."""
    assert TABLE[abi.selector("NotOwner()")] == "NotOwner()"
    assert TABLE[abi.selector("InsufficientProfit(uint256,uint256)")]


@pytest.mark.parametrize(
    ("output", "revert"),
    [
        (b"", Revert("empty", "no revert data")),
        (abi.encode_call("Error(string)", "UniswapV2: K"), Revert("Error", "UniswapV2: K")),
        (abi.encode_call("Panic(uint256)", 0x11), Revert("Panic", "arithmetic overflow")),
        (abi.encode_call("Panic(uint256)", 0x99), Revert("Panic", "code 153")),
        (
            abi.encode_call("InsufficientProfit(uint256,uint256)", 5, 7),
            Revert("InsufficientProfit", "5, 7"),
        ),
        (abi.selector("NotOwner()"), Revert("NotOwner", "")),
        (b"\x01\x02\x03\x04\x05", Revert("unknown", "0x0102030405")),
        (abi.selector("Error(string)") + b"\x05", Revert("unknown", "0x08c379a005")),
    ],
)
def test_reasons_are_decoded(output, revert):
    assert decode_revert(output, TABLE) == revert


def test_a_missed_floor_has_its_own_reason():
    missed = decode_revert(abi.encode_call("InsufficientProfit(uint256,uint256)", 5, 7), TABLE)
    assert reason_of_revert(missed) is ExecutionReason.INSUFFICIENT_PROFIT
    assert reason_of_revert(decode_revert(b"", TABLE)) is ExecutionReason.REVERTED


@given(st.binary(max_size=600))
def test_any_bytes_give_a_bounded_text(output):
    for prefix in (b"", *TABLE, abi.selector("Error(string)"), abi.selector("Panic(uint256)")):
        assert len(str(decode_revert(prefix + output, TABLE))) <= 250


def test_another_abi_shape_is_refused():
    with pytest.raises(DecodeError):
        error_table([{"type": "error", "name": "X", "inputs": 5}])
