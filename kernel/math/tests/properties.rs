//! Laws that hold whatever the numbers are. Agreement with the specification is tested from Python.

use alphapulse_kernel_math::evm_log;
use alphapulse_kernel_math::full_math::{from_u128, mul_div, mul_div_up, U256};
use alphapulse_kernel_math::int::Int;
use alphapulse_kernel_math::pool::{Quoter, V2Pool, V3Parts, V3Pool};
use alphapulse_kernel_math::sizing::{optimise, premium};
use alphapulse_kernel_math::swap_loop::swap;
use alphapulse_kernel_math::tick_map::Tick;
use alphapulse_kernel_math::tick_math::{
    limit_of, sqrt_ratio_at_tick, tick_at_sqrt_ratio, MAX_TICK, MIN_TICK,
};
use alphapulse_kernel_math::tlv;
use proptest::prelude::*;

const SPACING: i32 = 60;

fn word() -> impl Strategy<Value = U256> {
    (any::<[u64; 4]>(), 0usize..256).prop_map(|(limbs, drop)| U256::from_limbs(limbs) >> drop)
}

fn long() -> impl Strategy<Value = Int> {
    (prop::collection::vec(any::<u64>(), 0..40), any::<bool>())
        .prop_map(|(limbs, negative)| Int::from_limbs(&limbs, negative))
}

fn pair() -> impl Strategy<Value = V2Pool> {
    (1u128..1 << 112, 1u128..1 << 112, 0u64..1_000_000).prop_map(|(reserve0, reserve1, fee)| {
        V2Pool::new(from_u128(reserve0), from_u128(reserve1), U256::from(fee)).expect("fits")
    })
}

