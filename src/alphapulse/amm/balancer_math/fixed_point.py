"""Numbers with 18 decimals, and the powers of them as the weighted pool rounds them.

Two forms of the power are deployed: `PowVersion` says which one a pool carries.
"""

from enum import IntEnum, unique

from alphapulse.amm.balancer_math import log_exp_math
from alphapulse.amm.uniswap_v3.full_math import div_floor, div_up

__all__ = [
    "ONE",
    "PowVersion",
    "complement",
    "div_down_fixed",
    "div_up_fixed",
    "mul_down_fixed",
    "mul_up_fixed",
    "pow_up_fixed",
]

ONE = 10**18
# The published bound of the error of a power, relative, as a number with 18 decimals.
MAX_POW_RELATIVE_ERROR = 10_000


@unique
class PowVersion(IntEnum):
    """Which power a pool's code carries.

    FIRST always goes through logarithms (weighted pools of 2021). WITH_SHORTCUTS multiplies for the
    exponents 1, 2 and 4, exactly as far as 18 decimals go (weighted pools since 2022).
    """

    FIRST = 1
    WITH_SHORTCUTS = 2


def mul_down_fixed(a: int, b: int) -> int:
    """Return a * b rounded down to 18 decimals.

    Units   numbers with 18 decimals.
    Range   a, b >= 0; the caller holds the widths.
    Raises  nothing.
    Source  FixedPoint.mulDown, checked through the deployed pool bytecode.
    """
    return div_floor(a * b, ONE)


def mul_up_fixed(a: int, b: int) -> int:
    """Return a * b rounded up to 18 decimals.

    Units   numbers with 18 decimals.
    Range   a, b >= 0.
    Raises  nothing.
    Source  FixedPoint.mulUp, checked through the deployed pool bytecode.
    """
    return div_up(a * b, ONE)


def div_down_fixed(a: int, b: int) -> int:
    """Return a / b rounded down to 18 decimals.

    Units   numbers with 18 decimals.
    Range   a >= 0; b > 0.
    Raises  ZeroDivisionError for b = 0, where the contract reverts.
    Source  FixedPoint.divDown, checked through the deployed pool bytecode.
    """
    return div_floor(a * ONE, b)


def div_up_fixed(a: int, b: int) -> int:
    """Return a / b rounded up to 18 decimals.

    Units   numbers with 18 decimals.
    Range   a >= 0; b > 0.
    Raises  ZeroDivisionError for b = 0, where the contract reverts.
    Source  FixedPoint.divUp, checked through the deployed pool bytecode.
    """
    return div_up(a * ONE, b)


def complement(a: int) -> int:
    """Return what is missing to one, zero above one.

    Units   a number with 18 decimals.
    Range   a >= 0.
    Raises  nothing.
    Source  FixedPoint.complement.
    """
    return ONE - a if a < ONE else 0


def pow_up_fixed(base: int, exponent: int, version: PowVersion) -> int:
    """Return base ** exponent raised by the bound of its error, so that it is never too small.

    Units   numbers with 18 decimals.
    Range   base, exponent >= 0 and within the bounds of log_exp_math.power.
    Raises  InsufficientLiquidity outside those bounds.
    Source  FixedPoint.powUp of the named version, checked through the deployed pool bytecode.
    """
    if version is PowVersion.WITH_SHORTCUTS:
        if exponent == ONE:
            return base
        if exponent in (2 * ONE, 4 * ONE):
            square = mul_up_fixed(base, base)
            return square if exponent == 2 * ONE else mul_up_fixed(square, square)
    raw = log_exp_math.power(base, exponent)
    return raw + mul_up_fixed(raw, MAX_POW_RELATIVE_ERROR) + 1
