//! The Balancer V2 weighted pool: a product of balances, each to the power of its weight.

use crate::balancer_stable::require_fee;
use crate::fixed_point::{
    complement, div_down, div_up, mul_down, mul_up, one, pow_up, PowVersion, ONE,
};
use crate::full_math::{self, from_u128, U256, U512};
use crate::int::Int;
use crate::refusal::{insufficient, not_tradeable, out_of_range, Answer};
use crate::token_pool::{
    after_swap, require_amount, require_tokens, require_uints, TokenPool, MAX_TOKENS,
};

const MAX_BALANCE: u128 = (1 << 112) - 1;
const MIN_WEIGHT: u64 = 10_000_000_000_000_000;
/// Of the input's balance on an exact input, of the output's on an exact output.
const MAX_RATIO: u64 = 300_000_000_000_000_000;

/// A token's balance scaled to 18 decimals, and its weight as a part of 10**18.
struct Side {
    balance: U256,
    weight: U256,
}

/// What an input without fee buys, rounded down.
fn out_given_in(from: &Side, to: &Side, amount_in: U256, version: PowVersion) -> Answer<U256> {
    if amount_in > mul_down(from.balance, U256::from(MAX_RATIO)) {
        return Err(insufficient("`amount_in` is over 30 % of the balance"));
    }
    let base = div_up(from.balance, from.balance + amount_in);
    let exponent = div_down(from.weight, to.weight);
    Ok(mul_down(to.balance, complement(pow_up(base, exponent, version)?)))
}

/// What an output costs before fee, rounded up. Range: no more than the balance.
fn in_given_out(from: &Side, to: &Side, amount_out: U256, version: PowVersion) -> Answer<U256> {
    if amount_out > mul_down(to.balance, U256::from(MAX_RATIO)) {
        return Err(insufficient("`amount_out` is over 30 % of the balance"));
    }
    let base = div_up(to.balance, to.balance - amount_out);
    let exponent = div_up(to.weight, from.weight);
    let growth = pow_up(base, exponent, version)?;
    let growth = growth
        .checked_sub(one())
        .ok_or(not_tradeable("the contract's arithmetic overflows on this state"))?;
    Ok(full_math::mul_div_up(from.balance, growth, one()))
}

/// Balances of a vault's pool with the weights and the fee of its contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeightedPool {
    balances: Vec<u128>,
    weights: Vec<u64>,
    scales: Vec<u64>,
    fee: u64,
    version: PowVersion,
}

impl WeightedPool {
    pub fn new(
        balances: &[U256],
        weights: &[U256],
        decimals: &[U256],
        fee: U256,
        version: PowVersion,
    ) -> Answer<Self> {
        if !(2..=MAX_TOKENS).contains(&weights.len()) || weights.len() != decimals.len() {
            return Err(out_of_range("`weights` must be 2 to 8, one for each token"));
        }
        let what = "`weights` must be 10**16 or more and sum to 10**18";
        let mut total = 0;
        let mut held = vec![];
        for weight in weights {
            match u64::try_from(*weight) {
                Ok(weight) if (MIN_WEIGHT..ONE).contains(&weight) => held.push(weight),
                _ => return Err(out_of_range(what)),
            }
            total += held[held.len() - 1];
        }
        if total != ONE {
            return Err(out_of_range(what));
        }
        let scales = decimals.iter().map(|&decimal| match u32::try_from(decimal) {
            Ok(decimal @ 0..=18) => Ok(10u64.pow(18 - decimal)),
            _ => Err(out_of_range("`decimals` must be within 0..18")),
        });
        let mut pool = Self {
            balances: vec![0; weights.len()],
            weights: held,
            scales: scales.collect::<Answer<_>>()?,
            fee: require_fee(fee)?,
            version,
        };
        pool.set_balances(balances)?;
        Ok(pool)
    }

    pub fn balances(&self) -> &[u128] {
        &self.balances
    }

