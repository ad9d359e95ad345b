//! Pools of several tokens, and two tokens of one as a pair.

use alphapulse_kernel_math::balancer_stable::{self, InvariantVersion};
use alphapulse_kernel_math::fixed_point::PowVersion;
use alphapulse_kernel_math::full_math::U256;
use alphapulse_kernel_math::refusal::{invariant, out_of_range};
use alphapulse_kernel_math::solidly::{self, Pair, StableVersion};
use alphapulse_kernel_math::stableswap::{self, RampParts};
use alphapulse_kernel_math::token_pool::{self, require_tokens};
use alphapulse_kernel_math::{weighted, Answer};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};

use crate::convert::{to_python, wide_to_python, Amount, Change, Place, Word};
use crate::errors::{guarded, raised};

type PyAnswer<'py> = PyResult<Bound<'py, PyAny>>;

/// A pool of any of these families.
pub enum Family {
    Curve(stableswap::CurvePool),
    BalancerStable(balancer_stable::BalancerStablePool),
    Weighted(weighted::WeightedPool),
    SolidlyVolatile(solidly::SolidlyVolatilePool),
    SolidlyStable(solidly::SolidlyStablePool),
}

/// What every family answers; only the classes below can be made.
#[pyclass(subclass, module = "alphapulse_kernel")]
pub struct TokenPool {
    inner: Family,
}

impl TokenPool {
    pub fn pool(&self) -> &dyn token_pool::TokenPool {
        match &self.inner {
            Family::Curve(pool) => pool,
            Family::BalancerStable(pool) => pool,
            Family::Weighted(pool) => pool,
            Family::SolidlyVolatile(pool) => pool,
            Family::SolidlyStable(pool) => pool,
        }
    }

    fn balances(&self) -> &[u128] {
        match &self.inner {
            Family::Curve(pool) => pool.balances(),
            Family::BalancerStable(pool) => pool.balances(),
            Family::Weighted(pool) => pool.balances(),
            Family::SolidlyVolatile(_) | Family::SolidlyStable(_) => &[],
        }
    }
}

#[pymethods]
impl TokenPool {
    #[getter]
    fn count(&self) -> usize {
        self.pool().count()
    }

    fn amount_out<'py>(
        &self,
        py: Python<'py>,
        amount_in: Amount,
        i: Place,
        j: Place,
    ) -> PyAnswer<'py> {
        to_python(py, guarded(|| self.pool().amount_out(amount_in.0, i.0, j.0))?)
    }

    fn amount_in<'py>(
        &self,
        py: Python<'py>,
        amount_out: Amount,
        i: Place,
        j: Place,
    ) -> PyAnswer<'py> {
        to_python(py, guarded(|| self.pool().amount_in(amount_out.0, i.0, j.0))?)
    }

    fn least_amount_in<'py>(
        &self,
        py: Python<'py>,
        amount_out: Amount,
        i: Place,
        j: Place,
    ) -> PyAnswer<'py> {
        to_python(py, guarded(|| self.pool().least_amount_in(amount_out.0, i.0, j.0))?)
    }

    fn largest_amount_in<'py>(&self, py: Python<'py>, i: Place, j: Place) -> PyAnswer<'py> {
        to_python(py, guarded(|| self.pool().largest_amount_in(i.0, j.0))?)
    }

    fn marginal_rate_x128<'py>(&self, py: Python<'py>, i: Place, j: Place) -> PyAnswer<'py> {
        wide_to_python(py, guarded(|| self.pool().marginal_rate_x128(i.0, j.0))?)
    }

    fn fingerprint<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.pool().fingerprint())
    }
}

/// Tokens i and j of a pool; the view holds no state of its own.
#[pyclass(subclass, frozen, module = "alphapulse_kernel")]
pub struct PairView {
    #[pyo3(get)]
    pub pool: Py<TokenPool>,
    #[pyo3(get)]
    pub i: usize,
    #[pyo3(get)]
    pub j: usize,
}

impl PairView {
    fn ask<T>(
        &self,
        py: Python<'_>,
        question: impl FnOnce(token_pool::PairView<'_>) -> Answer<T>,
    ) -> PyResult<T> {
        let pool = self.pool.try_borrow(py)?;
        guarded(|| question(token_pool::PairView::new(pool.pool(), self.i, self.j)?))
    }
}

#[pymethods]
impl PairView {
    #[new]
    fn new(py: Python<'_>, pool: Py<TokenPool>, i: Place, j: Place) -> PyResult<Self> {
        let count = pool.try_borrow(py)?.count();
        guarded(|| require_tokens(count, i.0, j.0))?;
        Ok(Self { pool, i: i.0, j: j.0 })
    }

