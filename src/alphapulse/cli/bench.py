"""`alphapulse bench`: every figure quoted anywhere, measured again, beside its peers and goals."""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from alphapulse.cli.exit_codes import DONE, FAILED
from alphapulse.errors import InvalidData, Misconfigured

__all__ = ["add_arguments", "run"]

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"
ALL = "all"
TIMEOUT_S = 900


class _Row(msgspec.Struct, frozen=True):
    id: str
    twin: str
    what: str
    value: float | None
    unit: str
    peer: str | None = None
    peer_value: float | None = None
    ratio: float | None = None
    goal: str | float | None = None
    met: bool | None = None


class _Report(msgspec.Struct, frozen=True):
    name: str
    rows: list[_Row]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the verb."""
    names = ", ".join(_names())
    parser.add_argument("name", nargs="?", default=ALL, help=f"one of {names}, or `{ALL}`")
    parser.add_argument("--json", action="store_true", help="print one JSON object per benchmark")


def run(options: argparse.Namespace) -> int:
    """Run one benchmark or all of them, one after the other, each in a process of its own."""
    known = _names()
    if options.name != ALL and options.name not in known:
        raise Misconfigured(f"there is no benchmark `{options.name}`; there are {', '.join(known)}")
    console = Console(stderr=True)
    failed = False
    for name in known if options.name == ALL else [options.name]:
        with console.status(f"measuring {name}"):
            output = _measure(name)
        if output is None:
            print(
                f"alphapulse: benchmark `{name}` failed; its own message stands above",
                file=sys.stderr,
            )
            failed = True
        elif options.json:
            print(json.dumps(json.loads(output)), flush=True)
        else:
            Console().print(_table(name, output))
    return FAILED if failed else DONE


def _names() -> list[str]:
    if not BENCHMARKS.is_dir():
        raise Misconfigured(
            "benchmarks come with the repository, not with the package; run from a checkout"
        )
    return sorted(path.stem for path in BENCHMARKS.glob("*.py"))


def _measure(name: str) -> bytes | None:
    command = [sys.executable, str(BENCHMARKS / f"{name}.py")]
    try:
        done = subprocess.run(  # noqa: S603  # our own script, from the checkout
            command, stdout=subprocess.PIPE, timeout=TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return None
    return done.stdout if done.returncode == 0 else None


def _table(name: str, output: bytes) -> Table:
    try:
        report = msgspec.json.decode(output, type=_Report)
    except msgspec.MsgspecError as error:
        raise InvalidData(
            f"benchmark `{name}` printed another shape than expected: {error}"
        ) from error
    table = Table(title=report.name, title_justify="left")
    for heading in ("id", "what", "value", "peer", "ratio", "goal", "met"):
        table.add_column(heading, justify="right" if heading in ("value", "ratio") else "left")
    for row in report.rows:
        table.add_row(
            row.id,
            row.what,
            f"{row.value:,.4g} {row.unit}" if row.value is not None else "absent",
            f"{row.peer} {row.peer_value:,.4g}"
            if row.peer and row.peer_value is not None
            else row.peer or "",
            f"{row.ratio:,.3g}" if row.ratio is not None else "",
            str(row.goal) if row.goal is not None else "",
            {True: "yes", False: "no", None: ""}[row.met],
        )
    return table
