"""What each producer said last, in memory, to be said again byte for byte."""

from collections import deque
from collections.abc import Iterator

from alphapulse.relays.run import Run

__all__ = ["Journal"]


class Journal:
    """The last messages of one source's present run, as the runs they came in.

    The last `most` are kept, fewer when they have more than `most_bytes`.
    """

    __slots__ = ("_most", "_most_bytes", "_runs", "bytes", "messages")

    def __init__(self, most: int, most_bytes: int) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self.bytes = 0
        self._runs: deque[Run] = deque()
        self.messages = 0

    def add(self, run: Run) -> None:
        """Keep a run whose sequences rise without a hole; the oldest give way."""
        runs = self._runs
        runs.append(run)
        self.messages += len(run.sequences)
        self.bytes += len(run.data)
        while self.messages - len(runs[0].sequences) >= self._most or self.bytes > self._most_bytes:
            gone = runs.popleft()
            self.messages -= len(gone.sequences)
            self.bytes -= len(gone.data)
            if not runs:
                return

    def clear(self) -> None:
        """Begin another run of the producer."""
        self._runs.clear()
        self.messages = self.bytes = 0

    def first_sequence(self) -> int:
        """Return the lowest sequence that is kept, 0 when nothing is."""
        return self._runs[0].sequences[0] if self._runs else 0

    def between(self, first: int, last: int) -> list[Run] | None:
        """Return the messages `first` to `last`, None unless every one of them is kept."""
        found = list(self._overlapping(first, last))
        if not found or found[0].sequences[0] != first or found[-1].sequences[-1] != last:
            return None
        if sum(map(len, found)) != last - first + 1:
            return None
        return found

    def _overlapping(self, first: int, last: int) -> Iterator[Run]:
        for run in self._runs:
            sequences = run.sequences
            if sequences[-1] < first:
                continue
            if sequences[0] > last:
                return
            begin = max(first - sequences[0], 0)
            yield run.part(begin, min(last - sequences[0] + 1, len(sequences)))
