"""One pool as a page shows it: its announcement, how fresh it is, and its price block by block."""

from collections import deque
from dataclasses import dataclass, field

from alphapulse.market.freshness import FreshnessTrack
from alphapulse.protocol.market_data import (
    InvalidationAction,
    InvalidationReason,
    StateInvalidation,
)

__all__ = ["Instrument", "PoolView", "PricePoint"]

PRICES_KEPT = 600  # blocks in which the price moved
_Q96 = 2.0**96
_FAULTS = (InvalidationReason.AUDIT_MISMATCH, InvalidationReason.ID_COLLISION)


@dataclass(frozen=True, slots=True)
class Instrument:
    """A pool as InstrumentMeta announced it."""

    venue: int
    address: bytes
    legs: tuple[bytes, ...]
    fee_pips: int


@dataclass(frozen=True, slots=True)
class PricePoint:
    """Marginal price of token0 in token1 at the end of a block, in whole tokens, for display."""

    block: int
    price: float


@dataclass(slots=True)
class PoolView:
    """What messages said of one pool. A price is kept per block; after a reorganisation later blocks are forgotten."""

    instrument: Instrument
    track: FreshnessTrack = field(default_factory=FreshnessTrack)
    points: deque[PricePoint] = field(default_factory=lambda: deque(maxlen=PRICES_KEPT))
    is_pending: bool = False
    event_block: int = 0

    @property
    def order(self) -> tuple[tuple[bytes, ...], int, int, bytes]:
        """Return where the pool stands in lists."""
        pool = self.instrument
        return (pool.legs, pool.venue, pool.fee_pips, pool.address)

    def begin(self, block: int) -> None:
        """Note a new base; it is whole when its block closes."""
        self.track.begin()
        self.is_pending = True
        self.event_block = block

    def complete(self) -> None:
        """Note that the base is whole."""
        self.track.complete()
        self.is_pending = False

    def invalidate(self, notice: StateInvalidation, *, by_name: bool) -> None:
        """Obey a notice that covers this pool, by its name or by its venue's wildcard."""
        track = self.track
        if notice.action == InvalidationAction.RESET:
            track.reset()
            self.is_pending = False
        elif notice.action == InvalidationAction.STALE:
            if notice.reason in _FAULTS:
                track.quarantine(InvalidationReason(notice.reason).name.lower())
            else:
                track.mark_stale()
        elif notice.action == InvalidationAction.RESUME:
            track.resume()
            if by_name:
                track.release()

    def note_root(self, block: int, sqrt_price_x96: int, decimals: tuple[int, int]) -> None:
        """Note the price that a square root in Q64.96 stands for."""
        self._note(block, (sqrt_price_x96 / _Q96) ** 2 * 10.0 ** (decimals[0] - decimals[1]))

    def note_reserves(
        self, block: int, reserve0: int, reserve1: int, decimals: tuple[int, int]
    ) -> None:
        """Note the price that two reserves stand for, none for an empty pool."""
        if reserve0 and reserve1:
            self._note(block, reserve1 / reserve0 * 10.0 ** (decimals[0] - decimals[1]))

    def _note(self, block: int, price: float) -> None:
        points = self.points
        while points and points[-1].block >= block:
            points.pop()
        points.append(PricePoint(block, float(f"{price:.8g}")))
