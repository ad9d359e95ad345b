"""Execution, portfolio and risk on the wire: what was done and what is forbidden. Attributes stand in layout order."""

from enum import IntEnum, IntFlag, unique

from alphapulse.primitives.instrument_id import InstrumentId
from alphapulse.protocol.message import Tlv

__all__ = [
    "AlertKind",
    "Balance",
    "BalanceKind",
    "Breaker",
    "BreakerAction",
    "BreakerScope",
    "CircuitBreaker",
    "Command",
    "CommandAck",
    "CommandKind",
    "CommandStatus",
    "EmergencyStop",
    "ExecutionFlag",
    "ExecutionReason",
    "ExecutionResult",
    "ExecutionStarted",
    "ExecutionStatus",
    "Fill",
    "FillRole",
    "OrderCancel",
    "OrderFlag",
    "OrderModify",
    "OrderRequest",
    "OrderState",
    "OrderStatus",
    "OrderType",
    "PositionEvent",
    "PositionUpdate",
    "RiskAlert",
    "RiskDecision",
    "RiskVerdict",
    "StopAction",
    "Submission",
    "TimeInForce",
]


@unique
class OrderType(IntEnum):
    """Kinds of orders."""

    MARKET = 1
    LIMIT = 2
    STOP = 3


@unique
class TimeInForce(IntEnum):
    """How long an order stands."""

    GTC = 1
    IOC = 2
    FOK = 3


@unique
class OrderFlag(IntFlag):
    """Terms of an order."""

    POST_ONLY = 1
    REDUCE_ONLY = 2
    SIMULATED = 4


@unique
class OrderState(IntEnum):
    """States of an order."""

    ACCEPTED = 1
    PARTIALLY_FILLED = 2
    FILLED = 3
    CANCELLED = 4
    REJECTED = 5
    EXPIRED = 6
    UNKNOWN = 7


@unique
class FillRole(IntEnum):
    """Role in a fill."""

    MAKER = 1
    TAKER = 2


@unique
class BalanceKind(IntEnum):
    """Where a balance is held."""

    CHAIN_WALLET = 1
    EXCHANGE_ACCOUNT = 2


@unique
class ExecutionStatus(IntEnum):
    """Outcomes of a transaction."""

    SUCCEEDED = 1
    REVERTED = 2
    DROPPED = 3
    NOT_SUBMITTED = 4
    REPLACED = 5
    TIMED_OUT = 6
    NOT_INCLUDED = 7


@unique
class ExecutionReason(IntEnum):
    """Why an outcome is what it is; also the reasons of orders and commands."""

    NONE = 0
    INSUFFICIENT_PROFIT = 1
    STALE_SIGNAL = 2
    GAS_PRICE_TOO_HIGH = 3
    INVALID_PARAMETERS = 4
    REVERTED = 5
    INSUFFICIENT_FUNDS = 6
    DROPPED = 7
    NETWORK_TIMEOUT = 8
    BUNDLE_FAILED = 9
    REFUSED_BY_RISK = 10
    STOPPED_BY_BREAKER = 11


@unique
class ExecutionFlag(IntFlag):
    """Properties of a result; a simulated one never enters profit and loss."""

    FINAL = 1
    SIMULATED = 2


@unique
class Submission(IntEnum):
    """Way of a transaction to the chain."""

    PUBLIC = 1
    PRIVATE = 2
    PRIVATE_THEN_PUBLIC = 3


@unique
class StopAction(IntEnum):
    """What a stop does to strategies."""

    PAUSE = 1
    RESUME = 2
    EXIT = 3


@unique
class Breaker(IntEnum):
    """Breaker numbers."""

    DAILY_LOSS = 1
    TRADE_SIZE = 2
    GAS_CEILING = 3
    FAILURE_RATE = 4
    VOLATILITY = 5
    MANUAL = 6
    DATA_INTEGRITY = 7


@unique
class BreakerScope(IntEnum):
    """What a breaker covers."""

    STRATEGY = 1
    GLOBAL = 2
    INSTRUMENT = 3


@unique
class BreakerAction(IntEnum):
    """What a breaker does."""

    OPEN = 1
    RESET = 2
    EMERGENCY_EXIT = 3


@unique
class CommandKind(IntEnum):
    """Commands of a person."""

    EXECUTE_SIGNAL = 1
    CANCEL_ORDER = 2
    SET_STRATEGY_STATE = 3
    RESET_BREAKER = 4
    EMERGENCY_STOP = 5


@unique
class CommandStatus(IntEnum):
    """Answers to a command."""

    ACCEPTED = 1
    COMPLETED = 2
    REFUSED = 3
    EXPIRED = 4
    DUPLICATE = 5
    NOT_AUTHENTICATED = 6


@unique
class RiskVerdict(IntEnum):
    """Verdicts of risk."""

    APPROVE = 1
    REJECT = 2
    DEFER = 3


