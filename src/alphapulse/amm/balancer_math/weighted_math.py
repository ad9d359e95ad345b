"""The weighted product: what a trade gets and costs before fees, in numbers with 18 decimals."""

from alphapulse.amm.balancer_math.fixed_point import (
    ONE,
    PowVersion,
    complement,
    div_down_fixed,
    div_up_fixed,
    mul_down_fixed,
    mul_up_fixed,
    pow_up_fixed,
)
from alphapulse.errors import InsufficientLiquidity

__all__ = ["MAX_IN_RATIO", "MAX_OUT_RATIO", "in_given_out", "out_given_in"]

MAX_IN_RATIO = 3 * 10**17
MAX_OUT_RATIO = 3 * 10**17


def out_given_in(
    balance_in: int,
    weight_in: int,
    balance_out: int,
    weight_out: int,
    amount_in: int,
    version: PowVersion,
) -> int:
    """Return what an input without fee buys, rounded down.

    Units   balances and amounts scaled to 18 decimals; weights are parts of 10**18.
    Range   balances, weights, amount_in > 0.
    Raises  InsufficientLiquidity for more than 30 % of the input's balance (BAL#304).
    Source  WeightedMath._calcOutGivenIn, checked through the deployed pool bytecode.
    """
    if amount_in > mul_down_fixed(balance_in, MAX_IN_RATIO):
        raise InsufficientLiquidity(f"`amount_in` {amount_in} is over 30 % of {balance_in}")
    base = div_up_fixed(balance_in, balance_in + amount_in)
    exponent = div_down_fixed(weight_in, weight_out)
    return mul_down_fixed(balance_out, complement(pow_up_fixed(base, exponent, version)))


def in_given_out(
    balance_in: int,
    weight_in: int,
    balance_out: int,
    weight_out: int,
    amount_out: int,
    version: PowVersion,
) -> int:
    """Return what an output costs before fee, rounded up.

    Units   balances and amounts scaled to 18 decimals; weights are parts of 10**18.
    Range   balances, weights, amount_out > 0.
    Raises  InsufficientLiquidity for more than 30 % of the output's balance (BAL#305).
    Source  WeightedMath._calcInGivenOut, checked through the deployed pool bytecode.
    """
    if amount_out > mul_down_fixed(balance_out, MAX_OUT_RATIO):
        raise InsufficientLiquidity(f"`amount_out` {amount_out} is over 30 % of {balance_out}")
    base = div_up_fixed(balance_out, balance_out - amount_out)
    exponent = div_up_fixed(weight_out, weight_in)
    return mul_up_fixed(balance_in, pow_up_fixed(base, exponent, version) - ONE)
