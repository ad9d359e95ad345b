//! The top of a curve with one top, from exact values at whole inputs.

use crate::full_math::{mul_div_word, U256};
use crate::int::Int;

/// The golden section of an interval, 0.381966, as a fraction over 2**16.
const GOLDEN_X16: u64 = 25_033;
/// The interval is narrow enough for parabolas at this part of its place.
const NARROW_SHIFT: usize = 5;
/// Distances of the parabola's points, as parts of the place: the first, the last, how fast they shrink.
const WIDE_SHIFT: usize = 6;
const FINE_SHIFT: usize = 24;
const SHRINK_SHIFT: usize = 4;
const PARABOLAS_MAX: usize = 40;
const SECTIONS_MAX: usize = 800;

/// An interval around the top, at most four times as high as low. Range: high >= 1.
pub fn bracket(mut value: impl FnMut(U256) -> Int, high: U256) -> (U256, U256) {
    let (mut upper, mut middle) = (high, high);
    let mut best = value(high);
    for shift in (0..(high - U256::ONE).bit_len().max(1)).rev() {
        let low = U256::ONE << shift;
        let found = value(low);
        if found < best {
            return (low, upper);
        }
        (upper, middle, best) = (middle, low, found);
    }
    (U256::ONE, upper)
}

/// The input of an interval at which the curve is highest, up to its saw. Range: 1 <= low <= high.
pub fn summit(mut value: impl FnMut(U256) -> Int, mut low: U256, mut high: U256) -> U256 {
    let part = |low: U256, high: U256| mul_div_word(high - low, GOLDEN_X16, 1 << 16);
    let (mut left, mut right) = (low + part(low, high), high - part(low, high));
    let (mut at_left, mut at_right) = (value(left), value(right));
    for _ in 0..SECTIONS_MAX {
        if high - low <= U256::from(3u64).max(high >> NARROW_SHIFT) {
            break;
        }
        if at_left < at_right {
            (low, left, at_left) = (left, right, at_right);
            right = high - part(low, high);
            at_right = value(right);
        } else {
            (high, right, at_right) = (right, left, at_left);
            left = low + part(low, high);
            at_left = value(left);
        }
    }
    refined(value, (low + high) >> 1)
}

/// The highest place that ever finer parabolas lead to; the saw ends them.
fn refined(mut value: impl FnMut(U256) -> Int, mut place: U256) -> U256 {
    let mut at = value(place);
    let (mut step, finest) = (place >> WIDE_SHIFT, place >> FINE_SHIFT);
    for _ in 0..PARABOLAS_MAX {
        if step <= finest.max(U256::ONE) {
            break;
        }
        let (below, above) = (value(place - step), value(place + step));
        if below > at || above > at {
            (place, at) = if below > above { (place - step, below) } else { (place + step, above) };
            continue;
        }
        let bend = &(&below - &at.shl(1)) + &above;
        if !bend.is_negative() {
            break;
        }
        let moved = (&Int::from(step) * &(&below - &above)).div_floor(&bend.shl(1));
        // Neither neighbour is higher, so that the vertex is no farther than they are.
        let vertex = (&Int::from(place) + &moved).saturated();
        let found = value(vertex);
        if found > at {
            (place, at) = (vertex, found);
        }
        step >>= SHRINK_SHIFT;
    }
    place
}
