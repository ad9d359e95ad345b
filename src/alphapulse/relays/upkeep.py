"""What a relay does once an interval: say that it lives and how it is, close who does not live, write its status."""

from __future__ import annotations

import os
import resource
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from alphapulse.errors import DecodeError
from alphapulse.protocol.system import HealthStatus, Heartbeat, SystemHealth
from alphapulse.relays.statistics import RelayStatistics

if TYPE_CHECKING:
    from alphapulse.relays.relay import Relay

__all__ = ["Upkeep", "status_path"]

_MS = 1_000_000
_U16 = 0xFFFF
_FILE_MODE = 0o600


def status_path(directory: Path, socket_name: str) -> Path:
    """Return the file that a relay replaces every interval with its RelayStatistics as JSON.

    It is read-only news for whoever may read the directory: `msgspec.json.decode(data, type=RelayStatistics)`.
    """
    return directory / f"{socket_name.removesuffix('.sock')}.status"


class Upkeep:
    """The regular duties of one relay."""

    __slots__ = ("_cpu_s", "_last", "_last_ns", "_memory_bytes", "_relay")

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self._last = (0, 0)
        self._last_ns = relay.mono_ns()
        self._cpu_s = time.process_time()
        self._memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")

    def beat(self) -> None:
        """Do what is due."""
        relay = self._relay
        now = relay.mono_ns()
        self._close_dead(now)
        for producer in relay.producers.values():
            if producer.unacknowledged:
                relay.acknowledge(producer)
        for source in relay.snapshots.wanting():
            relay.ask_base(relay.producers[source])
        relay.say(
            Heartbeat(
                event_ns=relay.clock(),
                status=self._status(),
                source=relay.speaker.source,
                interval=relay.config.heartbeat_ms,
            ),
            self._health(now),
        )

    def write_status(self) -> None:
        """Replace the status file."""
        relay = self._relay
        path = status_path(relay.config.directory, relay.settings.socket_name)
        fresh = path.with_suffix(".status.next")
        try:
            fresh.touch(mode=_FILE_MODE)
            fresh.write_bytes(msgspec.json.encode(self.statistics()))
            fresh.replace(path)
        except OSError:
            relay.status_failures += 1

    def statistics(self) -> RelayStatistics:
        """Return a frozen view."""
        relay = self._relay
        return RelayStatistics(
            domain=relay.domain,
            socket=relay.settings.socket_name,
            pid=os.getpid(),
            epoch=relay.speaker.epoch,
            uptime_ms=(relay.mono_ns() - relay.started_ns) // _MS,
            connections=len(relay.connections),
            refused=dict(relay.refused),
            received=relay.received,
            received_bytes=relay.received_bytes,
            forwarded=relay.fanout.forwarded,
            dropped=relay.dropped,
            rejected=dict(relay.rejected),
            slow_disconnects=relay.slow,
            turn_us_p95=self._turn_us_p95(),
            journal_is_writable=relay.is_writable,
            flush_failures=relay.flush_failures,
            snapshot_bytes=relay.snapshots.bytes,
            producers=tuple(
                one.statistics(
                    journaled=relay.journals[one.source].messages,
                    snapshot_messages=relay.snapshots.count(one.source),
                )
                for one in relay.producers.values()
            ),
            consumers=tuple(one.statistics() for one in relay.connections),
        )

    def _close_dead(self, now: int) -> None:
        relay = self._relay
        config = relay.config
        silent = config.silent_intervals * config.heartbeat_ms * _MS
        for connection in tuple(relay.connections):
            if connection.is_stalled(now, config.stall_ms * _MS):
                relay.on_failure(
                    connection, DecodeError("truncated", 8, "stalled inside a message")
                )
            elif connection.sources and now - connection.heard_ns > silent and not relay.is_holding:
                relay.refused["silent"] += 1
                connection.abort()

    def _status(self) -> HealthStatus:
        if not self._relay.is_writable:
            return HealthStatus.UNHEALTHY
        is_behind = any(one.outgoing.queued for one in self._relay.connections)
        return HealthStatus.DEGRADED if is_behind else HealthStatus.OK

    def _health(self, now: int) -> SystemHealth:
        relay = self._relay
        rejected = sum(relay.rejected.values())
        received, errors = relay.received - self._last[0], rejected - self._last[1]
        elapsed = max(now - self._last_ns, 1)
        used_s = time.process_time()
        cpu = round(100 * (used_s - self._cpu_s) * 1e9 / elapsed)
        self._cpu_s, self._last, self._last_ns = used_s, (relay.received, rejected), now
        resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        return SystemHealth(
            service=relay.speaker.source,
            status=self._status(),
            cpu=min(cpu, 100),
            memory=min(100 * resident // self._memory_bytes, 100),
            connections=len(relay.connections),
            message_rate=received * 1_000 * _MS // elapsed,
            error_rate=min(1000 * errors // max(received, 1), _U16),
            p95_latency=min(self._turn_us_p95(), _U16),
            event_ns=relay.clock(),
            last_error=0,
        )

    def _turn_us_p95(self) -> int:
        turns = sorted(self._relay.turns_ns)
        return turns[len(turns) * 95 // 100] // 1_000 if turns else 0
