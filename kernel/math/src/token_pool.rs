//! Pools of several tokens named by their place, and two tokens of one asked like a pair.

use std::fmt::Debug;

use crate::full_math::{from_u128, U256, U512};
use crate::int::Int;
use crate::refusal::{insufficient, out_of_range, Answer, Kind};

/// Doublings from the estimate of a least input before the search gives up: amounts have 256 bits.
const GALLOPS_MAX: usize = 256;
/// Inputs below this power of two are not asked for slopes: their rounding would be most of the answer.
const SLOPE_BITS_MIN: usize = 4;
pub const MAX_TOKENS: usize = 8;

/// What a pool of several tokens answers, by the places of the token paid in and the token paid out.
pub trait TokenPool: Debug + Send + Sync {
    fn count(&self) -> usize;

    fn amount_out(&self, amount_in: U256, i: usize, j: usize) -> Answer<U256>;

    fn amount_in(&self, amount_out: U256, i: usize, j: usize) -> Answer<U256>;

    /// The least input near the pool's own answer that buys at least the output.
    fn least_amount_in(&self, amount_out: U256, i: usize, j: usize) -> Answer<U256> {
        least_input(self, amount_out, i, j, self.amount_in(amount_out, i, j)?)
    }

    /// The largest input that the pool does not refuse for its size.
    fn largest_amount_in(&self, i: usize, j: usize) -> Answer<U256>;

    fn marginal_rate_x128(&self, i: usize, j: usize) -> Answer<U512>;

    /// The whole state as canonical bytes.
    fn fingerprint(&self) -> Vec<u8>;
}

/// Tokens i and j of a pool; zero_for_one pays i in.
#[derive(Clone, Copy)]
pub struct PairView<'a> {
    pool: &'a dyn TokenPool,
    i: usize,
    j: usize,
}

impl<'a> PairView<'a> {
    pub fn new(pool: &'a dyn TokenPool, i: usize, j: usize) -> Answer<Self> {
        require_tokens(pool.count(), i, j)?;
        Ok(Self { pool, i, j })
    }

    #[inline]
    fn tokens(&self, zero_for_one: bool) -> (usize, usize) {
        if zero_for_one {
            (self.i, self.j)
        } else {
            (self.j, self.i)
        }
    }

    pub fn amount_out(&self, amount_in: U256, zero_for_one: bool) -> Answer<U256> {
        let (i, j) = self.tokens(zero_for_one);
        self.pool.amount_out(amount_in, i, j)
    }

    pub fn amount_in(&self, amount_out: U256, zero_for_one: bool) -> Answer<U256> {
        let (i, j) = self.tokens(zero_for_one);
        self.pool.amount_in(amount_out, i, j)
    }

    pub fn least_amount_in(&self, amount_out: U256, zero_for_one: bool) -> Answer<U256> {
        let (i, j) = self.tokens(zero_for_one);
        self.pool.least_amount_in(amount_out, i, j)
    }

    pub fn marginal_rate_x128(&self, zero_for_one: bool) -> Answer<U512> {
        let (i, j) = self.tokens(zero_for_one);
        self.pool.marginal_rate_x128(i, j)
    }

