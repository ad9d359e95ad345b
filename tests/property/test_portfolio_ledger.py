"""The ledger conserves through any history, and its sums equal a recount of the trades that stand."""

from hypothesis import given, settings
from hypothesis import strategies as st

from alphapulse.portfolio.entries import EntryKind, Stage, postings_of
from alphapulse.portfolio.portfolio import Portfolio
from alphapulse.portfolio.reports import summarise
from alphapulse.transport.sequence import Sequencer
from support.drafts import block_draft
from support.results import CHAIN_ID, USDC, WETH, result, said, signalled, tx_of

SIGNALS = st.integers(1, 6)

EVENTS = st.one_of(
    st.tuples(st.just("signal"), SIGNALS, st.integers(200, 2_000)),
    st.tuples(
        st.just("result"),
        SIGNALS,
        st.fixed_dictionaries(
            {
                "status": st.sampled_from([1, 1, 1, 2, 5]),
                "profit": st.integers(-50, 2**100),
                "usd": st.integers(-500, 500),
                "gas_cost": st.integers(0, 2**70),
                "block": st.integers(10, 13),
                "flags": st.sampled_from([0, 0, 1, 3]),
                "token": st.sampled_from([WETH, USDC]),
                "attempt": st.integers(0, 2),
            }
        ),
    ),
    st.tuples(st.just("nothing"), SIGNALS, st.just(None)),
    st.tuples(st.just("block"), st.integers(10, 13), st.integers(0, 2)),
)


def message_of(kind, number, detail):
    if kind == "signal":
        return signalled(number, gross=detail)
    if kind == "result":
        detail = dict(detail)
        attempt = detail.pop("attempt")
        if detail["status"] == 2:
            detail["profit"] = 0
        return said(result(number, tx=tx_of(number, attempt), **detail))
    if kind == "nothing":
        return said(result(number, status=3, profit=0, usd=0, gas_cost=0, tx=bytes(32)))
    return Sequencer(1).stamp(block_draft(number, block_hash=bytes([detail + 1]) * 32), 1)


@settings(max_examples=150, deadline=None)
@given(st.lists(EVENTS, max_size=40), st.integers(0, 40))
def test_any_history_balances_and_equals_its_recount(events, cut):
    portfolio, stored = Portfolio(), {}
    for number, event in enumerate(events):
        portfolio.on_message(message_of(*event), 1)
        portfolio.ledger.assert_balanced()
        if number == cut:
            stored.update({trade.key: trade for trade in portfolio.drain()})
    stored.update({trade.key: trade for trade in portfolio.drain()})

    for trade in stored.values():
        lines = postings_of(trade)
        for asset in {line.asset for line in lines}:
            assert sum(line.amount for line in lines if line.asset == asset) == 0
        if trade.stage is Stage.REVERSED:
            booked = [line for line in lines if line.kind is EntryKind.BOOKED]
            assert len(lines) == 2 * len(booked)

    standing = [trade for trade in stored.values() if trade.stage is not Stage.REVERSED]
    summary = summarise(portfolio.ledger)
    assert summary.trades == len(standing)
    assert summary.realised_usd_e8 == sum(trade.profit_usd_e8 for trade in standing)
    gains = dict.fromkeys((WETH, USDC), 0)
    for trade in standing:
        gains[trade.profit_token] += trade.actual_profit
    balances = portfolio.balances()
    assert {t.token: t.amount for t in balances.tokens if t.amount} == {
        token: amount for token, amount in gains.items() if amount
    }
    assert sum(n.amount for n in balances.native_spent) == sum(t.gas_cost for t in standing)
    assert all(n.chain_id == CHAIN_ID for n in balances.native_spent)

    restored = Portfolio()
    restored.restore(stored.values())
    assert summarise(restored.ledger).realised_usd_e8 == summary.realised_usd_e8
    assert summarise(restored.ledger).accuracy == summary.accuracy


@settings(max_examples=60, deadline=None)
@given(st.lists(EVENTS, max_size=30))
def test_the_same_messages_give_the_same_words_and_books(events):
    runs = []
    for _ in range(2):
        portfolio = Portfolio()
        drafts = [list(portfolio.on_message(message_of(*event), 1)) for event in events]
        runs.append((drafts, portfolio.drain(), portfolio.statistics()))
    assert runs[0] == runs[1]


@settings(max_examples=60, deadline=None)
@given(st.lists(EVENTS, max_size=30))
def test_positions_told_add_up_to_the_balances(events):
    portfolio, told = Portfolio(), {}
    for event in events:
        for draft in portfolio.on_message(message_of(*event), 1):
            told[draft.tlvs[0].instrument] = draft.tlvs[0].quantity
    assert sorted(q for q in told.values() if q) == sorted(
        t.amount for t in portfolio.balances().tokens if t.amount
    )
