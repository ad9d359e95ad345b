"""`alphapulse keys`: put a private key into an Ethereum V3 keystore, or list keystores. Keys never travel by argument."""

import argparse
import getpass
import json
import os
import sys
from pathlib import Path

from alphapulse.cli.exit_codes import DONE
from alphapulse.errors import Misconfigured
from alphapulse.execution.wallet import create_keystore
from alphapulse.node.config import resolve_secret
from alphapulse.primitives.address import hex_of
from alphapulse.primitives.secret import Secret

__all__ = ["add_arguments", "run"]

SCRYPT_ITERATIONS = 2**18
LIGHT_SCRYPT_ITERATIONS = 2**12
KEY_BYTES = 32


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the verb."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    bring = actions.add_parser(
        "import", help="read a hex private key from standard input into a keystore"
    )
    bring.add_argument(
        "--keystore", type=Path, required=True, metavar="FILE", help="file to create, mode 0600"
    )
    bring.add_argument(
        "--password", metavar="REFERENCE", help="`env:NAME` or `file:PATH`; asked for otherwise"
    )
    new = actions.add_parser("create", help="make a fresh key in a keystore")
    new.add_argument(
        "--keystore", type=Path, required=True, metavar="FILE", help="file to create, mode 0600"
    )
    new.add_argument(
        "--password", metavar="REFERENCE", help="`env:NAME` or `file:PATH`; asked for otherwise"
    )
    for action in (bring, new):
        action.add_argument(
            "--lightkdf",
            action="store_true",
            help="weaker protection of the file, for keys of little value",
        )
    shown = actions.add_parser("list", help="addresses of the keystores in a folder")
    shown.add_argument("folder", type=Path, metavar="DIR")
    shown.add_argument("--json", action="store_true", help="print one JSON object")


def run(options: argparse.Namespace) -> int:
    """Do what the action says."""
    if options.action == "list":
        return _list(options.folder, as_json=options.json)
    key = _read_key() if options.action == "import" else None
    password = _password(options.password)
    iterations = LIGHT_SCRYPT_ITERATIONS if options.lightkdf else SCRYPT_ITERATIONS
    address = create_keystore(options.keystore, password, iterations=iterations, key=key)
    print(hex_of(address))
    return DONE


def _read_key() -> Secret[bytes]:
    text = getpass.getpass("private key (hex): ") if sys.stdin.isatty() else sys.stdin.readline()
    try:
        key = bytes.fromhex(text.strip().removeprefix("0x"))
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise Misconfigured("standard input must hold one private key of 32 bytes as hex")
    return Secret(key)


def _password(reference: str | None) -> Secret[str]:
    if reference is not None:
        return Secret(resolve_secret(reference, os.environ, "--password"))
    if not sys.stdin.isatty():
        raise Misconfigured("give the password by `--password env:NAME` or `--password file:PATH`")
    return Secret(getpass.getpass("password of the keystore: "))


def _list(folder: Path, *, as_json: bool) -> int:
    try:
        files = sorted(path for path in folder.iterdir() if path.is_file())
    except OSError as error:
        raise Misconfigured(f"folder `{folder}` cannot be read ({error.strerror})") from error
    found = {path.name: address for path in files if (address := _address_of(path)) is not None}
    if as_json:
        print(json.dumps(found))
    else:
        for name, address in found.items():
            print(f"{address}  {name}")
    return DONE


def _address_of(path: Path) -> str | None:
    """Return the address that a keystore file states, None for any other file."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    if not isinstance(content, dict) or content.get("version") != 3:
        return None
    return "0x" + str(content.get("address", "")).removeprefix("0x")
