"""How much to send through a cycle of pools."""

from collections.abc import Sequence
from dataclasses import dataclass

from alphapulse.amm.pool import PoolQuoter
from alphapulse.amm.uniswap_v3.full_math import div_floor
from alphapulse.errors import Rejected

__all__ = ["Hop", "Sizing", "optimise", "premium"]

Hop = tuple[PoolQuoter, bool]


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

    Units   smallest units of the token that the cycle starts and ends with; premium_bps is 1e-4.
    Range   len(hops) >= 2, no pool twice; max_amount_in > 0 bounds the input.
    Raises  nothing that a pool refuses: a cycle that cannot be quoted is a cycle that does not pay.
    Source  MATH sections 1 to 5.
    """
    try:
        return _optimise(hops, premium_bps, max_amount_in)
    except Rejected:
        return None


def _optimise(hops: Sequence[Hop], premium_bps: int, max_amount_in: int) -> Sizing | None:
    low, high = 1, max_amount_in
    while high - low > 2:
        third = div_floor(high - low, 3)
        left, right = low + third, high - third
        if _profit(hops, left, premium_bps) < _profit(hops, right, premium_bps):
            low = left + 1
        else:
            high = right
    best = max(range(low, high + 1), key=lambda amount: _profit(hops, amount, premium_bps))
    amounts = [best]
    for pool, zero_for_one in hops:
        amounts.append(pool.amount_out(amounts[-1], zero_for_one))
    sizing = Sizing(best, tuple(amounts), premium(best, premium_bps), amounts[-1] - best)
    return sizing if sizing.profit > 0 else None


def _profit(hops: Sequence[Hop], amount_in: int, premium_bps: int) -> int:
    amount = amount_in
    try:
        for pool, zero_for_one in hops:
            amount = pool.amount_out(amount, zero_for_one)
    except Rejected:
        return -(amount_in + premium(amount_in, premium_bps))
    return amount - amount_in - premium(amount_in, premium_bps)
