//! Powers of ratios near one by logarithm and exponential, digit for digit as deployed.
//!
//! A weighted pool trades at most 30 % of a balance, so that its ratios stay within 0.5 and 2 and its exponents
//! below 100: everything fits 128 bits, products 256.

use crate::full_math::{mul_div, U256};
use crate::refusal::{insufficient, Answer};

const ONE_18: u128 = 1_000_000_000_000_000_000;
const ONE_20: u128 = 100_000_000_000_000_000_000;
const ONE_36: u128 = ONE_18 * ONE_18;
const BY_ONE_20: Divisor = Divisor::new(ONE_20);
const BY_ONE_36: Divisor = Divisor::new(ONE_36);

/// (exponent, e to that exponent), both with 20 decimals: 32, 16, ... 1/16.
const POWERS: [(u128, u128); 10] = [
    (3_200_000_000_000_000_000_000, 7_896_296_018_268_069_516_100_000_000_000_000),
    (1_600_000_000_000_000_000_000, 888_611_052_050_787_263_676_000_000),
    (800_000_000_000_000_000_000, 298_095_798_704_172_827_474_000),
    (400_000_000_000_000_000_000, 5_459_815_003_314_423_907_810),
    (200_000_000_000_000_000_000, 738_905_609_893_065_022_723),
    (100_000_000_000_000_000_000, 271_828_182_845_904_523_536),
    (50_000_000_000_000_000_000, 164_872_127_070_012_814_685),
    (25_000_000_000_000_000_000, 128_402_541_668_774_148_407),
    (12_500_000_000_000_000_000, 113_314_845_306_682_631_683),
    (6_250_000_000_000_000_000, 106_449_445_891_785_942_956),
];
/// The exponential leaves the last two powers to its series.
const POWERS_OF_EXP: usize = 8;
/// The largest power that a ratio below 2 can hold.
const FIRST_POWER_OF_LN: usize = 6;
const EXP_TERMS: u128 = 12;
const LN_LAST_ODD_TERM: u128 = 11;
const LN_36_LAST_ODD_TERM: u128 = 15;

/// Between these the logarithm is computed with 36 decimals.
const LN_36_LOWER: u128 = ONE_18 - ONE_18 / 10;
const LN_36_UPPER: u128 = ONE_18 + ONE_18 / 10;

const MIN_BASE: u128 = ONE_18 / 2;
const MAX_BASE: u128 = 2 * ONE_18;
const MAX_EXPONENT: u128 = 100 * ONE_18;

/// A divisor with its reciprocal, for numerators below the square of its power of two.
struct Divisor {
    value: u128,
    reciprocal: u128,
    bits: u32,
}

impl Divisor {
    const fn new(value: u128) -> Self {
        let bits = 128 - value.leading_zeros();
        // floor(2**(2 * bits) / value), digit by digit.
        let (mut reciprocal, mut rest, mut place) = (0, 1, 2 * bits);
        while place > 0 {
            place -= 1;
            rest <<= 1;
            reciprocal <<= 1;
            if rest >= value {
                rest -= value;
                reciprocal |= 1;
            }
        }
        Self { value, reciprocal, bits }
    }

    /// a * b / value rounded down. Range: a * b below 2**(2 * bits).
    #[inline]
    fn part(&self, a: u128, b: u128) -> u128 {
        let (high, low) = wide(a, b);
        let top = low >> (self.bits - 1) | high << (129 - self.bits);
        let (high, low_part) = wide(top, self.reciprocal);
        let mut quotient = low_part >> (self.bits + 1) | high << (127 - self.bits);
        let mut rest = low.wrapping_sub(quotient.wrapping_mul(self.value));
        while rest >= self.value {
            rest -= self.value;
            quotient += 1;
        }
        quotient
    }
}

