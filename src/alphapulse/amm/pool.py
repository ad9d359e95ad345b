"""The pools that search asks, each kept by one writer who folds events into it.

A pool answers from its own integers or raises a `Rejected`: it never guesses past what it knows.
"""

from bisect import bisect_right, insort
from collections.abc import Mapping
from typing import Protocol

from alphapulse.amm import uniswap_v2
from alphapulse.amm.pool_kinds import ConcentratedPool, PairPool
from alphapulse.amm.screen import LogRate, log_of
from alphapulse.amm.segment import Segment
from alphapulse.amm.uniswap_v3.full_math import PIPS, div_floor, div_up, require_uint
from alphapulse.amm.uniswap_v3.pool import V3State, require_tick
from alphapulse.amm.uniswap_v3.swap_curve import SwapCurve
from alphapulse.amm.uniswap_v3.tick_map import TickMap
from alphapulse.amm.uniswap_v3.tick_math import MAX_TICK, MIN_TICK
from alphapulse.errors import PoolNotTradeable, StateConflict, ValueOutOfRange

__all__ = ["PoolQuoter", "V2Pool", "V3Pool"]


class PoolQuoter(Protocol):
    """What a cycle's sizing asks of a pool, whatever its kind."""

    @property
    def floored_fee_pips(self) -> int:
        """Return the fee where the pool rounds the input after fee to a whole unit, zero elsewhere."""
        ...

    def amount_out(self, amount_in: int, zero_for_one: bool) -> int:
        """Return what the pool pays for an exact input."""
        ...

    def amount_in(self, amount_out: int, zero_for_one: bool) -> int:
        """Return what the pool asks for an exact output."""
        ...

    def least_amount_in(self, amount_out: int, zero_for_one: bool) -> int:
        """Return the least exact input that buys at least the output."""
        ...

    def ticks_crossed(self, amount_in: int, zero_for_one: bool) -> int:
        """Return how many initialised ticks an exact input crosses."""
        ...

    def marginal_rate_x128(self, zero_for_one: bool) -> int:
        """Return output per input of the first infinitesimal amount after fee, as Q128."""
        ...

    def log_rate(self, zero_for_one: bool) -> LogRate:
        """Return the natural logarithm of the marginal rate, for screening only."""
        ...

    def segment(self, amount_in: int, zero_for_one: bool) -> Segment | None:
        """Return the stretch of constant liquidity in which an input ends, None on a smooth curve."""
        ...

    def input_to_fall(self, root_factor_x64: int, zero_for_one: bool) -> int:
        """Return an input after which the marginal rate has fallen by the factor, or all there is."""
        ...

    def fingerprint(self) -> bytes:
        """Return the whole state as canonical bytes."""
        ...


