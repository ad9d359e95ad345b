"""The collector's memory across connections: where the chain was left, and what must be said when it goes on.

Each block is released in one step without waiting, so that no consumer ever sees half of one. Everything that has to be
asked is asked before. After a reorganisation the state is not undone log by log: it is declared stale at once, then
discarded and read anew at the new head.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from alphapulse.collectors.evm.backfill import fetch_missed
from alphapulse.collectors.evm.blocks import (
    Block,
    BlockAssembler,
    BlockHeader,
    BloomScreen,
    LogVerdict,
    Placement,
)
from alphapulse.collectors.evm.bootstrap import (
    Readings,
    config_faults,
    read_pools_at_head,
    read_tracks,
)
from alphapulse.collectors.evm.config import EvmCollectorConfig, PoolConfig
from alphapulse.collectors.evm.normaliser import Normaliser
from alphapulse.collectors.evm.reader import ChainReader, LogFilter
from alphapulse.collectors.evm.snapshot import PoolSnapshot, born_in
from alphapulse.collectors.evm.statistics import Counters
from alphapulse.collectors.evm.tracker import PoolTracker, Track
from alphapulse.errors import (
    DecodeError,
    HashMismatch,
    InvariantError,
    Misconfigured,
    RpcRefused,
    StateConflict,
    ValueOutOfRange,
)
from alphapulse.evm.logs import TOPIC_V3_INITIALIZE, LogEntry, PoolLog, V3Initialize, decode_log
from alphapulse.protocol.market_data import (
    ChainEventFlag,
    InvalidationAction,
    InvalidationReason,
)
from alphapulse.protocol.message import Draft

__all__ = ["ChainFollower"]

READ_ATTEMPTS = (
    5  # heads that may be replaced while pools are read, before the node counts as unusable
)
LOG_ATTEMPTS = 3  # questions for one block's logs behind a load balancer that lags
LOG_RETRY_S = 0.05
AUDIT_ATTEMPTS = 5  # a node may answer for its newest block out of the state of the next one
AUDIT_RETRY_S = 0.1
REORG_WALK_MAX = (
    64  # blocks walked back to measure a reorganisation; its repair does not depend on it
)
LIVE = ChainEventFlag(0)
ANNOUNCE_EVERY_NS = 300 * 10**9  # the protocol's longest pause between announcements


class ChainFollower:
    """Decides what headers, logs and losses mean, and publishes it."""

    def __init__(
        self, config: EvmCollectorConfig, publish: Callable[[Draft], None], counters: Counters
    ) -> None:
        self._config = config
        self._publish = publish
        self._counters = counters
        self._normaliser = Normaliser(config)
        self._pools: dict[bytes, PoolConfig] = {pool.address: pool for pool in config.pools}
        log_filter = LogFilter(config)
        self.log_filter = log_filter
        self._bloom = (
            BloomScreen(sorted(log_filter.addresses), log_filter.topics)
            if config.trust_logs_bloom
            else None
        )
        self._assembler: BlockAssembler | None = None
        self._tracker = PoolTracker({})
        self._broken: dict[bytes, InvalidationReason] = {}
        self._prepared: dict[tuple[bytes, bytes, int], tuple[LogEntry, PoolLog, Draft | None]] = {}
        self._is_trusted = False
        self._announced_ns = 0

    @property
    def has_started(self) -> bool:
        """Return whether state was ever published."""
        return self._assembler is not None

    async def start(self, reader: ChainReader) -> None:
        """Publish whole state over a new connection: resume where the chain was left, or begin anew.

        Raises  Misconfigured when the chain contradicts the configuration, at the first start only.
        """
        if self._assembler is None:
            await self._bootstrap(reader, None)
        else:
            await self._resume(reader, self._assembler)

    def lose(self, reason: InvalidationReason) -> None:
        """Declare everything stale, once, before anything else is tried."""
        if not self._is_trusted:
            return
        self._is_trusted = False
        self._invalidate(InvalidationAction.STALE, reason, self._chain.last.block_hash)

    async def on_header(self, reader: ChainReader, header: BlockHeader, recv_ns: int) -> None:
        """Act on an announced header."""
        placement = self._chain.place(header)
        if placement is Placement.NEXT:
            await self._close_next(reader, header, recv_ns)
        elif placement is Placement.GAP:
            await self._fill_gap(reader, header, recv_ns)
        elif placement is Placement.FORK:
            await self._check_fork(reader)

    async def on_log(self, reader: ChainReader, entry: LogEntry) -> None:
        """Act on a streamed log."""
        if not self.log_filter.matches(entry):
            self._counters.odd_frames += 1
            return
        verdict = self._chain.add_log(entry)
        if verdict is LogVerdict.DUPLICATE:
            self._counters.duplicate_logs += 1
        elif verdict is LogVerdict.LATE:
            self._counters.late_logs += 1
            await self._begin_anew(reader, InvalidationReason.AUDIT_MISMATCH)
        elif verdict is LogVerdict.REMOVED:
            await self._check_fork(reader)

    @property
    def _chain(self) -> BlockAssembler:
        if self._assembler is None:
            raise InvariantError("the chain is followed only after a start")
        return self._assembler

    async def _close_next(self, reader: ChainReader, header: BlockHeader, recv_ns: int) -> None:
        logs: Sequence[LogEntry] = ()
        done_ns = recv_ns
        may_contain = self._bloom is None or self._bloom.may_contain(header.logs_bloom)
        if may_contain or self._chain.has_early(header):
            try:
                logs, done_ns = await self._agreed_logs(reader, header)
            except RpcRefused:
                if await reader.is_canonical(header):
                    raise
                return  # replaced while it was asked for; the head that replaced it is on its way
            except StateConflict:
                self._counters.stream_mismatches += 1
                await self._begin_anew(reader, InvalidationReason.AUDIT_MISMATCH)
                return
        self._release(header, logs, LIVE, recv_ns=max(recv_ns, done_ns))

    async def _agreed_logs(
        self, reader: ChainReader, header: BlockHeader
    ) -> tuple[Sequence[LogEntry], int]:
        """Return a block's logs by hash, once they hold at least what the subscription delivered.

        Raises  RpcRefused when the node does not know the block; HashMismatch when the two never agree.
        """
        refusal: RpcRefused | None = None
        for attempt in range(LOG_ATTEMPTS):
            if attempt:
                await asyncio.sleep(LOG_RETRY_S)
            asking = asyncio.ensure_future(reader.block_logs(header))
            await asyncio.sleep(
                0
            )  # the question leaves before the work that its answer will find done
            self._prepare(header)
            try:
                logs, done_ns = await asking
            except RpcRefused as error:
                refusal = error
                continue
            if not self._chain.lacking(header, logs):
                return logs, done_ns
            refusal = None
        if refusal is not None:
            raise refusal
        raise HashMismatch(f"block {header.number}: a streamed log is not among its logs")

    def _prepare(self, header: BlockHeader) -> None:
        """Make the messages of what was streamed of a block while the node is asked for the whole of it."""
        self._prepared.clear()
        for entry in self._chain.early(header):
            if entry.address not in self._broken:
                with contextlib.suppress(
                    DecodeError, ValueOutOfRange
                ):  # met again, and answered, at the release
                    self._prepared[entry.identity] = (entry, *self._read_log(entry, header, LIVE))

    def _read_log(
        self, entry: LogEntry, header: BlockHeader, flags: ChainEventFlag
    ) -> tuple[PoolLog, Draft | None]:
        """Return a log's event and its message; the first price of a V3 pool has none.

        Raises  DecodeError, ValueOutOfRange when the log cannot be said.
        """
        log = decode_log(entry)
        is_v3 = self._pools[entry.address].kind == "uniswap_v3"
        if isinstance(log, V3Initialize) and is_v3:
            return log, None
        return log, self._normaliser.log_draft(entry, log, header, flags)

    async def _fill_gap(self, reader: ChainReader, header: BlockHeader, recv_ns: int) -> None:
        last = self._chain.last
        if header.number - last.number > self._config.max_gap_blocks:
            await self._begin_anew(reader, InvalidationReason.SEQUENCE_GAP)
            return
        try:
            missed = await fetch_missed(reader, last, header, self._bloom)
        except (HashMismatch, RpcRefused):
            await self._check_fork(reader)
            return
        if any(self._chain.lacking(each, logs) for each, logs in missed):
            self._counters.stream_mismatches += 1
            await self._begin_anew(reader, InvalidationReason.AUDIT_MISMATCH)
            return
        for each, logs in missed:
            flags = LIVE if each is header else ChainEventFlag.BACKFILLED
            done_ns = max(recv_ns, self._counters.last_frame_ns)
            self._release(each, logs, flags, recv_ns=done_ns)
        self._counters.skipped_heads += len(missed) - 1

    async def _check_fork(self, reader: ChainReader) -> None:
        """Ask whether the last released block still stands, and begin anew if it does not."""
        if await reader.is_canonical(self._chain.last):
            self._counters.stale_heads += 1
            return
        self._counters.reorgs += 1
        self.lose(InvalidationReason.REORGANISATION)
        depth = await self._reorg_depth(reader)
        self._counters.reorg_depth_max = max(self._counters.reorg_depth_max, depth)
        await self._bootstrap(reader, InvalidationReason.REORGANISATION)

    async def _reorg_depth(self, reader: ChainReader) -> int:
        depth = 0
        for header in self._chain.headers_back():
            if depth == REORG_WALK_MAX or await reader.is_canonical(header):
                break
            depth += 1
        return depth

    async def _begin_anew(self, reader: ChainReader, reason: InvalidationReason) -> None:
        self.lose(reason)
        await self._bootstrap(reader, reason)

    async def _bootstrap(self, reader: ChainReader, reason: InvalidationReason | None) -> None:
        header, readings = await self._read_everything(reader)
        normaliser = self._normaliser
        if reason is not None:
            self._invalidate(InvalidationAction.RESET, reason, header.block_hash)
        self._assembler = BlockAssembler(header)
        self._tracker = PoolTracker({})
        self._broken = {}
        self._announce(header)
        self._counters.last_recv_ns = self._counters.last_frame_ns
        self._take_readings(readings, header)
        self._publish(normaliser.block_draft(header))
        self._is_trusted = True
        self._counters.bootstraps += 1
        self._counters.blocks += 1
        self._counters.last_block = header.number

    async def _read_everything(self, reader: ChainReader) -> tuple[BlockHeader, Readings]:
        refusal: HashMismatch | RpcRefused | None = None
        for _ in range(READ_ATTEMPTS):
            header = await reader.head()
            try:
                if self._assembler is None:
                    await self._check_config(reader, header)
                readings = await read_pools_at_head(reader, self._config.pools, header)
                return header, await self._without_contradicted(reader, header, readings)
            except (HashMismatch, RpcRefused) as error:
                refusal = error
        assert refusal is not None
        raise refusal

    async def _without_contradicted(
        self, reader: ChainReader, header: BlockHeader, readings: Readings
    ) -> Readings:
        """Return the readings without pools whose state at the head is not what their logs make it."""
        made = {snapshot.pool: snapshot.track for snapshot in readings.snapshots}
        differing = await self._differing(reader, header, made)
        self._counters.audit_mismatches += len(differing)
        return Readings(
            tuple(found for found in readings.snapshots if found.pool not in differing),
            readings.refused | dict.fromkeys(differing, "its state and its logs contradict"),
        )

    async def _check_config(self, reader: ChainReader, header: BlockHeader) -> None:
        faults = await config_faults(reader, self._config, header)
        if faults:
            raise Misconfigured(f"collector `{self._config.name}`: " + "; ".join(faults))

    async def _resume(self, reader: ChainReader, assembler: BlockAssembler) -> None:
        last = assembler.last
        head = await reader.head()
        if head.number < last.number or not await reader.is_canonical(last):
            self._counters.reorgs += 1
            await self._bootstrap(reader, InvalidationReason.REORGANISATION)
            return
        if head.number - last.number > self._config.max_gap_blocks or self._broken:
            await self._bootstrap(reader, InvalidationReason.RECOVERY)
            return
        try:
            missed = await fetch_missed(reader, last, head, self._bloom)
            tracker, broken = self._tracker.copy(), dict(self._broken)
            drafts = [
                draft
                for header, logs in missed
                for draft in self._log_drafts(
                    logs, header, ChainEventFlag.BACKFILLED, (tracker, broken)
                )
            ]
            all_logs = [entry for _, logs in missed for entry in logs]
            agrees = await self._audit(reader, head, tracker, all_logs)
        except (HashMismatch, RpcRefused):
            await self._bootstrap(reader, InvalidationReason.RECOVERY)
            return
        if not agrees or broken:
            await self._bootstrap(reader, InvalidationReason.AUDIT_MISMATCH)
            return
        self._announce(head)
        for header, logs in missed:
            self._count_block(assembler.close(header, logs))
        self._tracker = tracker
        for draft in drafts:
            self._publish(draft)
        self._take_readings(self._newborn(all_logs), head)
        self._counters.last_recv_ns = self._counters.last_frame_ns
        self._invalidate(InvalidationAction.RESUME, InvalidationReason.RECOVERY, head.block_hash)
        self._publish(self._normaliser.block_draft(head))
        self._is_trusted = True
        self._counters.resumes += 1
        self._counters.backfilled_logs += len(all_logs)

    async def _audit(
        self,
        reader: ChainReader,
        head: BlockHeader,
        tracker: PoolTracker,
        logs: Iterable[LogEntry],
    ) -> bool:
        """Return whether a sample of pools, those with missed logs first, is on chain as the logs make it."""
        changed = {entry.address for entry in logs}
        by_need = sorted(self._pools, key=lambda address: (address not in changed, address))
        sample = by_need[: self._config.audit_pools]
        differing = await self._differing(
            reader, head, {pool: tracker.expected(pool) for pool in sample}
        )
        self._counters.audit_mismatches += len(differing)
        return not differing

    async def _differing(
        self, reader: ChainReader, header: BlockHeader, expected: Mapping[bytes, Track | None]
    ) -> frozenset[bytes]:
        """Return which pools are not on chain at that block as they should be, after some patience."""
        self._counters.audits += len(expected)
        pools = [self._pools[address] for address in expected]
        differing: frozenset[bytes] = frozenset()
        for attempt in range(AUDIT_ATTEMPTS):
            if attempt:
                await asyncio.sleep(AUDIT_RETRY_S)
            found = await read_tracks(reader, pools, header)
            differing = frozenset(
                pool for pool, track in expected.items() if found.get(pool) != track
            )
            if not differing:
                break
        return differing

    def _newborn(self, logs: Sequence[LogEntry]) -> Readings:
        """Return the whole state of pools that got their first price in these logs."""
        addresses = {entry.address for entry in logs if entry.topics[0] == TOPIC_V3_INITIALIZE}
        found: list[PoolSnapshot] = []
        refused: dict[bytes, str] = {}
        for address in sorted(addresses):
            if self._pools[address].kind != "uniswap_v3" or address in self._broken:
                continue
            try:
                snapshot = born_in(logs, address)
            except DecodeError as error:
                refused[address] = error.detail
                continue
            if snapshot is not None:
                found.append(snapshot)
        return Readings(tuple(found), refused)

    def _release(
        self,
        header: BlockHeader,
        logs: Iterable[LogEntry],
        flags: ChainEventFlag,
        *,
        recv_ns: int,
    ) -> None:
        """Publish a whole block: its logs, pools first priced in it, and the message that closes it."""
        block = self._chain.close(header, logs)
        self._counters.last_recv_ns = recv_ns
        self._count_block(block)
        self._counters.unstreamed_logs += block.unstreamed
        if flags & ChainEventFlag.BACKFILLED:
            self._counters.backfilled_logs += len(block.logs)
        for draft in self._log_drafts(block.logs, header, flags, (self._tracker, self._broken)):
            self._publish(draft)
        self._take_readings(self._newborn(block.logs), header)
        if header.timestamp_ns - self._announced_ns >= ANNOUNCE_EVERY_NS:
            self._announce(header)
        self._publish(self._normaliser.block_draft(header, flags))

    def _log_drafts(
        self,
        logs: Iterable[LogEntry],
        header: BlockHeader,
        flags: ChainEventFlag,
        fold: tuple[PoolTracker, dict[bytes, InvalidationReason]],
    ) -> Iterator[Draft]:
        """Yield the message of each log; a pool whose log cannot be said is stale until all state is read anew."""
        tracker, broken = fold
        for entry in logs:
            if entry.address in broken:
                continue
            try:
                known = self._prepared.get(entry.identity)
                if known is not None and known[0] is entry and flags == LIVE:
                    _, log, draft = known
                else:
                    log, draft = self._read_log(entry, header, flags)
            except ValueOutOfRange:
                reason = InvalidationReason.VALUE_NOT_REPRESENTABLE
            except DecodeError:
                reason = InvalidationReason.AUDIT_MISMATCH
            else:
                tracker.apply(entry.address, log)
                if draft is not None:
                    yield draft
                continue
            broken[entry.address] = reason
            self._counters.pool_faults += 1
            yield from self._normaliser.invalidations(
                [entry.address], InvalidationAction.STALE, reason, header.block_hash
            )

    def _take_readings(self, readings: Readings, header: BlockHeader) -> None:
        for address in readings.refused:
            self._broken[address] = InvalidationReason.AUDIT_MISMATCH
            self._counters.pool_faults += 1
        for draft in self._normaliser.invalidations(
            readings.refused,
            InvalidationAction.RESET,
            InvalidationReason.AUDIT_MISMATCH,
            header.block_hash,
        ):
            self._publish(draft)
        for snapshot in readings.snapshots:
            if snapshot.pool in self._broken:
                continue
            self._tracker.put(snapshot.pool, snapshot.track)
            for draft in self._normaliser.snapshot_drafts(snapshot, header):
                self._publish(draft)

    def _announce(self, header: BlockHeader) -> None:
        self._announced_ns = header.timestamp_ns
        for draft in self._normaliser.announcements(header):
            self._publish(draft)

    def _invalidate(
        self, action: InvalidationAction, reason: InvalidationReason, block_hash: bytes
    ) -> None:
        for draft in self._normaliser.invalidations(
            self._pools, action, reason, block_hash, whole_venues=True
        ):
            self._publish(draft)

    def _count_block(self, block: Block) -> None:
        self._counters.blocks += 1
        self._counters.logs += len(block.logs)
        self._counters.last_block = block.header.number
