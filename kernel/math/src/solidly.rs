//! Solidly pairs: a volatile one on the product of reserves, a stable one on x**3 y + x y**3.

use crate::fixed_point::one;
use crate::full_math::{from_u128, mul_div_up, mul_div_word, product, U256, U512};
use crate::int::Int;
use crate::refusal::{insufficient, not_tradeable, out_of_range, Answer};
use crate::stableswap::low128;
use crate::token_pool::{least_input, require_amount, require_tokens, TokenPool};
use crate::words;

const MAX_RESERVE: u128 = (1 << 112) - 1;
const ITERATIONS_MAX: usize = 255;

/// Which iteration a stable pair's code carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StableVersion {
    First = 1,
    Settled = 2,
}

/// Two reserves and a fee, shared by both curves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    reserves: [u128; 2],
    fee: u32,
    fee_denominator: u32,
}

impl Pair {
    pub fn new(reserves: [U256; 2], fee: U256, fee_denominator: U256) -> Answer<Self> {
        let mut pair = Self { reserves: [0; 2], fee: 0, fee_denominator: 1 };
        pair.set_fee(fee, fee_denominator)?;
        pair.set_reserves(reserves)?;
        Ok(pair)
    }

    pub fn reserves(&self) -> [u128; 2] {
        self.reserves
    }

    /// The fee and what it is a part of.
    pub fn fee(&self) -> (u32, u32) {
        (self.fee, self.fee_denominator)
    }

    pub fn set_reserves(&mut self, reserves: [U256; 2]) -> Answer<()> {
        if reserves.iter().any(|reserve| *reserve > from_u128(MAX_RESERVE)) {
            return Err(out_of_range("a reserve must fit uint112"));
        }
        self.reserves = reserves.map(low128);
        Ok(())
    }

    pub fn set_fee(&mut self, fee: U256, fee_denominator: U256) -> Answer<()> {
        match (u32::try_from(fee), u32::try_from(fee_denominator)) {
            (Ok(fee), Ok(whole)) if fee < whole => {
                (self.fee, self.fee_denominator) = (fee, whole);
                Ok(())
            }
            _ => Err(out_of_range("`fee` must be below `fee_denominator`, a uint32")),
        }
    }

    fn largest_amount_in(&self, i: usize, j: usize) -> Answer<U256> {
        require_tokens(2, i, j)?;
        Ok(from_u128(MAX_RESERVE - self.reserves[i]))
    }

    fn kept(&self) -> u64 {
        u64::from(self.fee_denominator - self.fee)
    }

    /// What is left of an input after the fee.
    fn net(&self, amount_in: U256, i: usize, j: usize) -> Answer<U256> {
        require_amount(amount_in)?;
        require_tokens(2, i, j)?;
        if self.reserves.contains(&0) {
            return Err(not_tradeable("pair without reserves"));
        }
        if amount_in > from_u128(MAX_RESERVE - self.reserves[i]) {
            return Err(insufficient("`reserve` would exceed uint112"));
        }
        let fee = mul_div_word(amount_in, self.fee.into(), self.fee_denominator.into());
        Ok(amount_in - fee)
    }

    /// The least input of which at least this much is left after the fee, all ones when no word holds it.
    fn gross(&self, net: U256) -> U256 {
        let below = net - U256::ONE;
        mul_div_word(below, self.fee_denominator.into(), self.kept()).saturating_add(U256::ONE)
    }

    fn fingerprint(&self, kind: u8) -> Vec<u8> {
        let mut bytes = vec![kind];
        bytes.extend(self.fee.to_be_bytes());
        bytes.extend(self.fee_denominator.to_be_bytes());
        for reserve in self.reserves {
            bytes.extend(&reserve.to_be_bytes()[2..]);
        }
        bytes
    }
}

/// A pair on the product of its reserves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SolidlyVolatilePool {
    pub pair: Pair,
}

impl TokenPool for SolidlyVolatilePool {
    fn count(&self) -> usize {
        2
    }

    fn amount_out(&self, amount_in: U256, i: usize, j: usize) -> Answer<U256> {
        let net = self.pair.net(amount_in, i, j)?;
        let [reserve_in, reserve_out] = [i, j].map(|place| from_u128(self.pair.reserves[place]));
        let paid = net * reserve_out / (reserve_in + net);
        if paid.is_zero() {
            return Err(insufficient("`amount_in` buys nothing"));
        }
        Ok(paid)
    }

