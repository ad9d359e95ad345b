"""`alphapulse demo`: a local chain with the real protocols, people who trade on it, and the whole system against them."""

import argparse
import asyncio
import os
import secrets
import sys
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import uvloop
from rich.console import Console

from alphapulse.cli.running import (
    add_session_arguments,
    exit_code,
    print_summary,
    run_with_screen,
)
from alphapulse.devnet.manifest import Manifest
from alphapulse.errors import EndpointDown, Misconfigured
from alphapulse.execution.wallet import Wallet, create_keystore
from alphapulse.node.config import (
    DashboardSection,
    TransportSection,
    WalletSection,
    transport_section,
)
from alphapulse.node.devnet_config import config_of_devnet
from alphapulse.node.folders import run_name
from alphapulse.node.nats_server import nats_server
from alphapulse.primitives.address import hex_of
from alphapulse.primitives.secret import Secret

__all__ = ["add_arguments", "run"]

DEFAULT_DATA_DIR = Path("var") / "demo"
SCRYPT_ITERATIONS = 2  # the key lives for one run on a chain that ends with it
READY_TIMEOUT_S = 180.0  # a first start deploys the protocols
STOP_TIMEOUT_S = 10.0
MANIFEST_LIMIT = 1 << 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the verb."""
    add_session_arguments(parser)
    parser.add_argument("--seed", type=int, default=7, help="seed of the market activity")
    parser.add_argument(
        "--block-time", type=float, default=1.0, metavar="S", help="seconds between blocks"
    )
    parser.add_argument(
        "--port", type=int, default=8700, help="port of the dashboard; 0 takes a free one"
    )
    parser.add_argument(
        "--data-dir", type=Path, default=DEFAULT_DATA_DIR, metavar="DIR", help="where runs are kept"
    )


def run(options: argparse.Namespace) -> int:
    """Run the demonstration; books that differ from the chain are a failure."""
    console = Console(stderr=True)
    summary = uvloop.run(_demo(options, console))
    print_summary(summary, as_json=options.json, console=console)
    return exit_code(summary, may_be_unknown=False)


async def _demo(options: argparse.Namespace, console: Console) -> dict[str, object]:
    folder = options.data_dir / run_name()
    section, wallet = _make_wallet(folder)
    console.print("starting the local chain (a first start deploys the protocols)", highlight=False)
    async with (
        _carrier(options, folder) as transport,
        _devnet(options, wallet) as (manifest, process),
    ):
        config = config_of_devnet(
            manifest,
            recipient=wallet.address,
            data_dir=str(folder),
            wallet=section,
            dashboard=DashboardSection(enabled=not options.headless, port=options.port),
        )
        config = msgspec.structs.replace(config, transport=transport)
        session = run_with_screen(
            config,
            wallet=wallet,
            is_live=True,
            archive_root=folder / "archive",
            seconds=options.seconds,
            console=console,
        )
        return await _while_it_lives(process, session)


@asynccontextmanager
async def _carrier(options: argparse.Namespace, folder: Path) -> AsyncIterator[TransportSection]:
    """Give what the command line, or else the environment, says of the transport, with a server where it needs one."""
    section = transport_section(os.environ, options.transport)
    if section.mode not in ("nats", "mixed") or section.nats_url:
        yield section
        return
    async with nats_server(folder / "nats") as reference:
        yield msgspec.structs.replace(section, nats_url=reference)


async def _while_it_lives(
    process: asyncio.subprocess.Process, session: Coroutine[None, None, dict[str, object]]
) -> dict[str, object]:
    """Return what the session returns; a session without its chain would wait for ever.

    Raises  EndpointDown when the chain's process ends first.
    """
    running = asyncio.create_task(session)
    death = asyncio.create_task(process.wait())
    try:
        await asyncio.wait({running, death}, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            return running.result()
        raise EndpointDown(
            f"the local chain ended with code {process.returncode}; its own message stands above"
        )
    finally:
        for task in (running, death):
            task.cancel()
        await asyncio.gather(running, death, return_exceptions=True)


def _make_wallet(folder: Path) -> tuple[WalletSection, Wallet]:
    """Make a key for this run alone, in a keystore, as a user would have one."""
    word = Secret(secrets.token_hex(16))
    try:
        folder.mkdir(parents=True)
        file = folder / "password"
        file.touch(mode=0o600)
        file.write_text(word.reveal())
    except OSError as error:
        raise Misconfigured(
            f"`--data-dir` `{folder}` cannot be written ({error.strerror})"
        ) from error
    keystore = folder / "keystore.json"
    create_keystore(keystore, word, iterations=SCRYPT_ITERATIONS)
    section = WalletSection(keystore=str(keystore), password=f"file:{file}")
    return section, Wallet.load(keystore, word)


@asynccontextmanager
async def _devnet(
    options: argparse.Namespace, wallet: Wallet
) -> AsyncIterator[tuple[Manifest, asyncio.subprocess.Process]]:
    """Run the chain and its people in a process of their own, as a real chain would be."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "alphapulse.cli.main", "devnet", "--json"),
        *("--owner", hex_of(wallet.address)),
        *("--seed", str(options.seed)),
        *("--block-time", str(options.block_time)),
        "--with-parent",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=MANIFEST_LIMIT,
        start_new_session=True,
    )
    try:
        yield await _manifest(process), process
    finally:
        await _end(process)


async def _manifest(process: asyncio.subprocess.Process) -> Manifest:
    assert process.stdout is not None
    try:
        async with asyncio.timeout(READY_TIMEOUT_S):
            line = await process.stdout.readline()
    except TimeoutError:
        raise EndpointDown(
            f"the local chain was not ready within {READY_TIMEOUT_S:.0f} s"
        ) from None
    if not line:
        raise EndpointDown("the local chain did not start; its own message stands above")
    return Manifest.from_json(line)


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(STOP_TIMEOUT_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
