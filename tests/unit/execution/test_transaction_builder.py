import pytest

from alphapulse.errors import ValueOutOfRange
from alphapulse.evm.abi import selector
from alphapulse.execution.transaction_builder import (
    FLASH_ARBITRAGE_SELECTOR,
    FLASH_ARBITRAGE_SIGNATURE,
    flash_arbitrage_calldata,
    recipient_of,
)

POOL, TOKEN, OWNER = b"\x01" * 20, b"\x02" * 20, b"\x03" * 20


def test_the_selector_is_that_of_the_signature():
    """Covers: C8."""
    assert selector(FLASH_ARBITRAGE_SIGNATURE) == FLASH_ARBITRAGE_SELECTOR


def test_a_zero_floor_is_refused():
    """Covers: C4."""
    with pytest.raises(ValueOutOfRange, match="min_profit"):
        flash_arbitrage_calldata([POOL], [1], 0, TOKEN, OWNER)
    with pytest.raises(ValueOutOfRange, match="amounts"):
        flash_arbitrage_calldata([POOL], [0], 1, TOKEN, OWNER)


@pytest.mark.parametrize(
    ("pools", "amounts", "floor", "token", "owner"),
    [
        ([], [], 1, TOKEN, OWNER),
        ([POOL], [1, 0], 1, TOKEN, OWNER),
        ([POOL] * 17, [1] * 17, 1, TOKEN, OWNER),
        ([POOL[:-1]], [1], 1, TOKEN, OWNER),
        ([POOL], [1], 1, TOKEN + b"\0", OWNER),
        ([POOL], [1], 1, TOKEN, b""),
        ([POOL], [2**256], 1, TOKEN, OWNER),
        ([POOL], [1], 2**256, TOKEN, OWNER),
        ([POOL, POOL], [1, -1], 1, TOKEN, OWNER),
    ],
)
def test_what_does_not_fit_is_refused(pools, amounts, floor, token, owner):
    with pytest.raises(ValueOutOfRange):
        flash_arbitrage_calldata(pools, amounts, floor, token, owner)


def test_the_recipient_can_be_read_back():
    assert recipient_of(flash_arbitrage_calldata([POOL], [1], 1, TOKEN, OWNER)) == OWNER
    assert recipient_of(b"") is None
    assert recipient_of(FLASH_ARBITRAGE_SELECTOR + bytes(31)) is None
