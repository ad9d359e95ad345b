"""One pool as the messages describe it: who it is, what it holds, and whether that may be used.

A pool is written by the market that owns it and read by everyone else.
"""

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from alphapulse.amm.forks import SOLIDLY_VENUES
from alphapulse.amm.kernel import (
    ConcentratedPool,
    PairPool,
    ReservePool,
    SingletonPool,
    SmoothPair,
    SolidlyStablePool,
    SolidlyVolatilePool,
    V2Pool,
    V3Pool,
    V4Pool,
)
from alphapulse.errors import ValueOutOfRange
from alphapulse.market.freshness import Freshness, FreshnessTrack
from alphapulse.primitives.address import Address
from alphapulse.primitives.units import PIPS
from alphapulse.protocol.market_data import (
    Liquidity,
    LiquidityKind,
    PoolBurn,
    PoolMint,
    PoolState,
    PoolSwap,
    PoolSync,
    PoolTick,
    PoolType,
)

__all__ = ["BEFORE_ALL", "LogTlv", "Pool", "PoolKey", "Position", "reserves_of"]

MAX_UINT112 = 2**112 - 1
MAX_UINT128 = 2**128 - 1
MAX_UINT160 = 2**160 - 1
MIN_TICK = -887272
MAX_TICK = 887272

Position: TypeAlias = tuple[int, int, int]
"""Place of an event on its chain: (block, tx_index, log_index)."""

LogTlv: TypeAlias = PoolSync | PoolSwap | Liquidity | PoolMint | PoolBurn
"""What a log of a pool can be."""

PAIR_KINDS = {PoolType.CONSTANT_PRODUCT, PoolType.CONSTANT_PRODUCT_READ_ONLY}

BEFORE_ALL: Position = (-1, -1, -1)

CONCENTRATED_KINDS = (PoolType.CONCENTRATED, PoolType.CONCENTRATED_SINGLETON)


class PoolKey(NamedTuple):
    """Identity of a pool; `part` counts the pairs of a pool of several tokens."""

    chain_id: int
    address: Address
    part: int = 0


