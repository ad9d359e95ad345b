"""The books survive the process, exactly and once.

Covers: P8.
"""

import sqlite3

import pytest

from alphapulse.errors import Misconfigured, Unavailable
from alphapulse.portfolio.entries import Stage, Trade
from alphapulse.portfolio.portfolio import Portfolio
from alphapulse.portfolio.reports import summarise
from alphapulse.portfolio.store import PortfolioStore
from support.results import CHAIN_ID, WETH, result, said, signalled, tx_of


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path / 'books.db'}"


@pytest.fixture
def store(url):
    opened = PortfolioStore(url)
    yield opened
    opened.close()


def trades_of(*messages):
    portfolio = Portfolio()
    for message in messages:
        portfolio.on_message(message, 1)
    return portfolio.drain()


def test_a_trade_comes_back_exactly_even_beyond_63_bits(store):
    trade = Trade(
        chain_id=CHAIN_ID,
        tx_hash=b"\xff" * 32,
        signal_id=2**64 - 1,
        strategy_id=65_534,
        trace_id=2**128 - 1,
        block=2**40,
        status=1,
        stage=Stage.PROVISIONAL,
        profit_token=WETH,
        profit_decimals=18,
        actual_profit=-(2**127),
        profit_usd_e8=-(2**63),
        gas_used=2**64 - 1,
        gas_price=2**64 - 1,
        gas_cost=2**128 - 1,
        event_ns=2**62,
        predicted_profit=2**127 - 1,
        predicted_usd_e8=None,
        block_hash=b"\x01" * 32,
    )
    assert store.append([trade]) == 1
    assert store.load() == (trade,)


def test_a_batch_may_be_repeated_and_a_newer_stage_replaces(store):
    provisional = trades_of(signalled(1), said(result(1, flags=0)))
    settled = trades_of(signalled(1), said(result(1)))
    for batch in (provisional, provisional, settled, settled):
        store.append(batch)
    assert store.load() == settled
    assert store.append([*provisional, *settled]) == 1
    assert store.load() == settled
    assert store.append([]) == 0


def test_stored_postings_sum_to_zero_per_token(store, url):
    store.append(trades_of(said(result(1)), said(result(2, status=2, profit=0)), said(result(3))))
    with sqlite3.connect(url.removeprefix("sqlite:///")) as database:
        lines = database.execute("SELECT chain_id, token, amount FROM postings").fetchall()
    database.close()
    sums = {}
    for chain_id, token, amount in lines:
        sums[chain_id, token] = sums.get((chain_id, token), 0) + int(amount)
    assert len(lines) == 10
    assert set(sums.values()) == {0}


def test_a_second_process_finds_the_books_and_goes_on(store, url):
    before = Portfolio()
    for message in (signalled(1), said(result(1)), said(result(2, flags=0))):
        before.on_message(message, 1)
    store.append(before.drain())
    other = PortfolioStore(url)
    after = Portfolio()
    after.restore(other.load())
    other.close()
    assert summarise(after.ledger) == summarise(before.ledger)
    assert after.balances() == before.balances()


def test_a_batch_is_written_whole_or_not_at_all(store, url):
    store.append(trades_of(said(result(1))))
    lock = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
    lock.execute(
        "CREATE TRIGGER full BEFORE INSERT ON postings WHEN NEW.line = 3 "
        "BEGIN SELECT RAISE(ABORT, 'disk is full'); END"
    )
    with pytest.raises(Unavailable, match="disk is full"):
        store.append(trades_of(said(result(1, profit=7)), said(result(2))))
    assert [trade.actual_profit for trade in store.load()] == [900]
    lock.execute("DROP TRIGGER full")
    lock.close()
    store.append(trades_of(said(result(2))))
    assert [trade.tx_hash for trade in store.load()] == [tx_of(1), tx_of(2)]


def test_a_database_that_vanished_is_unavailable(store, url):
    with sqlite3.connect(url.removeprefix("sqlite:///")) as database:
        database.execute("DROP TABLE postings")
        database.execute("DROP TABLE trades")
    database.close()
    with pytest.raises(Unavailable, match="does not answer: no such table"):
        store.load()


@pytest.mark.parametrize("url", ["", "nonsense", "sqlite:////nowhere/at/all.db", "nodb://x/y"])
def test_a_store_that_cannot_be_opened_is_named(url):
    with pytest.raises(Misconfigured, match="portfolio store cannot be opened"):
        PortfolioStore(url)
