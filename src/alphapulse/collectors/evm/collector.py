"""The shell of the EVM collector: connects, checks the chain, feeds the follower, and never lets a loss go unsaid.

`run` raises only before the first state is published: Misconfigured, EndpointDown or InvalidData, each with a remedy.
Later every fault of the connection is an invalidation, a pause and another attempt.
"""

import asyncio
import logging
import secrets
from collections.abc import Callable
from typing import Any, NoReturn

import msgspec

from alphapulse.collectors.evm.blocks import HeaderJson, block_header
from alphapulse.collectors.evm.config import EvmCollectorConfig
from alphapulse.collectors.evm.follower import ChainFollower
from alphapulse.collectors.evm.inbox import Inbox
from alphapulse.collectors.evm.reader import ChainReader
from alphapulse.collectors.evm.statistics import Counters, EvmCollectorStatistics
from alphapulse.errors import (
    AlphaPulseError,
    DecodeError,
    EndpointDown,
    InvalidData,
    Misconfigured,
    RpcRefused,
    StreamLost,
    Unavailable,
)
from alphapulse.evm.rpc import JsonRpc, Notification, masked_url
from alphapulse.primitives.units import div_floor
from alphapulse.protocol.market_data import InvalidationReason
from alphapulse.protocol.message import Draft

__all__ = ["EvmCollector"]

logger = logging.getLogger(__name__)

INBOX_LIMIT = 10_000  # notifications held while blocks are fetched: minutes of a busy chain
BACKOFF_DOUBLINGS = 16  # keeps the shift small; the configured maximum is reached long before
JITTER_PARTS = (
    4  # up to a quarter of a pause is taken off, so that many collectors do not knock at once
)

_HEADER = msgspec.json.Decoder(HeaderJson)


def _raise_mistake(task: asyncio.Future[Any]) -> None:
    """Raise what ended a task when that is no fault of the world: nothing more may be said over it."""
    if task.done() and not task.cancelled():
        error = task.exception()
        if error is not None and not isinstance(error, AlphaPulseError):
            raise error