class Pool:
    """State of one pool with two tokens.

    `quoter` answers what the pool would pay; it exists once a base arrived. `revision` grows with every change of state or
    of usability. `trace_id` and `span_id` name the last log that changed the pool, 0 when a base did.
    """

    __slots__ = (
        "_base",
        "_swap_fees",
        "_ticks",
        "base_block",
        "concentrated",
        "decimals0",
        "decimals1",
        "fee_pips",
        "key",
        "kind",
        "position",
        "quoter",
        "revision",
        "span_id",
        "tick_spacing",
        "token0",
        "token1",
        "trace_id",
        "track",
        "venue",
    )

    def __init__(
        self,
        key: PoolKey,
        venue: int,
        kind: PoolType,
        *,
        tokens: tuple[Address, Address],
        decimals: tuple[int, int],
        fee_pips: int,
        tick_spacing: int,
    ) -> None:
        self.key = key
        self.venue = venue
        self.kind = kind
        self.concentrated = kind in CONCENTRATED_KINDS
        self.token0, self.token1 = tokens
        self.decimals0, self.decimals1 = decimals
        self.fee_pips = fee_pips
        self.tick_spacing = tick_spacing
        self.quoter: PairPool | ConcentratedPool | SmoothPair | None = None
        self.track = FreshnessTrack()
        self.position = BEFORE_ALL
        self.base_block = -1
        self.revision = 0
        self.trace_id = 0
        self.span_id = 0
        self._base: PoolState | None = None
        self._swap_fees = (fee_pips, fee_pips)
        self._ticks: dict[int, tuple[int, int]] = {}

    @property
    def status(self) -> Freshness:
        """Whether the state may be used."""
        return self.track.status

    @property
    def is_live(self) -> bool:
        """Whether the state may be used for a decision."""
        return self.track.is_live and self.quoter is not None

    @property
    def all_tokens(self) -> tuple[Address, ...]:
        """Every token whose properties are the pool's too."""
        return self.token0, self.token1

    @property
    def siblings(self) -> Sequence["Pool"]:
        """The other pairs of the same pool, which change with this one."""
        return ()

    @property
    def is_pending(self) -> bool:
        """Whether a base has begun to arrive and waits for the end of its block."""
        return self._base is not None or (self.quoter is not None and not self.track.is_complete)

    def touch(self) -> None:
        """Note a change."""
        self.revision += 1

    # --- base -----------------------------------------------------------------------------------------------------------

    def begin(self, state: PoolState, position: Position) -> None:
        """Replace everything by a base whose ticks follow.

        Raises  ValueOutOfRange when the base does not fit the pool or its widths.
        """
        self._check_base(state)
        self.track.begin()
        self.quoter = None
        self._base = state
        self._ticks = {}
        self.fee_pips = min(state.fee_pips_0to1, state.fee_pips_1to0)
        self._swap_fees = (state.fee_pips_0to1, state.fee_pips_1to0)
        self.position = position
        self.base_block = position[0]
        self.trace_id = self.span_id = 0
        self.touch()

    def add_tick(self, tick: PoolTick) -> None:
        """Take one tick of the base, or repair one tick of a pool that is already whole.

        Raises  ValueOutOfRange when a width or the spacing does not hold.
        """
        _check_tick(tick, self.tick_spacing)
        if self._base is not None:
            ticks = self._ticks
        elif isinstance(self.quoter, ConcentratedPool):
            ticks = dict(self.quoter.state().ticks)
        else:
            return
        if tick.liquidity_gross:
            ticks[tick.tick] = (tick.liquidity_gross, tick.liquidity_net)
        else:
            ticks.pop(tick.tick, None)
        if self._base is None and isinstance(self.quoter, ConcentratedPool):
            whole = self.quoter
            self.quoter = self._concentrated(
                whole.sqrt_price_x96, whole.tick, whole.liquidity, ticks
            )
        self.touch()

    def complete(self) -> None:
        """Make the base usable: its block has ended, so its ticks are all here.

        Raises  ValueOutOfRange or StateConflict when the ticks contradict each other or the active liquidity.
        """
        self._materialise()
        if isinstance(self.quoter, ConcentratedPool):
            _check_conservation(self.quoter)
        self.track.complete()
        self.touch()

    def discard(self) -> None:
        """Forget all state."""
        self.track.reset()
        self.quoter = None
        self._base = None
        self._ticks = {}
        self.touch()

    # --- logs -----------------------------------------------------------------------------------------------------------

    def is_moved_by(self, event: LogTlv) -> bool:
        """Return whether a log of this kind changes what this pool would pay.

        Reserves move by reserve logs only, a price by swaps, ticks by liquidity: so one on-chain action is applied once.
        """
        if isinstance(event, PoolSync):
            return not self.concentrated
        if isinstance(event, PoolSwap):
            return self.concentrated
        return self.concentrated and event.liquidity_delta != 0

    def fold(self, event: LogTlv) -> None:
        """Apply a log that moves this pool.

        Raises  ValueOutOfRange when a width does not hold; StateConflict when more is burnt than there is, or the active
                liquidity is not what the ticks add up to.
        """
        self._materialise()
        quoter = self.quoter
        if isinstance(event, PoolSync):
            if isinstance(quoter, PairPool):
                _check_width("reserve0", event.reserve0, MAX_UINT112)
                _check_width("reserve1", event.reserve1, MAX_UINT112)
                quoter.set_reserves(event.reserve0, event.reserve1)
            elif isinstance(quoter, SmoothPair) and isinstance(quoter.pool, ReservePool):
                quoter.pool.set_reserves(event.reserve0, event.reserve1)
        elif not isinstance(quoter, ConcentratedPool):
            return
        elif isinstance(event, PoolSwap):
            _swap(quoter, event)
        else:
            _change_liquidity(quoter, event, self.tick_spacing)

    # --- reading --------------------------------------------------------------------------------------------------------

    def state(self, event_ns: int) -> PoolState:
        """Return the state as a base message would carry it, with `event_ns` as its time.

        Raises  ValueOutOfRange when the pool has no state.
        """
        quoter = self.quoter
        if quoter is None:
            raise ValueOutOfRange(f"pool `0x{self.key.address.hex()}` has no state")
        concentrated = isinstance(quoter, ConcentratedPool)
        reserve0, reserve1 = reserves_of(quoter)
        fees = (self.fee_pips, self.fee_pips)
        if isinstance(quoter, SingletonPool):
            fees = quoter.swap_fees
        return PoolState(
            venue=self.venue,
            pool=self.key.address,
            token0=self.token0,
            token1=self.token1,
            pool_type=self.kind,
            decimals0=self.decimals0,
            decimals1=self.decimals1,
            reserve0=reserve0,
            reserve1=reserve1,
            sqrt_price_x96=quoter.sqrt_price_x96 if isinstance(quoter, ConcentratedPool) else 0,
            tick=quoter.tick if isinstance(quoter, ConcentratedPool) else 0,
            liquidity=quoter.liquidity if isinstance(quoter, ConcentratedPool) else 0,
            fee_pips_0to1=fees[0],
            fee_pips_1to0=fees[1],
            known_tick_lower=MIN_TICK if concentrated else 0,
            known_tick_upper=MAX_TICK if concentrated else 0,
            block=max(self.position[0], 0),
            event_ns=event_ns,
        )

    def _materialise(self) -> None:
        base = self._base
        if base is None:
            return
        self._base = None
        if self.concentrated:
            self.quoter = self._concentrated(
                base.sqrt_price_x96, base.tick, base.liquidity, self._ticks
            )
        else:
            self.quoter = self._paired(base.reserve0, base.reserve1)
        self._ticks = {}

    def _concentrated(
        self, price: int, tick: int, liquidity: int, ticks: dict[int, tuple[int, int]]
    ) -> ConcentratedPool:
        if self.kind is PoolType.CONCENTRATED:
            return V3Pool(price, tick, liquidity, self.fee_pips, self.tick_spacing, ticks)
        pool = V4Pool(price, tick, liquidity, self.fee_pips, self.tick_spacing, ticks)
        pool.set_swap_fees(*self._swap_fees)
        return pool

    def _paired(self, reserve0: int, reserve1: int) -> PairPool | SmoothPair:
        if self.kind is PoolType.SOLIDLY_STABLE:
            decimals = (self.decimals0, self.decimals1)
            return SolidlyStablePool(
                reserve0, reserve1, decimals, self.fee_pips, fee_denominator=PIPS
            ).pair(0, 1)
        if self.venue in SOLIDLY_VENUES:
            return SolidlyVolatilePool(
                reserve0, reserve1, self.fee_pips, fee_denominator=PIPS
            ).pair(0, 1)
        return V2Pool(reserve0, reserve1, self.fee_pips)

    def _check_base(self, state: PoolState) -> None:
        if (state.token0, state.token1) != (self.token0, self.token1):
            raise ValueOutOfRange("the base names other tokens than the announcement")
        if state.pool_type != self.kind and {state.pool_type, self.kind} != PAIR_KINDS:
            raise ValueOutOfRange(f"`pool_type` differs from the announcement: {state.pool_type}")
        fees = (state.fee_pips_0to1, state.fee_pips_1to0)
        if not 0 <= min(fees) <= max(fees) < PIPS:
            raise ValueOutOfRange(f"a fee must be below 1000000 pips, was {max(fees)}")
        if fees[0] != fees[1] and self.kind is not PoolType.CONCENTRATED_SINGLETON:
            raise ValueOutOfRange("the fee must be one for both directions")
        _check_width("reserve0", state.reserve0, MAX_UINT112)
        _check_width("reserve1", state.reserve1, MAX_UINT112)
        _check_width("sqrt_price_x96", state.sqrt_price_x96, MAX_UINT160)
        _check_width("liquidity", state.liquidity, MAX_UINT128)
        if not self.concentrated:
            return
        _check_spacing(self.tick_spacing)
        if state.known_tick_lower > _first_tick(self.tick_spacing) or state.known_tick_upper < (
            -_first_tick(self.tick_spacing)
        ):
            raise ValueOutOfRange("the base knows a part of the ticks only")


