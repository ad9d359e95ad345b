//! Pairs and concentrated pools.

use alphapulse_kernel_math::full_math::U256;
use alphapulse_kernel_math::pool::{self, V3Parts};
use alphapulse_kernel_math::refusal::out_of_range;
use alphapulse_kernel_math::swap_curve::Segment;
use alphapulse_kernel_math::swap_loop;
use alphapulse_kernel_math::tick_map::Tick;
use alphapulse_kernel_math::uniswap_v4;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyMapping, PyTuple};

use crate::convert::{
    int128, int_to_python, signed, to_python, wide_to_python, Amount, Change, Small, Word,
};
use crate::errors::{guarded, raised};

type PyAnswer<'py> = PyResult<Bound<'py, PyAny>>;

/// A constant-product pair; its state is two reserves.
#[pyclass(subclass, module = "alphapulse_kernel")]
pub struct V2Pool {
    pub inner: pool::V2Pool,
}

#[pymethods]
impl V2Pool {
    #[new]
    fn new(reserve0: Word, reserve1: Word, fee_pips: Word) -> PyResult<Self> {
        let inner = guarded(|| pool::V2Pool::new(reserve0.0, reserve1.0, fee_pips.0))?;
        Ok(Self { inner })
    }

    #[getter]
    fn reserve0(&self) -> u128 {
        self.inner.reserve0()
    }

    #[getter]
    fn reserve1(&self) -> u128 {
        self.inner.reserve1()
    }

    #[getter]
    fn fee_pips(&self) -> u32 {
        self.inner.fee_pips()
    }

    #[getter]
    fn floored_fee_pips(&self) -> u32 {
        0
    }

    fn set_reserves(&mut self, reserve0: Word, reserve1: Word) -> PyResult<()> {
        guarded(|| self.inner.set_reserves(reserve0.0, reserve1.0))
    }

    fn amount_out<'py>(
        &self,
        py: Python<'py>,
        amount_in: Amount,
        zero_for_one: bool,
    ) -> PyAnswer<'py> {
        to_python(py, guarded(|| self.inner.amount_out(amount_in.0, zero_for_one))?)
    }

    fn amount_in<'py>(
        &self,
        py: Python<'py>,
        amount_out: Amount,
        zero_for_one: bool,
    ) -> PyAnswer<'py> {
        to_python(py, guarded(|| self.inner.amount_in(amount_out.0, zero_for_one))?)
    }

    fn least_amount_in<'py>(
        &self,
        py: Python<'py>,
        amount_out: Amount,
        zero_for_one: bool,
    ) -> PyAnswer<'py> {
        to_python(py, guarded(|| self.inner.least_amount_in(amount_out.0, zero_for_one))?)
    }

    fn ticks_crossed(&self, amount_in: Amount, zero_for_one: bool) -> u32 {
        let _ = (amount_in.0, zero_for_one);
        0
    }

    fn marginal_rate_x128<'py>(&self, py: Python<'py>, zero_for_one: bool) -> PyAnswer<'py> {
        to_python(py, guarded(|| self.inner.marginal_rate_x128(zero_for_one))?)
    }

    fn segment_parts<'py>(
        &self,
        py: Python<'py>,
        amount_in: Amount,
        zero_for_one: bool,
    ) -> PyResult<Bound<'py, PyTuple>> {
        let _ = amount_in.0;
        segment_to_python(py, &guarded(|| Ok(self.inner.segment(zero_for_one)))?)
    }

    fn input_to_fall<'py>(
        &self,
        py: Python<'py>,
        root_factor_x64: Amount,
        zero_for_one: bool,
    ) -> PyAnswer<'py> {
        to_python(py, guarded(|| Ok(self.inner.input_to_fall(root_factor_x64.0, zero_for_one)))?)
    }

    fn fingerprint<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.inner.fingerprint())
    }
}

/// A concentrated-liquidity pool: price, tick, liquidity, ticks, and one swap curve per direction.
#[pyclass(subclass, module = "alphapulse_kernel")]
pub struct V3Pool {
    pub inner: pool::V3Pool,
}

pub fn ticks_of(ticks: &Bound<'_, PyMapping>) -> PyResult<Vec<(i32, Tick)>> {
    let mut found = Vec::with_capacity(ticks.len()?);
    for item in ticks.items()?.iter() {
        let (tick, (gross, net)): (Small, (Bound<'_, PyAny>, Bound<'_, PyAny>)) = item.extract()?;
        let (negative, gross) = signed(&gross)?;
        let (net_negative, net) = signed(&net)?;
        let gross = u128::try_from(gross).ok().filter(|_| !negative);
        match (gross, int128(net_negative, net)) {
            (Some(gross), Some(net)) => found.push((tick.0, Tick { gross, net })),
            _ => return Err(raised(out_of_range("`liquidity` of a tick does not fit its width"))),
        }
    }
    Ok(found)
}