    #[getter]
    fn floored_fee_pips(&self) -> u32 {
        0
    }

    fn amount_out<'py>(
        &self,
        py: Python<'py>,
        amount_in: Amount,
        zero_for_one: bool,
    ) -> PyAnswer<'py> {
        to_python(py, self.ask(py, |pair| pair.amount_out(amount_in.0, zero_for_one))?)
    }

    fn amount_in<'py>(
        &self,
        py: Python<'py>,
        amount_out: Amount,
        zero_for_one: bool,
    ) -> PyAnswer<'py> {
        to_python(py, self.ask(py, |pair| pair.amount_in(amount_out.0, zero_for_one))?)
    }

    fn least_amount_in<'py>(
        &self,
        py: Python<'py>,
        amount_out: Amount,
        zero_for_one: bool,
    ) -> PyAnswer<'py> {
        to_python(py, self.ask(py, |pair| pair.least_amount_in(amount_out.0, zero_for_one))?)
    }

    fn ticks_crossed(&self, amount_in: Amount, zero_for_one: bool) -> u32 {
        let _ = (amount_in.0, zero_for_one);
        0
    }

    fn marginal_rate_x128<'py>(&self, py: Python<'py>, zero_for_one: bool) -> PyAnswer<'py> {
        wide_to_python(py, self.ask(py, |pair| pair.marginal_rate_x128(zero_for_one))?)
    }

    fn segment(&self, amount_in: Amount, zero_for_one: bool) {
        let _ = (amount_in.0, zero_for_one);
    }

    fn input_to_fall<'py>(
        &self,
        py: Python<'py>,
        root_factor_x64: Amount,
        zero_for_one: bool,
    ) -> PyAnswer<'py> {
        to_python(py, self.ask(py, |pair| pair.input_to_fall(root_factor_x64.0, zero_for_one))?)
    }

    fn fingerprint<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let bytes = self.ask(py, |pair| Ok(pair.fingerprint()))?;
        Ok(PyBytes::new(py, &bytes))
    }
}

/// The attributes of an `amm.amplification.Ramp`.
#[derive(FromPyObject)]
pub struct Ramp {
    start_value: Word,
    end_value: Word,
    start_time: Word,
    end_time: Word,
}

impl Ramp {
    fn parts(&self) -> RampParts {
        ([self.start_value.0, self.end_value.0], [self.start_time.0, self.end_time.0])
    }
}

fn words(values: &[Word]) -> Vec<U256> {
    values.iter().map(|value| value.0).collect()
}

fn integers<'py>(py: Python<'py>, values: &[u128]) -> PyResult<Bound<'py, PyTuple>> {
    PyTuple::new(py, values)
}

fn changed(change: &Change) -> (bool, U256) {
    (change.is_negative, change.size)
}

fn base(inner: Family) -> PyClassInitializer<TokenPool> {
    PyClassInitializer::from(TokenPool { inner })
}

/// The pool of a subclass's own family, which is the only one that its constructor makes.
macro_rules! own {
    ($family:ident, $inner:expr) => {
        match $inner {
            Family::$family(pool) => Ok(pool),
            _ => Err(raised(invariant("a pool must be of its class's family"))),
        }
    };
}

/// Curve's plain pool: balances, rates, fees and the ramp at a block time.
#[pyclass(subclass, extends = TokenPool, module = "alphapulse_kernel")]
pub struct CurvePool;

#[pymethods]
impl CurvePool {
    #[new]
    #[pyo3(signature = (balances, rates, ramp, *, timestamp, fee, admin_fee, a_precision))]
    fn new(
        balances: Vec<Word>,
        rates: Vec<Word>,
        ramp: Ramp,
        timestamp: Word,
        fee: Word,
        admin_fee: Word,
        a_precision: Word,
    ) -> PyResult<PyClassInitializer<Self>> {
        let (balances, rates) = (words(&balances), words(&rates));
        let fees = (fee.0, admin_fee.0);
        let make = || {
            let ramp = ramp.parts();
            stableswap::CurvePool::new(&balances, &rates, ramp, timestamp.0, fees, a_precision.0)
        };
        Ok(base(Family::Curve(guarded(make)?)).add_subclass(Self))
    }

