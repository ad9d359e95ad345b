"""A connection to NATS and the streams it needs; what goes wrong is told without the URL, which may hold a password."""

import asyncio
from collections.abc import Callable

from nats.aio.client import Client
from nats.js.api import DiscardPolicy, StorageType, StreamConfig
from nats.js.client import JetStreamContext
from nats.js.errors import NotFoundError

from alphapulse.protocol.header import Domain
from alphapulse.transport.linked import LOSSLESS
from alphapulse.transport.settings import NatsConfig
from alphapulse.transport.subjects import DOMAIN_NAMES, STREAMS, domain_filter

__all__ = ["REQUEST_S", "connect", "described", "ensure_streams"]

REQUEST_S = 5.0  # for an answer of the server
CONNECT_S = 2
PING_S = 1
PINGS_OPEN = 3
DUPLICATE_WINDOW_S = 120
_AGES_S = {
    Domain.MARKET: 600,
    Domain.SIGNAL: 86_400,
    Domain.EXECUTION: 30 * 86_400,
    Domain.SYSTEM: 3_600,
}


async def connect(
    config: NatsConfig, closed: asyncio.Event, note: Callable[[BaseException], None]
) -> Client:
    """Return a connection that sets `closed` when it ends and never comes back by itself.

    Raises  an error of the client, or OSError.
    """

    async def on_end() -> None:
        closed.set()

    async def on_error(error: Exception) -> None:
        note(error)

    client = Client()
    is_connected = False
    try:
        await client.connect(
            servers=[config.url.reveal()],
            name=config.name,
            allow_reconnect=False,
            connect_timeout=CONNECT_S,
            ping_interval=PING_S,
            max_outstanding_pings=PINGS_OPEN,
            disconnected_cb=on_end,
            closed_cb=on_end,
            error_cb=on_error,
        )
        is_connected = True
    finally:
        if not is_connected:
            await client.close()
    return client


async def ensure_streams(js: JetStreamContext, config: NatsConfig) -> None:
    """Make the streams that do not exist; one that exists stays as its operator has it."""
    for domain in sorted(DOMAIN_NAMES):
        try:
            await js.stream_info(STREAMS[domain])
        except NotFoundError:
            is_lossless = domain in LOSSLESS
            await js.add_stream(
                StreamConfig(
                    name=STREAMS[domain],
                    subjects=[domain_filter(config.prefix, domain)],
                    storage=StorageType.FILE if is_lossless else StorageType.MEMORY,
                    discard=DiscardPolicy.NEW if is_lossless else DiscardPolicy.OLD,
                    max_age=_AGES_S[Domain(domain)],
                    max_bytes=config.stream_bytes,
                    duplicate_window=DUPLICATE_WINDOW_S,
                    num_replicas=config.replicas,
                )
            )


def described(error: BaseException, config: NatsConfig) -> str:
    """Return what went wrong, without the URL."""
    text = str(error).replace(config.url.reveal(), "***")
    return f"bus: {text or type(error).__name__}"
