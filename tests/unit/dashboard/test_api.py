"""What the application answers, to whom, and that it takes no orders. Covers: O4"""

from __future__ import annotations

import asyncio
import socket

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route, WebSocketRoute

from alphapulse.dashboard.api import LoopbackOnly, create_app, serve_dashboard
from alphapulse.dashboard.facts import Facts
from alphapulse.dashboard.fake_stream import FakeStream
from alphapulse.dashboard.replica import Replica
from alphapulse.errors import Misconfigured
from alphapulse.node.config import DashboardSection

READS = {"GET", "HEAD"}


def ask(app, method, path, headers=None):
    """Return the application's answer to one request."""

    async def send():
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await client.request(method, path, headers=headers)

    return asyncio.run(send())


def connect(app, headers):
    """Return the first thing the application says to a websocket that wants in."""
    said = []

    async def receive():
        return {"type": "websocket.connect"}

    async def send(message):
        said.append(message["type"])

    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {
        "type": "websocket",
        "path": "/ws",
        "raw_path": b"/ws",
        "query_string": b"",
        "root_path": "",
        "headers": raw,
        "subprotocols": [],
    }
    asyncio.run(app(scope, receive, send))
    return said[0]


@pytest.fixture(scope="module")
def stream():
    return FakeStream(1_700_000_000 * 10**9)


@pytest.fixture(scope="module")
def replica():
    return Replica()


@pytest.fixture(scope="module")
def app(replica):
    return create_app(replica, Facts(31337, "devnet", is_live=False))


def test_health_and_state_follow_the_messages(app, replica, stream):
    assert ask(app, "GET", "/healthz").json() == {"status": "ok", "block": 0, "stopped": False}
    for message in (*stream.begin(), stream.signal(7), stream.started(7), stream.result(7)):
        replica.on_message(message, message.header.timestamp_ns)
    replica.on_message(stream.stop(strategy=1), stream.now_ns)
    assert ask(app, "GET", "/healthz").json() == {"status": "ok", "block": 100, "stopped": True}
    state = ask(app, "GET", "/api/state").json()
    assert state.pop("counts")["signals"] == 1
    assert state == {
        "chain_id": 31337,
        "live": False,
        "block": 100,
        "stopped": True,
        "stopped_strategies": [1],
        "net_usd_e8": 11_990 * 10**8,
        "gas_used": 350_000,
        "gas_cost_wei": "350000000000000",
        "venues": {"300": {"live": 1}, "301": {"live": 1}, "302": {"live": 1}},
        "recent_signals": [{"signal": "0000000000000007", "state": "succeeded"}],
    }


def _methods(routes, prefix=""):
    for route in routes:
        if isinstance(route, Mount):
            yield from _methods(route.routes or (), prefix + route.path)
        elif isinstance(route, Route):
            yield prefix + route.path, set(route.methods or ())


def test_no_route_takes_an_order(app):
    found = dict(_methods(app.routes))
    assert {"/healthz", "/api/state", "/", "/execution/{signal}"} <= set(found)
    ours = {path: methods for path, methods in found.items() if "_nicegui" not in path}
    assert [path for path, methods in ours.items() if not methods <= READS] == []


@pytest.mark.parametrize("path", ["/healthz", "/api/state", "/", "/execution/07"])
def test_nothing_can_be_posted(app, path):
    assert ask(app, "POST", path).status_code in (404, 405)


def test_there_is_no_schema_to_browse(app):
    assert not {"/docs", "/redoc", "/openapi.json"} & {route.path for route in app.routes}


# --- who may ask --------------------------------------------------------------------------------------------------------


async def _answer(request):
    return PlainTextResponse("told")


async def _talk(websocket):
    await websocket.accept()
    await websocket.close()


GUARDED = LoopbackOnly(Starlette(routes=[Route("/", _answer), WebSocketRoute("/ws", _talk)]))


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "127.0.0.1:8720"}, 200),
        ({"host": "localhost:8720"}, 200),
        ({"host": "[::1]:8720"}, 200),
        ({"host": "127.0.0.1:8720", "origin": "http://localhost:1"}, 200),
        ({"host": "evil.example:8720"}, 403),
        ({"host": "127.0.0.1.evil.example"}, 403),
        ({"host": ""}, 403),
        ({"host": "127.0.0.1:8720", "origin": "https://evil.example"}, 403),
        ({"host": "127.0.0.1:8720", "origin": "null"}, 403),
    ],
)
def test_only_this_machine_and_its_own_pages_are_answered(headers, status):
    assert ask(GUARDED, "GET", "/", headers).status_code == status


def test_a_websocket_of_another_origin_is_refused():
    host = {"host": "127.0.0.1:8720"}
    assert connect(GUARDED, host) == "websocket.accept"
    assert connect(GUARDED, host | {"origin": "https://evil.example"}) == "websocket.close"
    assert connect(GUARDED, {"host": "evil.example"}) == "websocket.close"


# --- where it listens ---------------------------------------------------------------------------------------------------


def test_it_binds_to_loopback_unless_told_otherwise():
    assert DashboardSection().host == "127.0.0.1"


def test_a_taken_port_is_named_with_a_remedy(app):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        async def serve():
            async with serve_dashboard(app, "127.0.0.1", port):
                pass

        with pytest.raises(
            Misconfigured, match=rf"127\.0\.0\.1:{port}.*`dashboard\.port`, 0 for any"
        ):
            asyncio.run(serve())
