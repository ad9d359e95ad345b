"""A devnet for tests: a free port, no traders, the saved state shared by all runs on this machine."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from alphapulse.devnet.devnet import Devnet, DevnetOptions

__all__ = ["running_devnet"]


@asynccontextmanager
async def running_devnet(block_time_s: float = 0.0, **options: object) -> AsyncIterator[Devnet]:
    """Start a quiet devnet that mines on request (`await devnet.mine()`) unless a block time is given.

    Use     async with running_devnet() as devnet: ... devnet.manifest, devnet.rpc
            The process ends with the block.
    """
    chosen = DevnetOptions(block_time_s=block_time_s, activity=False, **options)  # type: ignore[arg-type]
    async with Devnet.start(chosen) as devnet:
        yield devnet
