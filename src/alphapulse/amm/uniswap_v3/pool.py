"""The pool's swap as a loop of steps: the specification that `swap_curve` must equal."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from alphapulse.amm.uniswap_v3.full_math import PIPS, require_uint
from alphapulse.amm.uniswap_v3.liquidity_math import add_delta
from alphapulse.amm.uniswap_v3.swap_math import compute_swap_step
from alphapulse.amm.uniswap_v3.tick_bitmap import next_initialized_tick_within_one_word, words_of
from alphapulse.amm.uniswap_v3.tick_math import (
    MAX_SQRT_RATIO,
    MAX_TICK,
    MIN_SQRT_RATIO,
    MIN_TICK,
    sqrt_ratio_at_tick,
    tick_at_sqrt_ratio,
)
from alphapulse.errors import BeyondKnownState, PoolNotTradeable, ValueOutOfRange

__all__ = ["MAX_TICK_SPACING", "SwapResult", "V3State", "limit_of", "require_tick", "swap"]

# int16, the widest spacing that a deployed pool can have (V4; V3 factories stop at half of it).
MAX_TICK_SPACING = 2**15 - 1


def require_tick(tick: int) -> int:
    """Return the tick if it fits the contract's word.

    Units   a tick.
    Range   int24.
    Raises  ValueOutOfRange when it does not fit.
    Source  UniswapV3Pool's slot0.
    """
    if not -(2**23) <= tick < 2**23:
        raise ValueOutOfRange(f"`tick` must fit int24, was {tick}")
    return tick


@dataclass(frozen=True, slots=True)
class V3State:
    """What a swap depends on. `ticks` maps each initialised tick to (gross, net) liquidity.

    Ticks outside known_lower..known_upper are unknown, not empty: a swap that would look there
    raises BeyondKnownState.
    """

    sqrt_price_x96: int
    tick: int
    liquidity: int
    fee_pips: int
    tick_spacing: int
    ticks: Mapping[int, tuple[int, int]]
    known_lower: int = MIN_TICK
    known_upper: int = MAX_TICK
    words: Mapping[int, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        require_uint("sqrt_price_x96", self.sqrt_price_x96, 160)
        require_uint("liquidity", self.liquidity, 128)
        if not 0 <= self.fee_pips < PIPS:
            raise ValueOutOfRange(f"`fee_pips` must be below {PIPS}, was {self.fee_pips}")
        require_tick(self.tick)
        if not 0 < self.tick_spacing <= MAX_TICK_SPACING:
            raise ValueOutOfRange(
                f"`tick_spacing` must be in 1 ... {MAX_TICK_SPACING}, was {self.tick_spacing}"
            )
        for tick, (gross, net) in self.ticks.items():
            if not MIN_TICK <= tick <= MAX_TICK:
                raise ValueOutOfRange(f"`tick` must be within {MIN_TICK} ... {MAX_TICK}: {tick}")
            require_uint(f"liquidity_gross[{tick}]", gross, 128)
            require_uint(f"liquidity_net[{tick}] + 2**127", net + 2**127, 128)
        object.__setattr__(self, "words", words_of(self.ticks, self.tick_spacing))


@dataclass(frozen=True, slots=True)
class SwapResult:
    """Deltas of the pool (positive: paid in) and the state it is left in."""

    amount0: int
    amount1: int
    sqrt_price_x96: int
    tick: int
    liquidity: int
    ticks_crossed: int


def limit_of(*, zero_for_one: bool) -> int:
    """Return the farthest price limit a swap may name.

    Units   Q64.96.
    Range   both directions.
    Raises  nothing.
    Source  the bounds that UniswapV3Pool.swap demands to be exceeded by one.
    """
    return MIN_SQRT_RATIO + 1 if zero_for_one else MAX_SQRT_RATIO - 1


def swap(
    state: V3State, zero_for_one: bool, amount_specified: int, sqrt_price_limit_x96: int
) -> SwapResult:
    """Return what the pool's swap would do, step by step; the state itself does not change.

    Units   amounts in smallest units, amount_specified positive for exact input and negative for
            exact output; Q64.96 limit.
    Range   amount_specified != 0 and fits int256. A swap that meets its limit first is partly
            filled, as on chain.
    Raises  PoolNotTradeable when the pool has no price, or its price stands at the bound;
            ValueOutOfRange for a zero amount or a limit on the wrong side (AS, SPL);
            BeyondKnownState when the answer depends on ticks that are not known.
    Source  UniswapV3Pool.swap, checked against the deployed pool bytecode.
    """
    if not 0 < abs(amount_specified) < 2**255:
        raise ValueOutOfRange(f"`amount_specified` must be a non-zero int256: {amount_specified}")
    _require_limit(state.sqrt_price_x96, sqrt_price_limit_x96, zero_for_one)
    price, tick, liquidity = state.sqrt_price_x96, state.tick, state.liquidity
    remaining, calculated, crossed = amount_specified, 0, 0
    exact_in = amount_specified > 0
    while remaining != 0 and price != sqrt_price_limit_x96:
        start = price
        tick_next, initialized = next_initialized_tick_within_one_word(
            state.words, tick, state.tick_spacing, lte=zero_for_one
        )
        tick_next = max(MIN_TICK, min(MAX_TICK, tick_next))
        if not state.known_lower <= tick_next <= state.known_upper:
            raise BeyondKnownState(f"`tick` {tick_next} is outside the known ticks")
        stop = sqrt_ratio_at_tick(tick_next)
        if zero_for_one:
            target = max(stop, sqrt_price_limit_x96)
        else:
            target = min(stop, sqrt_price_limit_x96)
        price, amount_in, amount_out, fee = compute_swap_step(
            price, target, liquidity, remaining, state.fee_pips
        )
        if exact_in:
            remaining -= amount_in + fee
            calculated -= amount_out
        else:
            remaining += amount_out
            calculated += amount_in + fee
        if price == stop:
            if initialized:
                net = state.ticks[tick_next][1]
                liquidity = add_delta(liquidity, -net if zero_for_one else net)
                crossed += 1
            tick = tick_next - 1 if zero_for_one else tick_next
        elif price != start:
            tick = tick_at_sqrt_ratio(price)
    specified = amount_specified - remaining
    if zero_for_one == exact_in:
        return SwapResult(specified, calculated, price, tick, liquidity, crossed)
    return SwapResult(calculated, specified, price, tick, liquidity, crossed)


def _require_limit(price: int, limit: int, zero_for_one: bool) -> None:
    if price == 0:
        raise PoolNotTradeable("pool without a price: it was never initialised")
    if price == limit == limit_of(zero_for_one=zero_for_one):
        raise PoolNotTradeable(f"`sqrt_price_x96` {price} stands at the bound")
    lower, upper = (MIN_SQRT_RATIO, price) if zero_for_one else (price, MAX_SQRT_RATIO)
    if not lower < limit < upper:
        if not MIN_SQRT_RATIO + 1 < price < MAX_SQRT_RATIO - 1:
            raise PoolNotTradeable(f"`sqrt_price_x96` {price} stands at the bound")
        raise ValueOutOfRange(f"`sqrt_price_limit_x96` {limit} is not beyond the price {price}")
