"""The one sentence above everything: what the node does now, and how alarming that is."""

from dataclasses import dataclass

from alphapulse.dashboard import text
from alphapulse.dashboard.facts import Facts
from alphapulse.dashboard.replica import Replica
from alphapulse.dashboard.theme import ALARM, CALM, PRACTICE, WAITING, WARNING
from alphapulse.market.freshness import Freshness
from alphapulse.protocol.execution import Breaker, StopAction
from alphapulse.protocol.signals import StrategyId

__all__ = ["Status", "status_of"]

SILENT_NS = 60 * 10**9  # five blocks of the slowest chain that is supported


@dataclass(frozen=True, slots=True)
class Status:
    """Name, explanation, and colours (background, border, text)."""

    name: str
    detail: str
    colours: tuple[str, str, str]


def status_of(replica: Replica, facts: Facts, now_ns: int) -> Status:
    """Return the gravest thing that is true."""
    if replica.stops:
        return Status("trading stopped", _stops(replica), ALARM)
    if not replica.block:
        return Status("starting", "no block was closed yet", WAITING)
    pools = replica.pools()
    unusable = sum(view.track.status in _UNUSABLE for view in pools)
    if unusable:
        detail = f"{unusable} of {len(pools)} pools cannot be used; nothing is decided on them"
        return Status("state stale", detail, WARNING)
    if now_ns - replica.block_ns > SILENT_NS:
        detail = f"the last block was closed {text.age(now_ns - replica.block_ns)}"
        return Status("no news", detail, WARNING)
    if not facts.is_live:
        detail = "nothing is sent to the chain; results are simulated and never booked"
        return Status("dry run", detail, PRACTICE)
    return Status("watching", f"{len(pools)} pools, transactions are sent", CALM)


_UNUSABLE = (Freshness.STALE, Freshness.QUARANTINED)


def _stops(replica: Replica) -> str:
    said = []
    for strategy, stop in sorted(replica.stops.items()):
        whom = "all strategies" if strategy == StrategyId.ALL else f"strategy {strategy}"
        try:
            why = Breaker(stop.reason).name.lower().replace("_", " ")
        except ValueError:
            why = f"reason {stop.reason}"
        deed = "must leave the market" if stop.action == StopAction.EXIT else "paused"
        said.append(f"{whom} {deed}: {why}")
    return "; ".join(said)
