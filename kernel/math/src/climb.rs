//! The top of a curve with one top, from exact values at whole inputs.

use smallvec::SmallVec;

use crate::full_math::U256;
use crate::int::Int;
use crate::optimum::BPS;

const POINTS_MAX: usize = 32;
const SMOOTH_POINTS: usize = 8;
const SETTLED_SHIFT: usize = 20;
const NARROW_SHIFT: usize = 9;
const SHRINK_SHIFT: usize = 2;
const SHRINKS_MAX: usize = 128;
/// Values of inputs that cannot be asked have more binary digits.
const ASKED_BITS: usize = 599;

/// An input and its value.
type Point = (U256, Int);

fn is_asked(value: &Int) -> bool {
    !value.is_negative() || value.bit_len() <= ASKED_BITS
}

/// Asks for the values of ever better inputs up to a bound; whoever gives the values keeps the best. Range: high >= 1.
pub fn crest(
    mut value: impl FnMut(U256) -> Int,
    mut high: U256,
    excess_x128: &Int,
    premium_bps: u64,
) {
    let mut place = (high >> SHRINK_SHIFT).max(U256::ONE);
    let mut at = value(place);
    for _ in 0..SHRINKS_MAX {
        if is_asked(&at) || place == U256::ONE {
            break;
        }
        high = place;
        place = (place >> SHRINK_SHIFT).max(U256::ONE);
        at = value(place);
    }
    if !is_asked(&at) {
        return;
    }
    let mut following = first(&(place, at.clone()), high, excess_x128, premium_bps);
    let mut points: SmallVec<[Point; 12]> = SmallVec::new();
    points.push((U256::ZERO, Int::zero()));
    points.push((place, at));
    for number in 0..POINTS_MAX {
        let Err(index) = points.binary_search_by(|(place, _)| place.cmp(&following)) else {
            return;
        };
        points.insert(index, (following, value(following)));
        let mut best = 0;
        for index in 1..points.len() {
            if points[index].1 > points[best].1 {
                best = index;
            }
        }
        let start = best.saturating_sub(1).min(points.len() - 3);
        let place = points[best].0;
        let is_halved = number >= SMOOTH_POINTS && number % 2 == 0;
        following = next(&points[start..start + 3], place, high, premium_bps, is_halved);
        if following.abs_diff(place) <= place >> SETTLED_SHIFT {
            value(following);
            return;
        }
    }
}

/// The best input of the map with the first rate at zero that meets a point.
fn first(point: &Point, high: U256, excess_x128: &Int, premium_bps: u64) -> U256 {
    let place = Int::from(point.0);
    let paid = paid(point, premium_bps);
    let straight = (&(excess_x128 * &place) * &cost_of(premium_bps)).div_floor(&Int::from(BPS));
    let straight = straight.shr(128);
    if straight <= paid {
        return high;
    }
    let root = &excess_x128.shl(128).isqrt() - &Int::from(1u64).shl(128);
    let scale = (&paid * &place).div_floor(&(&straight - &paid));
    (&scale * &root).shr(128).saturated().max(U256::ONE).min(high)
}

/// The best input of the map through three points, or where it must be known better.
fn next(around: &[Point], best: U256, high: U256, premium_bps: u64, is_halved: bool) -> U256 {
    let (low, middle, top) = (around[0].0, around[1].0, around[2].0);
    let is_open = best == top && top < high;
    let bound = if is_open { high.min(top << 2usize) } else { top };
    let found = if is_asked(&around[2].1) { vertex(around, premium_bps) } else { None };
    if let Some(found) = found {
        if found.abs_diff(best) <= best >> SETTLED_SHIFT {
            let narrow = best >> NARROW_SHIFT;
            let (before, after) = if best == top { (middle, bound) } else { (low, top) };
            return if best - before > narrow {
                best - (narrow >> 1usize)
            } else if after - best > narrow {
                best + (narrow >> 1usize)
            } else {
                found
            };
        }
        if low < found && found < bound && !is_halved {
            return found;
        }
    }
    if is_open && !is_halved {
        bound
    } else if top - middle > middle - low {
        (middle + top) >> 1usize
    } else {
        (low + middle) >> 1usize
    }
}

/// Where the map's slope equals the loan's factor, None when the points are not on such a map.
///
/// With u and v counted from the middle point the map is v = a u / (1 + b u): u / v is linear in u. A place below zero
/// lies outside of every bracket.
fn vertex(around: &[Point], premium_bps: u64) -> Option<U256> {
    let [low, middle, top] = [0, 1, 2].map(|index| Int::from(around[index].0));
    let [paid_low, paid_middle, paid_top] =
        [0, 1, 2].map(|index| paid(&around[index], premium_bps));
    if !(paid_low < paid_middle && paid_middle < paid_top) {
        return None;
    }
    let (left, right) = (&middle - &low, &top - &middle);
    let steep = left.shl(128).div_floor(&(&paid_middle - &paid_low));
    let flat = right.shl(128).div_floor(&(&paid_top - &paid_middle));
    if flat <= steep {
        return None;
    }
    let (bend, width) = (&flat - &steep, &top - &low);
    let here = &steep + &(&left * &bend).div_floor(&width);
    let root = here.shl(128).times(BPS).div_floor(&cost_of(premium_bps)).isqrt();
    let moved = (&(&root - &here) * &width).div_floor(&bend);
    let place = &middle + &moved;
    (!place.is_negative()).then(|| place.saturated())
}

/// What a cycle pays for an input, but for the premium's rounding.
fn paid((place, at): &Point, premium_bps: u64) -> Int {
    let place = Int::from(*place);
    let owed = place.times(premium_bps).div_floor(&Int::from(BPS));
    &(at + &place) + &owed
}

fn cost_of(premium_bps: u64) -> Int {
    Int::from(u128::from(BPS) + u128::from(premium_bps))
}
