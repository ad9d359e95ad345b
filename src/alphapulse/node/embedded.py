"""A whole node in one process: desk, books, archiver and dashboard on one local bus."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from alphapulse.archive.manifest import Manifest
from alphapulse.archive.storage import Storage
from alphapulse.execution.wallet import Wallet
from alphapulse.node.archiver import Archiver
from alphapulse.node.books import Books
from alphapulse.node.config import Config
from alphapulse.node.desk import Desk
from alphapulse.node.folders import make_data_dir
from alphapulse.node.guard import OwnRecords
from alphapulse.node.later import Later
from alphapulse.node.page import Page
from alphapulse.node.preflight import Preflight, inspect_chain
from alphapulse.node.replay import archive_facts
from alphapulse.node.summary import summary_of
from alphapulse.node.watch import Condition, Watch
from alphapulse.node.wiring import rpc_url
from alphapulse.transport.local import LocalBus
from alphapulse.transport.sequence import Sequencer

__all__ = ["EmbeddedNode"]


class EmbeddedNode:
    """One chain, one strategy, one executor. Make it with `EmbeddedNode.open`, then `start`, then `run`."""

    def __init__(
        self,
        config: Config,
        url: str,
        preflight: Preflight,
        *,
        wallet: Wallet | None,
        archiver: Archiver,
        data_dir: Path,
    ) -> None:
        self.config = config
        self.preflight = preflight
        self.archiver = archiver
        self.bus = LocalBus(Sequencer(time.time_ns()), time.time_ns)
        self.page = Page(config)
        self.books = Books(config, url, bus=self.bus, data_dir=data_dir)
        self.desk = Desk(
            config,
            url,
            preflight.facts,
            wallet=wallet,
            bus=self.bus,
            guard=OwnRecords(archiver.writer, self.books.keeper),
            data_dir=data_dir,
        )
        self._later = Later((*self.books.followers(), *self.page.followers()))
        self._watch = Watch()

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        config: Config,
        environment: Mapping[str, str],
        *,
        wallet: Wallet | None,
        archive_root: Path,
        storage: Storage | None = None,
    ) -> AsyncIterator["EmbeddedNode"]:
        """Inspect the chain, open the stores, and close everything in order at the end.

        `storage` is where the archive's files end up, the disk unless told otherwise.

        Raises  what `inspect_chain` raises; Misconfigured when a store cannot be opened or belongs to another node.
        """
        url = rpc_url(config, environment)
        preflight = await inspect_chain(config, url, wallet.address if wallet else None)
        data_dir = make_data_dir(config, is_live=wallet is not None)
        facts = archive_facts(config, preflight.facts)
        archiver = Archiver(archive_root, config.archive, facts=facts, storage=storage)
        try:
            node = cls(config, url, preflight, wallet=wallet, archiver=archiver, data_dir=data_dir)
            try:
                node._begin()
                yield node
            finally:
                node.desk.close()
                node.books.keeper.close()
        finally:
            archiver.close()

    @property
    def is_live(self) -> bool:
        """Return whether transactions leave this process."""
        return self.desk.is_live

    async def start(self) -> None:
        """Settle what an earlier run left at the chain, before anything is decided on it.

        Raises  as the desk's start.
        """
        await self.desk.start()
        self._later.deliver()

    def resume(self) -> None:
        """Lift every stop; risk stops again at once while its reason lasts."""
        self.desk.resume()

    async def run(self, stop: asyncio.Event) -> None:
        """Trade until `stop` is set, then let what was sent settle.

        Raises  whatever ends the desk or another task of the node before that.
        """
        try:
            await self.desk.run(stop, on_beat=self._on_beat, beside=(self._later.run(),))
        finally:
            self._later.deliver()
            await self.books.keeper.settle()

    def close_archive(self) -> Manifest:
        """Write what waits and the digest of this run's decisions."""
        return self.archiver.close(self.desk.decided())

    async def account(self, elapsed_ns: int) -> dict[str, object]:
        """Return what the run did since the books opened their account."""
        return summary_of(
            self.desk.account(),
            await self.books.close_account(is_compared=self.is_live),
            self.archiver.account(),
            messages=self.bus.statistics().messages,
            elapsed_ns=elapsed_ns,
        )

    def _begin(self) -> None:
        """Tie the parts to the bus, the hot path first, and let them say what they remember."""
        self.archiver.tie(self.bus)
        self.desk.tie()
        self.books.tie()
        self.bus.subscribe(self._later.on_message, name="later")
        self.desk.say_stops()
        self.books.say_restored()

    def _on_beat(self) -> None:
        self.books.keeper.write_behind()
        writer = self.archiver.writer
        self._watch.look(
            Condition(
                is_live=self.desk.collector.statistics().is_live,
                trading=self.desk.gate.trading_state(),
                archive=writer.state,
                archive_cause=writer.statistics().cause,
                store_error=self.books.keeper.last_error,
            )
        )
