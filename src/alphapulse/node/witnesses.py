"""The guard of a desk that is alone in its process: it trades before witnesses, or not at all.

Risk must be able to stop it and the archive must remember it. Each says so by heartbeats; three in a row that are
missing, a message that does not leave, or a record that has ended, close the desk until that is over.
"""

import time
from collections.abc import Callable, Mapping

from alphapulse.archive.manifest import ArchiveState
from alphapulse.archive.writer import ArchiveWriter
from alphapulse.protocol.header import Domain
from alphapulse.protocol.message import Message
from alphapulse.protocol.system import HealthStatus, Heartbeat, SequenceSync
from alphapulse.transport.bus import LinkState

__all__ = ["INTERVALS", "Witnesses"]

INTERVALS = 3  # as a relay counts before it calls a peer dead
_NS = 1_000_000_000


class Witnesses:
    """Give `on_message` the bus, and ask. `names` says who must be heard, by the source of their heartbeats.

    A witness that said it is unhealthy stays so until it starts anew: what its record lacks will never be in it.
    """

    def __init__(
        self,
        names: Mapping[int, str],
        *,
        frames: ArchiveWriter,
        link: Callable[[], LinkState],
        interval_s: float,
        clock_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._names = dict(names)
        self.frames = frames
        self._link = link
        self._patience_ns = int(INTERVALS * interval_s * _NS)
        self._clock_ns = clock_ns
        self._heard_ns: dict[int, int] = {}
        self._health: dict[int, int] = {}

    def on_message(self, message: Message, now_ns: int) -> None:
        """Take one message; only heartbeats and starts of witnesses matter."""
        source = message.header.source
        if message.header.domain != Domain.SYSTEM or source not in self._names:
            return
        if message.header.sequence == 1 and message.first(SequenceSync) is not None:
            self._health.pop(source, None)
        beat = message.first(Heartbeat)
        if beat is None:
            return
        self._heard_ns[source] = self._clock_ns()
        if self._health.get(source) != HealthStatus.UNHEALTHY:
            self._health[source] = beat.status

    def record_frame(self, payload: bytes, recv_ns: int, name: str) -> None:
        """Keep a frame beside the desk: frames do not travel."""
        self.frames.record_frame(payload, recv_ns, name)

    def is_open(self) -> bool:
        """Return whether everybody listens and remembers."""
        return not self.closed_by()

    def closed_by(self) -> str:
        """Return why plans are refused, empty while they are not."""
        if self._link() not in (LinkState.LIVE, LinkState.LOST):
            return f"the bus is {self._link()}"
        if self.frames.state is ArchiveState.INCOMPLETE:
            return "the record of frames has ended"
        oldest_ns = self._clock_ns() - self._patience_ns
        for source, name in self._names.items():
            if self._heard_ns.get(source, oldest_ns - 1) < oldest_ns:
                return f"{name} is not heard"
            if self._health.get(source) == HealthStatus.UNHEALTHY:
                return f"{name} is unhealthy"
        return ""

    def health(self) -> HealthStatus:
        """Return the gravest of what is known."""
        if self.closed_by():
            return HealthStatus.UNHEALTHY
        is_late = self.frames.state is ArchiveState.BEHIND or any(self._health.values())
        return HealthStatus.DEGRADED if is_late else HealthStatus.OK
