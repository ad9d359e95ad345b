"""The web application: health, state as JSON, and the pages. Bound to loopback unless configured otherwise."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from fastapi import FastAPI
from nicegui import ui

from alphapulse.dashboard.pages import Facts, register_pages
from alphapulse.dashboard.replica import Replica
from alphapulse.errors import Misconfigured

__all__ = ["create_app", "serve_dashboard"]

START_TIMEOUT_S = 15.0


def create_app(replica: Replica, facts: Facts) -> FastAPI:
    """Return the application over one replica."""
    app = FastAPI(title="AlphaPulse", docs_url=None, redoc_url=None)

    @app.get("/healthz")
    def health() -> dict[str, object]:
        return {"status": "ok", "block": replica.block, "stopped": replica.stopped}

    @app.get("/api/state")
    def state() -> dict[str, object]:
        return {
            "chain_id": facts.chain_id,
            "live": facts.is_live,
            "block": replica.block,
            "stopped": replica.stopped,
            "counts": dict(sorted(replica.counts.items())),
            "net_usd_e8": replica.total_usd_e8,
            "gas_used": replica.gas_used,
        }

    register_pages(replica, facts)
    ui.run_with(app, title="AlphaPulse", dark=True, show_welcome_message=False)
    return app


@asynccontextmanager
async def serve_dashboard(app: FastAPI, host: str, port: int) -> AsyncIterator[str]:
    """Serve the application while the block runs; gives the URL. Port 0 takes a free one.

    Raises  Misconfigured when the port is taken.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise Misconfigured(
            f"dashboard cannot listen on {host}:{port} ({error.strerror}); choose another port (`--port` or `dashboard.port`), 0 for any"
        ) from error
    server = _Server(
        uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=1)
    )
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        async with asyncio.timeout(START_TIMEOUT_S):
            await server.ready.wait()
        yield f"http://{host}:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task
        listener.close()


class _Server(uvicorn.Server):
    """Tells when it listens, and leaves signals to the node, which owns them."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then say so."""
        await super().startup(sockets)
        self.ready.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield
