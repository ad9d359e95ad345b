//! The pool graph and its contests. Pools stay with whoever made them; here they are borrowed for the time of a question.

use std::collections::{HashMap, HashSet};

use alphapulse_kernel_math::contest::{Contest as Inner, Sized, Step};
use alphapulse_kernel_math::cycle_bounds::rates_of;
use alphapulse_kernel_math::cycles::{Edges, FoundCycle, Mixed};
use alphapulse_kernel_math::full_math::U256;
use alphapulse_kernel_math::graph::{hops_of, Anchor, Asked, Graph, Terms};
use alphapulse_kernel_math::sizing::{optimise, Sizing};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};

use crate::convert::{to_python, Amount, Number};
use crate::errors::{guarded, raised};
use crate::questions::{sizing_to_python, Held};

const NEVER: f64 = f64::NEG_INFINITY;
/// Pools that changed at once, and cycles that came up, from which on the search outlasts a released lock.
const MANY_POOLS: usize = 8;
const MANY_CYCLES: usize = 64;

/// What answers for a pool: kept by this kernel, or a line by its first rates, sized by the caller.
struct Slot {
    pool: Py<PyAny>,
    line: Option<[f64; 2]>,
}

impl Slot {
    fn share(&self, py: Python<'_>) -> Self {
        Self { pool: self.pool.clone_ref(py), line: self.line }
    }
}

/// Pools borrowed by number.
struct Borrowed<'py> {
    held: HashMap<u32, (Held<'py>, Option<[f64; 2]>), Mixed>,
}

impl<'py> Borrowed<'py> {
    fn new<'a>(
        py: Python<'py>,
        slots: impl Fn(u32) -> &'a Slot,
        pools: impl Iterator<Item = u32>,
    ) -> PyResult<Self> {
        let mut held = HashMap::default();
        for index in pools {
            let slot = slots(index);
            if slot.line.is_none() && !held.contains_key(&index) {
                held.insert(index, (slot.pool.bind(py).extract()?, None));
            }
        }
        Ok(Self { held })
    }
}

type Quoters<'a> = HashMap<u32, Asked<'a>, Mixed>;

fn quoters<'a>(
    borrowed: &'a Borrowed<'_>,
    lines: impl Iterator<Item = (u32, [f64; 2])>,
) -> PyResult<Quoters<'a>> {
    let mut found: Quoters<'a> = lines.map(|(index, line)| (index, Asked::Line(line))).collect();
    for (&index, (held, _)) in &borrowed.held {
        found.insert(index, Asked::Pool(held.quoter().map_err(raised)?));
    }
    Ok(found)
}

/// Directed edges between tokens over pools that others keep.
#[pyclass(module = "alphapulse_kernel")]
pub struct PoolGraph {
    inner: Graph,
    slots: Vec<Slot>,
}

impl PoolGraph {
    fn slot(&self, index: u32) -> &Slot {
        &self.slots[index as usize]
    }

    fn cycles(
        &mut self,
        py: Python<'_>,
        changed: &[Number],
        is_anchor: impl Fn(u32) -> bool + Send + Sync,
    ) -> PyResult<(u64, Vec<FoundCycle>)> {
        let changed: Vec<usize> = changed.iter().map(|index| index.0 as usize).collect();
        let inner = &mut self.inner;
        if changed.len() < MANY_POOLS {
            return guarded(|| inner.cycles(&changed, is_anchor));
        }
        py.detach(|| guarded(|| inner.cycles(&changed, is_anchor)))
    }

    fn lines<'a>(&'a self, cycles: &'a [FoundCycle]) -> impl Iterator<Item = (u32, [f64; 2])> + 'a {
        pools_of(cycles).filter_map(|index| Some((index, self.slot(index).line?)))
    }
}

fn pools_of(cycles: &[FoundCycle]) -> impl Iterator<Item = u32> + '_ {
    cycles.iter().flat_map(|(edges, _)| edges.iter().map(|edge| edge >> 1))
}

/// A worth as a double, from a numerator and a denominator.
fn worth_of(price: &Bound<'_, PyAny>) -> PyResult<Option<f64>> {
    if price.is_none() {
        return Ok(None);
    }
    let (numerator, denominator): (f64, f64) = price.extract()?;
    Ok(Some(numerator / denominator))
}

/// [(pool, side)] of a walk.
fn hops_to_python<'py>(
    py: Python<'py>,
    edges: &[u32],
    pool: impl Fn(u32) -> Py<PyAny>,
) -> PyResult<Bound<'py, PyList>> {
    let hops = PyList::empty(py);
    for &edge in edges {
        hops.append((pool(edge >> 1), edge & 1 == 0))?;
    }
    Ok(hops)
}