    #[getter]
    fn balances(slf: PyRef<'_, Self>) -> PyResult<Bound<'_, PyTuple>> {
        integers(slf.py(), slf.as_super().balances())
    }

    #[getter]
    fn fee(slf: PyRef<'_, Self>) -> PyResult<u64> {
        Ok(own!(Curve, &slf.as_super().inner)?.fee())
    }

    #[getter]
    fn amplification(slf: PyRef<'_, Self>) -> PyResult<u64> {
        Ok(own!(Curve, &slf.as_super().inner)?.amplification())
    }

    fn set_balances(mut slf: PyRefMut<'_, Self>, balances: Vec<Word>) -> PyResult<()> {
        let pool = own!(Curve, &mut slf.as_super().inner)?;
        guarded(|| pool.set_balances(&words(&balances)))
    }

    fn set_rates(mut slf: PyRefMut<'_, Self>, rates: Vec<Word>) -> PyResult<()> {
        let pool = own!(Curve, &mut slf.as_super().inner)?;
        guarded(|| pool.set_rates(&words(&rates)))
    }

    fn set_fees(mut slf: PyRefMut<'_, Self>, fee: Word, admin_fee: Word) -> PyResult<()> {
        let pool = own!(Curve, &mut slf.as_super().inner)?;
        guarded(|| pool.set_fees(fee.0, admin_fee.0))
    }

    fn set_ramp(mut slf: PyRefMut<'_, Self>, ramp: Ramp, timestamp: Word) -> PyResult<()> {
        let pool = own!(Curve, &mut slf.as_super().inner)?;
        guarded(|| pool.set_ramp(ramp.parts(), timestamp.0))
    }

    fn set_time(mut slf: PyRefMut<'_, Self>, timestamp: Word) -> PyResult<()> {
        let pool = own!(Curve, &mut slf.as_super().inner)?;
        guarded(|| pool.set_time(timestamp.0))
    }

    #[pyo3(signature = (amount_in, i, j, *, fee_last))]
    fn get_dy<'py>(
        slf: PyRef<'py, Self>,
        amount_in: Amount,
        i: Place,
        j: Place,
        fee_last: bool,
    ) -> PyAnswer<'py> {
        let base = slf.as_super();
        let pool = own!(Curve, &base.inner)?;
        to_python(slf.py(), guarded(|| pool.get_dy(amount_in.0, i.0, j.0, fee_last))?)
    }

    fn apply_exchange<'py>(
        mut slf: PyRefMut<'py, Self>,
        amount_in: Amount,
        i: Place,
        j: Place,
    ) -> PyAnswer<'py> {
        let py = slf.py();
        let pool = own!(Curve, &mut slf.as_super().inner)?;
        to_python(py, guarded(|| pool.apply_exchange(amount_in.0, i.0, j.0))?)
    }
}

fn invariant_version(version: Word) -> PyResult<InvariantVersion> {
    match u32::try_from(version.0) {
        Ok(1) => Ok(InvariantVersion::RoundedUp),
        Ok(2) => Ok(InvariantVersion::RoundedDown),
        _ => Err(raised(out_of_range("`invariant_version` must be 1 or 2"))),
    }
}

/// A vault's stable pool: balances, scaling factors, fee and the ramp at a block time.
#[pyclass(subclass, extends = TokenPool, module = "alphapulse_kernel")]
pub struct BalancerStablePool;

#[pymethods]
impl BalancerStablePool {
    #[new]
    #[pyo3(signature = (balances, scaling_factors, ramp, *, timestamp, fee, invariant_version))]
    fn new(
        balances: Vec<Word>,
        scaling_factors: Vec<Word>,
        ramp: Ramp,
        timestamp: Word,
        fee: Word,
        invariant_version: Word,
    ) -> PyResult<PyClassInitializer<Self>> {
        let version = self::invariant_version(invariant_version)?;
        let (balances, scales) = (words(&balances), words(&scaling_factors));
        let pool = guarded(|| {
            let (ramp, time) = (ramp.parts(), timestamp.0);
            balancer_stable::BalancerStablePool::new(&balances, &scales, ramp, time, fee.0, version)
        })?;
        Ok(base(Family::BalancerStable(pool)).add_subclass(Self))
    }

