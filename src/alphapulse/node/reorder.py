"""Followers of a process that hears one desk over several connections: every message once, in the desk's order.

Each domain has a connection of its own, so that a result may be heard before the signal it answers. All messages of
one process have timestamps that rise strictly, so its order can be had again by waiting a moment.
"""

import asyncio
import heapq
from collections.abc import Sequence

from alphapulse.protocol.message import Message
from alphapulse.transport.bus import Subscriber

__all__ = ["WINDOW_S", "InOrder"]

WINDOW_S = (
    0.25  # what one connection may lag behind another; a local relay takes a few milliseconds
)
POLL_S = 0.05
_NS = 1_000_000_000


class InOrder:
    """Holds each message for a window after it was heard. `late` counts those that came after their turn."""

    def __init__(self, subscribers: Sequence[Subscriber], *, window_s: float = WINDOW_S) -> None:
        self._subscribers = subscribers
        self._window_ns = int(window_s * _NS)
        self._waiting: list[tuple[int, int, Message]] = []
        self._arrivals = 0
        self._newest_ns = 0
        self._delivered_ns = 0
        self.late = 0

    def on_message(self, message: Message, now_ns: int) -> None:
        """Take one message of the order in which this process heard them."""
        self._arrivals += 1
        self._newest_ns = now_ns
        stamp_ns = message.header.timestamp_ns
        heapq.heappush(self._waiting, (stamp_ns, self._arrivals, message))

    def deliver(self, *, until_ns: int | None = None) -> None:
        """Hand on what waits, oldest first; up to a timestamp, or all of it."""
        while self._waiting and (until_ns is None or self._waiting[0][0] <= until_ns):
            stamp_ns, _, message = heapq.heappop(self._waiting)
            self.late += stamp_ns < self._delivered_ns
            self._delivered_ns = max(self._delivered_ns, stamp_ns)
            for subscriber in self._subscribers:
                subscriber(message, self._delivered_ns)

    async def run(self) -> None:
        """Deliver until cancelled.

        Raises  whatever a subscriber raises.
        """
        loop = asyncio.get_running_loop()
        marks: list[tuple[float, int]] = []
        while True:
            await asyncio.sleep(POLL_S)
            marks.append((loop.time(), self._newest_ns))
            while marks and marks[0][0] <= loop.time() - self._window_ns / _NS:
                self.deliver(until_ns=marks.pop(0)[1])
