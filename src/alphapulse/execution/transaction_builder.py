"""The calldata of the flash arbitrage contract, packed without a general encoder. Pure.

The layout is the ABI's: five head words, then the two arrays. A differential test compares it with eth_abi.
"""

from collections.abc import Sequence

from alphapulse.errors import ValueOutOfRange
from alphapulse.primitives.address import Address

__all__ = [
    "FLASH_ARBITRAGE_SELECTOR",
    "FLASH_ARBITRAGE_SIGNATURE",
    "MAX_HOPS",
    "flash_arbitrage_calldata",
    "recipient_of",
]

FLASH_ARBITRAGE_SIGNATURE = "flashloanArbitrage(address[],uint256[],uint256,address,address)"
FLASH_ARBITRAGE_SELECTOR = bytes.fromhex("6f6400d3")
MAX_HOPS = 16  # the wire protocol's bound on a path

_HEAD_BYTES = 5 * 32
_RECIPIENT_OFFSET = 4 + 4 * 32
_PAD = bytes(12)
_PREFIX = FLASH_ARBITRAGE_SELECTOR + _HEAD_BYTES.to_bytes(32, "big")


def flash_arbitrage_calldata(
    pools: Sequence[bytes],
    amounts: Sequence[int],
    min_profit: int,
    profit_token: bytes,
    recipient: bytes,
) -> bytes:
    """Return the calldata that borrows amounts[0] of profit_token and walks the pools in order.

    Units   amounts[0] and min_profit in smallest units of profit_token; amounts[i > 0] is 0 for "all that step i - 1
            paid", else the amount handed to pool i.
    Range   1 to 16 pools, as many amounts; amounts[0] and min_profit in 1 ... 2**256 - 1; addresses have 20 bytes.
    Raises  ValueOutOfRange when any of that does not hold.
    Source  Solidity ABI specification, argument encoding of dynamic types.
    """
    count = len(pools)
    if not 1 <= count <= MAX_HOPS or len(amounts) != count:
        raise ValueOutOfRange(
            f"`pools` and `amounts` must have the same length of 1 to {MAX_HOPS}, "
            f"had {count} and {len(amounts)}"
        )
    if min_profit <= 0 or amounts[0] <= 0:
        raise ValueOutOfRange(
            f"`min_profit` and `amounts[0]` must be above 0, were {min_profit} and {amounts[0]}"
        )
    length = count.to_bytes(32, "big")
    try:
        parts = [
            _PREFIX,
            (_HEAD_BYTES + 32 + 32 * count).to_bytes(32, "big"),
            min_profit.to_bytes(32, "big"),
            _word(profit_token),
            _word(recipient),
            length,
            *map(_word, pools),
            length,
        ]
        for amount in amounts:
            parts.append(amount.to_bytes(32, "big"))
    except OverflowError as error:
        raise ValueOutOfRange("`amounts` and `min_profit` must fit 256 bits unsigned") from error
    return b"".join(parts)


def recipient_of(calldata: bytes) -> Address | None:
    """Return who receives the profit of a flash arbitrage call, None when it is another call."""
    word = calldata[_RECIPIENT_OFFSET : _RECIPIENT_OFFSET + 32]
    if calldata[:4] != FLASH_ARBITRAGE_SELECTOR or len(word) != 32:
        return None
    return Address(word[12:])


def _word(address: bytes) -> bytes:
    if len(address) != 20:
        raise ValueOutOfRange(f"an address must have 20 bytes, had {len(address)}")
    return _PAD + address
