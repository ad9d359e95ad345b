"""What was executed is booked once, settles, and can be taken out again.

Covers: F5.
"""

import random

import pytest

from alphapulse.errors import InvariantError, StateConflict
from alphapulse.portfolio.entries import (
    Account,
    Asset,
    EntryKind,
    Stage,
    Trade,
    TradeKey,
    postings_of,
)
from alphapulse.portfolio.ledger import TRADES_KEPT, Balances, Ledger, NativeSpent, TokenDelta
from alphapulse.portfolio.portfolio import Portfolio
from alphapulse.portfolio.reports import summarise, to_json_values
from alphapulse.protocol.codec import encode
from alphapulse.protocol.execution import ExecutionStarted
from alphapulse.protocol.market_data import ChainEvent
from alphapulse.protocol.message import Message
from alphapulse.transport.sequence import Sequencer
from support.drafts import block_draft, swap_draft
from support.results import (
    CHAIN_ID,
    USDC,
    WETH,
    result,
    said,
    signalled,
    stop,
    trace_for,
    tx_of,
)

OPENED, INCREASED, REDUCED, CLOSED = 1, 2, 3, 4


def tell(portfolio, *messages):
    drafts = []
    for message in messages:
        drafts.extend(portfolio.on_message(message, message.header.timestamp_ns))
        portfolio.ledger.assert_balanced()
    return drafts


def on_chain(draft):
    return Sequencer(1).stamp(draft, 1)


def removed_log(tx_hash):
    event = ChainEvent(
        chain_id=CHAIN_ID,
        block=11,
        block_hash=b"\xbb" * 32,
        tx_hash=tx_hash,
        tx_index=1,
        log_index=4,
        flags=1,
    )
    return said(event, source=6, domain=1)


def trade_of(number, **options):
    portfolio = Portfolio()
    tell(portfolio, said(result(number, **options)))
    return portfolio.drain()[0]


def profits(portfolio):
    return {row.token: (row.predicted, row.realised) for row in summarise(portfolio.ledger).tokens}


def test_a_trade_is_booked_against_its_prediction():
    portfolio = Portfolio()
    (draft,) = tell(portfolio, signalled(1), said(result(1), now_ns=77))
    update, trace = draft.tlvs
    assert (update.event, update.quantity, update.realised_usd) == (OPENED, 900, 850)
    assert (update.decimals, update.strategy_id, update.event_ns) == (18, 1, 77)
    assert (draft.domain, draft.source) == (3, 40)
    assert trace.trace_id == trace_for(1).trace_id
    assert trace.span_id != trace_for(1).span_id
    encode(Sequencer(1).stamp(draft, 1))
    summary = summarise(portfolio.ledger)
    assert (summary.trades, summary.succeeded, summary.provisional) == (1, 1, 0)
    assert (summary.realised_usd_e8, summary.predicted_usd_e8, summary.gas_used) == (850, 850, 3)
    (row,) = summary.tokens
    assert (row.predicted, row.realised, row.exact, row.provisional) == (900, 900, 1, 0)
    assert portfolio.balances() == Balances(
        tokens=(TokenDelta(CHAIN_ID, WETH, 900),), native_spent=(NativeSpent(CHAIN_ID, 30),)
    )


def test_tokens_are_never_added_up():
    portfolio = Portfolio()
    tell(portfolio, said(result(1)), said(result(2, token=USDC, decimals=6, profit=5)))
    tell(portfolio, said(result(3, profit=100)))
    assert [(t.token, t.amount) for t in portfolio.balances().tokens] == [(USDC, 5), (WETH, 1_000)]


def test_a_revert_costs_gas_and_nothing_else():
    portfolio = Portfolio()
    assert tell(portfolio, signalled(1), said(result(1, status=2, profit=0, usd=-20))) == []
    summary = summarise(portfolio.ledger)
    assert (summary.reverted, summary.succeeded, summary.realised_usd_e8) == (1, 0, -20)
    assert summary.tokens == ()
    (gas,) = summary.gas
    assert (gas.cost, gas.reverted) == (30, 30)
    assert portfolio.balances().tokens == ()


