"""The bridge in a process of its own: it joins the relays and the server when a node's services use both."""

import asyncio
from collections.abc import Mapping

from alphapulse.node.config import Config
from alphapulse.node.link import open_bridge
from alphapulse.node.services.life import LINK_S, ORPHAN_S, OrderLine
from alphapulse.node.together import first_of
from alphapulse.transport.bridge import Bridge

__all__ = ["NAME", "serve"]

NAME = "bridge"


async def serve(config: Config, environment: Mapping[str, str], line: OrderLine) -> None:
    """Join both sides between `open` and `stop`; without a supervisor, as long as the others may need.

    Raises  what the bridge fails by.
    """
    await line.expect("open")
    async with open_bridge(config, environment) as bridge:
        await first_of(_join(bridge, line), bridge.failed())
        handed_on = bridge.statistics()
    line.answer("stop", to_bus=handed_on.to_bus, to_relays=handed_on.to_relays)


async def _join(bridge: Bridge, line: OrderLine) -> None:
    await bridge.linked(timeout_s=LINK_S)
    line.answer("open")
    if await line.expect_end() is None:
        await asyncio.sleep(ORPHAN_S)
