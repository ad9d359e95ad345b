"""How much to send through a cycle of pools."""

from collections.abc import Sequence
from dataclasses import dataclass

from alphapulse.amm.optimum import Hop, excess_x128, locate
from alphapulse.amm.uniswap_v3.full_math import div_floor
from alphapulse.errors import Rejected, ValueOutOfRange

__all__ = ["Sizing", "optimise", "premium"]

# Units around the located amount that are tried; MATH section 5 found that 64 suffice.
RESCAN_UNITS = 64
# Inputs at these distances must not earn more than the answer.
NEIGHBOURS = (1, -1, 10, -10, 1000, -1000)
# Every move earns a unit; more would mean that the optimum was located wrongly.
SETTLE_MOVES_MAX = 1000

_OFFSETS = (0, *(sign * unit for unit in range(1, RESCAN_UNITS + 1) for sign in (1, -1)))


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
    try:
        excess = excess_x128(hops, premium_bps)
        if excess <= 1 << 128:
            return None
        found = locate(hops, excess, premium_bps=premium_bps, max_amount_in=max_amount_in)
    except Rejected:
        return None
    if found is None:
        return None
    search = _Search(hops, premium_bps, max_amount_in, found.bound)
    search.around(found.amounts)
    search.settle()
    return search.answer()


class _Search:
    """The best input met so far, and the ways to meet better ones."""

    __slots__ = ("amount_in", "bound", "hops", "max_amount_in", "premium_bps", "profit")

    def __init__(
        self, hops: Sequence[Hop], premium_bps: int, max_amount_in: int, bound: int
    ) -> None:
        self.hops = hops
        self.premium_bps = premium_bps
        self.max_amount_in = max_amount_in
        self.bound = bound
        self.amount_in = 0
        self.profit = 0

    def around(self, amounts: Sequence[int]) -> None:
        """Try the least inputs that yield each of the amounts around the coarsest one of the path.

        The coarsest amount is the one with the fewest units, so its neighbours are the fewest inputs
        that can matter: between two of them the input only costs more. The search ends as soon as it
        meets the bound.
        """
        inner = amounts[:-1]
        coarsest = inner.index(min(inner))
        centre = inner[coarsest]
        before = self.hops[coarsest - 1 :: -1] if coarsest else ()
        for offset in _OFFSETS:
            amount = centre + offset
            if amount < 1:
                continue
            try:
                for pool, zero_for_one in before:
                    amount = pool.least_amount_in(amount, zero_for_one)
            except Rejected:
                continue
            if self.try_input(amount) and self.profit >= self.bound:
                return

    def settle(self) -> None:
        """Move to better neighbours until there is none; every move earns at least one unit more."""
        for _ in range(SETTLE_MOVES_MAX):
            if self.profit >= self.bound:
                return
            centre = self.amount_in
            if not any(self.try_input(centre + step) for step in NEIGHBOURS):
                return

    def try_input(self, amount_in: int) -> bool:
        """Keep an input that earns more than the best so far; True when it does."""
        if not 0 < amount_in <= self.max_amount_in:
            return False
        amount = amount_in
        try:
            for pool, zero_for_one in self.hops:
                amount = pool.amount_out(amount, zero_for_one)
        except (Rejected, ValueOutOfRange):
            return False
        profit = amount - amount_in - premium(amount_in, self.premium_bps)
        if profit <= self.profit:
            return False
        self.amount_in, self.profit = amount_in, profit
        return True

    def answer(self) -> Sizing | None:
        """Return the exact amounts of the best input, None when nothing is earned."""
        if self.profit <= 0:
            return None
        amounts = [self.amount_in]
        for pool, zero_for_one in self.hops:
            amounts.append(pool.amount_out(amounts[-1], zero_for_one))
        return Sizing(
            self.amount_in,
            tuple(amounts),
            premium(self.amount_in, self.premium_bps),
            amounts[-1] - self.amount_in,
        )