def test_a_cancel_that_took_the_nonce_costs_its_gas():
    portfolio = Portfolio()
    tell(portfolio, said(result(1, status=5, profit=0, usd=-20, gas_cost=21)))
    assert summarise(portfolio.ledger).other == 1
    assert portfolio.balances().native_spent == (NativeSpent(CHAIN_ID, 21),)


def test_simulated_and_replayed_results_never_enter():
    portfolio = Portfolio()
    messages = [said(result(1, flags=3)), said(result(2, flags=2)), said(result(3), flags=0x20)]
    assert tell(portfolio, *messages) == []
    statistics = portfolio.statistics()
    assert (statistics.simulated, statistics.replayed, statistics.booked) == (2, 1, 0)
    assert summarise(portfolio.ledger).trades == 0
    assert portfolio.drain() == ()


def test_a_plan_that_never_landed_is_only_counted():
    portfolio = Portfolio()
    tell(portfolio, said(result(1, status=4, profit=0, usd=0, gas_cost=0, tx=bytes(32))))
    assert portfolio.statistics().nothing_landed == 1
    assert portfolio.drain() == ()


def test_a_provisional_trade_settles_once_and_repetitions_change_nothing():
    portfolio = Portfolio()
    assert len(tell(portfolio, said(result(1, flags=0)))) == 1
    assert summarise(portfolio.ledger).provisional_usd_e8 == 850
    assert tell(portfolio, said(result(1, flags=0)), said(result(1)), said(result(1))) == []
    assert tell(portfolio, said(result(1, flags=0))) == []
    (trade,) = portfolio.drain()
    assert trade.stage is Stage.SETTLED
    assert portfolio.drain() == ()
    statistics = portfolio.statistics()
    assert (statistics.booked, statistics.settled, statistics.repeated) == (1, 1, 3)
    assert summarise(portfolio.ledger).provisional == 0


def test_another_outcome_of_a_provisional_trade_replaces_it():
    portfolio = Portfolio()
    tell(portfolio, said(result(1, flags=0)))
    drafts = tell(portfolio, said(result(1, flags=0, profit=700, usd=600, block=12)))
    assert [(d.tlvs[0].event, d.tlvs[0].quantity) for d in drafts] == [(CLOSED, 0), (OPENED, 700)]
    assert portfolio.balances().tokens == (TokenDelta(CHAIN_ID, WETH, 700),)
    (trade,) = portfolio.drain()
    assert (trade.block, trade.stage) == (12, Stage.PROVISIONAL)


def test_another_transaction_of_the_signal_replaces_a_provisional_one():
    portfolio = Portfolio()
    tell(portfolio, said(result(1, flags=0)), said(result(1, tx=tx_of(1, 1), profit=100, usd=90)))
    stages = {trade.tx_hash: trade.stage for trade in portfolio.drain()}
    assert stages == {tx_of(1): Stage.REVERSED, tx_of(1, 1): Stage.SETTLED}
    assert summarise(portfolio.ledger).realised_usd_e8 == 90


def test_a_final_report_that_nothing_landed_takes_a_provisional_trade_out():
    portfolio = Portfolio()
    tell(portfolio, said(result(1, flags=0)))
    nothing = result(1, status=3, profit=0, usd=0, gas_cost=0, tx=bytes(32))
    (draft,) = tell(portfolio, said(nothing))
    assert (draft.tlvs[0].event, draft.tlvs[0].quantity) == (CLOSED, 0)
    assert summarise(portfolio.ledger).trades == 0


@pytest.mark.parametrize(
    "later",
    [
        result(1, profit=901),
        result(1, tx=tx_of(1, 1)),
        result(1, status=3, profit=0, usd=0, gas_cost=0, tx=bytes(32)),
    ],
)
def test_a_settled_trade_is_not_contradicted(later):
    portfolio = Portfolio()
    tell(portfolio, said(result(1)))
    portfolio.drain()
    assert tell(portfolio, said(later)) == []
    assert portfolio.statistics().conflicts == 1
    assert portfolio.balances().tokens == (TokenDelta(CHAIN_ID, WETH, 900),)
    assert portfolio.drain() == ()


