//! How much to send through a cycle of pools.

use crate::climb::crest;
use crate::full_math::{
    div_up, isqrt, mul_div_up, mul_div_word, narrow, product, widen, PIPS, U256, U512,
};
use crate::int::Int;
use crate::optimum::{caps_of, excess_x128, locate, Amounts, Optimum, BPS};
use crate::pair_cycle::locate_pairs;
use crate::pool::Hop;
use crate::ramp::{low_word, Near, Ramp, AMOUNT_BITS};
use crate::refusal::{Answer, Kind, Refusal};

const NEAR_UNITS: u64 = 64;
const SMOOTH_UNITS: u64 = 2;
const COARSE_UNITS: u64 = 1 << 7;
const COARSE_FACTOR: u64 = 4;
const WHOLE_TEETH: u64 = 32;
const TEETH: u64 = 4;
const EXHAUSTIVE_UNITS_MAX: u64 = 1 << 9;
const COMPARABLE_UNITS: u64 = 16;
const NEIGHBOURS: [(bool, u64); 6] =
    [(false, 1000), (true, 1000), (false, 10), (true, 10), (false, 1), (true, 1)];
const FINE_DIGITS: usize = 6;
const SETTLE_MOVES_MAX: usize = 1000;

/// Exact amounts of a cycle: what goes in, what comes out of each hop, what the loan costs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sizing {
    pub amounts: Amounts,
    pub premium: U256,
    pub profit: U256,
}

impl Sizing {
    pub fn gross_profit(&self) -> U256 {
        self.profit + self.premium
    }
}

/// What a loan costs, rounded half up.
#[inline]
pub fn premium(amount: U256, premium_bps: u64) -> U256 {
    if premium_bps == 0 {
        return U256::ZERO;
    }
    if amount.bit_len() + 64 - premium_bps.leading_zeros() as usize <= 120 {
        let limbs = amount.as_limbs();
        let amount = u128::from(limbs[0]) | u128::from(limbs[1]) << 64;
        let owed = (amount * u128::from(premium_bps) + 5000) / u128::from(BPS);
        return crate::full_math::from_u128(owed);
    }
    let product = widen(amount) * U512::from(premium_bps) + U512::from(5000);
    narrow((product / U512::from(BPS)).as_limbs())
}

/// The sizing that earns most after the loan's premium, None when none earns anything.
pub fn optimise(hops: &[Hop<'_>], premium_bps: u64, max_amount_in: U256) -> Answer<Option<Sizing>> {
    match searched(hops, premium_bps, max_amount_in) {
        Ok(Some(mut search)) => {
            if search.has_climbed {
                search.settle(&strides(search.amounts.first().copied().unwrap_or(U256::ONE)));
            } else if !search.is_settled() {
                search.settle(&NEIGHBOURS.map(|(up, step)| (up, U256::from(step))));
            }
            Ok(search.answer())
        }
        Ok(None) => Ok(None),
        Err(refusal) if refusal.is_rejection() => Ok(None),
        Err(refusal) => Err(refusal),
    }
}

fn searched<'a>(
    hops: &'a [Hop<'a>],
    premium_bps: u64,
    max_amount_in: U256,
) -> Result<Option<Search<'a>>, Refusal> {
    if hops.is_empty() {
        return Ok(None);
    }
    let mut search = Search {
        hops,
        premium_bps,
        max_amount_in,
        bound: None,
        amounts: Amounts::new(),
        profit: U256::ZERO,
        has_climbed: false,
    };
    if let Some(found) = locate_pairs(hops, premium_bps, max_amount_in, EXHAUSTIVE_UNITS_MAX) {
        let Some(found) = found else {
            return Ok(None);
        };
        search.around(found)?;
        return Ok(Some(search));
    }
    let excess = excess_x128(hops, premium_bps)?;
    if excess <= Int::from(1u64).shl(128) {
        return Ok(None);
    }
    let caps = caps_of(hops, &excess)?;
    let (index, fewest) = least(&caps);
    if fewest <= U256::from(EXHAUSTIVE_UNITS_MAX) {
        for amount in 1..=fewest.as_limbs()[0] {
            search.try_least(index, U256::from(amount));
        }
        return Ok(Some(search));
    }
    if hops.iter().any(|(pool, _)| pool.is_smooth()) {
        search.climb(&caps, &excess);
        search.has_climbed = true;
        return Ok(Some(search));
    }
    let Some(found) = locate(hops, &caps, premium_bps, max_amount_in)? else {
        return Ok(None);
    };
    search.around(found)?;
    Ok(Some(search))
}

