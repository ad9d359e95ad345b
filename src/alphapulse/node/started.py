"""What a screen is told of a node that is about to trade, however the node runs."""

from collections.abc import Mapping
from dataclasses import dataclass

from alphapulse.dashboard.replica import Replica
from alphapulse.execution.gate import TradingState

__all__ = ["Started"]


@dataclass(frozen=True, slots=True)
class Started:
    """The replica follows the run; `processes` are process numbers by service, none where there is one process."""

    replica: Replica
    is_live: bool
    trading: TradingState
    page: str | None
    processes: Mapping[str, int]
