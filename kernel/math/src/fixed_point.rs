//! Numbers with 18 decimals, and the powers of them as the weighted pool rounds them.

use crate::full_math::U256;
use crate::log_exp_math::power;
use crate::refusal::Answer;

pub const ONE: u64 = 1_000_000_000_000_000_000;
/// The published bound of the error of a power, relative, as a number with 18 decimals.
const MAX_POW_RELATIVE_ERROR: u64 = 10_000;

/// Which power a pool's code carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PowVersion {
    First = 1,
    WithShortcuts = 2,
}

#[inline]
pub fn one() -> U256 {
    U256::from(ONE)
}

/// a * b rounded down to 18 decimals. Range: the product fits.
#[inline]
pub fn mul_down(a: U256, b: U256) -> U256 {
    a * b / one()
}

/// a * b rounded up to 18 decimals. Range: the product fits.
#[inline]
pub fn mul_up(a: U256, b: U256) -> U256 {
    crate::full_math::div_up(a * b, one())
}

/// a / b rounded down to 18 decimals. Range: b > 0, a * 10**18 fits.
#[inline]
pub fn div_down(a: U256, b: U256) -> U256 {
    a * one() / b
}

/// a / b rounded up to 18 decimals. Range: b > 0, a * 10**18 fits.
#[inline]
pub fn div_up(a: U256, b: U256) -> U256 {
    crate::full_math::div_up(a * one(), b)
}

/// What is missing to one, zero above one.
#[inline]
pub fn complement(a: U256) -> U256 {
    one().saturating_sub(a)
}

/// base ** exponent raised by the bound of its error, so that it is never too small. Range: base below 2**64.
pub fn pow_up(base: U256, exponent: U256, version: PowVersion) -> Answer<U256> {
    if version == PowVersion::WithShortcuts {
        if exponent == one() {
            return Ok(base);
        }
        if exponent == U256::from(2 * ONE) || exponent == U256::from(4 * ONE) {
            let square = mul_up(base, base);
            return Ok(if exponent == U256::from(2 * ONE) {
                square
            } else {
                mul_up(square, square)
            });
        }
    }
    let raw = power(base, exponent)?;
    Ok(raw + mul_up(raw, U256::from(MAX_POW_RELATIVE_ERROR)) + U256::ONE)
}
