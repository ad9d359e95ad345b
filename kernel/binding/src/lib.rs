//! The Python face of alphapulse-kernel-math: conversions and names, no logic.

#![forbid(unsafe_code)]

mod convert;
mod errors;
mod pools;
mod questions;

use pyo3::prelude::*;

/// What an importer checks before it trusts this binary.
const INTERFACE: u32 = 1;

#[pymodule]
fn alphapulse_kernel(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("INTERFACE", INTERFACE)?;
    module.add_class::<pools::V2Pool>()?;
    module.add_class::<pools::V3Pool>()?;
    module.add_function(wrap_pyfunction!(questions::optimise, module)?)?;
    module.add_function(wrap_pyfunction!(questions::optimise_batch, module)?)?;
    module.add_function(wrap_pyfunction!(questions::quote_batch, module)?)?;
    module.add_function(wrap_pyfunction!(questions::sqrt_ratio_at_tick, module)?)?;
    module.add_function(wrap_pyfunction!(questions::tick_at_sqrt_ratio, module)?)?;
    Ok(())
}
