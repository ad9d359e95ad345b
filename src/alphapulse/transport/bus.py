"""What every way of passing messages offers: publish, subscribe, statistics."""

from collections.abc import Callable, Iterable
from typing import Protocol

import msgspec

from alphapulse.protocol.header import Domain
from alphapulse.protocol.message import Draft, Message

__all__ = ["ALL_DOMAINS", "Bus", "BusStatistics", "Subscriber", "SubscriberStatistics"]

Subscriber = Callable[[Message, int], None]
"""Called with a message and `now_ns`, which is the message's own timestamp."""

ALL_DOMAINS: frozenset[int] = frozenset(Domain)


class SubscriberStatistics(msgspec.Struct, frozen=True):
    """What one subscriber was given."""

    name: str
    delivered: int


class BusStatistics(msgspec.Struct, frozen=True):
    """Counts of a bus since its start."""

    messages: int
    by_domain: dict[int, int]
    nested: int
    longest_cascade: int
    deepest_queue: int
    subscribers: tuple[SubscriberStatistics, ...]


class Bus(Protocol):
    """Gives drafts number, time and place in the order, and delivers them to who asked."""

    def publish(self, draft: Draft) -> None:
        """Give one draft to every subscriber of its domain."""
        ...

    def publish_all(self, drafts: Iterable[Draft]) -> None:
        """Publish drafts that stand next to each other in the order."""
        ...

    def subscribe(
        self, callback: Subscriber, *, name: str, domains: frozenset[int] = ALL_DOMAINS
    ) -> None:
        """Deliver from the next message on."""
        ...

    def statistics(self) -> BusStatistics:
        """Return a frozen view of the counts."""
        ...
