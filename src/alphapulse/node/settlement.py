"""Checks predictions against settlements: where nobody else touched the pools, realised must equal predicted."""

from collections import deque
from dataclasses import dataclass

from alphapulse.protocol.execution import ExecutionResult, ExecutionStatus
from alphapulse.protocol.market_data import ChainEvent, GasPrice, Liquidity, PoolSwap, PoolSync
from alphapulse.protocol.message import Message
from alphapulse.protocol.signals import ArbitrageSignal, SwapPath

__all__ = ["SettlementAudit", "SettlementCounts"]

TOUCHES_KEPT = (
    4_096  # per pool; a plan lives a few blocks, a busy pool sees some hundred logs in them
)
SIGNALS_KEPT = 10_000


@dataclass(frozen=True, slots=True)
class SettlementCounts:
    """Succeeded executions by how they compare with their prediction.

    `untouched` are those whose pools no foreign transaction changed between the observed block and ours;
    `untouched_exact` of them realised the prediction to the smallest unit. `below_min` must stay 0.
    """

    succeeded: int
    untouched: int
    untouched_exact: int
    below_min: int


@dataclass(frozen=True, slots=True)
class _Touch:
    block: int
    tx_index: int
    tx_hash: bytes


@dataclass(frozen=True, slots=True)
class _Prediction:
    observed_block: int
    pools: tuple[bytes, ...]
    profit: int
    min_profit: int


class SettlementAudit:
    """Consumes messages; keeps which transactions changed each pool, and what each signal predicted."""

    def __init__(self) -> None:
        self._touches: dict[bytes, deque[_Touch]] = {}
        self._predictions: dict[int, _Prediction] = {}
        self._waiting: deque[tuple[_Prediction, ExecutionResult]] = deque(maxlen=SIGNALS_KEPT)
        self._head = 0
        self._succeeded = 0
        self._untouched = 0
        self._exact = 0
        self._below_min = 0

    def on_message(self, message: Message, now_ns: int) -> None:
        """Take in one message."""
        for tlv in message.tlvs:
            if isinstance(tlv, PoolSwap | PoolSync | Liquidity):
                self._take_touch(tlv.pool, message.first(ChainEvent))
            elif isinstance(tlv, ArbitrageSignal):
                self._take_signal(tlv, message.first(SwapPath))
            elif isinstance(tlv, ExecutionResult):
                self._take_result(tlv)
            elif isinstance(tlv, GasPrice):
                self._head = max(self._head, tlv.block)
                self._judge()

    def statistics(self) -> SettlementCounts:
        """Return the counts so far."""
        return SettlementCounts(self._succeeded, self._untouched, self._exact, self._below_min)

    def _take_touch(self, pool: bytes, event: ChainEvent | None) -> None:
        if event is None:
            return
        touches = self._touches.setdefault(pool, deque(maxlen=TOUCHES_KEPT))
        touches.append(_Touch(event.block, event.tx_index, event.tx_hash))

    def _take_signal(self, signal: ArbitrageSignal, path: SwapPath | None) -> None:
        pools = (signal.source_pool, signal.target_pool)
        self._predictions[signal.signal_id] = _Prediction(
            signal.observed_block,
            tuple(hop.pool for hop in path.hop) if path is not None else pools,
            signal.gross_profit - signal.flash_fee,
            signal.min_profit,
        )
        while len(self._predictions) > SIGNALS_KEPT:
            self._predictions.pop(next(iter(self._predictions)))

    def _take_result(self, result: ExecutionResult) -> None:
        prediction = self._predictions.pop(result.signal_id, None)
        if prediction is None or result.status != ExecutionStatus.SUCCEEDED:
            return
        self._succeeded += 1
        self._below_min += result.actual_profit < prediction.min_profit
        self._waiting.append((prediction, result))
        self._judge()

    def _judge(self) -> None:
        """Judge what lies in blocks that were heard whole: a receipt may be here before its block's logs."""
        while self._waiting and self._waiting[0][1].block <= self._head:
            prediction, result = self._waiting.popleft()
            if not self._was_touched(prediction, result):
                self._untouched += 1
                self._exact += result.actual_profit == prediction.profit

    def _was_touched(self, prediction: _Prediction, result: ExecutionResult) -> bool:
        touches = [touch for pool in prediction.pools for touch in self._touches.get(pool, ())]
        ours = [touch.tx_index for touch in touches if touch.tx_hash == result.tx_hash]
        before = (result.block, min(ours, default=0))
        return any(
            touch.block > prediction.observed_block
            and (touch.block, touch.tx_index) < before
            and touch.tx_hash != result.tx_hash
            for touch in touches
        )
