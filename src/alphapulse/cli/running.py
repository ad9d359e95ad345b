"""What `demo` and `run` share: a session under a screen, ended by time or by a signal."""

import argparse
import asyncio
import contextlib
import io
import json
import logging
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import msgspec
from rich.console import Console

from alphapulse.cli.exit_codes import DONE, FAILED
from alphapulse.cli.screen import show_progress, show_summary
from alphapulse.execution.gate import TradingState
from alphapulse.execution.wallet import Wallet
from alphapulse.node.config import Config, parse_config
from alphapulse.node.embedded import EmbeddedNode
from alphapulse.node.session import run_session
from alphapulse.node.started import Started
from alphapulse.node.supervisor import run_apart
from alphapulse.observability.log import configure

__all__ = [
    "add_session_arguments",
    "exit_code",
    "print_summary",
    "run_with_screen",
    "with_transport",
]

TRANSPORTS = ("local", "unix", "nats", "mixed")


def add_session_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what both verbs understand."""
    parser.add_argument(
        "--seconds", type=float, default=None, metavar="N", help="end after so many seconds"
    )
    parser.add_argument(
        "--transport",
        choices=TRANSPORTS,
        default=None,
        help="how the services of the node hear each other; `local` is one process",
    )
    parser.add_argument("--headless", action="store_true", help="no dashboard")
    parser.add_argument(
        "--json", action="store_true", help="print the account of the run as one JSON object"
    )


async def run_with_screen(
    config: Config,
    *,
    wallet: Wallet | None,
    is_live: bool,
    archive_root: Path,
    seconds: float | None,
    console: Console,
    resume: bool = False,
) -> dict[str, object]:
    """Run a session until time or a signal ends it; returns its account.

    `wallet` is for a node in one process; apart, only the desk opens the keystore.
    """
    configure(_ConsoleStream(console), level=logging.WARNING)
    screens: list[asyncio.Task[None]] = []
    stop = asyncio.Event()

    def on_start(started: Started) -> None:
        _introduce(config, started, console)
        screens.append(asyncio.create_task(show_progress(started.replica, started.page, console)))
        if seconds is not None:
            asyncio.get_running_loop().call_later(seconds, stop.set)

    with _signals_set(stop):
        try:
            if config.transport.mode == "local":
                return await run_session(
                    config,
                    os.environ,
                    wallet=wallet,
                    archive_root=archive_root,
                    stop=stop,
                    on_start=lambda node, page: on_start(_started(node, page)),
                    resume=resume,
                )
            return await run_apart(
                config,
                os.environ,
                is_live=is_live,
                archive_root=archive_root,
                stop=stop,
                on_start=on_start,
                resume=resume,
            )
        finally:
            for task in screens:
                task.cancel()
            for ended in await asyncio.gather(*screens, return_exceptions=True):
                if isinstance(ended, Exception):
                    console.print(f"the screen failed: {ended!r}", markup=False, soft_wrap=True)


def with_transport(config: Config, mode: str | None) -> Config:
    """Return the configuration with the command line's transport over it.

    Raises  Misconfigured when the two do not go together.
    """
    if mode is None:
        return config
    tables = msgspec.to_builtins(config)
    tables["transport"] = {**tables["transport"], "mode": mode}
    return parse_config(tables, "with `--transport`")


def exit_code(summary: dict[str, object], *, may_be_unknown: bool) -> int:
    """Return what an account means: books that differ from the chain, a lost service or a hole in the archive is a failure."""
    agrees = summary["books_equal_chain"]
    is_known = agrees is not None or may_be_unknown
    is_whole = not summary.get("lost") and summary.get("archive_whole", True)
    return DONE if is_known and agrees is not False and is_whole else FAILED


def _started(node: EmbeddedNode, page: str | None) -> Started:
    return Started(node.page.replica, node.is_live, node.desk.gate.trading_state(), page, {})


def _introduce(config: Config, started: Started, console: Console) -> None:
    mode = "live" if started.is_live else "dry run: nothing will be submitted"
    console.print(f"chain {config.chain.chain_id}, {mode}", highlight=False)
    if started.processes:
        numbers = ", ".join(f"{name} {pid}" for name, pid in started.processes.items())
        console.print(
            f"transport {config.transport.mode}, processes {numbers}",
            highlight=False,
            soft_wrap=True,
        )
    if started.trading is not TradingState.RUNNING:
        console.print(
            f"trading is {started.trading} since an earlier run; `--resume` lifts that",
            highlight=False,
            soft_wrap=True,
        )
    if started.page is not None:
        console.print(f"dashboard {started.page}", highlight=False)


def print_summary(summary: dict[str, object], *, as_json: bool, console: Console) -> None:
    """Print the account where it belongs: JSON to standard output, a table to the screen."""
    if as_json:
        print(json.dumps(summary))
    else:
        show_summary(summary, console)
        console.print(
            f"replay it: alphapulse replay {summary['archive']}", highlight=False, soft_wrap=True
        )


class _ConsoleStream(io.StringIO):
    """Lets log lines pass above a live table instead of through it."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def write(self, text: str) -> int:
        """Print a line as it is."""
        self._console.out(text, end="", highlight=False)
        return len(text)


@contextlib.contextmanager
def _signals_set(stop: asyncio.Event) -> Iterator[None]:
    """Let the first interrupt end the run in order; the second one is not caught any more."""
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGINT, signal.SIGTERM)

    def end() -> None:
        stop.set()
        for number in numbers:
            loop.remove_signal_handler(number)

    for number in numbers:
        loop.add_signal_handler(number, end)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)
