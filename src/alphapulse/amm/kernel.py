"""The door to the pool arithmetic: callers cannot tell which twin answers, except by `name`.

The Python modules of this room are the specification; the optional distribution `alphapulse-kernel` is
their twin in Rust, imported here and nowhere else. A process reads its configuration once and hands the
choice to `require` before it makes its first pool; the names it then uses are this module's.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Protocol

from alphapulse.amm import pool as python_pool
from alphapulse.amm import sizing as python_sizing
from alphapulse.amm.optimum import Hop
from alphapulse.amm.pool import PoolQuoter
from alphapulse.amm.pool_graph import Anchors, PoolGraph, Update
from alphapulse.amm.pool_kinds import ConcentratedPool, PairPool
from alphapulse.amm.screen import LogRate, log_of
from alphapulse.amm.segment import Segment
from alphapulse.amm.sizing import Sizing
from alphapulse.amm.uniswap_v3.pool import V3State
from alphapulse.amm.uniswap_v3.tick_math import MAX_TICK, MIN_TICK
from alphapulse.errors import AlphaPulseError, Misconfigured

__all__ = [
    "AUTO",
    "BUILD",
    "GOLDEN",
    "PYTHON",
    "ConcentratedPool",
    "CycleGraph",
    "Kernel",
    "PairPool",
    "PoolQuoter",
    "Sizing",
    "V2Pool",
    "V3Pool",
    "WireReader",
    "choose",
    "defect_of",
    "golden_answers",
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
BUILD = ("0.1.0", 2)
REMEDY = "run `make setup`, or set `ALPHAPULSE_KERNEL=python`"

Path = Sequence[Hop]


class CycleGraph(Protocol):
    """A stateful graph of pools; `amm.pool_graph.PoolGraph` says what each answer means."""

    def __len__(self) -> int:
        """Return how many pools there are."""
        ...

    def add_pair(
        self, token0: int, token1: int, *, reserve0: int, reserve1: int, fee_pips: int
    ) -> int:
        """Add a pair and return its number."""
        ...

    def add_concentrated(  # noqa: PLR0913 - two tokens and the state of a pool
        self,
        token0: int,
        token1: int,
        *,
        sqrt_price_x96: int,
        tick: int,
        liquidity: int,
        fee_pips: int,
        tick_spacing: int,
        ticks: Mapping[int, tuple[int, int]],
    ) -> int:
        """Add a concentrated pool and return its number."""
        ...

    def apply(self, updates: Sequence[Update]) -> list[int]:
        """Apply updates in order and return the pools that refused one."""
        ...

    def search(
        self, changed: Sequence[int], anchors: Anchors
    ) -> list[tuple[tuple[int, ...], Sizing]]:
        """Return every cycle through a changed pool that earns anything, best first."""
        ...

    def fingerprint(self, index: int) -> bytes:
        """Return a pool's whole state as canonical bytes."""
        ...


@dataclass(frozen=True, slots=True)
class WireReader:
    """Coarse readers of bytes that only the Rust twin has: whoever has none reads message by message.

    `scan_messages(block, rules, verify=, relay=)` answers columns of little-endian numbers, `gather` one field of many
    payloads, `decode_logs` events as (kind, values ...) or (-1, word, offset).
    """

    scan_messages: Callable[..., dict[str, bytes]]
    gather: Callable[[bytes, bytes, int, int], bytes]
    decode_logs: Callable[[Sequence[tuple[Sequence[bytes], bytes]]], list[tuple[object, ...]]]


@dataclass(frozen=True, slots=True)
class Kernel:
    """One twin: its name, its two pool classes and its questions."""

    name: str
    v2_pool: Callable[[int, int, int], PairPool]
    v3_pool: Callable[..., ConcentratedPool]
    optimise: Callable[..., Sizing | None]
    optimise_batch: Callable[..., list[Sizing | None]]
    quote_batch: Callable[[PoolQuoter, Sequence[int], bool], list[int]]
    pool_graph: Callable[..., CycleGraph]
    wire: WireReader | None


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
    python_sizing.optimise,
    _optimise_each,
    _quote_each,
    PoolGraph,
    None,
)

try:
    import alphapulse_kernel
except ImportError as _error:
    _absence = str(_error)
