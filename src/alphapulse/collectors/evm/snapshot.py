"""A pool's whole state as read from the chain at one block, as values. Pure."""

from dataclasses import dataclass

from alphapulse.collectors.evm.tracker import Track, V3Track

__all__ = ["PoolSnapshot"]


@dataclass(frozen=True, slots=True)
class PoolSnapshot:
    """One pool; `ticks` holds every initialised tick as (tick, liquidity_gross, liquidity_net), rising."""

    pool: bytes
    track: Track
    ticks: tuple[tuple[int, int, int], ...] = ()

    def is_consistent(self) -> bool:
        """Return whether the net liquidity of all ticks up to the price is the active liquidity, and all cancel out."""
        if not isinstance(self.track, V3Track):
            return True
        below = sum(net for tick, _, net in self.ticks if tick <= self.track.tick)
        return below == self.track.liquidity and sum(net for _, _, net in self.ticks) == 0
