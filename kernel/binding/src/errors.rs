//! Refusals as the exceptions of `alphapulse.errors`.

use std::panic::{catch_unwind, AssertUnwindSafe};

use alphapulse_kernel_math::wire::Read;
use alphapulse_kernel_math::{Answer, Kind, Refusal};
use pyo3::prelude::*;

mod classes {
    pyo3::import_exception!(alphapulse.errors, BeyondKnownState);
    pyo3::import_exception!(alphapulse.errors, DecodeError);
    pyo3::import_exception!(alphapulse.errors, InsufficientLiquidity);
    pyo3::import_exception!(alphapulse.errors, InvariantError);
    pyo3::import_exception!(alphapulse.errors, PoolNotTradeable);
    pyo3::import_exception!(alphapulse.errors, StateConflict);
    pyo3::import_exception!(alphapulse.errors, ValueOutOfRange);
}

pub fn raised(refusal: Refusal) -> PyErr {
    let what = refusal.what;
    match refusal.kind {
        Kind::InsufficientLiquidity => classes::InsufficientLiquidity::new_err(what),
        Kind::BeyondKnownState => classes::BeyondKnownState::new_err(what),
        Kind::PoolNotTradeable => classes::PoolNotTradeable::new_err(what),
        Kind::ValueOutOfRange => classes::ValueOutOfRange::new_err(what),
        Kind::StateConflict => classes::StateConflict::new_err(what),
        Kind::Invariant => classes::InvariantError::new_err(what),
    }
}

/// An answer, or its refusal as an exception; a panic is our own mistake and never crosses as one.
#[inline]
pub fn guarded<T>(question: impl FnOnce() -> Answer<T>) -> PyResult<T> {
    match catch_unwind(AssertUnwindSafe(question)) {
        Ok(answer) => answer.map_err(raised),
        Err(_) => Err(unexpected()),
    }
}

/// What bytes say, or what is wrong with them as a DecodeError.
pub fn read<T>(question: impl FnOnce() -> Read<T>) -> PyResult<T> {
    match catch_unwind(AssertUnwindSafe(question)) {
        Ok(answer) => {
            answer.map_err(|wrong| classes::DecodeError::new_err((wrong.kind, wrong.offset)))
        }
        Err(_) => Err(unexpected()),
    }
}

fn unexpected() -> PyErr {
    classes::InvariantError::new_err("the kernel met a case it does not know")
}