@unique
class PositionEvent(IntEnum):
    """What happened to a position."""

    OPENED = 1
    INCREASED = 2
    REDUCED = 3
    CLOSED = 4
    MARKED = 5


@unique
class AlertKind(IntEnum):
    """What an alert is about; 1 to 7 are breaker numbers."""

    DAILY_LOSS = 1
    TRADE_SIZE = 2
    GAS_CEILING = 3
    BREAKER_FAILURE_RATE = 4
    VOLATILITY = 5
    MANUAL = 6
    DATA_INTEGRITY = 7
    VENUE_DISCONNECTS = 16
    SIGNAL_RATE = 17
    GAS_PRICE = 18
    FAILURE_RATE = 19
    DAILY_PROFIT_AND_LOSS = 20
    STATE_AUDIT = 21
    ID_COLLISION = 22
    SEQUENCE_GAP = 23


class OrderRequest(Tlv, frozen=True):
    """An order; `order_id` is the client order id, unique per source for ever."""

    order_id: int
    signal_id: int
    strategy_id: int
    side: int
    order_type: int
    time_in_force: int
    flags: int
    max_slippage_bps: int
    instrument: InstrumentId
    quantity: int
    price: int
    expires: int
    event_ns: int


class OrderStatus(Tlv, frozen=True):
    """What became of an order so far."""

    order_id: int
    status: int
    reason: int
    venue: int
    filled: int
    average_price: int
    venue_ref: bytes
    event_ns: int


class Fill(Tlv, frozen=True):
    """One fill of an order."""

    order_id: int
    fill_id: int
    instrument: InstrumentId
    side: int
    role: int
    price: int
    quantity: int
    fee: int
    fee_asset: InstrumentId
    event_ns: int


class OrderCancel(Tlv, frozen=True):
    """A wish to cancel an order."""

    order_id: int
    reason: int


class OrderModify(Tlv, frozen=True):
    """A wish to change price and quantity of an order."""

    order_id: int
    price: int
    quantity: int


class Balance(Tlv, frozen=True):
    """Balance of an account in one instrument."""

    instrument: InstrumentId
    decimals: int
    kind: int
    account: int
    available: int
    locked: int
    block: int
    event_ns: int


class ExecutionResult(Tlv, frozen=True):
    """Outcome of a transaction; `profit_usd` is profit and gas valued, net."""

    signal_id: int
    strategy_id: int
    status: int
    profit_decimals: int
    chain_id: int
    actual_profit: int
    profit_usd: int
    gas_used: int
    gas_price: int
    block: int
    tx_hash: bytes
    event_ns: int
    gas_cost: int
    profit_token: bytes
    reason: int
    flags: int


class EmergencyStop(Tlv, frozen=True):
    """Pause, resume or exit of one strategy or all; only sources 40 to 59 may send it."""

    reason: int
    action: int
    affected_strategies: int
    event_ns: int


class ExecutionStarted(Tlv, frozen=True):
    """A transaction was handed over; a replacement keeps `signal_id` and `nonce`."""

    signal_id: int
    strategy_id: int
    submission: int
    attempt: int
    chain_id: int
    tx_hash: bytes
    nonce: int
    gas_limit: int
    max_fee_per_gas: int
    max_priority_fee_per_gas: int
    target_block: int
    event_ns: int


class Command(Tlv, frozen=True):
    """An authenticated order of a person; the receiver checks `mac`, times and repetition."""

    command_id: bytes
    command: int
    argument: int
    strategy_id: int
    target: int
    issued: int
    expires: int
    operator: bytes
    key_id: int
    mac: bytes


class CommandAck(Tlv, frozen=True):
    """Answer to a command."""

    command_id: bytes
    status: int
    reason: int
    strategy_id: int
    event_ns: int


class RiskDecision(Tlv, frozen=True):
    """Verdict of risk on a signal."""

    signal_id: int
    strategy_id: int
    decision: int
    approved_size: int
    max_slippage_bps: int
    reasons: int
    event_ns: int
    trace_id: int


class PositionUpdate(Tlv, frozen=True):
    """Change of a position."""

    strategy_id: int
    event: int
    decimals: int
    instrument: InstrumentId
    quantity: int
    average_price: int
    mark_price: int
    realised_usd: int
    unrealised_usd: int
    event_ns: int


class RiskAlert(Tlv, frozen=True):
    """Something risk wants a person to know."""

    severity: int
    alert: int
    strategy_id: int
    instrument: InstrumentId
    observed: int
    threshold: int
    event_ns: int
    text: str


class CircuitBreaker(Tlv, frozen=True):
    """A breaker opened or was reset; opening one also sends EmergencyStop."""

    breaker: int
    scope: int
    strategy_id: int
    action: int
    duration: int
    instrument: InstrumentId
    observed: int
    threshold: int
    event_ns: int
