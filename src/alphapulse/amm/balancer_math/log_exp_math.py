"""Powers of numbers with 18 decimals by logarithm and exponential, digit for digit as deployed.

The logarithm takes apart its argument into known powers of e and a rest near one, whose series is
short; the exponential does the same backwards. Every quotient is cut toward zero, as the machine's
signed division does, and the number of terms is fixed: both are part of the result.
"""

from alphapulse.amm.uniswap_v3.full_math import div_floor
from alphapulse.errors import InsufficientLiquidity

__all__ = ["power"]

ONE_18 = 10**18
ONE_20 = 10**20
ONE_36 = 10**36

# (exponent with 18 decimals, e to that exponent without decimals): the two largest steps.
WHOLE_POWERS = (
    (128 * ONE_18, 38877084059945950922200000000000000000000000000000000000),
    (64 * ONE_18, 6235149080811616882910000000),
)
# (exponent, e to that exponent), both with 20 decimals: 32, 16, ... 1/16.
POWERS = (
    (3200000000000000000000, 7896296018268069516100000000000000),
    (1600000000000000000000, 888611052050787263676000000),
    (800000000000000000000, 298095798704172827474000),
    (400000000000000000000, 5459815003314423907810),
    (200000000000000000000, 738905609893065022723),
    (100000000000000000000, 271828182845904523536),
    (50000000000000000000, 164872127070012814685),
    (25000000000000000000, 128402541668774148407),
    (12500000000000000000, 113314845306682631683),
    (6250000000000000000, 106449445891785942956),
)
# The exponential leaves the last two powers to its series.
POWERS_OF_EXP = POWERS[:8]
EXP_TERMS = 12
LN_LAST_ODD_TERM = 11
LN_36_LAST_ODD_TERM = 15

# Between these the logarithm is computed with 36 decimals.
LN_36_LOWER = ONE_18 - 10**17
LN_36_UPPER = ONE_18 + 10**17

MIN_NATURAL_EXPONENT = -41 * ONE_18
MAX_NATURAL_EXPONENT = 130 * ONE_18
MAX_BASE = 2**255
MAX_EXPONENT = div_floor(2**254, ONE_20)


def power(base: int, exponent: int) -> int:
    """Return base ** exponent, off by a few units of the last decimal in either direction.

    Units   numbers with 18 decimals.
    Range   0 <= base < 2**255; 0 <= exponent < 2**254 / 10**20; the natural exponent of the result
            within -41 .. 130. Not monotone in the last decimals.
    Raises  InsufficientLiquidity outside, where the contract reverts.
    Source  LogExpMath.pow, checked through the deployed pool bytecode.
    """
    if exponent == 0:
        return ONE_18
    if base == 0:
        return 0
    if base >= MAX_BASE or exponent >= MAX_EXPONENT:
        raise InsufficientLiquidity(
            f"`power` of {base} to {exponent} is outside the contract's range"
        )
    if LN_36_LOWER < base < LN_36_UPPER:
        whole, part = _divided(_ln_36(base), ONE_18)
        product = whole * exponent + _cut(part * exponent, ONE_18)
    else:
        product = _ln(base) * exponent
    natural = _cut(product, ONE_18)
    if not MIN_NATURAL_EXPONENT <= natural <= MAX_NATURAL_EXPONENT:
        raise InsufficientLiquidity(
            f"`power` of {base} to {exponent} is outside the contract's range"
        )
    return _exp(natural)


def _cut(numerator: int, denominator: int) -> int:
    """Return the quotient cut toward zero; denominator > 0."""
    if numerator >= 0:
        return div_floor(numerator, denominator)
    return -div_floor(-numerator, denominator)


def _divided(numerator: int, denominator: int) -> tuple[int, int]:
    """Return quotient cut toward zero and the remainder with the numerator's sign."""
    whole = _cut(numerator, denominator)
    return whole, numerator - whole * denominator


def _exp(natural: int) -> int:
    """Return e to a number, both with 18 decimals."""
    if natural < 0:
        return div_floor(ONE_36, _exp(-natural))
    whole = 1
    for step, value in WHOLE_POWERS:
        if natural >= step:
            natural -= step
            whole = value
            break
    rest = natural * 100
    product = ONE_20
    for step, value in POWERS_OF_EXP:
        if rest >= step:
            rest -= step
            product = div_floor(product * value, ONE_20)
    series = ONE_20 + rest
    term = rest
    for index in range(2, EXP_TERMS + 1):
        term = div_floor(div_floor(term * rest, ONE_20), index)
        series += term
    return div_floor(div_floor(product * series, ONE_20) * whole, 100)


def _ln(value: int) -> int:
    """Return the natural logarithm, both with 18 decimals."""
    if value < ONE_18:
        return -_ln(div_floor(ONE_36, value))
    total = 0
    for step, whole in WHOLE_POWERS:
        if value >= whole * ONE_18:
            value = div_floor(value, whole)
            total += step
    total *= 100
    value *= 100
    for step, known in POWERS:
        if value >= known:
            value = div_floor(value * ONE_20, known)
            total += step
    series = _artanh(value, ONE_20, LN_LAST_ODD_TERM)
    return div_floor(total + 2 * series, 100)


def _ln_36(value: int) -> int:
    """Return the natural logarithm with 36 decimals of a number near one with 18."""
    return 2 * _artanh(value * ONE_18, ONE_36, LN_36_LAST_ODD_TERM)


def _artanh(value: int, one: int, last: int) -> int:
    """Return the series of artanh((value - one) / (value + one)) up to an odd power."""
    ratio = _cut((value - one) * one, value + one)
    square = div_floor(ratio * ratio, one)
    term = series = ratio
    for odd in range(3, last + 1, 2):
        term = _cut(term * square, one)
        series += _cut(term, odd)
    return series
