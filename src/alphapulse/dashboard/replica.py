"""A bounded replica of what messages said, for display. It never decides anything.

Profit and loss is booked by the rules of the portfolio itself: each transaction once, nothing simulated, nothing that a
reorganisation took back.
"""

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from alphapulse.dashboard.pool import Instrument, PoolView
from alphapulse.market.freshness import Freshness
from alphapulse.observability.latency import LatencyRecorder
from alphapulse.portfolio.portfolio import Portfolio
from alphapulse.primitives.instrument_id import ASSET_WILDCARD, InstrumentId
from alphapulse.protocol.execution import (
    EmergencyStop,
    ExecutionFlag,
    ExecutionReason,
    ExecutionResult,
    ExecutionStarted,
    ExecutionStatus,
    StopAction,
)
from alphapulse.protocol.header import Domain, Flag
from alphapulse.protocol.market_data import (
    ChainEvent,
    ChainEventFlag,
    GasPrice,
    InstrumentKind,
    InstrumentMeta,
    InvalidationAction,
    PoolState,
    PoolSwap,
    PoolSync,
    StateInvalidation,
    Trade,
)
from alphapulse.protocol.message import Message, Tlv
from alphapulse.protocol.signals import ArbitrageSignal, StrategyId, SwapPath
from alphapulse.protocol.system import Heartbeat, TraceContext

__all__ = ["Execution", "PnlPoint", "Replica"]

OPPORTUNITIES_KEPT = 200
ACTED_KEPT = 200  # executions that a table can reach back to
EXECUTIONS_KEPT = 2_000
PNL_KEPT = 10_000
LATENCIES_KEPT = 4_096
INSTRUMENTS_KEPT = 16_384  # more than any chain's configured universe
STOP_SOURCES = range(40, 60)  # only these may stop or resume trading

# Plain numbers: an operation on a flag of an enumeration costs as much as the rest of a message.
_REPLAY = int(Flag.REPLAY)
_FINAL = int(ExecutionFlag.FINAL)
_SIMULATED = int(ExecutionFlag.SIMULATED)
_REMOVED = int(ChainEventFlag.REMOVED)


@dataclass(frozen=True, slots=True)
class PnlPoint:
    """Realised net profit in USD * 1e8 up to a moment."""

    now_ns: int
    total_usd_e8: int


@dataclass(frozen=True, slots=True)
class Execution:
    """One signal and what became of it; a part that no message carried yet is None.

    `block_ns` is when the block closed that the signal was computed from, 0 where that is not known.
    """

    signal: ArbitrageSignal
    path: SwapPath | None
    trace_id: int
    signalled_ns: int
    block_ns: int = 0
    started: ExecutionStarted | None = None
    result: ExecutionResult | None = None

    @property
    def state(self) -> str:
        """Return one word for people."""
        if self.result is not None:
            if self.result.flags & _SIMULATED:
                return "dry run"
            return _words(ExecutionStatus, self.result.status)
        return "pending" if self.started is not None else "signalled"

    def fate(self, block: int) -> str:
        """Return the state; a signal that nobody took up by the end of its validity has expired."""
        state = self.state
        is_over = state == "signalled" and block > self.signal.valid_until_block
        return "expired" if is_over else state

    @property
    def reason(self) -> str:
        """Return why it ended so, empty where the result gives no reason."""
        if self.result is None or not self.result.reason:
            return ""
        return _words(ExecutionReason, self.result.reason)

    @property
    def realised(self) -> ExecutionResult | None:
        """Return the result where it moved money or tried to; None for a simulated one."""
        result = self.result
        return None if result is None or result.flags & _SIMULATED else result


