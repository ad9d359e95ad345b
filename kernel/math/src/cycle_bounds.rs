//! How much a cycle could pay at most, and the logarithms of rates: statistics, in the order of operations of the readable
//! Python, `alphapulse.amm.cycle_bounds`.

use smallvec::SmallVec;

use crate::cycles::NEVER;
use crate::full_math::{PIPS, U256, U512};
use crate::pool::Quoter;
use crate::tick_math::{MAX_SQRT_RATIO, MIN_SQRT_RATIO};

/// On a sum of logarithms; each of them errs by less than 1e-13, and rounding up a rate only adds to it.
pub const MARGIN: f64 = 1e-12;
const BOUND_MARGIN: f64 = 1e-13;
const ROUNDED_UNITS: f64 = 2.0;
const TICKS_PER_LOG: f64 = 10_001.0;
const MAX_REACH_BITS: u32 = 24;
const LARGEST_LOG: f64 = 700.0;
const BOTTOMLESS: f64 = 1e50;
const Q96: f64 = 79_228_162_514_264_337_593_543_950_336.0;
const Q128: f64 = 340_282_366_920_938_463_463_374_607_431_768_211_456.0;

/// Share of the input that is not fee, reserve of the token paid in, reserve of the other times that share.
pub type Hop = (f64, f64, f64);

/// The nearest double of a magnitude, halves to even.
pub fn to_f64(limbs: &[u64]) -> f64 {
    let Some(top) = limbs.iter().rposition(|&limb| limb != 0) else {
        return 0.0;
    };
    let below = |at: usize| if at < top + 1 { limbs[top - at] } else { 0 };
    let zeros = limbs[top].leading_zeros();
    let mut head = limbs[top] << zeros;
    let mut lost = 0;
    if top > 0 {
        let next = below(1);
        if zeros > 0 {
            head |= next >> (64 - zeros);
        }
        lost |= next << zeros;
        lost |= limbs[..top - 1].iter().fold(0, |all, &limb| all | limb);
    }
    let exponent = 64 * top as i32 - zeros as i32;
    // Below the 53 bits that a double holds ten more decide the rounding, and whether anything was lost.
    ((head | u64::from(lost != 0)) as f64) * 2f64.powi(exponent)
}

/// The logarithms of a pool's rates for token0 and for token1 paid in.
pub fn rates_of(quoter: Quoter<'_>) -> [f64; 2] {
    match quoter {
        Quoter::V2(pool) if pool.reserve0() != 0 && pool.reserve1() != 0 => {
            let price = (pool.reserve1() as f64 / pool.reserve0() as f64).ln();
            around(price, pool.fee_pips())
        }
        Quoter::V3(pool) if pool.liquidity() != 0 => {
            let root = pool.sqrt_price_x96();
            if root > MIN_SQRT_RATIO + U256::ONE && root < MAX_SQRT_RATIO - U256::ONE {
                let price = 2.0 * (to_f64(root.as_limbs()) / Q96).ln();
                return around(price, pool.fee_pips());
            }
            [rate(quoter, true), rate(quoter, false)]
        }
        _ => [rate(quoter, true), rate(quoter, false)],
    }
}

fn around(price: f64, fee_pips: u32) -> [f64; 2] {
    let kept = (-f64::from(fee_pips) / PIPS as f64).ln_1p();
    [kept + price, kept - price]
}

fn rate(quoter: Quoter<'_>, zero_for_one: bool) -> f64 {
    match quoter.marginal_rate_x128(zero_for_one) {
        Ok(rate) => {
            let rate = rate.saturating_add(U512::from(1u64));
            to_f64(rate.as_limbs()).ln() - 128.0 * std::f64::consts::LN_2
        }
        Err(_) => NEVER,
    }
}

/// A pool's first rate, rounded up; 0 for one that it does not give.
pub fn slope_of(quoter: Quoter<'_>, zero_for_one: bool) -> f64 {
    match quoter.marginal_rate_x128(zero_for_one) {
        Ok(rate) => to_f64(rate.as_limbs()) / Q128 * (1.0 + BOUND_MARGIN),
        Err(_) => 0.0,
    }
}

