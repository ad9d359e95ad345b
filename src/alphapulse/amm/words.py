"""The machine's word: where a contract's checked arithmetic would overflow, a pool cannot be asked."""

from alphapulse.errors import PoolNotTradeable

__all__ = ["word"]

WORD = 2**256


def word(value: int) -> int:
    """Return the value of a product or sum that the contract computes in one word.

    Units   any.
    Range   0 <= value < 2**256.
    Raises  PoolNotTradeable outside, where the contract reverts.
    Source  Solidity's checked arithmetic.
    """
    if not 0 <= value < WORD:
        raise PoolNotTradeable("the contract's arithmetic overflows on this state")
    return value
