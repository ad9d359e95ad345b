//! The pools that search asks, each kept by one writer who folds events into it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::full_math::{from_u128, widen, PIPS, U256, U512};
use crate::int::Int;
use crate::refusal::{conflict, invariant, out_of_range, Answer};
use crate::swap_curve::{Segment, SwapCurve};
use crate::tick_map::{Tick, TickMap};
use crate::tick_math::{MAX_TICK, MIN_TICK};
use crate::token_pool::PairView;
use crate::{uniswap_v2, uniswap_v4};

/// int24, the contract's type of a tick.
const TICK_BITS: u32 = 24;
/// The widest spacing that any deployed pool can have: int16.
pub const MAX_TICK_SPACING: i32 = (1 << 15) - 1;

/// A pool of any kind, as a cycle sees it.
#[derive(Clone, Copy)]
pub enum Quoter<'a> {
    V2(&'a V2Pool),
    V3(&'a V3Pool),
    Smooth(PairView<'a>),
}

/// A pool and the direction in which a cycle passes it.
pub type Hop<'a> = (Quoter<'a>, bool);

impl Quoter<'_> {
    /// The fee where the pool rounds the input after fee to a whole unit, zero elsewhere.
    pub fn floored_fee_pips(&self) -> u32 {
        match self {
            Quoter::V2(_) | Quoter::Smooth(_) => 0,
            Quoter::V3(pool) => pool.floored_fee_pips(),
        }
    }

    #[inline]
    pub fn amount_out(&self, amount_in: U256, zero_for_one: bool) -> Answer<U256> {
        match self {
            Quoter::V2(pool) => pool.amount_out(amount_in, zero_for_one),
            Quoter::V3(pool) => pool.amount_out(amount_in, zero_for_one),
            Quoter::Smooth(pair) => pair.amount_out(amount_in, zero_for_one),
        }
    }

    /// Whether an input can buy so much; only a pair can say no without working out what it pays.
    #[inline]
    pub fn may_pay(&self, least: U256, amount_in: U256, zero_for_one: bool) -> bool {
        match self {
            Quoter::V2(pool) => {
                let (reserve_in, reserve_out) = pool.sides(zero_for_one);
                uniswap_v2::pays(least, amount_in, reserve_in, reserve_out, pool.fee_pips)
            }
            Quoter::V3(_) | Quoter::Smooth(_) => true,
        }
    }

    #[inline]
    pub fn least_amount_in(&self, amount_out: U256, zero_for_one: bool) -> Answer<U256> {
        match self {
            Quoter::V2(pool) => pool.least_amount_in(amount_out, zero_for_one),
            Quoter::V3(pool) => pool.least_amount_in(amount_out, zero_for_one),
            Quoter::Smooth(pair) => pair.least_amount_in(amount_out, zero_for_one),
        }
    }

    pub fn ticks_crossed(&self, amount_in: U256, zero_for_one: bool) -> Answer<i64> {
        match self {
            Quoter::V2(_) | Quoter::Smooth(_) => Ok(0),
            Quoter::V3(pool) => pool.ticks_crossed(amount_in, zero_for_one),
        }
    }

    pub fn marginal_rate_x128(&self, zero_for_one: bool) -> Answer<U512> {
        match self {
            Quoter::V2(pool) => pool.marginal_rate_x128(zero_for_one).map(widen),
            Quoter::V3(pool) => pool.marginal_rate_x128(zero_for_one),
            Quoter::Smooth(pair) => pair.marginal_rate_x128(zero_for_one),
        }
    }

    /// Whether the pool has no stretches of constant liquidity.
    pub fn is_smooth(&self) -> bool {
        matches!(self, Quoter::Smooth(_))
    }

    /// The stretch in which an input ends. Range: a pool that is not smooth.
    pub fn segment(&self, amount_in: U256, zero_for_one: bool) -> Answer<Segment> {
        match self {
            Quoter::V2(pool) => Ok(pool.segment(zero_for_one)),
            Quoter::V3(pool) => pool.segment(amount_in, zero_for_one),
            Quoter::Smooth(_) => Err(invariant("a smooth curve has no stretch")),
        }
    }

    pub fn input_to_fall(&self, root_factor_x64: U256, zero_for_one: bool) -> Answer<U256> {
        match self {
            Quoter::V2(pool) => Ok(pool.input_to_fall(root_factor_x64, zero_for_one)),
            Quoter::V3(pool) => pool.input_to_fall(root_factor_x64, zero_for_one),
            Quoter::Smooth(pair) => pair.input_to_fall(root_factor_x64, zero_for_one),
        }
    }
}

