"""One run of a node in one process, from its configuration to its account."""

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path

from alphapulse.execution.wallet import Wallet
from alphapulse.node.config import Config
from alphapulse.node.embedded import EmbeddedNode

__all__ = ["OnStart", "run_session"]

OnStart = Callable[[EmbeddedNode, str | None], None]
"""Called when the node is about to run, with the dashboard's URL where there is one."""


async def run_session(
    config: Config,
    environment: Mapping[str, str],
    *,
    wallet: Wallet | None,
    archive_root: Path,
    stop: asyncio.Event,
    on_start: OnStart,
    resume: bool = False,
) -> dict[str, object]:
    """Run until `stop`, settle, close the archive, reconcile, and return the account of the run.

    `resume` lifts a stop that an earlier run left.

    Raises  what the start of a node raises.
    """
    async with (
        EmbeddedNode.open(config, environment, wallet=wallet, archive_root=archive_root) as node,
        AsyncExitStack() as stack,
    ):
        began_ns = time.monotonic_ns()
        if resume:
            node.resume()
        await node.start()
        await node.books.open_account(node.preflight.facts.operator)
        page = None
        if config.dashboard.enabled:
            page = await stack.enter_async_context(node.page.served(is_live=node.is_live))
        on_start(node, page)
        await node.run(stop)
        node.close_archive()
        return await node.account(time.monotonic_ns() - began_ns)
