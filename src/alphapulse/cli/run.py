"""`alphapulse run`: a node from a configuration file; dry run unless --live."""

import argparse
import os
from pathlib import Path

import msgspec
import uvloop
from rich.console import Console

from alphapulse.cli.running import (
    add_session_arguments,
    exit_code,
    print_summary,
    run_with_screen,
    with_transport,
)
from alphapulse.node.config import load_config
from alphapulse.node.folders import run_name
from alphapulse.node.wallet import load_wallet

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
    config = with_transport(load_config(options.config, os.environ), options.transport)
    is_one_process = config.transport.mode == "local"
    wallet = load_wallet(config, os.environ, is_live=options.live) if is_one_process else None
    if options.headless:
        shown = msgspec.structs.replace(config.dashboard, enabled=False)
        config = msgspec.structs.replace(config, dashboard=shown)
    console = Console(stderr=True)
    archive_root = Path(config.node.data_dir) / "archive" / run_name()
    summary = uvloop.run(
        run_with_screen(
            config,
            wallet=wallet,
            is_live=options.live,
            archive_root=archive_root,
            seconds=options.seconds,
            console=console,
            resume=options.resume,
        )
    )
    print_summary(summary, as_json=options.json, console=console)
    return exit_code(summary, may_be_unknown=True)