def reserves_of(quoter: PairPool | ConcentratedPool | SmoothPair) -> tuple[int, int]:
    """Return the reserves of a pair, zeros where the state is something else."""
    if isinstance(quoter, PairPool):
        return quoter.reserve0, quoter.reserve1
    if isinstance(quoter, SmoothPair) and isinstance(quoter.pool, ReservePool):
        return quoter.pool.reserve0, quoter.pool.reserve1
    return 0, 0


def _swap(quoter: ConcentratedPool, event: PoolSwap) -> None:
    _check_width("sqrt_price_x96_after", event.sqrt_price_x96_after, MAX_UINT160)
    _check_width("liquidity_after", event.liquidity_after, MAX_UINT128)
    if not MIN_TICK <= event.tick_after <= MAX_TICK:
        raise ValueOutOfRange(f"`tick_after` is outside the tick range: {event.tick_after}")
    crossed = event.liquidity_after != quoter.liquidity
    quoter.apply_swap(event.sqrt_price_x96_after, event.tick_after, event.liquidity_after)
    if crossed:
        quoter.check()  # what was crossed must be what the ticks hold


def _change_liquidity(
    quoter: ConcentratedPool, event: Liquidity | PoolMint | PoolBurn, spacing: int
) -> None:
    _check_width("liquidity_delta", event.liquidity_delta, MAX_UINT128)
    for tick in (event.tick_lower, event.tick_upper):
        _check_boundary(tick, spacing)
    is_burn = isinstance(event, PoolBurn) or (
        isinstance(event, Liquidity) and event.kind == LiquidityKind.BURN
    )
    delta = -event.liquidity_delta if is_burn else event.liquidity_delta
    quoter.apply_liquidity(event.tick_lower, event.tick_upper, delta)


