"""The last word on everything that still holds: base messages and what followed them, as original bytes.

A message is kept as long as something refers to it: a key whose base it is, or an instrument whose base it follows.
Keys begin with the source in market data, where two producers may cover one instrument; elsewhere a source may end
what another began (an order and its status).
"""

from collections import defaultdict

from alphapulse.protocol.header import Domain
from alphapulse.relays.contents import Frame, pool_id
from alphapulse.relays.run import Run
from alphapulse.relays.shapes import Shape
from alphapulse.relays.subscription import Filter

__all__ = ["Snapshots"]

Key = tuple[object, ...]
_META, _QUOTE, _LIQUIDITY, _DELTA, _PARAMS, _RESERVES = 4, 2, 5, 6, 9, 10
_SWAP, _TICK, _STATE, _SYNC, _BOOK, _GAS, _INVALIDATION = 11, 14, 15, 16, 17, 18, 106
_META_BIT = 1 << _META
_POOL_BASES = (_PARAMS, _RESERVES, _STATE)
_POOL_EVENTS = (_LIQUIDITY, _SWAP, _SYNC)
_IDENTITY, _REFERENCE, _CROSS, _ARBITRAGE, _PATH = 20, 25, 31, 32, 34
_ORDER, _STATUS, _FILL, _BALANCE, _RESULT, _STOP, _STARTED = 40, 41, 42, 48, 50, 51, 52
_POSITION, _BREAKER, _HEALTH = 61, 71, 107
_TYPES = {
    Domain.MARKET: (_META, _QUOTE, _DELTA, *_POOL_BASES, *_POOL_EVENTS, _TICK, _BOOK, _GAS, _INVALIDATION),
    Domain.SIGNAL: (_IDENTITY, _CROSS, _ARBITRAGE, _PATH),
    Domain.EXECUTION: (_ORDER, _STATUS, _FILL, _BALANCE, _RESULT, _STOP, _STARTED, _POSITION, _BREAKER),
    Domain.SYSTEM: (_HEALTH,),
}  # fmt: skip
_ENDED = (3, 4, 5, 6)  # OrderStatus: filled, cancelled, rejected, expired
_RESET, _STALE = 1, 2  # StateInvalidation
_ENDS = 2  # EmergencyStop: resume; CircuitBreaker: reset
_FINAL = 1  # ExecutionResult.flags
_WILDCARD = bytes(10)
_SIGNAL_NS = 60_000_000_000
_SIGNALS = 4_096
"""Signals that are remembered: each is valid for a few blocks, so this is minutes of any market."""


class _Kept:
    __slots__ = ("data", "is_meta", "references")

    def __init__(self, data: bytes, *, is_meta: bool) -> None:
        self.data = data
        self.is_meta = is_meta
        self.references = 0


