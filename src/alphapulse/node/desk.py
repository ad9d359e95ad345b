"""The desk: collector, strategy, gate and executor of one chain. The hot path; one process in every mode."""

import asyncio
import contextlib
import gc
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from alphapulse.amm import kernel
from alphapulse.collectors.evm.collector import EvmCollector
from alphapulse.evm.rpc import JsonRpc
from alphapulse.execution.client import ChainClient
from alphapulse.execution.executor import ExecutorConfig, FlashExecutor
from alphapulse.execution.gate import ALL_STRATEGIES, Gate, Mode
from alphapulse.execution.nonce import NonceLedger
from alphapulse.execution.plan import Plan
from alphapulse.execution.results import not_submitted_result
from alphapulse.execution.store import ExecutionStore
from alphapulse.execution.tracking import TrackingConfig
from alphapulse.execution.wallet import Wallet
from alphapulse.node.config import Config
from alphapulse.node.contract import contract_errors
from alphapulse.node.decisions import TIMER_SOURCE, Decider
from alphapulse.node.folders import lock_directory
from alphapulse.node.guard import Guard
from alphapulse.node.latency import FrameLatency
from alphapulse.node.publisher import Publisher
from alphapulse.node.recovery import is_waiting, settle_earlier
from alphapulse.node.wiring import ChainFacts, collector_config, strategy_config
from alphapulse.observability.latency import LatencyRecorder
from alphapulse.protocol.execution import Breaker, EmergencyStop, ExecutionReason, StopAction
from alphapulse.protocol.header import Domain, Source
from alphapulse.protocol.market_data import GasPrice
from alphapulse.protocol.message import Draft, Message
from alphapulse.protocol.system import HealthStatus, Heartbeat
from alphapulse.strategies.flash_arbitrage.outcome import Outcome
from alphapulse.strategies.flash_arbitrage.strategy import FlashArbitrage
from alphapulse.transport.bus import Bus

__all__ = ["HEARTBEAT_S", "Desk"]

HEARTBEAT_S = 1.0
PLANS_WAITING = 256  # a block yields a handful; more than this means that nobody executes
DRAIN_TIMEOUT_S = 15.0
# Collections wait for this many new objects: a collection in the middle of a block costs more than memory.
GC_THRESHOLD = 50_000


