//! Uniswap V4 pools with a static fee: V3's steps with a fee for each direction.

use crate::full_math::{from_u128, mul_div_word, PIPS, U256};
use crate::pool::{require_fee, V3Parts, V3Pool};
use crate::refusal::{insufficient, out_of_range, Answer};

const MAX_PROTOCOL_FEE: u32 = 1000;
const MAX_DELTA: u128 = (1 << 127) - 1;

/// A pool of the singleton, without a fee of the protocol.
pub fn pool(parts: V3Parts) -> Answer<V3Pool> {
    let mut pool = V3Pool::new(parts)?;
    pool.set_swap_fees([pool.fee_pips(); 2]);
    Ok(pool)
}

/// The fee of a swap: the protocol's part of the input first, the pool's of the rest.
pub fn swap_fee_pips(lp_fee_pips: u32, protocol_fee_pips: u32) -> u32 {
    let both = mul_div_word(U256::from(protocol_fee_pips), lp_fee_pips.into(), PIPS);
    protocol_fee_pips + lp_fee_pips - both.as_limbs()[0] as u32
}

/// Takes two fees of the protocol packed in a uint24: zero for one in the lower half.
pub fn set_protocol_fee(pool: &mut V3Pool, packed: U256) -> Answer<()> {
    let wrong = out_of_range("`protocol_fee` must be two fees up to 1000 pips");
    let packed = u32::try_from(packed).map_err(|_| wrong)?;
    let fees = [packed & 0xFFF, packed >> 12];
    if fees.iter().any(|&fee| fee > MAX_PROTOCOL_FEE) {
        return Err(wrong);
    }
    let fees = fees.map(|fee| U256::from(swap_fee_pips(pool.fee_pips(), fee)));
    set_swap_fees(pool, fees)
}

/// Takes the whole fee of each direction, zero for one first.
pub fn set_swap_fees(pool: &mut V3Pool, fees: [U256; 2]) -> Answer<()> {
    let fees = [require_fee(fees[0])?, require_fee(fees[1])?];
    pool.set_swap_fees(fees);
    Ok(())
}

/// Refuses amounts that a swap cannot settle: a balance delta holds two int128, what is owed negative.
pub fn require_delta(amount_in: U256, amount_out: U256) -> Answer<()> {
    if amount_in > from_u128(MAX_DELTA + 1) || amount_out > from_u128(MAX_DELTA) {
        return Err(insufficient("a swap exceeds the manager's int128"));
    }
    Ok(())
}
