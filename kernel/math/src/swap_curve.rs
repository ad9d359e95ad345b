//! A pool's swap in one direction as prefix sums: a quote is a bisection and one partial step.
//!
//! The twin of `swap_curve.py`, laziness included: what is kept, extended or forgotten is decided alike, so that
//! even states which contradict themselves are answered alike.

use std::collections::VecDeque;

use crate::full_math::{div_wide, from_u128, product, widen, PIPS, U256, U512};
use crate::int::Int;
use crate::refusal::{insufficient, not_tradeable, out_of_range, unknown, Answer, Refusal};
use crate::swap_math::{compute_swap_step, full_step, least_partial_in, partial_exact_in};
use crate::tick_map::TickMap;
use crate::tick_math::{limit_of, sqrt_ratio_at_tick, MAX_TICK, MIN_TICK};

/// How many stops the price may leap over before the sums are forgotten instead of extended.
const LEAP_STOPS_MAX: usize = 64;

/// What a swap does: less may be taken or paid than asked when the pool ends first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CurveSwap {
    pub amount_in: U256,
    pub amount_out: U256,
    pub price: U256,
    pub ticks_crossed: i64,
}

/// A stretch of constant liquidity, as a Moebius map of the input beyond its start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    pub start_in: U256,
    pub end_in: U256,
    pub start_out: U256,
    pub gain: Int,
    pub slope: Int,
    pub base: Int,
}

/// The step that ends at a stop: its liquidity, and the sums of everything up to the stop.
#[derive(Clone, Copy, Debug)]
struct Entry {
    key: i32,
    liquidity: u128,
    stop: U256,
    sum_in: U256,
    sum_out: U256,
    crossed: i64,
}

/// Sums of one direction from the price outward; they wrap, and only their differences are read.
#[derive(Clone, Debug)]
pub struct SwapCurve {
    fee_pips: u32,
    zero_for_one: bool,
    price: U256,
    tick: i32,
    liquidity: u128,
    entries: VecDeque<Entry>,
    complete: bool,
    unknown: bool,
    first: Option<usize>,
    first_in: U256,
    first_out: U256,
}

impl SwapCurve {
    pub fn new(fee_pips: u32, zero_for_one: bool) -> Self {
        Self {
            fee_pips,
            zero_for_one,
            price: U256::ZERO,
            tick: 0,
            liquidity: 0,
            entries: VecDeque::new(),
            complete: false,
            unknown: false,
            first: None,
            first_in: U256::ZERO,
            first_out: U256::ZERO,
        }
    }

    /// Takes a new price; the first step is renewed when the next question comes.
    pub fn move_to(&mut self, price: U256, tick: i32, liquidity: u128) {
        self.price = price;
        self.tick = tick;
        self.liquidity = liquidity;
        self.first = None;
    }

    fn forget_all(&mut self) {
        self.entries.clear();
        self.complete = false;
        self.unknown = false;
        self.first = None;
    }

    /// Drops the sums that a change of liquidity between two ticks makes wrong.
    pub fn forget(&mut self, tick_lower: i32, tick_upper: i32) {
        let Some(front) = self.entries.front().map(|entry| entry.key) else {
            return;
        };
        let (low, high) =
            if self.zero_for_one { (-tick_upper, -tick_lower) } else { (tick_lower, tick_upper) };
        self.first = None;
        if low > front {
            let keep = self.entries.partition_point(|entry| entry.key < low);
            self.entries.truncate(keep);
            self.complete = false;
            self.unknown = false;
        } else if high >= front {
            self.forget_all();
        }
    }

    /// What the pool pays for an exact input that it takes whole; may be zero.
    pub fn amount_out(&mut self, ticks: &TickMap, amount_in: U256) -> Answer<U256> {
        if amount_in.is_zero() {
            return Err(out_of_range("`amount_in` must be positive"));
        }
        let first = self.ready(ticks)?;
        if amount_in < self.first_in {
            return Ok(self.part(self.price, self.liquidity, amount_in));
        }
        let beyond = amount_in - self.first_in;
        let base = self.entries[first].sum_in;
        if !self.reach_in(ticks, base, beyond)? {
            return Err(self.end());
        }
        let index = self.find_in(first, base, beyond);
        let entry = self.entries[index];
        let base_out = self.first_out.wrapping_sub(self.entries[first].sum_out);
        if entry.sum_in.wrapping_sub(base) == beyond {
            return Ok(base_out.wrapping_add(entry.sum_out));
        }
        let before = self.entries[index - 1];
        let rest = beyond - before.sum_in.wrapping_sub(base);
        let paid = self.part(before.stop, entry.liquidity, rest);
        Ok(base_out.wrapping_add(before.sum_out).wrapping_add(paid))
    }

