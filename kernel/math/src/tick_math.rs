//! Root prices at ticks, and back.

use crate::full_math::U256;
use crate::refusal::{invariant, out_of_range, Answer};

pub const MIN_TICK: i32 = -887_272;
pub const MAX_TICK: i32 = 887_272;
pub const MIN_SQRT_RATIO: U256 = U256::from_limbs([4_295_128_739, 0, 0, 0]);
pub const MAX_SQRT_RATIO: U256 =
    U256::from_limbs([6_743_328_256_752_651_558, 17_280_870_778_742_802_505, 4_294_805_859, 0]);

/// FACTORS[i] is 1.0001 ** -(2**i / 2) as a Q128 number, one per bit of the absolute tick.
const FACTORS: [u128; 20] = [
    0xFFFCB933BD6FAD37AA2D162D1A594001,
    0xFFF97272373D413259A46990580E213A,
    0xFFF2E50F5F656932EF12357CF3C7FDCC,
    0xFFE5CACA7E10E4E61C3624EAA0941CD0,
    0xFFCB9843D60F6159C9DB58835C926644,
    0xFF973B41FA98C081472E6896DFB254C0,
    0xFF2EA16466C96A3843EC78B326B52861,
    0xFE5DEE046A99A2A811C461F1969C3053,
    0xFCBE86C7900A88AEDCFFC83B479AA3A4,
    0xF987A7253AC413176F2B074CF7815E54,
    0xF3392B0822B70005940C7A398E4B70F3,
    0xE7159475A2C29B7443B29C7FA6E889D9,
    0xD097F3BDFD2022B8845AD8F792AA5825,
    0xA9F746462D870FDF8A65DC1F90E061E5,
    0x70D869A156D2A1B890BB3DF62BAF32F7,
    0x31BE135F97D08FD981231505542FCFA6,
    0x09AA508B5B7A84E1C677DE54F3E99BC9,
    0x005D6AF8DEDB81196699C329225EE604,
    0x00002216E584F5FA1EA926041BEDFE98,
    0x0000000048A170391F7DC42444E8FA2,
];

/// Binary digits of log2(price) to compute: the estimate of the tick is then off by less than one.
const LOG2_DIGITS: u32 = 14;
/// 1 / log2(sqrt(1.0001)) as a Q64 number: turns a binary logarithm of a root price into ticks.
const TICKS_PER_DOUBLING_X64: i128 = 255_738_958_999_603_826_347_141;
/// Low bits of the logarithm that the estimate leaves out, so that its product fits 128 bits.
const DROPPED_BITS: u32 = 24;
const TICK_CORRECTIONS_MAX: usize = 3;

/// The root price at a tick, rounded up to Q64.96. Range: MIN_TICK..=MAX_TICK.
pub fn sqrt_ratio_at_tick(tick: i32) -> Answer<U256> {
    let mut bits = tick.unsigned_abs();
    if bits > MAX_TICK.unsigned_abs() {
        return Err(out_of_range("`tick` is outside the tick range"));
    }
    let mut ratio = U256::from_limbs([0, 0, 1, 0]);
    for factor in FACTORS {
        if bits & 1 == 1 {
            ratio = (ratio * crate::full_math::from_u128(factor)) >> 128;
        }
        bits >>= 1;
    }
    if tick > 0 {
        ratio = U256::MAX / ratio;
    }
    Ok((ratio + U256::from_limbs([0xFFFF_FFFF, 0, 0, 0])) >> 32)
}

/// The greatest tick whose root price is at or below the given one.
pub fn tick_at_sqrt_ratio(sqrt_price_x96: U256) -> Answer<i32> {
    if !(MIN_SQRT_RATIO <= sqrt_price_x96 && sqrt_price_x96 < MAX_SQRT_RATIO) {
        return Err(out_of_range("`sqrt_price_x96` must be a price in range"));
    }
    let length = sqrt_price_x96.bit_len();
    let scaled = if length > 128 {
        sqrt_price_x96 >> (length - 128)
    } else {
        sqrt_price_x96 << (128 - length)
    };
    let limbs = scaled.as_limbs();
    let mut mantissa = u128::from(limbs[0]) | u128::from(limbs[1]) << 64;
    let mut log2_x64 = (length as i128 - 97) << 64;
    for digit in 1..=LOG2_DIGITS {
        let square = crate::full_math::from_u128(mantissa);
        let square: U256 = (square * square) >> 127usize;
        let high = square.as_limbs()[2];
        let square = if high != 0 { square >> 1usize } else { square };
        if high != 0 {
            log2_x64 |= 1 << (64 - digit);
        }
        mantissa = u128::from(square.as_limbs()[0]) | u128::from(square.as_limbs()[1]) << 64;
    }
    let estimate = ((log2_x64 >> DROPPED_BITS) * TICKS_PER_DOUBLING_X64) >> (128 - DROPPED_BITS);
    let mut tick = (estimate as i32).clamp(MIN_TICK, MAX_TICK);
    for _ in 0..TICK_CORRECTIONS_MAX {
        if sqrt_ratio_at_tick(tick)? > sqrt_price_x96 {
            tick -= 1;
        } else if sqrt_ratio_at_tick(tick + 1)? <= sqrt_price_x96 {
            tick += 1;
        } else {
            return Ok(tick);
        }
    }
    Err(invariant("the estimate of a tick did not settle"))
}

/// The farthest price limit a swap may name.
pub fn limit_of(zero_for_one: bool) -> U256 {
    if zero_for_one {
        MIN_SQRT_RATIO + U256::ONE
    } else {
        MAX_SQRT_RATIO - U256::ONE
    }
}