class Desk:
    """One chain, one strategy, one executor. Tie it to a bus, `start` it, `run` it, `close` it."""

    def __init__(
        self,
        config: Config,
        url: str,
        facts: ChainFacts,
        *,
        wallet: Wallet | None,
        bus: Bus,
        guard: Guard,
        data_dir: Path,
    ) -> None:
        chain_id = config.chain.chain_id
        self._config = config
        self._url = url
        self._bus = bus
        self._guard = guard
        self._publisher = Publisher(bus)
        self._draining = False
        self._head = (0, 0)
        self._new_head = asyncio.Event()
        self._settled = asyncio.Event()
        self._plans: asyncio.Queue[Plan] = asyncio.Queue(PLANS_WAITING)
        self._store = ExecutionStore(data_dir / "execution.sqlite")
        self.gate = Gate(self._store, chain_id, mode=Mode.DRY_RUN if wallet is None else Mode.LIVE)
        self._ledger = (
            NonceLedger(self._store, chain_id, wallet.address, lock_directory=lock_directory())
            if wallet is not None
            else None
        )
        self._client = ChainClient(self._connect)
        self.executor = FlashExecutor(
            self._client,
            wallet,
            self._ledger,
            self.gate,
            self._publisher.publish,
            time.time_ns,
            ExecutorConfig(
                chain_id,
                tracking=TrackingConfig(final_blocks=config.execution.final_blocks),
                errors=contract_errors(),
            ),
        )
        self.latency = FrameLatency()
        settings = strategy_config(config, facts)
        self.strategy = FlashArbitrage(settings)
        self.decider = Decider(self.strategy, settings.source, publish=bus.publish, act=self._act)
        self.collector = EvmCollector(
            collector_config(config, url),
            self._publisher.publish,
            lambda payload, recv_ns: guard.record_frame(payload, recv_ns, "evm"),
            time.time_ns,
        )

    @property
    def is_live(self) -> bool:
        """Return whether transactions leave this process."""
        return self.gate.mode is Mode.LIVE

    def tie(self) -> None:
        """Subscribe the parts: the gate hears a stop before anybody decides."""
        bus = self._bus
        bus.subscribe(self.gate.on_message, name="gate")
        bus.subscribe(self.decider.on_message, name="strategy")
        bus.subscribe(self._on_block, name="executor", domains=frozenset({Domain.MARKET}))
        bus.subscribe(
            self.latency.on_message, name="latency", domains=frozenset({Domain.EXECUTION})
        )

    def say_stops(self) -> None:
        """Say again what stood when the last run ended."""
        self._bus.publish_all(
            Draft(Domain.EXECUTION, Source.EXECUTION, (stop,))
            for stop in self.gate.standing_stops()
        )

    async def start(self) -> None:
        """Settle what an earlier run left at the chain, before anything is decided on it.

        Raises  as the executor's start and `settle_earlier`.
        """
        await self.executor.start()
        if self._ledger is not None:
            pause_s = self._config.chain.block_time_ms / 1000
            await settle_earlier(self.executor, self._ledger, self._url, pause_s=pause_s)

    def resume(self) -> None:
        """Lift every stop; risk stops again at once while its reason lasts."""
        stop = EmergencyStop(
            reason=Breaker.MANUAL,
            action=StopAction.RESUME,
            affected_strategies=ALL_STRATEGIES,
            event_ns=time.time_ns(),
        )
        self._publisher.publish(Draft(Domain.EXECUTION, Source.EXECUTION, (stop,)))

    async def run(
        self,
        stop: asyncio.Event,
        *,
        on_beat: Callable[[], None],
        beat_s: float = HEARTBEAT_S,
        beside: Sequence[Coroutine[None, None, None]] = (),
    ) -> None:
        """Trade until `stop` is set, then let what was sent settle. `beside` runs as long and may end it too.

        Raises  whatever ends the collector, the executor or another task before that.
        """
        work = [
            asyncio.create_task(self.collector.run(), name="collector"),
            asyncio.create_task(self._execute_plans(), name="executor"),
            asyncio.create_task(self._follow_heads(), name="heads"),
            asyncio.create_task(self._beat(on_beat, beat_s), name="heartbeat"),
            *(asyncio.create_task(one) for one in beside),
        ]
        ending = asyncio.create_task(self._end_in_order(stop), name="end")
        try:
            with _rare_collections():
                done, _ = await asyncio.wait({ending, *work}, return_when=asyncio.FIRST_COMPLETED)
            if self._publisher.fault is not None:
                raise self._publisher.fault
            for task in done:
                task.result()
        finally:
            for task in (ending, *work):
                task.cancel()
            await asyncio.gather(ending, *work, return_exceptions=True)

    def account(self) -> dict[str, object]:
        """Return what was seen, decided and sent, as plain JSON values."""
        collected = self.collector.statistics()
        funnel = self.strategy.statistics().funnel
        sent = self.executor.statistics()
        return {
            "mode": self.gate.mode.value,
            "blocks": collected.blocks,
            "events": collected.logs,
            "candidates": funnel.candidates,
            "rejected": {
                name: count
                for name, count in funnel.outcomes.items()
                if name != Outcome.SIGNALLED and count
            },
            "opportunities": funnel.outcomes.get(Outcome.SIGNALLED, 0),
            "submitted": sent.submitted,
            "reverted": sent.reverted,
            "dropped": sent.dropped,
            "cancelled": sent.cancelled,
            "refused": sent.refused,
            "stopped_by_gate": sent.stopped_by_gate,
            "not_connected": sent.not_connected,
            "simulated": sent.simulated,
            "latency_us": {
                "frame_to_plan": _percentiles(self.latency.frame_to_plan),
                "frame_to_submitted": _percentiles(self.latency.frame_to_submitted),
            },
            "collector": {
                "reconnects": collected.reconnects,
                "backfilled_logs": collected.backfilled_logs,
                "reorgs": collected.reorgs,
                "odd_frames": collected.odd_frames,
            },
            "kernel": kernel.name,
            **self.decided(),
        }

    def decided(self) -> dict[str, object]:
        """Return how much was decided, and its digest."""
        digest = self.decider.digest
        return {"decisions": digest.count, "digest": digest.hexdigest()}

    def close(self) -> None:
        """Give connection, key and store back."""
        self._client.close()
        if self._ledger is not None:
            self._ledger.close()
        self._store.close()

    async def _connect(self) -> JsonRpc:
        return await JsonRpc.connect(self._url)

    def _act(self, plan: Plan) -> None:
        """Queue a plan; while draining, or when the guard is closed, say that it is not submitted."""
        now_ns = time.time_ns()
        self.latency.on_plan(plan.signal_id, self.collector.last_recv_ns, now_ns)
        if self._is_closed() or self._plans.full():
            self._refuse(plan)
        else:
            self._plans.put_nowait(plan)

    def _is_closed(self) -> bool:
        return self._draining or not self._guard.is_open()

    def _refuse(self, plan: Plan) -> None:
        reason, simulated = ExecutionReason.STOPPED_BY_BREAKER, not self.is_live
        self._publisher.publish(
            not_submitted_result(plan, reason, time.time_ns(), simulated=simulated)
        )

    def _on_block(self, message: Message, now_ns: int) -> None:
        gas = message.first(GasPrice)
        if gas is not None:
            self._head = (gas.block, gas.base_fee_per_gas)
            self._new_head.set()

    async def _execute_plans(self) -> None:
        while True:
            plan = await self._plans.get()
            if self._is_closed():
                self._refuse(plan)
            else:
                await self.executor.execute(plan)

    async def _follow_heads(self) -> None:
        while True:
            await self._new_head.wait()
            self._new_head.clear()
            await self.executor.on_block(*self._head)
            if self._draining and not self._is_waiting():
                self._settled.set()

    async def _beat(self, on_beat: Callable[[], None], beat_s: float) -> None:
        while True:
            await asyncio.sleep(beat_s)
            beat = Heartbeat(
                event_ns=time.time_ns(),
                status=self._health(),
                source=TIMER_SOURCE,
                interval=int(beat_s * 1000),
            )
            self._publisher.publish(Draft(Domain.SYSTEM, TIMER_SOURCE, (beat,)))
            on_beat()

    def _health(self) -> HealthStatus:
        health = self._guard.health()
        if health == HealthStatus.OK and not self.collector.statistics().is_live:
            return HealthStatus.DEGRADED
        return health

    async def _end_in_order(self, stop: asyncio.Event) -> None:
        """When told to stop, send nothing more, and wait until what was sent is settled or the patience ends."""
        await stop.wait()
        self._draining = True
        if not self._is_waiting():
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_TIMEOUT_S):
                await self._settled.wait()

    def _is_waiting(self) -> bool:
        if self._ledger is None:
            return False
        return not self._plans.empty() or is_waiting(self._ledger)


def _percentiles(recorder: LatencyRecorder) -> dict[str, object]:
    seen = recorder.percentiles()
    if not seen.count:
        return {"count": 0, "p50": None, "p99": None, "max": None}
    return {
        "count": seen.count,
        "p50": _micros(seen.p50_ns),
        "p99": _micros(seen.p99_ns),
        "max": _micros(seen.max_ns),
    }


def _micros(nanoseconds: int) -> float:
    return round(nanoseconds / 1000, 1)


@contextmanager
def _rare_collections() -> Iterator[None]:
    """Keep garbage collection out of the blocks: what start-up made stays, and new garbage is rare."""
    usual = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD)
    try:
        yield
    finally:
        gc.set_threshold(*usual)
        gc.unfreeze()