    /// What the pool asks, fee included, for an exact output that it pays whole.
    pub fn amount_in(&mut self, ticks: &TickMap, amount_out: U256) -> Answer<U256> {
        let taken = self.swap(ticks, amount_out, false)?;
        if taken.amount_out != amount_out {
            return Err(self.end());
        }
        Ok(taken.amount_in)
    }

    /// The least exact input that pays at least an output.
    pub fn least_amount_in(&mut self, ticks: &TickMap, amount_out: U256) -> Answer<U256> {
        if amount_out.is_zero() {
            return Err(out_of_range("`amount_out` must be positive"));
        }
        let first = self.ready(ticks)?;
        if amount_out <= self.first_out {
            let stop = self.entries[first].stop;
            return least_partial_in(self.price, stop, self.liquidity, amount_out, self.fee_pips);
        }
        let beyond = amount_out - self.first_out;
        let base = self.entries[first].sum_out;
        if !self.reach_out(ticks, base, beyond)? {
            return Err(self.end());
        }
        let index = self.find_out(first, base, beyond);
        let (entry, before) = (self.entries[index], self.entries[index - 1]);
        let rest = beyond - before.sum_out.wrapping_sub(base);
        let part = least_partial_in(before.stop, entry.stop, entry.liquidity, rest, self.fee_pips)?;
        let base_in = self.first_in.wrapping_sub(self.entries[first].sum_in);
        Ok(base_in.wrapping_add(before.sum_in).wrapping_add(part))
    }

    /// How many initialised ticks an exact input crosses.
    pub fn ticks_crossed(&mut self, ticks: &TickMap, amount_in: U256) -> Answer<i64> {
        let taken = self.swap(ticks, amount_in, true)?;
        if taken.amount_in != amount_in {
            return Err(self.end());
        }
        Ok(taken.ticks_crossed)
    }

    /// Output per input of the first infinitesimal amount after fee, as Q128.
    pub fn marginal_rate_x128(&mut self, ticks: &TickMap) -> Answer<U512> {
        let (price, _) = self.first_liquid(ticks)?;
        let kept = U512::from(PIPS - u64::from(self.fee_pips));
        let square = product(price, price);
        if self.zero_for_one {
            return Ok(square * kept / (U512::from(PIPS) << 64));
        }
        Ok((kept << 320) / (square * U512::from(PIPS)))
    }

    /// The stretch of constant liquidity in which this input ends.
    pub fn segment(&mut self, ticks: &TickMap, amount_in: U256) -> Answer<Segment> {
        let first = self.ready(ticks)?;
        if amount_in <= self.first_in {
            let (price, liquidity) = (self.price, self.liquidity);
            return Ok(self.stretch(U256::ZERO, self.first_in, U256::ZERO, price, liquidity));
        }
        let beyond = amount_in - self.first_in;
        let base = self.entries[first].sum_in;
        if !self.reach_in(ticks, base, beyond)? {
            return Err(self.end());
        }
        let index = self.find_in(first, base, beyond);
        let (entry, before) = (self.entries[index], self.entries[index - 1]);
        let shift = self.first_in.wrapping_sub(base);
        let shift_out = self.first_out.wrapping_sub(self.entries[first].sum_out);
        Ok(self.stretch(
            shift.wrapping_add(before.sum_in),
            shift.wrapping_add(entry.sum_in),
            shift_out.wrapping_add(before.sum_out),
            before.stop,
            entry.liquidity,
        ))
    }

    /// An input after which the marginal rate has fallen by the factor, or the pool ends.
    pub fn input_to_fall(&mut self, ticks: &TickMap, root_factor_x64: U256) -> Answer<U256> {
        let (price, start) = self.first_liquid(ticks)?;
        let first = self.ready(ticks)?;
        let mut index;
        if self.zero_for_one {
            let bound = div_wide(widen(price) << 64, root_factor_x64);
            while self.last().stop > bound && self.extend(ticks)? {}
            index = self.bisect(start, |entry| entry.stop > bound);
        } else {
            let bound = product(price, root_factor_x64) >> 64;
            while widen(self.last().stop) < bound && self.extend(ticks)? {}
            index = self.bisect(start, |entry| widen(entry.stop) < bound);
        }
        index = index.max(first).min(self.entries.len() - 1);
        let base = self.entries[first].sum_in;
        Ok(self.first_in.wrapping_add(self.entries[index].sum_in.wrapping_sub(base)))
    }

    /// What an exact input or output does, partly filled where the pool ends first.
    pub fn swap(&mut self, ticks: &TickMap, amount: U256, exact_in: bool) -> Answer<CurveSwap> {
        if amount.is_zero() {
            return Err(out_of_range("`amount` must be positive"));
        }
        let first = self.ready(ticks)?;
        let start = self.entries[first];
        let crossed_before = start.crossed - self.initialized(ticks, start.key);
        let first_part = if exact_in { self.first_in } else { self.first_out };
        if amount < first_part {
            let nothing = CurveSwap {
                amount_in: U256::ZERO,
                amount_out: U256::ZERO,
                price: U256::ZERO,
                ticks_crossed: 0,
            };
            return self.partial(ticks, self.price, first, amount, exact_in, nothing);
        }
        let beyond = amount - first_part;
        let base = if exact_in { start.sum_in } else { start.sum_out };
        let reached = if exact_in {
            self.reach_in(ticks, base, beyond)?
        } else {
            self.reach_out(ticks, base, beyond)?
        };
        let base_in = self.first_in.wrapping_sub(start.sum_in);
        let base_out = self.first_out.wrapping_sub(start.sum_out);
        let at_entry = |entry: &Entry, price: U256| CurveSwap {
            amount_in: base_in.wrapping_add(entry.sum_in),
            amount_out: base_out.wrapping_add(entry.sum_out),
            price,
            ticks_crossed: entry.crossed - crossed_before,
        };
        if !reached {
            if self.unknown {
                return Err(self.end());
            }
            return Ok(at_entry(self.last(), limit_of(self.zero_for_one)));
        }
        let index = if exact_in {
            self.find_in(first, base, beyond)
        } else {
            self.find_out(first, base, beyond)
        };
        let sum = |entry: &Entry| {
            let sum = if exact_in { entry.sum_in } else { entry.sum_out };
            sum.wrapping_sub(base)
        };
        let entry = &self.entries[index];
        if sum(entry) == beyond {
            return Ok(at_entry(entry, entry.stop));
        }
        let before = self.entries[index - 1];
        let rest = beyond - sum(&before);
        let done = at_entry(&before, before.stop);
        self.partial(ticks, before.stop, index, rest, exact_in, done)
    }

    fn partial(
        &self,
        ticks: &TickMap,
        price: U256,
        index: usize,
        amount: U256,
        exact_in: bool,
        reached: CurveSwap,
    ) -> Answer<CurveSwap> {
        let entry = &self.entries[index];
        let step =
            compute_swap_step(price, entry.stop, entry.liquidity, amount, exact_in, self.fee_pips)?;
        let landed = step.price == entry.stop;
        Ok(CurveSwap {
            amount_in: reached.amount_in.wrapping_add(step.amount_in).wrapping_add(step.fee),
            amount_out: reached.amount_out.wrapping_add(step.amount_out),
            price: step.price,
            ticks_crossed: reached.ticks_crossed
                + if landed { self.initialized(ticks, entry.key) } else { 0 },
        })
    }

    #[inline]
    fn part(&self, price: U256, liquidity: u128, amount_in: U256) -> U256 {
        partial_exact_in(price, liquidity, amount_in, self.fee_pips, self.zero_for_one)
    }

    fn stretch(
        &self,
        start_in: U256,
        end_in: U256,
        start_out: U256,
        price: U256,
        liquidity: u128,
    ) -> Segment {
        let kept = PIPS - u64::from(self.fee_pips);
        let low = Int::from(widen(from_u128(liquidity)) << 160).div_floor(&Int::from(price));
        let high = Int::from(product(from_u128(liquidity), price) >> 32);
        let (virtual_in, virtual_out) = if self.zero_for_one { (low, high) } else { (high, low) };
        Segment {
            start_in,
            end_in,
            start_out,
            gain: (&virtual_out + &Int::from(1u64)).times(kept),
            slope: Int::from(U256::from(kept) << 64),
            base: virtual_in.times(PIPS),
        }
    }

