//! Nanoseconds per question, for orientation; the figures that documents quote come from `alphapulse bench`.

use std::hint::black_box;
use std::time::Instant;

use alphapulse_kernel_math::full_math::{from_u128, mul_div, U256};
use alphapulse_kernel_math::optimum::{caps_of, excess_x128, locate};
use alphapulse_kernel_math::pool::{Quoter, V2Pool};
use alphapulse_kernel_math::sizing::{optimise, premium};
use alphapulse_kernel_math::swap_math::compute_swap_step;
use alphapulse_kernel_math::tick_math::{sqrt_ratio_at_tick, tick_at_sqrt_ratio};

const ROUNDS: u32 = 20_000;
const REPEATS: usize = 7;

/// The median over repeats of the time of one call.
fn measure(what: &str, mut question: impl FnMut()) {
    let mut times: Vec<f64> = (0..REPEATS)
        .map(|_| {
            let start = Instant::now();
            for _ in 0..ROUNDS {
                question();
            }
            start.elapsed().as_nanos() as f64 / f64::from(ROUNDS)
        })
        .collect();
    times.sort_by(f64::total_cmp);
    println!("{what:<32}{:>10.1} ns", times[REPEATS / 2]);
}

fn main() {
    let amount = from_u128(12_345_678_901_234_567_890);
    let wide = |value: u128| from_u128(value);
    let fee = U256::from(3000);
    let near = V2Pool::new(wide(10u128.pow(21)), wide(2 * 10u128.pow(24)), fee).expect("a pair");
    let far =
        V2Pool::new(wide(9 * 10u128.pow(20)), wide(19 * 10u128.pow(23)), fee).expect("a pair");
    let price = sqrt_ratio_at_tick(-12_345).expect("a tick");
    let target = sqrt_ratio_at_tick(-12_400).expect("a tick");
    measure("mul_div", || {
        black_box(mul_div(black_box(amount), black_box(price), black_box(target)));
    });
    measure("premium", || {
        black_box(premium(black_box(amount), 5));
    });
    measure("pair amount_out", || {
        black_box(near.amount_out(black_box(amount), true)).expect("an answer");
    });
    measure("pair least_amount_in", || {
        black_box(near.least_amount_in(black_box(amount), true)).expect("an answer");
    });
    measure("step, exact input, partial", || {
        let step = compute_swap_step(black_box(price), target, 10u128.pow(24), amount, true, 3000);
        black_box(step).expect("a step");
    });
    measure("step, exact output, partial", || {
        let step = compute_swap_step(black_box(price), target, 10u128.pow(24), amount, false, 3000);
        black_box(step).expect("a step");
    });
    measure("step, exact input, full", || {
        let step = compute_swap_step(black_box(price), target, 10u128.pow(18), amount, true, 3000);
        black_box(step).expect("a step");
    });
    measure("sqrt_ratio_at_tick", || {
        black_box(sqrt_ratio_at_tick(black_box(-123_456))).expect("a price");
    });
    measure("tick_at_sqrt_ratio", || {
        black_box(tick_at_sqrt_ratio(black_box(price))).expect("a tick");
    });
    let hops = [(Quoter::V2(&far), true), (Quoter::V2(&near), false)];
    let excess = excess_x128(&hops, 5).expect("a rate");
    let caps = caps_of(&hops, &excess).expect("caps");
    measure("its excess and caps", || {
        let excess = excess_x128(black_box(&hops), 5).expect("a rate");
        black_box(caps_of(&hops, &excess)).expect("caps");
    });
    measure("its location", || {
        let found = locate(black_box(&hops), &caps, 5, wide(10u128.pow(30)));
        black_box(found).expect("an answer");
    });
    measure("optimise two pairs", || {
        black_box(optimise(black_box(&hops), 5, wide(10u128.pow(30)))).expect("an answer");
    });
}