/// The full product as (high, low) halves.
#[inline]
fn wide(a: u128, b: u128) -> (u128, u128) {
    const LOW: u128 = u64::MAX as u128;
    let (a1, a0, b1, b0) = (a >> 64, a & LOW, b >> 64, b & LOW);
    let (low, cross) = (a0 * b0, a1 * b0);
    let middle = (low >> 64) + (cross & LOW) + ((a0 * b1) & LOW);
    let high = a1 * b1 + (cross >> 64) + ((a0 * b1) >> 64) + (middle >> 64);
    (high, middle << 64 | low & LOW)
}

/// base ** exponent with 18 decimals, off by a few units of the last decimal in either direction.
///
/// Range: a base within 0.5 .. 2, an exponent of at most 100.
pub fn power(base: U256, exponent: U256) -> Answer<U256> {
    let outside = insufficient("`power` is outside the contract's range");
    let (Ok(base), Ok(exponent)) = (u128::try_from(base), u128::try_from(exponent)) else {
        return Err(outside);
    };
    if !(MIN_BASE..=MAX_BASE).contains(&base) || exponent > MAX_EXPONENT {
        return Err(outside);
    }
    if exponent == 0 {
        return Ok(U256::from(ONE_18));
    }
    let (is_negative, product) = if LN_36_LOWER < base && base < LN_36_UPPER {
        let (is_negative, log) = ln_36(base);
        let (whole, part) = (log / ONE_18, log % ONE_18);
        (is_negative, whole * exponent + part * exponent / ONE_18)
    } else {
        let (is_negative, log) = ln(base);
        (is_negative, log * exponent)
    };
    let natural = product / ONE_18;
    if is_negative && natural > 41 * ONE_18 {
        return Err(outside);
    }
    let raised = exp(natural);
    Ok(U256::from(if is_negative && natural > 0 { ONE_36 / raised } else { raised }))
}

/// e to a number, both with 18 decimals.
fn exp(natural: u128) -> u128 {
    let mut rest = natural * 100;
    let mut product = ONE_20;
    for &(step, value) in &POWERS[..POWERS_OF_EXP] {
        if rest >= step {
            rest -= step;
            product = scaled(product, value);
        }
    }
    let (mut series, mut term) = (ONE_20 + rest, rest);
    for index in 2..=EXP_TERMS {
        if term == 0 {
            break;
        }
        term = BY_ONE_20.part(term, rest) / index;
        series += term;
    }
    scaled(product, series) / 100
}

/// a * b with 20 decimals, rounded down.
fn scaled(a: u128, b: u128) -> u128 {
    if a == ONE_20 {
        return b;
    }
    low(mul_div(U256::from(a), U256::from(b), U256::from(ONE_20)))
}

fn low(value: U256) -> u128 {
    crate::stableswap::low128(value)
}

/// Sign (true: negative) and size of the natural logarithm, both with 18 decimals.
fn ln(base: u128) -> (bool, u128) {
    let is_negative = base < ONE_18;
    let mut value = 100 * if is_negative { ONE_36 / base } else { base };
    let mut total = 0;
    for &(step, known) in &POWERS[FIRST_POWER_OF_LN..] {
        if value >= known {
            value = low(mul_div(U256::from(value), U256::from(ONE_20), U256::from(known)));
            total += step;
        }
    }
    let series = artanh(value - ONE_20, value + ONE_20, &BY_ONE_20, LN_LAST_ODD_TERM);
    (is_negative, (total + 2 * series) / 100)
}

/// Sign and size of the natural logarithm with 36 decimals of a ratio near one.
fn ln_36(base: u128) -> (bool, u128) {
    let value = base * ONE_18;
    let series = artanh(value.abs_diff(ONE_36), value + ONE_36, &BY_ONE_36, LN_36_LAST_ODD_TERM);
    (base < ONE_18, 2 * series)
}

/// The series of artanh(above / below) up to an odd power.
fn artanh(above: u128, below: u128, one: &Divisor, last: u128) -> u128 {
    let ratio = low(mul_div(U256::from(above), U256::from(one.value), U256::from(below)));
    let square = one.part(ratio, ratio);
    let (mut series, mut term) = (ratio, ratio);
    let mut odd = 3;
    while odd <= last {
        term = one.part(term, square);
        series += term / odd;
        odd += 2;
    }
    series
}
