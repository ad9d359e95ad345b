"""The door to the pool arithmetic: callers cannot tell which twin answers, except by `name`.

The Python modules of this room are the specification; the optional distribution `alphapulse-kernel` is
their twin in Rust, imported here and nowhere else. A process reads its configuration once and hands the
choice to `require` before it makes its first pool; the names it then uses are this module's.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache, partial

from alphapulse.amm import balancer_stable, solidly, stableswap, uniswap_v4, weighted
from alphapulse.amm import pool as python_pool
from alphapulse.amm import sizing as python_sizing
from alphapulse.amm.amplification import Ramp
from alphapulse.amm.balancer_math.fixed_point import PowVersion
from alphapulse.amm.balancer_math.stable_math import InvariantVersion
from alphapulse.amm.golden import GOLDEN, golden_answers
from alphapulse.amm.native_graph import NativeGraph
from alphapulse.amm.optimum import Hop
from alphapulse.amm.pool import PoolQuoter
from alphapulse.amm.pool_graph import Change, PoolGraph
from alphapulse.amm.pool_kinds import ConcentratedPool, PairPool, SingletonPool
from alphapulse.amm.screen import LogRate, log_of
from alphapulse.amm.segment import Segment
from alphapulse.amm.sizing import Sizing
from alphapulse.amm.solidly import FEE_DENOMINATOR, StableVersion
from alphapulse.amm.token_kinds import (
    PlainStablePool,
    ReservePool,
    SmoothPair,
    TokenPool,
    VaultPool,
    VaultStablePool,
)
from alphapulse.amm.twin import CycleContest, CycleGraph, Kernel, Sizings, WireReader, sizing_of
from alphapulse.amm.uniswap_v3.pool import V3State
from alphapulse.amm.uniswap_v3.tick_math import MAX_TICK, MIN_TICK
from alphapulse.errors import AlphaPulseError, Misconfigured

__all__ = [
    "AUTO",
    "BUILD",
    "PYTHON",
    "BalancerStablePool",
    "Change",
    "ConcentratedPool",
    "CurvePool",
    "CycleContest",
    "CycleGraph",
    "Kernel",
    "PairPool",
    "PoolQuoter",
    "ReservePool",
    "SingletonPool",
    "Sizing",
    "SmoothPair",
    "SolidlyStablePool",
    "SolidlyVolatilePool",
    "V2Pool",
    "V3Pool",
    "V4Pool",
    "WeightedPool",
    "WireReader",
    "choose",
    "defect_of",
    "name",
    "optimise",
    "optimise_batch",
    "pool_graph",
    "quote_batch",
    "require",
    "twins",
]

AUTO = "auto"
# Version and interface that the binary must state: another number means that it was built from other sources.
BUILD = ("0.1.0", 3)
REMEDY = "run `make setup`, or set `ALPHAPULSE_KERNEL=python`"

Path = Sequence[Hop]


def _optimise_each(
    paths: Sequence[Path], *, premium_bps: int, max_amount_in: int
) -> list[Sizing | None]:
    return [
        python_sizing.optimise(hops, premium_bps=premium_bps, max_amount_in=max_amount_in)
        for hops in paths
    ]


def _quote_each(pool: PoolQuoter, amounts: Sequence[int], zero_for_one: bool) -> list[int]:
    return [pool.amount_out(amount, zero_for_one) for amount in amounts]


PYTHON = Kernel(
    "python",
    python_pool.V2Pool,
    python_pool.V3Pool,
    uniswap_v4.V4Pool,
    stableswap.CurvePool,
    balancer_stable.BalancerStablePool,
    weighted.WeightedPool,
    solidly.SolidlyVolatilePool,
    solidly.SolidlyStablePool,
    python_sizing.optimise,
    _optimise_each,
    _quote_each,
    PoolGraph,
    None,
)

try:
    import alphapulse_kernel
except ImportError as _error:
    _absence, _is_missing = f"`alphapulse-kernel` is not built ({_error})", True
else:
    _is_missing = False
    _absence = ""
    if not hasattr(alphapulse_kernel, "Contest"):
        _absence = "`alphapulse-kernel` was built from older sources"

if not _absence:

    class _RustV2Pool(alphapulse_kernel.V2Pool, PairPool):
        """A pair whose state the Rust twin keeps."""

        __slots__ = ()

        def segment(self, amount_in: int, zero_for_one: bool) -> Segment:
            """Return the whole pair as one endless stretch."""
            return Segment(*self.segment_parts(amount_in, zero_for_one))

        def log_rate(self, zero_for_one: bool) -> LogRate:
            """Return the natural logarithm of the marginal rate, for screening only."""
            return log_of(self.marginal_rate_x128(zero_for_one))

    class _RustV3Pool(alphapulse_kernel.V3Pool, ConcentratedPool):
        """A concentrated pool whose state the Rust twin keeps."""

        __slots__ = ()

        def state(self) -> V3State:
            """Return the state as a value, for the step loop."""
            return V3State(
                self.sqrt_price_x96,
                self.tick,
                self.liquidity,
                self.fee_pips,
                self.tick_spacing,
                self.ticks(),
                *self.known_ticks,
            )

        def segment(self, amount_in: int, zero_for_one: bool) -> Segment:
            """Return the stretch of constant liquidity in which an input ends."""
            return Segment(*self.segment_parts(amount_in, zero_for_one))

        def log_rate(self, zero_for_one: bool) -> LogRate:
            """Return the natural logarithm of the marginal rate, for screening only."""
            return log_of(self.marginal_rate_x128(zero_for_one))

    class _RustV4Pool(alphapulse_kernel.V4Pool, _RustV3Pool, SingletonPool):
        """A pool of the singleton whose state the Rust twin keeps."""

        __slots__ = ()

        def state_towards(self, zero_for_one: bool) -> V3State:
            """Return the state as V3's step loop takes it, with the fee of one direction."""
            fees = self.swap_fees
            return replace(self.state(), fee_pips=fees[0 if zero_for_one else 1])

    class _RustPairView(alphapulse_kernel.PairView, SmoothPair):  # type: ignore[misc]  # its pool is of both kinds
        """Two tokens of a pool whose state the Rust twin keeps."""

        __slots__ = ()

        def log_rate(self, zero_for_one: bool) -> LogRate:
            """Return the natural logarithm of the marginal rate, for screening only."""
            return log_of(self.marginal_rate_x128(zero_for_one))

    class _RustTokens(alphapulse_kernel.TokenPool, TokenPool):
        """What the pools of several tokens below share."""

        __slots__ = ()

        def pair(self, i: int, j: int) -> SmoothPair:
            """Return tokens i and j as a pair."""
            return _RustPairView(self, i, j)

    class _RustCurvePool(alphapulse_kernel.CurvePool, _RustTokens, PlainStablePool):
        """A plain pool whose state the Rust twin keeps."""

        __slots__ = ()

    class _RustBalancerStablePool(
        alphapulse_kernel.BalancerStablePool, _RustTokens, VaultStablePool
    ):
        """A stable pool of the vault whose state the Rust twin keeps."""

        __slots__ = ()

    class _RustWeightedPool(alphapulse_kernel.WeightedPool, _RustTokens, VaultPool):
        """A weighted pool whose state the Rust twin keeps."""

        __slots__ = ()

    class _RustSolidlyVolatilePool(alphapulse_kernel.SolidlyVolatilePool, _RustTokens, ReservePool):
        """A volatile pair whose state the Rust twin keeps."""

        __slots__ = ()

    class _RustSolidlyStablePool(alphapulse_kernel.SolidlyStablePool, _RustTokens, ReservePool):
        """A stable pair whose state the Rust twin keeps."""

        __slots__ = ()

    _RUST_POOLS = (_RustV2Pool, _RustV3Pool, _RustPairView)

    def _optimise(hops: Path, *, premium_bps: int, max_amount_in: int) -> Sizing | None:
        try:
            parts = alphapulse_kernel.optimise(
                hops, premium_bps=premium_bps, max_amount_in=max_amount_in
            )
        except TypeError:  # a pool that the Rust twin does not keep
            return python_sizing.optimise(
                hops, premium_bps=premium_bps, max_amount_in=max_amount_in
            )
        return sizing_of(parts)

    def _optimise_batch(
        paths: Sequence[Path], *, premium_bps: int, max_amount_in: int
    ) -> Sequence[Sizing | None]:
        try:
            found = alphapulse_kernel.optimise_batch(
                paths, premium_bps=premium_bps, max_amount_in=max_amount_in
            )
        except TypeError:  # a pool that the Rust twin does not keep
            return [
                _optimise(hops, premium_bps=premium_bps, max_amount_in=max_amount_in)
                for hops in paths
            ]
        return Sizings(found)

    def _quote_batch(pool: PoolQuoter, amounts: Sequence[int], zero_for_one: bool) -> list[int]:
        if not isinstance(pool, _RUST_POOLS):
            return _quote_each(pool, amounts, zero_for_one)
        return alphapulse_kernel.quote_batch(pool, amounts, zero_for_one)

    _RUST = Kernel(
        "rust",
        _RustV2Pool,
        _RustV3Pool,
        _RustV4Pool,
        _RustCurvePool,
        _RustBalancerStablePool,
        _RustWeightedPool,
        _RustSolidlyVolatilePool,
        _RustSolidlyStablePool,
        _optimise,
        _optimise_batch,
        _quote_batch,
        partial(NativeGraph, alphapulse_kernel.PoolGraph),
        WireReader(
            alphapulse_kernel.scan_messages,
            alphapulse_kernel.gather,
            alphapulse_kernel.decode_logs,
        ),
    )


