"""What a relay can tell about itself at any moment."""

import msgspec

__all__ = ["ConsumerStatistics", "ProducerStatistics", "RelayStatistics"]


class ConsumerStatistics(msgspec.Struct, frozen=True):
    """One connection. `queued` messages wait here, `unsent_bytes` more stand in the socket's buffer."""

    name: str
    consumer_id: int
    pid: int
    user: int
    sources: tuple[int, ...]
    is_subscribed: bool
    sent: int
    queued: int
    unsent_bytes: int
    behind_ms: int
    dropped: int
    rejected: int


class ProducerStatistics(msgspec.Struct, frozen=True):
    """One source of the domain."""

    source: int
    is_live: bool
    epoch: int
    next_sequence: int
    received: int
    duplicates: int
    gaps: int
    missing: int
    restarts: int
    journaled: int
    snapshot_messages: int


class RelayStatistics(msgspec.Struct, frozen=True):
    """One relay since its start; `turn_us_p95` is how long a read of a client takes it, to the last consumer's queue."""

    domain: int
    socket: str
    pid: int
    epoch: int
    uptime_ms: int
    connections: int
    refused: dict[str, int]
    received: int
    received_bytes: int
    forwarded: int
    dropped: int
    rejected: dict[str, int]
    slow_disconnects: int
    turn_us_p95: int
    journal_is_writable: bool
    flush_failures: int
    snapshot_bytes: int
    producers: tuple[ProducerStatistics, ...]
    consumers: tuple[ConsumerStatistics, ...]
