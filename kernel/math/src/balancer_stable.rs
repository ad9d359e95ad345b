//! The Balancer V2 stable pool: Curve's invariant with another rounding.

use std::sync::OnceLock;

use crate::amplification::{seconds, Ramp};
use crate::fixed_point::{div_down, div_up, mul_down, mul_up, ONE};
use crate::full_math::{from_u128, mul_div_word, U256, U512};
use crate::refusal::{insufficient, not_tradeable, out_of_range, Answer};
use crate::stableswap::{low128, scaled_by, RampParts, Scaled, Slope};
use crate::token_pool::{
    after_swap, require_amount, require_tokens, require_uints, TokenPool, MAX_TOKENS,
};
use crate::words;

pub const AMP_PRECISION: u64 = 1000;
const MAX_BALANCE: u128 = (1 << 112) - 1;
const MAX_AMP: u64 = 5000 * AMP_PRECISION;
const MAX_FEE: u64 = 100_000_000_000_000_000;
const ITERATIONS_MAX: usize = 255;

/// Which computation of the invariant a pool's code carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvariantVersion {
    RoundedUp = 1,
    RoundedDown = 2,
}

/// The invariant that a swap keeps; balances have 18 decimals, the amplification is A * n**(n-1) times 1000.
pub fn invariant_of(
    amplification: u64,
    balances: &[U256],
    version: InvariantVersion,
) -> Answer<U256> {
    require_balances(balances)?;
    let mut total = U256::ZERO;
    for &balance in balances {
        total = words::add(total, balance)?;
    }
    let amplified = amplification * balances.len() as u64;
    let step = match version {
        InvariantVersion::RoundedUp => rounded_up,
        InvariantVersion::RoundedDown => rounded_down,
    };
    let mut invariant = total;
    for _ in 0..ITERATIONS_MAX {
        let before = invariant;
        invariant = step(amplified, balances, total, invariant)?;
        if invariant.abs_diff(before) <= U256::ONE {
            return Ok(invariant);
        }
    }
    Err(not_tradeable("the stable invariant does not settle"))
}

fn require_balances(balances: &[U256]) -> Answer<()> {
    if balances.iter().any(U256::is_zero) {
        return Err(not_tradeable("stable pool with a balance of zero"));
    }
    Ok(())
}

fn rounded_up(amplified: u64, balances: &[U256], total: U256, invariant: U256) -> Answer<U256> {
    let count = U256::from(balances.len());
    let mut product = words::mul(balances[0], count)?;
    for &balance in &balances[1..] {
        product = words::div_up(words::mul(words::mul(product, balance)?, count)?, invariant)?;
    }
    let square = words::mul(words::mul(count, invariant)?, invariant)?;
    let weighted = words::mul(words::mul(U256::from(amplified), total)?, product)?;
    let above = words::add(square, words::div_up(weighted, U256::from(AMP_PRECISION))?)?;
    let rest = words::mul(U256::from(amplified - AMP_PRECISION), product)?;
    let linear = words::mul(count + U256::ONE, invariant)?;
    let under = words::add(linear, rest / U256::from(AMP_PRECISION))?;
    words::div_up(above, under)
}

fn rounded_down(amplified: u64, balances: &[U256], total: U256, invariant: U256) -> Answer<U256> {
    let count = U256::from(balances.len());
    let mut power = invariant;
    for &balance in balances {
        power = words::div(words::mul(power, invariant)?, balance * count)?;
    }
    let weighted = mul_div_word(total, amplified, AMP_PRECISION);
    let sum = words::add(weighted, words::mul(power, count)?)?;
    let above = words::mul(sum, invariant)?;
    let rest = mul_div_word(invariant, amplified - AMP_PRECISION, AMP_PRECISION);
    words::div(above, words::add(rest, words::mul(count + U256::ONE, power)?)?)
}