@cache
def _defect() -> str:
    """Return why the Rust twin cannot be used, empty when it can."""
    if _absence:
        return _absence
    return defect_of(_RUST, (alphapulse_kernel.__version__, alphapulse_kernel.INTERFACE))


def defect_of(kernel: Kernel, build: tuple[str, int]) -> str:
    """Return why a twin of this version and interface cannot be used, empty when it can."""
    if build != BUILD:
        return f"`alphapulse-kernel` must be {BUILD[0]} with interface {BUILD[1]}, was {build}"
    try:
        answers = golden_answers(kernel)
    except AlphaPulseError as error:
        return f"`alphapulse-kernel` refuses a golden question: {error}"
    return "" if answers == GOLDEN else "`alphapulse-kernel` does not give the golden answers"


_chosen = PYTHON
name = PYTHON.name


def twins() -> tuple[Kernel, ...]:
    """Return the twins that can be used here, the specification first."""
    return (PYTHON,) if _defect() else (PYTHON, _RUST)


def choose(choice: str) -> Kernel:
    """Return the twin of a choice: `python`, `rust`, or `auto` for the fastest that can be used.

    Raises  Misconfigured for another word, and for `rust` when it is not built, old or wrong.
    """
    if choice == PYTHON.name:
        return PYTHON
    if choice not in (AUTO, "rust"):
        raise Misconfigured(
            f"`ALPHAPULSE_KERNEL` must be `python`, `rust` or `{AUTO}`, was `{choice}`"
        )
    defect = _defect()
    if not defect:
        return _RUST
    if choice != AUTO:
        raise Misconfigured(f"`ALPHAPULSE_KERNEL={choice}`: {defect}; {REMEDY}")
    if not _is_missing:
        warnings.warn(f"{defect}; Python answers instead; {REMEDY}", RuntimeWarning, stacklevel=2)
    return PYTHON