@dataclass(slots=True)
class Replica:
    """What the messages so far say. One writer (the bus), readers in the same thread.

    The counters ending in `_version` change with what they name, so that a reader sends only what changed.
    """

    symbols: dict[bytes, str] = field(default_factory=dict)
    views: dict[bytes, PoolView] = field(default_factory=dict)
    executions: dict[int, Execution] = field(default_factory=dict)
    opportunities: deque[int] = field(default_factory=lambda: deque(maxlen=OPPORTUNITIES_KEPT))
    acted: deque[int] = field(default_factory=lambda: deque(maxlen=ACTED_KEPT))
    pnl: deque[PnlPoint] = field(default_factory=lambda: deque(maxlen=PNL_KEPT))
    stops: dict[int, EmergencyStop] = field(default_factory=dict)
    heartbeats: dict[int, Heartbeat] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    block: int = 0
    block_ns: int = 0
    base_fee_wei: int = 0
    total_usd_e8: int = 0
    gas_used: int = 0
    gas_cost_wei: int = 0
    executions_version: int = 0
    pools_version: int = 0
    pnl_version: int = 0
    signal_latency: LatencyRecorder = field(default_factory=lambda: LatencyRecorder(LATENCIES_KEPT))
    submit_latency: LatencyRecorder = field(default_factory=lambda: LatencyRecorder(LATENCIES_KEPT))
    _books: Portfolio = field(default_factory=lambda: Portfolio(is_stored=False))
    _booked: tuple[int, ...] = ()
    _by_id: dict[InstrumentId, PoolView] = field(default_factory=dict)
    _ordered: tuple[PoolView, ...] = ()

    def on_message(self, message: Message, now_ns: int) -> None:
        """Take in one message; kinds that no page shows are only counted, replayed deeds are not believed."""
        counts = self.counts
        counts["messages"] += 1
        header = message.header
        if header.flags & _REPLAY and header.domain != Domain.MARKET:
            counts["replayed"] += 1
            return
        for tlv in message.tlvs:
            take = _TAKERS.get(type(tlv))
            if take is not None:
                take(self, tlv, message, now_ns)
        if header.domain == Domain.MARKET:
            self._book(message, now_ns)

    @property
    def stopped(self) -> bool:
        """Return whether a stop was announced that nobody has lifted."""
        return bool(self.stops)

    def symbol_of(self, token: bytes) -> str:
        """Return a token's symbol, or the start of its address where none was announced."""
        return self.symbols.get(token) or f"0x{token[:3].hex()}…"

    def pools(self) -> tuple[PoolView, ...]:
        """Return the announced pools, by pair, then venue and fee."""
        return self._ordered

    def pair_of(self, pool: Instrument) -> str:
        """Return `token0/token1` in symbols."""
        return "/".join(self.symbol_of(leg) for leg in pool.legs)

    def recent(self, names: deque[int], count: int) -> list[Execution]:
        """Return the newest `count` of the named executions that are still kept, newest first."""
        found = [
            self.executions[names[-place]]
            for place in range(1, min(count, len(names)) + 1)
            if names[-place] in self.executions
        ]
        return found

    # --- market ---------------------------------------------------------------------------------------------------------

    def _take_instrument(self, meta: InstrumentMeta, message: Message, now_ns: int) -> None:
        if meta.kind == InstrumentKind.TOKEN:
            if meta.key in self.symbols or len(self.symbols) < INSTRUMENTS_KEPT:
                self.symbols[meta.key] = meta.symbol
        elif meta.kind == InstrumentKind.POOL:
            instrument = Instrument(
                venue=meta.instrument.venue,
                address=meta.key,
                legs=tuple(leg.address for leg in meta.leg),
                fee_pips=meta.fee_pips,
            )
            known = self.views.get(meta.key)
            if known is not None:
                known.instrument = instrument
            elif len(self.views) < INSTRUMENTS_KEPT:
                view = self.views[meta.key] = PoolView(instrument)
                self._by_id.setdefault(meta.instrument, view)
        else:
            return
        self.pools_version += 1
        self._ordered = tuple(sorted(self.views.values(), key=lambda view: view.order))

    def _take_trade(self, trade: Trade, message: Message, now_ns: int) -> None:
        if not _is_removed(message):
            self.counts["swaps"] += 1

    def _take_swap(self, swap: PoolSwap, message: Message, now_ns: int) -> None:
        view = self.views.get(swap.pool)
        if view is None or _is_removed(message):
            return
        view.event_block = swap.block
        if swap.sqrt_price_x96_after:
            decimals = (swap.decimals_in, swap.decimals_out)
            if swap.token_in > swap.token_out:
                decimals = (swap.decimals_out, swap.decimals_in)
            view.note_root(swap.block, swap.sqrt_price_x96_after, decimals)

    def _take_sync(self, sync: PoolSync, message: Message, now_ns: int) -> None:
        view = self.views.get(sync.pool)
        if view is None or _is_removed(message):
            return
        view.event_block = sync.block
        decimals = (sync.decimals0, sync.decimals1)
        view.note_reserves(sync.block, sync.reserve0, sync.reserve1, decimals)

    def _take_state(self, state: PoolState, message: Message, now_ns: int) -> None:
        view = self.views.get(state.pool)
        if view is None:
            return
        view.begin(state.block)
        self.pools_version += 1
        decimals = (state.decimals0, state.decimals1)
        if state.sqrt_price_x96:
            view.note_root(state.block, state.sqrt_price_x96, decimals)
        else:
            view.note_reserves(state.block, state.reserve0, state.reserve1, decimals)

    def _take_block(self, gas: GasPrice, message: Message, now_ns: int) -> None:
        self.counts["blocks"] += 1
        self.block, self.block_ns = gas.block, now_ns
        self.base_fee_wei = gas.base_fee_per_gas
        for view in self._ordered:
            if view.is_pending:
                view.complete()
                self.pools_version += 1

    def _take_invalidation(self, notice: StateInvalidation, message: Message, now_ns: int) -> None:
        instrument = notice.instrument
        if notice.action != InvalidationAction.RESUME:
            self.counts["invalidations"] += 1
        self.pools_version += 1
        if instrument.asset_type == ASSET_WILDCARD:
            for view in self._ordered:
                if view.instrument.venue == instrument.venue:
                    view.invalidate(notice, by_name=False)
        elif (named := self._by_id.get(instrument)) is not None:
            named.invalidate(notice, by_name=True)

    # --- signals and executions -----------------------------------------------------------------------------------------

    def _take_signal(self, signal: ArbitrageSignal, message: Message, now_ns: int) -> None:
        self.executions_version += 1
        if signal.signal_id in self.executions:
            self.counts["repeated signals"] += 1
            return
        trace = message.first(TraceContext)
        self.counts["signals"] += 1
        block_ns = self.block_ns if signal.observed_block == self.block else 0
        self.executions[signal.signal_id] = Execution(
            signal,
            message.first(SwapPath),
            trace.trace_id if trace else 0,
            now_ns,
            block_ns,
        )
        self.opportunities.append(signal.signal_id)
        if block_ns:
            self.signal_latency.record(now_ns - block_ns)
        if len(self.executions) > EXECUTIONS_KEPT:
            del self.executions[next(iter(self.executions))]

    def _take_started(self, started: ExecutionStarted, message: Message, now_ns: int) -> None:
        self.executions_version += 1
        self.counts["submitted"] += 1
        known = self.executions.get(started.signal_id)
        if known is None:
            self.counts["unknown signals"] += 1
            return
        if known.started is None:
            if known.block_ns:
                self.submit_latency.record(now_ns - known.block_ns)
            if known.result is None:
                self.acted.append(started.signal_id)
        self.executions[started.signal_id] = replace(known, started=started)

    def _take_result(self, result: ExecutionResult, message: Message, now_ns: int) -> None:
        self.executions_version += 1
        self._book(message, now_ns)
        known = self.executions.get(result.signal_id)
        if known is None:
            self.counts["unknown signals"] += 1
            return
        before = known.result
        if before is None and known.started is None:
            self.acted.append(result.signal_id)
        is_later = before is None or result.flags >= before.flags & _FINAL
        if is_later:
            self.executions[result.signal_id] = replace(known, result=result)

    def _book(self, message: Message, now_ns: int) -> None:
        books = self._books
        books.on_message(message, now_ns)
        sums = books.profit_and_loss
        booked = (sums.usd_e8, sums.succeeded, sums.reverted, sums.gas_used)
        if booked == self._booked:
            return
        if not self._booked and not any(booked):
            return
        self._booked = booked
        self.total_usd_e8, self.counts["executed"], self.counts["reverted"], self.gas_used = booked
        self.gas_cost_wei = sum(sums.gas_cost.values())
        self.pnl.append(PnlPoint(now_ns, self.total_usd_e8))
        self.pnl_version += 1

    # --- system ---------------------------------------------------------------------------------------------------------

    def _take_stop(self, stop: EmergencyStop, message: Message, now_ns: int) -> None:
        if message.header.source not in STOP_SOURCES:
            self.counts["ignored stops"] += 1
        elif stop.action != StopAction.RESUME:
            self.stops[stop.affected_strategies] = stop
        elif stop.affected_strategies == StrategyId.ALL:
            self.stops.clear()
        else:
            self.stops.pop(stop.affected_strategies, None)

    def _take_heartbeat(self, beat: Heartbeat, message: Message, now_ns: int) -> None:
        self.heartbeats[message.header.source] = beat

    def freshness(self) -> dict[int, Counter[Freshness]]:
        """Return, per venue, how many pools are in which state."""
        found: dict[int, Counter[Freshness]] = {}
        for view in self._ordered:
            found.setdefault(view.instrument.venue, Counter())[view.track.status] += 1
        return found


def _words(names: type[ExecutionStatus] | type[ExecutionReason], number: int) -> str:
    try:
        return names(number).name.lower().replace("_", " ")
    except ValueError:
        return f"number {number}"


def _is_removed(message: Message) -> bool:
    event = message.first(ChainEvent)
    return event is not None and bool(event.flags & _REMOVED)


_TAKERS: dict[type[Tlv], Callable[..., None]] = {
    Trade: Replica._take_trade,
    PoolSwap: Replica._take_swap,
    PoolSync: Replica._take_sync,
    PoolState: Replica._take_state,
    GasPrice: Replica._take_block,
    InstrumentMeta: Replica._take_instrument,
    StateInvalidation: Replica._take_invalidation,
    ArbitrageSignal: Replica._take_signal,
    ExecutionStarted: Replica._take_started,
    ExecutionResult: Replica._take_result,
    EmergencyStop: Replica._take_stop,
    Heartbeat: Replica._take_heartbeat,
}
