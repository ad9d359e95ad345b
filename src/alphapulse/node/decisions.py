"""The strategy on the bus, live and in replay: one adapter, so that both hash the same decisions."""

from collections.abc import Callable

from alphapulse.archive.digest import DecisionDigest
from alphapulse.execution.plan import Plan
from alphapulse.protocol.header import Domain, Source
from alphapulse.protocol.message import Draft, Message
from alphapulse.protocol.system import Heartbeat
from alphapulse.roles import Component

__all__ = ["TIMER_SOURCE", "Decider", "is_timer"]

TIMER_SOURCE = Source.STATE_MANAGER


def is_timer(message: Message) -> bool:
    """Return whether a message is the node's recorded passing of time."""
    header = message.header
    return (
        header.domain == Domain.SYSTEM
        and header.source == TIMER_SOURCE
        and message.first(Heartbeat) is not None
    )


class Decider:
    """Feeds a strategy what it did not say itself, and hands on what it answers, hashed on the way."""

    def __init__(
        self,
        strategy: Component[Plan],
        source: int,
        *,
        publish: Callable[[Draft], None],
        act: Callable[[Plan], None],
    ) -> None:
        self._strategy = strategy
        self._source = source
        self._publish = publish
        self._act = act
        self.digest = DecisionDigest()

    def on_message(self, message: Message, now_ns: int) -> None:
        """Deliver one message of the total order."""
        if message.header.source == self._source:
            return
        answers = list(self._strategy.on_message(message, now_ns))
        if is_timer(message):
            answers += self._strategy.on_timer(now_ns)
        for answer in answers:
            if isinstance(answer, Plan):
                self.digest.add_plan(answer.canonical())
                self._act(answer)
            else:
                self.digest.add_signal(answer)
                self._publish(answer)
