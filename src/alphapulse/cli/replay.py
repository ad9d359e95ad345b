"""`alphapulse replay`: an archive through the strategy again; prints the digest of its decisions."""

import argparse
import json
import sys
from pathlib import Path

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from alphapulse.amm import kernel
from alphapulse.cli.exit_codes import DONE, FAILED
from alphapulse.node.replay import ReplayResult, replay

__all__ = ["add_arguments", "run"]

PROGRESS_EVERY = 1_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the verb."""
    parser.add_argument("archive", type=Path, metavar="ARCHIVE", help="folder of one recorded run")
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object")


def run(options: argparse.Namespace) -> int:
    """Replay; a digest that differs from the recorded one is a failure."""
    result = _with_progress(options.archive)
    if options.json:
        print(
            json.dumps(
                {
                    "archive": str(options.archive),
                    "kernel": kernel.name,
                    "messages": result.messages,
                    "decisions": result.decisions,
                    "digest": result.digest,
                    "recorded_digest": result.recorded_digest,
                    "equal": result.is_equal,
                }
            )
        )
    else:
        print(
            f"{result.messages} messages, {result.decisions} decisions, archive {result.state}, {kernel.name} kernel"
        )
        print(f"digest   {result.digest}")
        print(f"recorded {result.recorded_digest or 'none: the run was cut off'}")
    if result.recorded_digest and not result.is_equal:
        print("alphapulse: the replay decided otherwise than the live run", file=sys.stderr)
        return FAILED
    return DONE


def _with_progress(archive: Path) -> ReplayResult:
    console = Console(stderr=True)
    columns = (
        SpinnerColumn(),
        TextColumn("replaying, {task.completed:,.0f} messages"),
        TimeElapsedColumn(),
    )
    with Progress(
        *columns, console=console, disable=not console.is_terminal, transient=True
    ) as bar:
        task = bar.add_task("replay", total=None)

        def show(count: int) -> None:
            if count % PROGRESS_EVERY == 0:
                bar.update(task, completed=count)

        return replay(archive, show)
