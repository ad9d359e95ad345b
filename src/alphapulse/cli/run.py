"""`alphapulse run`: a node from a configuration file; dry run unless --live."""

import argparse
import os
from pathlib import Path

import msgspec
import uvloop
from rich.console import Console

from alphapulse.cli.exit_codes import DONE, FAILED
from alphapulse.cli.running import add_session_arguments, print_summary, run_with_screen
from alphapulse.node.config import load_config
from alphapulse.node.session import load_wallet, run_name

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the verb."""
    parser.add_argument(
        "--config", type=Path, required=True, metavar="FILE", help="TOML configuration"
    )
    parser.add_argument(
        "--live", action="store_true", help="submit transactions; also needs `live = true`"
    )
    parser.add_argument(
        "--resume", action="store_true", help="lift a stop that an earlier run left"
    )
    add_session_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Run the node until it is told to end."""
    config = load_config(options.config, os.environ)
    wallet = load_wallet(config, os.environ, is_live=options.live)
    if options.headless:
        shown = msgspec.structs.replace(config.dashboard, enabled=False)
        config = msgspec.structs.replace(config, dashboard=shown)
    console = Console(stderr=True)
    archive_root = Path(config.node.data_dir) / "archive" / run_name()
    summary = uvloop.run(
        run_with_screen(
            config,
            wallet=wallet,
            archive_root=archive_root,
            seconds=options.seconds,
            console=console,
            resume=options.resume,
        )
    )
    print_summary(summary, as_json=options.json, console=console)
    return FAILED if summary["books_equal_chain"] is False else DONE
