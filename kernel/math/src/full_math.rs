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

/// The integer square root. Newton's rounds start from the root of the leading digits and never end below.
pub fn isqrt(value: U512) -> U256 {
    let shift = (512 - value.bit_len()) & !1;
    if shift == 512 {
        return U256::ZERO;
    }
    let value = value << shift;
    let limbs = value.as_limbs();
    let top = u128::from(limbs[7]) << 64 | u128::from(limbs[6]);
    let near = ((top as f64).sqrt() as u64).max(1 << 63);
    let half = (u128::from(near) + top / u128::from(near)) / 2;
    let mut start = u64::try_from(half).unwrap_or(u64::MAX);
    while u128::from(start) * u128::from(start) > top {
        start -= 1;
    }
    let mut quotient = [limbs[5], limbs[6], limbs[7]];
    algorithms::div(&mut quotient, &mut [start]);
    let low = u128::from(quotient[0]) | u128::from(quotient[1]) << 64;
    let (sum, carry) = low.overflowing_add(u128::from(start) << 64);
    let halves = u64::from(carry) + quotient[2];
    let root = if halves > 1 { u128::MAX } else { sum >> 1 | u128::from(halves) << 127 };
    let mut quotient = [limbs[2], limbs[3], limbs[4], limbs[5], limbs[6], limbs[7]];
    algorithms::div(&mut quotient, &mut [root as u64, (root >> 64) as u64]);
    let (low, high) = quotient.split_at(4);
    let low = U256::from_limbs([low[0], low[1], low[2], low[3]]);
    let (sum, carry) = low.overflowing_add(from_u128(root) << 128);
    let halves = u64::from(carry) + high[0];
    let mut found = if halves > 1 { U256::MAX } else { sum >> 1 | U256::from(halves) << 255 };
    while product(found, found) > value {
        found -= U256::ONE;
    }
    found >> (shift / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Oracle: the definition of the root.
    #[test]
    fn roots_are_whole_and_largest() {
        let mut state = 88_172_645_463_325_252u64;
        let mut limb = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        for bits in 1..=512usize {
            for kind in 0..40 {
                let limbs = std::array::from_fn(|_| if kind == 0 { u64::MAX } else { limb() });
                let mut value = U512::from_limbs(limbs) >> (512 - bits);
                if kind == 1 {
                    let root = narrow((value >> (bits / 2)).as_limbs());
                    value = product(root, root);
                }
                let root = isqrt(value);
                assert!(product(root, root) <= value);
                if root < U256::MAX {
                    let next = root + U256::ONE;
                    assert!(product(next, next) > value);
                }
            }
        }
    }
}
