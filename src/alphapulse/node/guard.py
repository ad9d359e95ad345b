"""What stands between a plan and its submission beside the gate: whether all that is done is still recorded."""

from typing import Protocol

from alphapulse.archive.manifest import ArchiveState
from alphapulse.archive.writer import ArchiveWriter
from alphapulse.node.bookkeeper import Bookkeeper
from alphapulse.protocol.system import HealthStatus

__all__ = ["Guard", "OwnRecords"]


class Guard(Protocol):
    """Takes raw frames for the record; asked before every submission, and at every heartbeat."""

    def record_frame(self, payload: bytes, recv_ns: int, name: str) -> None:
        """Take the raw bytes of a frame, when they were received, and the connection's name."""
        ...

    def is_open(self) -> bool:
        """Return whether plans may be submitted now."""
        ...

    def health(self) -> HealthStatus:
        """Return how the parts are that the guard looks at."""
        ...


class OwnRecords:
    """The guard of a node in one process: what cannot be recorded cannot be replayed."""

    def __init__(self, archive: ArchiveWriter, keeper: Bookkeeper) -> None:
        self._archive = archive
        self._keeper = keeper

    def record_frame(self, payload: bytes, recv_ns: int, name: str) -> None:
        """Hand a frame to the archive."""
        self._archive.record_frame(payload, recv_ns, name)

    def is_open(self) -> bool:
        """Return whether the archive is whole so far."""
        return self._archive.state is not ArchiveState.INCOMPLETE

    def health(self) -> HealthStatus:
        """Return the state of archive and store."""
        if self._archive.state is ArchiveState.INCOMPLETE:
            return HealthStatus.UNHEALTHY
        if self._archive.state is ArchiveState.BEHIND or self._keeper.is_behind:
            return HealthStatus.DEGRADED
        return HealthStatus.OK
