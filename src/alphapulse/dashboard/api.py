"""The web application: health, state as JSON, and the pages. Bound to loopback unless configured otherwise.

It only tells: there is no route that takes an order. On loopback, requests and websockets that a page of another origin
sends, or that reach it under another host name, are refused, so that no website in the same browser can read along.
"""

import asyncio
import ipaddress
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from urllib.parse import urlsplit

import uvicorn
from fastapi import FastAPI
from nicegui import app as toolkit
from nicegui import ui
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocketClose

from alphapulse.dashboard.facts import Facts
from alphapulse.dashboard.pages import REFRESH_S, register_pages
from alphapulse.dashboard.replica import Replica
from alphapulse.dashboard.text import signal_name
from alphapulse.errors import Misconfigured

__all__ = ["LoopbackOnly", "create_app", "serve_dashboard"]

START_TIMEOUT_S = 15.0
FORBIDDEN = 403
RECENT = 20  # signals that the state lists


def create_app(replica: Replica, facts: Facts, *, refresh_s: float = REFRESH_S) -> FastAPI:
    """Return the application over one replica, whose pages look for news every `refresh_s` seconds.

    The toolkit has one application per process: the pages of the last one made are those that are served.
    """
    app = FastAPI(title="AlphaPulse", docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/healthz")
    async def health() -> dict[str, object]:
        return {"status": "ok", "block": replica.block, "stopped": replica.stopped}

    @app.get("/api/state")
    async def state() -> dict[str, object]:
        return _state(replica, facts)

    register_pages(replica, facts, refresh_s)
    toolkit.user_middleware.clear()
    toolkit.middleware_stack = (
        None  # built again on the next request, so that it can be mounted again
    )
    ui.run_with(app, title="AlphaPulse", dark=True, show_welcome_message=False)
    return app


def _state(replica: Replica, facts: Facts) -> dict[str, object]:
    return {
        "chain_id": facts.chain_id,
        "live": facts.is_live,
        "block": replica.block,
        "stopped": replica.stopped,
        "stopped_strategies": sorted(replica.stops),
        "counts": dict(sorted(replica.counts.items())),
        "net_usd_e8": replica.total_usd_e8,
        "gas_used": replica.gas_used,
        "gas_cost_wei": str(replica.gas_cost_wei),
        "venues": {
            str(venue): {str(status): count for status, count in sorted(found.items())}
            for venue, found in sorted(replica.freshness().items())
        },
        "recent_signals": [
            {"signal": signal_name(item.signal.signal_id), "state": item.fate(replica.block)}
            for item in replica.recent(replica.opportunities, RECENT)
        ],
    }


class LoopbackOnly:
    """Refuses what names another host than this machine, as its target or as the page that sends it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] in ("http", "websocket"):
            headers = Headers(scope=scope)
            host = urlsplit("//" + headers.get("host", "")).hostname
            origin = headers.get("origin")
            sender = host if origin is None else urlsplit(origin).hostname
            if not (_is_loopback(host) and _is_loopback(sender)):
                if scope["type"] == "websocket":
                    await WebSocketClose()(scope, receive, send)
                else:
                    text = "this dashboard answers to pages of this machine only\n"
                    await PlainTextResponse(text, FORBIDDEN)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _is_loopback(host: str | None) -> bool:
    if host is None:
        return False
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


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
            f"dashboard cannot listen on {host}:{port} ({error.strerror}); choose another `dashboard.port`, 0 for any"
        ) from error
    guarded: ASGIApp = LoopbackOnly(app) if _is_loopback(host) else app
    server = _Server(
        uvicorn.Config(guarded, log_level="warning", access_log=False, timeout_graceful_shutdown=1)
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