    /// The price at which the first step with liquidity starts, and that step's index.
    fn first_liquid(&mut self, ticks: &TickMap) -> Answer<(U256, usize)> {
        let first = self.ready(ticks)?;
        if !self.first_in.is_zero() {
            return Ok((self.price, first));
        }
        let base = self.entries[first].sum_in;
        let mut index = first + 1;
        while index < self.entries.len() || self.extend(ticks)? {
            if self.entries[index].sum_in != base {
                return Ok((self.entries[index - 1].stop, index));
            }
            index += 1;
        }
        Err(self.end())
    }

    fn end(&self) -> Refusal {
        if self.unknown {
            return unknown("the swap reaches ticks that are not known");
        }
        let nothing = match (self.entries.back(), self.first) {
            (None, _) => true,
            (Some(last), first) => {
                let first = first.unwrap_or(self.entries.len() - 1);
                self.first_in.wrapping_add(last.sum_in) == self.entries[first].sum_in
            }
        };
        if nothing {
            not_tradeable("the swap finds no liquidity in this direction")
        } else {
            insufficient("the amount is more than the pool can take or pay")
        }
    }

    #[inline]
    fn initialized(&self, ticks: &TickMap, key: i32) -> i64 {
        let tick = if self.zero_for_one { -key } else { key };
        i64::from(MIN_TICK < tick && tick < MAX_TICK && ticks.at(tick).is_some())
    }

    #[inline]
    fn ready(&mut self, ticks: &TickMap) -> Answer<usize> {
        match self.first {
            Some(first) => Ok(first),
            None => self.renew(ticks),
        }
    }

    /// Recomputes the first step from the price, extending or forgetting the sums as needed.
    fn renew(&mut self, ticks: &TickMap) -> Answer<usize> {
        let limit = limit_of(self.zero_for_one);
        if self.price.is_zero() {
            return Err(not_tradeable("pool without a price: it was never initialised"));
        }
        let at_bound = if self.zero_for_one { self.price <= limit } else { self.price >= limit };
        if at_bound {
            return Err(not_tradeable("`sqrt_price_x96` stands at the bound"));
        }
        let Some(stop) = ticks.stop_ahead(self.tick, self.liquidity, self.zero_for_one) else {
            self.forget_all();
            self.unknown = ticks.ends_unknown(self.zero_for_one);
            return Err(self.end());
        };
        let key = if self.zero_for_one { -stop } else { stop };
        if !self.entries.is_empty() {
            for _ in 0..LEAP_STOPS_MAX {
                if key < self.entries[0].key {
                    if !self.prepend(ticks)? {
                        break;
                    }
                } else if key <= self.last().key || !self.extend(ticks)? {
                    break;
                }
            }
        }
        let mut index = self.entries.partition_point(|entry| entry.key < key);
        let known = self
            .entries
            .get(index)
            .is_some_and(|entry| entry.key == key && entry.liquidity == self.liquidity);
        if !known {
            self.forget_all();
            index = 0;
            self.append(ticks, key, self.liquidity, U256::ZERO, U256::ZERO)?;
        }
        self.first = Some(index);
        let stop = self.entries[index].stop;
        (self.first_in, self.first_out) =
            full_step(self.price, stop, self.liquidity, self.fee_pips);
        Ok(index)
    }

    fn stop_price(&self, tick: i32) -> Answer<U256> {
        if MIN_TICK < tick && tick < MAX_TICK {
            return sqrt_ratio_at_tick(tick);
        }
        Ok(limit_of(self.zero_for_one))
    }

    fn append(
        &mut self,
        ticks: &TickMap,
        key: i32,
        liquidity: u128,
        amount_in: U256,
        amount_out: U256,
    ) -> Answer<()> {
        let stop = self.stop_price(if self.zero_for_one { -key } else { key })?;
        let crossed = self.initialized(ticks, key);
        let (sum_in, sum_out, before) = match self.entries.back() {
            Some(last) => (last.sum_in, last.sum_out, last.crossed),
            None => (U256::ZERO, U256::ZERO, 0),
        };
        self.entries.push_back(Entry {
            key,
            liquidity,
            stop,
            sum_in: sum_in.wrapping_add(amount_in),
            sum_out: sum_out.wrapping_add(amount_out),
            crossed: before + crossed,
        });
        Ok(())
    }