    /// An input after which the marginal rate has fallen by the factor, or all there is: a power of two.
    pub fn input_to_fall(&self, root_factor_x64: U256, zero_for_one: bool) -> Answer<U256> {
        let rate = Int::from(self.marginal_rate_x128(zero_for_one)?);
        let (i, j) = self.tokens(zero_for_one);
        let largest = self.pool.largest_amount_in(i, j)?;
        let root = Int::from(root_factor_x64);
        let factor = &root * &root;
        let (mut low, mut high) = (SLOPE_BITS_MIN, largest.bit_len());
        while low < high {
            let middle = (low + high) >> 1;
            let rise = self.rise(U256::ONE << middle, zero_for_one);
            // The mean slope is rise / 2**middle; below zero it is below any rate.
            let slope_x128 = rise.shl(128 - middle.min(128)).shr(middle.saturating_sub(128));
            if !rise.is_negative() && (&slope_x128 * &factor).shr(128) >= rate {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok((U256::from(2u64) << low).min(largest))
    }

    /// What an amount's double pays more than the amount, plus one; zero where the pool does not go so far.
    fn rise(&self, amount: U256, zero_for_one: bool) -> Int {
        let Ok(more) = self.amount_out(amount << 1, zero_for_one) else {
            return Int::zero();
        };
        let less = self.amount_out(amount, zero_for_one).unwrap_or(U256::ZERO);
        &(&Int::from(more) - &Int::from(less)) + &Int::from(1u64)
    }

    /// The pool's state and the places of the two tokens as canonical bytes.
    pub fn fingerprint(&self) -> Vec<u8> {
        let mut bytes = self.pool.fingerprint();
        bytes.extend([self.i as u8, self.j as u8]);
        bytes
    }
}

/// The least input near an estimate for which the pool pays at least an output.
///
/// It pays enough and one unit less does not. Where rounding makes an answer fall for a larger input, it is the one that
/// the search from the estimate meets first.
pub fn least_input<P: TokenPool + ?Sized>(
    pool: &P,
    amount_out: U256,
    i: usize,
    j: usize,
    estimate: U256,
) -> Answer<U256> {
    let pays = |amount_in: U256| match pool.amount_out(amount_in, i, j) {
        Ok(paid) => Ok(paid >= amount_out),
        Err(refusal) if refusal.kind == Kind::InsufficientLiquidity => Ok(false),
        Err(refusal) => Err(refusal),
    };
    let largest = pool.largest_amount_in(i, j)?;
    let mut step = U256::ONE;
    let (mut low, mut high) = (U256::ZERO, estimate.min(largest).max(U256::ONE));
    if pays(high)? {
        for _ in 0..GALLOPS_MAX {
            low = high.saturating_sub(step);
            if low.is_zero() || !pays(low)? {
                break;
            }
            high = low;
            step <<= 1;
        }
    } else {
        for _ in 0..GALLOPS_MAX {
            if high >= largest {
                return Err(insufficient("no input buys `amount_out`"));
            }
            low = high;
            high = high.saturating_add(step).min(largest);
            step <<= 1;
            if pays(high)? {
                break;
            }
        }
    }
    while high - low > U256::ONE {
        let middle = (low + high) >> 1;
        if pays(middle)? {
            high = middle;
        } else {
            low = middle;
        }
    }
    Ok(high)
}

/// Refuses places that do not name two tokens of a pool.
#[inline]
pub fn require_tokens(count: usize, i: usize, j: usize) -> Answer<()> {
    if i >= count || j >= count || i == j {
        return Err(out_of_range("`i` and `j` must be two tokens of the pool"));
    }
    Ok(())
}

/// Refuses an amount that is not positive.
#[inline]
pub fn require_amount(amount: U256) -> Answer<()> {
    if amount.is_zero() {
        return Err(out_of_range("an amount must be positive"));
    }
    Ok(())
}

/// The values as machine words of so many bits.
pub fn require_uints(
    values: &[U256],
    count: usize,
    bits: usize,
    what: &'static str,
) -> Answer<Vec<u128>> {
    if values.len() != count {
        return Err(out_of_range(what));
    }
    values
        .iter()
        .map(|value| match u128::try_from(*value) {
            Ok(word) if value.bit_len() <= bits => Ok(word),
            _ => Err(out_of_range(what)),
        })
        .collect()
}

/// Balances after a swap event, whose amounts may be corrections below zero.
pub fn after_swap(
    balances: &[u128],
    paid_in: (bool, U256),
    paid_out: (bool, U256),
    i: usize,
    j: usize,
) -> Answer<Vec<U256>> {
    require_tokens(balances.len(), i, j)?;
    let moved = |balance: u128, (is_negative, size): (bool, U256), grows: bool| {
        let balance = from_u128(balance);
        let after = if is_negative == grows {
            balance.checked_sub(size)
        } else {
            balance.checked_add(size)
        };
        after.ok_or(out_of_range("`balance` does not fit its width"))
    };
    let mut after: Vec<U256> = balances.iter().map(|&balance| from_u128(balance)).collect();
    after[i] = moved(balances[i], paid_in, true)?;
    after[j] = moved(balances[j], paid_out, false)?;
    Ok(after)
}
