//! Curve's plain StableSwap pools: the invariant, and what `exchange` pays.

use std::sync::OnceLock;

use smallvec::SmallVec;

use crate::amplification::{seconds, Ramp};
use crate::full_math::{from_u128, mul_div_word, mul_div_word_up, U256, U512};
use crate::int::Int;
use crate::refusal::{insufficient, not_tradeable, out_of_range, Answer};
use crate::token_pool::{
    least_input, require_amount, require_tokens, require_uints, TokenPool, MAX_TOKENS,
};
use crate::words;

const MAX_BALANCE: u128 = u128::MAX;
pub const FEE_DENOMINATOR: u64 = 10_000_000_000;
const MAX_FEE: u64 = 5_000_000_000;
pub const PRECISION: u64 = 1_000_000_000_000_000_000;
const MAX_A: u64 = 1_000_000;
const ITERATIONS_MAX: usize = 255;

/// Balances in one unit.
pub type Scaled = SmallVec<[U256; MAX_TOKENS]>;

/// The invariant D of balances scaled to one unit; amplified is the contract's A * n with its precision.
pub fn invariant_of(amplified: u64, scaled: &[U256], a_precision: u64) -> Answer<U256> {
    let mut total = U256::ZERO;
    for &balance in scaled {
        if balance.is_zero() {
            return Err(not_tradeable("stable pool with a balance of zero"));
        }
        total = words::add(total, balance)?;
    }
    let count = scaled.len() as u64;
    let weighted = mul_div_word(total, amplified, a_precision);
    let mut invariant = total;
    for _ in 0..ITERATIONS_MAX {
        let mut power = invariant;
        for &balance in scaled {
            power = words::div(words::mul(power, invariant)?, balance * U256::from(count))?;
        }
        let before = invariant;
        let sum = words::add(weighted, words::mul(power, U256::from(count))?)?;
        let rest = mul_div_word(invariant, amplified - a_precision, a_precision);
        let under = words::add(rest, words::mul(power, U256::from(count + 1))?)?;
        invariant = words::div(words::mul(sum, invariant)?, under)?;
        if invariant.abs_diff(before) <= U256::ONE {
            return Ok(invariant);
        }
    }
    Err(not_tradeable("the stable invariant does not settle"))
}

/// The balance at a place that, with the others, has the invariant, rounded down.
fn balance_at(
    amplified: u64,
    scaled: &[U256],
    place: usize,
    invariant: U256,
    a_precision: u64,
) -> Answer<U256> {
    let count = U256::from(scaled.len());
    let mut constant = invariant;
    let mut others = U256::ZERO;
    for (index, &balance) in scaled.iter().enumerate() {
        if index != place {
            others += balance;
            constant = words::div(words::mul(constant, invariant)?, balance * count)?;
        }
    }
    let above = words::mul(words::mul(constant, invariant)?, U256::from(a_precision))?;
    constant = words::div(above, U256::from(amplified) * count)?;
    let linear = words::add(others, mul_div_word(invariant, a_precision, amplified))?;
    settle(constant, linear, invariant)
}

/// Newton's method on y**2 + (linear - invariant) y = constant from the invariant, rounded down.
fn settle(constant: U256, linear: U256, invariant: U256) -> Answer<U256> {
    let mut balance = invariant;
    for _ in 0..ITERATIONS_MAX {
        let before = balance;
        let above = words::add(words::mul(balance, balance)?, constant)?;
        let under = words::sub(words::add(balance << 1, linear)?, invariant)?;
        balance = words::div(above, under)?;
        if balance.abs_diff(before) <= U256::ONE {
            return Ok(balance);
        }
    }
    Err(not_tradeable("the stable balance does not settle"))
}

/// What a stable pool's first infinitesimal input buys, but for units and fee.
pub struct Slope<'a> {
    pub amplified: u64,
    pub precision: u64,
    pub invariant: U256,
    pub scaled: &'a [U256],
}

impl Slope<'_> {
    /// Output per input of smallest units as Q128: units turn them into the common one, `kept` of `whole` is not fee.
    pub fn rate_x128(
        &self,
        (i, j): (usize, usize),
        (unit_i, unit_j): (u128, u128),
        (kept, whole): (u64, u64),
    ) -> Answer<U512> {
        let mut constant = self.invariant;
        let count = U256::from(self.scaled.len());
        for &balance in self.scaled {
            constant = words::div(words::mul(constant, self.invariant)?, balance * count)?;
        }
        let constant = Int::from(constant).times(self.precision);
        let (x, y) = (Int::from(self.scaled[i]), Int::from(self.scaled[j]));
        let gain = &(&(&x.times(self.amplified) + &constant) * &y) * &Int::from(unit_i);
        let cost = &(&(&y.times(self.amplified) + &constant) * &x) * &Int::from(unit_j);
        let rate = gain.times(kept).shl(128).div_floor(&cost.times(whole));
        let mut limbs = [0; 8];
        limbs[..rate.limbs().len()].copy_from_slice(rate.limbs());
        Ok(U512::from_limbs(limbs))
    }
}

