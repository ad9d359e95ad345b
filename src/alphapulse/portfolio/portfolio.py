"""The component that books: consumes signals, results and blocks, and tells positions."""

import hashlib
from collections.abc import Iterable

import msgspec

from alphapulse.errors import InvariantError, StateConflict
from alphapulse.portfolio.entries import Asset, Stage, Trade, TradeKey
from alphapulse.portfolio.ledger import TRADES_KEPT, Balances, Ledger
from alphapulse.portfolio.pnl import ProfitAndLoss
from alphapulse.primitives.address import ZERO_HASH
from alphapulse.primitives.instrument_id import InstrumentId
from alphapulse.primitives.venue import chain_venue
from alphapulse.protocol.execution import (
    ExecutionFlag,
    ExecutionResult,
    ExecutionStarted,
    PositionEvent,
    PositionUpdate,
)
from alphapulse.protocol.header import Domain, Flag, Source
from alphapulse.protocol.market_data import ChainEvent
from alphapulse.protocol.message import Draft, Message
from alphapulse.protocol.signals import ArbitrageSignal
from alphapulse.protocol.system import TraceContext

__all__ = ["Portfolio", "PortfolioStatistics"]

_SIGNALS_KEPT = 8_192  # predictions; a plan lives a few blocks, this is hours of signals
_BLOCKS_KEPT = 1_024  # hashes by height; deeper than any chain of ours reorganises
_REMOVED = 1
_BLOCK_LEVEL = 0xFFFFFFFF
_SAMPLED = 1


class PortfolioStatistics(msgspec.Struct, frozen=True):
    """What was heard and what became of it.

    `nothing_landed` counts results of plans of which no transaction is in a block; `conflicts`
    reports that contradict a settled trade, which change nothing.
    """

    signals: int
    submissions: int
    results: int
    booked: int
    settled: int
    reversed: int
    repeated: int
    simulated: int
    nothing_landed: int
    conflicts: int
    replayed: int


class _Prediction(msgspec.Struct, frozen=True):
    profit: int
    usd_e8: int


class _Move(msgspec.Struct, frozen=True):
    """A position before and after one trade went in or out."""

    trade: Trade
    before: int
    after: int
    usd_e8: int


