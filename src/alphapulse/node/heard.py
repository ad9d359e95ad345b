"""What a process heard of each producer: whether every message from the first on is there."""

import asyncio
import contextlib
from collections.abc import Iterable, Mapping

from alphapulse.protocol.message import Message

__all__ = ["Heard", "producer_name"]


def producer_name(domain: int, source: int) -> str:
    """Return the name of a producer in an account."""
    return f"{domain}-{source}"


class Heard:
    """Counts numbered messages by producer; notices to one consumer have no number and are left out.

    A producer is whole when its messages are 1, 2, 3 and so on, none missing and none twice.
    """

    def __init__(self) -> None:
        self._news = asyncio.Event()
        self._last: dict[str, int] = {}
        self._broken: dict[str, str] = {}

    def on_message(self, message: Message, now_ns: int) -> None:
        """Take one message."""
        header = message.header
        if not header.sequence:
            return
        name = producer_name(header.domain, header.source)
        expected = self._last.get(name, 0) + 1
        if header.sequence != expected and name not in self._broken:
            self._broken[name] = f"{header.sequence} came where {expected} was due"
        self._last[name] = header.sequence
        self._news.set()

    def last(self) -> dict[str, int]:
        """Return the newest number of each producer."""
        return dict(self._last)

    async def until(self, last: Mapping[str, int], *, timeout_s: float) -> bool:
        """Wait until everything up to these numbers was heard; returns whether it was in time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while not self._has(last):
                    self._news.clear()
                    await self._news.wait()
        return self._has(last)

    def missing(self, last: Mapping[str, int]) -> list[str]:
        """Return what is not whole: producers whose numbers are broken, or end before what they said."""
        return [*self._gaps(last), *self._ends(last)]

    def _has(self, last: Mapping[str, int]) -> bool:
        return all(self._last.get(name, 0) >= number for name, number in last.items())

    def _gaps(self, last: Mapping[str, int]) -> Iterable[str]:
        return (f"{name}: {self._broken[name]}" for name in last if name in self._broken)

    def _ends(self, last: Mapping[str, int]) -> Iterable[str]:
        for name, number in last.items():
            heard = self._last.get(name, 0)
            if heard < number:
                yield f"{name}: {heard} heard of {number} said"
