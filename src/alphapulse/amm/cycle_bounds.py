"""Two quick questions about a cycle: can it pay at all, and how much at most? Statistics in floating point.

Nothing is decided by these figures: a screen lets pass whatever exact arithmetic could accept, and a bound is never below the exact
profit. They only save work. The Rust twin makes the same operations in the same order.
"""

import math
from collections.abc import Callable, Sequence
from typing import TypeAlias

from alphapulse.amm.network_cycles import NEVER
from alphapulse.amm.pool import PoolQuoter
from alphapulse.amm.pool_kinds import ConcentratedPool, PairPool
from alphapulse.amm.uniswap_v3.tick_math import MAX_SQRT_RATIO, MIN_SQRT_RATIO
from alphapulse.errors import Rejected

__all__ = ["MARGIN", "Hop", "bounds_of", "hop_of", "rates_of", "reach_of", "slope_of"]

# On a sum of logarithms; each of them errs by less than 1e-13, and rounding up a rate only adds to it.
MARGIN = 1e-12
BOUND_MARGIN = 1e-13  # relative, on the square roots of the bound; rounding errors are below 1e-14
ROUNDED_UNITS = 2.0  # what the roundings of the exact amounts can add to the profit
TICKS_PER_LOG = 10_001.0  # 1 / log(1.0001), rounded up
LOG_Q128 = 128 * math.log(2)
Q96 = 2.0**96
Q128 = 2.0**128
PIPS = 1_000_000
MAX_REACH_BITS = 24  # beyond the whole range of ticks
# A pool whose price stands at an end of the range sells one way only.
LOWEST_ROOT, HIGHEST_ROOT = MIN_SQRT_RATIO + 1, MAX_SQRT_RATIO - 1
BOTTOMLESS = 1e50  # a reserve beside which any amount of the wire is nothing

Hop: TypeAlias = tuple[float, float, float]
"""Share of the input that is not fee, reserve of the token paid in, reserve of the other times that share."""


def rates_of(quoter: PoolQuoter | None) -> tuple[float, float]:
    """Return the logarithms of a pool's rates for token0 and for token1 paid in, `NEVER` for one that it does not give.

    They are from one logarithm where liquidity stands at the price; at the edge of a gap in liquidity that says more than the pool
    pays, so nothing is lost.
    """
    if isinstance(quoter, PairPool):
        reserve0, reserve1 = quoter.reserve0, quoter.reserve1
        if reserve0 and reserve1:
            price = math.log(float(reserve1) / float(reserve0))
            kept = math.log1p(-quoter.fee_pips / PIPS)
            return kept + price, kept - price
    elif isinstance(quoter, ConcentratedPool) and quoter.liquidity:
        root = quoter.sqrt_price_x96
        if LOWEST_ROOT < root < HIGHEST_ROOT:
            price = 2.0 * math.log(float(root) / Q96)
            kept = math.log1p(-quoter.fee_pips / PIPS)
            return kept + price, kept - price
    return _rate(quoter, zero_for_one=True), _rate(quoter, zero_for_one=False)


def _rate(quoter: PoolQuoter | None, *, zero_for_one: bool) -> float:
    """Return the logarithm of a rate rounded up."""
    if quoter is None:
        return NEVER
    try:
        return math.log(float(quoter.marginal_rate_x128(zero_for_one) + 1)) - LOG_Q128
    except Rejected:
        return NEVER


def reach_of(log_gain: float) -> int:
    """Return how many ticks no price of a cycle with this gain moves by, as a power of two: few values, so that hops are reused."""
    return 1 << min((int(log_gain * TICKS_PER_LOG) + 2).bit_length(), MAX_REACH_BITS)


def hop_of(quoter: PoolQuoter | None, reach: int, *, zero_for_one: bool) -> Hop:
    """Return a pair at the pool's price that is at least as deep as the pool is anywhere within reach.

    A curve of another family is a straight line that pays its first rate for any amount: no smooth curve pays more.
    """
    if isinstance(quoter, PairPool):
        reserves = float(quoter.reserve0), float(quoter.reserve1)
    elif isinstance(quoter, ConcentratedPool):
        depth = float(quoter.deepest(reach, zero_for_one))
        root_price = float(quoter.sqrt_price_x96) / Q96
        if root_price == 0.0:
            return 1.0, 0.0, 0.0
        reserves = depth / root_price, depth * root_price
    else:
        return 1.0, BOTTOMLESS, BOTTOMLESS * slope_of(quoter, zero_for_one=zero_for_one)
    kept = 1.0 - quoter.fee_pips / PIPS
    reserve_in, reserve_out = reserves if zero_for_one else (reserves[1], reserves[0])
    return kept, reserve_in, kept * reserve_out


def slope_of(quoter: PoolQuoter | None, *, zero_for_one: bool) -> float:
    """Return a pool's first rate, rounded up; 0 for one that it does not give."""
    try:
        if quoter is not None:
            rate = float(quoter.marginal_rate_x128(zero_for_one))
            return rate / Q128 * (1.0 + BOUND_MARGIN)
    except Rejected:
        pass
    return 0.0


def bounds_of(
    hops: Sequence[Hop], log_gain: float, cost: float, max_loans: Sequence[tuple[int, float]]
) -> list[float]:
    """Return for each start (place, largest loan) a profit that no loan up to the limit exceeds.

    Units   smallest units of the token that the walk starts from; cost is what a unit borrowed owes.

    Each hop is a pair at least as deep as the hop is anywhere the price can go before the cycle stops paying: the product of the
    hops' marginal rates falls from its start to the cost of the loan, so no single price moves by more than the whole gain. The
    composed pair has a closed-form optimum.
    """
    whole, slope = _composed(hops)
    root = math.sqrt(whole)
    excess = root - math.sqrt(cost * _product(hops)) + BOUND_MARGIN * root
    if excess <= 0.0:
        return [ROUNDED_UNITS] * len(max_loans)
    most = excess * excess * (1.0 + BOUND_MARGIN)
    growth = _growth(log_gain) * cost * (1.0 + BOUND_MARGIN)
    found = []
    for start, max_loan in max_loans:
        bend = slope(start)
        found.append(
            min(most / bend, growth * max_loan) + ROUNDED_UNITS if bend > 0.0 else ROUNDED_UNITS
        )
    return found


def _growth(log_gain: float) -> float:
    return math.expm1(min(log_gain, 700.0))  # the largest power of e that a double holds


def _product(hops: Sequence[Hop]) -> float:
    product = 1.0
    for _, reserve_in, _ in hops:
        product *= reserve_in
    return product


def _composed(hops: Sequence[Hop]) -> tuple[float, Callable[[int], float]]:
    """Return the cycle as the map a x / (c x + d): a, which no rotation changes, and c for a start."""
    whole = 1.0
    for _, _, gross_out in hops:
        whole *= gross_out

    def slope(start: int) -> float:
        a, c = 1.0, 0.0
        for rate, reserve_in, gross_out in (*hops[start:], *hops[:start]):
            c = a * rate + c * reserve_in
            a *= gross_out
        return c

    return whole, slope
