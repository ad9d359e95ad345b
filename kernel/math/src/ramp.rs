//! What amounts near the located one pay at most and ask at least: the tangents of a cycle, rounded as it rounds.

use crate::full_math::{PIPS, U256};
use crate::int::Int;
use crate::optimum::{Line, Optimum};

/// Tangents whose numbers have at most this many bits are followed in fixed width.
const NARROW_BITS: usize = 200;

/// The tangents at one amount, and the saw of the fee that is taken from it.
pub struct Ramp {
    line: Line,
    paid_part: Int,
    narrow: Option<Narrow>,
    start: U256,
    end: U256,
    kept: u64,
}

/// The same numbers in fixed width.
struct Narrow {
    paid: U256,
    paid_slope: U256,
    paid_part: U256,
    asked: U256,
    asked_slope: U256,
}

impl Ramp {
    pub fn new(found: &Optimum, index: usize, fee_pips: u32) -> Self {
        let line = found.line_at(index);
        let kept = PIPS - u64::from(fee_pips);
        let paid_part = line.paid_slope.div_floor(&Int::from(kept));
        let fits = [&line.paid, &line.paid_slope, &line.asked, &line.asked_slope]
            .iter()
            .all(|part| !part.is_negative() && part.bit_len() <= NARROW_BITS);
        let narrow = fits.then(|| Narrow {
            paid: line.paid.saturated(),
            paid_slope: line.paid_slope.saturated(),
            paid_part: paid_part.saturated(),
            asked: line.asked.saturated(),
            asked_slope: line.asked_slope.saturated(),
        });
        let segment = &found.segments[index];
        Self { line, paid_part, narrow, start: segment.start_in, end: segment.end_in, kept }
    }

    /// (most that is paid, least that is asked) for an amount, None where nothing is paid.
    #[inline]
    pub fn at(&self, amount: U256) -> Option<(U256, U256)> {
        let lost = if self.start < amount && amount < self.end {
            rest(amount - self.start) * self.kept % PIPS
        } else {
            0
        };
        let is_below = amount < self.line.amount;
        let distance = amount.abs_diff(self.line.amount);
        match &self.narrow {
            Some(narrow) if distance.bit_len() <= 32 => {
                narrow.at(distance.as_limbs()[0], is_below, lost)
            }
            _ => self.wide(&Int::from(distance), is_below, lost),
        }
    }

    fn wide(&self, distance: &Int, is_below: bool, lost: u64) -> Option<(U256, U256)> {
        let moved = |from: &Int, slope: &Int| {
            let change = slope * distance;
            if is_below {
                from - &change
            } else {
                from + &change
            }
        };
        let paid = &moved(&self.line.paid, &self.line.paid_slope) - &self.paid_part.times(lost);
        if paid.is_negative() {
            return None;
        }
        let asked = moved(&self.line.asked, &self.line.asked_slope);
        let asked = asked.div_up(&Int::from(1u64).shl(64)).saturated();
        Some((paid.shr(64).saturated(), asked))
    }
}

impl Narrow {
    #[inline]
    fn at(&self, distance: u64, is_below: bool, lost: u64) -> Option<(U256, U256)> {
        let distance = U256::from(distance);
        let (paid_change, asked_change) = (self.paid_slope * distance, self.asked_slope * distance);
        let lost = self.paid_part * U256::from(lost);
        let (paid, asked) = if is_below {
            (self.paid.checked_sub(paid_change)?, self.asked.saturating_sub(asked_change))
        } else {
            (self.paid + paid_change, self.asked + asked_change)
        };
        let paid = paid.checked_sub(lost)?;
        let rounded_up = asked + U256::from(u64::MAX);
        Some((whole(paid), whole(rounded_up)))
    }
}

/// A Q64 without its fraction.
#[inline]
fn whole(value: U256) -> U256 {
    let limbs = value.as_limbs();
    U256::from_limbs([limbs[1], limbs[2], limbs[3], 0])
}

/// The remainder of millionths.
#[inline]
fn rest(value: U256) -> u64 {
    let limbs = value.as_limbs();
    if limbs[2] | limbs[3] == 0 {
        let low = u128::from(limbs[0]) | u128::from(limbs[1]) << 64;
        return (low % u128::from(PIPS)) as u64;
    }
    (value % U256::from(PIPS)).as_limbs()[0]
}
