"""Flash arbitrage: fold market messages, and at the end of each block say which cycles to close.

Pure: the same messages give the same signals and plans. The node hands plans to the executor; results and stops come back as
messages.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from alphapulse.execution.plan import Plan
from alphapulse.market.assets import AssetTable
from alphapulse.market.instruments import ClassConflict, Collision
from alphapulse.market.pool import PoolKey
from alphapulse.market.pools import Head, Market, MarketStatistics
from alphapulse.primitives.units import div_floor
from alphapulse.protocol.execution import (
    AlertKind,
    EmergencyStop,
    ExecutionResult,
    RiskAlert,
    StopAction,
)
from alphapulse.protocol.header import Domain
from alphapulse.protocol.market_data import ChainEvent, ChainEventFlag, GasPrice
from alphapulse.protocol.message import Draft, Message
from alphapulse.protocol.signals import StrategyId
from alphapulse.protocol.system import Error, ErrorCode, Severity
from alphapulse.strategies.flash_arbitrage.config import FlashArbitrageConfig
from alphapulse.strategies.flash_arbitrage.emission import emit
from alphapulse.strategies.flash_arbitrage.in_flight import InFlight
from alphapulse.strategies.flash_arbitrage.outcome import RANK, Funnel, FunnelStatistics, Outcome
from alphapulse.strategies.flash_arbitrage.profitability import Assessment, Assessor
from alphapulse.strategies.flash_arbitrage.search import CycleSearch
from alphapulse.strategies.flash_arbitrage.selection import select
from alphapulse.strategies.flash_arbitrage.visited import VisitedTicks

__all__ = ["FlashArbitrage", "FlashArbitrageStatistics"]

STRATEGY_ID = StrategyId.FLASH_ARBITRAGE
STOP_SOURCES = range(40, 60)  # execution and risk: only they may stop a strategy
GAS_FALL_NUMERATOR = (
    7  # candidates that gas ate are looked at again once gas costs 7/8 of what it did
)
GAS_FALL_DENOMINATOR = 8
INSTRUMENT_META_TYPE = 4


@dataclass(frozen=True, slots=True)
class FlashArbitrageStatistics:
    """What the strategy has met."""

    funnel: FunnelStatistics
    market: MarketStatistics
    in_flight: int
    is_stopped: bool


class FlashArbitrage:
    """Component that finds and plans cycles through pools that changed since it last looked."""

    __slots__ = (
        "_config",
        "_dirty",
        "_funnel",
        "_gas_seen",
        "_in_flight",
        "_is_stopped",
        "_market",
        "_search",
        "_visited",
    )

    def __init__(self, config: FlashArbitrageConfig, assets: AssetTable | None = None) -> None:
        self._config = config
        self._market = Market(assets)
        self._in_flight = InFlight.of(config)
        self._search = CycleSearch(config, self._market, self._in_flight)
        self._visited = VisitedTicks()
        self._funnel = Funnel()
        self._dirty: dict[PoolKey, None] = {}
        self._gas_seen = 0
        self._is_stopped = False

    @property
    def market(self) -> Market:
        """What this strategy believes of the pools; for reading."""
        return self._market

    def on_message(self, message: Message, now_ns: int) -> Iterable[Draft | Plan]:
        """Return signals and their plans when the message closes a block, else notices or nothing."""
        # decode
        domain = message.header.domain
        if domain == Domain.EXECUTION:
            self._hear_execution(message)
            return ()
        if domain != Domain.MARKET:
            return ()
        # state
        for key in self._market.apply(message, now_ns):
            self._dirty[key] = None
        collisions = self._market.take_collisions()
        if collisions:
            return self._complain(collisions, message, now_ns)
        conflicts = self._market.instruments.take_class_conflicts()
        if conflicts:
            return self._warn(conflicts, now_ns)
        # decide, emit
        head = self._closed_by(message)
        return () if head is None else self._decide(head, now_ns)

    def on_timer(self, now_ns: int) -> Iterable[Draft | Plan]:
        """Return nothing: this strategy acts on blocks only."""
        del now_ns
        return ()

    def statistics(self) -> FlashArbitrageStatistics:
        """Return a frozen view of the counts."""
        return FlashArbitrageStatistics(
            self._funnel.statistics(),
            self._market.statistics(),
            self._in_flight.count,
            self._is_stopped,
        )

    def _closed_by(self, message: Message) -> Head | None:
        """Return the head if the message closed a block of our chain that is worth acting on.

        A backfilled block is history: another one follows at once, and a plan made on it would only keep pools busy.
        """
        if message.first(GasPrice) is None:
            return None
        event = message.first(ChainEvent)
        head = self._market.head(self._config.chain_id)
        if event is None or head is None:
            return None
        if (event.chain_id, event.block_hash) != (head.chain_id, head.block_hash):
            return None
        return None if event.flags & ChainEventFlag.BACKFILLED else head

    def _hear_execution(self, message: Message) -> None:
        result = message.first(ExecutionResult)
        if result is not None and result.strategy_id == STRATEGY_ID:
            self._dirty.update(dict.fromkeys(self._in_flight.end(result)))
        stop = message.first(EmergencyStop)
        if stop is None or message.header.source not in STOP_SOURCES:
            return
        if stop.affected_strategies not in (STRATEGY_ID, StrategyId.ALL):
            return
        if stop.action == StopAction.RESUME:
            if self._is_stopped:
                self._dirty.update(dict.fromkeys(self._market.pools))
            self._is_stopped = False
        else:
            self._is_stopped = True

    def _decide(self, head: Head, now_ns: int) -> list[Draft | Plan]:
        funnel = self._funnel
        funnel.blocks += 1
        self._dirty.update(dict.fromkeys(self._in_flight.on_block(head.block)))
        self._search.prepare()
        calibration = self._in_flight.calibration
        calibration.on_block(head.block, head.event_ns, now_ns)
        assessor = Assessor(
            self._config,
            self._search.roster,
            self._search.prices,
            head,
            calibration,
            self._visited,
        )
        self._watch_gas(assessor.price_per_gas)
        changed = tuple(self._dirty)
        self._dirty.clear()
        contest = self._search.contest(
            changed, price_per_gas=assessor.price_per_gas, resting=self._in_flight.resting()
        )
        funnel.screened += contest.sums
        funnel.candidates += len(contest)
        if self._is_stopped:
            funnel.end(Outcome.STOPPED, len(contest))
            return []
        chosen = select(contest, assessor)
        funnel.sized += contest.sized
        for outcome, count in zip(RANK, contest.ends(), strict=False):
            funnel.end(outcome, count)
        self._search.wait_for_gas(contest)
        out: list[Draft | Plan] = []
        for assessment in chosen:
            out += self._emitted(assessment, head, now_ns)
        return out

    def _emitted(self, assessment: Assessment, head: Head, now_ns: int) -> tuple[Draft, Plan]:
        """Return the signal and the plan of a chosen walk, whose pools are in use from now on."""
        search = self._search
        emission = emit(
            assessment,
            config=self._config,
            roster=search.roster,
            prices=search.prices,
            head=head,
            now_ns=now_ns,
        )
        plan, path = emission.plan, search.roster.path(assessment.edges)
        self._in_flight.begin(plan.signal_id, path, plan.valid_until_block, assessment.forecast)
        search.hold(path)
        return emission.draft, plan

    def _watch_gas(self, price_per_gas: int) -> None:
        """Look again at what gas ate once gas has become clearly cheaper."""
        if price_per_gas <= div_floor(self._gas_seen * GAS_FALL_NUMERATOR, GAS_FALL_DENOMINATOR):
            self._dirty.update(dict.fromkeys(self._search.gas_fell()))
            self._gas_seen = price_per_gas
        elif price_per_gas > self._gas_seen or not self._search.waits_for_gas:
            self._gas_seen = price_per_gas

    def _complain(
        self, collisions: tuple[Collision, ...], message: Message, now_ns: int
    ) -> list[Draft | Plan]:
        """Return an error and an alert for each id that two instruments claim."""
        out: list[Draft | Plan] = []
        for collision in collisions:
            text = f"id of another instrument claimed; refused {collision.refused}"
            error = Error(
                ErrorCode.ID_COLLISION,
                Severity.CRITICAL,
                INSTRUMENT_META_TYPE,
                message.header.source,
                message.header.sequence,
                now_ns,
                collision.instrument,
                text,
            )
            alert = RiskAlert(
                Severity.CRITICAL,
                AlertKind.ID_COLLISION,
                STRATEGY_ID,
                collision.instrument,
                1,
                0,
                now_ns,
                text,
            )
            out.append(Draft(Domain.SYSTEM, self._config.source, (error,)))
            out.append(Draft(Domain.EXECUTION, self._config.source, (alert,)))
        return out

    def _warn(self, conflicts: tuple[ClassConflict, ...], now_ns: int) -> list[Draft | Plan]:
        """Return an alert for each asset that a producer puts into another class than our table does."""
        return [
            Draft(
                Domain.EXECUTION,
                self._config.source,
                (
                    RiskAlert(
                        Severity.WARNING,
                        AlertKind.STATE_AUDIT,
                        STRATEGY_ID,
                        conflict.instrument,
                        1,
                        0,
                        now_ns,
                        f"announced as asset class {conflict.announced}; ours is {conflict.held}",
                    ),
                ),
            )
            for conflict in conflicts
        ]
