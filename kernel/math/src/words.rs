//! The machine's word: where a contract's checked arithmetic would overflow, a pool cannot be asked.

use crate::full_math::{mul_div_word, U256};
use crate::refusal::{not_tradeable, Answer, Refusal};

const OVERFLOW: Refusal = not_tradeable("the contract's arithmetic overflows on this state");

#[inline]
pub fn mul(a: U256, b: U256) -> Answer<U256> {
    let (a_bits, b_bits) = (a.bit_len(), b.bit_len());
    if a_bits + b_bits <= 256 {
        return Ok(a.wrapping_mul(b));
    }
    a.checked_mul(b).ok_or(OVERFLOW)
}

#[inline]
pub fn add(a: U256, b: U256) -> Answer<U256> {
    a.checked_add(b).ok_or(OVERFLOW)
}

#[inline]
pub fn sub(a: U256, b: U256) -> Answer<U256> {
    a.checked_sub(b).ok_or(OVERFLOW)
}

/// The quotient rounded down.
#[inline]
pub fn div(numerator: U256, denominator: U256) -> Answer<U256> {
    numerator.checked_div(denominator).ok_or(OVERFLOW)
}

/// The quotient rounded up.
#[inline]
pub fn div_up(numerator: U256, denominator: U256) -> Answer<U256> {
    if denominator.is_zero() {
        return Err(OVERFLOW);
    }
    Ok(crate::full_math::div_up(numerator, denominator))
}

/// value * factor / denominator rounded down, of machine words whose quotient fits.
#[inline]
pub fn part(value: U256, factor: u64, denominator: u64) -> U256 {
    mul_div_word(value, factor, denominator)
}
