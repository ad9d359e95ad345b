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

from rich.console import Console

from alphapulse.cli.screen import show_progress, show_summary
from alphapulse.execution.gate import TradingState
from alphapulse.execution.wallet import Wallet
from alphapulse.node.config import Config
from alphapulse.node.embedded import EmbeddedNode
from alphapulse.node.session import run_session
from alphapulse.observability.log import configure

__all__ = ["add_session_arguments", "print_summary", "run_with_screen"]


def add_session_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what both verbs understand."""
    parser.add_argument(
        "--seconds", type=float, default=None, metavar="N", help="end after so many seconds"
    )
    parser.add_argument("--headless", action="store_true", help="no dashboard")
    parser.add_argument(
        "--json", action="store_true", help="print the account of the run as one JSON object"
    )


async def run_with_screen(
    config: Config,
    *,
    wallet: Wallet | None,
    archive_root: Path,
    seconds: float | None,
    console: Console,
    resume: bool = False,
) -> dict[str, object]:
    """Run a session until time or a signal ends it; returns its account."""
    configure(_ConsoleStream(console), level=logging.WARNING)
    screens: list[asyncio.Task[None]] = []
    stop = asyncio.Event()

    def on_start(node: EmbeddedNode, page: str | None) -> None:
        mode = "live" if node.is_live else "dry run: nothing will be submitted"
        console.print(f"chain {config.chain.chain_id}, {mode}", highlight=False)
        state = node.desk.gate.trading_state()
        if state is not TradingState.RUNNING:
            console.print(
                f"trading is {state} since an earlier run; `--resume` lifts that",
                highlight=False,
                soft_wrap=True,
            )
        if page is not None:
            console.print(f"dashboard {page}", highlight=False)
        screens.append(asyncio.create_task(show_progress(node, page, console)))
        if seconds is not None:
            asyncio.get_running_loop().call_later(seconds, stop.set)

    with _signals_set(stop):
        try:
            return await run_session(
                config,
                os.environ,
                wallet=wallet,
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