/// Balances, rates, fees and the ramp of a plain pool at a block time.
#[derive(Debug)]
pub struct CurvePool {
    a_precision: u64,
    balances: Vec<u128>,
    rates: Vec<u128>,
    scaled: Scaled,
    fee: u64,
    admin_fee: u64,
    ramp: Ramp,
    timestamp: u64,
    amplified: u64,
    invariant: OnceLock<Answer<U256>>,
}

/// What a ramp is told as, before its widths are known to hold: values and times.
pub type RampParts = ([U256; 2], [U256; 2]);

impl CurvePool {
    pub fn new(
        balances: &[U256],
        rates: &[U256],
        ramp: RampParts,
        timestamp: U256,
        fees: (U256, U256),
        a_precision: U256,
    ) -> Answer<Self> {
        if !(2..=MAX_TOKENS).contains(&rates.len()) {
            return Err(out_of_range("`rates` must be 2 to 8"));
        }
        let a_precision = match u64::try_from(a_precision) {
            Ok(known @ (1 | 100)) => known,
            _ => return Err(out_of_range("`a_precision` must be 1 or 100")),
        };
        let mut pool = Self {
            a_precision,
            balances: vec![0; rates.len()],
            rates: vec![u128::from(PRECISION); rates.len()],
            scaled: Scaled::new(),
            fee: 0,
            admin_fee: 0,
            ramp: Ramp { start_value: 1, end_value: 1, start_time: 0, end_time: 0 },
            timestamp: 0,
            amplified: 0,
            invariant: OnceLock::new(),
        };
        pool.set_fees(fees.0, fees.1)?;
        pool.set_ramp(ramp, timestamp)?;
        pool.set_rates(rates)?;
        pool.set_balances(balances)?;
        Ok(pool)
    }

    pub fn balances(&self) -> &[u128] {
        &self.balances
    }

    pub fn fee(&self) -> u64 {
        self.fee
    }

    pub fn amplification(&self) -> u64 {
        self.amplified / self.balances.len() as u64
    }

    pub fn set_balances(&mut self, balances: &[U256]) -> Answer<()> {
        let what = "`balances` must be one uint128 for each token";
        self.balances = require_uints(balances, self.rates.len(), 128, what)?;
        self.moved();
        Ok(())
    }

    pub fn set_rates(&mut self, rates: &[U256]) -> Answer<()> {
        let what = "`rates` must be one positive uint128 for each token";
        let rates = require_uints(rates, self.rates.len(), 128, what)?;
        if rates.contains(&0) {
            return Err(out_of_range(what));
        }
        self.rates = rates;
        self.moved();
        Ok(())
    }

    pub fn set_fees(&mut self, fee: U256, admin_fee: U256) -> Answer<()> {
        match (u64::try_from(fee), u64::try_from(admin_fee)) {
            (Ok(fee), Ok(admin_fee)) if fee <= MAX_FEE && admin_fee <= FEE_DENOMINATOR => {
                (self.fee, self.admin_fee) = (fee, admin_fee);
                Ok(())
            }
            _ => Err(out_of_range("`fee` and `admin_fee` are out of range")),
        }
    }

    pub fn set_ramp(&mut self, (values, times): RampParts, timestamp: U256) -> Answer<()> {
        let ramp = Ramp::new(values, times, self.a_precision, MAX_A * self.a_precision)?;
        let timestamp = seconds(timestamp)?;
        self.ramp = ramp;
        self.at(timestamp);
        Ok(())
    }

    pub fn set_time(&mut self, timestamp: U256) -> Answer<()> {
        self.at(seconds(timestamp)?);
        Ok(())
    }

    fn at(&mut self, timestamp: u64) {
        self.timestamp = timestamp;
        self.amplified = self.ramp.at(timestamp) * self.balances.len() as u64;
        self.invariant = OnceLock::new();
    }

    fn moved(&mut self) {
        self.scaled =
            self.balances.iter().zip(&self.rates).map(|(&b, &rate)| scaled_by(b, rate)).collect();
        self.invariant = OnceLock::new();
    }

    fn constant(&self) -> Answer<U256> {
        *self.invariant.get_or_init(|| invariant_of(self.amplified, &self.scaled, self.a_precision))
    }

    /// What leaves the curve in the common unit, before the fee.
    fn gross_out(&self, amount_in: U256, i: usize, j: usize) -> Answer<U256> {
        require_amount(amount_in)?;
        if amount_in > self.largest_amount_in(i, j)? {
            return Err(insufficient("`balance` would exceed uint128"));
        }
        let invariant = self.constant()?;
        let mut scaled = self.scaled.clone();
        scaled[i] += scaled_by(low128(amount_in), self.rates[i]);
        let after = balance_at(self.amplified, &scaled, j, invariant, self.a_precision)?;
        if after >= self.scaled[j] {
            return Err(insufficient("`amount_in` buys nothing"));
        }
        Ok(self.scaled[j] - after - U256::ONE)
    }

