"""One consumer's view of a sharded stream: each instrument in its producer's order, wherever its messages come from.

Shards carry the producers' own sequences with holes. When an instrument changes shards, both say so in the same words at
the same place of the producer's order: a message of sequence 0 with SequenceSync (reason 2, next_sequence p) and a
StateInvalidation (action 3, reason 5) for each instrument concerned. It is a barrier: what the producer said from p on waits
until both shards have reached it. A consumer that joins waits until all shards have reached the latest of the places where
it joined them, because a shard it joined early may still owe it what a shard it joined late has handed over.
"""

from collections import deque
from typing import Generic, TypeVar

__all__ = ["ShardMerge"]

T = TypeVar("T")
_HELD = 10_000
"""Messages that may wait, as in the recovery of a gap; beyond it the state has to be had anew."""
_SEEN = 65_536
"""Sequences that are remembered to drop what came over another shard too."""
_BOTH = 2


class ShardMerge(Generic[T]):
    """Orders the messages of one source that arrive over several shards."""

    __slots__ = (
        "_barriers",
        "_held",
        "_joined",
        "_joining",
        "_latest",
        "_passed",
        "_seen",
        "_seen_order",
        "_shards",
        "_waiting",
        "overflows",
    )

    def __init__(self, shards: int) -> None:
        self._shards = shards
        self._passed: dict[int, int] = {}
        self._joined: dict[int, int] = {}
        self._joining = True
        self._latest = 0
        self._barriers: dict[bytes, dict[int, set[int]]] = {}
        self._waiting: dict[bytes, list[tuple[int, T]]] = {}
        self._held = 0
        self._seen: set[int] = set()
        self._seen_order: deque[int] = deque()
        self.overflows = 0

    def joined(self, shard: int, next_sequence: int) -> list[T]:
        """Hear a shard from here on; everything waits until the others have come as far."""
        self._passed[shard] = self._joined[shard] = next_sequence
        self._joining = True
        return self._settle_join()

    def lost(self, shard: int) -> list[T]:
        """Expect nothing of a shard until it is joined again; what its instruments were is invalid."""
        self._passed.pop(shard, None)
        self._joined.pop(shard, None)
        for barriers in self._barriers.values():
            for heard in barriers.values():
                heard.add(shard)
        return [one for instrument in tuple(self._barriers) for one in self._settle(instrument)]

    def passed(self, shard: int, next_sequence: int) -> list[T]:
        """Learn that a shard has passed on everything below `next_sequence`; return what that lets go."""
        self._passed[shard] = max(self._passed.get(shard, 0), next_sequence)
        return self._settle_join() if self._joining else []

    def handover(self, shard: int, next_sequence: int, instrument: bytes) -> list[T]:
        """Hear a barrier; return what had waited for its second half."""
        self._passed[shard] = max(self._passed.get(shard, 0), next_sequence)
        if (
            self._joining or next_sequence > self._latest
        ):  # every shard has passed what lies before the others
            barriers = self._barriers.setdefault(instrument, {})
            barriers.setdefault(next_sequence, set()).add(shard)
        return self._settle_join() if self._joining else self._settle(instrument)

    def take(self, sequence: int, instrument: bytes | None, message: T) -> list[T]:
        """Return the messages that may be used now; None as instrument stands for none, several or a whole venue."""
        if sequence in self._seen:
            return []
        self._remember(sequence)
        if instrument is None:
            return [message]
        if not self._joining and instrument not in self._barriers:
            return [message]
        self._waiting.setdefault(instrument, []).append((sequence, message))
        self._held += 1
        if self._held > _HELD:
            return self._give_up()
        return [] if self._joining else self._settle(instrument)

    def restarted(self) -> None:
        """Begin another run of the source, whose sequences begin at 1."""
        self._passed = dict.fromkeys(self._passed, 1)
        self._joined = dict.fromkeys(self._joined, 1)
        self._latest = 1
        self._barriers.clear()
        self._waiting.clear()
        self._held = 0
        self._seen.clear()
        self._seen_order.clear()

    def _remember(self, sequence: int) -> None:
        self._seen.add(sequence)
        self._seen_order.append(sequence)
        if len(self._seen_order) > _SEEN:
            self._seen.discard(self._seen_order.popleft())

    def _settle_join(self) -> list[T]:
        """End the joining when every shard has come as far as the one joined last."""
        if len(self._joined) < self._shards:
            return []
        latest = max(self._joined.values())
        if min(self._passed.values()) < latest:
            return []
        self._joining = False
        self._latest = latest
        for barriers in self._barriers.values():
            for place in [place for place in barriers if place <= latest]:
                del barriers[place]
        touched = self._waiting.keys() | self._barriers.keys()
        return [one for instrument in sorted(touched) for one in self._settle(instrument)]

    def _settle(self, instrument: bytes) -> list[T]:
        """Give out, in sequence, what lies before the first barrier that only one shard has reached."""
        barriers = self._barriers.get(instrument, {})
        for place in sorted(barriers):
            if len(barriers[place]) < _BOTH:
                break
            del barriers[place]
        if not barriers:
            self._barriers.pop(instrument, None)
        first = min(barriers, default=None)
        waiting = sorted(self._waiting.pop(instrument, ()), key=lambda one: one[0])
        ready = [message for sequence, message in waiting if first is None or sequence < first]
        if len(ready) < len(waiting):
            self._waiting[instrument] = waiting[len(ready) :]
        self._held -= len(ready)
        return ready

    def _give_up(self) -> list[T]:
        """Let everything go in sequence: too much waits for a shard that does not say where it stands."""
        self.overflows += 1
        waiting = sorted(
            (one for held in self._waiting.values() for one in held), key=lambda one: one[0]
        )
        self._waiting.clear()
        self._barriers.clear()
        self._joining = False
        self._held = 0
        return [message for _, message in waiting]
