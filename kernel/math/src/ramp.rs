//! What amounts near the located one pay at most and ask at least: the tangents of a cycle, rounded as it rounds.

use crate::full_math::{div_wide, div_wide_up, narrow, product, widen, PIPS, U256, U512};
use crate::int::Int;
use crate::optimum::{Line, Optimum, BPS};
use crate::pair_cycle::{segments_of, sides_of, Side};
use crate::pool::Hop;
use crate::sizing::premium;

/// Slopes, amounts and distances of at most these many bits are followed in machine words.
const SLOPE_BITS: usize = 90;
pub const AMOUNT_BITS: usize = 120;
const DISTANCE_BITS: usize = 32;
const ASKED_MAX: i128 = 1 << 46;
const PREMIUM_BPS_MAX: u64 = 1 << 16;

/// The tangents at the amount before one hop, and the saw of the fee that is taken from it.
pub struct Ramp<'a> {
    hops: &'a [Hop<'a>],
    found: &'a Optimum,
    index: usize,
    premium_bps: u64,
    kept: u64,
    start: U256,
    end: U256,
    narrow: Option<Narrow>,
}

/// The tangents in machine words: distances from the whole numbers at the located amount, Q64.
struct Narrow {
    earned: i128,
    paid: i128,
    paid_slope: i128,
    paid_part: i128,
    asked_whole: i128,
    asked: i128,
    asked_slope: i128,
    premium_rest: i64,
    premium_bps: i64,
}

impl<'a> Ramp<'a> {
    pub fn new(
        hops: &'a [Hop<'a>],
        found: &'a Optimum,
        index: usize,
        (fee_pips, premium_bps): (u32, u64),
    ) -> Self {
        let kept = PIPS - u64::from(fee_pips);
        let tangents = match found.segments.get(index) {
            None => tangents_of_pairs(hops, found, index),
            Some(_) => tangents_of(&found.line_at(index)),
        };
        let narrow = tangents.and_then(|parts| Narrow::new(parts, kept, premium_bps));
        let (start, end) = found
            .segments
            .get(index)
            .map_or((U256::ZERO, U256::ZERO), |segment| (segment.start_in, segment.end_in));
        Self { hops, found, index, premium_bps, kept, start, end, narrow }
    }

    /// Whether an amount, by its tangents, may earn more than a profit.
    #[inline]
    pub fn may_beat(&self, amount: U256, profit: U256) -> bool {
        let lost = if self.start < amount && amount < self.end {
            rest(amount - self.start) * self.kept % PIPS
        } else {
            0
        };
        let centre = self.found.amounts[self.index];
        let is_below = amount < centre;
        let distance = amount.abs_diff(centre);
        if let Some(narrow) = &self.narrow {
            if distance.bit_len() <= DISTANCE_BITS && profit.bit_len() <= AMOUNT_BITS {
                let size = i128::from(distance.as_limbs()[0]);
                let profit = low_word(profit);
                if let Some(may) =
                    narrow.may_beat(if is_below { -size } else { size }, lost, profit)
                {
                    return may;
                }
            }
        }
        self.may_beat_in_any_width(distance, is_below, lost, profit)
    }

    /// How far an amount lies above the located one, None where that is very far.
    pub fn distance(&self, amount: U256) -> Option<i64> {
        let centre = self.found.amounts[self.index];
        let size = amount.abs_diff(centre);
        let size = i64::from(u32::try_from(size).ok()?);
        Some(if amount < centre { -size } else { size })
    }

    /// The same question for distances up to a size, where machine words hold every answer.
    pub fn near(&self, size: u64) -> Option<Near<'_>> {
        let narrow = self.narrow.as_ref()?;
        let centre = self.found.amounts[self.index];
        if size >> DISTANCE_BITS != 0 {
            return None;
        }
        let farthest = (narrow.asked_slope * i128::from(size)) >> 64;
        if farthest + 1 >= ASKED_MAX || narrow.asked_whole <= farthest {
            return None;
        }
        let from_centre = |amount: U256| {
            let size = amount.abs_diff(centre).saturating_to::<u32>();
            if amount < centre {
                -i64::from(size)
            } else {
                i64::from(size)
            }
        };
        let phase = if self.start <= centre {
            rest(centre - self.start)
        } else {
            (PIPS - rest(self.start - centre)) % PIPS
        };
        Some(Near {
            narrow,
            centre,
            start: from_centre(self.start),
            end: from_centre(self.end),
            phase: phase as i64,
            kept: self.kept as i64,
        })
    }

    #[cold]
    fn may_beat_in_any_width(
        &self,
        distance: U256,
        is_below: bool,
        lost: u64,
        profit: U256,
    ) -> bool {
        let line = if self.found.segments.is_empty() {
            Optimum {
                amounts: self.found.amounts.clone(),
                bound: self.found.bound,
                segments: segments_of(self.hops),
                breadth: self.found.breadth,
            }
            .line_at(self.index)
        } else {
            self.found.line_at(self.index)
        };
        let Some((paid, asked)) = line.moved(distance, is_below, lost, self.kept) else {
            return false;
        };
        let owed = asked.saturating_add(premium(asked, self.premium_bps));
        paid > owed && paid - owed > profit
    }
}