pub fn require_fee(fee_pips: U256) -> Answer<u32> {
    if fee_pips >= U256::from(PIPS) {
        return Err(out_of_range("`fee_pips` must be below 1000000"));
    }
    Ok(fee_pips.as_limbs()[0] as u32)
}

fn require_bits(value: U256, bits: usize, what: &'static str) -> Answer<u128> {
    if value.bit_len() > bits {
        return Err(out_of_range(what));
    }
    let limbs = value.as_limbs();
    Ok(u128::from(limbs[0]) | u128::from(limbs[1]) << 64)
}

/// A constant-product pair; its state is two reserves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct V2Pool {
    reserve0: u128,
    reserve1: u128,
    fee_pips: u32,
}

impl V2Pool {
    pub fn new(reserve0: U256, reserve1: U256, fee_pips: U256) -> Answer<Self> {
        let fee_pips = require_fee(fee_pips)?;
        let mut pool = Self { reserve0: 0, reserve1: 0, fee_pips };
        pool.set_reserves(reserve0, reserve1)?;
        Ok(pool)
    }

    pub fn reserve0(&self) -> u128 {
        self.reserve0
    }

    pub fn reserve1(&self) -> u128 {
        self.reserve1
    }

    pub fn fee_pips(&self) -> u32 {
        self.fee_pips
    }

    /// Takes the reserves that a Sync event states. As in the specification, a first reserve that fits is kept
    /// even when the second does not.
    pub fn set_reserves(&mut self, reserve0: U256, reserve1: U256) -> Answer<()> {
        self.reserve0 = require_bits(reserve0, 112, "`reserve0` must fit uint112")?;
        self.reserve1 = require_bits(reserve1, 112, "`reserve1` must fit uint112")?;
        Ok(())
    }

    #[inline]
    pub fn sides(&self, zero_for_one: bool) -> (u128, u128) {
        if zero_for_one {
            (self.reserve0, self.reserve1)
        } else {
            (self.reserve1, self.reserve0)
        }
    }

    #[inline]
    pub fn amount_out(&self, amount_in: U256, zero_for_one: bool) -> Answer<U256> {
        let (reserve_in, reserve_out) = self.sides(zero_for_one);
        uniswap_v2::amount_out(amount_in, reserve_in, reserve_out, self.fee_pips)
    }

    #[inline]
    pub fn amount_in(&self, amount_out: U256, zero_for_one: bool) -> Answer<U256> {
        let (reserve_in, reserve_out) = self.sides(zero_for_one);
        uniswap_v2::amount_in(amount_out, reserve_in, reserve_out, self.fee_pips)
    }

    #[inline]
    pub fn least_amount_in(&self, amount_out: U256, zero_for_one: bool) -> Answer<U256> {
        let (reserve_in, reserve_out) = self.sides(zero_for_one);
        uniswap_v2::least_amount_in(amount_out, reserve_in, reserve_out, self.fee_pips)
    }

    pub fn marginal_rate_x128(&self, zero_for_one: bool) -> Answer<U256> {
        let (reserve_in, reserve_out) = self.sides(zero_for_one);
        uniswap_v2::marginal_rate_x128(reserve_in, reserve_out, self.fee_pips)
    }

    /// The whole pair as one endless stretch.
    pub fn segment(&self, zero_for_one: bool) -> Segment {
        let (reserve_in, reserve_out) = self.sides(zero_for_one);
        let kept = PIPS - u64::from(self.fee_pips);
        Segment {
            start_in: U256::ZERO,
            end_in: from_u128(uniswap_v2::MAX_RESERVE - reserve_in),
            start_out: U256::ZERO,
            gain: Int::from(reserve_out).times(kept),
            slope: Int::from(kept),
            base: Int::from(reserve_in).times(PIPS),
        }
    }

    pub fn input_to_fall(&self, root_factor_x64: U256, zero_for_one: bool) -> U256 {
        let (reserve_in, _) = self.sides(zero_for_one);
        uniswap_v2::input_to_fall(root_factor_x64, reserve_in, self.fee_pips)
    }

