"""A pool's swap in one direction as prefix sums: a quote is a bisection and one partial step.

Between two stops (initialised ticks and the edges of bitmap words) a swap's step does not depend on
the swap. The curve keeps the sums of those steps, built outward from the price only as far as quotes
have asked, and equals the loop of `pool.swap` in every amount. A move of the price renews the first
step alone; a change of liquidity forgets the sums it touches, and the next quote rebuilds them.
Steps without liquidity move no amounts, so the curve leaps from one initialised tick to the next there.
"""

from bisect import bisect_left
from typing import NamedTuple

from alphapulse.amm.segment import Segment
from alphapulse.amm.uniswap_v3.full_math import PIPS, div_floor
from alphapulse.amm.uniswap_v3.liquidity_math import add_delta
from alphapulse.amm.uniswap_v3.pool import limit_of
from alphapulse.amm.uniswap_v3.swap_math import (
    compute_swap_step,
    full_step,
    least_partial_in,
    partial_exact_in,
)
from alphapulse.amm.uniswap_v3.tick_map import TickMap
from alphapulse.amm.uniswap_v3.tick_math import (
    MAX_TICK,
    MIN_TICK,
    sqrt_ratio_at_tick,
)
from alphapulse.errors import (
    BeyondKnownState,
    InsufficientLiquidity,
    PoolNotTradeable,
    ValueOutOfRange,
)

__all__ = ["CurveSwap", "SwapCurve"]

# How many stops the price may leap over before the sums are forgotten instead of extended.
LEAP_STOPS_MAX = 64


class CurveSwap(NamedTuple):
    """What a swap does: less may be taken or paid than asked when the pool ends first."""

    amount_in: int
    amount_out: int
    sqrt_price_x96: int
    ticks_crossed: int


