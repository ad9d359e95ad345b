"""The one label that every candidate ends with, and the count of each."""

from dataclasses import dataclass
from enum import StrEnum, unique

__all__ = ["RANK", "Funnel", "FunnelStatistics", "Outcome"]


@unique
class Outcome(StrEnum):
    """What became of a candidate, in the order of how far it came: the first is farthest. The places are a contest's codes."""

    SIGNALLED = "signalled"
    OVERLAPPING = "overlapping"
    BELOW_MIN_PROFIT = "below_min_profit"
    BELOW_GAS = "below_gas"
    GAS_LIMIT = "gas_limit"
    OUT_OF_RANGE = "out_of_range"
    LOAN_LIMIT = "loan_limit"
    NO_PRICE = "no_price"
    NO_PROFIT = "no_profit"
    SUPPRESSED = "suppressed"
    POOL_BUSY = "pool_busy"
    POOL_STALE = "pool_stale"
    NOT_EXECUTABLE = "not_executable"
    STOPPED = "stopped"


RANK = {outcome: rank for rank, outcome in enumerate(Outcome)}


@dataclass(frozen=True, slots=True)
class FunnelStatistics:
    """Counts since the start: blocks decided on, sums of rates looked at, candidates, sizings, and candidates per outcome."""

    blocks: int
    screened: int
    candidates: int
    sized: int
    outcomes: dict[str, int]


class Funnel:
    """Counts candidates in and outcomes out; the two sums are equal after every block."""

    __slots__ = ("_outcomes", "blocks", "candidates", "screened", "sized")

    def __init__(self) -> None:
        self.blocks = 0
        self.screened = 0
        self.candidates = 0
        self.sized = 0
        self._outcomes = dict.fromkeys(Outcome, 0)

    def end(self, outcome: Outcome, count: int) -> None:
        """Note the end of so many candidates."""
        self._outcomes[outcome] += count

    def statistics(self) -> FunnelStatistics:
        """Return a frozen view of the counts."""
        return FunnelStatistics(
            self.blocks,
            self.screened,
            self.candidates,
            self.sized,
            {outcome.value: count for outcome, count in self._outcomes.items()},
        )