    /// The state as canonical bytes: kind, fee, reserves, big-endian.
    pub fn fingerprint(&self) -> Vec<u8> {
        let mut bytes = vec![2];
        bytes.extend(self.fee_pips.to_be_bytes());
        bytes.extend(&self.reserve0.to_be_bytes()[2..]);
        bytes.extend(&self.reserve1.to_be_bytes()[2..]);
        bytes
    }
}

/// What a V3 pool is built from, before its widths are known to hold.
pub struct V3Parts {
    pub sqrt_price_x96: U256,
    pub tick: i32,
    pub liquidity: U256,
    pub fee_pips: U256,
    pub tick_spacing: i32,
    pub ticks: Vec<(i32, Tick)>,
    pub known_lower: i32,
    pub known_upper: i32,
}

/// A concentrated-liquidity pool: price, tick, liquidity, ticks, and one swap curve per direction.
///
/// A pool of the V4 singleton also has a fee for each direction, zero for one first.
#[derive(Debug)]
pub struct V3Pool {
    sqrt_price_x96: U256,
    tick: i32,
    liquidity: u128,
    fee_pips: u32,
    ticks: TickMap,
    curves: [Mutex<SwapCurve>; 2],
    swap_fees: Option<[u32; 2]>,
}

impl V3Pool {
    pub fn new(parts: V3Parts) -> Answer<Self> {
        require_bits(parts.sqrt_price_x96, 160, "`sqrt_price_x96` must fit uint160")?;
        let liquidity = require_bits(parts.liquidity, 128, "`liquidity` must fit uint128")?;
        require_tick_word(parts.tick)?;
        let fee_pips = require_fee(parts.fee_pips)?;
        if !(1..=MAX_TICK_SPACING).contains(&parts.tick_spacing) {
            return Err(out_of_range("`tick_spacing` must be in 1..32767"));
        }
        for &(tick, _) in &parts.ticks {
            require_boundary(tick, parts.tick_spacing)?;
        }
        let ticks =
            TickMap::new(parts.ticks, parts.tick_spacing, parts.known_lower, parts.known_upper);
        let curve = |side| Mutex::new(SwapCurve::new(fee_pips, side));
        let mut pool = Self {
            sqrt_price_x96: parts.sqrt_price_x96,
            tick: parts.tick,
            liquidity,
            fee_pips,
            ticks,
            curves: [curve(false), curve(true)],
            swap_fees: None,
        };
        pool.moved();
        Ok(pool)
    }

    pub fn sqrt_price_x96(&self) -> U256 {
        self.sqrt_price_x96
    }

    pub fn tick(&self) -> i32 {
        self.tick
    }

    pub fn liquidity(&self) -> u128 {
        self.liquidity
    }

    pub fn fee_pips(&self) -> u32 {
        self.fee_pips
    }

    /// The fees of each direction, zero for one first, of a pool of the V4 singleton.
    pub fn swap_fees(&self) -> Option<[u32; 2]> {
        self.swap_fees
    }

    /// The fee of a swap in one direction.
    pub fn swap_fee_pips(&self, zero_for_one: bool) -> u32 {
        self.swap_fees.map_or(self.fee_pips, |fees| fees[usize::from(!zero_for_one)])
    }

    pub fn floored_fee_pips(&self) -> u32 {
        self.swap_fee_pips(true).max(self.swap_fee_pips(false))
    }

    /// Makes this a pool of the V4 singleton with these fees. Range: each below the whole input.
    pub fn set_swap_fees(&mut self, fees: [u32; 2]) {
        self.swap_fees = Some(fees);
        self.curves =
            [Mutex::new(SwapCurve::new(fees[1], false)), Mutex::new(SwapCurve::new(fees[0], true))];
        self.moved();
    }

