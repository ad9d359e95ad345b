"""Whether a pool's state may be used: syncing, live, stale or quarantined. Only live state may be used."""

from enum import StrEnum, unique

__all__ = ["Freshness", "FreshnessTrack"]


@unique
class Freshness(StrEnum):
    """How far a pool's state can be trusted."""

    SYNCING = "syncing"
    LIVE = "live"
    STALE = "stale"
    QUARANTINED = "quarantined"


class FreshnessTrack:
    """The facts that decide one pool's freshness.

    A pool is syncing until its base is complete. It is stale between a stale and a resume notice. A fault in its own data
    quarantines it until a new base, a property of the instrument (a tax on transfers, a collision) until the announcement
    changes.
    """

    __slots__ = ("cause", "is_complete", "is_faulty", "is_stale", "refusal")

    def __init__(self) -> None:
        self.is_complete = False
        self.is_stale = False
        self.is_faulty = False
        self.refusal = ""
        self.cause = ""

    @property
    def is_refused(self) -> bool:
        """Whether the instrument itself is not to be priced; `refusal` names why."""
        return self.refusal != ""

    @property
    def status(self) -> Freshness:
        """The freshness that the facts add up to."""
        if self.is_faulty or self.is_refused:
            return Freshness.QUARANTINED
        if not self.is_complete:
            return Freshness.SYNCING
        return Freshness.STALE if self.is_stale else Freshness.LIVE

    @property
    def is_live(self) -> bool:
        """Whether the state may be used."""
        return self.is_complete and not (self.is_stale or self.is_faulty or self.refusal)

    def begin(self) -> None:
        """Note that a new base begins to arrive: what was wrong with the old data is gone with it."""
        self.is_complete = False
        self.is_faulty = False
        self.cause = ""

    def complete(self) -> None:
        """Note that the base is whole."""
        self.is_complete = True

    def reset(self) -> None:
        """Note that all state is discarded; only a new base makes the pool usable."""
        self.begin()
        self.is_stale = False

    def mark_stale(self) -> None:
        """Note that the state is unusable and kept for repair."""
        self.is_stale = True

    def resume(self) -> None:
        """Note that the state was verified and is usable again."""
        self.is_stale = False

    def quarantine(self, cause: str) -> None:
        """Note that the pool's data contradicts itself or the chain; the first cause is kept as evidence."""
        self.is_faulty = True
        self.cause = self.cause or cause

    def release(self) -> None:
        """End the quarantine: a verification named this very pool."""
        self.is_faulty = False
        self.cause = ""
