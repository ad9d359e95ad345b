"""A bounded replica of what messages said, for display. It never decides anything."""

from collections import Counter, deque
from dataclasses import dataclass, field, replace

from alphapulse.observability.latency import LatencyRecorder
from alphapulse.primitives.instrument_id import ASSET_WILDCARD, InstrumentId
from alphapulse.protocol.execution import (
    EmergencyStop,
    ExecutionResult,
    ExecutionStarted,
    ExecutionStatus,
    StopAction,
)
from alphapulse.protocol.market_data import (
    ChainEvent,
    GasPrice,
    InstrumentMeta,
    InvalidationAction,
    PoolState,
    PoolSync,
    StateInvalidation,
    Trade,
)
from alphapulse.protocol.message import Message
from alphapulse.protocol.signals import ArbitrageSignal, SwapPath
from alphapulse.protocol.system import TraceContext

__all__ = ["Execution", "Instrument", "PnlPoint", "PricePoint", "Replica"]

OPPORTUNITIES_KEPT = 200
EXECUTIONS_KEPT = 2_000
PRICES_KEPT = 600  # per pool: ten minutes at one block a second
PNL_KEPT = 10_000
LATENCIES_KEPT = 4_096
KIND_POOL = 2
KIND_TOKEN = 1
RESULT_SIMULATED = 2


@dataclass(frozen=True, slots=True)
class Instrument:
    """A token or pool as InstrumentMeta announced it; `decimals` are those of the legs for a pool."""

    symbol: str
    venue: int
    address: bytes
    decimals: tuple[int, ...]
    legs: tuple[bytes, ...]
    fee_pips: int


@dataclass(frozen=True, slots=True)
class PricePoint:
    """Price of token0 in token1, in whole tokens, for display."""

    block: int
    price: float


@dataclass(frozen=True, slots=True)
class PnlPoint:
    """Realised net profit in USD * 1e8 up to a moment."""

    event_ns: int
    total_usd_e8: int


@dataclass(frozen=True, slots=True)
class Execution:
    """One signal and what became of it; a part that no message carried yet is None."""

    signal: ArbitrageSignal
    path: SwapPath | None
    trace_id: int
    signalled_ns: int
    started: ExecutionStarted | None = None
    result: ExecutionResult | None = None

    @property
    def state(self) -> str:
        """Return one word for people."""
        if self.result is not None:
            if self.result.flags & RESULT_SIMULATED:
                return "dry run"
            return ExecutionStatus(self.result.status).name.lower().replace("_", " ")
        return "pending" if self.started is not None else "signalled"


