"""What a relay that starts reads back from its journal: every source's standing, and what can be said again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alphapulse.errors import DecodeError
from alphapulse.protocol.codec import decode
from alphapulse.protocol.system import SequenceSync, SyncReason
from alphapulse.relays.run import Run
from alphapulse.transport.framing import Block

if TYPE_CHECKING:
    from alphapulse.relays.relay import Relay

__all__ = ["epoch_in", "restore", "sync_in"]


def sync_in(message: bytes) -> SequenceSync | None:
    """Return the start of a run that a message announces, None when it announces none."""
    try:
        sync = decode(message, verify=False).first(SequenceSync)
    except DecodeError:
        return None
    return sync if sync is not None and sync.reason == SyncReason.PRODUCER_START else None


def epoch_in(message: bytes) -> int:
    """Return the epoch that a first message announces, 0 when it announces none."""
    sync = sync_in(message)
    return 0 if sync is None else sync.epoch


def restore(relay: Relay, block: Block) -> None:
    """Take journaled messages back, oldest first; earlier runs of the relay itself are no source any more."""
    at, count = 0, len(block)
    sequences, sources = block.sequences, block.sources
    while at < count:
        sequence, source = sequences[at], sources[at]
        if sequence < 2:
            _restore_epoch(relay, source, sequence, block.message(at))
        if not sequence or source == relay.speaker.source:
            at += 1
            continue
        end = at + 1
        while end < count and sources[end] == source and sequences[end] == sequences[end - 1] + 1:
            end += 1
        starts = block.starts[at : end + 1]
        moved = [start - starts[0] for start in starts]
        data = block.data[starts[0] : starts[-1]]
        relay.take_back(Run(data, moved, source, 0, sequences[at:end]))
        at = end


def _restore_epoch(relay: Relay, source: int, sequence: int, message: bytes) -> None:
    sync = sync_in(message)
    if sync is None or sync.source == relay.speaker.source:
        return
    producer = relay.producer(sync.source)
    if producer.epoch != sync.epoch:
        relay.restart(producer, sync.epoch)
    if not sequence:
        producer.next_sequence = max(producer.next_sequence, sync.next_sequence)