    /// The largest liquidity in range within so many ticks of the price, in one direction.
    pub fn deepest(&self, reach: i32, zero_for_one: bool) -> U256 {
        // Ticks that contradict each other may add up to less than nothing, so sums start from a shift.
        let shift: U256 = U256::ONE << 200;
        let mut depth: U256 = shift + from_u128(self.liquidity);
        let mut most = depth;
        let place = self.ticks.order.partition_point(|&at| at <= self.tick);
        let mut pass = |at: usize, is_added: bool| {
            let net = self.ticks.held[at].net;
            let size: U256 = from_u128(net.unsigned_abs());
            depth = if is_added == (net >= 0) { depth + size } else { depth - size };
            most = most.max(depth);
        };
        if zero_for_one {
            let last = self.tick.saturating_sub(reach);
            (0..place)
                .rev()
                .take_while(|&at| self.ticks.order[at] >= last)
                .for_each(|at| pass(at, false));
        } else {
            let last = self.tick.saturating_add(reach);
            (place..self.ticks.order.len())
                .take_while(|&at| self.ticks.order[at] <= last)
                .for_each(|at| pass(at, true));
        }
        most - shift
    }

    pub fn ticks(&self) -> &TickMap {
        &self.ticks
    }

    fn moved(&mut self) {
        for curve in &mut self.curves {
            let curve = curve.get_mut().unwrap_or_else(PoisonError::into_inner);
            curve.move_to(self.sqrt_price_x96, self.tick, self.liquidity);
        }
    }

    #[inline]
    fn curve(&self, zero_for_one: bool) -> MutexGuard<'_, SwapCurve> {
        self.curves[usize::from(zero_for_one)].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the state that a Swap event states.
    pub fn apply_swap(&mut self, sqrt_price_x96: U256, tick: i32, liquidity: U256) -> Answer<()> {
        require_bits(sqrt_price_x96, 160, "`sqrt_price_x96` must fit uint160")?;
        let liquidity = require_bits(liquidity, 128, "`liquidity` must fit uint128")?;
        require_tick_word(tick)?;
        self.sqrt_price_x96 = sqrt_price_x96;
        self.tick = tick;
        self.liquidity = liquidity;
        self.moved();
        Ok(())
    }

    /// Takes a Mint or Burn between two ticks. The pool is unchanged when it refuses.
    pub fn apply_liquidity(
        &mut self,
        tick_lower: i32,
        tick_upper: i32,
        amount: U256,
        is_burn: bool,
    ) -> Answer<()> {
        for tick in [tick_lower, tick_upper] {
            require_boundary(tick, self.ticks.spacing)?;
        }
        if tick_lower >= tick_upper {
            return Err(out_of_range("`tick_lower` must be below `tick_upper`"));
        }
        if amount.is_zero() {
            return Ok(());
        }
        let active = tick_lower <= self.tick && self.tick < tick_upper;
        let nothing = Tick { gross: 0, net: 0 };
        let held = [tick_lower, tick_upper].map(|tick| self.ticks.at(tick).unwrap_or(nothing));
        let changed = |value: u128| {
            let value = from_u128(value);
            if is_burn {
                value.checked_sub(amount).ok_or(conflict("burn of more than was minted"))
            } else {
                Ok(value.saturating_add(amount))
            }
        };
        let grosses = [changed(held[0].gross)?, changed(held[1].gross)?];
        let after = if active { changed(self.liquidity)? } else { from_u128(self.liquidity) };
        let fits = |value| require_bits(value, 128, "`liquidity` must fit uint128");
        let (after, lower, upper) = (fits(after)?, fits(grosses[0])?, fits(grosses[1])?);
        let nets = [
            net_after(held[0].net, amount, is_burn, lower)?,
            net_after(held[1].net, amount, !is_burn, upper)?,
        ];
        self.ticks.set(tick_lower, Tick { gross: lower, net: nets[0] });
        self.ticks.set(tick_upper, Tick { gross: upper, net: nets[1] });
        self.liquidity = after;
        for curve in &mut self.curves {
            let curve = curve.get_mut().unwrap_or_else(PoisonError::into_inner);
            curve.forget(tick_lower, tick_upper);
        }
        self.moved();
        Ok(())
    }

    /// Compares the liquidity in range with the sum of the ticks at or below the tick.
    pub fn check(&self) -> Answer<()> {
        if self.ticks.known_lower > MIN_TICK || self.sqrt_price_x96.is_zero() {
            return Ok(());
        }
        let place = self.ticks.order.partition_point(|&at| at <= self.tick);
        let mut below = Int::zero();
        for held in &self.ticks.held[..place] {
            let size = held.net.unsigned_abs();
            let limbs = [size as u64, (size >> 64) as u64];
            below = &below + &Int::from_limbs(&limbs, held.net < 0);
        }
        if below != Int::from(from_u128(self.liquidity)) {
            return Err(conflict("`liquidity` is not what the ticks add up to"));
        }
        Ok(())
    }

