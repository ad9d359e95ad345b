"""The archiver: everything that a bus delivers, written behind it."""

import time
from collections.abc import Mapping
from pathlib import Path

from alphapulse.archive.manifest import Manifest
from alphapulse.archive.sealer import Retention
from alphapulse.archive.storage import Storage
from alphapulse.archive.writer import ArchiveLimits, ArchiveWriter
from alphapulse.node.config import ArchiveSection
from alphapulse.protocol.message import Message
from alphapulse.transport.bus import Bus

__all__ = ["Archiver"]


class Archiver:
    """Owns the archive of one run. `facts` are what a replay needs to know beside the messages."""

    def __init__(
        self,
        root: Path,
        keep: ArchiveSection,
        *,
        facts: Mapping[str, object],
        storage: Storage | None = None,
    ) -> None:
        self._root = root
        limits = ArchiveLimits(retention=Retention(keep.keep_days, keep.keep_bytes))
        self.writer = ArchiveWriter(root, time.time_ns, facts=facts, storage=storage, limits=limits)

    def tie(self, bus: Bus) -> None:
        """Subscribe to everything."""
        bus.subscribe(self._record, name="archive")

    def close(self, facts: Mapping[str, object] | None = None) -> Manifest:
        """Write what waits, then the manifest; `facts` are what only the end of a run knows."""
        return self.writer.close(facts)

    def account(self) -> dict[str, object]:
        """Return where the archive lies and how it is, as plain JSON values."""
        return {"archive": str(self._root), "archive_state": self.writer.state.value}

    def _record(self, message: Message, now_ns: int) -> None:
        self.writer.record_message(message)