class SwapCurve:
    """Prefix sums over the stops of one direction, from the price outward.

    Entry i describes the step that ends at stop i: its liquidity, and the sums of everything before.
    Sums are relative to the first entry ever built, so entries before it hold negative ones.
    """

    __slots__ = (
        "_complete",
        "_crossed",
        "_fee_pips",
        "_first",
        "_first_in",
        "_first_out",
        "_keys",
        "_liquidities",
        "_liquidity",
        "_price",
        "_stops",
        "_sum_in",
        "_sum_out",
        "_tick",
        "_ticks",
        "_unknown",
        "_zero_for_one",
    )

    def __init__(self, ticks: TickMap, fee_pips: int, *, zero_for_one: bool) -> None:
        self._ticks = ticks
        self._fee_pips = fee_pips
        self._zero_for_one = zero_for_one
        self._price = 0
        self._tick = 0
        self._liquidity = 0
        self._first = -1
        self._first_in = 0
        self._first_out = 0
        self.forget_all()

    def move(self, sqrt_price_x96: int, tick: int, liquidity: int) -> None:
        """Take a new price; the first step is renewed when the next question comes."""
        self._price = sqrt_price_x96
        self._tick = tick
        self._liquidity = liquidity
        self._first = -1

    def forget_all(self) -> None:
        """Drop all sums; the next question rebuilds what it needs."""
        self._keys: list[int] = []
        self._stops: list[int] = []
        self._liquidities: list[int] = []
        self._sum_in: list[int] = []
        self._sum_out: list[int] = []
        self._crossed: list[int] = []
        self._complete = False
        self._unknown = False
        self._first = -1

    def forget(self, tick_lower: int, tick_upper: int) -> None:
        """Drop the sums that a change of liquidity between two ticks makes wrong."""
        if not self._keys:
            return
        low, high = (-tick_upper, -tick_lower) if self._zero_for_one else (tick_lower, tick_upper)
        self._first = -1
        if low > self._keys[0]:
            keep = bisect_left(self._keys, low)
            for entries in (
                self._keys,
                self._stops,
                self._liquidities,
                self._sum_in,
                self._sum_out,
                self._crossed,
            ):
                del entries[keep:]
            self._complete = self._unknown = False
        elif high >= self._keys[0]:
            self.forget_all()

    def amount_out(self, amount_in: int) -> int:
        """Return what the pool pays for an exact input that it takes whole; may be zero.

        Units   smallest units.
        Range   amount_in > 0. Monotone in amount_in.
        Raises  InsufficientLiquidity when the pool ends before the input is used up;
                BeyondKnownState when unknown ticks come first; PoolNotTradeable for a pool without
                price or without any liquidity ahead; ValueOutOfRange for amount_in <= 0.
        Source  equal to pool.swap.
        """
        if amount_in <= 0:
            raise ValueOutOfRange(f"`amount_in` must be positive, was {amount_in}")
        first = self._first if self._first >= 0 else self._renew()
        beyond = amount_in - self._first_in
        if beyond < 0:
            return partial_exact_in(
                self._price,
                self._liquidity,
                amount_in,
                self._fee_pips,
                zero_for_one=self._zero_for_one,
            )[1]
        sum_in = self._sum_in
        wanted = beyond + sum_in[first]
        while sum_in[-1] < wanted:
            if not self._extend():
                raise self._end(f"`amount_in` {amount_in}")
        index = bisect_left(sum_in, wanted, first)
        paid = self._first_out - self._sum_out[first]
        if sum_in[index] == wanted:
            return paid + self._sum_out[index]
        before = index - 1
        return (
            paid
            + self._sum_out[before]
            + partial_exact_in(
                self._stops[before],
                self._liquidities[index],
                wanted - sum_in[before],
                self._fee_pips,
                zero_for_one=self._zero_for_one,
            )[1]
        )

    def amount_in(self, amount_out: int) -> int:
        """Return what the pool asks, fee included, for an exact output that it pays whole.

        Units   smallest units.
        Range   amount_out > 0. Monotone in amount_out.
        Raises  as amount_out, when the pool ends before the output is paid.
        Source  equal to pool.swap.
        """
        taken = self.swap_out(amount_out)
        if taken.amount_out != amount_out:
            raise self._end(f"`amount_out` {amount_out}")
        return taken.amount_in

    def least_amount_in(self, amount_out: int) -> int:
        """Return the least exact input that pays at least an output; it never exceeds amount_in.

        Units   smallest units.
        Range   amount_out > 0.
        Raises  as amount_in.
        Source  the inverse of amount_out, step by step.
        """
        if amount_out <= 0:
            raise ValueOutOfRange(f"`amount_out` must be positive, was {amount_out}")
        first = self._first if self._first >= 0 else self._renew()
        beyond = amount_out - self._first_out
        if beyond <= 0:
            return least_partial_in(
                self._price, self._stops[first], self._liquidity, amount_out, self._fee_pips
            )
        sum_out = self._sum_out
        wanted = beyond + sum_out[first]
        while sum_out[-1] < wanted:
            if not self._extend():
                raise self._end(f"`amount_out` {amount_out}")
        index = bisect_left(sum_out, wanted, first)
        before = index - 1
        return (
            self._first_in
            + self._sum_in[before]
            - self._sum_in[first]
            + least_partial_in(
                self._stops[before],
                self._stops[index],
                self._liquidities[index],
                wanted - sum_out[before],
                self._fee_pips,
            )
        )

    def ticks_crossed(self, amount_in: int) -> int:
        """Return how many initialised ticks an exact input crosses.

        Units   a count; every crossing costs the transaction gas.
        Range   amount_in > 0.
        Raises  as amount_out.
        Source  equal to pool.swap.
        """
        taken = self.swap_in(amount_in)
        if taken.amount_in != amount_in:
            raise self._end(f"`amount_in` {amount_in}")
        return taken.ticks_crossed

    def swap_in(self, amount_in: int) -> CurveSwap:
        """Return what an exact input does, partly filled where the pool ends first.

        Units   smallest units; Q64.96.
        Range   amount_in > 0.
        Raises  BeyondKnownState, PoolNotTradeable, ValueOutOfRange as amount_out.
        Source  equal to pool.swap with the farthest limit.
        """
        return self._swap(amount_in, exact_in=True)

    def swap_out(self, amount_out: int) -> CurveSwap:
        """Return what an exact output does, partly filled where the pool ends first.

        Units   smallest units; Q64.96.
        Range   amount_out > 0.
        Raises  BeyondKnownState, PoolNotTradeable, ValueOutOfRange as amount_out.
        Source  equal to pool.swap with the farthest limit.
        """
        return self._swap(amount_out, exact_in=False)

    def marginal_rate_x128(self) -> int:
        """Return output per input of the first infinitesimal amount after fee, rounded down.

        Units   Q128 ratio of smallest units.
        Range   a pool with liquidity ahead.
        Raises  PoolNotTradeable without any; BeyondKnownState when unknown ticks come first.
        Source  the derivative of the first segment.
        """
        price, _ = self._first_liquid()
        kept = PIPS - self._fee_pips
        if self._zero_for_one:
            return div_floor(price * price * kept, PIPS << 64)
        return div_floor(kept << 320, price * price * PIPS)

    def segment(self, amount_in: int) -> Segment:
        """Return the stretch of constant liquidity in which this input ends.

        Units   smallest units; gain, slope and base carry a common factor.
        Range   amount_in > 0; an input that ends on a stop belongs to the stretch before it.
        Raises  as amount_out.
        Source  the whitepaper's virtual reserves of a range.
        """
        first = self._first if self._first >= 0 else self._renew()
        if amount_in <= self._first_in:
            return self._segment(0, self._first_in, 0, self._price, self._liquidity)
        sum_in = self._sum_in
        wanted = amount_in - self._first_in + sum_in[first]
        while sum_in[-1] < wanted:
            if not self._extend():
                raise self._end(f"`amount_in` {amount_in}")
        index = bisect_left(sum_in, wanted, first)
        shift = self._first_in - sum_in[first]
        return self._segment(
            shift + sum_in[index - 1],
            shift + sum_in[index],
            self._first_out - self._sum_out[first] + self._sum_out[index - 1],
            self._stops[index - 1],
            self._liquidities[index],
        )

    def input_to_fall(self, root_factor_x64: int) -> int:
        """Return an input after which the marginal rate has fallen by the factor, or the pool ends.

        Units   smallest units; the factor's root is Q64.
        Range   root_factor_x64 >= 2**64. The answer is that of the first stop at or past the fall.
        Raises  PoolNotTradeable, BeyondKnownState when there is no liquidity ahead.
        Source  in one range the marginal rate goes with the square of the root price.
        """
        price, index = self._first_liquid()
        first = self._first
        if self._zero_for_one:
            bound = div_floor(price << 64, root_factor_x64)
            while self._stops[-1] > bound and self._extend():
                pass
            index = max(first, bisect_left(self._stops, -bound, index, key=int.__neg__))
        else:
            bound = price * root_factor_x64 >> 64
            while self._stops[-1] < bound and self._extend():
                pass
            index = max(first, bisect_left(self._stops, bound, index))
        index = min(index, len(self._stops) - 1)
        return self._first_in + self._sum_in[index] - self._sum_in[first]

    def _swap(self, amount: int, *, exact_in: bool) -> CurveSwap:
        if amount <= 0:
            raise ValueOutOfRange(f"`amount` must be positive, was {amount}")
        first = self._first if self._first >= 0 else self._renew()
        sums = self._sum_in if exact_in else self._sum_out
        sum_in, sum_out = self._sum_in, self._sum_out
        signed = amount if exact_in else -amount
        beyond = amount - (self._first_in if exact_in else self._first_out)
        crossed_before = self._crossed[first] - self._initialized(first)
        if beyond < 0:
            return self._partial(self._price, first, signed, CurveSwap(0, 0, 0, 0))
        wanted = beyond + sums[first]
        while sums[-1] < wanted and self._extend():
            pass
        base_in, base_out = self._first_in - sum_in[first], self._first_out - sum_out[first]
        if sums[-1] < wanted:
            if self._unknown:
                raise self._end(f"amount {amount}")
            crossed = self._crossed[-1] - crossed_before
            limit = limit_of(zero_for_one=self._zero_for_one)
            return CurveSwap(base_in + sum_in[-1], base_out + sum_out[-1], limit, crossed)
        index = bisect_left(sums, wanted, first)
        at = index if sums[index] == wanted else index - 1
        reached = CurveSwap(
            base_in + sum_in[at],
            base_out + sum_out[at],
            self._stops[at],
            self._crossed[at] - crossed_before,
        )
        if at == index:
            return reached
        rest = wanted - sums[at]
        return self._partial(self._stops[at], index, rest if exact_in else -rest, reached)

    def _partial(self, price: int, index: int, signed: int, reached: CurveSwap) -> CurveSwap:
        after, amount_in, amount_out, fee = compute_swap_step(
            price, self._stops[index], self._liquidities[index], signed, self._fee_pips
        )
        landed = after == self._stops[index]
        return CurveSwap(
            reached.amount_in + amount_in + fee,
            reached.amount_out + amount_out,
            after,
            reached.ticks_crossed + (self._initialized(index) if landed else 0),
        )

    def _segment(
        self, start_in: int, end_in: int, start_out: int, price: int, liquidity: int
    ) -> Segment:
        kept = PIPS - self._fee_pips
        low, high = div_floor(liquidity << 160, price), liquidity * price >> 32
        virtual_in, virtual_out = (low, high) if self._zero_for_one else (high, low)
        return Segment(
            start_in, end_in, start_out, kept * (virtual_out + 1), kept << 64, PIPS * virtual_in
        )

    def _first_liquid(self) -> tuple[int, int]:
        """Return the price at which the first step with liquidity starts, and that step's index."""
        first = self._first if self._first >= 0 else self._renew()
        if self._first_in > 0:
            return self._price, first
        index = first + 1
        while index < len(self._sum_in) or self._extend():
            if self._sum_in[index] > self._sum_in[first]:
                return self._stops[index - 1], index
            index += 1
        raise self._end("the first unit")

    def _end(self, what: str) -> BeyondKnownState | InsufficientLiquidity | PoolNotTradeable:
        if self._unknown:
            return BeyondKnownState(f"{what} reaches ticks that are not known")
        if not self._sum_in or self._first_in + self._sum_in[-1] == self._sum_in[self._first]:
            return PoolNotTradeable(f"{what} finds no liquidity in this direction")
        return InsufficientLiquidity(f"{what} is more than the pool can take")

    def _initialized(self, index: int) -> int:
        tick = -self._keys[index] if self._zero_for_one else self._keys[index]
        return int(MIN_TICK < tick < MAX_TICK and tick in self._ticks.nets)

    def _renew(self) -> int:
        """Recompute the first step from the price, extending or forgetting the sums as needed."""
        limit = limit_of(zero_for_one=self._zero_for_one)
        if self._price == 0:
            raise PoolNotTradeable("pool without a price: it was never initialised")
        if self._price <= limit if self._zero_for_one else self._price >= limit:
            raise PoolNotTradeable(f"`sqrt_price_x96` {self._price} stands at the bound")
        stop = self._ticks.stop_ahead(self._tick, self._liquidity, zero_for_one=self._zero_for_one)
        if stop is None:
            self.forget_all()
            self._unknown = self._ticks.ends_unknown(zero_for_one=self._zero_for_one)
            raise self._end("the first unit")
        key = -stop if self._zero_for_one else stop
        if self._keys:
            for _ in range(LEAP_STOPS_MAX):
                if key < self._keys[0]:
                    if not self._prepend():
                        break
                elif key <= self._keys[-1] or not self._extend():
                    break
        index = bisect_left(self._keys, key)
        if (
            index == len(self._keys)
            or self._keys[index] != key
            or self._liquidities[index] != self._liquidity
        ):
            self.forget_all()
            index = 0
            self._append(key, self._liquidity, 0, 0)
        self._first = index
        self._first_in, self._first_out = full_step(
            self._price, self._stops[index], self._liquidity, self._fee_pips
        )
        return index

    def _stop_price(self, tick: int) -> int:
        if MIN_TICK < tick < MAX_TICK:
            return sqrt_ratio_at_tick(tick)
        return limit_of(zero_for_one=self._zero_for_one)

    def _append(self, key: int, liquidity: int, amount_in: int, amount_out: int) -> None:
        first = not self._keys
        self._keys.append(key)
        self._stops.append(self._stop_price(-key if self._zero_for_one else key))
        self._liquidities.append(liquidity)
        self._sum_in.append(amount_in if first else self._sum_in[-1] + amount_in)
        self._sum_out.append(amount_out if first else self._sum_out[-1] + amount_out)
        self._crossed.append(self._initialized(-1) + (0 if first else self._crossed[-1]))

    def _extend(self) -> bool:
        """Append the step after the last stop; False when there is none."""
        if self._complete:
            return False
        key = self._keys[-1]
        tick = -key if self._zero_for_one else key
        net = self._ticks.nets.get(tick, 0)
        liquidity = add_delta(self._liquidities[-1], -net if self._zero_for_one else net)
        ahead = None
        if MIN_TICK < tick < MAX_TICK:
            ahead = self._ticks.stop_ahead(
                tick - 1 if self._zero_for_one else tick,
                liquidity,
                zero_for_one=self._zero_for_one,
            )
            self._unknown = ahead is None and self._ticks.ends_unknown(
                zero_for_one=self._zero_for_one
            )
        if ahead is None:
            self._complete = True
            return False
        taken, paid = full_step(self._stops[-1], self._stop_price(ahead), liquidity, self._fee_pips)
        self._append(-ahead if self._zero_for_one else ahead, liquidity, taken, paid)
        return True

    def _prepend(self) -> bool:
        """Insert the step before the first stop; False when its liquidity is not known."""
        key, liquidity = self._keys[0], self._liquidities[0]
        stop = self._ticks.stop_behind(
            -key if self._zero_for_one else key, liquidity, zero_for_one=self._zero_for_one
        )
        if stop is None:
            return False
        taken, paid = full_step(self._stop_price(stop), self._stops[0], liquidity, self._fee_pips)
        net = self._ticks.nets.get(stop, 0)
        before = liquidity + net if self._zero_for_one else liquidity - net
        if not 0 <= before < 2**128:
            return False
        self._crossed.insert(0, self._crossed[0] - self._initialized(0))
        self._keys.insert(0, -stop if self._zero_for_one else stop)
        self._stops.insert(0, self._stop_price(stop))
        self._liquidities.insert(0, before)
        self._sum_in.insert(0, self._sum_in[0] - taken)
        self._sum_out.insert(0, self._sum_out[0] - paid)
        return True
