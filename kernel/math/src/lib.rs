//! What a pool would answer, which cycles pay and what wire bytes say: integers in, integers out.
//!
//! Knows nothing of Python. The readable Python modules of the same names are the specification, and every
//! answer here, refusals included, must be theirs.

#![forbid(unsafe_code)]

pub mod amplification;
pub mod balancer_stable;
pub mod batch;
pub mod climb;
pub mod contest;
pub mod cycle_bounds;
pub mod cycles;
pub mod evm_log;
pub mod fixed_point;
pub mod full_math;
pub mod graph;
pub mod int;
pub mod log_exp_math;
pub mod optimum;
pub mod pair_cycle;
pub mod pool;
pub mod ramp;
pub mod refusal;
pub mod sizing;
pub mod solidly;
pub mod sqrt_price_math;
pub mod stableswap;
pub mod swap_curve;
pub mod swap_loop;
pub mod swap_math;
pub mod tick_map;
pub mod tick_math;
pub mod tlv;
pub mod token_pool;
pub mod uniswap_v2;
pub mod uniswap_v4;
pub mod weighted;
pub mod wire;
pub mod words;

pub use refusal::{Answer, Kind, Refusal};
