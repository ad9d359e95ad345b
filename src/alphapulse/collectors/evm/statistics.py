"""What a collector counts."""

from dataclasses import dataclass

__all__ = ["Counters", "EvmCollectorStatistics"]


@dataclass(frozen=True, slots=True)
class EvmCollectorStatistics:
    """A frozen view; `last_recv_ns` is when the frame arrived that completed the last released block."""

    is_live: bool
    blocks: int
    logs: int
    last_block: int
    last_recv_ns: int
    last_frame_ns: int
    connections: int
    reconnects: int
    bootstraps: int
    resumes: int
    backfilled_logs: int
    skipped_heads: int
    stale_heads: int
    reorgs: int
    reorg_depth_max: int
    duplicate_logs: int
    late_logs: int
    unstreamed_logs: int
    stream_mismatches: int
    odd_frames: int
    pool_faults: int
    audits: int
    audit_mismatches: int
    lost_ns: int
    live_ns: int
    last_error: str


@dataclass(slots=True)
class Counters:
    """The running counts; one collector writes them."""

    blocks: int = 0
    logs: int = 0
    last_block: int = 0
    last_recv_ns: int = 0
    last_frame_ns: int = 0
    connections: int = 0
    bootstraps: int = 0
    resumes: int = 0
    backfilled_logs: int = 0
    skipped_heads: int = 0
    stale_heads: int = 0
    reorgs: int = 0
    reorg_depth_max: int = 0
    duplicate_logs: int = 0
    late_logs: int = 0
    unstreamed_logs: int = 0
    stream_mismatches: int = 0
    odd_frames: int = 0
    pool_faults: int = 0
    audits: int = 0
    audit_mismatches: int = 0
    lost_ns: int = 0
    live_ns: int = 0
    last_error: str = ""

    def view(self, *, is_live: bool) -> EvmCollectorStatistics:
        """Return the frozen view."""
        counts = {name: getattr(self, name) for name in self.__slots__}
        return EvmCollectorStatistics(
            is_live=is_live, reconnects=max(0, self.connections - 1), **counts
        )
