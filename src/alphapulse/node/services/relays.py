"""The relays in a process of their own: what the others say passes through it."""

import asyncio
import contextlib
from collections.abc import Mapping
from pathlib import Path

from alphapulse.node.config import Config
from alphapulse.node.services.life import ORPHAN_S, OrderLine
from alphapulse.relays.config import RelayConfig, default_domains
from alphapulse.relays.service import RelayService, serve_relays

__all__ = ["NAME", "serve"]

NAME = "relays"
POLL_S = 0.2


async def serve(config: Config, environment: Mapping[str, str], line: OrderLine) -> None:
    """Relay between `open` and `stop`; without a supervisor, as long as the others may need.

    Raises  Misconfigured when the directory cannot be used or has relays already.
    """
    opening = await line.expect("open")
    directory = Path(config.transport.directory)
    relays = RelayConfig(
        directory=directory,
        domains=default_domains(),
        journal_directory=Path(str(opening["journal"])),
    )
    async with serve_relays(directory, config=relays) as service:
        line.answer("open")
        if await line.expect_end() is None:
            await _until_unused(service)
    line.answer("stop")


async def _until_unused(service: RelayService) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(ORPHAN_S):
            while any(relay.connections for relay in service.relays.values()):  # noqa: ASYNC110 - the room has no event
                await asyncio.sleep(POLL_S)