/// The balance of one token at which all balances have the invariant, rounded up.
pub fn balance_at(
    amplification: u64,
    balances: &[U256],
    invariant: U256,
    index: usize,
) -> Answer<U256> {
    require_balances(balances)?;
    let count = U256::from(balances.len());
    let amplified = U256::from(amplification) * count;
    let mut product = words::mul(balances[0], count)?;
    let mut total = balances[0];
    for &balance in &balances[1..] {
        total = words::add(total, balance)?;
        product = words::div(words::mul(words::mul(product, balance)?, count)?, invariant)?;
    }
    if product.is_zero() {
        return Err(not_tradeable("stable pool whose balances are too far apart"));
    }
    let precision = U256::from(AMP_PRECISION);
    let square = words::mul(invariant, invariant)?;
    let part = words::div_up(square, words::mul(amplified, product)?)?;
    let constant = words::mul(words::mul(part, precision)?, balances[index])?;
    let linear =
        words::add(total - balances[index], words::mul(invariant / amplified, precision)?)?;
    let start = words::add(invariant, linear)?;
    let mut balance = words::div_up(words::add(square, constant)?, start)?;
    for _ in 0..ITERATIONS_MAX {
        let before = balance;
        let above = words::add(words::mul(balance, balance)?, constant)?;
        let under = words::sub(words::add(balance << 1, linear)?, invariant)?;
        balance = words::div_up(above, under)?;
        if balance.abs_diff(before) <= U256::ONE {
            return Ok(balance);
        }
    }
    Err(not_tradeable("the stable balance does not settle"))
}

/// Balances of a vault's stable pool with its scaling factors, fee and ramp.
#[derive(Debug)]
pub struct BalancerStablePool {
    version: InvariantVersion,
    balances: Vec<u128>,
    scales: Vec<u128>,
    scaled: Scaled,
    fee: u64,
    ramp: Ramp,
    timestamp: u64,
    amplification: u64,
    invariant: OnceLock<Answer<U256>>,
}

impl BalancerStablePool {
    pub fn new(
        balances: &[U256],
        scaling_factors: &[U256],
        ramp: RampParts,
        timestamp: U256,
        fee: U256,
        version: InvariantVersion,
    ) -> Answer<Self> {
        let count = scaling_factors.len();
        if !(2..=MAX_TOKENS).contains(&count) {
            return Err(out_of_range("`scaling_factors` must be 2 to 8"));
        }
        let mut pool = Self {
            version,
            balances: vec![0; count],
            scales: vec![u128::from(ONE); count],
            scaled: Scaled::new(),
            fee: 0,
            ramp: Ramp { start_value: 1, end_value: 1, start_time: 0, end_time: 0 },
            timestamp: 0,
            amplification: 0,
            invariant: OnceLock::new(),
        };
        pool.set_fee(fee)?;
        pool.set_ramp(ramp, timestamp)?;
        pool.set_scaling_factors(scaling_factors)?;
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
        self.amplification
    }

    pub fn set_balances(&mut self, balances: &[U256]) -> Answer<()> {
        let what = "`balances` must be one uint112 for each token";
        self.balances = require_uints(balances, self.scales.len(), 112, what)?;
        self.moved();
        Ok(())
    }

    /// Takes a Swap event of the vault; the amounts come with their signs.
    pub fn apply_swap(
        &mut self,
        amount_in: (bool, U256),
        amount_out: (bool, U256),
        i: usize,
        j: usize,
    ) -> Answer<()> {
        let balances = after_swap(&self.balances, amount_in, amount_out, i, j)?;
        self.set_balances(&balances)
    }

    pub fn set_scaling_factors(&mut self, scaling_factors: &[U256]) -> Answer<()> {
        let what = "`scaling_factors` must be one positive uint128 for each token";
        let scales = require_uints(scaling_factors, self.scales.len(), 128, what)?;
        if scales.contains(&0) {
            return Err(out_of_range(what));
        }
        self.scales = scales;
        self.moved();
        Ok(())
    }

    pub fn set_fee(&mut self, fee: U256) -> Answer<()> {
        self.fee = require_fee(fee)?;
        Ok(())
    }

    pub fn set_ramp(&mut self, (values, times): RampParts, timestamp: U256) -> Answer<()> {
        let ramp = Ramp::new(values, times, AMP_PRECISION, MAX_AMP)?;
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
        self.amplification = self.ramp.at(timestamp);
        self.invariant = OnceLock::new();
    }

