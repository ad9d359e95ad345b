//! The pool's swap as a loop of steps: the specification that the curve must equal.

use crate::full_math::U256;
use crate::pool::V3Pool;
use crate::refusal::{not_tradeable, out_of_range, unknown, Answer};
use crate::swap_curve::add_delta;
use crate::swap_math::compute_swap_step;
use crate::tick_math::{
    limit_of, sqrt_ratio_at_tick, tick_at_sqrt_ratio, MAX_SQRT_RATIO, MAX_TICK, MIN_SQRT_RATIO,
    MIN_TICK,
};

/// What was taken and paid, and the state the pool is left in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SwapResult {
    pub taken: U256,
    pub paid: U256,
    pub price: U256,
    pub tick: i32,
    pub liquidity: u128,
    pub ticks_crossed: i64,
}

/// What the pool's swap would do, step by step. `exact_in` says whether `amount` is input or output.
pub fn swap(
    pool: &V3Pool,
    zero_for_one: bool,
    amount: U256,
    exact_in: bool,
    limit: U256,
) -> Answer<SwapResult> {
    if amount.is_zero() || amount.bit_len() > 255 {
        return Err(out_of_range("`amount_specified` must be a non-zero int256"));
    }
    require_limit(pool.sqrt_price_x96(), limit, zero_for_one)?;
    let ticks = pool.ticks();
    let (mut price, mut tick, mut liquidity) =
        (pool.sqrt_price_x96(), pool.tick(), pool.liquidity());
    let (mut remaining, mut taken, mut paid, mut crossed) = (amount, U256::ZERO, U256::ZERO, 0);
    while !remaining.is_zero() && price != limit {
        let start = price;
        let (next, initialized) = next_stop(&ticks.order, tick, ticks.spacing, zero_for_one);
        let next = next.clamp(i64::from(MIN_TICK), i64::from(MAX_TICK)) as i32;
        if next < ticks.known_lower || next > ticks.known_upper {
            return Err(unknown("the swap reaches ticks that are not known"));
        }
        let stop = sqrt_ratio_at_tick(next)?;
        let target = if zero_for_one { stop.max(limit) } else { stop.min(limit) };
        let step = compute_swap_step(
            price,
            target,
            liquidity,
            remaining,
            exact_in,
            pool.swap_fee_pips(zero_for_one),
        )?;
        price = step.price;
        let cost = step.amount_in.wrapping_add(step.fee);
        remaining = remaining.wrapping_sub(if exact_in { cost } else { step.amount_out });
        taken = taken.wrapping_add(cost);
        paid = paid.wrapping_add(step.amount_out);
        if price == stop {
            if initialized {
                liquidity = add_delta(liquidity, ticks.net(next), zero_for_one)
                    .ok_or(unknown("`liquidity` must fit uint128"))?;
                crossed += 1;
            }
            tick = if zero_for_one { next - 1 } else { next };
        } else if price != start {
            tick = tick_at_sqrt_ratio(price)?;
        }
    }
    Ok(SwapResult { taken, paid, price, tick, liquidity, ticks_crossed: crossed })
}

/// The next stop at or below the tick, or above it, within one bitmap word, and whether it is initialised.
fn next_stop(order: &[i32], tick: i32, spacing: i32, lte: bool) -> (i64, bool) {
    let compressed = i64::from(tick.div_euclid(spacing));
    let spacing = i64::from(spacing);
    let place = order.partition_point(|&at| at <= tick);
    if lte {
        let edge = (compressed >> 8 << 8) * spacing;
        return match place.checked_sub(1).map(|at| i64::from(order[at])) {
            Some(at) if at >= edge => (at, true),
            _ => (edge, false),
        };
    }
    let edge = ((compressed + 1) | 255) * spacing;
    match order.get(place).map(|&at| i64::from(at)) {
        Some(at) if at <= edge => (at, true),
        _ => (edge, false),
    }
}

fn require_limit(price: U256, limit: U256, zero_for_one: bool) -> Answer<()> {
    if price.is_zero() {
        return Err(not_tradeable("pool without a price: it was never initialised"));
    }
    if price == limit && limit == limit_of(zero_for_one) {
        return Err(not_tradeable("`sqrt_price_x96` stands at the bound"));
    }
    let (lower, upper) =
        if zero_for_one { (MIN_SQRT_RATIO, price) } else { (price, MAX_SQRT_RATIO) };
    if lower < limit && limit < upper {
        return Ok(());
    }
    if MIN_SQRT_RATIO + U256::ONE < price && price < MAX_SQRT_RATIO - U256::ONE {
        return Err(out_of_range("`sqrt_price_limit_x96` is not beyond the price"));
    }
    Err(not_tradeable("`sqrt_price_x96` stands at the bound"))
}