#[pymethods]
impl V3Pool {
    #[new]
    #[pyo3(signature = (sqrt_price_x96, tick, liquidity, fee_pips, tick_spacing, ticks, *, known_lower=Small(-887_272), known_upper=Small(887_272)))]
    #[allow(clippy::too_many_arguments)]
    fn new(
        sqrt_price_x96: Word,
        tick: Small,
        liquidity: Word,
        fee_pips: Word,
        tick_spacing: Small,
        ticks: &Bound<'_, PyMapping>,
        known_lower: Small,
        known_upper: Small,
    ) -> PyResult<Self> {
        let parts = V3Parts {
            sqrt_price_x96: sqrt_price_x96.0,
            tick: tick.0,
            liquidity: liquidity.0,
            fee_pips: fee_pips.0,
            tick_spacing: tick_spacing.0,
            ticks: ticks_of(ticks)?,
            known_lower: known_lower.0,
            known_upper: known_upper.0,
        };
        Ok(Self { inner: guarded(|| pool::V3Pool::new(parts))? })
    }

    #[getter]
    fn sqrt_price_x96<'py>(&self, py: Python<'py>) -> PyAnswer<'py> {
        to_python(py, self.inner.sqrt_price_x96())
    }

    #[getter]
    fn tick(&self) -> i32 {
        self.inner.tick()
    }

    #[getter]
    fn liquidity(&self) -> u128 {
        self.inner.liquidity()
    }

    #[getter]
    fn fee_pips(&self) -> u32 {
        self.inner.fee_pips()
    }

    #[getter]
    fn floored_fee_pips(&self) -> u32 {
        self.inner.floored_fee_pips()
    }

    #[getter]
    fn tick_spacing(&self) -> i32 {
        self.inner.ticks().spacing
    }

    #[getter]
    fn known_ticks(&self) -> (i32, i32) {
        (self.inner.ticks().known_lower, self.inner.ticks().known_upper)
    }

    fn deepest<'py>(&self, py: Python<'py>, reach: Small, zero_for_one: bool) -> PyAnswer<'py> {
        to_python(py, self.inner.deepest(reach.0, zero_for_one))
    }

    /// The initialised ticks in ascending order: {tick: (gross, net)}.
    fn ticks<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let ticks = self.inner.ticks();
        let found = PyDict::new(py);
        for (tick, held) in ticks.order.iter().zip(&ticks.held) {
            found.set_item(tick, (held.gross, held.net))?;
        }
        Ok(found)
    }

    fn apply_swap(&mut self, sqrt_price_x96: Word, tick: Small, liquidity: Word) -> PyResult<()> {
        guarded(|| self.inner.apply_swap(sqrt_price_x96.0, tick.0, liquidity.0))
    }

    fn apply_liquidity(
        &mut self,
        tick_lower: Small,
        tick_upper: Small,
        liquidity_delta: Change,
    ) -> PyResult<()> {
        let Change { is_negative, size } = liquidity_delta;
        guarded(|| self.inner.apply_liquidity(tick_lower.0, tick_upper.0, size, is_negative))
    }

    fn check(&self) -> PyResult<()> {
        guarded(|| self.inner.check())
    }

    fn amount_out<'py>(
        &self,
        py: Python<'py>,
        amount_in: Amount,
        zero_for_one: bool,
    ) -> PyAnswer<'py> {
        to_python(py, guarded(|| self.inner.amount_out(amount_in.0, zero_for_one))?)
    }

    fn amount_in<'py>(
        &self,
        py: Python<'py>,
        amount_out: Amount,
        zero_for_one: bool,
    ) -> PyAnswer<'py> {
        to_python(py, guarded(|| self.inner.amount_in(amount_out.0, zero_for_one))?)
    }

    fn least_amount_in<'py>(
        &self,
        py: Python<'py>,
        amount_out: Amount,
        zero_for_one: bool,
    ) -> PyAnswer<'py> {
        to_python(py, guarded(|| self.inner.least_amount_in(amount_out.0, zero_for_one))?)
    }

    fn ticks_crossed(&self, amount_in: Amount, zero_for_one: bool) -> PyResult<i64> {
        guarded(|| self.inner.ticks_crossed(amount_in.0, zero_for_one))
    }

    fn marginal_rate_x128<'py>(&self, py: Python<'py>, zero_for_one: bool) -> PyAnswer<'py> {
        wide_to_python(py, guarded(|| self.inner.marginal_rate_x128(zero_for_one))?)
    }

    fn segment_parts<'py>(
        &self,
        py: Python<'py>,
        amount_in: Amount,
        zero_for_one: bool,
    ) -> PyResult<Bound<'py, PyTuple>> {
        segment_to_python(py, &guarded(|| self.inner.segment(amount_in.0, zero_for_one))?)
    }

    fn input_to_fall<'py>(
        &self,
        py: Python<'py>,
        root_factor_x64: Amount,
        zero_for_one: bool,
    ) -> PyAnswer<'py> {
        to_python(py, guarded(|| self.inner.input_to_fall(root_factor_x64.0, zero_for_one))?)
    }

    /// The step loop: (taken, paid, root price, tick, liquidity, ticks crossed).
    fn swap<'py>(
        &self,
        py: Python<'py>,
        zero_for_one: bool,
        amount_specified: Change,
        sqrt_price_limit_x96: Amount,
    ) -> PyResult<Bound<'py, PyTuple>> {
        let Change { is_negative, size } = amount_specified;
        let limit = sqrt_price_limit_x96.0;
        let done =
            guarded(|| swap_loop::swap(&self.inner, zero_for_one, size, !is_negative, limit))?;
        (
            to_python(py, done.taken)?,
            to_python(py, done.paid)?,
            to_python(py, done.price)?,
            done.tick,
            done.liquidity,
            done.ticks_crossed,
        )
            .into_pyobject(py)
    }

    fn fingerprint<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.inner.fingerprint())
    }
}

