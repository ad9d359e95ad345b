"""Products divided with a named rounding; the only file of this room that may write `//`."""

from alphapulse.errors import ValueOutOfRange

__all__ = [
    "PIPS",
    "Q96",
    "Q128",
    "div_floor",
    "div_up",
    "mul_div",
    "mul_div_up",
    "require_uint",
]

PIPS = 10**6
Q96 = 2**96
Q128 = 2**128


def mul_div(a: int, b: int, denominator: int) -> int:
    """Return a * b / denominator rounded down, with the full product kept.

    Units   any; the result has the unit of a when b and denominator share one.
    Range   a, b >= 0; denominator > 0. Python integers do not wrap: callers hold the widths.
    Raises  ZeroDivisionError for a zero denominator, where the contract reverts.
    Source  FullMath.mulDiv, checked through the deployed pool bytecode.
    """
    return a * b // denominator


def mul_div_up(a: int, b: int, denominator: int) -> int:
    """Return a * b / denominator rounded up, with the full product kept.

    Units   as mul_div.
    Range   as mul_div.
    Raises  ZeroDivisionError for a zero denominator, where the contract reverts.
    Source  FullMath.mulDivRoundingUp, checked through the deployed pool bytecode.
    """
    return -(-a * b // denominator)


def div_up(numerator: int, denominator: int) -> int:
    """Return numerator / denominator rounded up.

    Units   any.
    Range   numerator >= 0; denominator > 0.
    Raises  ZeroDivisionError for a zero denominator.
    Source  UnsafeMath.divRoundingUp.
    """
    return -(-numerator // denominator)


def div_floor(numerator: int, denominator: int) -> int:
    """Return numerator / denominator rounded toward minus infinity.

    Units   any.
    Range   denominator > 0.
    Raises  ZeroDivisionError for a zero denominator.
    Source  definition.
    """
    return numerator // denominator


def require_uint(name: str, value: int, bits: int) -> int:
    """Return the value if it fits an unsigned word of that many bits.

    Units   any.
    Range   bits > 0.
    Raises  ValueOutOfRange when it does not fit.
    Source  definition.
    """
    if value < 0 or value >> bits:
        raise ValueOutOfRange(f"`{name}` must fit uint{bits}, was {value}")
    return value
