//! The constant-product pair: what it pays, what it asks.
//!
//! Reserves fit 112 bits, so that every product here fits 256.

use crate::full_math::{div_up, div_wide, div_wide_up, product, PIPS, U256};
use crate::refusal::{insufficient, not_tradeable, out_of_range, Answer};

pub const MAX_RESERVE: u128 = (1 << 112) - 1;

/// What the pair pays for an exact input.
#[inline]
pub fn amount_out(
    amount_in: U256,
    reserve_in: u128,
    reserve_out: u128,
    fee_pips: u32,
) -> Answer<U256> {
    if amount_in.is_zero() {
        return Err(out_of_range("`amount_in` must be positive"));
    }
    if reserve_in == 0 || reserve_out == 0 {
        return Err(not_tradeable("pair without reserves"));
    }
    let amount = word(amount_in);
    if amount > MAX_RESERVE - reserve_in {
        return Err(insufficient("`reserve` would exceed uint112"));
    }
    let less_fee = times(amount, PIPS - u64::from(fee_pips));
    let paid = (less_fee * wide(reserve_out)) / (times(reserve_in, PIPS) + less_fee);
    if paid.is_zero() {
        return Err(insufficient("`amount_in` buys nothing"));
    }
    Ok(paid)
}

/// Whether the pair pays at least so much, without the quotient: false where `amount_out` refuses or pays less.
#[inline]
pub fn pays(
    least: U256,
    amount_in: U256,
    reserve_in: u128,
    reserve_out: u128,
    fee_pips: u32,
) -> bool {
    let (least, amount) = (word(least), word(amount_in));
    if least > MAX_RESERVE || amount > MAX_RESERVE.saturating_sub(reserve_in) {
        return false;
    }
    let less_fee = times(amount, PIPS - u64::from(fee_pips));
    less_fee * wide(reserve_out) >= wide(least) * (times(reserve_in, PIPS) + less_fee)
}

/// What the router asks for an exact output: the quotient plus one.
#[inline]
pub fn amount_in(
    amount_out: U256,
    reserve_in: u128,
    reserve_out: u128,
    fee_pips: u32,
) -> Answer<U256> {
    let (numerator, denominator) = asked(amount_out, reserve_in, reserve_out, fee_pips)?;
    bounded(numerator / denominator + U256::ONE, reserve_in)
}

/// The least input for which the pair pays at least that output.
#[inline]
pub fn least_amount_in(
    amount_out: U256,
    reserve_in: u128,
    reserve_out: u128,
    fee_pips: u32,
) -> Answer<U256> {
    let (numerator, denominator) = asked(amount_out, reserve_in, reserve_out, fee_pips)?;
    bounded(div_up(numerator, denominator), reserve_in)
}

/// Output per input of the first infinitesimal amount after fee, as Q128.
pub fn marginal_rate_x128(reserve_in: u128, reserve_out: u128, fee_pips: u32) -> Answer<U256> {
    if reserve_in == 0 || reserve_out == 0 {
        return Err(not_tradeable("pair without reserves"));
    }
    let numerator =
        product(times(reserve_out, PIPS - u64::from(fee_pips)), U256::from_limbs([0, 0, 1, 0]));
    Ok(div_wide(numerator, times(reserve_in, PIPS)))
}

/// The input after which the marginal rate has fallen by the factor, rounded up.
pub fn input_to_fall(root_factor_x64: U256, reserve_in: u128, fee_pips: u32) -> U256 {
    let most = wide(MAX_RESERVE - reserve_in);
    let excess = root_factor_x64.saturating_sub(U256::from_limbs([0, 1, 0, 0]));
    let grown = div_wide_up(
        product(times(reserve_in, PIPS), excess),
        U256::from(PIPS - u64::from(fee_pips)),
    );
    let grown: U256 = grown >> 64usize;
    (grown + U256::ONE).min(most)
}

#[inline]
fn asked(
    amount_out: U256,
    reserve_in: u128,
    reserve_out: u128,
    fee_pips: u32,
) -> Answer<(U256, U256)> {
    if amount_out.is_zero() {
        return Err(out_of_range("`amount_out` must be positive"));
    }
    if reserve_in == 0 || reserve_out == 0 {
        return Err(not_tradeable("pair without reserves"));
    }
    let amount = word(amount_out);
    if amount >= reserve_out {
        return Err(insufficient("`amount_out` is more than the reserve"));
    }
    let kept = PIPS - u64::from(fee_pips);
    Ok((times(reserve_in, PIPS) * wide(amount), times(reserve_out - amount, kept)))
}

#[inline]
fn bounded(amount: U256, reserve_in: u128) -> Answer<U256> {
    if word(amount) > MAX_RESERVE - reserve_in {
        return Err(insufficient("`reserve` would exceed uint112"));
    }
    Ok(amount)
}

/// The value as a machine word, all ones when it is larger.
#[inline]
fn word(value: U256) -> u128 {
    let limbs = value.as_limbs();
    if limbs[2] | limbs[3] != 0 {
        return u128::MAX;
    }
    u128::from(limbs[0]) | u128::from(limbs[1]) << 64
}

#[inline]
fn wide(value: u128) -> U256 {
    crate::full_math::from_u128(value)
}

#[inline]
fn times(value: u128, factor: u64) -> U256 {
    let low = u128::from(value as u64) * u128::from(factor);
    let high = (value >> 64) * u128::from(factor) + (low >> 64);
    U256::from_limbs([low as u64, high as u64, (high >> 64) as u64, 0])
}
