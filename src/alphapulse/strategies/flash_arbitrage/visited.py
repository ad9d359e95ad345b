"""Which ticks of a pool its price has passed since we look at it: their slots hold something, so crossing them again is cheaper.

A price moves along every tick between two places where it was seen, so one range for each pool tells. Ticks that were minted inside of it
later are taken for passed: an estimate of gas may be too low by their first writes, a gas limit never counts on this.
"""

from alphapulse.amm.kernel import ConcentratedPool
from alphapulse.amm.uniswap_v3.tick_math import sqrt_ratio_at_tick
from alphapulse.errors import Rejected
from alphapulse.market.pool import PoolKey
from alphapulse.primitives.units import div_floor

__all__ = ["VisitedTicks"]


class VisitedTicks:
    """The range of ticks in which each pool's price was seen; one pair of numbers for each pool that was ever looked at."""

    __slots__ = ("_ranges",)

    def __init__(self) -> None:
        self._ranges: dict[PoolKey, tuple[int, int]] = {}

    def note(self, key: PoolKey, tick: int) -> tuple[int, int]:
        """Note where the price of a pool is; return the range of all such places."""
        low, high = self._ranges.get(key, (tick, tick))
        if not low <= tick <= high or key not in self._ranges:
            self._ranges[key] = low, high = min(low, tick), max(high, tick)
        return low, high

    def known(
        self, key: PoolKey, pool: ConcentratedPool, amount_in: int, zero_for_one: bool
    ) -> int:
        """Return how many of the ticks that an exact input crosses the price has surely passed before."""
        low, high = self.note(key, pool.tick)
        if low == high:
            return 0
        price = pool.sqrt_price_x96
        if zero_for_one:
            factor = div_floor(price << 64, sqrt_ratio_at_tick(low))
        else:
            factor = div_floor(sqrt_ratio_at_tick(high) << 64, price)
        if factor <= 1 << 64:
            return 0
        try:
            # one unit less than what reaches the first stop at or past the end of the range
            inside = pool.input_to_fall(factor, zero_for_one) - 1
            return pool.ticks_crossed(min(amount_in, inside), zero_for_one) if inside > 0 else 0
        except Rejected:
            return 0
