//! One step of a swap inside one range of constant liquidity.

use crate::full_math::{mul_div_word, mul_div_word_up, PIPS, U256};
use crate::refusal::Answer;
use crate::sqrt_price_math::{
    amount0_delta, amount1_delta, next_sqrt_price_from_input, next_sqrt_price_from_output,
};

/// What one step does: the root price after it, input without fee, output, fee.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    pub price: U256,
    pub amount_in: U256,
    pub amount_out: U256,
    pub fee: U256,
}

/// One step towards a target. `exact_in` says whether `remaining` is input or output.
#[inline]
pub fn compute_swap_step(
    price: U256,
    target: U256,
    liquidity: u128,
    remaining: U256,
    exact_in: bool,
    fee_pips: u32,
) -> Answer<Step> {
    let zero_for_one = price >= target;
    let kept = PIPS - u64::from(fee_pips);
    let (full_in, full_out) = amounts(price, target, liquidity);
    let next = if exact_in {
        let less_fee = mul_div_word(remaining, kept, PIPS);
        if less_fee >= full_in {
            target
        } else {
            next_sqrt_price_from_input(price, liquidity, less_fee, zero_for_one)
        }
    } else if remaining >= full_out {
        target
    } else {
        next_sqrt_price_from_output(price, liquidity, remaining, zero_for_one)?
    };
    let (amount_in, mut amount_out) =
        if next == target { (full_in, full_out) } else { amounts(price, next, liquidity) };
    if !exact_in && amount_out > remaining {
        amount_out = remaining;
    }
    let fee = if exact_in && next != target {
        remaining - amount_in
    } else {
        mul_div_word_up(amount_in, u64::from(fee_pips), kept)
    };
    Ok(Step { price: next, amount_in, amount_out, fee })
}

/// (input with fee, output) of a step that reaches its target.
#[inline]
pub fn full_step(price: U256, target: U256, liquidity: u128, fee_pips: u32) -> (U256, U256) {
    let (amount_in, amount_out) = amounts(price, target, liquidity);
    (with_fee(amount_in, fee_pips), amount_out)
}

/// The output of an exact input that ends before its target. Range: liquidity > 0.
#[inline]
pub fn partial_exact_in(
    price: U256,
    liquidity: u128,
    amount_in: U256,
    fee_pips: u32,
    zero_for_one: bool,
) -> U256 {
    let less_fee = mul_div_word(amount_in, PIPS - u64::from(fee_pips), PIPS);
    let next = next_sqrt_price_from_input(price, liquidity, less_fee, zero_for_one);
    if zero_for_one {
        amount1_delta(next, price, liquidity, false)
    } else {
        amount0_delta(price, next, liquidity, false)
    }
}

/// The least exact input, fee included, that pays an output inside one step. Range: liquidity > 0.
#[inline]
pub fn least_partial_in(
    price: U256,
    target: U256,
    liquidity: u128,
    amount_out: U256,
    fee_pips: u32,
) -> Answer<U256> {
    let zero_for_one = price >= target;
    let next = next_sqrt_price_from_output(price, liquidity, amount_out, zero_for_one)?;
    let taken = if zero_for_one {
        amount0_delta(next.max(target), price, liquidity, true)
    } else {
        amount1_delta(price, next.min(target), liquidity, true)
    };
    Ok(with_fee(taken, fee_pips))
}

#[inline]
fn with_fee(amount_in: U256, fee_pips: u32) -> U256 {
    let fee = u64::from(fee_pips);
    amount_in.saturating_add(mul_div_word_up(amount_in, fee, PIPS - fee))
}

/// (input rounded up, output rounded down) of a move between two prices.
#[inline]
fn amounts(price: U256, next: U256, liquidity: u128) -> (U256, U256) {
    if price >= next {
        (amount0_delta(next, price, liquidity, true), amount1_delta(next, price, liquidity, false))
    } else {
        (amount1_delta(price, next, liquidity, true), amount0_delta(price, next, liquidity, false))
    }
}
