"""One run of a node from its configuration to its account, with the dashboard beside it where it is wanted."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

from alphapulse.dashboard.api import create_app, serve_dashboard
from alphapulse.dashboard.facts import Facts
from alphapulse.errors import GateClosed, InvalidData, Misconfigured, RpcRefused, Unavailable
from alphapulse.execution.wallet import Wallet
from alphapulse.node.config import Config, resolve_secret
from alphapulse.node.devnet_config import DEVNET_CHAIN_ID
from alphapulse.node.embedded import EmbeddedNode
from alphapulse.node.reconcile import ChainBalances, Difference, differences, read_balances
from alphapulse.node.summary import summary_of
from alphapulse.node.wiring import rpc_url
from alphapulse.observability.log import Event, log_event
from alphapulse.portfolio.ledger import Balances
from alphapulse.portfolio.reports import summarise
from alphapulse.primitives.secret import Secret
from alphapulse.protocol.execution import ExecutionReason

__all__ = ["load_wallet", "run_name", "run_session"]

CHAIN_NAMES = {
    1: "Ethereum",
    137: "Polygon",
    42161: "Arbitrum",
    8453: "Base",
    DEVNET_CHAIN_ID: "devnet",
}

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
    url = rpc_url(config, environment)
    async with (
        EmbeddedNode.open(config, environment, wallet=wallet, archive_root=archive_root) as node,
        AsyncExitStack() as stack,
    ):
        began_ns = time.monotonic_ns()
        if resume:
            node.resume()
        await node.start()
        operator = node.preflight.facts.operator
        before = await read_balances(url, config, operator)
        booked_before, sums_before = node.portfolio.balances(), summarise(node.portfolio.ledger)
        page = None
        if config.dashboard.enabled:
            facts = Facts(
                chain_id=config.chain.chain_id,
                chain_name=CHAIN_NAMES.get(config.chain.chain_id, "chain"),
                is_live=node.is_live,
            )
            server = serve_dashboard(
                create_app(node.replica, facts), config.dashboard.host, config.dashboard.port
            )
            page = await stack.enter_async_context(server)
        on_start(node, page)
        await node.run(stop)
        node.close_archive()
        moved: tuple[Difference, ...] | None = ()
        if node.is_live:
            moved = await _moved(url, config, node, before, booked_before)
        return summary_of(
            node,
            sums_before,
            archive=archive_root,
            differences=moved,
            elapsed_ns=time.monotonic_ns() - began_ns,
        )


async def _moved(
    url: str, config: Config, node: EmbeddedNode, before: ChainBalances, booked_before: Balances
) -> tuple[Difference, ...] | None:
    """Return where books and chain differ; None where the chain does not answer any more."""
    try:
        after = await read_balances(url, config, node.preflight.facts.operator)
    except (Unavailable, InvalidData, RpcRefused):
        return None
    found = differences(config, before, after, booked_before, node.portfolio.balances())
    if found:
        log_event(
            Event.BALANCES_DIFFER,
            level=logging.ERROR,
            assets=[row.asset for row in found],
        )
    return found