def test_a_removed_log_takes_its_transaction_out_and_it_can_come_back():
    portfolio = Portfolio()
    tell(portfolio, said(result(1)), said(result(2, profit=50, usd=1)))
    (draft,) = tell(portfolio, removed_log(tx_of(1)), removed_log(tx_of(1)), removed_log(tx_of(9)))
    assert (draft.tlvs[0].event, draft.tlvs[0].quantity) == (REDUCED, 50)
    assert summarise(portfolio.ledger).realised_usd_e8 == 1
    (draft,) = tell(portfolio, said(result(1, block=13)))
    assert (draft.tlvs[0].event, draft.tlvs[0].quantity) == (INCREASED, 950)


def test_an_orphaned_block_takes_its_trades_out():
    portfolio = Portfolio()
    tell(portfolio, on_chain(block_draft(11)), said(result(1)), said(result(2, block=12)))
    tell(portfolio, on_chain(block_draft(11)))
    assert summarise(portfolio.ledger).trades == 2
    (draft,) = tell(portfolio, on_chain(block_draft(11, block_hash=b"\x77" * 32)))
    assert draft.tlvs[0].quantity == 900
    assert portfolio.ledger.trade(TradeKey(CHAIN_ID, tx_of(1))).stage is Stage.REVERSED
    assert portfolio.ledger.trade(TradeKey(CHAIN_ID, tx_of(2))).stage is Stage.SETTLED


def test_a_block_that_is_said_to_be_removed_takes_its_trades_out():
    portfolio = Portfolio()
    tell(portfolio, on_chain(block_draft(11)), said(result(1)))
    tell(portfolio, on_chain(block_draft(11, flags=1)))
    assert summarise(portfolio.ledger).trades == 0
    assert portfolio.statistics().reversed == 1


def test_everything_one_cause_led_to_can_be_taken_out():
    portfolio = Portfolio()
    tell(portfolio, said(result(1)), said(result(2)))
    (trade,) = portfolio.ledger.reverse_trace(trace_for(2).trace_id)
    assert trade.signal_id == 2
    assert [posting.kind for posting in postings_of(trade)].count(EntryKind.REVERSED) == 4
    portfolio.ledger.assert_balanced()


def test_predictions_are_compared_class_by_class():
    portfolio = Portfolio()
    realised = [-1, 0, 449, 450, 810, 891, 899, 900, 901]
    for number, profit in enumerate(realised, 1):
        tell(portfolio, signalled(number), said(result(number, profit=profit)))
    assert summarise(portfolio.ledger).accuracy == (1, 2, 1, 1, 2, 1, 1)
    assert profits(portfolio) == {"0x" + WETH.hex(): (8_100, sum(realised))}


def test_a_trade_whose_signal_is_unknown_is_booked_without_a_prediction():
    portfolio = Portfolio()
    tell(portfolio, said(result(1)))
    assert portfolio.drain()[0].predicted_profit is None
    assert profits(portfolio) == {"0x" + WETH.hex(): (0, 900)}


def test_what_the_portfolio_does_not_read_changes_nothing():
    portfolio = Portfolio()
    started = ExecutionStarted(
        signal_id=1,
        strategy_id=1,
        submission=1,
        attempt=1,
        chain_id=CHAIN_ID,
        tx_hash=tx_of(1),
        nonce=0,
        gas_limit=1,
        max_fee_per_gas=1,
        max_priority_fee_per_gas=1,
        target_block=1,
        event_ns=1,
    )
    silent = [said(started), said(stop(1)), said(stop(1), domain=4), said(stop(1), domain=1)]
    silent.append(Message(said(stop(1), domain=2).header, ()))
    assert tell(portfolio, *silent) == []
    assert list(portfolio.on_timer(1)) == []
    assert portfolio.statistics().submissions == 1


