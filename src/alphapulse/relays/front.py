"""The relay of market data towards its shards: it splits one checked stream by instrument and moves instruments.

A shard is a consumer with role 4 (relay) whose name is `shard:<tier>`. It hears what belongs to its tier. What names no
instrument, announces one or names a venue goes to every shard; who listens to several drops repeats by sequence. To move
an instrument, in one turn of the loop: the shard that gains it gets its kept messages, the one that loses it is told to
forget them, and both get the barrier that `transport.merging` describes, which they pass on; then the table changes. So
each shard sees a part of the producer's order, and the parts of one instrument do not overlap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from alphapulse.primitives.instrument_id import InstrumentId
from alphapulse.protocol.market_data import (
    InstrumentMeta,
    InvalidationAction,
    InvalidationReason,
    StateInvalidation,
)
from alphapulse.relays.run import Run
from alphapulse.relays.subscription import ALL_TYPES, ALWAYS, Filter, type_bits
from alphapulse.relays.tiers import Move, Tier, Tiers

if TYPE_CHECKING:
    from alphapulse.relays.connection import Connection
    from alphapulse.relays.relay import Relay

__all__ = ["SHARD_NAME", "Front"]

SHARD_NAME = "shard:"
_WILDCARD = bytes(10)
_EVERYWHERE = ALWAYS | type_bits(InstrumentMeta)


class _TierFilter(Filter):
    """What belongs to a tier at this moment."""

    __slots__ = ("_tier", "_tiers")

    def __init__(self, tier: Tier, tiers: Tiers) -> None:
        super().__init__(ALL_TYPES, frozenset(), frozenset())
        self.key = (-1, frozenset({bytes((tier,))}), frozenset())
        self._tier = tier
        self._tiers = tiers

    def matches(self, types: int, instruments: frozenset[bytes]) -> bool:
        """Return whether one of the instruments is in the tier, none is named, or every shard needs it."""
        if types & _EVERYWHERE:
            return True
        of, tier = self._tiers.of, self._tier
        return not instruments or any(
            of(one) is tier or one[2:] == _WILDCARD for one in instruments
        )


class _Only(Filter):
    """One instrument, and nothing that comes along."""

    __slots__ = ("_instrument",)

    def __init__(self, instrument: bytes) -> None:
        super().__init__(ALL_TYPES, frozenset({instrument}), frozenset())
        self._instrument = instrument

    def matches(self, types: int, instruments: frozenset[bytes]) -> bool:
        """Return whether a message is about the instrument."""
        return self._instrument in instruments


class Front:
    """The shards of one relay, and which instrument is whose."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self.tiers = Tiers(relay.config.tiers)
        self._filters = {tier: _TierFilter(tier, self.tiers) for tier in Tier}
        self._shards: dict[Connection, Tier] = {}
        self._marked: dict[int, int] = {}
        self.moves = 0

    def attach(self, connection: Connection, tier: Tier) -> None:
        """Let a shard hear its tier, from where its snapshot ends."""
        relay = self._relay
        self._shards[connection] = tier
        connection.answer(*relay.standings())
        for producer in relay.producers.values():
            relay.control.send_snapshot(connection, producer, self._filters[tier])
        relay.fanout.place(connection, self._filters[tier])

    def detach(self, connection: Connection) -> None:
        """Forget a shard that is gone."""
        self._shards.pop(connection, None)

    def filter_of(self, connection: Connection) -> Filter | None:
        """Return what a shard hears, None for another client."""
        tier = self._shards.get(connection)
        return None if tier is None else self._filters[tier]

    def count(self, run: Run) -> None:
        """Count what is said about each instrument, while there are shards to balance."""
        if self._shards:
            for index in range(len(run.sequences)):
                self.tiers.count(run.instruments(index))

    def mark(self) -> None:
        """Tell every shard up to where it has everything, if that has moved."""
        now = {one.source: one.next_sequence for one in self._relay.producers.values()}
        if now != self._marked:
            self._marked = now
            for connection in self._shards:
                connection.answer(*self._relay.standings())

    def rebalance(self) -> list[Move]:
        """Close a window of counting, make the moves it decides and return them."""
        moves = self.tiers.close_window()
        for move in moves:
            self.move(move)
        return moves

    def move(self, move: Move) -> None:
        """Hand one instrument over."""
        relay = self._relay
        self.moves += 1
        instrument = InstrumentId.unpack(move.instrument)
        forget = relay.speaker.control(
            StateInvalidation(instrument, InvalidationAction.RESET, InvalidationReason.RECOVERY)
        )
        barrier = StateInvalidation(
            instrument, InvalidationAction.RESUME, InvalidationReason.RECOVERY
        )
        for connection, tier in self._shards.items():
            if tier not in (move.origin, move.target):
                continue
            for producer in relay.producers.values():
                if tier is move.origin:
                    relay.control.enclose(connection, producer, [forget])
                else:
                    relay.control.send_snapshot(connection, producer, _Only(move.instrument))
                connection.answer(relay.speaker.standing(*producer.standing(), barrier))
        self.tiers.apply(move)
