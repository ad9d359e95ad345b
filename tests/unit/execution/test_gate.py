import pytest

from alphapulse.errors import GateClosed
from alphapulse.execution.gate import Gate, Mode, TradingState
from alphapulse.execution.store import ExecutionStore
from alphapulse.protocol.execution import EmergencyStop, ExecutionReason, StopAction
from alphapulse.protocol.header import Flag, Header
from alphapulse.protocol.message import Message


def stop(action: StopAction, scope: int = 65_535) -> EmergencyStop:
    return EmergencyStop(reason=1, action=action, affected_strategies=scope, event_ns=5)


def message(tlv: EmergencyStop, source: int = 41, flags: int = 0) -> Message:
    return Message(Header(3, source, flags, 1, 10), (tlv,))


@pytest.fixture
def store(store_path):
    store = ExecutionStore(store_path)
    yield store
    store.close()


def refusal(gate: Gate, plan, committed_wei: int = 0) -> ExecutionReason:
    with pytest.raises(GateClosed) as caught:
        gate.check(plan, committed_wei)
    return ExecutionReason(caught.value.reason)


def test_dry_run_is_the_default(store, plan_of):
    """Covers: O1."""
    gate = Gate(store, 31337)
    assert gate.mode is Mode.DRY_RUN
    gate.check(plan_of())


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"chain_id": 1}, ExecutionReason.INVALID_PARAMETERS),
        ({"min_profit": 0}, ExecutionReason.INVALID_PARAMETERS),
        ({"min_profit": -1}, ExecutionReason.INVALID_PARAMETERS),
        ({"gas_limit": 2**24 + 1}, ExecutionReason.INVALID_PARAMETERS),
        ({"gas_limit": 0}, ExecutionReason.INVALID_PARAMETERS),
        ({"max_priority_fee_per_gas": 3 * 10**9 + 1}, ExecutionReason.INVALID_PARAMETERS),
        ({"valid_until_block": 9}, ExecutionReason.STALE_SIGNAL),
    ],
)
def test_plans_that_must_not_leave(store, plan_of, changes, reason):
    """Covers: C4, G4."""
    gate = Gate(store, 31337, mode=Mode.LIVE)
    gate.on_block(10)
    gate.on_balance(10**20)
    gate.check(plan_of(valid_until_block=10))
    assert refusal(gate, plan_of(**({"valid_until_block": 10} | changes))) is reason
    assert gate.statistics().refused == {reason: 1}


def test_gas_money_counts_what_still_waits(store, plan_of):
    gate = Gate(store, 31337, mode=Mode.LIVE)
    plan = plan_of()
    assert refusal(gate, plan) is ExecutionReason.INSUFFICIENT_FUNDS
    cost = plan.gas_limit * plan.max_fee_per_gas
    gate.on_balance(cost + 7)
    gate.check(plan, 7)
    assert refusal(gate, plan, 8) is ExecutionReason.INSUFFICIENT_FUNDS


def test_a_stop_survives_a_restart_and_ends_by_resume_only(store_path, plan_of):
    """Covers: O2."""
    store = ExecutionStore(store_path)
    Gate(store, 31337).on_message(message(stop(StopAction.PAUSE)), 1)
    store.close()
    store = ExecutionStore(store_path)
    gate = Gate(store, 31337)
    assert gate.trading_state() is TradingState.PAUSED
    assert refusal(gate, plan_of()) is ExecutionReason.STOPPED_BY_BREAKER
    gate.on_message(message(stop(StopAction.EXIT)), 2)
    assert gate.trading_state() is TradingState.EXITED
    gate.on_message(message(stop(StopAction.RESUME)), 3)
    gate.check(plan_of())
    store.close()
    store = ExecutionStore(store_path)
    Gate(store, 31337).check(plan_of())
    store.close()


def test_a_stop_of_one_strategy_leaves_the_others(store, plan_of):
    gate = Gate(store, 31337)
    gate.apply(stop(StopAction.PAUSE, 1))
    assert refusal(gate, plan_of()) is ExecutionReason.STOPPED_BY_BREAKER
    gate.check(plan_of(strategy_id=2))
    gate.apply(stop(StopAction.PAUSE))
    gate.apply(stop(StopAction.RESUME, 1))
    assert refusal(gate, plan_of()) is ExecutionReason.STOPPED_BY_BREAKER
    gate.apply(stop(StopAction.RESUME))
    gate.check(plan_of())


@pytest.mark.parametrize(("source", "flags"), [(20, 0), (60, 0), (39, 0), (41, int(Flag.REPLAY))])
def test_others_and_replays_cannot_stop_or_resume(store, plan_of, source, flags):
    gate = Gate(store, 31337)
    gate.on_message(message(stop(StopAction.PAUSE), source, flags), 1)
    gate.check(plan_of())
    gate.apply(stop(StopAction.PAUSE))
    gate.on_message(message(stop(StopAction.RESUME), source, flags), 1)
    assert refusal(gate, plan_of()) is ExecutionReason.STOPPED_BY_BREAKER
    assert gate.statistics().ignored_stops == 2