def test_a_restored_portfolio_goes_on_where_it_was():
    before = Portfolio()
    tell(before, signalled(1), said(result(1)), said(result(2, flags=0)), said(result(3)))
    tell(before, removed_log(tx_of(3)))
    stored = before.drain()
    after = Portfolio()
    after.restore(stored)
    assert after.balances() == before.balances()
    assert summarise(after.ledger) == summarise(before.ledger)
    assert after.drain() == ()
    (draft,) = tell(after, said(result(4, profit=1)))
    assert (draft.tlvs[0].event, draft.tlvs[0].quantity) == (INCREASED, 1_801)
    tell(after, said(result(2)))
    assert after.ledger.trade(TradeKey(CHAIN_ID, tx_of(2))).stage is Stage.SETTLED


def test_memory_is_bounded_and_sums_keep_everything():
    """Covers: P5."""
    ledger = Ledger(trades_kept=3)
    for number in range(1, 11):
        ledger.book(trade_of(number))
    assert ledger.trade(TradeKey(CHAIN_ID, tx_of(7))) is None
    assert ledger.trade(TradeKey(CHAIN_ID, tx_of(8))) is not None
    assert summarise(ledger).trades == 10
    assert ledger.balance(Account.RECIPIENT, Asset(CHAIN_ID, WETH)) == 9_000
    waiting = Ledger(trades_kept=3)
    for number in range(1, 4):
        waiting.book(trade_of(number, flags=0))
    with pytest.raises(InvariantError, match="never reported final"):
        waiting.book(trade_of(4, flags=0))


def test_signals_blocks_and_changes_are_bounded():
    """Covers: P5."""
    portfolio = Portfolio()
    for number in range(1, 8_300):
        portfolio.on_message(signalled(number), 1)
    tell(portfolio, said(result(1)), said(result(8_299)))
    assert [trade.predicted_profit for trade in portfolio.drain()] == [None, 900]
    for number in range(12, 1_100):
        portfolio.on_message(on_chain(block_draft(number)), 1)
    tell(portfolio, said(result(2, block=13)), said(result(3, block=1_099)))
    hashes = [any(trade.block_hash) for trade in portfolio.drain()]
    assert hashes == [False, True]
    with pytest.raises(InvariantError, match="never drained"):
        for number in range(10_000, 10_001 + TRADES_KEPT):
            portfolio.on_message(said(result(number)), 1)


def test_a_log_that_stays_and_a_message_without_place_change_nothing():
    portfolio = Portfolio()
    tell(portfolio, said(result(1)), on_chain(swap_draft(random.Random(1), 11, 0)))
    tell(portfolio, said(stop(1), domain=1))
    assert summarise(portfolio.ledger).trades == 1
    assert portfolio.profit_and_loss is portfolio.ledger.profit_and_loss


def test_trades_that_nobody_stores_are_not_kept_when_nobody_wants_them():
    portfolio = Portfolio(is_stored=False)
    tell(portfolio, said(result(1)))
    assert portfolio.drain() == ()


def test_the_ledger_says_what_contradicts_it():
    ledger = Ledger()
    ledger.book(trade_of(1))
    with pytest.raises(StateConflict, match=r"is settled as .* a later report says"):
        ledger.book(trade_of(1, profit=1))


def test_the_summary_is_plain_values_with_exact_integers():
    portfolio = Portfolio()
    tell(portfolio, said(result(1, profit=2**100)))
    values = to_json_values(summarise(portfolio.ledger))
    assert values["tokens"][0]["realised"] == 2**100
    assert values["gas"] == ({"chain_id": CHAIN_ID, "cost": 30, "reverted": 0},)


def test_a_trade_knows_its_key_and_asset():
    trade = trade_of(1)
    assert isinstance(trade, Trade)
    assert (trade.key, trade.asset) == (TradeKey(CHAIN_ID, tx_of(1)), Asset(CHAIN_ID, WETH))
