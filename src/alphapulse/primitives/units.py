"""Units of money and time as types, and the divisions whose rounding has a name."""

from typing import NewType

__all__ = [
    "E8",
    "MAX_UINT128",
    "MAX_UINT256",
    "PIPS",
    "Nanoseconds",
    "Wei",
    "cut_toward_zero",
    "div_ceil",
    "div_floor",
]

Wei = NewType("Wei", int)
Nanoseconds = NewType("Nanoseconds", int)

E8 = 10**8
PIPS = 10**6
MAX_UINT128 = 2**128 - 1
MAX_UINT256 = 2**256 - 1


def div_floor(numerator: int, denominator: int) -> int:
    """Return the quotient rounded toward minus infinity.

    Range   denominator > 0.
    """
    return numerator // denominator


def div_ceil(numerator: int, denominator: int) -> int:
    """Return the quotient rounded toward plus infinity.

    Range   denominator > 0.
    """
    return -(-numerator // denominator)


def cut_toward_zero(numerator: int, denominator: int) -> int:
    """Return the quotient cut toward zero, the rule for derived figures on the wire.

    Range   denominator > 0.
    """
    return numerator // denominator if numerator >= 0 else -(-numerator // denominator)