/// Distances from the located amount, and whether the amounts there may earn more.
pub struct Near<'a> {
    narrow: &'a Narrow,
    centre: U256,
    start: i64,
    end: i64,
    phase: i64,
    kept: i64,
}

impl Near<'_> {
    /// The amount at a distance, if there is one that may earn more than a profit.
    #[inline]
    pub fn promising(&self, distance: i64, profit: i128) -> Option<U256> {
        let lost = if self.start < distance && distance < self.end {
            (self.phase + distance).rem_euclid(PIPS as i64) * self.kept % PIPS as i64
        } else {
            0
        };
        if !self.narrow.beats(i128::from(distance), lost as u64, profit).1 {
            return None;
        }
        let size = U256::from(distance.unsigned_abs());
        if distance < 0 {
            self.centre.checked_sub(size)
        } else {
            self.centre.checked_add(size)
        }
    }
}

type Tangents = [U256; 4];

/// (paid, its slope, asked, its slope) of a line, None where one does not fit.
fn tangents_of(line: &Line) -> Option<Tangents> {
    let parts = [&line.paid, &line.paid_slope, &line.asked, &line.asked_slope];
    let fits = parts.iter().all(|part| !part.is_negative() && part.bit_len() < 256);
    fits.then(|| parts.map(Int::saturated))
}