    pub fn fee(&self) -> u64 {
        self.fee
    }

    pub fn set_balances(&mut self, balances: &[U256]) -> Answer<()> {
        let what = "`balances` must be one uint112 for each token";
        self.balances = require_uints(balances, self.weights.len(), 112, what)?;
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

    pub fn set_fee(&mut self, fee: U256) -> Answer<()> {
        self.fee = require_fee(fee)?;
        Ok(())
    }

    fn require_held(&self, i: usize, j: usize) -> Answer<()> {
        require_tokens(self.count(), i, j)?;
        if self.balances[i] == 0 || self.balances[j] == 0 {
            return Err(not_tradeable("pool without balances"));
        }
        Ok(())
    }

    fn side(&self, place: usize) -> Side {
        Side {
            balance: from_u128(self.balances[place]) * U256::from(self.scales[place]),
            weight: U256::from(self.weights[place]),
        }
    }
}

impl TokenPool for WeightedPool {
    fn count(&self) -> usize {
        self.balances.len()
    }

    fn amount_out(&self, amount_in: U256, i: usize, j: usize) -> Answer<U256> {
        require_amount(amount_in)?;
        self.require_held(i, j)?;
        if amount_in > from_u128(MAX_BALANCE - self.balances[i]) {
            return Err(insufficient("`balance` would exceed uint112"));
        }
        let net = amount_in - mul_up(amount_in, U256::from(self.fee));
        let net = net * U256::from(self.scales[i]);
        let paid = out_given_in(&self.side(i), &self.side(j), net, self.version)?;
        let paid = paid / U256::from(self.scales[j]);
        if paid.is_zero() {
            return Err(insufficient("`amount_in` buys nothing"));
        }
        Ok(paid)
    }

    fn amount_in(&self, amount_out: U256, i: usize, j: usize) -> Answer<U256> {
        require_amount(amount_out)?;
        self.require_held(i, j)?;
        if amount_out > from_u128(self.balances[j]) {
            return Err(insufficient("`amount_out` is over 30 % of the balance"));
        }
        let wanted = amount_out * U256::from(self.scales[j]);
        let asked = in_given_out(&self.side(i), &self.side(j), wanted, self.version)?;
        let asked = full_math::div_up(asked, U256::from(self.scales[i]));
        let exceeds = insufficient("`balance` would exceed uint112");
        if asked > from_u128(MAX_BALANCE) {
            return Err(exceeds);
        }
        let asked = div_up(asked, U256::from(ONE - self.fee));
        if asked > from_u128(MAX_BALANCE - self.balances[i]) {
            return Err(exceeds);
        }
        Ok(asked)
    }

    fn largest_amount_in(&self, i: usize, j: usize) -> Answer<U256> {
        self.require_held(i, j)?;
        let most = mul_down(self.side(i).balance, U256::from(MAX_RATIO));
        let most = most / U256::from(self.scales[i]);
        let gross = div_up(most + U256::ONE, U256::from(ONE - self.fee)) - U256::ONE;
        Ok(gross.min(from_u128(MAX_BALANCE - self.balances[i])))
    }

    fn marginal_rate_x128(&self, i: usize, j: usize) -> Answer<U512> {
        self.require_held(i, j)?;
        let gain = Int::from(self.balances[j]).times(self.weights[i]).times(ONE - self.fee);
        let cost = Int::from(self.balances[i]).times(self.weights[j]).times(ONE);
        Ok(full_math::widen(gain.shl(128).div_floor(&cost).saturated()))
    }

    fn fingerprint(&self) -> Vec<u8> {
        let mut bytes = vec![5, self.version as u8, self.count() as u8];
        bytes.extend(self.fee.to_be_bytes());
        for value in self.weights.iter().chain(&self.scales) {
            bytes.extend(value.to_be_bytes());
        }
        for balance in &self.balances {
            bytes.extend(&balance.to_be_bytes()[2..]);
        }
        bytes
    }
}
