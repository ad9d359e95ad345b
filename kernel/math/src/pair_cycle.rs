//! Where a cycle of constant-product pairs earns most: one closed form, without a walk.

use smallvec::SmallVec;

use crate::full_math::{from_u128, isqrt, product, PIPS, U256};
use crate::int::Int;
use crate::optimum::{Amounts, Optimum, BPS};
use crate::pool::{Hop, Quoter};
use crate::swap_curve::Segment;
use crate::uniswap_v2::MAX_RESERVE;

/// A pair in walking order: what of a million pips is kept, kept times the reserve it pays from, a million times the other.
pub struct Side {
    pub kept: u64,
    pub gain: U256,
    pub base: U256,
    most: U256,
}

pub type Sides = SmallVec<[Side; 4]>;

/// Where a cycle of pairs earns most, an inner None when that is below one unit; its segments are left out.
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
    let Some((amount_in, bound, breadth)) = at else {
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
    Some(Some(Optimum { amounts, bound, segments: vec![], breadth }))
}

/// The segments of a cycle of pairs.
pub fn segments_of(hops: &[Hop<'_>]) -> Vec<Segment> {
    let segment = |(pool, zero_for_one): &Hop<'_>| match pool {
        Quoter::V2(pool) => Some(pool.segment(*zero_for_one)),
        _ => None,
    };
    hops.iter().filter_map(segment).collect()
}

/// The pairs of a cycle of nothing else.
pub fn sides_of(hops: &[Hop<'_>]) -> Option<Sides> {
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

type At = Option<(U256, U256, U256)>;

/// (input, bound, breadth) of two pairs whose products fit 256 bits, None where they do not or the limit is met.
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
    let s = first.base * second.base;
    Some((!bound.is_zero()).then(|| (amount_in, bound, amount_in + s / r + U256::ONE)))
}

/// (input, bound, breadth) of any cycle of pairs.
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
        under = r.clone();
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
    let breadth = &(&s.div_floor(&r) + &amount_in) + &Int::from(1u64);
    bound.is_positive().then(|| (amount_in.saturated(), bound.saturated(), breadth.saturated()))
}