    /// The scaled amount in smallest units of a token, rounded down. Range: no more than the token's balance.
    fn unscaled(&self, amount: U256, j: usize) -> U256 {
        amount * U256::from(PRECISION) / from_u128(self.rates[j])
    }

    /// What the contract's view says; it may be a unit off what `exchange` pays.
    pub fn get_dy(&self, amount_in: U256, i: usize, j: usize, fee_last: bool) -> Answer<U256> {
        let gross = self.gross_out(amount_in, i, j)?;
        if fee_last {
            let gross = self.unscaled(gross, j);
            return Ok(gross - words::part(gross, self.fee, FEE_DENOMINATOR));
        }
        Ok(self.unscaled(gross - words::part(gross, self.fee, FEE_DENOMINATOR), j))
    }

    /// Takes a TokenExchange event and returns what it paid. The pool is unchanged when it refuses.
    pub fn apply_exchange(&mut self, amount_in: U256, i: usize, j: usize) -> Answer<U256> {
        let paid = self.amount_out(amount_in, i, j)?;
        let gross = self.gross_out(amount_in, i, j)?;
        let fee = words::part(gross, self.fee, FEE_DENOMINATOR);
        let admin = words::part(fee, self.admin_fee, FEE_DENOMINATOR);
        let mut balances: Vec<U256> = self.balances.iter().map(|&b| from_u128(b)).collect();
        balances[i] += amount_in;
        balances[j] = balances[j]
            .checked_sub(paid + self.unscaled(admin, j))
            .ok_or(out_of_range("`balance` must fit uint128"))?;
        self.set_balances(&balances)?;
        Ok(paid)
    }
}

impl TokenPool for CurvePool {
    fn count(&self) -> usize {
        self.balances.len()
    }

    fn amount_out(&self, amount_in: U256, i: usize, j: usize) -> Answer<U256> {
        let paid = self.get_dy(amount_in, i, j, false)?;
        if paid.is_zero() {
            return Err(insufficient("`amount_in` buys nothing"));
        }
        Ok(paid)
    }

    fn amount_in(&self, amount_out: U256, i: usize, j: usize) -> Answer<U256> {
        require_amount(amount_out)?;
        require_tokens(self.count(), i, j)?;
        let short = insufficient("`amount_out` is more than the pool holds");
        if amount_out >= from_u128(self.balances[j]) {
            return Err(short);
        }
        let exact = amount_out * from_u128(self.rates[j]);
        let net = crate::full_math::div_up(exact, U256::from(PRECISION));
        let gross = mul_div_word_up(net, FEE_DENOMINATOR, FEE_DENOMINATOR - self.fee) + U256::ONE;
        if gross >= self.scaled[j] {
            return Err(short);
        }
        let mut scaled = self.scaled.clone();
        scaled[j] -= gross;
        let after = balance_at(self.amplified, &scaled, i, self.constant()?, self.a_precision)?;
        let more = after.saturating_sub(scaled[i]);
        let estimate = more.saturating_mul(U256::from(PRECISION)) / from_u128(self.rates[i]);
        least_input(self, amount_out, i, j, estimate)
    }

    fn least_amount_in(&self, amount_out: U256, i: usize, j: usize) -> Answer<U256> {
        self.amount_in(amount_out, i, j)
    }

    fn largest_amount_in(&self, i: usize, j: usize) -> Answer<U256> {
        require_tokens(self.count(), i, j)?;
        Ok(from_u128(MAX_BALANCE - self.balances[i]))
    }

    fn marginal_rate_x128(&self, i: usize, j: usize) -> Answer<U512> {
        require_tokens(self.count(), i, j)?;
        let slope = Slope {
            amplified: self.amplified,
            precision: self.a_precision,
            invariant: self.constant()?,
            scaled: &self.scaled,
        };
        let kept = (FEE_DENOMINATOR - self.fee, FEE_DENOMINATOR);
        slope.rate_x128((i, j), (self.rates[i], self.rates[j]), kept)
    }

    fn fingerprint(&self) -> Vec<u8> {
        let mut bytes = vec![4, self.a_precision as u8, self.count() as u8];
        bytes.extend(self.fee.to_be_bytes());
        bytes.extend(self.admin_fee.to_be_bytes());
        self.ramp.fingerprint(&mut bytes);
        bytes.extend(self.timestamp.to_be_bytes());
        for value in self.rates.iter().chain(&self.balances) {
            bytes.extend(value.to_be_bytes());
        }
        bytes
    }
}

/// A balance in the common unit, rounded down.
#[inline]
pub fn scaled_by(balance: u128, rate: u128) -> U256 {
    from_u128(balance) * from_u128(rate) / U256::from(PRECISION)
}

/// The value in 128 bits. Range: it fits.
#[inline]
pub fn low128(value: U256) -> u128 {
    let limbs = value.as_limbs();
    u128::from(limbs[0]) | u128::from(limbs[1]) << 64
}
