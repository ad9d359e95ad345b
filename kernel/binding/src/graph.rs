//! The stateful pool graph.

use std::collections::HashMap;

use alphapulse_kernel_math::graph::{Anchor, Graph, Pool, Update, MAX_HOPS, MIN_HOPS};
use alphapulse_kernel_math::pool::{V2Pool, V3Parts, V3Pool};
use alphapulse_kernel_math::refusal::out_of_range;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyMapping, PyTuple};

use crate::convert::{Amount, Change, Number, Small, Word};
use crate::errors::{guarded, raised};
use crate::pools::ticks_of;
use crate::questions::sizing_to_python;

const RESERVES: u32 = 0;
const SWAP: u32 = 1;
const LIQUIDITY: u32 = 2;

type UpdateParts = (Number, Number, Change, Change, Change);

/// Pools of two kinds between tokens, owned here and changed by updates only.
#[pyclass(subclass, module = "alphapulse_kernel")]
pub struct PoolGraph {
    inner: Graph,
    premium_bps: u64,
    max_hops: usize,
}

fn word(change: &Change) -> Word {
    change.word()
}

fn update_of(parts: &UpdateParts) -> PyResult<(usize, Update)> {
    let (index, kind, a, b, c) = parts;
    let update = match kind.0 {
        RESERVES => Update::Reserves { reserve0: word(a).0, reserve1: word(b).0 },
        SWAP => Update::Swap { sqrt_price_x96: word(a).0, tick: b.small(), liquidity: word(c).0 },
        LIQUIDITY => Update::Liquidity {
            tick_lower: a.small(),
            tick_upper: b.small(),
            amount: c.size,
            is_burn: c.is_negative,
        },
        _ => return Err(raised(out_of_range("`kind` of an update must be 0 ... 2"))),
    };
    Ok((index.0 as usize, update))
}

#[pymethods]
impl PoolGraph {
    #[new]
    #[pyo3(signature = (*, premium_bps, max_hops))]
    fn new(premium_bps: u64, max_hops: Number) -> PyResult<Self> {
        let max_hops = max_hops.0 as usize;
        if !(MIN_HOPS..=MAX_HOPS).contains(&max_hops) {
            return Err(raised(out_of_range("`max_hops` must be in 2 ... 4")));
        }
        Ok(Self { inner: Graph::default(), premium_bps, max_hops })
    }

    fn __len__(&self) -> usize {
        self.inner.len()
    }

    #[pyo3(signature = (token0, token1, *, reserve0, reserve1, fee_pips))]
    fn add_pair(
        &mut self,
        token0: Number,
        token1: Number,
        reserve0: Word,
        reserve1: Word,
        fee_pips: Word,
    ) -> PyResult<usize> {
        guarded(|| {
            let pool = V2Pool::new(reserve0.0, reserve1.0, fee_pips.0)?;
            self.inner.add(token0.token()?, token1.token()?, Pool::V2(pool))
        })
    }

    #[pyo3(signature = (token0, token1, *, sqrt_price_x96, tick, liquidity, fee_pips, tick_spacing, ticks))]
    #[allow(clippy::too_many_arguments)]
    fn add_concentrated(
        &mut self,
        token0: Number,
        token1: Number,
        sqrt_price_x96: Word,
        tick: Small,
        liquidity: Word,
        fee_pips: Word,
        tick_spacing: Small,
        ticks: &Bound<'_, PyMapping>,
    ) -> PyResult<usize> {
        let parts = V3Parts {
            sqrt_price_x96: sqrt_price_x96.0,
            tick: tick.0,
            liquidity: liquidity.0,
            fee_pips: fee_pips.0,
            tick_spacing: tick_spacing.0,
            ticks: ticks_of(ticks)?,
            known_lower: -887_272,
            known_upper: 887_272,
        };
        guarded(|| {
            let pool = V3Pool::new(parts)?;
            self.inner.add(token0.token()?, token1.token()?, Pool::V3(Box::new(pool)))
        })
    }

    fn apply(&mut self, updates: Vec<UpdateParts>) -> PyResult<Vec<usize>> {
        let updates: Vec<_> = updates.iter().map(update_of).collect::<PyResult<_>>()?;
        guarded(|| self.inner.apply(&updates))
    }

    /// [(edges, (amounts, premium, gross profit))], best first.
    fn search<'py>(
        &self,
        py: Python<'py>,
        changed: Vec<Number>,
        anchors: HashMap<Number, (Amount, Amount)>,
    ) -> PyResult<Bound<'py, PyList>> {
        let changed: Vec<usize> = changed.iter().map(|index| index.0 as usize).collect();
        let anchors: Vec<Anchor> = anchors
            .into_iter()
            .filter_map(|(token, (most, weight))| {
                let token = token.token().ok()?;
                Some(Anchor { token, max_amount_in: most.0, weight: weight.0 })
            })
            .collect();
        let found = py.detach(|| {
            guarded(|| self.inner.search(&changed, &anchors, self.premium_bps, self.max_hops))
        })?;
        let answers = PyList::empty(py);
        for cycle in &found {
            let edges = PyTuple::new(py, &cycle.edges)?;
            answers.append((edges, sizing_to_python(py, Some(&cycle.sizing))?))?;
        }
        Ok(answers)
    }

    fn fingerprint<'py>(&self, py: Python<'py>, index: Number) -> PyResult<Bound<'py, PyBytes>> {
        let bytes = guarded(|| self.inner.fingerprint(index.0 as usize))?;
        Ok(PyBytes::new(py, &bytes))
    }
}