def _first_tick(spacing: int) -> int:
    """Return the lowest tick that a position can have."""
    return MIN_TICK + (-MIN_TICK) % spacing


def _check_width(name: str, value: int, bound: int) -> None:
    if not 0 <= value <= bound:
        raise ValueOutOfRange(f"`{name}` must be in 0 ... {bound}, was {value}")


def _check_spacing(spacing: int) -> None:
    if spacing <= 0:
        raise ValueOutOfRange(f"`tick_spacing` must be positive, was {spacing}")


def _check_boundary(tick: int, spacing: int) -> None:
    _check_spacing(spacing)
    if not MIN_TICK <= tick <= MAX_TICK or tick % spacing:
        raise ValueOutOfRange(f"tick {tick} is not a boundary at spacing {spacing}")


def _check_tick(tick: PoolTick, spacing: int) -> None:
    _check_boundary(tick.tick, spacing)
    _check_width("liquidity_gross", tick.liquidity_gross, MAX_UINT128)
    if abs(tick.liquidity_net) > tick.liquidity_gross:
        raise ValueOutOfRange(f"tick {tick.tick} has more net than gross liquidity")


def _check_conservation(quoter: ConcentratedPool) -> None:
    """Every position adds at one tick what it takes away at another; those below the price are active."""
    total = sum(net for _, net in quoter.state().ticks.values())
    if total:
        raise ValueOutOfRange(f"the net liquidity of all ticks must sum to 0, was {total}")
    quoter.check()
