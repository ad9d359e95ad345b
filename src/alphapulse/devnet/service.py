"""A devnet as a foreground service: started by the command line, ended by a signal, by time, or by cancellation."""

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from alphapulse.devnet.artifacts import repository_root
from alphapulse.devnet.devnet import Devnet, DevnetOptions
from alphapulse.devnet.manifest import Manifest
from alphapulse.errors import Misconfigured

__all__ = ["CONTRACT_ARTIFACT", "contract_code", "serve"]

CONTRACT_ARTIFACT = Path("contracts") / "artifacts" / "FlashArbitrage.json"
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class _Artifact(msgspec.Struct, frozen=True):
    bytecode: str


def contract_code(path: Path | None = None) -> bytes:
    """Return the creation code of FlashArbitrage from its artifact, the repository's unless told otherwise.

    Raises  Misconfigured when the artifact is missing or is not one.
    """
    path = path or repository_root() / CONTRACT_ARTIFACT
    try:
        artifact = msgspec.json.decode(path.read_bytes(), type=_Artifact)
        return bytes.fromhex(artifact.bytecode.removeprefix("0x"))
    except FileNotFoundError:
        raise Misconfigured(f"`{CONTRACT_ARTIFACT}` is missing; run `make contracts`") from None
    except (msgspec.MsgspecError, ValueError) as error:
        raise Misconfigured(f"`{CONTRACT_ARTIFACT}` is not an artifact: {error}") from error


async def serve(options: DevnetOptions, on_ready: Callable[[Manifest], None]) -> None:
    """Run a devnet until SIGTERM or SIGINT, `options.seconds`, or cancellation; no process is left behind.

    Raises  Misconfigured when packages or the contract artifact are missing; EndpointDown when the chain is lost.
    """
    code = contract_code() if options.owner is not None else b""
    async with Devnet.start(options) as devnet:
        if options.owner is not None:
            await devnet.deploy_flash_arbitrage(options.owner, code)
        with _stop_requested() as stop:
            on_ready(devnet.manifest)
            tasks: list[asyncio.Task[object]] = [asyncio.create_task(stop.wait())]
            if options.activity:
                tasks.append(asyncio.create_task(devnet.run_activity()))
            try:
                done, _ = await asyncio.wait(
                    tasks, timeout=options.seconds, return_when=asyncio.FIRST_COMPLETED
                )
                for task in done:
                    task.result()
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)


@contextlib.contextmanager
def _stop_requested() -> Iterator[asyncio.Event]:
    """Yield an event that a stop signal sets; outside the main thread nothing sets it."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    taken: list[signal.Signals] = []
    for number in STOP_SIGNALS:
        with contextlib.suppress(ValueError, RuntimeError):
            loop.add_signal_handler(number, stop.set)
            taken.append(number)
    try:
        yield stop
    finally:
        for number in taken:
            loop.remove_signal_handler(number)
