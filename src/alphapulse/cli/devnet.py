"""`alphapulse devnet`: the local chain alone, with its market activity."""

import argparse
import asyncio
import os
import signal
import sys
import threading
from pathlib import Path

from alphapulse.cli.exit_codes import DONE
from alphapulse.devnet.devnet import DevnetOptions
from alphapulse.devnet.manifest import Manifest
from alphapulse.devnet.service import serve
from alphapulse.errors import Misconfigured, ValueOutOfRange
from alphapulse.node.config import DashboardSection
from alphapulse.node.devnet_config import config_of_devnet, config_to_toml
from alphapulse.primitives.address import Address, address, hex_of

__all__ = ["add_arguments", "run"]

# A well-known address without a known key: owner of the contract where only dry runs are wanted.
NOBODY = Address(bytes(18) + b"\xde\xad")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the verb."""
    parser.add_argument(
        "--port", type=int, default=0, help="port of the RPC endpoint; 0 takes a free one"
    )
    parser.add_argument("--seed", type=int, default=1, help="seed of the market activity")
    parser.add_argument(
        "--block-time", type=float, default=1.0, metavar="S", help="seconds between blocks"
    )
    parser.add_argument(
        "--seconds", type=float, default=None, metavar="N", help="end after so many seconds"
    )
    parser.add_argument("--quiet-market", action="store_true", help="nobody trades")
    parser.add_argument(
        "--owner", metavar="ADDRESS", help="deploy the arbitrage contract for this owner"
    )
    parser.add_argument(
        "--config-out", type=Path, metavar="FILE", help="write a node configuration (dry run)"
    )
    parser.add_argument(
        "--with-parent", action="store_true", help="end when standard input is closed"
    )
    parser.add_argument(
        "--json", action="store_true", help="print the manifest as one JSON line when ready"
    )


def run(options: argparse.Namespace) -> int:
    """Serve until stopped."""
    owner = _owner(options)
    chosen = DevnetOptions(
        port=options.port,
        block_time_s=options.block_time,
        seed=options.seed,
        activity=not options.quiet_market,
        owner=owner,
        seconds=options.seconds,
    )

    def on_ready(manifest: Manifest) -> None:
        if options.config_out is not None:
            _write_config(options.config_out, manifest, owner or NOBODY)
        if options.json:
            sys.stdout.write(manifest.to_json().decode().replace("\n", "") + "\n")
        else:
            _describe(manifest)
        sys.stdout.flush()

    if options.with_parent:
        threading.Thread(target=_end_with_parent, daemon=True).start()
    asyncio.run(serve(chosen, on_ready))
    return DONE


def _end_with_parent() -> None:
    """Stop when whoever started this process is gone, however it went."""
    while os.read(sys.stdin.fileno(), 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def _owner(options: argparse.Namespace) -> Address | None:
    if options.owner is None:
        return NOBODY if options.config_out is not None else None
    try:
        return address(options.owner)
    except ValueOutOfRange as error:
        raise Misconfigured(f"`--owner`: {error}") from error


def _write_config(path: Path, manifest: Manifest, recipient: Address) -> None:
    config = config_of_devnet(
        manifest,
        recipient=recipient,
        data_dir="var/node",
        wallet=None,
        dashboard=DashboardSection(),
    )
    try:
        path.write_text(config_to_toml(config))
    except OSError as error:
        raise Misconfigured(
            f"`--config-out {path}` cannot be written ({error.strerror})"
        ) from error


def _describe(manifest: Manifest) -> None:
    print(f"chain {manifest.chain_id} at {manifest.rpc_ws}, lender {hex_of(manifest.lender)}")
    for token in manifest.tokens:
        print(f"  {token.symbol:<5} {hex_of(token.address)}  {token.decimals} decimals")
    for pool in manifest.pools:
        print(
            f"  {pool.kind:<10} {hex_of(pool.address)}  fee {pool.fee_pips} pips, venue {pool.venue}"
        )
