"""`alphapulse relay`: the relays between processes. `serve` runs them until a signal and drains before it ends; `tail`
and `stats` look at them.
"""

import argparse
import asyncio
import json
import signal
import sys
from pathlib import Path

import msgspec
import uvloop

from alphapulse.cli import relay_stats, relay_tail
from alphapulse.cli.exit_codes import DONE
from alphapulse.errors import Misconfigured
from alphapulse.observability.log import configure
from alphapulse.relays.config import DOMAIN_NAMES, RelayConfig, config_from_toml, default_directory
from alphapulse.relays.service import serve_relays
from alphapulse.relays.tiers import Tier

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the deeds of the verb."""
    deeds = parser.add_subparsers(dest="deed", required=True, metavar="DEED")
    text = "relay the domains on Unix sockets until stopped"
    serve = deeds.add_parser("serve", help=text, description=text, epilog=parser.epilog)
    serve.add_argument(
        "--directory",
        type=Path,
        metavar="DIR",
        help="where the sockets are; default `alphapulse` in the user's runtime directory",
    )
    serve.add_argument(
        "--domain",
        action="append",
        choices=sorted(DOMAIN_NAMES, key=DOMAIN_NAMES.__getitem__),
        help="serve this domain only; may be repeated",
    )
    serve.add_argument(
        "--shard",
        action="append",
        choices=[tier.name.lower() for tier in Tier],
        help="serve only this shard of market data, beside the relay of the same directory; may be repeated",
    )
    serve.add_argument(
        "--journal", type=Path, metavar="DIR", help="where journals are kept; default DIR/journal"
    )
    serve.add_argument("--config", type=Path, metavar="FILE", help="TOML with other numbers")
    serve.add_argument("--json", action="store_true", help="print the sockets as one JSON line")
    serve.set_defaults(act=_serve)
    for name, text, module in (
        ("tail", "print what the relays forward, as it comes", relay_tail),
        ("stats", "producers, consumers, lag, losses and journals of the relays", relay_stats),
    ):
        deed = deeds.add_parser(name, help=text, description=text, epilog=parser.epilog)
        module.add_arguments(deed)
        deed.set_defaults(act=module.run)


def run(options: argparse.Namespace) -> int:
    """Do one deed."""
    code: int = options.act(options)
    return code


def _serve(options: argparse.Namespace) -> int:
    configure()
    config = _config(options)
    shards = [Tier[name.upper()] for name in options.shard or ()]
    names = options.domain or (() if shards else DOMAIN_NAMES)
    domains = [DOMAIN_NAMES[name] for name in names]
    uvloop.run(_until_stopped(config, domains, shards, as_json=options.json))
    return DONE


def _config(options: argparse.Namespace) -> RelayConfig:
    try:
        text = options.config.read_text() if options.config is not None else ""
    except OSError as error:
        raise Misconfigured(
            f"`--config {options.config}` cannot be read ({error.strerror})"
        ) from error
    config = config_from_toml(text, options.directory or Path())
    directory = options.directory or config.directory
    if directory == Path():
        directory = default_directory()
    journal = options.journal or config.journal_directory
    return msgspec.structs.replace(config, directory=directory, journal_directory=journal)


async def _until_stopped(
    config: RelayConfig, domains: list[int], shards: list[Tier], *, as_json: bool
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with serve_relays(
        config.directory, domains=domains, shards=shards, config=config
    ) as service:
        paths = [str(path) for path in service.paths()]
        sys.stdout.write(json.dumps({"sockets": paths}) if as_json else "\n".join(paths))
        sys.stdout.write("\n")
        sys.stdout.flush()
        await stop.wait()
