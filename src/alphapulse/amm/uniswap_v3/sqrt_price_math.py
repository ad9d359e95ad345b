"""Amounts between two root prices, and root prices after an amount."""

from alphapulse.amm.uniswap_v3.full_math import Q96, div_floor, div_up, mul_div, mul_div_up
from alphapulse.errors import InsufficientLiquidity

__all__ = [
    "amount0_delta",
    "amount1_delta",
    "next_sqrt_price_from_input",
    "next_sqrt_price_from_output",
]


def amount0_delta(lower_x96: int, upper_x96: int, liquidity: int, *, round_up: bool) -> int:
    """Return the token0 between two root prices.

    Units   Q64.96 prices, liquidity units, smallest units of token0.
    Range   0 < lower_x96 <= upper_x96.
    Raises  nothing inside the range.
    Source  SqrtPriceMath.getAmount0Delta: two divisions, each rounded the same way.
    """
    numerator = liquidity << 96
    if round_up:
        return div_up(mul_div_up(numerator, upper_x96 - lower_x96, upper_x96), lower_x96)
    return div_floor(mul_div(numerator, upper_x96 - lower_x96, upper_x96), lower_x96)


def amount1_delta(lower_x96: int, upper_x96: int, liquidity: int, *, round_up: bool) -> int:
    """Return the token1 between two root prices.

    Units   Q64.96 prices, liquidity units, smallest units of token1.
    Range   0 < lower_x96 <= upper_x96.
    Raises  nothing inside the range.
    Source  SqrtPriceMath.getAmount1Delta.
    """
    product = liquidity * (upper_x96 - lower_x96)
    return -(-product >> 96) if round_up else product >> 96


def next_sqrt_price_from_input(
    sqrt_price_x96: int, liquidity: int, amount_in: int, *, zero_for_one: bool
) -> int:
    """Return the root price after an input without fee, rounded against the trader.

    Units   Q64.96, liquidity units, smallest units of the input token.
    Range   liquidity > 0; amount_in >= 0.
    Raises  nothing inside the range; the caller keeps the result within the price bounds.
    Source  SqrtPriceMath.getNextSqrtPriceFromInput, with its second formula where amount * price
            does not fit 256 bits.
    """
    if zero_for_one:
        numerator = liquidity << 96
        product = amount_in * sqrt_price_x96
        denominator = numerator + product
        if denominator >> 256:
            return div_up(numerator, div_floor(numerator, sqrt_price_x96) + amount_in)
        return mul_div_up(numerator, sqrt_price_x96, denominator)
    return sqrt_price_x96 + mul_div(amount_in, Q96, liquidity)


def next_sqrt_price_from_output(
    sqrt_price_x96: int, liquidity: int, amount_out: int, *, zero_for_one: bool
) -> int:
    """Return the root price after an output, rounded against the trader.

    Units   Q64.96, liquidity units, smallest units of the output token.
    Range   liquidity > 0; amount_out >= 0 and below what the liquidity holds.
    Raises  InsufficientLiquidity where the contract's require fails.
    Source  SqrtPriceMath.getNextSqrtPriceFromOutput.
    """
    if zero_for_one:
        fall = mul_div_up(amount_out, Q96, liquidity)
        if fall >= sqrt_price_x96:
            raise InsufficientLiquidity(f"`amount_out` {amount_out} is more than the range holds")
        return sqrt_price_x96 - fall
    numerator = liquidity << 96
    product = amount_out * sqrt_price_x96
    if product >= numerator:
        raise InsufficientLiquidity(f"`amount_out` {amount_out} is more than the range holds")
    return mul_div_up(numerator, sqrt_price_x96, numerator - product)