    /// Appends the step after the last stop; false when there is none.
    fn extend(&mut self, ticks: &TickMap) -> Answer<bool> {
        if self.complete {
            return Ok(false);
        }
        let last = *self.last();
        let tick = if self.zero_for_one { -last.key } else { last.key };
        let net = ticks.net(tick);
        let liquidity = add_delta(last.liquidity, net, self.zero_for_one)
            .ok_or(unknown("`liquidity` must fit uint128"))?;
        let mut ahead = None;
        if MIN_TICK < tick && tick < MAX_TICK {
            let from = if self.zero_for_one { tick - 1 } else { tick };
            ahead = ticks.stop_ahead(from, liquidity, self.zero_for_one);
            self.unknown = ahead.is_none() && ticks.ends_unknown(self.zero_for_one);
        }
        let Some(ahead) = ahead else {
            self.complete = true;
            return Ok(false);
        };
        let stop = self.stop_price(ahead)?;
        let (taken, paid) = full_step(last.stop, stop, liquidity, self.fee_pips);
        let key = if self.zero_for_one { -ahead } else { ahead };
        self.append(ticks, key, liquidity, taken, paid)?;
        Ok(true)
    }

    /// Inserts the step before the first stop; false when its liquidity is not known.
    fn prepend(&mut self, ticks: &TickMap) -> Answer<bool> {
        let front = self.entries[0];
        let tick = if self.zero_for_one { -front.key } else { front.key };
        let Some(stop) = ticks.stop_behind(tick, front.liquidity, self.zero_for_one) else {
            return Ok(false);
        };
        let price = self.stop_price(stop)?;
        let (taken, paid) = full_step(price, front.stop, front.liquidity, self.fee_pips);
        let net = ticks.net(stop);
        let Some(before) = add_delta(front.liquidity, net, !self.zero_for_one) else {
            return Ok(false);
        };
        self.entries.push_front(Entry {
            key: if self.zero_for_one { -stop } else { stop },
            liquidity: before,
            stop: price,
            sum_in: front.sum_in.wrapping_sub(taken),
            sum_out: front.sum_out.wrapping_sub(paid),
            crossed: front.crossed - self.initialized(ticks, front.key),
        });
        Ok(true)
    }

    #[inline]
    fn last(&self) -> &Entry {
        &self.entries[self.entries.len() - 1]
    }

    /// Extends until the sums of input reach a distance; false when the pool ends before.
    #[inline]
    fn reach_in(&mut self, ticks: &TickMap, base: U256, beyond: U256) -> Answer<bool> {
        while self.last().sum_in.wrapping_sub(base) < beyond {
            if !self.extend(ticks)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    #[inline]
    fn reach_out(&mut self, ticks: &TickMap, base: U256, beyond: U256) -> Answer<bool> {
        while self.last().sum_out.wrapping_sub(base) < beyond {
            if !self.extend(ticks)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    #[inline]
    fn find_in(&self, first: usize, base: U256, beyond: U256) -> usize {
        self.bisect(first, |entry| entry.sum_in.wrapping_sub(base) < beyond)
    }

    #[inline]
    fn find_out(&self, first: usize, base: U256, beyond: U256) -> usize {
        self.bisect(first, |entry| entry.sum_out.wrapping_sub(base) < beyond)
    }

    /// The first index from `low` on whose entry is not before what is sought.
    #[inline]
    fn bisect(&self, mut low: usize, is_before: impl Fn(&Entry) -> bool) -> usize {
        let mut high = self.entries.len();
        while low < high {
            let middle = (low + high) / 2;
            if is_before(&self.entries[middle]) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }
}

/// The liquidity after crossing a tick, None where it does not fit 128 bits.
#[inline]
pub fn add_delta(liquidity: u128, net: i128, zero_for_one: bool) -> Option<u128> {
    if (net >= 0) == zero_for_one {
        liquidity.checked_sub(net.unsigned_abs())
    } else {
        liquidity.checked_add(net.unsigned_abs())
    }
}
