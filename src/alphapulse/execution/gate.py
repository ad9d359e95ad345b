"""The gate that every submission passes: mode, trading state, and what can be checked without asking the chain.

It holds the last stop heard from risk, on disk, so that a restart does not forget it.
"""

from enum import StrEnum, unique

import msgspec

from alphapulse.errors import DecodeError, GateClosed
from alphapulse.execution.gas import MAX_TRANSACTION_GAS
from alphapulse.execution.plan import Plan
from alphapulse.execution.store import ExecutionStore
from alphapulse.protocol.execution import EmergencyStop, ExecutionReason, StopAction
from alphapulse.protocol.header import Flag
from alphapulse.protocol.message import Message

__all__ = ["ALL_STRATEGIES", "Gate", "GateStatistics", "Mode", "TradingState"]

ALL_STRATEGIES = 65_535
_STOP_SOURCES = range(40, 60)


@unique
class Mode(StrEnum):
    """Whether transactions leave this process."""

    DRY_RUN = "dry_run"
    LIVE = "live"


@unique
class TradingState(StrEnum):
    """What a strategy may do."""

    RUNNING = "running"
    PAUSED = "paused"
    EXITED = "exited"


class GateStatistics(msgspec.Struct, frozen=True):
    """Counts since start, and the state now."""

    mode: Mode
    state: TradingState
    passed: int
    refused: dict[ExecutionReason, int]
    ignored_stops: int


class Gate:
    """Refuses or passes plans. `check` must be called for each of them, live or not."""

    __slots__ = (
        "_balance",
        "_chain_id",
        "_head",
        "_ignored",
        "_passed",
        "_refused",
        "_stops",
        "_store",
        "mode",
    )

    def __init__(self, store: ExecutionStore, chain_id: int, *, mode: Mode = Mode.DRY_RUN) -> None:
        self.mode = mode
        self._store = store
        self._chain_id = chain_id
        self._head = 0
        self._balance: int | None = None
        self._passed = 0
        self._ignored = 0
        self._refused: dict[ExecutionReason, int] = {}
        self._stops: dict[int, EmergencyStop] = {}
        query = "SELECT reason, action, strategy_id, event_ns FROM trading_state"
        for reason, action, scope, event_ns in store.rows(query):
            if not (
                isinstance(reason, int)
                and isinstance(action, int)
                and isinstance(scope, int)
                and isinstance(event_ns, int)
            ):
                raise DecodeError("bad_value", 0, "the stored trading state is not made of numbers")
            self._stops[scope] = EmergencyStop(
                reason=reason,
                action=StopAction(action),
                affected_strategies=scope,
                event_ns=event_ns,
            )

    def on_message(self, message: Message, now_ns: int) -> None:
        """Take a stop or a resume; only risk and execution services may send one, and no replay."""
        stop = message.first(EmergencyStop)
        if stop is None:
            return
        if message.header.source not in _STOP_SOURCES or message.header.flags & Flag.REPLAY:
            self._ignored += 1
            return
        self.apply(stop)

    def standing_stops(self) -> tuple[EmergencyStop, ...]:
        """Return the stops in force, as they were said, so that a restart can say them again."""
        return tuple(self._stops[scope] for scope in sorted(self._stops))

    def apply(self, stop: EmergencyStop) -> None:
        """Write a stop or a resume down, then obey it. Resuming all strategies clears every stop."""
        scope = stop.affected_strategies
        resumes = stop.action == StopAction.RESUME
        with self._store.commit(durable=True) as connection:
            if resumes and scope == ALL_STRATEGIES:
                connection.execute("DELETE FROM trading_state")
            elif resumes:
                connection.execute("DELETE FROM trading_state WHERE strategy_id = ?", (scope,))
            else:
                connection.execute(
                    "INSERT OR REPLACE INTO trading_state VALUES (?, ?, ?, ?)",
                    (scope, int(stop.action), stop.reason, stop.event_ns),
                )
        if resumes and scope == ALL_STRATEGIES:
            self._stops.clear()
        elif resumes:
            self._stops.pop(scope, None)
        else:
            self._stops[scope] = stop

    def on_block(self, block: int) -> None:
        """Take the number of the newest block."""
        self._head = max(self._head, block)

    def on_balance(self, balance_wei: int) -> None:
        """Take the sender's native balance."""
        self._balance = balance_wei

    def trading_state(self, strategy_id: int = ALL_STRATEGIES) -> TradingState:
        """Return what a strategy may do now."""
        standing = (self._stops.get(ALL_STRATEGIES), self._stops.get(strategy_id))
        actions = {stop.action for stop in standing if stop is not None}
        if StopAction.EXIT in actions:
            return TradingState.EXITED
        return TradingState.PAUSED if StopAction.PAUSE in actions else TradingState.RUNNING

    def check(self, plan: Plan, committed_wei: int = 0) -> None:
        """Pass a plan or refuse it; `committed_wei` is what transactions that still wait may cost at most.

        Raises  GateClosed with the wire's reason.
        """
        refusal = self._refusal(plan, committed_wei)
        if refusal is not None:
            reason, text = refusal
            self._refused[reason] = self._refused.get(reason, 0) + 1
            raise GateClosed(text, reason)
        self._passed += 1

    def statistics(self) -> GateStatistics:
        """Return the counts and the state."""
        return GateStatistics(
            self.mode, self.trading_state(), self._passed, dict(self._refused), self._ignored
        )

    def _refusal(self, plan: Plan, committed_wei: int) -> tuple[ExecutionReason, str] | None:
        state = self.trading_state(plan.strategy_id)
        if state is not TradingState.RUNNING:
            return (
                ExecutionReason.STOPPED_BY_BREAKER,
                f"trading is {state} for strategy {plan.strategy_id}; resume it by command",
            )
        if plan.chain_id != self._chain_id:
            return (
                ExecutionReason.INVALID_PARAMETERS,
                f"`chain_id` must be {self._chain_id}, was {plan.chain_id}",
            )
        if plan.min_profit <= 0:
            return (
                ExecutionReason.INVALID_PARAMETERS,
                f"`min_profit` must be above 0, was {plan.min_profit}",
            )
        if not 0 < plan.gas_limit <= MAX_TRANSACTION_GAS:
            return (
                ExecutionReason.INVALID_PARAMETERS,
                f"`gas_limit` must be 1 to {MAX_TRANSACTION_GAS}, was {plan.gas_limit}",
            )
        if not 0 <= plan.max_priority_fee_per_gas <= plan.max_fee_per_gas:
            return (
                ExecutionReason.INVALID_PARAMETERS,
                "`max_priority_fee_per_gas` must be 0 to `max_fee_per_gas`",
            )
        if plan.valid_until_block < self._head:
            return (
                ExecutionReason.STALE_SIGNAL,
                f"the plan was valid until block {plan.valid_until_block}, the head is {self._head}",
            )
        return self._funds_refusal(plan, committed_wei)

    def _funds_refusal(self, plan: Plan, committed_wei: int) -> tuple[ExecutionReason, str] | None:
        if self.mode is not Mode.LIVE:
            return None
        if self._balance is None:
            return ExecutionReason.INSUFFICIENT_FUNDS, "the sender's balance is not known yet"
        needed = plan.gas_limit * plan.max_fee_per_gas + committed_wei
        if self._balance < needed:
            return (
                ExecutionReason.INSUFFICIENT_FUNDS,
                f"the sender holds {self._balance} wei, gas may cost {needed}",
            )
        return None