    #[getter]
    fn balances(slf: PyRef<'_, Self>) -> PyResult<Bound<'_, PyTuple>> {
        integers(slf.py(), slf.as_super().balances())
    }

    #[getter]
    fn fee(slf: PyRef<'_, Self>) -> PyResult<u64> {
        Ok(own!(BalancerStable, &slf.as_super().inner)?.fee())
    }

    #[getter]
    fn amplification(slf: PyRef<'_, Self>) -> PyResult<u64> {
        Ok(own!(BalancerStable, &slf.as_super().inner)?.amplification())
    }

    fn set_balances(mut slf: PyRefMut<'_, Self>, balances: Vec<Word>) -> PyResult<()> {
        let pool = own!(BalancerStable, &mut slf.as_super().inner)?;
        guarded(|| pool.set_balances(&words(&balances)))
    }

    fn apply_swap(
        mut slf: PyRefMut<'_, Self>,
        amount_in: Change,
        amount_out: Change,
        i: Place,
        j: Place,
    ) -> PyResult<()> {
        let pool = own!(BalancerStable, &mut slf.as_super().inner)?;
        guarded(|| pool.apply_swap(changed(&amount_in), changed(&amount_out), i.0, j.0))
    }

    fn set_scaling_factors(
        mut slf: PyRefMut<'_, Self>,
        scaling_factors: Vec<Word>,
    ) -> PyResult<()> {
        let pool = own!(BalancerStable, &mut slf.as_super().inner)?;
        guarded(|| pool.set_scaling_factors(&words(&scaling_factors)))
    }

    fn set_fee(mut slf: PyRefMut<'_, Self>, fee: Word) -> PyResult<()> {
        let pool = own!(BalancerStable, &mut slf.as_super().inner)?;
        guarded(|| pool.set_fee(fee.0))
    }

    fn set_ramp(mut slf: PyRefMut<'_, Self>, ramp: Ramp, timestamp: Word) -> PyResult<()> {
        let pool = own!(BalancerStable, &mut slf.as_super().inner)?;
        guarded(|| pool.set_ramp(ramp.parts(), timestamp.0))
    }

    fn set_time(mut slf: PyRefMut<'_, Self>, timestamp: Word) -> PyResult<()> {
        let pool = own!(BalancerStable, &mut slf.as_super().inner)?;
        guarded(|| pool.set_time(timestamp.0))
    }
}

fn pow_version(version: Word) -> PyResult<PowVersion> {
    match u32::try_from(version.0) {
        Ok(1) => Ok(PowVersion::First),
        Ok(2) => Ok(PowVersion::WithShortcuts),
        _ => Err(raised(out_of_range("`pow_version` must be 1 or 2"))),
    }
}

/// A vault's weighted pool: balances, weights and fee.
#[pyclass(subclass, extends = TokenPool, module = "alphapulse_kernel")]
pub struct WeightedPool;

#[pymethods]
impl WeightedPool {
    #[new]
    #[pyo3(signature = (balances, weights, decimals, fee, *, pow_version))]
    fn new(
        balances: Vec<Word>,
        weights: Vec<Word>,
        decimals: Vec<Word>,
        fee: Word,
        pow_version: Word,
    ) -> PyResult<PyClassInitializer<Self>> {
        let version = self::pow_version(pow_version)?;
        let [balances, weights, decimals] = [balances, weights, decimals].map(|all| words(&all));
        let pool = guarded(|| {
            weighted::WeightedPool::new(&balances, &weights, &decimals, fee.0, version)
        })?;
        Ok(base(Family::Weighted(pool)).add_subclass(Self))
    }

    #[getter]
    fn balances(slf: PyRef<'_, Self>) -> PyResult<Bound<'_, PyTuple>> {
        integers(slf.py(), slf.as_super().balances())
    }

    #[getter]
    fn fee(slf: PyRef<'_, Self>) -> PyResult<u64> {
        Ok(own!(Weighted, &slf.as_super().inner)?.fee())
    }

    fn set_balances(mut slf: PyRefMut<'_, Self>, balances: Vec<Word>) -> PyResult<()> {
        let pool = own!(Weighted, &mut slf.as_super().inner)?;
        guarded(|| pool.set_balances(&words(&balances)))
    }

    fn apply_swap(
        mut slf: PyRefMut<'_, Self>,
        amount_in: Change,
        amount_out: Change,
        i: Place,
        j: Place,
    ) -> PyResult<()> {
        let pool = own!(Weighted, &mut slf.as_super().inner)?;
        guarded(|| pool.apply_swap(changed(&amount_in), changed(&amount_out), i.0, j.0))
    }

    fn set_fee(mut slf: PyRefMut<'_, Self>, fee: Word) -> PyResult<()> {
        let pool = own!(Weighted, &mut slf.as_super().inner)?;
        guarded(|| pool.set_fee(fee.0))
    }
}

fn of_ten_thousand() -> Word {
    Word(U256::from(10_000u64))
}

/// What both kinds of Solidly pair share; only the classes below can be made.
#[pyclass(subclass, extends = TokenPool, module = "alphapulse_kernel")]
pub struct SolidlyPair;

impl SolidlyPair {
    fn pair(pool: &TokenPool) -> PyResult<&Pair> {
        match &pool.inner {
            Family::SolidlyVolatile(pool) => Ok(&pool.pair),
            Family::SolidlyStable(pool) => Ok(&pool.pair),
            _ => Err(raised(invariant("a pool must be of its class's family"))),
        }
    }