/// The first index of the least amount, and that amount.
fn least(amounts: &[U256]) -> (usize, U256) {
    let mut found = (0, amounts[0]);
    for (index, &amount) in amounts.iter().enumerate() {
        if amount < found.1 {
            found = (index, amount);
        }
    }
    found
}

/// The best input met so far, and the ways to meet better ones.
struct Search<'a> {
    hops: &'a [Hop<'a>],
    premium_bps: u64,
    max_amount_in: U256,
    bound: Option<U256>,
    amounts: Amounts,
    profit: U256,
    has_climbed: bool,
}

impl Search<'_> {
    /// Tries the inputs that can be best near the located amounts, until one meets the bound.
    fn around(&mut self, found: Optimum) -> Answer<()> {
        self.bound = Some(found.bound);
        let (coarsest, fewest) = least(&found.amounts[..found.amounts.len() - 1]);
        self.try_least(coarsest, fewest);
        if self.is_settled() {
            return Ok(());
        }
        let found = &found;
        let inner = &found.amounts[..found.amounts.len() - 1];
        self.try_saws(found, coarsest, true);
        let comparable = fewest.saturating_mul(U256::from(COMPARABLE_UNITS));
        for (index, &amount) in inner.iter().enumerate() {
            if index != coarsest && amount <= comparable {
                self.try_saws(found, index, false);
            }
        }
        if self.is_settled() {
            return Ok(());
        }
        self.try_stops(&found.amounts)
    }

    fn is_settled(&self) -> bool {
        self.bound == Some(self.profit)
    }

    /// Tries the tips of the saws in the amount before hop `index`, and the amounts near the located one.
    fn try_saws(&mut self, found: &Optimum, index: usize, near: bool) {
        let gap = self.bound.unwrap_or(U256::ZERO).saturating_sub(self.profit);
        if gap.is_zero() {
            return;
        }
        let amount = found.amounts[index];
        let start = found.segments.get(index).map_or(U256::ZERO, |segment| segment.start_in);
        let reach = isqrt(product(gap, found.breadth)).saturating_add(U256::ONE);
        let reach = mul_div_up(reach, amount, found.amounts[0]);
        let fee_pips = self.hops[index].0.floored_fee_pips();
        let ramp = Ramp::new(self.hops, found, index, (fee_pips, self.premium_bps));
        let fee_pips = u64::from(fee_pips);
        if fee_pips != 0 {
            let period = PIPS / gcd(fee_pips, PIPS);
            let teeth = div_up(amount.saturating_sub(start), U256::from(period));
            let first = start.saturating_add(teeth.saturating_mul(U256::from(period)));
            self.try_spaced(&ramp, index, first, period, (WHOLE_TEETH, reach));
            if period * fee_pips != PIPS {
                let beyond = amount.saturating_sub(start);
                self.try_tips(&ramp, index, start, beyond, [PIPS, fee_pips, 0]);
            }
        }
        if near {
            self.try_spaced(&ramp, index, amount, 1, (NEAR_UNITS, reach));
        }
        if self.premium_bps != 0 && index == 0 {
            self.try_tips(&ramp, index, U256::ZERO, amount, [BPS, self.premium_bps, 4999]);
        }
    }

    /// Tries the inputs that end on a pool's stop: the step beyond it starts by rounding up.
    fn try_stops(&mut self, amounts: &Amounts) -> Answer<()> {
        for (index, (pool, zero_for_one)) in self.hops.iter().enumerate() {
            let segment = pool.segment(amounts[index], *zero_for_one)?;
            for amount in [segment.start_in, segment.end_in] {
                if self.is_settled() {
                    break;
                }
                self.try_least(index, amount);
            }
        }
        Ok(())
    }

    /// Tries amounts at equal distances on either side, nearest first, as far as they can win.
    fn try_spaced(
        &mut self,
        ramp: &Ramp<'_>,
        index: usize,
        first: U256,
        step: u64,
        (count, reach): (u64, U256),
    ) {
        if self.is_settled() {
            return;
        }
        let last = reach.saturating_to::<u64>() / step;
        let count = count.min(last.saturating_add(1));
        let ahead = ramp.distance(first).filter(|_| self.profit.bit_len() <= AMOUNT_BITS);
        if let Some(ahead) = ahead {
            if let Some(near) = ramp.near(ahead.unsigned_abs().saturating_add(step * count)) {
                self.try_near(&near, index, ahead, (step, count));
                return;
            }
        }
        for place in 0..count {
            let distance = place * step;
            self.try_promising(ramp, index, first.checked_add(U256::from(distance)));
            self.try_promising(ramp, index, first.checked_sub(U256::from(step + distance)));
        }
    }

    /// The same where machine words hold every distance and its answer.
    fn try_near(&mut self, near: &Near<'_>, index: usize, ahead: i64, (step, count): (u64, u64)) {
        let mut profit = low_word(self.profit);
        for place in 0..count {
            let distance = (place * step) as i64;
            for distance in [ahead + distance, ahead - step as i64 - distance] {
                if let Some(amount) = near.promising(distance, profit) {
                    self.try_least(index, amount);
                    if self.is_settled() || self.profit.bit_len() > AMOUNT_BITS {
                        return;
                    }
                    profit = low_word(self.profit);
                }
            }
        }
    }

    /// Tries the last amounts before (amount * part) steps over a multiple of whole, nearest first.
    fn try_tips(
        &mut self,
        ramp: &Ramp<'_>,
        index: usize,
        start: U256,
        centre: U256,
        [whole, part, phase]: [u64; 3],
    ) {
        let step = mul_div_word(centre, part, whole);
        let tip = |steps: U256| {
            let amount = widen(steps) * U512::from(whole) + U512::from(phase);
            start.checked_add(narrow((amount / U512::from(part)).as_limbs()))
        };
        for distance in 0..TEETH {
            let distance = U256::from(distance);
            self.try_promising(ramp, index, tip(step.saturating_add(U256::ONE + distance)));
            if step > distance {
                self.try_promising(ramp, index, tip(step - distance));
            }
        }
    }

    /// Tries an amount if its tangents, rounded as a cycle rounds, leave more than the best so far.
    #[inline]
    fn try_promising(&mut self, ramp: &Ramp<'_>, index: usize, amount: Option<U256>) {
        let Some(amount) = amount else {
            return;
        };
        if self.is_settled() {
            return;
        }
        if ramp.may_beat(amount, self.profit) {
            self.try_least(index, amount);
        }
    }

    /// Finds the top by exact quotes where a hop has no closed form, and tries what is near it.
    fn climb(&mut self, caps: &[U256], excess: &Int) {
        let high = caps[0].min(self.max_amount_in);
        if high.is_zero() {
            return;
        }
        let premium_bps = self.premium_bps;
        crest(|amount| self.value(amount, caps), high, excess, premium_bps);
        if self.amounts.is_empty() {
            return;
        }
        let (index, fewest) = least(&self.amounts[..self.amounts.len() - 1]);
        if fewest <= U256::from(COARSE_UNITS) {
            for amount in 1..COARSE_FACTOR * fewest.as_limbs()[0] {
                self.try_least(index, U256::from(amount));
            }
        } else {
            self.near();
        }
    }

    /// What an input earns; the best is kept.
    ///
    /// What the path cannot carry is worth less than anything, and the less the farther away.
    fn value(&mut self, amount_in: U256, caps: &[U256]) -> Int {
        let too_large = || &Int::zero() - &(&Int::from(1u64).shl(600) + &Int::from(amount_in));
        if amount_in > self.max_amount_in {
            return too_large();
        }
        let mut amounts = Amounts::new();
        amounts.push(amount_in);
        let mut paid = amount_in;
        for ((pool, zero_for_one), &cap) in self.hops.iter().zip(caps) {
            if paid > cap {
                return too_large();
            }
            match pool.amount_out(paid, *zero_for_one) {
                Ok(more) => paid = more,
                Err(refusal) if refusal.kind == Kind::InsufficientLiquidity => {
                    return &Int::from(amount_in) - &Int::from(1u64).shl(700);
                }
                Err(_) => return too_large(),
            }
            amounts.push(paid);
        }
        let owed = amount_in.saturating_add(premium(amount_in, self.premium_bps));
        if paid > owed && paid - owed > self.profit {
            self.amounts = amounts;
            self.profit = paid - owed;
        }
        &Int::from(paid) - &Int::from(owed)
    }

    /// Tries the least inputs around the coarsest amount, and the tips of the slow saws.
    fn near(&mut self) {
        let centre = self.amounts.clone();
        let inner = &centre[..centre.len() - 1];
        let (coarsest, fewest) = least(inner);
        self.try_around(coarsest, fewest);
        let comparable = fewest.saturating_mul(U256::from(COMPARABLE_UNITS));
        if self.premium_bps != 0 && centre[0] <= comparable {
            self.try_teeth(0, centre[0], [BPS, self.premium_bps, 4999]);
        }
        for (index, &amount) in inner.iter().enumerate() {
            let fee_pips = u64::from(self.hops[index].0.floored_fee_pips());
            if fee_pips != 0 && amount <= comparable {
                self.try_teeth(index, amount, [PIPS, fee_pips, 0]);
            }
        }
    }

    /// Tries the least inputs of a few amounts before hop `index`, nearest first.
    fn try_around(&mut self, index: usize, centre: U256) {
        self.try_least(index, centre);
        for distance in 1..=SMOOTH_UNITS {
            let distance = U256::from(distance);
            self.try_least(index, centre.saturating_add(distance));
            if distance < centre {
                self.try_least(index, centre - distance);
            }
        }
    }

    /// Tries the last amounts before (amount * part) steps over a multiple of whole, nearest first.
    fn try_teeth(&mut self, index: usize, centre: U256, [whole, part, phase]: [u64; 3]) {
        let step = mul_div_word(centre, part, whole);
        let tip = |steps: U256| {
            let amount = widen(steps) * U512::from(whole) + U512::from(phase);
            narrow((amount / U512::from(part)).as_limbs())
        };
        for distance in 0..TEETH {
            let distance = U256::from(distance);
            self.try_least(index, tip(step.saturating_add(U256::ONE + distance)));
            if step > distance {
                self.try_least(index, tip(step - distance));
            }
        }
    }

    /// The least input that yields an amount before hop `index`.
    fn pulled_back(&self, index: usize, mut amount: U256) -> Option<U256> {
        for (pool, zero_for_one) in self.hops[..index].iter().rev() {
            amount = pool.least_amount_in(amount, *zero_for_one).ok()?;
        }
        Some(amount)
    }

    /// Tries the least input that yields this amount before hop `index`.
    fn try_least(&mut self, index: usize, amount: U256) {
        if let Some(amount_in) = self.pulled_back(index, amount) {
            self.try_input(amount_in);
        }
    }

    /// Pays no more than the best output needs, then moves to better neighbours until none is left.
    fn settle(&mut self, strides: &[(bool, U256)]) {
        for _ in 0..SETTLE_MOVES_MAX {
            let Some(&paid) = self.amounts.last() else {
                return;
            };
            self.try_least(self.hops.len(), paid);
            let centre = self.amounts[0];
            let moved = strides.iter().any(|&(up, step)| {
                let input = if up { centre.checked_add(step) } else { centre.checked_sub(step) };
                input.is_some_and(|input| self.try_input(input))
            });
            if !moved {
                return;
            }
        }
    }

    /// Keeps an input that earns more than the best so far; true when it does.
    fn try_input(&mut self, amount_in: U256) -> bool {
        if amount_in.is_zero() || amount_in > self.max_amount_in {
            return false;
        }
        let owed = amount_in.saturating_add(premium(amount_in, self.premium_bps));
        let wanted = owed.saturating_add(self.profit).saturating_add(U256::ONE);
        let mut amounts = Amounts::new();
        amounts.push(amount_in);
        let mut amount = amount_in;
        for (place, (pool, zero_for_one)) in self.hops.iter().enumerate() {
            let is_last = place + 1 == self.hops.len();
            if is_last && !pool.may_pay(wanted, amount, *zero_for_one) {
                return false;
            }
            match pool.amount_out(amount, *zero_for_one) {
                Ok(paid) => amount = paid,
                Err(_) => return false,
            }
            amounts.push(amount);
        }
        let profit = amount.saturating_sub(owed);
        if profit <= self.profit {
            return false;
        }
        self.amounts = amounts;
        self.profit = profit;
        true
    }

    /// The exact amounts of the best input, None when nothing is earned.
    fn answer(self) -> Option<Sizing> {
        if self.profit.is_zero() {
            return None;
        }
        let premium = premium(self.amounts[0], self.premium_bps);
        Some(Sizing { amounts: self.amounts, premium, profit: self.profit })
    }
}

fn gcd(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// The neighbours of an amount from far to near: a smooth curve's own rounding has wide teeth.
fn strides(amount: U256) -> Vec<(bool, U256)> {
    let ten = U256::from(10u64);
    let (mut length, mut rest) = (0, amount);
    while !rest.is_zero() {
        rest /= ten;
        length += 1;
    }
    let digits = (length.max(FINE_DIGITS + 3) - FINE_DIGITS) | 1;
    let mut step = ten.pow(U256::from(digits));
    let mut strides = Vec::with_capacity(digits + 3);
    for _ in 0..digits.div_ceil(2) {
        strides.extend([(true, step), (false, step)]);
        step /= ten * ten;
    }
    strides.extend([(true, U256::ONE), (false, U256::ONE)]);
    strides
}
