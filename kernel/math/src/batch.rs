//! Many questions in one call; each answer is that of the question alone.

use crate::full_math::U256;
use crate::pool::{Hop, Quoter};
use crate::refusal::Answer;
use crate::sizing::{optimise, Sizing};

/// What each exact input buys from one pool.
pub fn quote_batch(pool: Quoter<'_>, amounts: &[U256], zero_for_one: bool) -> Vec<Answer<U256>> {
    amounts.iter().map(|&amount| pool.amount_out(amount, zero_for_one)).collect()
}

/// The best sizing of each path.
pub fn optimise_batch(
    paths: &[Vec<Hop<'_>>],
    premium_bps: u64,
    max_amount_in: U256,
) -> Answer<Vec<Option<Sizing>>> {
    paths.iter().map(|hops| optimise(hops, premium_bps, max_amount_in)).collect()
}
