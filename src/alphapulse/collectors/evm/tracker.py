"""The few numbers of each pool that logs determine, kept only to compare them with the chain. Pure.

V2: both reserves. V3: price, tick, active liquidity. The market room has the whole state; this is the collector's own
check that it delivered every log.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

from alphapulse.evm.logs import (
    PoolLog,
    V2Sync,
    V3Burn,
    V3Initialize,
    V3Mint,
    V3Swap,
)

__all__ = ["PoolTracker", "Track", "V2Track", "V3Track", "track_after"]


@dataclass(frozen=True, slots=True)
class V2Track:
    """Reserves."""

    reserve0: int
    reserve1: int


@dataclass(frozen=True, slots=True)
class V3Track:
    """Price, tick and active liquidity."""

    sqrt_price_x96: int
    tick: int
    liquidity: int


Track: TypeAlias = V2Track | V3Track


class PoolTracker:
    """Folds decoded logs; only the collector writes to it."""

    __slots__ = ("_tracks",)

    def __init__(self, tracks: Mapping[bytes, Track]) -> None:
        self._tracks = dict(tracks)

    def copy(self) -> "PoolTracker":
        """Return a tracker that starts from the same numbers, for a fold that may be thrown away."""
        return PoolTracker(self._tracks)

    def apply(self, pool: bytes, log: PoolLog) -> None:
        """Fold one log of a pool; a pool that was never read stays unknown."""
        track = self._tracks.get(pool)
        if track is not None:
            self._tracks[pool] = track_after(track, log)

    def put(self, pool: bytes, track: Track) -> None:
        """Take a pool's numbers as read from the chain."""
        self._tracks[pool] = track

    def expected(self, pool: bytes) -> Track | None:
        """Return what the chain should answer now, or None for an unknown pool."""
        return self._tracks.get(pool)


def track_after(track: Track, log: PoolLog) -> Track:
    """Return a pool's numbers after a log; one of the other kind of pool changes nothing."""
    if isinstance(track, V2Track):
        return V2Track(log.reserve0, log.reserve1) if isinstance(log, V2Sync) else track
    if isinstance(log, V3Swap):
        return V3Track(log.sqrt_price_x96, log.tick, log.liquidity)
    if isinstance(log, V3Initialize):
        return V3Track(log.sqrt_price_x96, log.tick, 0)
    if isinstance(log, V3Mint | V3Burn) and log.tick_lower <= track.tick < log.tick_upper:
        change = log.liquidity if isinstance(log, V3Mint) else -log.liquidity
        return replace(track, liquidity=track.liquidity + change)
    return track
