//! Questions about several pools or many amounts.

use alphapulse_kernel_math::pool::{Hop, Quoter};
use alphapulse_kernel_math::sizing::{self, Sizing};
use alphapulse_kernel_math::{batch, tick_math, token_pool, Answer};
use pyo3::exceptions::{PyIndexError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};

use crate::convert::{to_python, Amount, Small};
use crate::errors::{guarded, raised};
use crate::families::{PairView, TokenPool};
use crate::pools::{V2Pool, V3Pool};

/// A pool borrowed for the time of a question.
pub enum Held<'py> {
    V2(PyRef<'py, V2Pool>),
    V3(PyRef<'py, V3Pool>),
    Smooth(PyRef<'py, TokenPool>, usize, usize),
}

impl Held<'_> {
    pub fn quoter(&self) -> Answer<Quoter<'_>> {
        Ok(match self {
            Held::V2(pool) => Quoter::V2(&pool.inner),
            Held::V3(pool) => Quoter::V3(&pool.inner),
            Held::Smooth(pool, i, j) => {
                Quoter::Smooth(token_pool::PairView::new(pool.pool(), *i, *j)?)
            }
        })
    }
}

impl<'py> FromPyObject<'_, 'py> for Held<'py> {
    type Error = PyErr;
    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(pool) = value.cast::<V2Pool>() {
            return Ok(Held::V2(pool.try_borrow()?));
        }
        if let Ok(pool) = value.cast::<V3Pool>() {
            return Ok(Held::V3(pool.try_borrow()?));
        }
        match value.cast::<PairView>() {
            Ok(pair) => {
                let pair = pair.get();
                let pool = pair.pool.bind(value.py()).clone();
                Ok(Held::Smooth(pool.try_borrow()?, pair.i, pair.j))
            }
            Err(_) => Err(PyTypeError::new_err("a hop must be a pool of this kernel")),
        }
    }
}

type HeldHop<'py> = (Held<'py>, bool);

/// Adds the hops of a path, a sequence of (pool, side).
fn hold<'py>(path: &Bound<'py, PyAny>, held: &mut Vec<HeldHop<'py>>) -> PyResult<()> {
    let mut add = |hop: &Bound<'py, PyAny>| -> PyResult<()> {
        let hop = hop.cast::<PyTuple>()?;
        if hop.len() != 2 {
            return Err(PyTypeError::new_err("a hop must be a pool and a side"));
        }
        let (pool, side) = (hop.get_borrowed_item(0)?, hop.get_borrowed_item(1)?);
        held.push((pool.extract()?, side.extract()?));
        Ok(())
    };
    match path.cast::<PyList>() {
        Ok(path) => path.iter().try_for_each(|hop| add(&hop)),
        Err(_) => path.try_iter()?.try_for_each(|hop| add(&hop?)),
    }
}

fn hops_of<'a>(held: &'a [HeldHop<'_>]) -> PyResult<Vec<Hop<'a>>> {
    let hops = held.iter().map(|(pool, zero_for_one)| Ok((pool.quoter()?, *zero_for_one)));
    hops.collect::<Answer<_>>().map_err(raised)
}

/// (amounts, premium, gross profit), or None.
pub fn sizing_to_python<'py>(
    py: Python<'py>,
    sizing: Option<&Sizing>,
) -> PyResult<Option<Bound<'py, PyTuple>>> {
    let Some(sizing) = sizing else {
        return Ok(None);
    };
    let amounts: Vec<_> =
        sizing.amounts.iter().map(|&amount| to_python(py, amount)).collect::<PyResult<_>>()?;
    let parts = (
        PyTuple::new(py, amounts)?,
        to_python(py, sizing.premium)?,
        to_python(py, sizing.gross_profit())?,
    );
    Ok(Some(parts.into_pyobject(py)?))
}

/// The best sizing of a cycle as (amounts, premium, gross profit), None when none earns anything.
#[pyfunction]
#[pyo3(signature = (hops, *, premium_bps, max_amount_in))]
pub fn optimise<'py>(
    hops: &Bound<'py, PyAny>,
    premium_bps: u64,
    max_amount_in: Amount,
) -> PyResult<Option<Bound<'py, PyTuple>>> {
    let py = hops.py();
    let mut held = Vec::with_capacity(4);
    hold(hops, &mut held)?;
    let hops = hops_of(&held)?;
    let ask = || guarded(|| sizing::optimise(&hops, premium_bps, max_amount_in.0));
    // Pairs alone take a few microseconds: less than it costs others to notice a released lock.
    let is_long = hops.iter().any(|(pool, _)| !matches!(pool, Quoter::V2(_)));
    let sizing = if is_long { py.detach(ask)? } else { ask()? };
    sizing_to_python(py, sizing.as_ref())
}

/// Sizings of a batch, each made into Python's numbers when it is looked at.
#[pyclass(frozen, sequence, module = "alphapulse_kernel")]
pub struct Sizings {
    found: Vec<Option<Sizing>>,
}

#[pymethods]
impl Sizings {
    fn __len__(&self) -> usize {
        self.found.len()
    }

    fn __getitem__<'py>(
        &self,
        py: Python<'py>,
        index: usize,
    ) -> PyResult<Option<Bound<'py, PyTuple>>> {
        match self.found.get(index) {
            Some(sizing) => sizing_to_python(py, sizing.as_ref()),
            None => Err(PyIndexError::new_err("there is no path of this number")),
        }
    }
}

/// The best sizing of each cycle, as `optimise` gives it.
#[pyfunction]
#[pyo3(signature = (paths, *, premium_bps, max_amount_in))]
pub fn optimise_batch(
    paths: &Bound<'_, PyAny>,
    premium_bps: u64,
    max_amount_in: Amount,
) -> PyResult<Sizings> {
    let mut held = vec![];
    let mut ends = vec![];
    for path in paths.try_iter()? {
        hold(&path?, &mut held)?;
        ends.push(held.len());
    }
    let hops = hops_of(&held)?;
    let found = paths
        .py()
        .detach(|| guarded(|| batch::optimise_batch(&hops, &ends, premium_bps, max_amount_in.0)))?;
    Ok(Sizings { found })
}

/// What each exact input buys from one pool; the first refusal is raised.
#[pyfunction]
pub fn quote_batch<'py>(
    py: Python<'py>,
    pool: Held<'py>,
    amounts: Vec<Amount>,
    zero_for_one: bool,
) -> PyResult<Bound<'py, PyList>> {
    let amounts: Vec<_> = amounts.into_iter().map(|amount| amount.0).collect();
    let quoter = pool.quoter().map_err(raised)?;
    let paid = py.detach(|| guarded(|| Ok(batch::quote_batch(quoter, &amounts, zero_for_one))))?;
    let paid: Vec<_> = paid.into_iter().collect::<Answer<_>>().map_err(raised)?;
    crate::pools::amounts_to_python(py, &paid)
}

/// The root price at a tick.
#[pyfunction]
pub fn sqrt_ratio_at_tick(py: Python<'_>, tick: Small) -> PyResult<Bound<'_, PyAny>> {
    to_python(py, guarded(|| tick_math::sqrt_ratio_at_tick(tick.0))?)
}

/// The greatest tick whose root price is at or below the given one.
#[pyfunction]
pub fn tick_at_sqrt_ratio(sqrt_price_x96: Amount) -> PyResult<i32> {
    guarded(|| tick_math::tick_at_sqrt_ratio(sqrt_price_x96.0))
}
