//! Amounts between two root prices, and root prices after an amount.

use crate::full_math::{
    div_up, div_wide_up, from_u128, mul_div, mul_div_up, narrow, product, widen, U256, U384,
};
use crate::refusal::{insufficient, Answer};

const Q96: U256 = U256::from_limbs([0, 1 << 32, 0, 0]);

/// Token0 between two root prices. Range: 0 < lower <= upper < 2**194.
#[inline]
pub fn amount0_delta(lower: U256, upper: U256, liquidity: u128, round_up: bool) -> U256 {
    let numerator = from_u128(liquidity) << 96;
    if round_up {
        div_up(mul_div_up(numerator, upper - lower, upper), lower)
    } else {
        mul_div(numerator, upper - lower, upper) / lower
    }
}

/// Token1 between two root prices. Range: lower <= upper < 2**194.
#[inline]
pub fn amount1_delta(lower: U256, upper: U256, liquidity: u128, round_up: bool) -> U256 {
    let product: U384 =
        (upper - lower).widening_mul::<128, 2, 384, 6>(ruint::Uint::<128, 2>::from_limbs([
            liquidity as u64,
            (liquidity >> 64) as u64,
        ]));
    let limbs = product.as_limbs();
    let inexact = limbs[0] != 0 || limbs[1] as u32 != 0;
    let quotient = narrow((product >> 96u32).as_limbs());
    if round_up && inexact {
        quotient + U256::ONE
    } else {
        quotient
    }
}

/// The root price after an input without fee. Range: liquidity > 0.
#[inline]
pub fn next_sqrt_price_from_input(
    price: U256,
    liquidity: u128,
    amount_in: U256,
    zero_for_one: bool,
) -> U256 {
    if !zero_for_one {
        return price.saturating_add(mul_div(amount_in, Q96, from_u128(liquidity)));
    }
    let numerator = from_u128(liquidity) << 96;
    let denominator = widen(numerator) + product(amount_in, price);
    if denominator.as_limbs()[4..] != [0; 4] {
        return div_up(numerator, (numerator / price).saturating_add(amount_in));
    }
    mul_div_up(numerator, price, narrow(denominator.as_limbs()))
}

/// The root price after an output. Range: liquidity > 0.
#[inline]
pub fn next_sqrt_price_from_output(
    price: U256,
    liquidity: u128,
    amount_out: U256,
    zero_for_one: bool,
) -> Answer<U256> {
    if zero_for_one {
        let fall = mul_div_up(amount_out, Q96, from_u128(liquidity));
        if fall >= price {
            return Err(insufficient("`amount_out` is more than the range holds"));
        }
        return Ok(price - fall);
    }
    let numerator = from_u128(liquidity) << 96;
    let paid = product(amount_out, price);
    if paid >= widen(numerator) {
        return Err(insufficient("`amount_out` is more than the range holds"));
    }
    let denominator = numerator - narrow(paid.as_limbs());
    Ok(div_wide_up(product(numerator, price), denominator))
}
