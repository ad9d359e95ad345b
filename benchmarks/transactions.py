"""D11, D12: a swap's frame to a typed event, calldata and signature, beside json, eth_abi and eth-account.

Both sides begin with the text of the frame: the framing of the WebSocket, which costs the usual stack more, is left out of both. Both
sign with libsecp256k1, and the bytes must be the same.
"""

from collections.abc import Callable, Mapping
from functools import partial

from coincurve import PrivateKey

from alphapulse.evm.logs import V3Swap
from alphapulse.evm.transaction import UnsignedTransaction, sign
from alphapulse.execution.transaction_builder import flash_arbitrage_calldata
from peers.cases import address_of
from peers.line import Worker, nanoseconds
from peers.report import PYTHON, USUAL, Effort, Row, interleaved, main, party, row
from peers.wire import SENDER, decoded, swap_frame

DECODE_GOAL = 8.0
CALLDATA_GOAL = 30.0
SIGN_GOAL = 10.0
KEY = PrivateKey(b"\x01" * 32)
CHAIN_ID = 31337
SWAP = V3Swap(
    sender=SENDER,
    recipient=SENDER,
    amount0=1_000_000_000,
    amount1=-497_264_676_616_915_422,
    sqrt_price_x96=1767183122022033875155620154763389,
    liquidity=20_217_042_631_528_184_321,
    tick=200_261,
)
AMOUNT = 123_456_789_012_345_678_901


def of_hex(text: str) -> bytes:
    """Return the bytes of hexadecimal text."""
    return bytes.fromhex(text.removeprefix("0x"))


def event_fields(frame: bytes) -> dict[str, object]:
    """Return our event under the peer's names."""
    entry, swap = decoded(frame)
    assert isinstance(swap, V3Swap)
    return {
        "address": "0x" + entry.address.hex(),
        "sender": "0x" + swap.sender.hex(),
        "recipient": "0x" + swap.recipient.hex(),
        "amount0": swap.amount0,
        "amount1": swap.amount1,
        "sqrt_price": swap.sqrt_price_x96,
        "liquidity": swap.liquidity,
        "tick": swap.tick,
        "block": entry.block,
        "log_index": entry.log_index,
        "transaction": "0x" + entry.tx_hash.hex(),
    }


def signed_bytes(fields: Mapping[str, object], data: bytes) -> bytes:
    """Return our signed transaction of the peer's fields."""
    transaction = UnsignedTransaction(
        chain_id=CHAIN_ID,
        nonce=7,
        max_priority_fee_per_gas=10**9,
        max_fee_per_gas=3 * 10**9,
        gas_limit=600_000,
        to=of_hex(str(fields["to"])),
        value=0,
        data=data,
    )
    return sign(transaction, KEY).raw


def compare(
    identity: str,
    what: str,
    ours: Callable[[], object],
    theirs: Callable[[], float] | None,
    *,
    name: str,
    same: bool,
    goal: float,
    effort: Effort,
) -> Row:
    """Return one row."""
    measures: dict[str, Callable[[], float]] = {
        PYTHON: partial(nanoseconds, ours, effort.budget_ms)
    }
    if theirs is not None:
        measures[USUAL] = theirs
    taken = interleaved(measures, effort.rounds)
    peer_value = taken.get(USUAL) if same else None
    return row(
        identity,
        what,
        twin=PYTHON,
        value=taken[PYTHON] / 1e3,
        peer=name if same else f"{name}: answers differ",
        peer_value=None if peer_value is None else peer_value / 1e3,
        goal=goal,
    )


def rows_of(peer: Worker | None, name: str, effort: Effort) -> list[Row]:
    """Return all rows; without the peer they stand alone."""
    budget_ms = effort.budget_ms

    def timed(do: str, **arguments: object) -> Callable[[], float] | None:
        return None if peer is None else partial(peer.ask, do, **arguments, budget_ms=budget_ms)

    def equal(do: str, ours: object, **arguments: object) -> bool:
        return peer is None or peer.ask(do, **arguments) == ours

    pool = of_hex(address_of("pool", "transactions"))
    frame = swap_frame(pool, SWAP, 19_000_000)
    rows = [
        compare(
            "D11",
            f"frame of a swap, {len(frame)} bytes, to typed event",
            lambda: decoded(frame),
            timed("time_decode", frame=frame.decode()),
            name=name,
            same=equal("decode", event_fields(frame), frame=frame.decode()),
            goal=DECODE_GOAL,
            effort=effort,
        )
    ]
    for hops in (2, 3):
        texts = [address_of("pool", hops, place) for place in range(hops)]
        amounts = [AMOUNT, *[0] * (hops - 1)]
        ends = address_of("token"), address_of("recipient")
        call = [texts, amounts, AMOUNT // 1000, *ends]
        arguments = ([*map(of_hex, texts)], amounts, AMOUNT // 1000, *map(of_hex, ends))
        data = flash_arbitrage_calldata(*arguments)
        rows.append(
            compare(
                "D12",
                f"calldata of {hops} hops",
                partial(flash_arbitrage_calldata, *arguments),
                timed("time_calldata", call=call),
                name=name,
                same=equal("calldata", data.hex(), call=call),
                goal=CALLDATA_GOAL,
                effort=effort,
            )
        )
        fields = {
            "chainId": CHAIN_ID,
            "nonce": 7,
            "maxPriorityFeePerGas": 10**9,
            "maxFeePerGas": 3 * 10**9,
            "gas": 600_000,
            "to": address_of("contract"),
            "value": 0,
            "data": "0x" + data.hex(),
            "type": 2,
        }
        rows.append(
            compare(
                "D12",
                f"signed transaction of {hops} hops",
                partial(signed_bytes, fields, data),
                timed("time_sign", fields=fields),
                name=name,
                same=equal("sign", signed_bytes(fields, data).hex(), fields=fields),
                goal=SIGN_GOAL,
                effort=effort,
            )
        )
    return sorted(rows, key=lambda one: str(one["id"]))


def run(effort: Effort) -> tuple[list[Row], dict[str, object]]:
    """Return all rows."""
    with party((USUAL,), twins=()) as people:
        rows = rows_of(people.peers.get(USUAL), people.names.get(USUAL, f"{USUAL}: absent"), effort)
    return rows, {"rounds": effort.rounds}


if __name__ == "__main__":
    main("transactions", run)
