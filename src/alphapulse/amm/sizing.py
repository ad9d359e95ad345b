"""How much to send through a cycle of pools."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import gcd, isqrt

from alphapulse.amm.climb import TOO_LARGE, TOO_SMALL, crest
from alphapulse.amm.optimum import BPS, Hops, Line, Optimum, caps_of, excess_x128, line_at, locate
from alphapulse.amm.pair_cycle import locate_pairs
from alphapulse.amm.segment import Segment
from alphapulse.amm.token_kinds import SmoothPair
from alphapulse.amm.uniswap_v3.full_math import PIPS, div_floor, div_up
from alphapulse.errors import InsufficientLiquidity, Rejected, ValueOutOfRange

__all__ = ["Sizing", "optimise", "premium"]

# Units of the coarsest amount that are tried on either side of the located one.
NEAR_UNITS = 64
# A smooth cycle's curve is not known well enough for more than these.
SMOOTH_UNITS = 2
COARSE_UNITS, COARSE_FACTOR = 2**7, 4
# Teeth of a saw whose tips are tried on either side: where a fee takes no fraction, and any.
WHOLE_TEETH = 32
TEETH = 4
# A path that carries no more units than this in some amount is searched in full.
EXHAUSTIVE_UNITS_MAX = 2**9
# Amounts with up to this many times the units of the coarsest one have saws worth trying.
COMPARABLE_UNITS = 16
# Inputs at these distances must not earn more than the answer.
NEIGHBOURS = (-1000, 1000, -10, 10, -1, 1)
# A smooth cycle's neighbours reach from one unit to this many digits below the input.
FINE_DIGITS = 6
# Every move earns a unit; more would mean that the optimum was located wrongly.
SETTLE_MOVES_MAX = 1000


@dataclass(frozen=True, slots=True)
class Sizing:
    """Exact amounts of a cycle: what goes in, what comes out of each hop, what the loan costs.

    gross_profit is the last amount minus amount_in; net of the premium it is `profit`.
    """

    amount_in: int
    amounts: tuple[int, ...]
    premium: int
    gross_profit: int

    @property
    def profit(self) -> int:
        """Return what is left after the loan and its premium are repaid."""
        return self.gross_profit - self.premium


def premium(amount: int, premium_bps: int) -> int:
    """Return what a loan costs, rounded half up.

    Units   smallest units; premium_bps is 1e-4.
    Range   amount, premium_bps >= 0. Monotone in amount.
    Raises  nothing.
    Source  Aave V3 revision 1, PercentageMath.percentMul.
    """
    return div_floor(amount * premium_bps + 5000, 10000)


def optimise(hops: Hops, *, premium_bps: int, max_amount_in: int) -> Sizing | None:
    """Return the sizing that earns most after the loan's premium, None when none earns anything.

    No neighbouring input (1, 10 or 1000 units away) earns more. Deterministic.

    Units   smallest units of the token that the cycle starts and ends with; premium_bps is 1e-4.
    Range   at least two hops, no pool twice; max_amount_in > 0 bounds the input.
    Raises  nothing that a pool refuses: a cycle that cannot be quoted is one that does not pay.
    Source  MATH sections 1 to 5.
    """
    search = _Search(hops, premium_bps, max_amount_in)
    strides: tuple[int, ...] = NEIGHBOURS
    try:
        found = locate_pairs(
            hops,
            premium_bps=premium_bps,
            max_amount_in=max_amount_in,
            fewest_units=EXHAUSTIVE_UNITS_MAX,
        )
        if found is None:
            excess = excess_x128(hops, premium_bps)
            if excess <= 1 << 128:
                return None
            caps = caps_of(hops, excess)
            fewest = min(caps)
            if fewest <= EXHAUSTIVE_UNITS_MAX:
                search.all_of(caps.index(fewest), fewest)
            elif any(isinstance(pool, SmoothPair) for pool, _ in hops):
                search.climb(caps, excess)
                strides = _strides(search.amounts[0] if search.amounts else 1)
            else:
                found = locate(hops, caps, premium_bps=premium_bps, max_amount_in=max_amount_in)
                if found is None:
                    return None
        if found is not None:
            if not found.bound:
                return None
            search.around(found)
    except Rejected:
        return None
    if search.profit != search.bound:
        search.settle(strides)
    return search.answer()


class _Search:
    """The best input met so far, and the ways to meet better ones."""

    __slots__ = ("amounts", "bound", "hops", "max_amount_in", "premium_bps", "profit")

    def __init__(self, hops: Hops, premium_bps: int, max_amount_in: int) -> None:
        self.hops = hops
        self.premium_bps = premium_bps
        self.max_amount_in = max_amount_in
        self.bound = -1
        self.amounts: list[int] = []
        self.profit = 0

    def all_of(self, index: int, units: int) -> None:
        """Try the least input of every amount before hop `index`: a path this coarse is not smooth."""
        self._try_all(index, range(1, units + 1))

    def climb(self, caps: Sequence[int], excess: int) -> None:
        """Find the top by exact quotes where a hop has no closed form, and try what is near it."""
        high = min(caps[0], self.max_amount_in)
        if high < 1:
            return
        crest(lambda x: self._value(x, caps), high, excess, self.premium_bps)
        if not self.amounts:
            return
        inner = self.amounts[:-1]
        fewest = min(inner)
        index = inner.index(fewest)
        if fewest <= COARSE_UNITS:
            self._try_all(index, range(1, COARSE_FACTOR * fewest))
        else:
            self._near(self.amounts)

    def _value(self, amount_in: int, caps: Sequence[int]) -> int:
        """Return what an input earns, and keep the best.

        What the path cannot carry is worth less than anything, and the less the farther away.
        """
        if amount_in > self.max_amount_in:
            return TOO_LARGE - amount_in
        amounts = [amount_in]
        for (pool, zero_for_one), cap in zip(self.hops, caps, strict=True):
            if amounts[-1] > cap:
                return TOO_LARGE - amount_in
            try:
                amounts.append(pool.amount_out(amounts[-1], zero_for_one))
            except InsufficientLiquidity:
                return TOO_SMALL + amount_in
            except (Rejected, ValueOutOfRange):
                return TOO_LARGE - amount_in
        profit = amounts[-1] - amount_in - premium(amount_in, self.premium_bps)
        if profit > self.profit:
            self.amounts, self.profit = amounts, profit
        return profit

    def _near(self, amounts: Sequence[int]) -> None:
        """Try the least inputs around the coarsest amount, and the tips of the slow saws."""
        inner = amounts[:-1]
        fewest = min(inner)
        self._try_all(inner.index(fewest), _around(fewest, SMOOTH_UNITS))
        if self.premium_bps and amounts[0] <= COMPARABLE_UNITS * fewest:
            self._try_all(0, _tips(amounts[0], BPS, self.premium_bps, 4999))
        for index, amount in enumerate(inner):
            fee_pips = self.hops[index][0].floored_fee_pips
            if fee_pips and amount <= COMPARABLE_UNITS * fewest:
                self._try_all(index, _tips(amount, PIPS, fee_pips, 0))

    def around(self, found: Optimum) -> None:
        """Try the inputs that can be best near the located amounts, until one meets the bound.

        First what is best most often: amounts of the coarsest token from which a V3 fee takes no
        fraction of a unit. Then the least inputs that yield each amount around the located one:
        between two of them the input only costs more. Then the teeth of the other saws.
        """
        self.bound = found.bound
        inner = found.amounts[:-1]
        fewest = min(inner)
        coarsest = inner.index(fewest)
        self._try_least(coarsest, fewest)
        if self.profit == self.bound:
            return
        if not found.segments:
            segments = [pool.segment(1, zero_for_one) for pool, zero_for_one in self.hops]
            found = found._replace(segments=tuple(filter(None, segments)))
        self._try_saws(found, coarsest, near=True)
        for index, amount in enumerate(inner):
            if index != coarsest and amount <= COMPARABLE_UNITS * fewest:
                self._try_saws(found, index, near=False)
        if self.profit != self.bound:
            self._try_stops(found.amounts)

    def _try_saws(self, found: Optimum, index: int, *, near: bool) -> None:
        """Try the tips of the saws in the amount before hop `index`, and the amounts near the located one.

        A V3 fee takes least of an amount just before it takes one unit more, counted from where the
        stretch starts; where it is a whole number of units nothing is lost. The premium is rounded
        down most just before it steps.
        """
        gap = self.bound - self.profit
        if gap <= 0:
            return
        amount, segment = found.amounts[index], found.segments[index]
        reach = div_up((isqrt(gap * found.breadth) + 1) * amount, found.amounts[0])
        line = line_at(found, index)
        fee_pips = self.hops[index][0].floored_fee_pips
        if fee_pips:
            start, period = segment.start_in, div_floor(PIPS, gcd(fee_pips, PIPS))
            beyond = max(0, amount - start)
            first = start + div_up(beyond, period) * period
            self._try_promising(line, index, segment, _spaced(first, period, WHOLE_TEETH, reach))
            if period * fee_pips != PIPS:
                plain = (start + tip for tip in _tips(beyond, PIPS, fee_pips, 0))
                self._try_promising(line, index, segment, plain)
        if near:
            self._try_promising(line, index, segment, _spaced(amount, 1, NEAR_UNITS, reach))
        if self.premium_bps and not index:
            tips = _tips(amount, BPS, self.premium_bps, 4999)
            self._try_promising(line, index, segment, tips)

    def _try_promising(
        self, line: Line, index: int, segment: Segment, amounts: Iterable[int]
    ) -> None:
        """Try those amounts whose tangents, rounded as a cycle rounds, leave more than the best so far."""
        start, end, *_ = segment
        centre, paid, paid_slope, asked, asked_slope = line
        kept = PIPS - self.hops[index][0].floored_fee_pips
        paid_part = div_floor(paid_slope, kept)
        for amount in amounts:
            if self.profit == self.bound:
                return
            distance = amount - centre
            out = paid + paid_slope * distance
            if start < amount < end:
                out -= paid_part * ((amount - start) * kept % PIPS)
            amount_in = max(0, -(-(asked + asked_slope * distance) >> 64))
            if (out >> 64) - amount_in - premium(amount_in, self.premium_bps) > self.profit:
                self._try_least(index, amount)

    def _try_stops(self, amounts: Sequence[int]) -> None:
        """Try the inputs that end on a pool's stop: the step beyond it starts by rounding up."""
        for index, (pool, zero_for_one) in enumerate(self.hops):
            segment = pool.segment(amounts[index], zero_for_one)
            if segment is not None:
                self._try_all(index, (segment.start_in, segment.end_in))

    def _try_all(self, index: int, amounts: Iterable[int]) -> None:
        """Try the least inputs that yield these amounts before hop `index`."""
        for amount in amounts:
            if self.profit == self.bound:
                return
            self._try_least(index, amount)

    def _try_least(self, index: int, amount: int) -> None:
        try:
            amount_in = self._pulled_back(index, amount)
        except (Rejected, ValueOutOfRange):
            return
        self.try_input(amount_in)

    def _pulled_back(self, index: int, amount: int) -> int:
        """Return the least input that yields an amount before hop `index`."""
        for pool, zero_for_one in self.hops[index - 1 :: -1] if index else ():
            amount = pool.least_amount_in(amount, zero_for_one)
        return amount

    def settle(self, strides: Sequence[int]) -> None:
        """Pay no more than the best output needs, then move to better neighbours until none is left."""
        for _ in range(SETTLE_MOVES_MAX):
            if not self.amounts:
                return
            self._try_least(len(self.hops), self.amounts[-1])
            centre = self.amounts[0]
            if not any(self.try_input(centre + step) for step in strides):
                return

    def try_input(self, amount_in: int) -> bool:
        """Keep an input that earns more than the best so far; True when it does."""
        if not 0 < amount_in <= self.max_amount_in:
            return False
        amount = amount_in
        amounts = [amount]
        try:
            for pool, zero_for_one in self.hops:
                amount = pool.amount_out(amount, zero_for_one)
                amounts.append(amount)
        except (Rejected, ValueOutOfRange):
            return False
        profit = amount - amount_in - premium(amount_in, self.premium_bps)
        if profit <= self.profit:
            return False
        self.amounts, self.profit = amounts, profit
        return True

    def answer(self) -> Sizing | None:
        """Return the exact amounts of the best input, None when nothing is earned."""
        if self.profit <= 0:
            return None
        amount_in, amount_out = self.amounts[0], self.amounts[-1]
        return Sizing(
            amount_in,
            tuple(self.amounts),
            premium(amount_in, self.premium_bps),
            amount_out - amount_in,
        )


def _around(centre: int, farthest: int) -> Iterator[int]:
    """Return the amounts up to a distance from the centre, nearest first."""
    for distance in range(farthest + 1):
        yield centre + distance
        if 0 < distance < centre:
            yield centre - distance


def _spaced(first: int, step: int, count: int, reach: int) -> Iterator[int]:
    """Return amounts at equal distances on either side, nearest first, as far as they can win."""
    for distance in range(0, min(count * step, reach + 1), step):
        yield first + distance
        yield first - step - distance


def _strides(amount: int) -> tuple[int, ...]:
    """Return the neighbours of an amount from far to near: a smooth curve's own rounding has wide teeth."""
    digits = max(3, len(str(amount)) - FINE_DIGITS)
    powers = [*range(digits | 1, 0, -2), 0]
    return tuple(sign * 10**power for power in powers for sign in (1, -1))


def _tips(centre: int, whole: int, part: int, phase: int) -> Iterator[int]:
    """Return the last amounts before (amount * part) steps over a multiple of whole, nearest first."""
    step = div_floor(centre * part, whole)
    for distance in range(TEETH):
        yield div_floor((step + 1 + distance) * whole + phase, part)
        if step > distance:
            yield div_floor((step - distance) * whole + phase, part)
