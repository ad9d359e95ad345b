"""One service of a node as the supervisor sees it: a child process, orders to it, and answers from it."""

import asyncio
import json
import sys
from pathlib import Path

from alphapulse.errors import ServiceLost
from alphapulse.node.orders import FAILED, LINE_LIMIT, Json, error_of

__all__ = ["ServiceProcess"]

KILL_S = 5.0


class ServiceProcess:
    """Make it with `start`, give it orders by `ask`, and `end` it. Its standard error is ours."""

    def __init__(self, name: str, process: asyncio.subprocess.Process) -> None:
        self.name = name
        self._process = process

    @classmethod
    async def start(cls, name: str, config: Path) -> "ServiceProcess":
        """Start a service; what it must know is in the file, and secrets are where the file refers to."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "alphapulse.cli.service", name, "--config", str(config)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=LINE_LIMIT,
            start_new_session=True,
        )
        return cls(name, process)

    @property
    def pid(self) -> int:
        """Return the number of the process."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Return whether the process has not ended."""
        return self._process.returncode is None

    async def ended(self) -> str:
        """Wait until the process ends, and return how."""
        return _how(await self._process.wait())

    async def ask(self, order: str, *, timeout_s: float, **arguments: object) -> Json:
        """Give one order and return its answer.

        Raises  ServiceLost when the service ends or takes too long; the service's own error where it names one.
        """
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        try:
            async with asyncio.timeout(timeout_s):
                if not stdin.is_closing():
                    stdin.write(json.dumps({"do": order, **arguments}).encode() + b"\n")
                    await stdin.drain()
                answer = await stdout.readline()
        except TimeoutError:
            raise ServiceLost(
                self.name, f"did not answer `{order}` within {timeout_s:.0f} s"
            ) from None
        except ConnectionError:
            answer = b""
        if not answer:
            raise ServiceLost(self.name, f"ended during `{order}`: {await self.ended()}")
        said: Json = json.loads(answer)
        if said.pop("done") == FAILED:
            raise error_of(said)
        return said

    async def end(self, *, timeout_s: float = KILL_S) -> None:
        """Let the process end by itself, for there are no more orders, or end it."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        if self.is_alive:
            try:
                async with asyncio.timeout(timeout_s):
                    await self._process.wait()
            except TimeoutError:
                self._process.kill()
                await self._process.wait()


def _how(code: int) -> str:
    return f"killed by signal {-code}" if code < 0 else f"exit code {code}"