    fn amount_in(&self, amount_out: U256, i: usize, j: usize) -> Answer<U256> {
        require_amount(amount_out)?;
        self.pair.net(U256::ONE, i, j)?;
        let [reserve_in, reserve_out] = [i, j].map(|place| from_u128(self.pair.reserves[place]));
        if amount_out >= reserve_out {
            return Err(insufficient("`amount_out` is more than the reserve"));
        }
        let net = crate::full_math::div_up(amount_out * reserve_in, reserve_out - amount_out);
        let least = self.pair.gross(net);
        if least > from_u128(MAX_RESERVE) - reserve_in {
            return Err(insufficient("`reserve` would exceed uint112"));
        }
        Ok(least)
    }

    fn least_amount_in(&self, amount_out: U256, i: usize, j: usize) -> Answer<U256> {
        self.amount_in(amount_out, i, j)
    }

    fn largest_amount_in(&self, i: usize, j: usize) -> Answer<U256> {
        self.pair.largest_amount_in(i, j)
    }

    fn marginal_rate_x128(&self, i: usize, j: usize) -> Answer<U512> {
        self.pair.net(U256::ONE, i, j)?;
        let gain = from_u128(self.pair.reserves[j]) * U256::from(self.pair.kept());
        let cost = from_u128(self.pair.reserves[i]) * U256::from(self.pair.fee_denominator);
        Ok(product(gain, U256::from_limbs([0, 0, 1, 0])) / crate::full_math::widen(cost))
    }

    fn fingerprint(&self) -> Vec<u8> {
        self.pair.fingerprint(9)
    }
}

/// A pair on x**3 y + x y**3 of its reserves scaled to 18 decimals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SolidlyStablePool {
    pub pair: Pair,
    units: [u128; 2],
    version: StableVersion,
}

impl SolidlyStablePool {
    pub fn new(
        reserves: [U256; 2],
        decimals: [U256; 2],
        fee: (U256, U256),
        version: StableVersion,
    ) -> Answer<Self> {
        let unit = |decimals: U256| match u32::try_from(decimals) {
            Ok(decimals @ 0..=36) => Ok(10u128.pow(decimals)),
            _ => Err(out_of_range("`decimals` must be within 0..36")),
        };
        let units = [unit(decimals[0])?, unit(decimals[1])?];
        Ok(Self { pair: Pair::new(reserves, fee.0, fee.1)?, units, version })
    }

    fn unit(&self, place: usize) -> U256 {
        from_u128(self.units[place])
    }

    fn scaled(&self, place: usize) -> Answer<U256> {
        let scaled = from_u128(self.pair.reserves[place]) * one() / self.unit(place);
        if scaled.is_zero() {
            return Err(not_tradeable("pair whose reserve is nothing at 18 decimals"));
        }
        Ok(scaled)
    }

    /// The curve's value at amounts in each token's own decimals.
    fn curve(&self, amount0: U256, amount1: U256) -> Answer<U256> {
        value(
            words::mul(amount0, one())? / self.unit(0),
            words::mul(amount1, one())? / self.unit(1),
        )
    }

    fn constant(&self) -> Answer<U256> {
        let [reserve0, reserve1] = self.pair.reserves.map(from_u128);
        self.curve(reserve0, reserve1)
    }

    /// The other balance at which the curve has its value, as the contract iterates to it.
    fn other(&self, x: U256, constant: U256, start: U256) -> Answer<U256> {
        match self.version {
            StableVersion::First => first_other(x, constant, start),
            StableVersion::Settled => self.settled_other(x, constant, start),
        }
    }

    fn settled_other(&self, x: U256, constant: U256, start: U256) -> Answer<U256> {
        let mut y = start;
        for _ in 0..ITERATIONS_MAX {
            let reached = value(x, y)?;
            let mut step = words::mul(reached.abs_diff(constant), one())? / slope(x, y)?;
            if reached < constant {
                if step.is_zero() {
                    // The contract asks its reserve function here, which scales both once more.
                    let next = words::add(y, U256::ONE)?;
                    if self.curve(x, next)? > constant {
                        return Ok(next);
                    }
                    step = U256::ONE;
                }
                y = words::add(y, step)?;
            } else {
                if step.is_zero() {
                    if reached == constant || value(x, words::sub(y, U256::ONE)?)? < constant {
                        return Ok(y);
                    }
                    step = U256::ONE;
                }
                y = words::sub(y, step)?;
            }
        }
        Err(not_tradeable("the stable curve does not settle"))
    }
}

