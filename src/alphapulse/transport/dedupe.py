"""Whether a message was taken already, by (domain, source, epoch, sequence), in bounded memory."""

from alphapulse.errors import InvariantError

__all__ = ["RUNS_REMEMBERED", "Seen"]

RUNS_REMEMBERED = 4_096
"""Runs of producers per process: every producer of a deployment in every partition, with several restarts each."""


class Seen:
    """Remembers the highest sequence of each run of a producer, per lane.

    A lane is a way in which the messages of one producer arrive in rising order: the whole domain, or one partition.
    A sequence that does not rise in its lane is a repeat. The run that was quiet longest is forgotten first.
    """

    __slots__ = ("_highest", "_most_runs", "repeats")

    def __init__(self, *, most_runs: int = RUNS_REMEMBERED) -> None:
        if most_runs < 1:
            raise InvariantError(f"`most_runs` must be above 0, was {most_runs}")
        self._most_runs = most_runs
        self._highest: dict[tuple[str, int, int, int], int] = {}
        self.repeats = 0

    def __len__(self) -> int:
        """Return how many runs are remembered."""
        return len(self._highest)

    def is_repeat(self, lane: str, domain: int, source: int, *, epoch: int, sequence: int) -> bool:
        """Return whether the message was taken before, and remember it if it was not."""
        key = (lane, domain, source, epoch)
        highest = self._highest.pop(key, 0)
        is_repeat = sequence <= highest
        self._highest[key] = max(highest, sequence)
        if is_repeat:
            self.repeats += 1
        elif len(self._highest) > self._most_runs:
            del self._highest[next(iter(self._highest))]
        return is_repeat