/// How many ticks no price of a cycle with this gain moves by, as a power of two.
pub fn reach_of(log_gain: f64) -> i32 {
    let ticks = (log_gain * TICKS_PER_LOG) as u64 + 2;
    1 << (64 - ticks.leading_zeros()).min(MAX_REACH_BITS)
}

/// A hop that pays its first rate for any amount.
pub fn straight(slope: f64) -> Hop {
    (1.0, BOTTOMLESS, BOTTOMLESS * slope)
}

/// A pair at the pool's price that is at least as deep as the pool is anywhere within reach.
pub fn hop_of(quoter: Quoter<'_>, reach: i32, zero_for_one: bool) -> Hop {
    let (reserves, fee_pips) = match quoter {
        Quoter::V2(pool) => ((pool.reserve0() as f64, pool.reserve1() as f64), pool.fee_pips()),
        Quoter::V3(pool) => {
            let depth = to_f64(pool.deepest(reach, zero_for_one).as_limbs());
            let root_price = to_f64(pool.sqrt_price_x96().as_limbs()) / Q96;
            if root_price == 0.0 {
                return (1.0, 0.0, 0.0);
            }
            ((depth / root_price, depth * root_price), pool.fee_pips())
        }
        _ => return straight(slope_of(quoter, zero_for_one)),
    };
    let kept = 1.0 - f64::from(fee_pips) / PIPS as f64;
    let (reserve_in, reserve_out) = if zero_for_one { reserves } else { (reserves.1, reserves.0) };
    (kept, reserve_in, kept * reserve_out)
}

/// For each start (place, largest loan) a profit that no loan up to the limit exceeds.
pub fn bounds_of(
    hops: &[Hop],
    log_gain: f64,
    cost: f64,
    max_loans: &[(usize, f64)],
) -> SmallVec<[f64; 4]> {
    let whole = hops.iter().fold(1.0, |product, hop| product * hop.2);
    let reserves = hops.iter().fold(1.0, |product, hop| product * hop.1);
    let root = f64::sqrt(whole);
    let excess = root - f64::sqrt(cost * reserves) + BOUND_MARGIN * root;
    // Not `excess <= 0.0`: what is no number bounds nothing, in either twin.
    if excess <= 0.0 {
        return max_loans.iter().map(|_| ROUNDED_UNITS).collect();
    }
    let most = excess * excess * (1.0 + BOUND_MARGIN);
    let growth = log_gain.min(LARGEST_LOG).exp_m1() * cost * (1.0 + BOUND_MARGIN);
    max_loans
        .iter()
        .map(|&(start, max_loan)| {
            let bend = slope_from(hops, start);
            if bend > 0.0 {
                (most / bend).min(growth * max_loan) + ROUNDED_UNITS
            } else {
                ROUNDED_UNITS
            }
        })
        .collect()
}

/// The c of the cycle as the map a x / (c x + d), walked from a start.
fn slope_from(hops: &[Hop], start: usize) -> f64 {
    let (mut a, mut c) = (1.0, 0.0);
    for &(rate, reserve_in, gross_out) in hops[start..].iter().chain(&hops[..start]) {
        c = a * rate + c * reserve_in;
        a *= gross_out;
    }
    c
}

#[cfg(test)]
mod tests {
    use super::to_f64;

    #[test]
    fn magnitudes_round_to_the_nearest_double() {
        assert_eq!(to_f64(&[0, 0]), 0.0);
        assert_eq!(to_f64(&[u64::MAX, 0, 0]), u64::MAX as f64);
        for value in [1u128, (1 << 53) + 1, (1 << 54) + 2, u128::MAX, (1 << 117) + 1, 3 << 90] {
            let limbs = [value as u64, (value >> 64) as u64, 0, 0];
            assert_eq!(to_f64(&limbs), value as f64);
            let high = [0, 0, value as u64, (value >> 64) as u64];
            assert_eq!(to_f64(&high), value as f64 * 2f64.powi(128));
        }
        // A tie that one bit far below breaks.
        assert_eq!(to_f64(&[1, 0, (1 << 53) + 1]), ((1u64 << 53) + 2) as f64 * 2f64.powi(128));
    }
}
