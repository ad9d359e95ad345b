"""A whole node in one process: collector, strategy, executor, portfolio, risk, archive and dashboard on one local bus."""

import asyncio
import contextlib
import gc
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from alphapulse.archive.manifest import ArchiveState, Manifest
from alphapulse.archive.storage import Storage
from alphapulse.archive.writer import ArchiveWriter
from alphapulse.collectors.evm.collector import EvmCollector
from alphapulse.dashboard.replica import Replica
from alphapulse.errors import AlphaPulseError, InvariantError, Misconfigured
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
from alphapulse.node.books import Bookkeeper
from alphapulse.node.config import Config
from alphapulse.node.contract import contract_errors
from alphapulse.node.decisions import TIMER_SOURCE, Decider, is_timer
from alphapulse.node.latency import FrameLatency
from alphapulse.node.later import Later
from alphapulse.node.preflight import Preflight, inspect_chain
from alphapulse.node.recovery import is_waiting, settle_earlier
from alphapulse.node.replay import archive_facts
from alphapulse.node.settlement import SettlementAudit
from alphapulse.node.watch import Condition, Watch
from alphapulse.node.wiring import collector_config, rpc_url, strategy_config
from alphapulse.portfolio.entries import Stage
from alphapulse.portfolio.portfolio import Portfolio
from alphapulse.portfolio.store import PortfolioStore
from alphapulse.protocol.execution import Breaker, EmergencyStop, ExecutionReason, StopAction
from alphapulse.protocol.header import Domain, Source
from alphapulse.protocol.market_data import GasPrice
from alphapulse.protocol.message import Draft, Message
from alphapulse.protocol.system import HealthStatus, Heartbeat
from alphapulse.risk.monitor import RiskConfig, RiskMonitor
from alphapulse.roles import Component
from alphapulse.strategies.flash_arbitrage.strategy import FlashArbitrage
from alphapulse.transport.bus import Subscriber
from alphapulse.transport.local import LocalBus
from alphapulse.transport.sequence import Sequencer

__all__ = ["EmbeddedNode"]

HEARTBEAT_S = 1.0
PLANS_WAITING = 256  # a block yields a handful; more than this means that nobody executes
DRAIN_TIMEOUT_S = 15.0
# Collections wait for this many new objects: a collection in the middle of a block costs more than memory.
GC_THRESHOLD = 50_000


