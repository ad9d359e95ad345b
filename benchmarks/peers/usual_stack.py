"""Worker: what most Python bots do with a log and a transaction, json, eth_abi and eth-account (on libsecp256k1 where coincurve is)."""

import importlib.metadata
import json
from typing import Any

import eth_abi
from eth_account import Account
from eth_utils.address import to_checksum_address
from line import nanoseconds, serve

SWAP_TYPES = ["int256", "int256", "uint160", "uint128", "int24"]
CALL_TYPES = ["address[]", "uint256[]", "uint256", "address", "address"]
SELECTOR = bytes.fromhex("6f6400d3")
KEY = "0x" + "01" * 32

Event = dict[str, Any]


def event_of(frame: str | bytes) -> Event:
    """Return the swap in a subscription frame, every field that a bot reads as a value."""
    log = json.loads(frame)["params"]["result"]
    values = eth_abi.decode(SWAP_TYPES, bytes.fromhex(log["data"][2:]))
    sender, recipient = (
        eth_abi.decode(["address"], bytes.fromhex(topic[2:]))[0] for topic in log["topics"][1:]
    )
    return {
        "address": log["address"],
        "sender": sender,
        "recipient": recipient,
        "amount0": values[0],
        "amount1": values[1],
        "sqrt_price": values[2],
        "liquidity": values[3],
        "tick": values[4],
        "block": int(log["blockNumber"], 16),
        "log_index": int(log["logIndex"], 16),
        "transaction": log["transactionHash"],
    }


def calldata_of(
    pools: list[str], amounts: list[int], min_profit: int, token: str, recipient: str
) -> bytes:
    """Return the calldata of the flash arbitrage contract."""
    return SELECTOR + eth_abi.encode(CALL_TYPES, [pools, amounts, min_profit, token, recipient])


def prepared(fields: dict[str, Any]) -> dict[str, Any]:
    """Return fields as eth-account accepts them: addresses with their checksum."""
    return {**fields, "to": to_checksum_address(fields["to"])}


def signed(fields: dict[str, Any]) -> bytes:
    """Return a signed dynamic-fee transaction."""
    return bytes(Account.sign_transaction(fields, KEY).raw_transaction)


def hello() -> str:
    """Name the parts."""
    version = importlib.metadata.version
    return f"json, eth_abi {version('eth_abi')}, eth-account {version('eth-account')}"


def decode(frame: str) -> Event:
    return event_of(frame)


def time_decode(frame: str, budget_ms: float) -> float:
    raw = frame.encode()
    return nanoseconds(lambda: event_of(raw), budget_ms)


def calldata(call: list[Any]) -> str:
    return calldata_of(*call).hex()


def time_calldata(call: list[Any], budget_ms: float) -> float:
    return nanoseconds(lambda: calldata_of(*call), budget_ms)


def sign(fields: dict[str, Any]) -> str:
    return signed(prepared(fields)).hex()


def time_sign(fields: dict[str, Any], budget_ms: float) -> float:
    fields = prepared(fields)
    return nanoseconds(lambda: signed(fields), budget_ms)


if __name__ == "__main__":
    serve(
        {
            "hello": hello,
            "decode": decode,
            "time_decode": time_decode,
            "calldata": calldata,
            "time_calldata": time_calldata,
            "sign": sign,
            "time_sign": time_sign,
        }
    )