class EvmCollector:
    """One chain's pools as messages; see the package for what is promised."""

    def __init__(
        self,
        config: EvmCollectorConfig,
        publish: Callable[[Draft], None],
        record: Callable[[bytes, int], None],
        clock_ns: Callable[[], int],
    ) -> None:
        self._config = config
        self._record = record
        self._clock_ns = clock_ns
        self._counters = Counters()
        self._follower = ChainFollower(config, publish, self._counters)
        self._live = asyncio.Event()
        self._failures = 0
        self._heads = ""
        self._head_mono = 0.0
        self._endpoint = masked_url(config.rpc_ws)

    @property
    def last_recv_ns(self) -> int:
        """Return when the frame arrived that completed the block being released."""
        return self._counters.last_recv_ns

    async def wait_live(self) -> None:
        """Return once whole, verified state is published and live events follow."""
        await self._live.wait()

    def statistics(self) -> EvmCollectorStatistics:
        """Return a frozen view of the counts."""
        return self._counters.view(is_live=self._live.is_set())

    async def run(self) -> None:
        """Collect until cancelled.

        Raises  Misconfigured for another chain or contradicted pools; EndpointDown when nothing usable answers;
                InvalidData when what answers is no node. All only before the first state is published.
        """
        while True:
            try:
                await self._connection()
            except Misconfigured as error:
                if not self._follower.has_started:
                    raise
                self._lost(error)
            except (InvalidData, Unavailable, RpcRefused) as error:
                if not self._follower.has_started:
                    self._refuse_start(error)
                self._lost(error)
            await asyncio.sleep(self._pause_ms() / 1_000)

    async def _connection(self) -> None:
        """Serve one connection until it fails; what is lost is said before the failure is handed on."""
        inbox = Inbox(INBOX_LIMIT)
        self._heads = ""

        def hold(notification: Notification, recv_ns: int) -> None:
            if notification.subscription == self._heads and not self._live.is_set():
                self._touch()  # a long start is not silence; afterwards only a head that is understood counts
            inbox.put(notification, recv_ns)

        rpc = await JsonRpc.connect(self._config.rpc_ws, tap=self._tap, on_notification=hold)
        self._counters.connections += 1
        self._touch()
        work = asyncio.ensure_future(self._work(rpc, inbox))
        watch = asyncio.ensure_future(self._watch())
        try:
            ends: tuple[asyncio.Future[Any], ...] = (work, watch, rpc.closed, inbox.overflow)
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            _raise_mistake(work)
            reason = InvalidationReason.DISCONNECT
            if inbox.overflow.done():
                reason = InvalidationReason.QUEUE_OVERFLOW
            elif watch.done() and not rpc.closed.done():
                reason = InvalidationReason.STALENESS
            self._declare_lost(reason)
        finally:
            work.cancel()
            watch.cancel()
            rpc.close()  # before anything is awaited: a second cancellation must not leave it open
            await asyncio.gather(work, watch, return_exceptions=True)
        if rpc.closed.done() and isinstance(rpc.closed.result(), DecodeError):
            raise rpc.closed.result()
        for task in (work, watch):
            if task.done() and not task.cancelled():
                task.result()
        if rpc.closed.done():
            raise rpc.closed.result()
        raise StreamLost(f"more than {INBOX_LIMIT} notifications waited")

    async def _work(self, rpc: JsonRpc, inbox: Inbox) -> NoReturn:
        reader = ChainReader(rpc, self._follower.log_filter, self._config)
        await self._check_chain(reader)
        self._heads = await reader.subscribe_heads()
        logs = await reader.subscribe_logs()
        await self._follower.start(reader)
        self._touch()
        self._failures = 0
        self._counters.live_ns = self._clock_ns()
        self._live.set()
        while True:
            notification, recv_ns = await inbox.get()
            if notification.subscription == self._heads:
                await self._on_head(reader, notification, recv_ns)
            elif notification.subscription == logs:
                await self._on_log(reader, notification)
            else:
                self._counters.odd_frames += 1

    async def _check_chain(self, reader: ChainReader) -> None:
        found = await reader.chain_id()
        if found != self._config.chain_id:
            raise Misconfigured(
                f"collector `{self._config.name}`: `chain_id` is {self._config.chain_id}, but the node at "
                f"`{self._endpoint}` serves chain {found}; correct `chain_id` or `rpc_ws`"
            )

    async def _on_head(self, reader: ChainReader, notification: Notification, recv_ns: int) -> None:
        try:
            header = block_header(_HEADER.decode(notification.result))
        except (msgspec.MsgspecError, DecodeError):
            self._counters.odd_frames += 1  # the next head shows the gap, which is then fetched
            return
        self._touch()
        await self._follower.on_header(reader, header, recv_ns)

    async def _on_log(self, reader: ChainReader, notification: Notification) -> None:
        try:
            entry = reader.log(notification.result)
        except DecodeError:
            self._counters.odd_frames += 1  # its block is closed only with every log it has
            return
        await self._follower.on_log(reader, entry)

    async def _watch(self) -> None:
        """Raise when no head came for too long; wait for ever where the chain has no cadence."""
        limit_s = self._config.block_time_ms * self._config.silent_blocks / 1_000
        if limit_s == 0:
            await asyncio.get_running_loop().create_future()
        while True:
            left = self._head_mono + limit_s - asyncio.get_running_loop().time()
            if left <= 0:
                raise StreamLost(
                    f"`{self._endpoint}` announced no block for {self._config.silent_blocks} block times"
                )
            await asyncio.sleep(left)

    def _tap(self, payload: bytes, recv_ns: int) -> None:
        self._counters.last_frame_ns = recv_ns
        self._record(payload, recv_ns)

    def _touch(self) -> None:
        self._head_mono = asyncio.get_running_loop().time()

    def _declare_lost(self, reason: InvalidationReason) -> None:
        if not self._follower.has_started:
            return
        if self._live.is_set():
            self._counters.lost_ns = self._clock_ns()
            self._live.clear()
        self._follower.lose(reason)

    def _lost(self, error: Exception) -> None:
        self._failures += 1
        self._counters.last_error = str(error)
        logger.warning("connection lost", extra={"collector": self._config.name})

    def _pause_ms(self) -> int:
        doublings = min(max(0, self._failures - 1), BACKOFF_DOUBLINGS)
        longest = min(self._config.reconnect_min_ms << doublings, self._config.reconnect_max_ms)
        return longest - secrets.randbelow(div_floor(longest, JITTER_PARTS) + 1)

    def _refuse_start(self, error: Exception) -> NoReturn:
        where = f"RPC endpoint `{self._endpoint}` of collector `{self._config.name}`"
        remedy = "check that `rpc_ws` is the WebSocket JSON-RPC address of an EVM node"
        if isinstance(error, EndpointDown):
            raise error
        if isinstance(error, Unavailable):
            raise EndpointDown(
                f"{where} stopped answering during the start: {error}; {remedy}"
            ) from error
        raise InvalidData(f"{where} does not answer as a node: {error}; {remedy}") from error