class EmbeddedNode:
    """One chain, one strategy, one executor. Make it with `EmbeddedNode.open`, then `start`, then `run`."""

    def __init__(
        self,
        config: Config,
        url: str,
        preflight: Preflight,
        *,
        wallet: Wallet | None,
        archive: ArchiveWriter,
        data_dir: Path,
    ) -> None:
        chain_id = config.chain.chain_id
        self.config = config
        self.preflight = preflight
        self.archive = archive
        self.replica = Replica()
        self.latency = FrameLatency()
        self.settlements = SettlementAudit()
        self.portfolio = Portfolio()
        self._later = Later(
            (self._feed(self.portfolio), self.settlements.on_message, self.replica.on_message)
        )
        self.risk = RiskMonitor(RiskConfig(config.risk.daily_loss_limit_usd_e8))
        self.bus = LocalBus(Sequencer(time.time_ns()), time.time_ns)
        self._url = url
        self._watch = Watch()
        self._fault: BaseException | None = (
            None  # the first one; what follows it only says that the bus stopped
        )
        self._draining = False
        self._head = (0, 0)
        self._new_head = asyncio.Event()
        self._settled = asyncio.Event()
        self._plans: asyncio.Queue[Plan] = asyncio.Queue(PLANS_WAITING)
        self.books = Bookkeeper(
            self.portfolio, PortfolioStore(f"sqlite:///{data_dir / 'portfolio.sqlite'}")
        )
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
            self._publish,
            time.time_ns,
            ExecutorConfig(
                chain_id,
                tracking=TrackingConfig(final_blocks=config.execution.final_blocks),
                errors=contract_errors(),
            ),
        )
        settings = strategy_config(config, preflight.facts)
        self.strategy = FlashArbitrage(settings)
        self.decider = Decider(
            self.strategy, settings.source, publish=self.bus.publish, act=self._act
        )
        self.collector = EvmCollector(
            collector_config(config, url), self._publish, self._record_frame, time.time_ns
        )

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        config: Config,
        environment: Mapping[str, str],
        *,
        wallet: Wallet | None,
        archive_root: Path,
        storage: Storage | None = None,
    ) -> AsyncIterator["EmbeddedNode"]:
        """Inspect the chain, open the stores, and close everything in order at the end.

        `storage` is where the archive's files end up, the disk unless told otherwise.

        Raises  what `inspect_chain` raises; Misconfigured when a store cannot be opened or belongs to another node.
        """
        url = rpc_url(config, environment)
        preflight = await inspect_chain(config, url, wallet.address if wallet else None)
        data_dir = Path(config.node.data_dir) / ("live" if wallet else "dry")
        try:
            data_dir.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Misconfigured(
                f"`node.data_dir` `{config.node.data_dir}` cannot be written ({error.strerror})"
            ) from error
        archive = ArchiveWriter(
            archive_root,
            time.time_ns,
            facts=archive_facts(config, preflight.facts),
            storage=storage,
        )
        try:
            node = cls(config, url, preflight, wallet=wallet, archive=archive, data_dir=data_dir)
            try:
                node._begin()
                yield node
            finally:
                node._end()
        finally:
            archive.close()

    @property
    def is_live(self) -> bool:
        """Return whether transactions leave this process."""
        return self.gate.mode is Mode.LIVE

    async def start(self) -> None:
        """Settle what an earlier run left at the chain, before anything is decided on it.

        Raises  as the executor's start and `settle_earlier`.
        """
        await self.executor.start()
        if self._ledger is not None:
            pause_s = self.config.chain.block_time_ms / 1000
            await settle_earlier(self.executor, self._ledger, self._url, pause_s=pause_s)
        self._later.deliver()

    def resume(self) -> None:
        """Lift every stop; risk stops again at once while its reason lasts."""
        stop = EmergencyStop(
            reason=Breaker.MANUAL,
            action=StopAction.RESUME,
            affected_strategies=ALL_STRATEGIES,
            event_ns=time.time_ns(),
        )
        self._publish(Draft(Domain.EXECUTION, Source.EXECUTION, (stop,)))

    async def run(self, stop: asyncio.Event) -> None:
        """Trade until `stop` is set, then let what was sent settle.

        Raises  whatever ends the collector, the executor or another task of the node before that.
        """
        work = [
            asyncio.create_task(self.collector.run(), name="collector"),
            asyncio.create_task(self._execute_plans(), name="executor"),
            asyncio.create_task(self._follow_heads(), name="heads"),
            asyncio.create_task(self._beat(), name="heartbeat"),
            asyncio.create_task(self._later.run(), name="later"),
        ]
        ending = asyncio.create_task(self._end_in_order(stop), name="end")
        try:
            with _rare_collections():
                done, _ = await asyncio.wait({ending, *work}, return_when=asyncio.FIRST_COMPLETED)
            if self._fault is not None:
                raise self._fault
            for task in done:
                task.result()
        finally:
            for task in (ending, *work):
                task.cancel()
            await asyncio.gather(ending, *work, return_exceptions=True)
            self._later.deliver()
            await self.books.settle()

    def close_archive(self) -> Manifest:
        """Write what waits and the digest of this run's decisions."""
        digest = self.decider.digest
        return self.archive.close({"digest": digest.hexdigest(), "decisions": digest.count})

    def _begin(self) -> None:
        """Remember the books, then tie the parts to the bus: the hot path first."""
        trades = self.books.restore()
        bus = self.bus
        bus.subscribe(self._record_message, name="archive")
        bus.subscribe(self.gate.on_message, name="gate")
        bus.subscribe(self.decider.on_message, name="strategy")
        bus.subscribe(self._on_block, name="executor", domains=frozenset({Domain.MARKET}))
        bus.subscribe(
            self.latency.on_message, name="latency", domains=frozenset({Domain.EXECUTION})
        )
        bus.subscribe(
            self._feed(self.risk), name="risk", domains=frozenset({Domain.EXECUTION, Domain.SYSTEM})
        )
        bus.subscribe(self._later.on_message, name="later")
        now_ns = time.time_ns()
        booked = (
            (trade.strategy_id, trade.signal_id, trade.profit_usd_e8, trade.event_ns)
            for trade in trades
            if trade.stage is not Stage.REVERSED
        )
        bus.publish_all(
            Draft(Domain.EXECUTION, Source.EXECUTION, (stop,))
            for stop in self.gate.standing_stops()
        )
        bus.publish_all(self.risk.restore(booked, now_ns))

    def _end(self) -> None:
        self._client.close()
        if self._ledger is not None:
            self._ledger.close()
        self._store.close()
        self.books.close()

    def _feed(self, component: Component[object]) -> Subscriber:
        def deliver(message: Message, now_ns: int) -> None:
            answers = [*component.on_message(message, now_ns)]
            if is_timer(message):
                answers += component.on_timer(now_ns)
            for answer in answers:
                assert isinstance(answer, Draft)
                self.bus.publish(answer)

        return deliver

    def _publish(self, draft: Draft) -> None:
        """Publish for those who answer faults of the chain: one of a subscriber must not look like one."""
        is_delivered = False
        try:
            self.bus.publish(draft)
            is_delivered = True
        except AlphaPulseError as error:
            raise InvariantError(f"a part of the node failed on a message: {error}") from error
        finally:
            if not is_delivered and self._fault is None:
                self._fault = sys.exception()

    async def _connect(self) -> JsonRpc:
        return await JsonRpc.connect(self._url)

    def _record_message(self, message: Message, now_ns: int) -> None:
        self.archive.record_message(message)

    def _record_frame(self, payload: bytes, recv_ns: int) -> None:
        self.archive.record_frame(payload, recv_ns, "evm")

    def _act(self, plan: Plan) -> None:
        """Queue a plan; while draining, or when the record is broken, say that it is not submitted."""
        now_ns = time.time_ns()
        self.latency.on_plan(plan.signal_id, self.collector.last_recv_ns, now_ns)
        if self._is_closed() or self._plans.full():
            self._refuse(plan)
        else:
            self._plans.put_nowait(plan)

    def _is_closed(self) -> bool:
        return self._draining or self.archive.state is ArchiveState.INCOMPLETE

    def _refuse(self, plan: Plan) -> None:
        reason, simulated = ExecutionReason.STOPPED_BY_BREAKER, not self.is_live
        self._publish(not_submitted_result(plan, reason, time.time_ns(), simulated=simulated))

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

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_S)
            beat = Heartbeat(
                event_ns=time.time_ns(),
                status=self._health(),
                source=TIMER_SOURCE,
                interval=int(HEARTBEAT_S * 1000),
            )
            self._publish(Draft(Domain.SYSTEM, TIMER_SOURCE, (beat,)))
            self.books.write_behind()
            self._watch.look(self._condition())

    def _health(self) -> HealthStatus:
        if self.archive.state is ArchiveState.INCOMPLETE:
            return HealthStatus.UNHEALTHY
        is_late = self.archive.state is ArchiveState.BEHIND or self.books.is_behind
        if is_late or not self.collector.statistics().is_live:
            return HealthStatus.DEGRADED
        return HealthStatus.OK

    def _condition(self) -> Condition:
        return Condition(
            is_live=self.collector.statistics().is_live,
            trading=self.gate.trading_state(),
            archive=self.archive.state,
            archive_cause=self.archive.statistics().cause,
            store_error=self.books.last_error,
        )

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


def lock_directory() -> Path:
    """Return where this user's nodes lock their keys: one place, whatever their data directories.

    Raises  Misconfigured when it cannot be made.
    """
    directory = Path.home() / ".cache" / "alphapulse" / "locks"
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Misconfigured(
            f"lock directory `{directory}` cannot be made ({error.strerror})"
        ) from error
    return directory


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
