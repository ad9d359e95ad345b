"""A NATS server for one run, on loopback, with a token that only this user can read."""

import asyncio
import json
import secrets
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from alphapulse.errors import EndpointDown, Misconfigured

__all__ = ["nats_server"]

BINARY = "nats-server"
READY_S = 10.0
STOP_S = 5.0
POLL_S = 0.05
PORTS_GLOB = "*.ports"


@asynccontextmanager
async def nats_server(folder: Path) -> AsyncIterator[str]:
    """Run a server while the block runs; gives the reference to its URL, which holds the token.

    Raises  Misconfigured when the program is missing or the folder cannot be written; EndpointDown when it does not start.
    """
    program = shutil.which(BINARY)
    if program is None:
        raise Misconfigured(
            f"`{BINARY}` is not on the path; install it, or name a running server by `transport.nats_url`"
        )
    token = secrets.token_hex(16)
    settings = await asyncio.to_thread(_prepare, folder, token)
    process = await asyncio.create_subprocess_exec(
        *(program, "--config", str(settings)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        place = await _place(folder, process)
        yield f"file:{_write_url(folder, token, place)}"
    finally:
        await _end(process)


def _settings(folder: Path, token: str) -> str:
    """Return the server's file: a free port of loopback, written down where we find it."""
    values = {
        "listen": "127.0.0.1:-1",
        "ports_file_dir": str(folder),
        "log_file": str(folder / "server.log"),
    }
    lines = [f"{name}: {json.dumps(value)}" for name, value in values.items()]
    lines.append(f"jetstream: {{ store_dir: {json.dumps(str(folder / 'streams'))} }}")
    lines.append(f"authorization: {{ token: {json.dumps(token)} }}")
    return "\n".join(lines) + "\n"


def _prepare(folder: Path, token: str) -> Path:
    """Make the folder and the server's file, for this user alone."""
    settings = folder / "server.conf"
    try:
        folder.mkdir(mode=0o700, parents=True)
        settings.touch(mode=0o600)
        settings.write_text(_settings(folder, token))
    except OSError as error:
        raise Misconfigured(f"folder `{folder}` cannot be written ({error.strerror})") from error
    return settings


def _write_url(folder: Path, token: str, place: str) -> Path:
    url = folder / "url"
    url.touch(mode=0o600)
    url.write_text(f"nats://{token}@{place}")
    return url


async def _place(folder: Path, process: asyncio.subprocess.Process) -> str:
    """Return host and port, once the server has written them down."""
    try:
        async with asyncio.timeout(READY_S):
            while not (place := _written_place(folder)):
                if process.returncode is not None:
                    raise EndpointDown(
                        f"`{BINARY}` ended with code {process.returncode}; see `{folder}/server.log`"
                    )
                await asyncio.sleep(POLL_S)
    except TimeoutError:
        raise EndpointDown(f"`{BINARY}` did not listen within {READY_S:.0f} s") from None
    return place


def _written_place(folder: Path) -> str:
    for path in folder.glob(PORTS_GLOB):
        addresses = json.loads(path.read_text() or "{}").get("nats", [])
        if addresses:
            return str(addresses[0]).removeprefix("nats://")
    return ""


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(STOP_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
