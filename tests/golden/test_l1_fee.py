"""Layer-1 fees against what chains recorded.

Recorded: OP mainnet, one transaction each of blocks 118024092 (Ecotone) and 124665056 (Fjord), with the gas and the fee that the
explorer shows; the files hold their signed bytes. Published with the OP stack's reference client: the FastLZ lengths and the fees of the
shortest transaction. The oracle of each test is named in it.
"""

import json
import os
from pathlib import Path

import pytest

from alphapulse.evm import transaction
from alphapulse.evm.hashing import keccak256
from alphapulse.execution.l1_fee import L1Prices, OpStackFee, OpStackFork, fastlz_length

HERE = Path(__file__).parent / "l1_fee"
SHARED = Path(os.environ.get("ALPHAPULSE_SHARED") or Path(__file__).parents[3] / "shared")
RECEIPTS = (
    SHARED / "data/evm_blocks_traces/enviodev__hypersync-client-rust/hypersync-format/test-data"
)
SHORTEST = bytes.fromhex("DD80808094095E7BAEA6A6C7C4C2DFEB977EFAC326AF552D878080808080")
GWEI = 10**9


def recorded(name: str) -> bytes:
    return bytes.fromhex("".join((HERE / f"{name}.hex").read_text().split()))


@pytest.mark.parametrize(
    ("name", "tx_hash"),
    [
        (
            "op_mainnet_ecotone",
            "a75ef696bf67439b4d5b61da85de9f3ceaa2e145abe982212101b244b63749c2",
        ),
        ("op_mainnet_fjord", "1059e8004daff32caa1f1b1ef97fe3a07a8cf40508f5b835b66d9420d87c4a4a"),
        ("op_mainnet_call", "8eb9dd4eb6d33f4dc25fb015919e4b1e9f7542f9b0322bf6622e268cd116b594"),
    ],
)
def test_the_bytes_are_those_of_the_recorded_transactions(name, tx_hash):
    raw = recorded(name)
    assert keccak256(raw).hex() == tx_hash
    transaction.decode_signed(raw)


def test_the_fee_of_an_ecotone_transaction():
    """Oracle: recorded. 2,456 gas and 7,306,020,222,001 wei."""
    chain = OpStackFee(OpStackFork.ECOTONE, base_fee_scalar=1_368, blob_base_fee_scalar=810_949)
    raw = recorded("op_mainnet_ecotone")
    assert chain.data_gas(raw) == 2_456
    assert chain.data_fee(raw, L1Prices(47_036_678_951, 57_422_457_042)) == 7_306_020_222_001


def test_the_fee_of_a_fjord_transaction():
    """Oracle: recorded. 4,471 gas and 24,681,034,813 wei."""
    chain = OpStackFee(OpStackFork.FJORD, base_fee_scalar=5_227, blob_base_fee_scalar=1_014_213)
    raw = recorded("op_mainnet_fjord")
    assert chain.data_gas(raw) == 4_471
    assert chain.data_fee(raw, L1Prices(1_055_991_687, 1)) == 24_681_034_813


@pytest.mark.parametrize(
    ("data", "length"),
    [
        (b"", 0),
        (b"\x01" * 1_000, 21),
        (bytes(1_000), 21),
        (SHORTEST, 31),
        (recorded("op_mainnet_call"), 202),
    ],
)
def test_fastlz_lengths(data, length):
    """Oracle: lengths published with the reference client."""
    assert fastlz_length(data) == length


@pytest.mark.parametrize(
    ("fork", "gas", "fee"),
    [
        (OpStackFork.BEDROCK, 1_568, 11_326_000_000_000),
        (OpStackFork.REGOLITH, 480, 3_710_000_000_000),
        (OpStackFork.ECOTONE, 480, 960_900),
        (OpStackFork.FJORD, 1_600, 3_203_000),
    ],
)
def test_the_fees_of_the_shortest_transaction(fork, gas, fee):
    """Oracle: published with the reference client; for Fjord its formula at the least size of 100 bytes."""
    chain = OpStackFee(
        fork, overhead=50, scalar=7 * 10**6, base_fee_scalar=2, blob_base_fee_scalar=3
    )
    assert chain.data_gas(SHORTEST) == gas
    assert chain.data_fee(SHORTEST, L1Prices(GWEI, 10**7)) == fee


def test_the_operator_fee_of_two_forks():
    """Oracle: published with an independent client."""
    for fork, fee in ((OpStackFork.ISTHMUS, 11), (OpStackFork.JOVIAN, 100_000_010)):
        chain = OpStackFee(fork, operator_fee_scalar=1_000, operator_fee_constant=10)
        assert chain.operator_fee(1_000) == fee


def receipt(name: str) -> dict:
    path = RECEIPTS / f"{name}.json"
    if not path.exists():
        pytest.skip("recorded receipts are not here")
    data = json.loads(path.read_text())
    return data.get("result", data)


@pytest.mark.shared_data
def test_the_fee_of_a_recorded_receipt_follows_from_its_gas():
    """Oracle: recorded. A Bedrock-formula receipt of OP mainnet: its gas holds the overhead already."""
    found = receipt("optimism_tx_receipt")
    gas, price, fee = (int(found[key], 16) for key in ("l1GasUsed", "l1GasPrice", "l1Fee"))
    whole, _, part = found["l1FeeScalar"].partition(".")
    scalar = int(whole + part.ljust(6, "0"))
    chain = OpStackFee(OpStackFork.REGOLITH, overhead=gas - 16, scalar=scalar)
    assert chain.data_fee(b"\x01", L1Prices(price)) == fee == 6_043_774_829_524


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("name", "execution"), [("arbitrum_tx_receipt", 146), ("arbitrum_tx_receipt2", 201_070)]
)
def test_gas_for_layer_1_is_part_of_gas_used_on_arbitrum(name, execution):
    """Oracle: recorded. What remains is the gas that the block's sum counts, so a limit must hold both."""
    found = receipt(name)
    used, for_l1 = int(found["gasUsed"], 16), int(found["gasUsedForL1"], 16)
    assert used - for_l1 == int(found["cumulativeGasUsed"], 16) == execution