    fn pair_mut(pool: &mut TokenPool) -> PyResult<&mut Pair> {
        match &mut pool.inner {
            Family::SolidlyVolatile(pool) => Ok(&mut pool.pair),
            Family::SolidlyStable(pool) => Ok(&mut pool.pair),
            _ => Err(raised(invariant("a pool must be of its class's family"))),
        }
    }
}

#[pymethods]
impl SolidlyPair {
    #[getter]
    fn reserve0(slf: PyRef<'_, Self>) -> PyResult<u128> {
        Ok(Self::pair(slf.as_super())?.reserves()[0])
    }

    #[getter]
    fn reserve1(slf: PyRef<'_, Self>) -> PyResult<u128> {
        Ok(Self::pair(slf.as_super())?.reserves()[1])
    }

    #[getter]
    fn fee(slf: PyRef<'_, Self>) -> PyResult<u32> {
        Ok(Self::pair(slf.as_super())?.fee().0)
    }

    #[getter]
    fn fee_denominator(slf: PyRef<'_, Self>) -> PyResult<u32> {
        Ok(Self::pair(slf.as_super())?.fee().1)
    }

    fn set_reserves(mut slf: PyRefMut<'_, Self>, reserve0: Word, reserve1: Word) -> PyResult<()> {
        let pair = Self::pair_mut(slf.as_super())?;
        guarded(|| pair.set_reserves([reserve0.0, reserve1.0]))
    }

    #[pyo3(signature = (fee, fee_denominator=of_ten_thousand()))]
    fn set_fee(mut slf: PyRefMut<'_, Self>, fee: Word, fee_denominator: Word) -> PyResult<()> {
        let pair = Self::pair_mut(slf.as_super())?;
        guarded(|| pair.set_fee(fee.0, fee_denominator.0))
    }
}

/// A Solidly pair on the product of its reserves.
#[pyclass(subclass, extends = SolidlyPair, module = "alphapulse_kernel")]
pub struct SolidlyVolatilePool;

#[pymethods]
impl SolidlyVolatilePool {
    #[new]
    #[pyo3(signature = (reserve0, reserve1, fee, *, fee_denominator=of_ten_thousand()))]
    fn new(
        reserve0: Word,
        reserve1: Word,
        fee: Word,
        fee_denominator: Word,
    ) -> PyResult<PyClassInitializer<Self>> {
        let pair = guarded(|| Pair::new([reserve0.0, reserve1.0], fee.0, fee_denominator.0))?;
        let pool = solidly::SolidlyVolatilePool { pair };
        Ok(base(Family::SolidlyVolatile(pool)).add_subclass(SolidlyPair).add_subclass(Self))
    }
}

fn stable_version(version: Word) -> PyResult<StableVersion> {
    match u32::try_from(version.0) {
        Ok(1) => Ok(StableVersion::First),
        Ok(2) => Ok(StableVersion::Settled),
        _ => Err(raised(out_of_range("`version` must be 1 or 2"))),
    }
}

fn settled() -> Word {
    Word(U256::from(StableVersion::Settled as u64))
}

/// A Solidly pair on x**3 y + x y**3 of its reserves.
#[pyclass(subclass, extends = SolidlyPair, module = "alphapulse_kernel")]
pub struct SolidlyStablePool;

#[pymethods]
impl SolidlyStablePool {
    #[new]
    #[pyo3(signature = (reserve0, reserve1, decimals, fee, *, fee_denominator=of_ten_thousand(), version=settled()))]
    fn new(
        reserve0: Word,
        reserve1: Word,
        decimals: (Word, Word),
        fee: Word,
        fee_denominator: Word,
        version: Word,
    ) -> PyResult<PyClassInitializer<Self>> {
        let version = stable_version(version)?;
        let decimals = [decimals.0 .0, decimals.1 .0];
        let fee = (fee.0, fee_denominator.0);
        let pool = guarded(|| {
            solidly::SolidlyStablePool::new([reserve0.0, reserve1.0], decimals, fee, version)
        })?;
        Ok(base(Family::SolidlyStable(pool)).add_subclass(SolidlyPair).add_subclass(Self))
    }
}
