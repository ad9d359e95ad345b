"""One anvil process: started directly, stopped by its own process id, restarted on the same port from saved state."""

import asyncio
import contextlib
import gzip
import os
import shutil
import socket
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path

from alphapulse.errors import EndpointDown
from alphapulse.evm.rpc import JsonRpc

__all__ = ["CHAIN_ID", "Anvil", "AnvilOptions", "save_state"]

CHAIN_ID = 31337
HARDFORK = "cancun"
ORDER = "fifo"  # ordered by fees, anvil drops a transaction whose cap exceeds that of the sender's nonce before it
ACCOUNT_BALANCE_ETHER = 10_000_000
START_TIMEOUT_S = 15.0  # it needs 0.1 s; a crowded machine may need more
START_POLL_S = 0.01
START_ATTEMPTS = 3  # another process may take a free port before anvil does
STOP_GRACE_S = 5.0


@dataclass(frozen=True, slots=True)
class AnvilOptions:
    """How a process is started; `block_time_s` 0 mines on request only, `port` 0 takes a free one."""

    port: int = 0
    block_time_s: float = 1.0
    load_state: Path | None = None
    gas_limit: int | None = None
    base_fee_wei: int | None = None


class Anvil:
    """A running anvil. Make it with `Anvil.start`."""

    def __init__(self, executable: Path, options: AnvilOptions, port: int) -> None:
        self._executable = executable
        self._options = options
        self.port = port
        self._process = _spawn(executable, options, port)

    @classmethod
    async def start(cls, executable: Path, options: AnvilOptions) -> "Anvil":
        """Return a process that accepts connections.

        Raises  EndpointDown when it does not come up.
        """
        if options.port and not _is_free(options.port):
            raise EndpointDown(
                f"port {options.port} is in use; choose another, or 0 for a free one"
            )
        for attempt in range(START_ATTEMPTS):
            anvil = cls(executable, options, options.port or _free_port())
            try:
                await anvil._wait_until_up()
            except EndpointDown:
                if options.port or attempt + 1 == START_ATTEMPTS:
                    raise
                continue
            return anvil
        raise AssertionError("unreachable")

    @property
    def pid(self) -> int:
        """The process id of the running or last process."""
        return self._process.pid

    @property
    def rpc_ws(self) -> str:
        """The WebSocket endpoint."""
        return f"ws://127.0.0.1:{self.port}"

    @property
    def rpc_http(self) -> str:
        """The HTTP endpoint."""
        return f"http://127.0.0.1:{self.port}"

    def is_running(self) -> bool:
        """Whether the process lives."""
        return self._process.poll() is None

    async def stop(self) -> None:
        """End the process: ask, wait, then insist."""
        if not self.is_running():
            return
        self._process.terminate()
        try:
            await asyncio.to_thread(self._process.wait, STOP_GRACE_S)
        except subprocess.TimeoutExpired:
            await self.kill()

    async def kill(self) -> None:
        """End the process without asking, as a crash would."""
        self._process.kill()
        await asyncio.to_thread(self._process.wait)

    async def restart(self, load_state: Path) -> None:
        """Start again on the same port from a saved state; the process must have ended before."""
        assert not self.is_running(), "stop or kill the process first"
        options = AnvilOptions(self.port, self._options.block_time_s, load_state)
        self._process = _spawn(self._executable, options, self.port)
        await self._wait_until_up()

    async def _wait_until_up(self) -> None:
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                while not await _accepts(self.port):
                    if not self.is_running():
                        break
                    await asyncio.sleep(START_POLL_S)
        except TimeoutError:
            await self.kill()
        if not self.is_running():
            raise EndpointDown(
                f"anvil did not start on port {self.port}; is its state file readable?"
            )


async def save_state(rpc: JsonRpc, path: Path) -> None:
    """Write what `Anvil.restart` and `load_state` need; blocks, transactions and receipts are included."""
    dumped = await rpc.request(str, "anvil_dumpState")
    temporary = path.with_name(f"{path.name}.{os.getpid()}.part")
    await asyncio.to_thread(_write_state, dumped, temporary, path)


def _write_state(dumped: str, temporary: Path, path: Path) -> None:
    temporary.write_bytes(gzip.decompress(bytes.fromhex(dumped.removeprefix("0x"))))
    temporary.replace(path)


def _spawn(executable: Path, options: AnvilOptions, port: int) -> "subprocess.Popen[bytes]":
    command = [str(executable), "--silent", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--chain-id", str(CHAIN_ID), "--hardfork", HARDFORK, "--order", ORDER]
    command += ["--balance", str(ACCOUNT_BALANCE_ETHER)]
    command += (
        ["--block-time", str(options.block_time_s)] if options.block_time_s else ["--no-mining"]
    )
    if options.load_state is not None:
        command += ["--load-state", str(options.load_state)]
    if options.gas_limit is not None:
        command += ["--gas-limit", str(options.gas_limit)]
    if options.base_fee_wei is not None:
        command += ["--base-fee", str(options.base_fee_wei)]
    if threading.current_thread() is threading.main_thread() and (guard := shutil.which("setpriv")):
        command = [
            guard,
            "--pdeathsig",
            "TERM",
            *command,
        ]  # our own sudden death ends the chain too
    return subprocess.Popen(  # noqa: S603  our own executable, arguments without a shell
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(
            socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
        )  # closed connections do not count
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


async def _accepts(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return True
