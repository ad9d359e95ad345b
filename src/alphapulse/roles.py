"""Three verbs: collectors turn the world into events, components turn events into decisions, executors act on them.

A component is pure and synchronous: it takes `now_ns`, does no I/O and draws no randomness, so that the
same messages in the same order always give the same output.
"""

from collections.abc import Iterable
from typing import Protocol, TypeVar

from alphapulse.protocol.message import Draft, Message

__all__ = ["Collector", "Component", "Executor"]

Decision_co = TypeVar("Decision_co", covariant=True)
Plan_contra = TypeVar("Plan_contra", contravariant=True)


class Collector(Protocol):
    """Turns one venue's connection into messages until it is cancelled."""

    async def run(self) -> None:
        """Collect until cancelled; a lost connection is an event, not an end."""
        ...

    def statistics(self) -> object:
        """Return a frozen view of the counts."""
        ...


class Component(Protocol[Decision_co]):
    """Turns messages into drafts of messages and, for a strategy, plans."""

    def on_message(self, message: Message, now_ns: int) -> Iterable[Draft | Decision_co]:
        """Return what follows from a message."""
        ...

    def on_timer(self, now_ns: int) -> Iterable[Draft | Decision_co]:
        """Return what follows from the passing of time."""
        ...

    def statistics(self) -> object:
        """Return a frozen view of the counts."""
        ...


class Executor(Protocol[Plan_contra]):
    """Turns plans into transactions and tells what became of them."""

    async def execute(self, plan: Plan_contra) -> None:
        """Act on a plan; the outcome is published, not returned."""
        ...

    def statistics(self) -> object:
        """Return a frozen view of the counts."""
        ...
