"""The machine's word: where a contract's checked arithmetic would overflow, a pool cannot be asked."""

from alphapulse.amm.uniswap_v3.full_math import div_floor, div_up
from alphapulse.errors import PoolNotTradeable

__all__ = ["divided", "divided_up", "word"]

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


def divided(numerator: int, denominator: int) -> int:
    """Return the quotient of two words, rounded down.

    Units   any.
    Range   0 <= numerator < 2**256; 0 < denominator < 2**256.
    Raises  PoolNotTradeable outside, where the contract reverts.
    Source  Solidity's checked arithmetic.
    """
    return div_floor(word(numerator), _divisor(denominator))


def divided_up(numerator: int, denominator: int) -> int:
    """Return the quotient of two words, rounded up.

    Units   any.
    Range   as divided.
    Raises  as divided.
    Source  Solidity's checked arithmetic.
    """
    return div_up(word(numerator), _divisor(denominator))


def _divisor(value: int) -> int:
    if not 0 < value < WORD:
        raise PoolNotTradeable("the contract's arithmetic overflows on this state")
    return value
