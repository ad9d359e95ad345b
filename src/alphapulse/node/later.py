"""Subscribers that nobody waits for: they get each message after the block is decided and sent, in the same order."""

import asyncio
from collections import deque
from collections.abc import Sequence

from alphapulse.protocol.message import Message
from alphapulse.transport.bus import Subscriber

__all__ = ["Later"]

DELAY_S = 0.02  # a block is decided and its transactions are sent within this
WAITING_MAX = 16_384  # some hundred blocks; beyond it they are delivered at once, never dropped


class Later:
    """Holds messages for a moment. `run` hands them on; `deliver` does so at once."""

    def __init__(self, subscribers: Sequence[Subscriber]) -> None:
        self._subscribers = subscribers
        self._waiting: deque[tuple[Message, int]] = deque()
        self._wake = asyncio.Event()

    def on_message(self, message: Message, now_ns: int) -> None:
        """Take one message of the total order."""
        self._waiting.append((message, now_ns))
        if len(self._waiting) >= WAITING_MAX:
            self.deliver()
        else:
            self._wake.set()

    def deliver(self) -> None:
        """Hand on everything that waits, and what it causes."""
        while self._waiting:
            message, now_ns = self._waiting.popleft()
            for subscriber in self._subscribers:
                subscriber(message, now_ns)

    async def run(self) -> None:
        """Deliver until cancelled.

        Raises  whatever a subscriber raises.
        """
        while True:
            await self._wake.wait()
            self._wake.clear()
            await asyncio.sleep(DELAY_S)
            self.deliver()