fn first_other(x: U256, constant: U256, start: U256) -> Answer<U256> {
    let mut y = start;
    for _ in 0..ITERATIONS_MAX {
        let before = y;
        let reached = first_value(x, y)?;
        let step = words::mul(reached.abs_diff(constant), one())? / slope(x, y)?;
        y = if reached < constant { words::add(y, step)? } else { words::sub(y, step)? };
        if y.abs_diff(before) <= U256::ONE {
            return Ok(y);
        }
    }
    Err(not_tradeable("the stable curve does not settle"))
}

/// a * b rounded down to 18 decimals.
#[inline]
fn times(a: U256, b: U256) -> Answer<U256> {
    Ok(words::mul(a, b)? / one())
}

/// x y (x**2 + y**2), each product rounded down to 18 decimals.
fn value(x: U256, y: U256) -> Answer<U256> {
    let both = times(x, y)?;
    times(both, times(x, x)? + times(y, y)?)
}

/// x y**3 + x**3 y, each product rounded down to 18 decimals.
fn first_value(x: U256, y: U256) -> Answer<U256> {
    let cube_y = times(times(y, y)?, y)?;
    let cube_x = times(times(x, x)?, x)?;
    Ok(times(x, cube_y)? + times(cube_x, y)?)
}

/// 3 x y**2 + x**3, each product rounded down to 18 decimals.
fn slope(x: U256, y: U256) -> Answer<U256> {
    let square = words::mul(words::mul(U256::from(3u64), x)?, times(y, y)?)? / one();
    let found = square + times(times(x, x)?, x)?;
    if found.is_zero() {
        return Err(not_tradeable("the stable curve is flat at these reserves"));
    }
    Ok(found)
}

impl TokenPool for SolidlyStablePool {
    fn count(&self) -> usize {
        2
    }

    fn amount_out(&self, amount_in: U256, i: usize, j: usize) -> Answer<U256> {
        let net = self.pair.net(amount_in, i, j)?;
        let (x, y) = (self.scaled(i)?, self.scaled(j)?);
        let constant = self.constant()?;
        let moved = x + net * one() / self.unit(i);
        let left = self.other(moved, constant, y)?;
        let paid = y.saturating_sub(left) * self.unit(j) / one();
        if paid.is_zero() {
            return Err(insufficient("`amount_in` buys nothing"));
        }
        Ok(paid)
    }

    fn amount_in(&self, amount_out: U256, i: usize, j: usize) -> Answer<U256> {
        require_amount(amount_out)?;
        self.pair.net(U256::ONE, i, j)?;
        let (x, y) = (self.scaled(i)?, self.scaled(j)?);
        let taken = mul_div_up(amount_out, one(), self.unit(j));
        if taken >= y {
            return Err(insufficient("`amount_out` is more than the pair holds"));
        }
        let constant = self.constant()?;
        let more = self.other(y - taken, constant, x)?.saturating_sub(x);
        let net = mul_div_up(more, self.unit(i), one()).max(U256::ONE);
        least_input(self, amount_out, i, j, self.pair.gross(net))
    }

    fn least_amount_in(&self, amount_out: U256, i: usize, j: usize) -> Answer<U256> {
        self.amount_in(amount_out, i, j)
    }

    fn largest_amount_in(&self, i: usize, j: usize) -> Answer<U256> {
        self.pair.largest_amount_in(i, j)
    }

    fn marginal_rate_x128(&self, i: usize, j: usize) -> Answer<U512> {
        self.pair.net(U256::ONE, i, j)?;
        let (x, y) = (Int::from(self.scaled(i)?), Int::from(self.scaled(j)?));
        let (xx, yy) = (&x * &x, &y * &y);
        let gain = &(&xx.times(3) + &yy) * &y;
        let cost = &(&xx + &yy.times(3)) * &x;
        let gain = (&gain * &Int::from(self.units[j])).times(self.pair.kept());
        let cost = (&cost * &Int::from(self.units[i])).times(self.pair.fee_denominator.into());
        let rate = gain.shl(128).div_floor(&cost);
        let mut limbs = [0; 8];
        limbs[..rate.limbs().len()].copy_from_slice(rate.limbs());
        Ok(U512::from_limbs(limbs))
    }

    fn fingerprint(&self) -> Vec<u8> {
        let mut bytes = self.pair.fingerprint(6);
        bytes.push(self.version as u8);
        for unit in self.units {
            bytes.extend(unit.to_be_bytes());
        }
        bytes
    }
}