/// The same for pairs, in fixed width.
fn tangents_of_pairs(hops: &[Hop<'_>], found: &Optimum, index: usize) -> Option<Tangents> {
    let sides = sides_of(hops)?;
    let one = U256::from_limbs([0, 1, 0, 0]);
    let (mut paid, mut paid_slope) = (found.amounts[index] << 64, one);
    for Side { kept, gain, base, .. } in &sides[index..] {
        let under = fitting(paid, 200)? * U256::from(*kept) + (*base << 64);
        paid_slope = shifted_up(shifted_up(paid_slope, *gain, under)?, *base, under)?;
        paid = shifted_up(paid, *gain, under)?;
    }
    let (mut asked, mut asked_slope) = (found.amounts[index] << 64, one);
    for Side { kept, gain, base, .. } in sides[..index].iter().rev() {
        let under: U256 = *gain << 64usize;
        let under = under.checked_sub(fitting(asked, 200)? * U256::from(*kept))?;
        let under = under.max(U256::ONE);
        asked_slope = shifted(shifted(asked_slope, *base, under)?, *gain, under)?;
        asked = shifted(asked, *base, under)?;
    }
    Some([paid, paid_slope, asked, asked_slope])
}

#[inline]
fn fitting(value: U256, bits: usize) -> Option<U256> {
    (value.bit_len() <= bits).then_some(value)
}

/// a * b * 2**64 / denominator rounded down.
#[inline]
fn shifted(a: U256, b: U256, denominator: U256) -> Option<U256> {
    Some(div_wide(product(fitting(a, 200)?, b) << 64, denominator))
}

#[inline]
fn shifted_up(a: U256, b: U256, denominator: U256) -> Option<U256> {
    Some(div_wide_up(product(fitting(a, 200)?, b) << 64, denominator))
}

impl Narrow {
    fn new([paid, paid_slope, asked, asked_slope]: Tangents, kept: u64, bps: u64) -> Option<Self> {
        let paid_slope = low_word(fitting(paid_slope, SLOPE_BITS)?);
        let asked_slope = low_word(fitting(asked_slope, SLOPE_BITS)?);
        let paid_whole = low_word(fitting(whole(paid), AMOUNT_BITS)?);
        let asked_whole = fitting(whole(asked), AMOUNT_BITS)?;
        if bps >= PREMIUM_BPS_MAX {
            return None;
        }
        let owed = widen(asked_whole) * U512::from(bps) + U512::from(5000);
        let (steps, premium_rest) = owed.div_rem(U512::from(BPS));
        let steps = low_word(fitting(narrow(steps.as_limbs()), AMOUNT_BITS)?);
        let asked_whole = low_word(asked_whole);
        Some(Self {
            earned: paid_whole - asked_whole - steps,
            paid: i128::from(paid.as_limbs()[0]),
            paid_slope,
            paid_part: paid_slope / i128::from(kept),
            asked_whole,
            asked: i128::from(asked.as_limbs()[0]),
            asked_slope,
            premium_rest: premium_rest.as_limbs()[0] as i64,
            premium_bps: bps as i64,
        })
    }

    /// None where machine words do not hold the answer.
    #[inline]
    fn may_beat(&self, distance: i128, lost: u64, profit: i128) -> Option<bool> {
        let (asked, beats) = self.beats(distance, lost, profit);
        let fits = asked.abs() < ASKED_MAX && self.asked_whole + asked >= 0;
        fits.then_some(beats)
    }

    /// How much more is asked than at the located amount, and whether more than a profit may be left.
    #[inline]
    fn beats(&self, distance: i128, lost: u64, profit: i128) -> (i128, bool) {
        let paid =
            (self.paid + self.paid_slope * distance - self.paid_part * i128::from(lost)) >> 64;
        let asked = -(-(self.asked + self.asked_slope * distance) >> 64);
        let owed = self.premium_rest + (asked as i64).wrapping_mul(self.premium_bps);
        let steps = owed.div_euclid(BPS as i64);
        (asked, self.earned + paid - asked - i128::from(steps) > profit)
    }
}

/// A Q64 without its fraction.
#[inline]
fn whole(value: U256) -> U256 {
    let limbs = value.as_limbs();
    U256::from_limbs([limbs[1], limbs[2], limbs[3], 0])
}

/// The low half of a value that has no more.
#[inline]
pub fn low_word(value: U256) -> i128 {
    let limbs = value.as_limbs();
    (u128::from(limbs[0]) | u128::from(limbs[1]) << 64) as i128
}

/// The remainder of millionths.
#[inline]
fn rest(value: U256) -> u64 {
    const WORD: u64 = ((1u128 << 64) % PIPS as u128) as u64;
    value.as_limbs().iter().rev().fold(0, |rest, limb| (rest * WORD + limb % PIPS) % PIPS)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Oracle: the remainder of the whole number.
    #[test]
    fn the_rest_of_words_is_that_of_the_number() {
        for shift in 0..250usize {
            let value = (crate::full_math::from_u128(0x1234_5678_9abc_def0_fedc_ba98_7654_3211)
                << shift)
                + U256::from(shift);
            assert_eq!(U256::from(rest(value)), value % U256::from(PIPS));
        }
    }
}