class Portfolio:
    """Books each execution result once; simulated results and replayed messages never count."""

    __slots__ = (
        "_block_hashes",
        "_changed",
        "_counts",
        "_is_stored",
        "_ledger",
        "_positions",
        "_predictions",
        "_strategy_usd_e8",
    )

    def __init__(self, *, is_stored: bool = True) -> None:
        self._is_stored = is_stored
        self._ledger = Ledger()
        self._predictions: dict[tuple[int, int], _Prediction] = {}
        self._block_hashes: dict[tuple[int, int], bytes] = {}
        self._positions: dict[tuple[int, Asset], int] = {}
        self._strategy_usd_e8: dict[int, int] = {}
        self._changed: dict[TradeKey, Trade] = {}
        self._counts = dict.fromkeys(PortfolioStatistics.__struct_fields__, 0)

    @property
    def ledger(self) -> Ledger:
        """The books, for reading."""
        return self._ledger

    @property
    def profit_and_loss(self) -> ProfitAndLoss:
        """The sums, for reading."""
        return self._ledger.profit_and_loss

    def on_message(self, message: Message, now_ns: int) -> Iterable[Draft]:
        """Return a PositionUpdate for each position that the message changed."""
        # decode
        domain = message.header.domain
        if message.header.flags & Flag.REPLAY:
            self._counts["replayed"] += 1
            return ()
        # state
        if domain == Domain.MARKET:
            moves = self._on_market(message)
        elif domain == Domain.SIGNAL:
            moves = self._on_signal(message)
        elif domain == Domain.EXECUTION:
            moves = self._on_execution(message)
        else:
            return ()
        # decide
        told = [move for move in moves if move.before != move.after]
        if not told:
            return ()
        # emit
        trace = message.first(TraceContext)
        return [_position_update(move, trace, now_ns) for move in told]

    def on_timer(self, now_ns: int) -> Iterable[Draft]:
        """Return nothing: the books change by messages only."""
        return ()

    def balances(self) -> Balances:
        """Return what the chain must show of the recipient's tokens and the sender's gas."""
        return self._ledger.balances()

    def statistics(self) -> PortfolioStatistics:
        """Return a frozen view of the counts."""
        return PortfolioStatistics(**self._counts)

    def drain(self) -> tuple[Trade, ...]:
        """Return the trades that changed since the last call, each in its newest state, for the store."""
        changed = tuple(self._changed.values())
        self._changed.clear()
        return changed

    def restore(self, trades: Iterable[Trade]) -> None:
        """Book what the store holds, before the first message."""
        for trade in trades:
            if trade.stage is not Stage.REVERSED:
                self._ledger.book(trade)
                self._move(trade, 1)
        self._ledger.assert_balanced()

    def _on_market(self, message: Message) -> list[_Move]:
        event = message.first(ChainEvent)
        if event is None:
            return []
        if event.log_index != _BLOCK_LEVEL:
            if not event.flags & _REMOVED:
                return []
            trade = self._ledger.reverse(TradeKey(event.chain_id, event.tx_hash))
            return self._reversed(() if trade is None else (trade,))
        height = (event.chain_id, event.block)
        known = self._block_hashes.get(height)
        if event.flags & _REMOVED:
            self._block_hashes.pop(height, None)
            return self._reversed(self._ledger.reverse_block(*height, event.block_hash))
        if known == event.block_hash:
            return []
        self._block_hashes[height] = event.block_hash
        if len(self._block_hashes) > _BLOCKS_KEPT:
            del self._block_hashes[next(iter(self._block_hashes))]
        if known is None:
            return []
        return self._reversed(self._ledger.reverse_block(*height, known))

    def _on_signal(self, message: Message) -> list[_Move]:
        signal = message.first(ArbitrageSignal)
        if signal is not None:
            self._counts["signals"] += 1
            self._predictions[signal.strategy_id, signal.signal_id] = _Prediction(
                signal.gross_profit - signal.flash_fee, signal.net_profit_usd
            )
            if len(self._predictions) > _SIGNALS_KEPT:
                del self._predictions[next(iter(self._predictions))]
        return []

    def _on_execution(self, message: Message) -> list[_Move]:
        if message.first(ExecutionStarted) is not None:
            self._counts["submissions"] += 1
            return []
        result = message.first(ExecutionResult)
        if result is None:
            return []
        self._counts["results"] += 1
        if result.flags & ExecutionFlag.SIMULATED:
            self._counts["simulated"] += 1
            return []
        if result.tx_hash == ZERO_HASH:
            self._counts["nothing_landed"] += 1
            return self._withdraw(result)
        trace = message.first(TraceContext)
        return self._book(self._trade_of(result, trace.trace_id if trace else 0))

    def _withdraw(self, result: ExecutionResult) -> list[_Move]:
        try:
            trade = self._ledger.withdraw(result.strategy_id, result.signal_id)
        except StateConflict:
            self._counts["conflicts"] += 1
            return []
        return self._reversed(() if trade is None else (trade,))

    def _trade_of(self, result: ExecutionResult, trace_id: int) -> Trade:
        prediction = self._predictions.get((result.strategy_id, result.signal_id))
        is_final = result.flags & ExecutionFlag.FINAL
        return Trade(
            chain_id=result.chain_id,
            tx_hash=result.tx_hash,
            signal_id=result.signal_id,
            strategy_id=result.strategy_id,
            trace_id=trace_id,
            block=result.block,
            block_hash=self._block_hashes.get((result.chain_id, result.block), ZERO_HASH),
            status=result.status,
            stage=Stage.SETTLED if is_final else Stage.PROVISIONAL,
            profit_token=result.profit_token,
            profit_decimals=result.profit_decimals,
            actual_profit=result.actual_profit,
            profit_usd_e8=result.profit_usd,
            gas_used=result.gas_used,
            gas_price=result.gas_price,
            gas_cost=result.gas_cost,
            event_ns=result.event_ns,
            predicted_profit=prediction.profit if prediction else None,
            predicted_usd_e8=prediction.usd_e8 if prediction else None,
        )

    def _book(self, trade: Trade) -> list[_Move]:
        try:
            changed = self._ledger.book(trade)
        except StateConflict:
            self._counts["conflicts"] += 1
            return []
        if not changed:
            self._counts["repeated"] += 1
            return []
        *taken_out, entered = changed
        moves = self._reversed(tuple(taken_out))
        if entered.stage is Stage.SETTLED:
            self._counts["settled"] += 1
        if entered is trade:
            self._counts["booked"] += 1
            moves.append(self._move(entered, 1))
        self._remember((entered,))
        return moves

    def _reversed(self, trades: tuple[Trade, ...]) -> list[_Move]:
        self._counts["reversed"] += len(trades)
        self._remember(trades)
        return [self._move(trade, -1) for trade in trades]

    def _move(self, trade: Trade, sign: int) -> _Move:
        slot = (trade.strategy_id, trade.asset)
        before = self._positions.get(slot, 0)
        after = self._positions[slot] = before + sign * trade.actual_profit
        usd_e8 = self._strategy_usd_e8.get(trade.strategy_id, 0) + sign * trade.profit_usd_e8
        self._strategy_usd_e8[trade.strategy_id] = usd_e8
        return _Move(trade, before, after, usd_e8)

    def _remember(self, trades: tuple[Trade, ...]) -> None:
        if not self._is_stored:
            return
        for trade in trades:
            self._changed[trade.key] = trade
        if len(self._changed) > TRADES_KEPT:
            raise InvariantError(f"{TRADES_KEPT} changed trades were never drained to a store")


def _position_update(move: _Move, trace: TraceContext | None, now_ns: int) -> Draft:
    trade = move.trade
    update = PositionUpdate(
        strategy_id=trade.strategy_id,
        event=_event_of(move.before, move.after),
        decimals=trade.profit_decimals,
        instrument=InstrumentId.token(chain_venue(trade.chain_id), trade.profit_token),
        quantity=move.after,
        average_price=0,
        mark_price=0,
        realised_usd=move.usd_e8,
        unrealised_usd=0,
        event_ns=now_ns,
    )
    trace_id = trace.trace_id if trace else trade.trace_id
    seed = trace_id.to_bytes(16, "big") + trade.tx_hash + bytes([trade.stage])
    span_id = int.from_bytes(hashlib.sha256(seed).digest()[:8], "big")
    tlvs = (update, TraceContext(trace_id=trace_id, span_id=span_id, flags=_SAMPLED))
    return Draft(Domain.EXECUTION, Source.PORTFOLIO, tlvs)


def _event_of(before: int, after: int) -> PositionEvent:
    if before == 0:
        return PositionEvent.OPENED
    if after == 0:
        return PositionEvent.CLOSED
    return PositionEvent.INCREASED if after > before else PositionEvent.REDUCED
