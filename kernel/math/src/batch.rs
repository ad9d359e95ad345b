//! Many questions in one call; each answer is that of the question alone.

use crate::full_math::U256;
use crate::pool::{Hop, Quoter};
use crate::refusal::Answer;
use crate::sizing::{optimise, Sizing};

/// What each exact input buys from one pool.
pub fn quote_batch(pool: Quoter<'_>, amounts: &[U256], zero_for_one: bool) -> Vec<Answer<U256>> {
    amounts.iter().map(|&amount| pool.amount_out(amount, zero_for_one)).collect()
}

/// The best sizing of each path; the hops of all stand in a row, and `ends` says where each path ends.
pub fn optimise_batch(
    hops: &[Hop<'_>],
    ends: &[usize],
    premium_bps: u64,
    max_amount_in: U256,
) -> Answer<Vec<Option<Sizing>>> {
    let mut found = Vec::with_capacity(ends.len());
    let mut start = 0;
    for &end in ends {
        found.push(optimise(&hops[start..end], premium_bps, max_amount_in)?);
        start = end;
    }
    Ok(found)
}
