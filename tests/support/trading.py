"""A whole node on a whole devnet, in the process of the test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from alphapulse.devnet.devnet import Devnet, DevnetOptions
from alphapulse.devnet.service import contract_code
from alphapulse.execution.wallet import Wallet
from alphapulse.node.config import Config, DashboardSection, WalletSection
from alphapulse.node.devnet_config import config_of_devnet
from alphapulse.node.embedded import EmbeddedNode
from alphapulse.primitives.secret import Secret
from alphapulse.protocol.execution import ExecutionStarted
from alphapulse.protocol.message import Message

KEY = 7  # a key of the tests' own
WAIT_S = 30
BLOCK_TIME_S = 0.3


@dataclass
class Ground:
    """A devnet on which people trade, and who owns the contract on it."""

    devnet: Devnet
    wallet: Wallet
    people: asyncio.Task[None]

    def config(self, data_dir: Path, *, is_live: bool = True) -> Config:
        section = WalletSection(keystore="unused", password="file:unused")
        return config_of_devnet(
            self.devnet.manifest,
            recipient=self.wallet.address,
            data_dir=str(data_dir),
            wallet=section if is_live else None,
            dashboard=DashboardSection(enabled=False),
        )


@asynccontextmanager
async def ground(seed: int = 7) -> AsyncIterator[Ground]:
    """Start the chain and its people."""
    wallet = Wallet(Secret(KEY.to_bytes(32, "big")))
    async with Devnet.start(DevnetOptions(block_time_s=BLOCK_TIME_S, seed=seed)) as devnet:
        await devnet.deploy_flash_arbitrage(wallet.address, contract_code())
        people = asyncio.create_task(devnet.run_activity())
        try:
            yield Ground(devnet, wallet, people)
        finally:
            people.cancel()
            await asyncio.gather(people, return_exceptions=True)


class Running:
    """A node at work, and everything it said."""

    def __init__(self, node: EmbeddedNode) -> None:
        self.node = node
        self.seen: list[Message] = []
        self.stop = asyncio.Event()
        self.task: asyncio.Task[None] | None = None

    def listen(self, message: Message, now_ns: int) -> None:
        self.seen.append(message)

    def all(self, kind: type, start: int = 0) -> list:
        return [tlv for message in self.seen[start:] for tlv in message.all(kind)]

    def submissions(self, start: int = 0) -> list[ExecutionStarted]:
        return self.all(ExecutionStarted, start)

    @property
    def executed(self) -> int:
        return self.node.books.settlements.statistics().succeeded

    async def until(self, condition: Callable[[], object], what: str = "") -> None:
        """Wait; a node that ends meanwhile raises what ended it."""
        assert self.task is not None
        async with asyncio.timeout(WAIT_S):
            while not condition():
                if self.task.done():
                    self.task.result()
                    raise AssertionError(f"the node ended before {what}")
                await asyncio.sleep(0.01)

    async def finish(self) -> None:
        """End in order."""
        assert self.task is not None
        self.stop.set()
        await self.task

    async def crash(self) -> None:
        """End in the middle of everything; what ended it before is for `until` and `finish` to say."""
        assert self.task is not None
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


@asynccontextmanager
async def trading(
    where: Ground, folder: Path, *, run: str = "run", is_live: bool = True, **options: object
) -> AsyncIterator[Running]:
    """Run a node over the ground; `folder` holds its data, `run` names its archive."""
    config = where.config(folder / "data", is_live=is_live)
    wallet = where.wallet if is_live else None
    async with EmbeddedNode.open(
        config,
        {},
        wallet=wallet,
        archive_root=folder / run,
        **options,  # type: ignore[arg-type]
    ) as node:
        running = Running(node)
        node.bus.subscribe(running.listen, name="test")
        await node.start()
        running.task = asyncio.create_task(node.run(running.stop))
        try:
            yield running
        finally:
            await running.crash()
