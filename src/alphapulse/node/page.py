"""The dashboard as a service: a replica fed by messages, and the pages over it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from alphapulse.dashboard.api import create_app, serve_dashboard
from alphapulse.dashboard.facts import Facts
from alphapulse.dashboard.replica import Replica
from alphapulse.node.config import Config
from alphapulse.node.devnet_config import DEVNET_CHAIN_ID
from alphapulse.transport.bus import Subscriber

__all__ = ["Page"]

CHAIN_NAMES = {
    1: "Ethereum",
    137: "Polygon",
    42161: "Arbitrum",
    8453: "Base",
    DEVNET_CHAIN_ID: "devnet",
}


class Page:
    """Give what `followers` returns every message in order, and serve the pages where they are wanted."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self.replica = Replica()

    def followers(self) -> tuple[Subscriber, ...]:
        """Return the replica's ear."""
        return (self.replica.on_message,)

    @asynccontextmanager
    async def served(self, *, is_live: bool) -> AsyncIterator[str]:
        """Serve the pages while the block runs; gives their URL.

        Raises  Misconfigured when the port is taken.
        """
        chain_id, section = self._config.chain.chain_id, self._config.dashboard
        facts = Facts(
            chain_id=chain_id, chain_name=CHAIN_NAMES.get(chain_id, "chain"), is_live=is_live
        )
        app = create_app(self.replica, facts)
        async with serve_dashboard(app, section.host, section.port) as url:
            yield url
