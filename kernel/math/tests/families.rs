//! Laws of the pools of several tokens. Agreement with the specification is tested from Python.

use alphapulse_kernel_math::amplification::Ramp;
use alphapulse_kernel_math::balancer_stable::{BalancerStablePool, InvariantVersion};
use alphapulse_kernel_math::fixed_point::{PowVersion, ONE};
use alphapulse_kernel_math::full_math::{from_u128, U256, U512};
use alphapulse_kernel_math::log_exp_math::power;
use alphapulse_kernel_math::solidly::{
    Pair, SolidlyStablePool, SolidlyVolatilePool, StableVersion,
};
use alphapulse_kernel_math::stableswap::{invariant_of, CurvePool};
use alphapulse_kernel_math::token_pool::{PairView, TokenPool};
use alphapulse_kernel_math::weighted::WeightedPool;
use proptest::prelude::*;

fn curve(balances: [u128; 3], amplification: u64) -> CurvePool {
    let balances = balances.map(from_u128);
    let ramp = ([U256::from(amplification); 2], [U256::ZERO; 2]);
    let fees = (U256::from(4_000_000u64), U256::from(5_000_000_000u64));
    let rates = [from_u128(10u128.pow(18)), from_u128(10u128.pow(30)), from_u128(10u128.pow(30))];
    CurvePool::new(&balances, &rates, ramp, U256::ZERO, fees, U256::from(100u64)).expect("fits")
}

fn amount() -> impl Strategy<Value = u128> {
    (any::<u128>(), 16u32..128).prop_map(|(value, drop)| value >> drop)
}

