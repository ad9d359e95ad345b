//! Products divided with a named rounding; the full product is kept in 512 bits.
//!
//! Results that do not fit 256 bits saturate. No state that the pools accept leads there: prices fit 160 bits,
//! liquidity 128, so that no step moves more than 2**245 units, which the property tests hold to the specification.

use ruint::{algorithms, Uint};

pub type U256 = Uint<256, 4>;
pub type U384 = Uint<384, 6>;
pub type U512 = Uint<512, 8>;

pub const PIPS: u64 = 1_000_000;

/// The value in fewer limbs, or all ones when it does not fit.
#[inline]
pub fn narrow(wide: &[u64]) -> U256 {
    let mut limbs = [0; 4];
    let (low, high) = wide.split_at(wide.len().min(4));
    limbs[..low.len()].copy_from_slice(low);
    if high.iter().any(|&limb| limb != 0) {
        return U256::MAX;
    }
    U256::from_limbs(limbs)
}

#[inline]
pub fn widen(value: U256) -> U512 {
    let mut limbs = [0; 8];
    limbs[..4].copy_from_slice(value.as_limbs());
    U512::from_limbs(limbs)
}

/// a * b in full.
#[inline]
pub fn product(a: U256, b: U256) -> U512 {
    a.widening_mul::<256, 4, 512, 8>(b)
}

/// (quotient, whether there was a remainder).
#[inline]
fn divided(mut numerator: [u64; 8], denominator: U256) -> (U256, bool) {
    let mut rest = *denominator.as_limbs();
    algorithms::div(&mut numerator, &mut rest);
    (narrow(&numerator), rest != [0; 4])
}

/// a * b / denominator rounded down. Range: denominator > 0.
#[inline]
pub fn mul_div(a: U256, b: U256, denominator: U256) -> U256 {
    divided(*product(a, b).as_limbs(), denominator).0
}

/// a * b / denominator rounded up. Range: denominator > 0.
#[inline]
pub fn mul_div_up(a: U256, b: U256, denominator: U256) -> U256 {
    let (quotient, inexact) = divided(*product(a, b).as_limbs(), denominator);
    if inexact {
        quotient.saturating_add(U256::ONE)
    } else {
        quotient
    }
}

/// a * b / denominator for factors of one word, rounded down.
#[inline]
pub fn mul_div_word(a: U256, b: u64, denominator: u64) -> U256 {
    small(a, b, denominator).0
}

/// a * b / denominator for factors of one word, rounded up.
#[inline]
pub fn mul_div_word_up(a: U256, b: u64, denominator: u64) -> U256 {
    let (quotient, rest) = small(a, b, denominator);
    if rest == 0 {
        quotient
    } else {
        quotient.saturating_add(U256::ONE)
    }
}

#[inline]
fn small(a: U256, b: u64, denominator: u64) -> (U256, u64) {
    let mut limbs = [0; 5];
    let mut carry = 0u128;
    for (limb, &part) in limbs.iter_mut().zip(a.as_limbs()) {
        carry += u128::from(part) * u128::from(b);
        *limb = carry as u64;
        carry >>= 64;
    }
    limbs[4] = carry as u64;
    let mut rest = [denominator];
    algorithms::div(&mut limbs, &mut rest);
    (narrow(&limbs), rest[0])
}

/// numerator / denominator rounded up. Range: denominator > 0.
#[inline]
pub fn div_up(numerator: U256, denominator: U256) -> U256 {
    let (quotient, rest) = numerator.div_rem(denominator);
    if rest.is_zero() {
        quotient
    } else {
        quotient + U256::ONE
    }
}

#[inline]
pub fn from_u128(value: u128) -> U256 {
    U256::from_limbs([value as u64, (value >> 64) as u64, 0, 0])
}

/// Wide numerator divided by a 256-bit denominator, rounded down and saturated.
#[inline]
pub fn div_wide(numerator: U512, denominator: U256) -> U256 {
    divided(*numerator.as_limbs(), denominator).0
}

/// Wide numerator divided by a 256-bit denominator, rounded up and saturated.
#[inline]
pub fn div_wide_up(numerator: U512, denominator: U256) -> U256 {
    let (quotient, inexact) = divided(*numerator.as_limbs(), denominator);
    if inexact {
        quotient.saturating_add(U256::ONE)
    } else {
        quotient
    }
}
