import json

import msgspec
import pytest

from alphapulse.errors import DecodeError
from alphapulse.execution.receipts import (
    TRANSFER_TOPIC,
    ReceiptLog,
    balance_change,
    net_usd_e8,
    parse_receipt,
)

TOKEN, OTHER, ME, YOU = b"\x01" * 20, b"\x02" * 20, b"\x03" * 20, b"\x04" * 20


def transfer(token: bytes, sender: bytes, recipient: bytes, amount: int) -> ReceiptLog:
    pad = bytes(12)
    return ReceiptLog(
        token, (TRANSFER_TOPIC, pad + sender, pad + recipient), amount.to_bytes(32, "big")
    )


def test_the_change_is_what_came_less_what_went():
    """Covers: S8."""
    logs = (
        transfer(TOKEN, YOU, ME, 1_000),
        transfer(TOKEN, ME, YOU, 300),
        transfer(OTHER, YOU, ME, 5_000),
        transfer(TOKEN, YOU, YOU, 70),
        transfer(TOKEN, ME, ME, 11),
        ReceiptLog(TOKEN, (TRANSFER_TOPIC,), b""),
        ReceiptLog(TOKEN, (bytes(32), bytes(12) + YOU, bytes(12) + ME), bytes(31) + b"\x09"),
    )
    assert balance_change(logs, TOKEN, ME) == 700
    assert balance_change(logs, TOKEN, YOU) == -700
    assert balance_change((), TOKEN, ME) == 0


def receipt_json(**changes: object) -> bytes:
    fields = {
        "transactionHash": "0x" + "11" * 32,
        "blockNumber": "0x10",
        "blockHash": "0x" + "22" * 32,
        "status": "0x1",
        "gasUsed": "0x5208",
        "effectiveGasPrice": "0x3",
        "logs": [{"address": "0x" + "01" * 20, "topics": ["0x" + "33" * 32], "data": "0x0a"}],
        "unknown": None,
    }
    return json.dumps(fields | changes).encode()


def test_a_receipt_is_parsed():
    receipt = parse_receipt(receipt_json())
    assert receipt is not None
    assert (receipt.block, receipt.succeeded, receipt.gas_cost) == (16, True, 63_000)
    assert receipt.logs == (ReceiptLog(TOKEN, (b"\x33" * 32,), b"\x0a"),)
    assert parse_receipt(msgspec.Raw(b"null")) is None


def test_the_layer_1_fee_is_part_of_the_cost():
    receipt = parse_receipt(receipt_json(l1Fee="0x7", status="0x0"))
    assert receipt is not None
    assert receipt.gas_cost == 63_007
    assert not receipt.succeeded


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"[]",
        b"5",
        receipt_json(gasUsed="x"),
        receipt_json(blockHash="0x11"),
        receipt_json(logs=None),
    ],
)
def test_another_answer_is_refused(answer):
    with pytest.raises(DecodeError):
        parse_receipt(answer)


def test_net_dollars_are_cut_toward_zero_once():
    rates = {"profit_token_usd_e8": 10**8, "native_usd_e8": 2_000 * 10**8, "profit_decimals": 6}
    assert net_usd_e8(1_500_000, gas_cost_wei=10**14, **rates) == 130_000_000
    assert net_usd_e8(0, gas_cost_wei=1, **rates) == 0
    assert net_usd_e8(0, gas_cost_wei=10**14, **rates) == -20_000_000
    assert net_usd_e8(-1, gas_cost_wei=0, **rates) == -100
