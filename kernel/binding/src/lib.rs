//! The Python face of alphapulse-kernel-math: conversions and names, no logic.

#![forbid(unsafe_code)]

mod convert;
mod errors;
mod families;
mod graph;
mod pools;
mod questions;
mod wire;

use pyo3::prelude::*;

/// What an importer checks before it trusts this binary.
const INTERFACE: u32 = 3;

#[pymodule]
fn alphapulse_kernel(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("INTERFACE", INTERFACE)?;
    module.add_class::<pools::V2Pool>()?;
    module.add_class::<pools::V3Pool>()?;
    module.add_class::<pools::V4Pool>()?;
    module.add_class::<families::TokenPool>()?;
    module.add_class::<families::PairView>()?;
    module.add_class::<families::CurvePool>()?;
    module.add_class::<families::BalancerStablePool>()?;
    module.add_class::<families::WeightedPool>()?;
    module.add_class::<families::SolidlyPair>()?;
    module.add_class::<families::SolidlyVolatilePool>()?;
    module.add_class::<families::SolidlyStablePool>()?;
    module.add_class::<graph::Contest>()?;
    module.add_class::<graph::PoolGraph>()?;
    module.add_class::<questions::Sizings>()?;
    module.add_function(wrap_pyfunction!(questions::optimise, module)?)?;
    module.add_function(wrap_pyfunction!(questions::optimise_batch, module)?)?;
    module.add_function(wrap_pyfunction!(questions::quote_batch, module)?)?;
    module.add_function(wrap_pyfunction!(questions::sqrt_ratio_at_tick, module)?)?;
    module.add_function(wrap_pyfunction!(questions::tick_at_sqrt_ratio, module)?)?;
    module.add_function(wrap_pyfunction!(wire::scan_messages, module)?)?;
    module.add_function(wrap_pyfunction!(wire::gather, module)?)?;
    module.add_function(wrap_pyfunction!(wire::decode_logs, module)?)?;
    Ok(())
}
