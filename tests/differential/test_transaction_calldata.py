import random

from eth_abi import encode

from alphapulse.execution.transaction_builder import (
    FLASH_ARBITRAGE_SELECTOR,
    flash_arbitrage_calldata,
)

TYPES = ["address[]", "uint256[]", "uint256", "address", "address"]


def test_calldata_equals_the_general_encoder():
    """Oracle: eth_abi. Covers: C8."""
    seed = 411
    print(f"seed {seed}")
    draw = random.Random(seed)
    for _ in range(1_000):
        count = draw.randrange(1, 17)
        pools = [draw.randbytes(20) for _ in range(count)]
        amounts = [draw.randrange(1, 2 ** draw.choice((8, 64, 256)))]
        amounts += [draw.choice((0, draw.randrange(2**256))) for _ in range(count - 1)]
        floor = draw.randrange(1, 2**256)
        token, owner = draw.randbytes(20), draw.randbytes(20)
        expected = FLASH_ARBITRAGE_SELECTOR + encode(TYPES, [pools, amounts, floor, token, owner])
        assert flash_arbitrage_calldata(pools, amounts, floor, token, owner) == expected