else:
    _absence = ""

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

    _RUST_POOLS = (_RustV2Pool, _RustV3Pool)

    def _are_native(hops: Path) -> bool:
        return all(isinstance(pool, _RUST_POOLS) for pool, _ in hops)

    def _sizing(parts: tuple[tuple[int, ...], int, int] | None) -> Sizing | None:
        if parts is None:
            return None
        amounts, premium, gross_profit = parts
        return Sizing(amounts[0], amounts, premium, gross_profit)

    def _optimise(hops: Path, *, premium_bps: int, max_amount_in: int) -> Sizing | None:
        if not _are_native(hops):
            return python_sizing.optimise(
                hops, premium_bps=premium_bps, max_amount_in=max_amount_in
            )
        return _sizing(
            alphapulse_kernel.optimise(hops, premium_bps=premium_bps, max_amount_in=max_amount_in)
        )

    def _optimise_batch(
        paths: Sequence[Path], *, premium_bps: int, max_amount_in: int
    ) -> list[Sizing | None]:
        if not all(_are_native(hops) for hops in paths):
            return [
                _optimise(hops, premium_bps=premium_bps, max_amount_in=max_amount_in)
                for hops in paths
            ]
        found = alphapulse_kernel.optimise_batch(
            paths, premium_bps=premium_bps, max_amount_in=max_amount_in
        )
        return [_sizing(parts) for parts in found]

    def _quote_batch(pool: PoolQuoter, amounts: Sequence[int], zero_for_one: bool) -> list[int]:
        if not isinstance(pool, _RUST_POOLS):
            return _quote_each(pool, amounts, zero_for_one)
        return alphapulse_kernel.quote_batch(pool, amounts, zero_for_one)

    class _RustPoolGraph(alphapulse_kernel.PoolGraph):
        """A graph whose pools the Rust twin keeps."""

        __slots__ = ()

        def search(  # type: ignore[override]  # the amounts become a Sizing here
            self, changed: Sequence[int], anchors: Anchors
        ) -> list[tuple[tuple[int, ...], Sizing]]:
            """Return every cycle through a changed pool that earns anything, best first."""
            return [
                (edges, Sizing(amounts[0], amounts, premium, gross_profit))
                for edges, (amounts, premium, gross_profit) in super().search(changed, anchors)
            ]

    _RUST = Kernel(
        "rust",
        _RustV2Pool,
        _RustV3Pool,
        _optimise,
        _optimise_batch,
        _quote_batch,
        _RustPoolGraph,
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
        return f"`alphapulse-kernel` is not built ({_absence})"
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


def golden_answers(kernel: Kernel) -> tuple[int, ...]:
    """Return answers of every kind from fixed states; they must be GOLDEN whichever twin gives them."""
    pair = kernel.v2_pool(10**21, 2 * 10**24 + 7, 3000)
    ticks = {-600: (10**18, 10**18), -60: (10**21, 10**21), 120: (10**21, -(10**21))}
    ticks[1200] = (10**18, -(10**18))
    pool = kernel.v3_pool(79228162514264337593543950336, 0, 10**21 + 10**18, 500, 60, ticks)
    far = kernel.v2_pool(10**24, 1020 * 10**21, 3000)
    found = kernel.optimise([(far, True), (pool, True)], premium_bps=5, max_amount_in=10**30)
    return (
        pair.amount_out(10**18, True),
        pair.amount_in(10**18, False),
        pool.amount_out(302 * 10**16, True),
        pool.amount_in(10**17, False),
        pool.ticks_crossed(604 * 10**16, False),
        pool.marginal_rate_x128(True),
        *(found.amounts if found else ()),
    )


# What the specification answers, which the deployed contracts stand behind.
GOLDEN: tuple[int, ...] = (
    1992013962079806432986,
    2008026080242730192580,
    3009293853783085675,
    100060021018602019,
    1,
    340112225737477994231642920128052327350,
    2963593941229926999,
    3013788317744497741,
    3003219967965879955,
)

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
    if not _absence:
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


def optimise(hops: Path, *, premium_bps: int, max_amount_in: int) -> Sizing | None:
    """Return the sizing that earns most, None when none earns anything; see `amm.sizing.optimise`."""
    return _chosen.optimise(hops, premium_bps=premium_bps, max_amount_in=max_amount_in)


def optimise_batch(
    paths: Sequence[Path], *, premium_bps: int, max_amount_in: int
) -> list[Sizing | None]:
    """Return the sizing of each path, as `optimise` gives it, in one crossing."""
    return _chosen.optimise_batch(paths, premium_bps=premium_bps, max_amount_in=max_amount_in)


def quote_batch(pool: PoolQuoter, amounts: Sequence[int], zero_for_one: bool) -> list[int]:
    """Return what each exact input buys from one pool as it stands, in one crossing.

    Raises  what the pool raises for the first amount that it refuses.
    """
    return _chosen.quote_batch(pool, amounts, zero_for_one)


def pool_graph(*, premium_bps: int, max_hops: int) -> CycleGraph:
    """Return an empty graph kept by the chosen twin; see `amm.pool_graph.PoolGraph`."""
    return _chosen.pool_graph(premium_bps=premium_bps, max_hops=max_hops)
