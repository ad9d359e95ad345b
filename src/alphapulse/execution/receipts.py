"""What a receipt says about money. Pure."""

from collections.abc import Iterable

import msgspec

from alphapulse.errors import DecodeError, ValueOutOfRange
from alphapulse.evm.abi import topic
from alphapulse.primitives.address import Address, Hash32, address, hash32
from alphapulse.primitives.units import cut_toward_zero

__all__ = [
    "TRANSFER_TOPIC",
    "Receipt",
    "ReceiptLog",
    "balance_change",
    "net_usd_e8",
    "parse_receipt",
]

TRANSFER_TOPIC = topic("Transfer(address,address,uint256)")
NATIVE_DECIMALS = 18

_WORD = 32
_ADDRESS_PAD = bytes(12)


class ReceiptLog(msgspec.Struct, frozen=True):
    """One log of a receipt."""

    address: Address
    topics: tuple[bytes, ...]
    data: bytes


class Receipt(msgspec.Struct, frozen=True):
    """Outcome of an included transaction.

    Units   gas_cost in wei: gas used at the effective price, and the layer-1 data fee where the chain has one.
    """

    tx_hash: Hash32
    block: int
    block_hash: Hash32
    succeeded: bool
    gas_used: int
    effective_gas_price: int
    gas_cost: int
    logs: tuple[ReceiptLog, ...]


class _Log(msgspec.Struct, frozen=True):
    address: str
    topics: tuple[str, ...]
    data: str


class _Receipt(msgspec.Struct, frozen=True, rename="camel"):
    transaction_hash: str
    block_number: str
    block_hash: str
    status: str
    gas_used: str
    effective_gas_price: str
    logs: tuple[_Log, ...]
    l1_fee: str = "0x0"


_RECEIPT = msgspec.json.Decoder(_Receipt | None)


def parse_receipt(answer: bytes | msgspec.Raw) -> Receipt | None:
    """Return the receipt in an answer to `eth_getTransactionReceipt`, None for `null`.

    Raises  DecodeError when the answer is something else.
    """
    try:
        raw = _RECEIPT.decode(answer)
        if raw is None:
            return None
        gas_used = int(raw.gas_used, 16)
        price = int(raw.effective_gas_price, 16)
        return Receipt(
            tx_hash=hash32(raw.transaction_hash),
            block=int(raw.block_number, 16),
            block_hash=hash32(raw.block_hash),
            succeeded=int(raw.status, 16) == 1,
            gas_used=gas_used,
            effective_gas_price=price,
            gas_cost=gas_used * price + int(raw.l1_fee, 16),
            logs=tuple(
                ReceiptLog(
                    address(log.address),
                    tuple(hash32(item) for item in log.topics),
                    bytes.fromhex(log.data.removeprefix("0x")),
                )
                for log in raw.logs
            ),
        )
    except (msgspec.MsgspecError, ValueError, ValueOutOfRange) as error:
        raise DecodeError("bad_receipt", 0, str(error)) from error


def balance_change(logs: Iterable[ReceiptLog], token: bytes, account: bytes) -> int:
    """Return by how much Transfer logs of `token` change the balance of `account`.

    Units   smallest units of the token.
    Range   holds for tokens whose balances move by Transfer alone, in full.
    Source  ERC-20; a simulation test compares it with `balanceOf` before and after.
    """
    word = _ADDRESS_PAD + account
    change = 0
    for log in logs:
        if log.address != token or len(log.topics) != 3 or log.topics[0] != TRANSFER_TOPIC:
            continue
        amount = int.from_bytes(log.data[:_WORD], "big")
        if log.topics[2] == word:
            change += amount
        if log.topics[1] == word:
            change -= amount
    return change


def net_usd_e8(
    profit: int,
    *,
    profit_decimals: int,
    profit_token_usd_e8: int,
    gas_cost_wei: int,
    native_usd_e8: int,
) -> int:
    """Return profit minus gas in USD * 10**8, cut toward zero once at the end.

    Units   profit in smallest units of its token; prices in USD * 10**8 per whole token.
    """
    profit_scale = 10**profit_decimals
    native_scale = 10**NATIVE_DECIMALS
    return cut_toward_zero(
        profit * profit_token_usd_e8 * native_scale - gas_cost_wei * native_usd_e8 * profit_scale,
        profit_scale * native_scale,
    )
