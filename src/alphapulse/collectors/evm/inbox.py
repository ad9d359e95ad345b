"""Notifications that wait for the one task that acts on them: live events are held here while blocks are fetched."""

import asyncio
from collections import deque

from alphapulse.errors import StreamLost
from alphapulse.evm.rpc import Notification

__all__ = ["Inbox"]


class Inbox:
    """A bounded queue. When it is full the stream counts as lost: nothing is dropped in silence."""

    __slots__ = ("_items", "_limit", "_wake", "overflow")

    def __init__(self, limit: int) -> None:
        self._items: deque[tuple[Notification, int]] = deque()
        self._limit = limit
        self._wake = asyncio.Event()
        self.overflow: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def put(self, notification: Notification, recv_ns: int) -> None:
        """Hold a notification (called from the connection)."""
        if self.overflow.done():
            return
        if len(self._items) >= self._limit:
            self.overflow.set_result(None)
        else:
            self._items.append((notification, recv_ns))
        self._wake.set()

    async def get(self) -> tuple[Notification, int]:
        """Return the oldest notification.

        Raises  StreamLost after an overflow: what would follow has a hole.
        """
        while not self._items and not self.overflow.done():
            self._wake.clear()
            await self._wake.wait()
        if self.overflow.done():
            raise StreamLost(f"more than {self._limit} notifications waited")
        return self._items.popleft()