    #[inline]
    pub fn amount_out(&self, amount_in: U256, zero_for_one: bool) -> Answer<U256> {
        let paid = self.curve(zero_for_one).amount_out(&self.ticks, amount_in)?;
        if self.swap_fees.is_some() {
            uniswap_v4::require_delta(amount_in, paid)?;
        }
        Ok(paid)
    }

    #[inline]
    pub fn amount_in(&self, amount_out: U256, zero_for_one: bool) -> Answer<U256> {
        let asked = self.curve(zero_for_one).amount_in(&self.ticks, amount_out)?;
        if self.swap_fees.is_some() {
            uniswap_v4::require_delta(asked, amount_out)?;
        }
        Ok(asked)
    }

    #[inline]
    pub fn least_amount_in(&self, amount_out: U256, zero_for_one: bool) -> Answer<U256> {
        self.curve(zero_for_one).least_amount_in(&self.ticks, amount_out)
    }

    pub fn ticks_crossed(&self, amount_in: U256, zero_for_one: bool) -> Answer<i64> {
        self.curve(zero_for_one).ticks_crossed(&self.ticks, amount_in)
    }

    pub fn marginal_rate_x128(&self, zero_for_one: bool) -> Answer<U512> {
        self.curve(zero_for_one).marginal_rate_x128(&self.ticks)
    }

    pub fn segment(&self, amount_in: U256, zero_for_one: bool) -> Answer<Segment> {
        self.curve(zero_for_one).segment(&self.ticks, amount_in)
    }

    pub fn input_to_fall(&self, root_factor_x64: U256, zero_for_one: bool) -> Answer<U256> {
        let root = root_factor_x64.max(U256::from_limbs([0, 1, 0, 0]));
        self.curve(zero_for_one).input_to_fall(&self.ticks, root)
    }

    /// The state as canonical bytes: kind, fee, spacing, price, tick, liquidity, ticks; what only V4 has stands before.
    pub fn fingerprint(&self) -> Vec<u8> {
        let ticks = &self.ticks;
        let mut bytes = vec![];
        if let Some(fees) = self.swap_fees {
            bytes.push(7);
            for fee in fees {
                bytes.extend(&fee.to_be_bytes()[1..]);
            }
        }
        bytes.push(3);
        bytes.extend(self.fee_pips.to_be_bytes());
        bytes.extend(ticks.spacing.to_be_bytes());
        bytes.extend(&self.sqrt_price_x96.to_be_bytes::<32>()[11..]);
        bytes.extend(self.tick.to_be_bytes());
        bytes.push(0);
        bytes.extend(self.liquidity.to_be_bytes());
        bytes.extend(ticks.known_lower.to_be_bytes());
        bytes.extend(ticks.known_upper.to_be_bytes());
        bytes.extend((ticks.order.len() as u32).to_be_bytes());
        for (tick, held) in ticks.order.iter().zip(&ticks.held) {
            bytes.extend(tick.to_be_bytes());
            bytes.extend(held.gross.to_be_bytes());
            bytes.extend(held.net.to_be_bytes());
        }
        bytes
    }
}

fn require_tick_word(tick: i32) -> Answer<()> {
    let bound = 1 << (TICK_BITS - 1);
    if !(-bound..bound).contains(&tick) {
        return Err(out_of_range("`tick` must fit int24"));
    }
    Ok(())
}

fn require_boundary(tick: i32, spacing: i32) -> Answer<()> {
    if !(MIN_TICK..=MAX_TICK).contains(&tick) || tick % spacing != 0 {
        return Err(out_of_range("`tick` must be a multiple of the spacing within the tick range"));
    }
    Ok(())
}

/// The net liquidity after a change; a tick without gross liquidity holds none.
fn net_after(net: i128, amount: U256, lowers: bool, gross: u128) -> Answer<i128> {
    if gross == 0 {
        return Ok(0);
    }
    let limbs = amount.as_limbs();
    let amount = u128::from(limbs[0]) | u128::from(limbs[1]) << 64;
    let after =
        if lowers { net.checked_sub_unsigned(amount) } else { net.checked_add_unsigned(amount) };
    after.ok_or(out_of_range("`liquidity_net` must fit int128"))
}
