"""Books behind the node: a store that fails makes it degraded, and no trade is lost or written in an older state."""

import asyncio
import threading

import pytest

from alphapulse.errors import Unavailable
from alphapulse.node.bookkeeper import Bookkeeper
from alphapulse.portfolio.portfolio import Portfolio
from support.results import result, said


class Shelf:
    """A store in memory that can be locked, slowed and read."""

    def __init__(self):
        self.trades = {}
        self.is_locked = False
        self.is_closed = False
        self.batches = []
        self.go = threading.Event()
        self.go.set()

    def load(self):
        return tuple(self.trades.values())

    def append(self, trades):
        batch = list(trades)
        self.go.wait(5)
        if self.is_locked:
            raise Unavailable("the portfolio store does not answer: database is locked")
        self.batches.append(batch)
        self.trades.update((trade.key, trade) for trade in batch)
        return len(batch)

    def close(self):
        self.is_closed = True


@pytest.fixture
def portfolio():
    return Portfolio()


@pytest.fixture
def shelf():
    return Shelf()


def book(portfolio, signal_id, **options):
    list(portfolio.on_message(said(result(signal_id, **options)), 1))


def test_changes_are_written_once(portfolio, shelf):
    async def scenario():
        books = Bookkeeper(portfolio, shelf)
        book(portfolio, 1)
        books.write_behind()
        await books.settle()
        books.write_behind()
        await books.settle()
        books.close()

    asyncio.run(scenario())
    assert len(shelf.trades) == 1
    assert [len(batch) for batch in shelf.batches if batch] == [1]
    assert shelf.is_closed


def test_a_store_that_fails_is_tried_again(portfolio, shelf):
    async def scenario():
        books = Bookkeeper(portfolio, shelf)
        shelf.is_locked = True
        book(portfolio, 1)
        books.write_behind()
        await books.settle()
        assert books.is_behind
        assert "locked" in books.last_error
        book(portfolio, 2)
        shelf.is_locked = False
        books.write_behind()
        await books.settle()
        assert not books.is_behind
        books.close()

    asyncio.run(scenario())
    assert len(shelf.trades) == 2


def test_one_batch_at_a_time_and_the_newest_state_wins(portfolio, shelf):
    async def scenario():
        books = Bookkeeper(portfolio, shelf)
        shelf.go.clear()
        book(portfolio, 1, flags=0)
        books.write_behind()
        await asyncio.sleep(0)
        book(portfolio, 1, flags=1)
        books.write_behind()
        books.write_behind()
        shelf.go.set()
        await books.settle()
        books.write_behind()
        await books.settle()
        books.close()

    asyncio.run(scenario())
    stages = [trade.stage for batch in shelf.batches for trade in batch]
    assert len(stages) == 2
    assert shelf.load()[0].stage == stages[-1] != stages[0]


def test_what_waits_is_written_at_the_end(portfolio, shelf):
    books = Bookkeeper(portfolio, shelf)
    book(portfolio, 1)
    books.close()
    assert len(shelf.trades) == 1


def test_an_end_that_fails_says_so_and_still_closes(portfolio, shelf):
    books = Bookkeeper(portfolio, shelf)
    book(portfolio, 1)
    shelf.is_locked = True
    with pytest.raises(Unavailable, match="locked"):
        books.close()
    assert shelf.is_closed


def test_restoring_books_what_was_stored(portfolio, shelf):
    book(portfolio, 1)
    Bookkeeper(portfolio, shelf).close()
    again = Portfolio()
    trades = Bookkeeper(again, shelf).restore()
    assert len(trades) == 1
    assert again.balances() == portfolio.balances()