@dataclass(slots=True)
class Replica:
    """What the messages so far say. One writer (the bus), readers in the same thread."""

    instruments: dict[bytes, Instrument] = field(default_factory=dict)
    prices: dict[bytes, deque[PricePoint]] = field(default_factory=dict)
    executions: dict[int, Execution] = field(default_factory=dict)
    opportunities: deque[int] = field(default_factory=lambda: deque(maxlen=OPPORTUNITIES_KEPT))
    pnl: deque[PnlPoint] = field(default_factory=lambda: deque(maxlen=PNL_KEPT))
    stale: set[InstrumentId] = field(default_factory=set)
    counts: Counter[str] = field(default_factory=Counter)
    block: int = 0
    block_ns: int = 0
    base_fee_wei: int = 0
    stopped: bool = False
    total_usd_e8: int = 0
    gas_used: int = 0
    signal_latency: LatencyRecorder = field(default_factory=lambda: LatencyRecorder(LATENCIES_KEPT))
    submit_latency: LatencyRecorder = field(default_factory=lambda: LatencyRecorder(LATENCIES_KEPT))

    def on_message(self, message: Message, now_ns: int) -> None:
        """Take in one message; kinds that no page shows are only counted."""
        self.counts["messages"] += 1
        for tlv in message.tlvs:
            match tlv:
                case Trade():
                    self._take_trade(tlv, message)
                case PoolSync():
                    self._take_sync(tlv)
                case PoolState():
                    self._take_state(tlv)
                case GasPrice():
                    self._take_block(tlv, now_ns)
                case InstrumentMeta():
                    self._take_instrument(tlv)
                case StateInvalidation():
                    self._take_invalidation(tlv)
                case ArbitrageSignal():
                    self._take_signal(tlv, message, now_ns)
                case ExecutionStarted():
                    self._take_started(tlv, now_ns)
                case ExecutionResult():
                    self._take_result(tlv)
                case EmergencyStop():
                    self.stopped = tlv.action != StopAction.RESUME
                case _:
                    pass

    def symbol_of(self, token: bytes) -> str:
        """Return a token's symbol, or the start of its address where none was announced."""
        known = self.instruments.get(token)
        return known.symbol if known else f"0x{token[:3].hex()}…"

    def pools(self) -> list[Instrument]:
        """Return the announced pools, by pair, then venue and fee."""
        found = [item for item in self.instruments.values() if len(item.legs) > 1]
        return sorted(found, key=lambda pool: (pool.legs, pool.venue, pool.fee_pips))

    def pair_of(self, pool: Instrument) -> str:
        """Return `token0/token1` in symbols."""
        return "/".join(self.symbol_of(leg) for leg in pool.legs)

    def _take_instrument(self, meta: InstrumentMeta) -> None:
        if meta.kind not in (KIND_TOKEN, KIND_POOL):
            return
        is_pool = meta.kind == KIND_POOL
        self.instruments[meta.key] = Instrument(
            symbol=meta.symbol,
            venue=meta.instrument.venue,
            address=meta.key,
            decimals=tuple(leg.decimals for leg in meta.leg) if is_pool else (meta.decimals,),
            legs=tuple(leg.address for leg in meta.leg) if is_pool else (),
            fee_pips=meta.fee_pips,
        )

    def _take_trade(self, trade: Trade, message: Message) -> None:
        self.counts["swaps"] += 1
        event = message.first(ChainEvent)
        pool = self._pool_by_id(trade.instrument)
        if event is not None and pool is not None and trade.price:
            self._add_price(pool.address, event.block, trade.price / 1e8)

    def _take_sync(self, sync: PoolSync) -> None:
        if sync.reserve0:
            scale = 10.0 ** (sync.decimals0 - sync.decimals1)
            self._add_price(sync.pool, sync.block, sync.reserve1 / sync.reserve0 * scale)

    def _take_state(self, state: PoolState) -> None:
        scale = 10.0 ** (state.decimals0 - state.decimals1)
        if state.sqrt_price_x96:
            price = (state.sqrt_price_x96 / 2**96) ** 2 * scale
        elif state.reserve0:
            price = state.reserve1 / state.reserve0 * scale
        else:
            return
        self._add_price(state.pool, state.block, price)

    def _add_price(self, pool: bytes, block: int, price: float) -> None:
        points = self.prices.setdefault(pool, deque(maxlen=PRICES_KEPT))
        if points and points[-1].block == block:
            points.pop()
        points.append(PricePoint(block, price))

    def _take_block(self, gas: GasPrice, now_ns: int) -> None:
        self.counts["blocks"] += 1
        self.block, self.block_ns = gas.block, now_ns
        self.base_fee_wei = gas.base_fee_per_gas

    def _take_invalidation(self, invalidation: StateInvalidation) -> None:
        if invalidation.action == InvalidationAction.RESUME:
            self.stale.discard(invalidation.instrument)
        else:
            self.stale.add(invalidation.instrument)
            self.counts["invalidations"] += 1

    def _take_signal(self, signal: ArbitrageSignal, message: Message, now_ns: int) -> None:
        trace = message.first(TraceContext)
        self.counts["signals"] += 1
        self.executions[signal.signal_id] = Execution(
            signal, message.first(SwapPath), trace.trace_id if trace else 0, now_ns
        )
        self.opportunities.append(signal.signal_id)
        self.signal_latency.record(now_ns - self.block_ns)
        while len(self.executions) > EXECUTIONS_KEPT:
            self.executions.pop(next(iter(self.executions)))

    def _take_started(self, started: ExecutionStarted, now_ns: int) -> None:
        self.counts["submitted"] += 1
        self.submit_latency.record(now_ns - self.block_ns)
        known = self.executions.get(started.signal_id)
        if known is not None:
            self.executions[started.signal_id] = replace(known, started=started)

    def _take_result(self, result: ExecutionResult) -> None:
        known = self.executions.get(result.signal_id)
        if known is not None:
            self.executions[result.signal_id] = replace(known, result=result)
        before = self.total_usd_e8
        if known is not None and known.result is not None:
            self._count(known.result, -1)  # said again when final, or when its block was taken back
        self._count(result, 1)
        if self.total_usd_e8 != before:
            self.pnl.append(PnlPoint(result.event_ns, self.total_usd_e8))

    def _count(self, result: ExecutionResult, sign: int) -> None:
        if result.flags & RESULT_SIMULATED:
            return
        if result.status == ExecutionStatus.SUCCEEDED:
            self.counts["executed"] += sign
        elif result.status == ExecutionStatus.REVERTED:
            self.counts["reverted"] += sign
        self.gas_used += sign * result.gas_used
        self.total_usd_e8 += sign * result.profit_usd

    def _pool_by_id(self, instrument: InstrumentId) -> Instrument | None:
        for item in self.instruments.values():
            if item.legs and InstrumentId.pool(item.venue, item.address) == instrument:
                return item
        return None

    def is_stale(self, pool: Instrument) -> bool:
        """Return whether the pool, or its whole venue, was marked unusable and not resumed."""
        wildcard = InstrumentId(pool.venue, ASSET_WILDCARD, 0, 0)
        return wildcard in self.stale or InstrumentId.pool(pool.venue, pool.address) in self.stale
