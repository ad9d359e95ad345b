"""How much to send through a cycle of pools."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from alphapulse.amm.climb import TOO_LARGE, TOO_SMALL, bracket, summit
from alphapulse.amm.optimum import BPS, Hop, caps_of, excess_x128, locate
from alphapulse.amm.pair_view import PairView
from alphapulse.amm.uniswap_v3.full_math import PIPS, div_floor
from alphapulse.errors import InsufficientLiquidity, Rejected, ValueOutOfRange

__all__ = ["Sizing", "optimise", "premium"]

# Units around the located amount that are tried first, and how many while enough is left to gain.
RESCAN_UNITS = 8
RESCAN_UNITS_MAX = 64
# Rescans, each around the best of the one before.
RESCANS_MAX = 8
# A path that carries no more units than this in some amount is searched in full.
EXHAUSTIVE_UNITS_MAX = 2**9
# What is left to gain is worth the long rescan from this part of the profit on.
WORTHWHILE = 10**7
# Tips of each saw that are tried on either side of the located amount.
TIPS = 4
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


def optimise(hops: Sequence[Hop], *, premium_bps: int, max_amount_in: int) -> Sizing | None:
    """Return the sizing that earns most after the loan's premium, None when none earns anything.

    No neighbouring input (1, 10 or 1000 units away) earns more. Deterministic.

    Units   smallest units of the token that the cycle starts and ends with; premium_bps is 1e-4.
    Range   at least two hops, no pool twice; max_amount_in > 0 bounds the input.
    Raises  nothing that a pool refuses: a cycle that cannot be quoted is one that does not pay.
    Source  MATH sections 1 to 5.
    """
    strides: tuple[int, ...] = NEIGHBOURS
    try:
        excess = excess_x128(hops, premium_bps)
        if excess <= 1 << 128:
            return None
        caps = caps_of(hops, excess)
        search = _Search(hops, premium_bps, max_amount_in)
        fewest = min(caps)
        if fewest <= EXHAUSTIVE_UNITS_MAX:
            search.all_of(caps.index(fewest), fewest)
        elif any(isinstance(pool, PairView) for pool, _ in hops):
            search.climb(caps)
            strides = _strides(search.amounts[0] if search.amounts else 1)
        else:
            found = locate(hops, caps, premium_bps=premium_bps, max_amount_in=max_amount_in)
            if found is None:
                return None
            search.bound = found.bound
            search.around(found.amounts)
    except Rejected:
        return None
    search.settle(strides)
    return search.answer()


class _Search:
    """The best input met so far, and the ways to meet better ones."""

    __slots__ = ("amounts", "bound", "hops", "max_amount_in", "premium_bps", "profit")

    def __init__(self, hops: Sequence[Hop], premium_bps: int, max_amount_in: int) -> None:
        self.hops = hops
        self.premium_bps = premium_bps
        self.max_amount_in = max_amount_in
        self.bound = -1
        self.amounts: list[int] = []
        self.profit = 0

    def all_of(self, index: int, units: int) -> None:
        """Try the least input of every amount before hop `index`: a path this coarse is not smooth."""
        self._try_all(index, range(1, units + 1))

    def climb(self, caps: Sequence[int]) -> None:
        """Find the top by exact quotes where a hop has no closed form, and try what is near it.

        The second search moves the coarsest amount of the path, so that no step of another's hides
        the slope.
        """
        low, high = bracket(lambda x: self._value(0, x, caps), min(caps[0], self.max_amount_in))
        if not self.amounts:
            self._value(0, summit(lambda x: self._value(0, x, caps), low, high), caps)
        if not self.amounts:
            return
        inner = self.amounts[:-1]
        index = inner.index(min(inner))
        if index:
            low, high = max(1, inner[index] >> 2), inner[index] << 2
        top = summit(lambda amount: self._value(index, amount, caps), low, high)
        self._try_all(index, _around(top, 0, RESCAN_UNITS))
        self._near(self.amounts)

    def _value(self, index: int, amount: int, caps: Sequence[int]) -> int:
        """Return what the least input earns that yields an amount before hop `index`, and keep the best.

        What the path cannot carry is worth less than anything, and the less the farther away.
        """
        try:
            amount_in = self._pulled_back(index, amount)
        except (Rejected, ValueOutOfRange):
            return TOO_LARGE - amount
        if amount_in > self.max_amount_in:
            return TOO_LARGE - amount
        amounts = [amount_in]
        for (pool, zero_for_one), cap in zip(self.hops, caps, strict=True):
            if amounts[-1] > cap:
                return TOO_LARGE - amount
            try:
                amounts.append(pool.amount_out(amounts[-1], zero_for_one))
            except InsufficientLiquidity:
                return TOO_SMALL + amount
            except (Rejected, ValueOutOfRange):
                return TOO_LARGE - amount
        profit = amounts[-1] - amount_in - premium(amount_in, self.premium_bps)
        if profit > self.profit:
            self.amounts, self.profit = amounts, profit
        return profit

    def around(self, amounts: Sequence[int]) -> None:
        """Try the inputs that can be best near the located amounts, until one meets the bound.

        While enough is left to gain the search looks farther around, and again around what it found.
        """
        self._near(amounts)
        for _ in range(RESCANS_MAX):
            if abs(self.bound - self.profit) * WORTHWHILE <= self.bound:
                return
            before = self.profit
            centre = self.amounts or amounts
            fewest = min(centre[:-1])
            self._try_all(centre.index(fewest), _around(fewest, 1, RESCAN_UNITS_MAX))
            self._near(centre)
            self._try_stops(centre)
            if self.profit == before:
                return

    def _near(self, amounts: Sequence[int]) -> None:
        """Try what is best most often.

        First the least inputs that yield each amount around the coarsest one of the path: between
        two of them the input only costs more. Then the tips of the slow saws: the premium is rounded
        down most just before it steps, and a V3 fee costs least just before it takes one unit more.
        """
        inner = amounts[:-1]
        fewest = min(inner)
        self._try_all(inner.index(fewest), _around(fewest, 0, RESCAN_UNITS))
        if self.premium_bps and amounts[0] <= COMPARABLE_UNITS * fewest:
            self._try_all(0, _tips(amounts[0], BPS, self.premium_bps, 4999))
        for index, amount in enumerate(inner):
            fee_pips = self.hops[index][0].floored_fee_pips
            if fee_pips and amount <= COMPARABLE_UNITS * fewest:
                self._try_all(index, _tips(amount, PIPS, fee_pips, 0))

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


def _around(centre: int, nearest: int, farthest: int) -> Iterator[int]:
    """Return the amounts at these distances from the centre, nearest first."""
    for distance in range(nearest, farthest + 1):
        yield centre + distance
        if 0 < distance < centre:
            yield centre - distance


def _strides(amount: int) -> tuple[int, ...]:
    """Return the neighbours of an amount from far to near: a smooth curve's own rounding has wide teeth."""
    digits = max(3, len(str(amount)) - FINE_DIGITS)
    return tuple(sign * 10**power for power in range(digits, -1, -1) for sign in (1, -1))


def _tips(centre: int, whole: int, part: int, phase: int) -> Iterator[int]:
    """Return the last amounts before (amount * part) steps over a multiple of whole, nearest first."""
    step = div_floor(centre * part, whole)
    for distance in range(TIPS):
        yield div_floor((step + 1 + distance) * whole + phase, part)
        if step > distance:
            yield div_floor((step - distance) * whole + phase, part)