/// A pool whose ticks and liquidity agree: a few positions around a price.
fn concentrated() -> impl Strategy<Value = V3Pool> {
    let position = (-200i32..200, 1i32..200, 1u128..1 << 100);
    (prop::collection::vec(position, 1..12), -12_000i32..12_000, 0u64..100_000).prop_map(
        |(positions, tick, fee_pips)| {
            let mut ticks: Vec<(i32, Tick)> = vec![];
            let mut liquidity = 0;
            let mut touch =
                |at: i32, gross: u128, net: i128| match ticks.iter_mut().find(|one| one.0 == at) {
                    Some((_, held)) => {
                        held.gross += gross;
                        held.net += net;
                    }
                    None => ticks.push((at, Tick { gross, net })),
                };
            for (lower, width, amount) in positions {
                let (lower, upper) = (lower * SPACING, (lower + width) * SPACING);
                touch(lower, amount, amount as i128);
                touch(upper, amount, -(amount as i128));
                if lower <= tick && tick < upper {
                    liquidity += amount;
                }
            }
            V3Pool::new(V3Parts {
                sqrt_price_x96: sqrt_ratio_at_tick(tick).expect("a tick"),
                tick,
                liquidity: from_u128(liquidity),
                fee_pips: U256::from(fee_pips),
                tick_spacing: SPACING,
                ticks,
                known_lower: MIN_TICK,
                known_upper: MAX_TICK,
            })
            .expect("fits")
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_full_product_divided_is_that_of_exact_integers(a in word(), b in word(), d in word()) {
        prop_assume!(!d.is_zero());
        let exact = &Int::from(a) * &Int::from(b);
        prop_assert_eq!(mul_div(a, b, d), exact.div_floor(&Int::from(d)).saturated());
        prop_assert_eq!(mul_div_up(a, b, d), exact.div_up(&Int::from(d)).saturated());
    }

    #[test]
    fn quotients_bound_what_they_divide(a in long(), b in long()) {
        prop_assume!(!b.is_zero());
        let floor = a.div_floor(&b);
        let rest = &a - &(&floor * &b);
        prop_assert!(rest.is_zero() || rest.is_negative() == b.is_negative());
        prop_assert!(Int::from_limbs(rest.limbs(), false) < Int::from_limbs(b.limbs(), false));
        let ceiling = a.div_up(&b);
        prop_assert!(ceiling == floor || rest.is_positive() || rest.is_negative());
        prop_assert_eq!(ceiling == floor, rest.is_zero());
    }

    #[test]
    fn integers_are_a_ring(a in long(), b in long(), c in long()) {
        prop_assert_eq!(&(&a + &b) * &c, &(&a * &c) + &(&b * &c));
        prop_assert_eq!(&(&a - &b) + &b, a.clone());
        prop_assert_eq!(a.times(97), &a * &Int::from(97u64));
        prop_assert_eq!(a.shl(77).div_floor(&Int::from(1u64).shl(77)), a);
    }

    #[test]
    fn a_root_is_the_greatest_whose_square_fits(a in long()) {
        let a = Int::from_limbs(a.limbs(), false);
        let root = a.isqrt();
        let next = &root + &Int::from(1u64);
        prop_assert!(&root * &root <= a && &next * &next > a);
    }

    #[test]
    fn a_price_lies_between_the_prices_of_its_tick_and_the_next(tick in MIN_TICK..MAX_TICK, part in any::<u64>()) {
        let (low, high) = (sqrt_ratio_at_tick(tick).unwrap(), sqrt_ratio_at_tick(tick + 1).unwrap());
        prop_assert!(low < high);
        let price = low + mul_div(high - low, U256::from(part), U256::from_limbs([0, 1, 0, 0]));
        prop_assert_eq!(tick_at_sqrt_ratio(price), Ok(tick));
    }

    #[test]
    fn a_pair_never_pays_twice_for_one_input(pool in pair(), amount in word(), side in any::<bool>()) {
        if let Ok(paid) = pool.amount_out(amount, side) {
            let least = pool.least_amount_in(paid, side).unwrap();
            prop_assert!(least <= amount);
            prop_assert!(pool.amount_out(least, side).unwrap() >= paid);
            prop_assert!(pool.amount_in(paid, side).map_or(true, |asked| asked >= least && asked - least <= U256::ONE));
        }
    }

    #[test]
    fn curve_and_loop_give_the_same_swap(pool in concentrated(), amount in 1u128..1 << 110, side in any::<bool>()) {
        let amount = from_u128(amount);
        let walked = swap(&pool, side, amount, true, limit_of(side)).unwrap();
        match pool.amount_out(amount, side) {
            Ok(paid) => {
                prop_assert_eq!((walked.taken, walked.paid), (amount, paid));
                prop_assert_eq!(pool.ticks_crossed(amount, side), Ok(walked.ticks_crossed));
                let least = pool.least_amount_in(paid, side);
                prop_assert!(paid.is_zero() || least.unwrap() <= amount);
            }
            Err(_) => prop_assert!(walked.taken < amount),
        }
        let back = swap(&pool, side, amount, false, limit_of(side)).unwrap();
        match pool.amount_in(amount, side) {
            Ok(taken) => prop_assert_eq!((back.taken, back.paid), (taken, amount)),
            Err(_) => prop_assert!(back.paid < amount),
        }
    }

    #[test]
    fn no_neighbour_earns_more_than_a_sizing(a in pair(), b in concentrated(), bps in 0u64..100, side in any::<bool>()) {
        let hops = [(Quoter::V2(&a), side), (Quoter::V3(&b), !side)];
        let most = from_u128(u128::MAX);
        if let Some(sizing) = optimise(&hops, bps, most).unwrap() {
            let earned = |input: U256| {
                let middle = hops[0].0.amount_out(input, side).ok()?;
                let output = hops[1].0.amount_out(middle, !side).ok()?;
                output.checked_sub(input + premium(input, bps))
            };
            let input = sizing.amounts[0];
            prop_assert_eq!(earned(input), Some(sizing.profit));
            for step in [1u64, 10, 1000] {
                let step = U256::from(step);
                prop_assert!(earned(input + step).is_none_or(|profit| profit <= sizing.profit));
                if step < input {
                    prop_assert!(earned(input - step).is_none_or(|profit| profit <= sizing.profit));
                }
            }
        }
    }

    #[test]
    fn what_was_minted_and_burnt_leaves_no_trace(pool in concentrated(), lower in -200i32..200, width in 1i32..200, amount in 1u128..1 << 100) {
        let mut pool = pool;
        let before = pool.fingerprint();
        let quoted = pool.amount_out(U256::from(1_000_000u64), true);
        let (lower, upper) = (lower * SPACING, (lower + width) * SPACING);
        pool.apply_liquidity(lower, upper, from_u128(amount), false).unwrap();
        prop_assert!(pool.check().is_ok());
        let _ = pool.amount_out(from_u128(1 << 90), true);
        pool.apply_liquidity(lower, upper, from_u128(amount), true).unwrap();
        prop_assert_eq!(pool.fingerprint(), before);
        prop_assert_eq!(pool.amount_out(U256::from(1_000_000u64), true), quoted);
    }

    #[test]
    fn any_bytes_are_read_or_refused(data in prop::collection::vec(any::<u8>(), 0..400), place in any::<u64>()) {
        let rules = vec![None; 256];
        let _ = tlv::scan(&data, &rules, false, false);
        let mut whole = vec![0xEF, 0xBE, 0xAD, 0xDE, 1, 1, 9, 0];
        whole.extend((data.len() as u32).to_le_bytes());
        whole.extend([0; 20]);
        whole.extend(&data);
        if let Ok(block) = tlv::scan(&whole, &rules, false, true) {
            let end = block.frames.last().map_or(32, |row| row.offset + row.length);
            prop_assert_eq!(end, whole.len());
        }
        let _ = tlv::gather(&data, &[place], place as usize, 8);
        let topics: Vec<[u8; 32]> = data.chunks_exact(32).map(|word| word.try_into().unwrap()).collect();
        let _ = evm_log::decode(&topics, &data);
    }
}