/// A concentrated pool of the singleton, with a fee for each direction.
#[pyclass(subclass, extends = V3Pool, module = "alphapulse_kernel")]
pub struct V4Pool;

#[pymethods]
impl V4Pool {
    #[new]
    #[pyo3(signature = (sqrt_price_x96, tick, liquidity, fee_pips, tick_spacing, ticks, *, protocol_fee=Word(U256::ZERO), known_lower=Small(-887_272), known_upper=Small(887_272)))]
    #[allow(clippy::too_many_arguments)]
    fn new(
        sqrt_price_x96: Word,
        tick: Small,
        liquidity: Word,
        fee_pips: Word,
        tick_spacing: Small,
        ticks: &Bound<'_, PyMapping>,
        protocol_fee: Word,
        known_lower: Small,
        known_upper: Small,
    ) -> PyResult<PyClassInitializer<Self>> {
        let parts = V3Parts {
            sqrt_price_x96: sqrt_price_x96.0,
            tick: tick.0,
            liquidity: liquidity.0,
            fee_pips: fee_pips.0,
            tick_spacing: tick_spacing.0,
            ticks: ticks_of(ticks)?,
            known_lower: known_lower.0,
            known_upper: known_upper.0,
        };
        let inner = guarded(|| {
            let mut pool = uniswap_v4::pool(parts)?;
            uniswap_v4::set_protocol_fee(&mut pool, protocol_fee.0)?;
            Ok(pool)
        })?;
        Ok(PyClassInitializer::from(V3Pool { inner }).add_subclass(Self))
    }

    #[getter]
    fn swap_fees(slf: PyRef<'_, Self>) -> (u32, u32) {
        let inner = &slf.as_super().inner;
        (inner.swap_fee_pips(true), inner.swap_fee_pips(false))
    }

    fn set_protocol_fee(mut slf: PyRefMut<'_, Self>, protocol_fee: Word) -> PyResult<()> {
        let inner = &mut slf.as_super().inner;
        guarded(|| uniswap_v4::set_protocol_fee(inner, protocol_fee.0))
    }

    fn set_swap_fees(
        mut slf: PyRefMut<'_, Self>,
        zero_for_one_pips: Word,
        one_for_zero_pips: Word,
    ) -> PyResult<()> {
        let inner = &mut slf.as_super().inner;
        guarded(|| uniswap_v4::set_swap_fees(inner, [zero_for_one_pips.0, one_for_zero_pips.0]))
    }
}

fn segment_to_python<'py>(py: Python<'py>, segment: &Segment) -> PyResult<Bound<'py, PyTuple>> {
    let amount = |value: U256| to_python(py, value);
    PyTuple::new(
        py,
        [
            amount(segment.start_in)?,
            amount(segment.end_in)?,
            amount(segment.start_out)?,
            int_to_python(py, &segment.gain)?,
            int_to_python(py, &segment.slope)?,
            int_to_python(py, &segment.base)?,
        ],
    )
}

/// The amounts as a Python list.
pub fn amounts_to_python<'py>(py: Python<'py>, amounts: &[U256]) -> PyResult<Bound<'py, PyList>> {
    let found = PyList::empty(py);
    for &amount in amounts {
        found.append(to_python(py, amount)?)?;
    }
    Ok(found)
}