class V2Pool(PairPool):
    """A constant-product pair; its state is two reserves."""

    __slots__ = ("_fee_pips", "_reserve0", "_reserve1")

    def __init__(self, reserve0: int, reserve1: int, fee_pips: int) -> None:
        if not 0 <= fee_pips < PIPS:
            raise ValueOutOfRange(f"`fee_pips` must be below {PIPS}, was {fee_pips}")
        self._fee_pips = fee_pips
        self.set_reserves(reserve0, reserve1)

    @property
    def reserve0(self) -> int:
        """Return the reserve of token0."""
        return self._reserve0

    @property
    def reserve1(self) -> int:
        """Return the reserve of token1."""
        return self._reserve1

    @property
    def fee_pips(self) -> int:
        """Return the fee."""
        return self._fee_pips

    @property
    def floored_fee_pips(self) -> int:
        """Return zero: a pair takes its fee within one quotient."""
        return 0

    def set_reserves(self, reserve0: int, reserve1: int) -> None:
        """Take the reserves that a Sync event states.

        Units   smallest units of each token.
        Range   each fits uint112.
        Raises  ValueOutOfRange otherwise.
        Source  UniswapV2Pair's Sync.
        """
        self._reserve0 = require_uint("reserve0", reserve0, 112)
        self._reserve1 = require_uint("reserve1", reserve1, 112)

    def amount_out(self, amount_in: int, zero_for_one: bool) -> int:
        """Return what the pair pays; see `uniswap_v2.amount_out`."""
        if zero_for_one:
            return uniswap_v2.amount_out(amount_in, self._reserve0, self._reserve1, self._fee_pips)
        return uniswap_v2.amount_out(amount_in, self._reserve1, self._reserve0, self._fee_pips)

    def amount_in(self, amount_out: int, zero_for_one: bool) -> int:
        """Return what the router asks; see `uniswap_v2.amount_in`."""
        if zero_for_one:
            return uniswap_v2.amount_in(amount_out, self._reserve0, self._reserve1, self._fee_pips)
        return uniswap_v2.amount_in(amount_out, self._reserve1, self._reserve0, self._fee_pips)

    def least_amount_in(self, amount_out: int, zero_for_one: bool) -> int:
        """Return the least input that buys the output; see `uniswap_v2.least_amount_in`."""
        reserve_in, reserve_out = self._sides(zero_for_one)
        return uniswap_v2.least_amount_in(amount_out, reserve_in, reserve_out, self._fee_pips)

    def ticks_crossed(self, amount_in: int, zero_for_one: bool) -> int:
        """Return zero: a pair has no ticks."""
        return 0

    def marginal_rate_x128(self, zero_for_one: bool) -> int:
        """Return output per input of the first infinitesimal amount after fee, rounded down.

        Units   Q128 ratio of smallest units.
        Range   a pair with reserves.
        Raises  PoolNotTradeable without reserves.
        Source  the derivative of the swap at zero.
        """
        reserve_in, reserve_out = self._sides(zero_for_one)
        if reserve_in == 0 or reserve_out == 0:
            raise PoolNotTradeable(f"pair without reserves: {reserve_in}, {reserve_out}")
        return div_floor((PIPS - self._fee_pips) * reserve_out << 128, PIPS * reserve_in)

    def log_rate(self, zero_for_one: bool) -> LogRate:
        """Return the natural logarithm of the marginal rate, for screening only.

        Units   none.
        Range   a pair with reserves.
        Raises  PoolNotTradeable without reserves.
        Source  a statistic; decisions use marginal_rate_x128.
        """
        return log_of(self.marginal_rate_x128(zero_for_one))

    def segment(self, amount_in: int, zero_for_one: bool) -> Segment:
        """Return the whole pair as one endless stretch."""
        reserve_in, reserve_out = self._sides(zero_for_one)
        kept = PIPS - self._fee_pips
        end_in = uniswap_v2.MAX_RESERVE - reserve_in
        return Segment(0, end_in, 0, kept * reserve_out, kept, PIPS * reserve_in)

    def input_to_fall(self, root_factor_x64: int, zero_for_one: bool) -> int:
        """Return the input after which the marginal rate has fallen by the factor, rounded up.

        Units   smallest units; the factor's root is Q64.
        Range   root_factor_x64 >= 2**64.
        Raises  nothing.
        Source  the marginal rate goes with the inverse square of reserve plus net input.
        """
        reserve_in, _ = self._sides(zero_for_one)
        grown = div_up(reserve_in * PIPS * (root_factor_x64 - (1 << 64)), PIPS - self._fee_pips)
        return min((grown >> 64) + 1, uniswap_v2.MAX_RESERVE - reserve_in)

    def fingerprint(self) -> bytes:
        """Return the state as canonical bytes: kind, fee, reserves, big-endian."""
        return b"\x02" + b"".join(
            value.to_bytes(width, "big")
            for value, width in ((self._fee_pips, 4), (self._reserve0, 14), (self._reserve1, 14))
        )

    def _sides(self, zero_for_one: bool) -> tuple[int, int]:
        if zero_for_one:
            return self._reserve0, self._reserve1
        return self._reserve1, self._reserve0


