"""Where a cycle of constant-product pairs earns most: one closed form, without a walk.

Pairs have no stretches, so the whole cycle is one Moebius map from the first unit to the last.
"""

from math import isqrt

from alphapulse.amm.optimum import BPS, Hops, Optimum
from alphapulse.amm.pool_kinds import PairPool
from alphapulse.amm.uniswap_v2 import MAX_RESERVE
from alphapulse.amm.uniswap_v3.full_math import PIPS, div_floor

__all__ = ["NOTHING", "locate_pairs"]

# What is found where nothing is earned.
NOTHING = Optimum((), 0, (), 1)


def locate_pairs(
    hops: Hops, *, premium_bps: int, max_amount_in: int, fewest_units: int
) -> Optimum | None:
    """Return where a cycle of pairs earns most, NOTHING when that is below one unit.

    None means that this is not such a cycle, or that it must be walked: a pair cannot hold the best
    amount, or an amount has no more than the fewest units. The segments are left out.

    Units   smallest units; premium_bps is 1e-4.
    Range   any hops; max_amount_in bounds the input.
    Raises  nothing.
    Source  MATH section 1.
    """
    p, r, s = 1, 0, 1
    sides = []
    for pool, zero_for_one in hops:
        if not isinstance(pool, PairPool):
            return None
        reserve_in, reserve_out = pool.reserve0, pool.reserve1
        if not zero_for_one:
            reserve_in, reserve_out = reserve_out, reserve_in
        if not reserve_in or not reserve_out:
            return None
        kept = PIPS - pool.fee_pips
        gain, base = kept * reserve_out, PIPS * reserve_in
        p, r, s = gain * p, kept * p + base * r, base * s
        sides.append((kept, gain, base, MAX_RESERVE - reserve_in))
    cost = BPS + premium_bps
    earned, owed = BPS * p, cost * s
    if earned <= owed:
        return NOTHING
    root = isqrt(earned * owed)
    amount_in = div_floor(root - owed, cost * r)
    under = r
    if amount_in <= max_amount_in:
        twice = 2 * (earned + owed - 2 * root)
    elif max_amount_in < 1:
        return NOTHING
    else:
        amount_in = max_amount_in
        under = r * amount_in + s
        twice = 2 * (earned - cost * under) * amount_in
    if premium_bps:
        twice += BPS * under
    bound = div_floor(twice, 2 * BPS * under)
    if bound < 1:
        return NOTHING
    amounts = [amount_in]
    for kept, gain, base, most in sides:
        amount = amounts[-1]
        if not fewest_units < amount <= most:
            return None
        amounts.append(div_floor(gain * amount, kept * amount + base))
    return Optimum(tuple(amounts), bound, (), amount_in + div_floor(s, r) + 1)