#[pymethods]
impl PoolGraph {
    #[new]
    #[pyo3(signature = (*, premium_bps, max_hops))]
    fn new(premium_bps: u64, max_hops: Number) -> PyResult<Self> {
        let inner = guarded(|| Graph::new(premium_bps, max_hops.0 as usize))?;
        Ok(Self { inner, slots: vec![] })
    }

    fn __len__(&self) -> usize {
        self.inner.len()
    }

    #[getter]
    fn dropped(&self) -> u64 {
        self.inner.dropped()
    }

    /// Adds a pool that answers nothing yet and returns its number.
    fn add(
        &mut self,
        py: Python<'_>,
        token0: Number,
        token1: Number,
        kind: Number,
        place: Option<Number>,
    ) -> PyResult<usize> {
        let place = place.map(|place| place.0);
        let index = guarded(|| self.inner.add(token0.token()?, token1.token()?, kind.0, place))?;
        self.slots.push(Slot { pool: py.None(), line: Some([0.0; 2]) });
        Ok(index)
    }

    fn expect(&mut self, expected: Vec<(Vec<u8>, Amount, f64)>) {
        self.inner
            .expect(expected.into_iter().map(|(kinds, gas, most)| (kinds, gas.0, most)).collect());
    }

    /// Takes over [(number, pool, bar)]; returns the numbers of pools that this kernel does not keep.
    fn update(
        &mut self,
        py: Python<'_>,
        changes: Vec<(Number, Bound<'_, PyAny>, usize)>,
    ) -> PyResult<Vec<usize>> {
        for (index, _, bar) in &changes {
            self.inner.require(index.0 as usize, *bar).map_err(raised)?;
        }
        let mut foreign = vec![];
        for (index, pool, bar) in changes {
            let index = index.0 as usize;
            let mut line = Some([0.0; 2]);
            let mut rates = [NEVER; 2];
            if !pool.is_none() {
                match pool.extract::<Held<'_>>() {
                    Ok(held) => {
                        let quoter = held.quoter().map_err(raised)?;
                        rates = guarded(|| Ok(rates_of(quoter)))?;
                        line = None;
                    }
                    Err(error) if error.is_instance_of::<PyTypeError>(py) => foreign.push(index),
                    Err(error) => return Err(error),
                }
            }
            self.slots[index] = Slot { pool: pool.unbind(), line };
            self.inner.update(index, rates, bar).map_err(raised)?;
        }
        Ok(foreign)
    }

    /// Takes the logarithms of the rates and the first rates of a pool that this kernel does not keep.
    fn line(
        &mut self,
        index: usize,
        rates: [f64; 2],
        slopes: [f64; 2],
        bar: usize,
    ) -> PyResult<()> {
        self.inner.update(index, rates, bar).map_err(raised)?;
        self.slots[index].line = Some(slopes);
        Ok(())
    }

    /// The contest of the cycles through changed pools that could pay.
    fn contest(
        &mut self,
        py: Python<'_>,
        changed: Vec<Number>,
        anchors: &Bound<'_, PyDict>,
        price: Amount,
        least: Amount,
        resting: Vec<Vec<u32>>,
    ) -> PyResult<Contest> {
        let mut held = HashMap::new();
        for (token, anchor) in anchors.iter() {
            let (most, worth): (Amount, Bound<'_, PyAny>) = anchor.extract()?;
            let anchor = Anchor { max_amount_in: most.0, worth: worth_of(&worth)? };
            held.insert(token.extract::<Number>()?.0, anchor);
        }
        let resting: HashSet<Vec<u32>> = resting.into_iter().collect();
        let terms = Terms { anchors: held, price: price.0, least: least.0, resting };
        let (sums, cycles) =
            self.cycles(py, &changed, |token| terms.anchors.contains_key(&token))?;
        let borrowed = Borrowed::new(py, |index| self.slot(index), pools_of(&cycles))?;
        let asked = quoters(&borrowed, self.lines(&cycles))?;
        let (graph, is_long) = (&self.inner, cycles.len() >= MANY_CYCLES);
        let make = || guarded(|| Ok(graph.contest(sums, cycles, &terms, |index| asked[&index])));
        let inner = if is_long { py.detach(make)? } else { make()? };
        let slots = inner.pools().map(|index| (index, self.slot(index).share(py))).collect();
        Ok(Contest { inner, slots, premium_bps: self.inner.premium_bps() })
    }

    /// Every walk that earns anything as [(edges, parts, weight)], best first; and [(edges, hops, limit, weight)] of those to be
    /// sized elsewhere.
    fn search<'py>(
        &mut self,
        py: Python<'py>,
        changed: Vec<Number>,
        anchors: HashMap<Number, (Amount, Amount)>,
    ) -> PyResult<(Bound<'py, PyList>, Bound<'py, PyList>)> {
        let anchors: HashMap<u32, (U256, U256)> = anchors
            .into_iter()
            .map(|(token, (most, weight))| (token.0, (most.0, weight.0)))
            .collect();
        let (_, cycles) = self.cycles(py, &changed, |token| anchors.contains_key(&token))?;
        let borrowed = Borrowed::new(py, |index| self.slot(index), pools_of(&cycles))?;
        let asked = quoters(&borrowed, self.lines(&cycles))?;
        let graph = &self.inner;
        let (found, left) =
            py.detach(|| guarded(|| graph.sized(&cycles, &anchors, |index| asked[&index])))?;
        let answers = PyList::empty(py);
        for walk in &found {
            let edges = PyTuple::new(py, &walk.edges)?;
            let (_, weight) = anchors[&self.inner.source(walk.edges[0])];
            let parts = sizing_to_python(py, Some(&walk.sizing))?;
            answers.append((edges, parts, to_python(py, weight)?))?;
        }
        let rest = PyList::empty(py);
        for edges in &left {
            let hops = hops_to_python(py, edges, |index| self.slot(index).pool.clone_ref(py))?;
            let (most, weight) = anchors[&self.inner.source(edges[0])];
            let edges = PyTuple::new(py, edges)?;
            rest.append((edges, hops, to_python(py, most)?, to_python(py, weight)?))?;
        }
        Ok((answers, rest))
    }
}

