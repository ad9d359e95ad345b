//! Where a cycle of constant-product pairs earns most: one closed form, without a walk.

use smallvec::SmallVec;

use crate::full_math::{from_u128, product, PIPS, U256, U512};
use crate::int::Int;
use crate::optimum::{Amounts, Optimum, BPS};
use crate::pool::{Hop, Quoter};
use crate::uniswap_v2::MAX_RESERVE;
use ruint::algorithms;

/// A pair in walking order: what of a million pips is kept, kept times the reserve it pays from, a million times the other.
struct Side {
    kept: u64,
    gain: U256,
    base: U256,
    most: U256,
}

type Sides = SmallVec<[Side; 4]>;

/// Where a cycle of pairs earns most, an inner None when that is below one unit; its segments and breadth are left out.
///
/// The outer None means that this is not such a cycle, or that it must be walked: a pair cannot hold the best amount,
/// or an amount has no more than the fewest units.
pub fn locate_pairs(
    hops: &[Hop<'_>],
    premium_bps: u64,
    max_amount_in: U256,
    fewest_units: u64,
) -> Option<Option<Optimum>> {
    let sides = sides_of(hops)?;
    let limits = (premium_bps, max_amount_in);
    let at = match in_fixed_width(&sides, limits) {
        Some(at) => at,
        None => in_any_width(&sides, limits),
    };
    let Some((amount_in, bound)) = at else {
        return Some(None);
    };
    let mut amounts = Amounts::new();
    amounts.push(amount_in);
    let mut amount = amount_in;
    for side in &sides {
        if amount <= U256::from(fewest_units) || amount > side.most {
            return None;
        }
        amount = side.gain * amount / (U256::from(side.kept) * amount + side.base);
        amounts.push(amount);
    }
    Some(Some(Optimum { amounts, bound, segments: vec![], breadth: Int::zero() }))
}

/// Adds what was left out.
pub fn complete(found: &mut Optimum, hops: &[Hop<'_>]) {
    let Some(sides) = sides_of(hops) else {
        return;
    };
    for (pool, zero_for_one) in hops {
        if let Quoter::V2(pool) = pool {
            found.segments.push(pool.segment(*zero_for_one));
        }
    }
    let (_, r, s) = map_of(&sides);
    found.breadth = &(&s.div_floor(&r) + &Int::from(found.amounts[0])) + &Int::from(1u64);
}

fn sides_of(hops: &[Hop<'_>]) -> Option<Sides> {
    let mut sides = Sides::new();
    for (pool, zero_for_one) in hops {
        let Quoter::V2(pool) = pool else {
            return None;
        };
        let (reserve_in, reserve_out) = pool.sides(*zero_for_one);
        if reserve_in == 0 || reserve_out == 0 {
            return None;
        }
        let kept = PIPS - u64::from(pool.fee_pips());
        sides.push(Side {
            kept,
            gain: from_u128(reserve_out) * U256::from(kept),
            base: from_u128(reserve_in) * U256::from(PIPS),
            most: from_u128(MAX_RESERVE - reserve_in),
        });
    }
    Some(sides)
}

/// The cycle's map p x / (r x + s).
fn map_of(sides: &[Side]) -> (Int, Int, Int) {
    let (mut p, mut r, mut s) = (Int::from(1u64), Int::zero(), Int::from(1u64));
    for side in sides {
        let base = Int::from(side.base);
        r = &p.times(side.kept) + &(&base * &r);
        p = &Int::from(side.gain) * &p;
        s = &base * &s;
    }
    (p, r, s)
}

type At = Option<(U256, U256)>;

/// (input, bound) of two pairs whose products fit 256 bits, None where they do not or the limit is met.
fn in_fixed_width(sides: &[Side], (premium_bps, max_amount_in): (u64, U256)) -> Option<At> {
    let [first, second] = sides else {
        return None;
    };
    let cost = BPS.checked_add(premium_bps).filter(|&cost| cost < 1 << 16)?;
    let gains = first.gain.bit_len() + second.gain.bit_len();
    let bases = first.base.bit_len() + second.base.bit_len();
    if gains.max(bases) > 236 {
        return None;
    }
    let earned = first.gain * second.gain * U256::from(BPS);
    let owed = first.base * second.base * U256::from(cost);
    if earned <= owed {
        return Some(None);
    }
    let r = first.gain * U256::from(second.kept) + second.base * U256::from(first.kept);
    let root = isqrt(product(earned, owed));
    let amount_in = (root - owed) / (r * U256::from(cost));
    if amount_in > max_amount_in {
        return None;
    }
    let under = r * U256::from(BPS);
    let mut twice = (earned + owed - (root << 1)) << 1;
    if premium_bps != 0 {
        twice += under;
    }
    let bound: U256 = twice / (under << 1);
    Some((!bound.is_zero()).then_some((amount_in, bound)))
}

/// (input, bound) of any cycle of pairs.
fn in_any_width(sides: &[Side], (premium_bps, max_amount_in): (u64, U256)) -> At {
    let (p, r, s) = map_of(sides);
    let cost = Int::from(u128::from(BPS) + u128::from(premium_bps));
    let (earned, owed) = (p.times(BPS), &cost * &s);
    if earned <= owed {
        return None;
    }
    let root = (&earned * &owed).isqrt();
    let mut amount_in = (&root - &owed).div_floor(&(&cost * &r));
    let (mut twice, under);
    if amount_in <= Int::from(max_amount_in) {
        twice = (&(&earned + &owed) - &root.shl(1)).shl(1);
        under = r;
    } else if max_amount_in.is_zero() {
        return None;
    } else {
        amount_in = Int::from(max_amount_in);
        under = &(&r * &amount_in) + &s;
        twice = &(&earned - &(&cost * &under)).shl(1) * &amount_in;
    }
    let under = under.times(BPS);
    if premium_bps != 0 {
        twice = &twice + &under;
    }
    let bound = twice.div_floor(&under.shl(1));
    bound.is_positive().then(|| (amount_in.saturated(), bound.saturated()))
}

/// The integer square root. Newton's rounds start from the root of the leading digits and never end below.
fn isqrt(value: U512) -> U256 {
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
                    let root = crate::full_math::narrow((value >> (bits / 2)).as_limbs());
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
