"""The whole exception tree. Every trunk has an owner and a reaction.

AlphaPulseError
├── InvalidData      the world sent nonsense   → reject, invalidate, count
│   ├── DecodeError          bytes or JSON that do not say what they should
│   ├── SourceError          a source text that does not compile
│   ├── ArchiveCorrupt       a stored segment is not what was written
│   └── StateConflict        (HashMismatch, SequenceGap, NonceConflict)
├── Unavailable      the world did not answer  → bounded retry, degrade
│   ├── EndpointDown, StreamLost, JournalUnwritable
│   ├── ServiceLost, SupervisorLost    a process of the node ended, or the one that orders it
│   └── OutcomeUnknown       sent, no answer: reconcile before any resend
├── Rejected         somebody said no          → record, go on
│   ├── by a pool            (InsufficientLiquidity, BeyondKnownState, PoolNotTradeable)
│   ├── by us                (GateClosed, LimitExceeded, BelowMinProfit)
│   └── by others            (RpcRefused, Reverted)
└── Misconfigured    found before start        → name file, key, rule; exit 2
InvariantError(AssertionError)   our mistake   → crash, restart from the archive
└── CascadeTooLong       components keep answering each other on the bus

The groups "by …" are comments, not classes. An error carries fields, not only text.
"""

__all__ = [
    "AlphaPulseError",
    "ArchiveCorrupt",
    "BelowMinProfit",
    "BeyondKnownState",
    "CascadeTooLong",
    "DecodeError",
    "EndpointDown",
    "GateClosed",
    "HashMismatch",
    "InsufficientLiquidity",
    "InvalidData",
    "InvariantError",
    "JournalUnwritable",
    "LimitExceeded",
    "Misconfigured",
    "NonceConflict",
    "OutcomeUnknown",
    "PoolNotTradeable",
    "Rejected",
    "Reverted",
    "RpcRefused",
    "SequenceGap",
    "ServiceLost",
    "SourceError",
    "StateConflict",
    "StreamLost",
    "SupervisorLost",
    "Unavailable",
    "ValueOutOfRange",
]


class AlphaPulseError(Exception):
    """Anything this system raises on purpose."""


class InvalidData(AlphaPulseError):
    """The world sent nonsense."""


class DecodeError(InvalidData):
    """Bytes that are not what they should be; `kind` is one word, `offset` counts from 0."""

    def __init__(self, kind: str, offset: int = 0, detail: str = "") -> None:
        self.kind = kind
        self.offset = offset
        self.detail = detail
        super().__init__(f"`{kind}` at byte {offset}" + (f": {detail}" if detail else ""))


class ArchiveCorrupt(InvalidData):
    """An archive does not hold what was written; `path` and `row` say where, rows count from 0."""

    def __init__(self, path: str, row: int, detail: str) -> None:
        self.path = path
        self.row = row
        self.detail = detail
        super().__init__(f"`{path}` row {row}: {detail}")


class SourceError(InvalidData):
    """A source text that does not compile; `line` counts from 1."""

    def __init__(self, file: str, line: int, detail: str) -> None:
        self.file = file
        self.line = line
        self.detail = detail
        super().__init__(f"{file}:{line}: {detail}")


class ValueOutOfRange(InvalidData):
    """A value does not fit the field that should carry it."""


class StateConflict(InvalidData):
    """Two things that must agree do not."""


class HashMismatch(StateConflict):
    """A block's parent is not the block we hold."""


class SequenceGap(StateConflict):
    """A numbered stream skipped a number."""


class NonceConflict(StateConflict):
    """The nonce ledger and the chain disagree, or a nonce is missing below one that waits."""


class Unavailable(AlphaPulseError):
    """The world did not answer."""


class EndpointDown(Unavailable):
    """An endpoint refuses connections or does not answer in time."""


class StreamLost(Unavailable):
    """A connection ended while something still depended on it."""


class ServiceLost(Unavailable):
    """A process of the node ended although nobody told it to, or does not answer."""

    def __init__(self, name: str, how: str) -> None:
        self.name = name
        super().__init__(f"service `{name}` {how}")


class SupervisorLost(Unavailable):
    """Nobody gives a service orders any more."""


class JournalUnwritable(Unavailable):
    """What must be remembered before it is passed on cannot be written."""

    def __init__(self, path: str, detail: str) -> None:
        self.path = path
        self.detail = detail
        super().__init__(f"the journal in `{path}` cannot be written ({detail})")


class OutcomeUnknown(Unavailable):
    """Something was sent and no answer came: reconcile before any resend."""


class Rejected(AlphaPulseError):
    """Somebody said no."""


class InsufficientLiquidity(Rejected):
    """A pool cannot pay anything for this amount, or cannot pay this much."""


class BeyondKnownState(Rejected):
    """The answer depends on pool state that is not known here."""


class PoolNotTradeable(Rejected):
    """A pool is not initialised, is empty, or its price stands at a bound."""


class GateClosed(Rejected):
    """The trading gate is closed for a plan; `reason` is the wire's ExecutionReason."""

    def __init__(self, text: str, reason: int = 0) -> None:
        self.reason = reason
        super().__init__(text)


class LimitExceeded(Rejected):
    """A limit of ours forbids it."""


class BelowMinProfit(Rejected):
    """What is left after all costs is less than the floor."""


class RpcRefused(Rejected):
    """A node answered a request with an error; `code` and `data` are the node's own."""

    def __init__(self, method: str, code: int, message: str, data: object = None) -> None:
        self.method = method
        self.code = code
        self.message = message
        self.data = data
        super().__init__(f"`{method}` was refused: {message} (code {code})")


class Reverted(Rejected):
    """An EVM execution reverted; `output` holds the revert data."""

    def __init__(self, output: bytes, detail: str = "") -> None:
        self.output = output
        super().__init__(detail or f"execution reverted with `0x{output.hex()}`")


class Misconfigured(AlphaPulseError):
    """Found before start; the text names file, key, rule and remedy."""


class InvariantError(AssertionError):
    """Our own mistake: crash, restart from the archive."""


class CascadeTooLong(InvariantError):
    """Subscribers published more messages in answer to one message than the bus allows."""

    def __init__(self, limit: int, subscriber: str) -> None:
        self.limit = limit
        self.subscriber = subscriber
        super().__init__(
            f"one publish caused more than {limit} further messages, the last from `{subscriber}`"
        )