/// The cycles of one question, handed out best first.
#[pyclass(module = "alphapulse_kernel")]
pub struct Contest {
    inner: Inner,
    slots: HashMap<u32, Slot, Mixed>,
    premium_bps: u64,
}

impl Contest {
    fn step(&mut self, py: Python<'_>, above: f64) -> PyResult<Step> {
        let (slots, premium_bps) = (&self.slots, self.premium_bps);
        self.inner.best(above, |edges: &[u32], most| {
            let borrowed =
                Borrowed::new(py, |index| &slots[&index], edges.iter().map(|edge| edge >> 1))?;
            let lines =
                edges.iter().filter_map(|edge| Some((edge >> 1, slots[&(edge >> 1)].line?)));
            let asked = quoters(&borrowed, lines)?;
            let Some(hops) = hops_of(edges, |index| asked[&index]) else {
                return Ok(Sized::Foreign);
            };
            guarded(|| optimise(&hops, premium_bps, most))
                .map(|found| Sized::Known(found.map(Box::new)))
        })
    }
}

fn walk_to_python<'py>(
    py: Python<'py>,
    place: usize,
    start: usize,
    edges: &Edges,
    sizing: &Sizing,
) -> PyResult<Bound<'py, PyTuple>> {
    let edges = PyTuple::new(py, edges)?;
    (place, start, edges, sizing_to_python(py, Some(sizing))?).into_pyobject(py)
}

#[pymethods]
impl Contest {
    fn __len__(&self) -> usize {
        self.inner.len()
    }

    #[getter]
    fn sums(&self) -> u64 {
        self.inner.sums
    }

    #[getter]
    fn sized(&self) -> u64 {
        self.inner.sized
    }

    /// (place, start, edges, parts) of the best walk; (hops, limit) of one to be answered first; or None.
    fn best<'py>(&mut self, py: Python<'py>, above: f64) -> PyResult<Option<Bound<'py, PyTuple>>> {
        Ok(match self.step(py, above)? {
            Step::Nothing => None,
            Step::Walk { place, start, edges, sizing } => {
                Some(walk_to_python(py, place, start, &edges, &sizing)?)
            }
            Step::Ask { edges, max_amount_in } => {
                let hops =
                    hops_to_python(py, &edges, |index| self.slots[&index].pool.clone_ref(py))?;
                Some((hops, to_python(py, max_amount_in)?).into_pyobject(py)?)
            }
        })
    }

    /// Takes (amounts, premium, profit) of the walk that `best` asked about, or None.
    fn answer(&mut self, parts: Option<(Vec<Amount>, Amount, Amount)>) {
        self.inner.answer(parts.map(|(amounts, premium, profit)| {
            Box::new(Sizing {
                amounts: amounts.into_iter().map(|amount| amount.0).collect(),
                premium: premium.0,
                profit: profit.0,
            })
        }));
    }

    fn close(&mut self, place: Number, end: Number) -> PyResult<()> {
        self.inner.close(place.0 as usize, end.0 as usize).map_err(raised)
    }

    fn take(&mut self, place: Number) -> PyResult<bool> {
        self.inner.take(place.0 as usize).map_err(raised)
    }

    fn ends(&self) -> Vec<usize> {
        self.inner.ends().to_vec()
    }

    fn waiting(&self) -> Vec<u32> {
        self.inner.waiting().into_iter().collect()
    }
}
