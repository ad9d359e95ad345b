"""One run of a node in one process, from its configuration to its account."""

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

from alphapulse.errors import GateClosed, Misconfigured
from alphapulse.execution.wallet import Wallet
from alphapulse.node.config import Config, resolve_secret
from alphapulse.node.embedded import EmbeddedNode
from alphapulse.primitives.secret import Secret
from alphapulse.protocol.execution import ExecutionReason

__all__ = ["load_wallet", "run_name", "run_session"]

OnStart = Callable[[EmbeddedNode, str | None], None]
"""Called when the node is about to run, with the dashboard's URL where there is one."""


def load_wallet(config: Config, environment: Mapping[str, str], *, is_live: bool) -> Wallet | None:
    """Return the wallet of a live run; None for a dry run, whose configuration is checked all the same.

    Raises  GateClosed when live trading is asked for but not allowed by the configuration; Misconfigured for a wallet
            that is missing or does not open.
    """
    section = config.wallet
    if section is not None and not Path(section.keystore).is_file():
        raise Misconfigured(
            f"`wallet.keystore` names `{section.keystore}`, which does not exist; correct the path, or remove "
            "the `[wallet]` table for dry runs"
        )
    if not is_live:
        return None
    if not config.node.live:
        raise GateClosed(
            "`--live` also needs `live = true` under `[node]` in the configuration",
            ExecutionReason.STOPPED_BY_BREAKER,
        )
    if section is None:
        raise Misconfigured("live trading needs a `[wallet]` table with `keystore` and `password`")
    password = Secret(resolve_secret(section.password, environment, "wallet.password"))
    return Wallet.load(Path(section.keystore), password)


def run_name() -> str:
    """Return a folder name for one run: UTC time to the microsecond."""
    return datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")


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
