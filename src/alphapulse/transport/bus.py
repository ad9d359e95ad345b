"""What every way of passing messages offers: publish, subscribe, statistics; and what a bus with a link adds."""

from collections.abc import Callable, Iterable
from enum import StrEnum, unique
from typing import NoReturn, Protocol

import msgspec

from alphapulse.protocol.header import Domain
from alphapulse.protocol.message import Draft, Message

__all__ = [
    "ALL_DOMAINS",
    "Bus",
    "BusStatistics",
    "LinkState",
    "LinkStatistics",
    "LinkedBus",
    "SourceStatistics",
    "Subscriber",
    "SubscriberStatistics",
]

Subscriber = Callable[[Message, int], None]
"""Called with a message and `now_ns`: the message's own timestamp, or what this bus has said before if that is later."""

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
    foreign: int = 0  # of `messages`, those that other processes published


@unique
class LinkState(StrEnum):
    """How a bus stands to the other processes. Only LIVE and LOST say that what was published will arrive soon.

    LINKING  not yet connected everywhere
    LIVE     every connection stands
    LOST     a connection ended and is being made again; domain 1 was invalidated in the local order
    STALLED  a message of domain 2 or 3 has waited for a second: stop trading until the bus is LIVE again
    CLOSED   the bus has ended
    """

    LINKING = "linking"
    LIVE = "live"
    LOST = "lost"
    STALLED = "stalled"
    CLOSED = "closed"


class SourceStatistics(msgspec.Struct, frozen=True):
    """What came of one foreign producer."""

    domain: int
    source: int
    epoch: int
    next_sequence: int
    delivered: int
    duplicates: int
    gaps: int
    held: int


class LinkStatistics(msgspec.Struct, frozen=True):
    """Counts of a link since its start. `lost` counts messages of domain 1 that no recovery brought back."""

    state: LinkState
    connections: int
    reconnects: int
    sent: int
    sent_bytes: int
    resent: int
    waiting: int
    received: int
    invalid: int
    recoveries: int
    snapshots: int
    lost: int
    last_error: str
    sources: tuple[SourceStatistics, ...]


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


class LinkedBus(Bus, Protocol):
    """A bus whose order also holds what other processes publish."""

    @property
    def state(self) -> LinkState:
        """Return how the link stands."""
        ...

    async def linked(self, *, timeout_s: float = 30.0) -> None:
        """Wait until every connection stands for the first time.

        Raises  EndpointDown naming the connection and its last error when the time is over.
        """
        ...

    async def failed(self) -> NoReturn:
        """Wait until a subscriber fails on what the link delivered, and raise its error: the bus has stopped."""
        ...

    async def drain(self, *, timeout_s: float) -> bool:
        """Wait until all that was published has left, and return whether it has."""
        ...

    def epoch_of(self, domain: int, source: int) -> int:
        """Return the epoch of a producer's run, also of one whose first message was never heard; 0 while unknown."""
        ...

    def on_state(self, callback: Callable[[LinkState], None]) -> None:
        """Call at each change of the state."""
        ...

    def on_base_wanted(self, callback: Callable[[int, int], None]) -> None:
        """Call with (domain, source) when others need that own source's base messages published again."""
        ...

    def link_statistics(self) -> LinkStatistics:
        """Return a frozen view of the link's counts."""
        ...