def require(choice: str) -> str:
    """Take the twin of a choice for this process and return its name.

    Call it once, before the first pool is made: pools of both twins can live together, but only those of
    one twin are sized by it.

    Raises  Misconfigured as `choose`.
    """
    global _chosen, name  # noqa: PLW0603 - one choice per process, made by whoever reads its configuration
    _chosen = choose(choice)
    name = _chosen.name
    return name


def V2Pool(reserve0: int, reserve1: int, fee_pips: int) -> PairPool:
    """Return a pair kept by the chosen twin; see `amm.pool.V2Pool`."""
    return _chosen.v2_pool(reserve0, reserve1, fee_pips)


def V3Pool(  # noqa: PLR0913 - the state of a pool is these eight values, named by the contract
    sqrt_price_x96: int,
    tick: int,
    liquidity: int,
    fee_pips: int,
    tick_spacing: int,
    ticks: Mapping[int, tuple[int, int]],
    *,
    known_lower: int = MIN_TICK,
    known_upper: int = MAX_TICK,
) -> ConcentratedPool:
    """Return a concentrated pool kept by the chosen twin; see `amm.pool.V3Pool`."""
    return _chosen.v3_pool(
        sqrt_price_x96,
        tick,
        liquidity,
        fee_pips,
        tick_spacing,
        ticks,
        known_lower=known_lower,
        known_upper=known_upper,
    )


