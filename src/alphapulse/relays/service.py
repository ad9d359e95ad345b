"""The door of this room: relays that listen, beat every interval, and drain when they end."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from alphapulse.protocol.header import Domain
from alphapulse.relays.config import RelayConfig, default_domains
from alphapulse.relays.connection import Connection
from alphapulse.relays.front import Front
from alphapulse.relays.journal_file import JournalFile
from alphapulse.relays.relay import Relay
from alphapulse.relays.shard import follow_front
from alphapulse.relays.sockets import bind, prepare_directory
from alphapulse.relays.statistics import RelayStatistics
from alphapulse.relays.tiers import Tier
from alphapulse.relays.upkeep import Upkeep

__all__ = ["RelayService", "serve_relays"]

_RETRY_MS = 200
ALL = (Domain.MARKET, Domain.SIGNAL, Domain.EXECUTION, Domain.SYSTEM)


class RelayService:
    """The relays of one directory in this event loop."""

    def __init__(
        self, config: RelayConfig, domains: Iterable[int], shards: Iterable[Tier] = ()
    ) -> None:
        self.config = config
        self.relays = {domain: Relay(domain, config) for domain in domains}
        self.shards = {tier: Relay(Domain.MARKET, config, tier=tier) for tier in shards}
        self._all = (*self.relays.values(), *self.shards.values())
        self._upkeeps = [Upkeep(relay) for relay in self._all]
        self._servers: list[asyncio.AbstractServer] = []
        self._bound: list[Path] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._flushes = ThreadPoolExecutor(max_workers=1, thread_name_prefix="journal")

    def paths(self) -> tuple[Path, ...]:
        """Return the sockets that are listened on."""
        return tuple(self._bound)

    def statistics(self) -> dict[int, RelayStatistics]:
        """Return what each domain's relay counts."""
        return {
            domain: upkeep.statistics()
            for domain, upkeep in zip(self.relays, self._upkeeps, strict=False)
        }

    async def start(self) -> None:
        """Listen on every socket, or on none.

        Raises  Misconfigured when a socket is live or the directory cannot be used.
        """
        prepare_directory(self.config.directory)
        async with contextlib.AsyncExitStack() as undo:
            undo.push_async_callback(self.stop)
            for relay in self._all:
                relay.open()
                await self._listen(relay)
            undo.pop_all()
        self._tasks = [asyncio.create_task(self._beat())]
        for relay in self._all:
            if relay.file is not None:
                self._tasks.append(asyncio.create_task(self._keep(relay, relay.file)))
            if relay.front is not None:
                self._tasks.append(asyncio.create_task(self._balance(relay.front)))
        path = self.config.directory / self.config.domains[Domain.MARKET].socket_name
        for tier, relay in self.shards.items():
            self._tasks.append(asyncio.create_task(follow_front(relay, tier, path)))

    async def stop(self) -> None:
        """Take no more connections, hand over what waits, close."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for server in self._servers:
            server.close()
        await self._drain()
        for relay in self._all:
            relay.close()
        await self._until_closed()
        for relay in self._all:
            relay.release()
        self._flushes.shutdown()
        for path in self._bound:
            path.unlink(missing_ok=True)

    async def _listen(self, relay: Relay) -> None:
        path = self.config.directory / relay.settings.socket_name
        loop = asyncio.get_running_loop()
        listener = bind(path)
        self._bound.append(path)
        self._servers.append(
            await loop.create_unix_server(lambda: Connection(relay), sock=listener)
        )

    async def _beat(self) -> None:
        interval = self.config.heartbeat_ms / 1000
        while True:
            for upkeep in self._upkeeps:
                upkeep.beat()
                upkeep.write_status()
            await asyncio.sleep(interval)

    async def _keep(self, relay: Relay, file: JournalFile) -> None:
        """Flush what was written within the promised time, and try again what could not be written."""
        loop = asyncio.get_running_loop()
        interval = (relay.settings.flush_ms or _RETRY_MS) / 2000
        while True:
            await asyncio.sleep(interval)
            if relay.settings.flush_ms and file.is_dirty:
                try:
                    await loop.run_in_executor(self._flushes, file.flusher())
                except OSError as error:
                    relay.on_flush_failed(error)
            if relay.is_holding:
                relay.retry()

    async def _balance(self, front: Front) -> None:
        """Mark where the shards stand, and move instruments when a window ends."""
        window_s, mark_s = self.config.tiers.window_ms / 1000, self.config.mark_ms / 1000
        loop = asyncio.get_running_loop()
        end = loop.time() + window_s
        while True:
            await asyncio.sleep(mark_s)
            front.mark()
            if loop.time() >= end:
                end = loop.time() + window_s
                front.rebalance()

    async def _drain(self) -> None:
        end = asyncio.get_running_loop().time() + self.config.drain_ms / 1000
        while any(one.has_unsent() for one in self._all):
            if asyncio.get_running_loop().time() > end:
                return
            await asyncio.sleep(0.01)

    async def _until_closed(self) -> None:
        end = asyncio.get_running_loop().time() + 2 * self.config.close_grace_ms / 1000
        while any(one.connections for one in self._all):
            if asyncio.get_running_loop().time() > end:
                return
            await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def serve_relays(
    directory: Path,
    *,
    domains: Iterable[int] = ALL,
    shards: Iterable[Tier] = (),
    config: RelayConfig | None = None,
) -> AsyncIterator[RelayService]:
    """Serve the relays of a directory while the context lasts.

    `config` may change every number; its directory gives way to `directory`. `shards` names tiers whose shards run here
    too; they follow the relay of market data of the same directory, in whatever process that is.

    Raises  Misconfigured when one of the sockets is live or the directory cannot be used.
    """
    chosen = config or RelayConfig(directory=directory, domains=default_domains())
    service = RelayService(msgspec.structs.replace(chosen, directory=directory), domains, shards)
    await service.start()
    try:
        yield service
    finally:
        await service.stop()
