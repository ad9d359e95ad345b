"""The initialised ticks of a pool in order, and the stops a swap makes among them."""

from bisect import bisect_left, bisect_right

from alphapulse.amm.uniswap_v3.full_math import div_floor
from alphapulse.amm.uniswap_v3.tick_math import MAX_TICK, MIN_TICK

__all__ = ["TickMap"]


class TickMap:
    """The initialised ticks of one pool in order, and how far they are known. One writer."""

    __slots__ = ("known_lower", "known_upper", "nets", "order", "tick_spacing")

    def __init__(
        self,
        nets: dict[int, int],
        tick_spacing: int,
        known_lower: int = MIN_TICK,
        known_upper: int = MAX_TICK,
    ) -> None:
        self.nets = nets
        self.order = sorted(nets)
        self.tick_spacing = tick_spacing
        self.known_lower = known_lower
        self.known_upper = known_upper

    def ends_unknown(self, *, zero_for_one: bool) -> bool:
        """Return whether there may be ticks beyond the known ones in a direction."""
        if zero_for_one:
            return self.known_lower > MIN_TICK
        return self.known_upper < MAX_TICK

    def stop_ahead(self, tick: int, liquidity: int, *, zero_for_one: bool) -> int | None:
        """Return the stop at which the pool's search from this tick ends, None where nothing is left."""
        order, spacing = self.order, self.tick_spacing
        position = bisect_right(order, tick)
        compressed = div_floor(tick, spacing)
        if zero_for_one:
            stop = max(MIN_TICK, (compressed >> 8 << 8) * spacing)
            if position and (liquidity == 0 or order[position - 1] > stop):
                stop = order[position - 1]
            elif liquidity == 0:
                return None
            return stop if stop >= self.known_lower else None
        stop = min(MAX_TICK, (compressed + 1 | 255) * spacing)
        if position < len(order) and (liquidity == 0 or order[position] < stop):
            stop = order[position]
        elif liquidity == 0:
            return None
        return stop if stop <= self.known_upper else None

    def stop_behind(self, tick: int, liquidity: int, *, zero_for_one: bool) -> int | None:
        """Return the stop after which the pool's search would end at this tick."""
        order, spacing = self.order, self.tick_spacing
        if zero_for_one:
            position = bisect_right(order, tick)
            stop = ((div_floor(tick, spacing) >> 8) + 1 << 8) * spacing
            if position < len(order) and (liquidity == 0 or order[position] < stop):
                stop = order[position]
            elif liquidity == 0:
                return None
            return stop if stop < MAX_TICK else None
        position = bisect_left(order, tick)
        stop = ((div_floor(tick - 1, spacing) + 1 >> 8 << 8) - 1) * spacing
        if position and (liquidity == 0 or order[position - 1] > stop):
            stop = order[position - 1]
        elif liquidity == 0:
            return None
        return stop if stop > MIN_TICK else None
