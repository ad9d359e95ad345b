"""A pool's whole state at one block, as read from the chain or as made from logs. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from alphapulse.collectors.evm.tracker import Track, V3Track, track_after
from alphapulse.errors import DecodeError
from alphapulse.evm.logs import LogEntry, PoolLog, V3Burn, V3Initialize, V3Mint, decode_log

__all__ = ["PoolSnapshot", "born_in", "snapshot_after"]


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


def snapshot_after(snapshot: PoolSnapshot, logs: Iterable[LogEntry]) -> PoolSnapshot:
    """Return the pool after the logs that are its own, in chain order.

    Raises  DecodeError when one of them is malformed.
    """
    track = snapshot.track
    ticks = {tick: (gross, net) for tick, gross, net in snapshot.ticks}
    for entry in logs:
        if entry.address != snapshot.pool:
            continue
        log = decode_log(entry)
        if isinstance(log, V3Mint | V3Burn) and isinstance(track, V3Track):
            _change_ticks(ticks, log)
        track = track_after(track, log)
    rows = tuple((tick, *ticks[tick]) for tick in sorted(ticks))
    return PoolSnapshot(snapshot.pool, track, rows)


def born_in(logs: Iterable[LogEntry], pool: bytes) -> PoolSnapshot | None:
    """Return the whole state of a V3 pool that got its first price in these logs, None if it did not.

    Before its first price a pool holds no liquidity, so that its logs say everything.

    Raises  DecodeError when one of its logs is malformed.
    """
    own = [entry for entry in logs if entry.address == pool]
    if not any(isinstance(decode_log(entry), V3Initialize) for entry in own):
        return None
    return snapshot_after(PoolSnapshot(pool, V3Track(0, 0, 0)), own)


def _change_ticks(ticks: dict[int, tuple[int, int]], log: PoolLog) -> None:
    assert isinstance(log, V3Mint | V3Burn)
    change = log.liquidity if isinstance(log, V3Mint) else -log.liquidity
    if change == 0:
        return  # the owner collects fees
    for tick, net in ((log.tick_lower, change), (log.tick_upper, -change)):
        old_gross, old_net = ticks.get(tick, (0, 0))
        gross = old_gross + change
        if gross < 0:
            raise DecodeError("bad_value", 0, f"more liquidity leaves tick {tick} than it has")
        ticks[tick] = (gross, old_net + net)
        if gross == 0:
            del ticks[tick]