def V4Pool(
    sqrt_price_x96: int,
    tick: int,
    liquidity: int,
    fee_pips: int,
    tick_spacing: int,
    ticks: Mapping[int, tuple[int, int]],
    *,
    protocol_fee: int = 0,
) -> SingletonPool:
    """Return a pool of the singleton kept by the chosen twin; see `amm.uniswap_v4.V4Pool`."""
    return _chosen.v4_pool(
        sqrt_price_x96, tick, liquidity, fee_pips, tick_spacing, ticks, protocol_fee=protocol_fee
    )


def CurvePool(
    balances: Sequence[int],
    rates: Sequence[int],
    ramp: Ramp,
    *,
    timestamp: int,
    fee: int,
    admin_fee: int,
    a_precision: int,
) -> PlainStablePool:
    """Return a plain pool kept by the chosen twin; see `amm.stableswap.CurvePool`."""
    return _chosen.curve_pool(
        balances,
        rates,
        ramp,
        timestamp=timestamp,
        fee=fee,
        admin_fee=admin_fee,
        a_precision=a_precision,
    )


def BalancerStablePool(
    balances: Sequence[int],
    scaling_factors: Sequence[int],
    ramp: Ramp,
    *,
    timestamp: int,
    fee: int,
    invariant_version: InvariantVersion,
) -> VaultStablePool:
    """Return a stable pool kept by the chosen twin; see `amm.balancer_stable.BalancerStablePool`."""
    return _chosen.balancer_stable_pool(
        balances,
        scaling_factors,
        ramp,
        timestamp=timestamp,
        fee=fee,
        invariant_version=invariant_version,
    )


def WeightedPool(
    balances: Sequence[int],
    weights: Sequence[int],
    decimals: Sequence[int],
    fee: int,
    *,
    pow_version: PowVersion,
) -> VaultPool:
    """Return a weighted pool kept by the chosen twin; see `amm.weighted.WeightedPool`."""
    return _chosen.weighted_pool(balances, weights, decimals, fee, pow_version=pow_version)


def SolidlyVolatilePool(
    reserve0: int, reserve1: int, fee: int, *, fee_denominator: int = FEE_DENOMINATOR
) -> ReservePool:
    """Return a volatile pair kept by the chosen twin; see `amm.solidly.SolidlyVolatilePool`."""
    return _chosen.solidly_volatile_pool(reserve0, reserve1, fee, fee_denominator=fee_denominator)


def SolidlyStablePool(
    reserve0: int,
    reserve1: int,
    decimals: tuple[int, int],
    fee: int,
    *,
    fee_denominator: int = FEE_DENOMINATOR,
    version: StableVersion = StableVersion.SETTLED,
) -> ReservePool:
    """Return a stable pair kept by the chosen twin; see `amm.solidly.SolidlyStablePool`."""
    return _chosen.solidly_stable_pool(
        reserve0, reserve1, decimals, fee, fee_denominator=fee_denominator, version=version
    )


def optimise(hops: Path, *, premium_bps: int, max_amount_in: int) -> Sizing | None:
    """Return the sizing that earns most, None when none earns anything; see `amm.sizing.optimise`."""
    return _chosen.optimise(hops, premium_bps=premium_bps, max_amount_in=max_amount_in)


def optimise_batch(
    paths: Sequence[Path], *, premium_bps: int, max_amount_in: int
) -> Sequence[Sizing | None]:
    """Return the sizing of each path, as `optimise` gives it, in one crossing.

    The Rust twin makes Python's numbers of a sizing when it is looked at.
    """
    return _chosen.optimise_batch(paths, premium_bps=premium_bps, max_amount_in=max_amount_in)


def quote_batch(pool: PoolQuoter, amounts: Sequence[int], zero_for_one: bool) -> list[int]:
    """Return what each exact input buys from one pool as it stands, in one crossing.

    Raises  what the pool raises for the first amount that it refuses.
    """
    return _chosen.quote_batch(pool, amounts, zero_for_one)


def pool_graph(*, premium_bps: int, max_hops: int) -> CycleGraph:
    """Return an empty graph kept by the chosen twin; see `amm.pool_graph.PoolGraph`."""
    return _chosen.pool_graph(premium_bps=premium_bps, max_hops=max_hops)