class Snapshots:
    """What one relay keeps, for all its sources. `most_after` bounds what may follow a base."""

    def __init__(self, domain: int, *, most_after: int, most_bytes: int) -> None:
        self._domain = domain
        self._most_after = most_after
        self._most_bytes = most_bytes
        self._fold_domain = {
            Domain.MARKET: self._market,
            Domain.SIGNAL: self._signal,
            Domain.EXECUTION: self._execution,
            Domain.SYSTEM: self._system,
        }[Domain(domain)]
        self._interest = sum(1 << number for number in _TYPES[Domain(domain)])
        self._kept: defaultdict[int, dict[int, _Kept]] = defaultdict(dict)
        self._base: dict[Key, tuple[int, int]] = {}
        self._after: dict[Key, list[tuple[int, int]]] = {}
        self._groups: dict[Key, set[Key]] = {}
        self._signals: dict[Key, tuple[int, int, int]] = {}
        self._heads: dict[int, int] = {}
        self._wanting: set[int] = set()
        self._folded = 0
        self.bytes = 0

    def count(self, source: int) -> int:
        """Return how many messages of a source are kept."""
        return len(self._kept[source]) if source in self._kept else 0

    def wanting(self) -> set[int]:
        """Return the sources whose base is missing or too long ago, and forget that they were asked for."""
        found, self._wanting = self._wanting, set()
        return found

    def fold(self, run: Run) -> None:
        """Take the next messages of a source."""
        interest = self._interest
        shapes = run.shapes()
        if not any(shape.types & interest for shape in set(shapes)):
            return
        for index, shape in enumerate(shapes):
            if shape.types & interest:
                self._fold_one(run, index, shape)

    def of(self, source: int, chosen: Filter) -> list[bytes]:
        """Return what is kept of a source and matches: announcements first, then the rest in sequence order."""
        held = self._kept.get(source, {})
        if self._domain == Domain.SIGNAL:
            self._expire()
        first: list[bytes] = []
        rest: list[bytes] = []
        for place in sorted(held):
            kept = held[place]
            message = Run.of(kept.data, source, 0, 0)
            if chosen.is_everything or chosen.matches(message.types(0), message.instruments(0)):
                (first if kept.is_meta else rest).append(kept.data)
        return first + rest

    def drop_venues(self, source: int, venues: set[bytes]) -> None:
        """Forget the state of every instrument of these venues; their announcements stay."""
        for venue in venues:
            self._reset(source, venue + _WILDCARD)

    def doubt(self, source: int) -> None:
        """Forget the state of every instrument of a source, since it may be wrong, and ask for a fresh base."""
        for group in [one for one in self._groups if one[0] == source]:
            self._forget(group)
        self._wanting.add(source)

    def forget_source(self, source: int) -> None:
        """Forget everything of a source of market data: its run has ended."""
        self.doubt(source)
        for key in [key for key in self._base if key[0] == source]:
            self._drop(key)
        self._wanting.discard(source)

    # one message

    def _fold_one(self, run: Run, index: int, shape: Shape) -> None:
        self._folded += 1
        place = (run.source, self._folded)  # sequences begin anew with each run, this does not
        message = run.message(index)
        kept = _Kept(message, is_meta=bool(shape.types & _META_BIT))
        kept.references = 1
        self._kept[run.source][place[1]] = kept
        self.bytes += len(kept.data)
        self._fold_domain(place, message, shape.frames)
        self._release(place)
        if self.bytes > self._most_bytes:
            self.doubt(run.source)

    def _market(self, place: tuple[int, int], data: bytes, frames: tuple[Frame, ...]) -> None:
        source = place[0]
        for number, at, _ in frames:
            if number in _POOL_BASES or number in _POOL_EVENTS or number == _TICK:
                pool = (source, pool_id(data, at, at + 2))
                if number == _STATE:
                    self._rebase(pool)
                if number in _POOL_EVENTS:
                    self._follow(pool, place)
                elif number == _TICK:
                    self._set((*pool, _TICK, data[at + 22 : at + 26]), place, pool)
                else:
                    self._set((*pool, number), place, pool)
            elif number == _META:
                self._set((source, _META, data[at : at + 12]), place)
            elif number == _QUOTE:
                self._set((source, data[at : at + 12], _QUOTE), place, (source, data[at : at + 12]))
            elif number == _BOOK:
                self._book((source, data[at : at + 12]), place, data[at + 28])
            elif number == _DELTA:
                self._follow((source, data[at : at + 12]), place)
            elif number == _GAS:
                self._set((source, _GAS, data[at : at + 8]), place)
            elif number == _INVALIDATION:
                self._invalidate(place, data[at : at + 12], data[at + 12])

    def _book(self, instrument: Key, place: tuple[int, int], part: int) -> None:
        if part == 0:
            self._rebase(instrument)
        self._set((*instrument, _BOOK, part), place, instrument)

    def _invalidate(self, place: tuple[int, int], instrument: bytes, action: int) -> None:
        if action == _RESET:
            self._reset(place[0], instrument)
            return
        key = (place[0], instrument)
        if instrument[2:] == _WILDCARD:
            if action == _STALE:
                self._clear_after(key)
            self._groups.setdefault(key, set())
        self._follow(key, place)

    def _signal(self, place: tuple[int, int], data: bytes, frames: tuple[Frame, ...]) -> None:
        last_block = chain = signal = None
        for number, at, _ in frames:
            if number == _ARBITRAGE:
                chain = int.from_bytes(data[at + 12 : at + 16], "little")
                last_block = int.from_bytes(data[at + 224 : at + 232], "little")
                observed = int.from_bytes(data[at + 232 : at + 240], "little")
                self._heads[chain] = max(self._heads.get(chain, 0), observed)
            elif number == _REFERENCE and last_block is None:
                last_block = int.from_bytes(data[at + 8 : at + 16], "little")
            elif number == _IDENTITY:
                chain = int.from_bytes(data[at + 15 : at + 19], "little")
            if number in (_ARBITRAGE, _CROSS, _PATH) and signal is None:
                signal = data[at : at + 8]
            elif number == _IDENTITY and signal is None:
                signal = data[at + 2 : at + 10]
        if signal is None:
            return
        key = (place[0], signal)
        self._set(key, place)
        stamp = int.from_bytes(self._kept[place[0]][place[1]].data[20:28], "little")
        self._signals.pop(key, None)
        self._signals[key] = (stamp, chain or 0, last_block or 0)
        while len(self._signals) > _SIGNALS:
            self._forget_signal(next(iter(self._signals)))

    def _expire(self) -> None:
        newest = max((stamp for stamp, _, _ in self._signals.values()), default=0)
        for key, (stamp, chain, last_block) in tuple(self._signals.items()):
            is_past = bool(last_block) and last_block < self._heads.get(chain, 0)
            if is_past or newest - stamp > _SIGNAL_NS:
                self._forget_signal(key)

    def _forget_signal(self, key: Key) -> None:
        del self._signals[key]
        self._drop(key)

    def _execution(self, place: tuple[int, int], data: bytes, frames: tuple[Frame, ...]) -> None:
        for number, at, _ in frames:
            if number == _ORDER:
                order = (_ORDER, data[at : at + 8])
                self._set(order, place, order)
            elif number in (_STATUS, _FILL):
                order = (_ORDER, data[at : at + 8])
                self._follow(order, place)
                if number == _STATUS and data[at + 8] in _ENDED:
                    self._forget(order)
            elif number == _STARTED:
                self._set((_STARTED, data[at : at + 8]), place)
            elif number == _RESULT:
                if data[at + 141] & _FINAL:
                    self._drop((_STARTED, data[at : at + 8]))
            elif number == _STOP:
                self._latch((_STOP, data[at + 2 : at + 4]), place, data[at + 1])
            elif number == _BREAKER:
                target = data[at + 2 : at + 4] + data[at + 12 : at + 24]
                self._latch((_BREAKER, data[at], data[at + 1], target), place, data[at + 4])
            elif number == _POSITION:
                self._set((_POSITION, data[at : at + 2], data[at + 4 : at + 16]), place)
            elif number == _BALANCE:
                self._set((_BALANCE, data[at + 14 : at + 16], data[at : at + 12]), place)

    def _latch(self, key: Key, place: tuple[int, int], action: int) -> None:
        if action == _ENDS:
            self._drop(key)
        else:
            self._set(key, place)

    def _system(self, place: tuple[int, int], data: bytes, frames: tuple[Frame, ...]) -> None:
        for number, at, _ in frames:
            if number == _HEALTH:
                self._set((_HEALTH, data[at]), place)

    # what is referred to

    def _set(self, key: Key, place: tuple[int, int], group: Key | None = None) -> None:
        """Make a message the base of a key, in place of the one before; `group` holds keys that fall together."""
        self._retain(place)
        before = self._base.get(key)
        self._base[key] = place
        if before is not None:
            self._release(before)
        if group is not None:
            self._groups.setdefault(group, set()).add(key)

    def _follow(self, group: Key, place: tuple[int, int]) -> None:
        """Keep a message behind the base of a group; without a base it is no use, and one is asked for."""
        if group not in self._groups:
            if self._domain == Domain.MARKET:
                self._wanting.add(place[0])
            return
        after = self._after.setdefault(group, [])
        if after and after[-1] == place:
            return
        self._retain(place)
        after.append(place)
        if len(after) > self._most_after:
            self._wanting.add(place[0])
            if len(after) > 2 * self._most_after:
                self._forget(group)

    def _rebase(self, group: Key) -> None:
        """Forget what a fresh base replaces: its parts and what followed."""
        self._forget(group)

    def _reset(self, source: int, instrument: bytes) -> None:
        if instrument[2:] != _WILDCARD:
            self._forget((source, instrument))
            return
        for group in tuple(self._groups):
            if group[0] == source and group[1][:2] == instrument[:2]:  # type: ignore[index]  # market groups are (source, id)
                self._forget(group)

    def _forget(self, group: Key) -> None:
        for key in self._groups.pop(group, ()):
            self._drop(key)
        self._clear_after(group)

    def _clear_after(self, group: Key) -> None:
        for place in self._after.pop(group, ()):
            self._release(place)

    def _drop(self, key: Key) -> None:
        place = self._base.pop(key, None)
        if place is not None:
            self._release(place)

    def _retain(self, place: tuple[int, int]) -> None:
        self._kept[place[0]][place[1]].references += 1

    def _release(self, place: tuple[int, int]) -> None:
        held = self._kept[place[0]]
        kept = held[place[1]]
        kept.references -= 1
        if not kept.references:
            self.bytes -= len(kept.data)
            del held[place[1]]
