"""One step of a swap inside one range of constant liquidity."""

from alphapulse.amm.uniswap_v3.full_math import PIPS, mul_div, mul_div_up
from alphapulse.amm.uniswap_v3.sqrt_price_math import (
    amount0_delta,
    amount1_delta,
    next_sqrt_price_from_input,
    next_sqrt_price_from_output,
)

__all__ = ["compute_swap_step", "full_step", "least_partial_in", "partial_exact_in"]


def compute_swap_step(
    sqrt_price_x96: int, target_x96: int, liquidity: int, amount_remaining: int, fee_pips: int
) -> tuple[int, int, int, int]:
    """Return (root price after the step, amount in without fee, amount out, fee).

    Units   Q64.96; amounts in smallest units; amount_remaining is positive for exact input,
            negative for exact output; fee_pips is 1e-6.
    Range   prices within bounds; liquidity < 2**128; 0 <= fee_pips < 10**6.
    Raises  nothing: what does not fit before the target stays for the next step.
    Source  SwapMath.computeSwapStep, checked against the deployed pool bytecode.
    """
    zero_for_one = sqrt_price_x96 >= target_x96
    exact_in = amount_remaining >= 0
    full_in, full_out = _amounts(sqrt_price_x96, target_x96, liquidity)
    if exact_in:
        less_fee = mul_div(amount_remaining, PIPS - fee_pips, PIPS)
        if less_fee >= full_in:
            next_x96 = target_x96
        else:
            next_x96 = next_sqrt_price_from_input(
                sqrt_price_x96, liquidity, less_fee, zero_for_one=zero_for_one
            )
    elif -amount_remaining >= full_out:
        next_x96 = target_x96
    else:
        next_x96 = next_sqrt_price_from_output(
            sqrt_price_x96, liquidity, -amount_remaining, zero_for_one=zero_for_one
        )
    if next_x96 == target_x96:
        amount_in, amount_out = full_in, full_out
    else:
        amount_in, amount_out = _amounts(sqrt_price_x96, next_x96, liquidity)
    if not exact_in and amount_out > -amount_remaining:
        amount_out = -amount_remaining
    if exact_in and next_x96 != target_x96:
        fee = amount_remaining - amount_in
    else:
        fee = mul_div_up(amount_in, fee_pips, PIPS - fee_pips)
    return next_x96, amount_in, amount_out, fee


def full_step(
    sqrt_price_x96: int, target_x96: int, liquidity: int, fee_pips: int
) -> tuple[int, int]:
    """Return (amount in with fee, amount out) of a step that reaches its target.

    Units   Q64.96; amounts in smallest units; fee_pips is 1e-6.
    Range   as compute_swap_step. A swap completes this step exactly when its remaining input is at
            least the first number: less_fee >= amount_in is the same inequality.
    Raises  nothing.
    Source  compute_swap_step with an amount that exceeds the step.
    """
    amount_in, amount_out = _amounts(sqrt_price_x96, target_x96, liquidity)
    return amount_in + mul_div_up(amount_in, fee_pips, PIPS - fee_pips), amount_out


def partial_exact_in(
    sqrt_price_x96: int, liquidity: int, amount_in: int, fee_pips: int, *, zero_for_one: bool
) -> tuple[int, int]:
    """Return (root price after, amount out) of an exact input that ends before its target.

    Units   Q64.96; amounts in smallest units; fee_pips is 1e-6.
    Range   liquidity > 0; amount_in below the first number of full_step.
    Raises  nothing.
    Source  compute_swap_step, without the parts that such a step does not need.
    """
    less_fee = mul_div(amount_in, PIPS - fee_pips, PIPS)
    next_x96 = next_sqrt_price_from_input(
        sqrt_price_x96, liquidity, less_fee, zero_for_one=zero_for_one
    )
    if zero_for_one:
        return next_x96, liquidity * (sqrt_price_x96 - next_x96) >> 96
    return next_x96, amount0_delta(sqrt_price_x96, next_x96, liquidity, round_up=False)


def least_partial_in(
    sqrt_price_x96: int, target_x96: int, liquidity: int, amount_out: int, fee_pips: int
) -> int:
    """Return the least exact input, fee included, that pays an output inside one step.

    Units   Q64.96; amounts in smallest units; fee_pips is 1e-6.
    Range   liquidity > 0; 0 < amount_out <= the second number of full_step.
    Raises  nothing.
    Source  compute_swap_step. An exact output that equals a step's whole output runs to the target;
            an input may stop at the first price that pays as much.
    """
    zero_for_one = sqrt_price_x96 >= target_x96
    next_x96 = next_sqrt_price_from_output(
        sqrt_price_x96, liquidity, amount_out, zero_for_one=zero_for_one
    )
    if zero_for_one:
        next_x96 = max(next_x96, target_x96)
        taken = amount0_delta(next_x96, sqrt_price_x96, liquidity, round_up=True)
    else:
        next_x96 = min(next_x96, target_x96)
        taken = amount1_delta(sqrt_price_x96, next_x96, liquidity, round_up=True)
    return taken + mul_div_up(taken, fee_pips, PIPS - fee_pips)


def _amounts(sqrt_price_x96: int, next_x96: int, liquidity: int) -> tuple[int, int]:
    """Return (amount in rounded up, amount out rounded down) of a move between two prices."""
    if sqrt_price_x96 >= next_x96:
        return (
            amount0_delta(next_x96, sqrt_price_x96, liquidity, round_up=True),
            amount1_delta(next_x96, sqrt_price_x96, liquidity, round_up=False),
        )
    return (
        amount1_delta(sqrt_price_x96, next_x96, liquidity, round_up=True),
        amount0_delta(sqrt_price_x96, next_x96, liquidity, round_up=False),
    )
