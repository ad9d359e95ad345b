"""Keeps the books on disk behind the node: one batch at a time, in a thread, and none is forgotten when it fails."""

import asyncio

from alphapulse.errors import Unavailable
from alphapulse.portfolio.entries import Trade, TradeKey
from alphapulse.portfolio.portfolio import Portfolio
from alphapulse.portfolio.store import PortfolioStore

__all__ = ["Bookkeeper"]


class Bookkeeper:
    """Owns the store of one portfolio. A database that refuses makes the node degraded, and is tried again."""

    def __init__(self, portfolio: Portfolio, store: PortfolioStore) -> None:
        self._portfolio = portfolio
        self._store = store
        self._waiting: dict[TradeKey, Trade] = {}
        self._writing: asyncio.Task[None] | None = None
        self.last_error = ""

    @property
    def is_behind(self) -> bool:
        """Return whether the newest attempt to write failed."""
        return bool(self.last_error)

    def restore(self) -> tuple[Trade, ...]:
        """Give the portfolio what earlier runs booked, and return it.

        Raises  Unavailable when the database does not answer.
        """
        trades = self._store.load()
        self._portfolio.restore(trades)
        return trades

    def write_behind(self) -> None:
        """Begin to write what changed, unless a batch is still on its way."""
        if self._writing is not None and not self._writing.done():
            return
        self._take()
        if self._waiting:
            self._writing = asyncio.create_task(self._write(dict(self._waiting)), name="books")

    async def settle(self) -> None:
        """Wait for the batch on its way."""
        if self._writing is not None:
            await self._writing

    def close(self) -> None:
        """Write everything that waits and give the database back; call it after `settle`.

        Raises  Unavailable when the database does not take it.
        """
        self._take()
        try:
            self._store.append(self._waiting.values())
        finally:
            self._store.close()

    def _take(self) -> None:
        self._waiting.update((trade.key, trade) for trade in self._portfolio.drain())

    async def _write(self, batch: dict[TradeKey, Trade]) -> None:
        try:
            await asyncio.to_thread(self._store.append, batch.values())
        except Unavailable as error:
            self.last_error = str(error)
            return
        self.last_error = ""
        for key, trade in batch.items():
            if self._waiting.get(key) is trade:
                del self._waiting[key]
