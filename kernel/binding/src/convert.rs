//! Python integers of any size to fixed widths and back.
//!
//! What no width holds becomes the nearest value that every check refuses as it refuses the original.

use alphapulse_kernel_math::full_math::{from_u128, U256, U512};
use alphapulse_kernel_math::int::Int;
use alphapulse_kernel_math::refusal::out_of_range;
use alphapulse_kernel_math::Answer;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyInt};
use pyo3::{intern, IntoPyObjectExt};

static TWO_64: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
static TWO_128: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
static TWO_256: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

fn power<'py>(
    py: Python<'py>,
    held: &'static PyOnceLock<Py<PyAny>>,
    exponent: u32,
) -> PyResult<&'static Py<PyAny>> {
    held.get_or_try_init(py, || Ok(1u32.into_bound_py_any(py)?.lshift(exponent)?.unbind()))
}

/// Sign (true: negative) and magnitude cut to 256 bits.
pub fn signed(value: &Bound<'_, PyAny>) -> PyResult<(bool, U256)> {
    let py = value.py();
    let value = value.cast::<PyInt>()?.as_any();
    if value.lt(0)? {
        return Ok((true, magnitude(&value.neg()?, py)?));
    }
    Ok((false, magnitude(value, py)?))
}

fn magnitude(value: &Bound<'_, PyAny>, py: Python<'_>) -> PyResult<U256> {
    if value.lt(power(py, &TWO_64, 64)?.bind(py))? {
        return Ok(U256::from(value.extract::<u64>()?));
    }
    if value.lt(power(py, &TWO_128, 128)?.bind(py))? {
        return Ok(from_u128(value.extract::<u128>()?));
    }
    if value.ge(power(py, &TWO_256, 256)?.bind(py))? {
        return Ok(U256::MAX);
    }
    let bytes = value.call_method1(intern!(py, "to_bytes"), (32, intern!(py, "little")))?;
    let bytes = bytes.cast::<PyBytes>()?.as_bytes();
    Ok(U256::try_from_le_slice(bytes).unwrap_or(U256::MAX))
}

/// An amount: negative ones count as zero, which every question refuses likewise.
pub struct Amount(pub U256);

impl<'py> FromPyObject<'_, 'py> for Amount {
    type Error = PyErr;
    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let (negative, size) = signed(&value)?;
        Ok(Self(if negative { U256::ZERO } else { size }))
    }
}

/// A word of state: negative ones count as all ones, which every width check refuses likewise.
pub struct Word(pub U256);

impl<'py> FromPyObject<'_, 'py> for Word {
    type Error = PyErr;
    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let (negative, size) = signed(&value)?;
        Ok(Self(if negative { U256::MAX } else { size }))
    }
}

/// A tick or spacing, cut to 32 bits: beyond int24 all are refused alike.
pub struct Small(pub i32);

impl<'py> FromPyObject<'_, 'py> for Small {
    type Error = PyErr;
    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let (negative, size) = signed(&value)?;
        let size = i32::try_from(size).unwrap_or(i32::MAX);
        Ok(Self(if negative { -size } else { size }))
    }
}

/// A signed change with its magnitude.
pub struct Change {
    pub is_negative: bool,
    pub size: U256,
}

impl<'py> FromPyObject<'_, 'py> for Change {
    type Error = PyErr;
    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let (is_negative, size) = signed(&value)?;
        Ok(Self { is_negative, size })
    }
}

/// A number that names a pool, a token or a kind; what 32 bits do not hold becomes one that nothing has.
#[derive(PartialEq, Eq, Hash)]
pub struct Number(pub u32);

impl Number {
    /// The number of a token.
    pub fn token(&self) -> Answer<u32> {
        if self.0 == u32::MAX {
            return Err(out_of_range("a token's number must fit 32 bits"));
        }
        Ok(self.0)
    }
}

impl<'py> FromPyObject<'_, 'py> for Number {
    type Error = PyErr;
    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let (negative, size) = signed(&value)?;
        Ok(Self(if negative { u32::MAX } else { u32::try_from(size).unwrap_or(u32::MAX) }))
    }
}

/// A token's place in a pool; what no pool has becomes a place that every pool refuses.
pub struct Place(pub usize);

impl<'py> FromPyObject<'_, 'py> for Place {
    type Error = PyErr;
    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let (negative, size) = signed(&value)?;
        Ok(Self(if negative { usize::MAX } else { usize::try_from(size).unwrap_or(usize::MAX) }))
    }
}

/// The net liquidity of a tick, None where it does not fit int128.
pub fn int128(is_negative: bool, size: U256) -> Option<i128> {
    let size = u128::try_from(size).ok()?;
    if is_negative {
        0i128.checked_sub_unsigned(size)
    } else {
        i128::try_from(size).ok()
    }
}

pub fn to_python(py: Python<'_>, value: U256) -> PyResult<Bound<'_, PyAny>> {
    let limbs = value.as_limbs();
    if limbs[1] | limbs[2] | limbs[3] == 0 {
        return limbs[0].into_bound_py_any(py);
    }
    if limbs[2] | limbs[3] == 0 {
        let low = u128::from(limbs[0]) | u128::from(limbs[1]) << 64;
        return low.into_bound_py_any(py);
    }
    limbs_to_python(py, limbs)
}

pub fn wide_to_python(py: Python<'_>, value: U512) -> PyResult<Bound<'_, PyAny>> {
    limbs_to_python(py, value.as_limbs())
}

pub fn int_to_python<'py>(py: Python<'py>, value: &Int) -> PyResult<Bound<'py, PyAny>> {
    let size = limbs_to_python(py, value.limbs())?;
    if value.is_negative() {
        size.neg()
    } else {
        Ok(size)
    }
}

fn limbs_to_python<'py>(py: Python<'py>, limbs: &[u64]) -> PyResult<Bound<'py, PyAny>> {
    let mut bytes = Vec::with_capacity(limbs.len() * 8);
    for limb in limbs {
        bytes.extend(limb.to_le_bytes());
    }
    py.get_type::<PyInt>()
        .call_method1(intern!(py, "from_bytes"), (PyBytes::new(py, &bytes), intern!(py, "little")))
}