class V3Pool(ConcentratedPool):
    """A concentrated-liquidity pool: price, tick, liquidity, ticks, and one swap curve per direction.

    Ticks outside known_lower..known_upper are unknown, not empty (PITFALLS M3).
    """

    __slots__ = (
        "_curves",
        "_fee_pips",
        "_gross",
        "_liquidity",
        "_sqrt_price_x96",
        "_tick",
        "_ticks",
    )

    def __init__(  # noqa: PLR0913 - the state of a pool is these eight values, named by the contract
        self,
        sqrt_price_x96: int,
        tick: int,
        liquidity: int,
        fee_pips: int,
        tick_spacing: int,
        ticks: Mapping[int, tuple[int, int]],
        *,
        known_lower: int = MIN_TICK,
        known_upper: int = MAX_TICK,
    ) -> None:
        V3State(sqrt_price_x96, tick, liquidity, fee_pips, tick_spacing, ticks)
        self._fee_pips = fee_pips
        self._gross = {tick: gross for tick, (gross, _) in ticks.items() if gross}
        nets = {tick: net for tick, (gross, net) in ticks.items() if gross}
        self._ticks = TickMap(nets, tick_spacing, known_lower, known_upper)
        self._curves = (
            SwapCurve(self._ticks, fee_pips, zero_for_one=False),
            SwapCurve(self._ticks, fee_pips, zero_for_one=True),
        )
        self._sqrt_price_x96 = sqrt_price_x96
        self._tick = tick
        self._liquidity = liquidity
        self._move()

    @property
    def sqrt_price_x96(self) -> int:
        """Return the root price."""
        return self._sqrt_price_x96

    @property
    def tick(self) -> int:
        """Return the tick of the price."""
        return self._tick

    @property
    def liquidity(self) -> int:
        """Return the liquidity in range."""
        return self._liquidity

    @property
    def fee_pips(self) -> int:
        """Return the fee."""
        return self._fee_pips

    @property
    def floored_fee_pips(self) -> int:
        """Return the fee: the pool floors the input after fee before it moves the price."""
        return self._fee_pips

    def state(self) -> V3State:
        """Return the state as a value, for the step loop."""
        return V3State(
            self._sqrt_price_x96,
            self._tick,
            self._liquidity,
            self._fee_pips,
            self._ticks.tick_spacing,
            {tick: (self._gross[tick], net) for tick, net in self._ticks.nets.items()},
            self._ticks.known_lower,
            self._ticks.known_upper,
        )

    def deepest(self, reach: int, zero_for_one: bool) -> int:
        """Return the largest liquidity in range within so many ticks of the price, in one direction.

        Units   ticks, liquidity units.
        Range   reach >= 0.
        Raises  nothing.
        Source  liquidity changes by a tick's net where the price passes it.
        """
        order, nets = self._ticks.order, self._ticks.nets
        tick = self._tick
        place = bisect_right(order, tick)
        depth = most = self._liquidity
        if zero_for_one:
            while place and order[place - 1] >= tick - reach:
                place -= 1
                depth -= nets[order[place]]
                most = max(most, depth)
        else:
            while place < len(order) and order[place] <= tick + reach:
                depth += nets[order[place]]
                place += 1
                most = max(most, depth)
        return most

    def apply_swap(self, sqrt_price_x96: int, tick: int, liquidity: int) -> None:
        """Take the state that a Swap event states.

        Units   Q64.96, tick, liquidity units.
        Range   uint160, int24, uint128.
        Raises  ValueOutOfRange otherwise.
        Source  UniswapV3Pool's Swap.
        """
        require_uint("sqrt_price_x96", sqrt_price_x96, 160)
        require_uint("liquidity", liquidity, 128)
        require_tick(tick)
        self._sqrt_price_x96 = sqrt_price_x96
        self._tick = tick
        self._liquidity = liquidity
        self._move()

    def apply_liquidity(self, tick_lower: int, tick_upper: int, liquidity_delta: int) -> None:
        """Take a Mint (positive) or Burn (negative) between two ticks.

        Units   ticks, liquidity units.
        Range   tick_lower < tick_upper, multiples of the spacing; burns of what was minted.
        Raises  ValueOutOfRange for ticks that cannot be; StateConflict when more is burnt than is
                known. The pool is unchanged then.
        Source  UniswapV3Pool's Mint and Burn.
        """
        spacing = self._ticks.tick_spacing
        for tick in (tick_lower, tick_upper):
            if not MIN_TICK <= tick <= MAX_TICK or tick % spacing:
                raise ValueOutOfRange(f"`tick` must be a multiple of {spacing}, was {tick}")
        if tick_lower >= tick_upper:
            raise ValueOutOfRange(f"`tick_lower` {tick_lower} must be below {tick_upper}")
        if liquidity_delta == 0:
            return
        active = tick_lower <= self._tick < tick_upper
        after = self._liquidity + liquidity_delta if active else self._liquidity
        grosses = [self._gross.get(tick, 0) + liquidity_delta for tick in (tick_lower, tick_upper)]
        if after < 0 or min(grosses) < 0:
            raise StateConflict(
                f"burn of {-liquidity_delta} in {tick_lower}..{tick_upper} is more than was minted"
            )
        require_uint("liquidity", max(after, *grosses), 128)
        nets = self._ticks.nets
        for tick, gross, delta in (
            (tick_lower, grosses[0], liquidity_delta),
            (tick_upper, grosses[1], -liquidity_delta),
        ):
            net = nets.get(tick, 0) + delta if gross else 0
            require_uint("liquidity_net + 2**127", net + 2**127, 128)
        self._set_tick(tick_lower, grosses[0], liquidity_delta)
        self._set_tick(tick_upper, grosses[1], -liquidity_delta)
        self._liquidity = after
        for curve in self._curves:
            curve.forget(tick_lower, tick_upper)
        self._move()

    def check(self) -> None:
        """Compare the liquidity in range with the sum of the ticks below the price.

        Raises  StateConflict when they differ: an event was missed. A pool that knows only part of
                its ticks cannot tell.
        Source  liquidity in range is the sum of the net liquidity at or below the tick.
        """
        ticks = self._ticks
        if ticks.known_lower > MIN_TICK or self._sqrt_price_x96 == 0:
            return
        below = sum(
            ticks.nets[tick] for tick in ticks.order[: bisect_right(ticks.order, self._tick)]
        )
        if below != self._liquidity:
            raise StateConflict(f"`liquidity` is {self._liquidity} but the ticks add up to {below}")

    def amount_out(self, amount_in: int, zero_for_one: bool) -> int:
        """Return what the pool pays; see `SwapCurve.amount_out`."""
        return self._curves[zero_for_one].amount_out(amount_in)

    def amount_in(self, amount_out: int, zero_for_one: bool) -> int:
        """Return what the pool asks; see `SwapCurve.amount_in`."""
        return self._curves[zero_for_one].amount_in(amount_out)

    def least_amount_in(self, amount_out: int, zero_for_one: bool) -> int:
        """Return the least input that buys the output; see `SwapCurve.least_amount_in`."""
        return self._curves[zero_for_one].least_amount_in(amount_out)

    def ticks_crossed(self, amount_in: int, zero_for_one: bool) -> int:
        """Return the crossings of an exact input; see `SwapCurve.ticks_crossed`."""
        return self._curves[zero_for_one].ticks_crossed(amount_in)

    def marginal_rate_x128(self, zero_for_one: bool) -> int:
        """Return the first marginal rate after fee; see `SwapCurve.marginal_rate_x128`."""
        return self._curves[zero_for_one].marginal_rate_x128()

    def log_rate(self, zero_for_one: bool) -> LogRate:
        """Return the natural logarithm of the marginal rate, for screening only.

        Units   none.
        Range   a pool with liquidity ahead.
        Raises  as marginal_rate_x128.
        Source  a statistic; decisions use marginal_rate_x128.
        """
        return log_of(self._curves[zero_for_one].marginal_rate_x128())

    def segment(self, amount_in: int, zero_for_one: bool) -> Segment:
        """Return the stretch of constant liquidity in which an input ends."""
        return self._curves[zero_for_one].segment(amount_in)

    def input_to_fall(self, root_factor_x64: int, zero_for_one: bool) -> int:
        """Return an input after which the marginal rate has fallen by the factor, or all there is."""
        return self._curves[zero_for_one].input_to_fall(root_factor_x64)

    def fingerprint(self) -> bytes:
        """Return the state as canonical bytes: kind, fee, spacing, price, tick, liquidity, ticks."""
        ticks = self._ticks
        head = b"\x03" + b"".join(
            value.to_bytes(width, "big", signed=True)
            for value, width in (
                (self._fee_pips, 4),
                (ticks.tick_spacing, 4),
                (self._sqrt_price_x96, 21),
                (self._tick, 4),
                (self._liquidity, 17),
                (ticks.known_lower, 4),
                (ticks.known_upper, 4),
                (len(ticks.order), 4),
            )
        )
        return head + b"".join(
            tick.to_bytes(4, "big", signed=True)
            + self._gross[tick].to_bytes(16, "big")
            + ticks.nets[tick].to_bytes(16, "big", signed=True)
            for tick in ticks.order
        )

    def _set_tick(self, tick: int, gross: int, net_delta: int) -> None:
        ticks = self._ticks
        if gross == 0:
            if tick in ticks.nets:
                del ticks.nets[tick], self._gross[tick]
                ticks.order.remove(tick)
            return
        if tick not in ticks.nets:
            insort(ticks.order, tick)
        ticks.nets[tick] = ticks.nets.get(tick, 0) + net_delta
        self._gross[tick] = gross

    def _move(self) -> None:
        for curve in self._curves:
            curve.move(self._sqrt_price_x96, self._tick, self._liquidity)