/// Pools of each family with balances of a few to many units.
fn any_pool() -> impl Strategy<Value = Box<dyn TokenPool>> {
    let held = 10u128.pow(9)..10u128.pow(30);
    (0u8..5, held.clone(), held, 1u64..99, any::<bool>()).prop_map(
        |(family, a, b, part, is_first)| {
            let balances = [from_u128(a), from_u128(b)];
            let fee = U256::from(part * 10u64.pow(14));
            let pair = Pair::new(balances, U256::from(part), U256::from(10_000u64)).expect("fits");
            let pool: Box<dyn TokenPool> = match family {
                0 => Box::new(curve(
                    [a, b / 10u128.pow(6), b / 10u128.pow(6)].map(|one| one + 1),
                    part * 100,
                )),
                1 => {
                    let ramp = ([U256::from(part * 1000); 2], [U256::ZERO; 2]);
                    let version = if is_first {
                        InvariantVersion::RoundedUp
                    } else {
                        InvariantVersion::RoundedDown
                    };
                    let scales = [U256::from(ONE); 2];
                    Box::new(
                        BalancerStablePool::new(&balances, &scales, ramp, U256::ZERO, fee, version)
                            .expect("fits"),
                    )
                }
                2 => {
                    let weights =
                        [part * 10u64.pow(16), ONE - part * 10u64.pow(16)].map(U256::from);
                    let decimals = [U256::from(18u64); 2];
                    let version =
                        if is_first { PowVersion::First } else { PowVersion::WithShortcuts };
                    Box::new(
                        WeightedPool::new(&balances, &weights, &decimals, fee, version)
                            .expect("fits"),
                    )
                }
                3 => Box::new(SolidlyVolatilePool { pair }),
                _ => {
                    let version =
                        if is_first { StableVersion::First } else { StableVersion::Settled };
                    let decimals = [U256::from(18u64); 2];
                    let fee = (U256::from(part), U256::from(10_000u64));
                    Box::new(
                        SolidlyStablePool::new(balances, decimals, fee, version).expect("fits"),
                    )
                }
            };
            pool
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_least_input_pays_enough_and_one_less_does_not(pool in any_pool(), amount in amount(), side in any::<bool>()) {
        let view = PairView::new(pool.as_ref(), 0, 1).unwrap();
        if let Ok(paid) = view.amount_out(from_u128(amount), side) {
            if let Ok(least) = view.least_amount_in(paid, side) {
                prop_assert!(view.amount_out(least, side).unwrap() >= paid);
                let less = view.amount_out(least - U256::ONE, side);
                prop_assert!(less.is_err() || less.unwrap() < paid);
            }
        }
    }

    #[test]
    fn no_input_pays_more_than_the_first_rate(pool in any_pool(), amount in amount(), side in any::<bool>()) {
        let view = PairView::new(pool.as_ref(), 0, 1).unwrap();
        if let (Ok(paid), Ok(rate)) = (view.amount_out(from_u128(amount), side), view.marginal_rate_x128(side)) {
            // A fee that is rounded away and the last steps of an iteration are worth a few units.
            let most: U512 = (rate + U512::from(1u64)).saturating_mul(U512::from(amount)) >> 128usize;
            let slack = U512::from(10_000u64) + (most >> 12usize) + (rate >> 115usize);
            prop_assert!(U512::from(paid) <= most + slack);
        }
    }

    #[test]
    fn an_exchange_never_lowers_the_invariant(balances in [10u128.pow(20)..10u128.pow(28), 10u128.pow(8)..10u128.pow(16), 10u128.pow(8)..10u128.pow(16)], part in 1u128..1000, a in 1u64..5000) {
        let mut pool = curve(balances, a * 100);
        let worth = |pool: &CurvePool| {
            let held = pool.balances();
            let scaled = [from_u128(held[0]), from_u128(held[1] * 10u128.pow(12)), from_u128(held[2] * 10u128.pow(12))];
            invariant_of(3 * 100 * a, &scaled, 100)
        };
        let before = worth(&pool);
        if pool.apply_exchange(from_u128(balances[0] / 1000 * part / 1000 + 1), 0, 1).is_ok() {
            prop_assert!(worth(&pool).unwrap() + U256::from(2u64) >= before.unwrap());
        }
    }

    #[test]
    fn a_power_and_its_inverse_meet(base in ONE * 7 / 10..ONE * 14 / 10, exponent in ONE / 100..4 * ONE) {
        let raised = power(U256::from(base), U256::from(exponent)).unwrap();
        let exact = (base as f64 / 1e18).powf(exponent as f64 / 1e18);
        let found = u128::try_from(raised).unwrap() as f64 / 1e18;
        prop_assert!((found / exact - 1.0).abs() < 1e-13);
    }

    #[test]
    fn a_ramp_stays_between_its_ends(values in [1u64..1_000_000, 1u64..1_000_000], times in [any::<u32>(), any::<u32>()], at in any::<u64>()) {
        let (start, end) = (times[0].min(times[1]), times[0].max(times[1]));
        let ramp = Ramp::new(values.map(U256::from), [start, end].map(U256::from), 1, 1_000_000).unwrap();
        let (low, high) = (values[0].min(values[1]), values[0].max(values[1]));
        prop_assert!((low..=high).contains(&ramp.at(at)));
        prop_assert_eq!(ramp.at(u64::from(end)), values[1]);
    }

    #[test]
    fn any_words_are_answered_or_refused(words in prop::collection::vec((any::<[u64; 4]>(), 0usize..256), 8), pool in any_pool(), side in any::<bool>()) {
        let words: Vec<U256> = words.into_iter().map(|(limbs, drop)| U256::from_limbs(limbs) >> drop).collect();
        let view = PairView::new(pool.as_ref(), 0, 1).unwrap();
        let _ = view.amount_in(words[0], side);
        let _ = view.input_to_fall(words[1], side);
        let ramp = ([words[2] % U256::from(10_000u64), words[3]], [U256::ZERO; 2]);
        let fees = (U256::ZERO, U256::ZERO);
        if let Ok(pool) = CurvePool::new(&words[4..6], &words[6..8], ramp, U256::ZERO, fees, U256::ONE) {
            let _ = (pool.amount_out(words[0], 0, 1), pool.amount_in(words[0], 1, 0), pool.marginal_rate_x128(0, 1));
        }
    }
}
