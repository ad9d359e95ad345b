import json
from itertools import pairwise
from pathlib import Path

import pytest
from eth_account import Account

from alphapulse.errors import DecodeError, Misconfigured
from alphapulse.evm import abi, rlp
from alphapulse.evm.transaction import recover_sender
from alphapulse.execution.gas import next_base_fee
from alphapulse.execution.wallet import Wallet

VECTORS = Path(__file__).parents[2].parent / "shared" / "data" / "exact_vectors" / "ethereum__tests"

pytestmark = [
    pytest.mark.shared_data,
    pytest.mark.skipif(not VECTORS.is_dir(), reason="shared data is not here"),
]


def load(name: str) -> dict:
    return json.loads((VECTORS / name).read_text())


def to_item(value: object) -> rlp.Item:
    if isinstance(value, list):
        return [to_item(part) for part in value]
    if isinstance(value, str) and value.startswith("#"):
        return rlp.integer(int(value[1:]))
    return value.encode("latin-1") if isinstance(value, str) else rlp.integer(value)


def test_rlp_of_the_published_cases():
    """Oracle: ethereum/tests."""
    for name, case in load("RLPTests/rlptest.json").items():
        item, expected = to_item(case["in"]), bytes.fromhex(case["out"][2:])
        assert rlp.encode(item) == expected, name
        assert rlp.decode(expected) == item, name


def test_invalid_rlp_is_refused():
    """Oracle: ethereum/tests."""
    for name, case in load("RLPTests/invalidRLPTest.json").items():
        with pytest.raises(DecodeError):
            print(name, rlp.decode(bytes.fromhex(case["out"].removeprefix("0x"))))


@pytest.mark.parametrize(
    "path", sorted((VECTORS / "TransactionTests").rglob("*.json")), ids=lambda path: path.stem
)
def test_dynamic_fee_transactions(path):
    """Oracle: ethereum/tests; other transaction types are refused by their first byte."""
    for case in json.loads(path.read_text()).values():
        raw = bytes.fromhex(case["txbytes"][2:])
        expected = case["result"].get("Shanghai", {})
        if raw[:1] != b"\x02" or "sender" not in expected:
            with pytest.raises(DecodeError):
                recover_sender(raw)
        else:
            assert recover_sender(raw).hex() == expected["sender"][2:]


def test_abi_of_the_published_cases():
    """Oracle: ethereum/tests."""
    for case in load("ABITests/basic_abi_tests.json").values():
        arguments = [
            value.encode() if kind.startswith("bytes") else value
            for kind, value in zip(case["types"], case["args"], strict=True)
        ]
        assert abi.encode(case["types"], arguments).hex() == case["result"]


def test_base_fees_of_published_chains():
    """Oracle: ethereum/tests. Covers: G2."""
    checked = 0
    for path in sorted((VECTORS / "BlockchainTests/ValidBlocks/bcEIP1559").glob("*.json")):
        for case in json.loads(path.read_text()).values():
            headers = [case["genesisBlockHeader"]]
            headers += [block["blockHeader"] for block in case["blocks"] if "blockHeader" in block]
            for parent, child in pairwise(headers):
                if child["parentHash"] != parent["hash"] or "baseFeePerGas" not in parent:
                    continue
                figures = (int(parent[key], 16) for key in ("baseFeePerGas", "gasUsed", "gasLimit"))
                assert next_base_fee(*figures) == int(child["baseFeePerGas"], 16)
                checked += 1
    assert checked >= 100


def test_keystores_open(tmp_path):
    """Oracle: ethereum/tests."""
    opened = 0
    for case in load("KeyStoreTests/basic_tests.json").values():
        parameters = case["json"].get("crypto", case["json"].get("Crypto"))["kdfparams"]
        if parameters.get("n", 0) > 2**14 or parameters.get("c", 0) > 300_000:
            continue  # seconds of key stretching each
        path = tmp_path / "keystore.json"
        path.write_text(json.dumps(case["json"]))
        try:
            wallet = Wallet.load(path, case["password"])
        except Misconfigured:
            continue
        assert wallet.address.hex() == Account.from_key(case["priv"]).address[2:].lower()
        opened += 1
    assert opened >= 1
