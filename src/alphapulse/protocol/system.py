"""System messages on the wire: liveness, numbering, recovery, tracing. Attributes stand in layout order."""

from enum import IntEnum, IntFlag, unique

from alphapulse.primitives.instrument_id import InstrumentId
from alphapulse.protocol.message import Tlv

__all__ = [
    "Error",
    "ErrorCode",
    "HealthStatus",
    "Heartbeat",
    "Hello",
    "PeerRole",
    "RecoveryKind",
    "RecoveryRequest",
    "RecoveryResponse",
    "RecoveryStatus",
    "SequenceSync",
    "Severity",
    "Snapshot",
    "SnapshotPhase",
    "Subscribe",
    "SyncReason",
    "SystemHealth",
    "TraceContext",
    "TraceFlag",
]


@unique
class HealthStatus(IntEnum):
    """Health of a service."""

    OK = 0
    DEGRADED = 1
    UNHEALTHY = 2
    UNKNOWN = 3


@unique
class Severity(IntEnum):
    """Weight of an alert or an error."""

    INFO = 1
    WARNING = 2
    CRITICAL = 3


@unique
class ErrorCode(IntEnum):
    """What an error complains about."""

    INVALID_DATA = 1
    NOT_ALLOWED = 2
    VERSION = 3
    DUPLICATE_PRODUCER = 4
    ID_COLLISION = 5
    SLOW_CONSUMER = 6
    TOO_LARGE = 7
    RATE = 8
    RECOVERY_UNAVAILABLE = 9
    DOMAIN_MISMATCH = 10
    HANDSHAKE = 11
    SEQUENCE = 12


@unique
class SnapshotPhase(IntEnum):
    """Ends of a snapshot."""

    BEGIN = 1
    END = 2


@unique
class RecoveryKind(IntEnum):
    """What a consumer asks for."""

    RETRANSMIT = 1
    SNAPSHOT = 2


@unique
class RecoveryStatus(IntEnum):
    """What a relay answers."""

    BEGIN = 1
    END = 2
    SNAPSHOT_FOLLOWS = 3
    REFUSED = 4


@unique
class SyncReason(IntEnum):
    """Why a sequence is announced."""

    DROPPED = 1
    PRODUCER_START = 2
    JOURNAL_TOO_SHORT = 3
    PRODUCER_GAP = 4


@unique
class PeerRole(IntFlag):
    """Roles of a peer on a connection."""

    PRODUCER = 1
    CONSUMER = 2
    RELAY = 4


@unique
class TraceFlag(IntFlag):
    """Properties of a trace."""

    SAMPLED = 1
    ALWAYS_KEEP = 2
    ERROR = 4
    EXECUTION_CRITICAL = 8


class Heartbeat(Tlv, frozen=True):
    """A producer lives; the node's own heartbeat drives timers."""

    event_ns: int
    status: int
    source: int
    interval: int


class Snapshot(Tlv, frozen=True):
    """Begin or end of a snapshot."""

    snapshot_id: int
    phase: int
    domain: int
    source: int
    as_of_sequence: int
    epoch: int
    messages: int
    content_crc: int


class Error(Tlv, frozen=True):
    """A complaint about a message or a peer."""

    code: int
    severity: int
    tlv_type: int
    source: int
    ref_sequence: int
    event_ns: int
    instrument: InstrumentId
    text: str


class SystemHealth(Tlv, frozen=True):
    """Health of a service."""

    service: int
    status: int
    cpu: int
    memory: int
    connections: int
    message_rate: int
    error_rate: int
    p95_latency: int
    event_ns: int
    last_error: int


class RecoveryRequest(Tlv, frozen=True):
    """A consumer asks for what it missed."""

    consumer_id: int
    last_sequence: int
    current_sequence: int
    request: int
    source: int


class RecoveryResponse(Tlv, frozen=True):
    """Frame around what a consumer missed."""

    consumer_id: int
    first_sequence: int
    last_sequence: int
    status: int
    source: int
    messages: int


class SequenceSync(Tlv, frozen=True):
    """Where a producer's numbering stands and why that had to be said."""

    epoch: int
    next_sequence: int
    dropped: int
    source: int
    reason: int


class Hello(Tlv, frozen=True):
    """First word on a connection."""

    protocol: int
    role: int
    source: int
    domains: int
    consumer_id: int
    epoch: int
    max_message: int
    heartbeat: int
    name: str


class Subscribe(Tlv, frozen=True):
    """What a consumer wants to hear."""

    mode: int
    domains: int
    flags: int
    types: bytes
    instruments: tuple[InstrumentId, ...]


class TraceContext(Tlv, frozen=True):
    """Identity of the cause, unchanged from market event to result; W3C trace-context numbers."""

    trace_id: int
    span_id: int
    flags: int
