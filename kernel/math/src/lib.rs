//! What a pool would answer, which cycles pay and what wire bytes say: integers in, integers out.
//!
//! Knows nothing of Python. The readable Python modules of the same names are the specification, and every
//! answer here, refusals included, must be theirs.

#![forbid(unsafe_code)]

pub mod batch;
pub mod evm_log;
pub mod full_math;
pub mod graph;
pub mod int;
pub mod optimum;
pub mod pair_cycle;
pub mod pool;
pub mod ramp;
pub mod refusal;
pub mod sizing;
pub mod sqrt_price_math;
pub mod swap_curve;
pub mod swap_loop;
pub mod swap_math;
pub mod tick_map;
pub mod tick_math;
pub mod tlv;
pub mod uniswap_v2;
pub mod wire;

pub use refusal::{Answer, Kind, Refusal};