    fn moved(&mut self) {
        self.scaled = self
            .balances
            .iter()
            .zip(&self.scales)
            .map(|(&b, &scale)| scaled_by(b, scale))
            .collect();
        self.invariant = OnceLock::new();
    }

    fn constant(&self) -> Answer<U256> {
        *self.invariant.get_or_init(|| invariant_of(self.amplification, &self.scaled, self.version))
    }

    fn require_held(&self, i: usize, j: usize) -> Answer<()> {
        require_tokens(self.count(), i, j)?;
        if self.balances.contains(&0) {
            return Err(not_tradeable("pool without balances"));
        }
        Ok(())
    }
}

/// A vault's fee as a machine word: up to 10 %.
pub fn require_fee(fee: U256) -> Answer<u64> {
    match u64::try_from(fee) {
        Ok(fee) if fee <= MAX_FEE => Ok(fee),
        _ => Err(out_of_range("`fee` must be up to 10 %")),
    }
}

impl TokenPool for BalancerStablePool {
    fn count(&self) -> usize {
        self.balances.len()
    }

    fn amount_out(&self, amount_in: U256, i: usize, j: usize) -> Answer<U256> {
        require_amount(amount_in)?;
        if amount_in > self.largest_amount_in(i, j)? {
            return Err(insufficient("`balance` would exceed uint112"));
        }
        let net = amount_in - mul_up(amount_in, U256::from(self.fee));
        self.require_held(i, j)?;
        let invariant = self.constant()?;
        let mut scaled = self.scaled.clone();
        scaled[i] += scaled_by(low128(net), self.scales[i]);
        let after = balance_at(self.amplification, &scaled, invariant, j)?;
        let gross = scaled[j].saturating_sub(after).saturating_sub(U256::ONE);
        let paid = div_down(gross, from_u128(self.scales[j]));
        if paid.is_zero() {
            return Err(insufficient("`amount_in` buys nothing"));
        }
        Ok(paid)
    }

    fn amount_in(&self, amount_out: U256, i: usize, j: usize) -> Answer<U256> {
        require_amount(amount_out)?;
        self.require_held(i, j)?;
        let invariant = self.constant()?;
        let short = insufficient("`amount_out` is more than the pool holds");
        if amount_out >= from_u128(self.balances[j]) {
            return Err(short);
        }
        let mut scaled = self.scaled.clone();
        let taken = mul_down(amount_out, from_u128(self.scales[j]));
        if taken >= scaled[j] {
            return Err(short);
        }
        scaled[j] -= taken;
        let after = balance_at(self.amplification, &scaled, invariant, i)?;
        let more = words::add(after, U256::ONE)?.saturating_sub(scaled[i]);
        let asked = div_up(more, from_u128(self.scales[i]));
        let asked = div_up(asked, U256::from(ONE - self.fee));
        if asked > self.largest_amount_in(i, j)? {
            return Err(insufficient("`balance` would exceed uint112"));
        }
        Ok(asked)
    }

    fn largest_amount_in(&self, i: usize, j: usize) -> Answer<U256> {
        require_tokens(self.count(), i, j)?;
        Ok(from_u128(MAX_BALANCE - self.balances[i]))
    }

    fn marginal_rate_x128(&self, i: usize, j: usize) -> Answer<U512> {
        self.require_held(i, j)?;
        let slope = Slope {
            amplified: self.amplification * self.count() as u64,
            precision: AMP_PRECISION,
            invariant: self.constant()?,
            scaled: &self.scaled,
        };
        slope.rate_x128((i, j), (self.scales[i], self.scales[j]), (ONE - self.fee, ONE))
    }

    fn fingerprint(&self) -> Vec<u8> {
        let mut bytes = vec![8, self.version as u8, self.count() as u8];
        bytes.extend(self.fee.to_be_bytes());
        self.ramp.fingerprint(&mut bytes);
        bytes.extend(self.timestamp.to_be_bytes());
        for scale in &self.scales {
            bytes.extend(scale.to_be_bytes());
        }
        for balance in &self.balances {
            bytes.extend(&balance.to_be_bytes()[2..]);
        }
        bytes
    }
}
