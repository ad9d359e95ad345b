"""A dashboard in a process of its own, over a replica that hears what a test tells it.

The page toolkit keeps one application per process, so each site has its own. A test tells it calls of `FakeStream`, one JSON
line each; the process answers each with a line once the replica has heard the messages.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time

import msgspec

from alphapulse.dashboard.api import create_app, serve_dashboard
from alphapulse.dashboard.facts import Facts
from alphapulse.dashboard.fake_stream import CHAIN_ID, FakeStream
from alphapulse.dashboard.replica import Replica
from alphapulse.protocol.market_data import InvalidationAction
from alphapulse.protocol.message import Message

REFRESH_S = 0.2
STOP_TIMEOUT_S = 10


class Site:
    """The test's end."""

    def __init__(self, *, is_live: bool) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__, "live" if is_live else "dry"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.url = self._answer()

    def tell(self, what: str, **arguments: object) -> None:
        """Let the replica hear the messages of one call."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([what, arguments]) + "\n")
        self._process.stdin.flush()
        assert self._answer() == what

    def close(self) -> None:
        """End the process by closing its input."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(STOP_TIMEOUT_S)
        finally:
            self._process.kill()
            self._process.stdout.close()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        assert line, "the site ended"
        return line


def messages_of(stream: FakeStream, what: str, arguments: dict[str, object]) -> list[Message]:
    if what in ("move", "base"):
        arguments["pool"] = stream.pools[int(str(arguments["pool"]))]
    if what == "invalidation":
        names = [pool.instrument for pool in stream.pools]
        return [stream.invalidation(InvalidationAction(int(str(arguments["action"]))), *names)]
    stream.now_ns = max(stream.now_ns, time.time_ns())
    said = getattr(stream, what)(**arguments)
    return [said] if isinstance(said, Message) else said


async def serve(is_live: bool) -> None:
    replica, stream = Replica(), FakeStream(time.time_ns())
    app = create_app(replica, Facts(CHAIN_ID, "devnet", is_live), refresh_s=REFRESH_S)
    async with serve_dashboard(app, "127.0.0.1", 0) as url:
        print(url, flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            what, arguments = msgspec.json.decode(line)
            for message in messages_of(stream, what, arguments):
                replica.on_message(message, message.header.timestamp_ns)
            print(what, flush=True)


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1] == "live"))
