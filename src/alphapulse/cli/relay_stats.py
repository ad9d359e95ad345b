"""`alphapulse relay stats`: how each relay stands, from the status that it writes every interval."""

import argparse
import sys
import time
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from alphapulse.cli.exit_codes import DONE
from alphapulse.errors import EndpointDown, InvalidData
from alphapulse.protocol.header import Domain
from alphapulse.protocol.plain import source_text
from alphapulse.relays.config import default_directory, relay_source
from alphapulse.relays.statistics import ProducerStatistics, RelayStatistics
from alphapulse.relays.upkeep import status_path
from alphapulse.transport.sockets import SOCKET_NAMES

__all__ = ["add_arguments", "run"]

_WIDTH = 140  # where no terminal says how wide it is
_OLD_S = 5.0  # a status that is older was left behind by a relay that ended


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the deed."""
    parser.add_argument(
        "--directory", type=Path, metavar="DIR", help="where the relays' sockets are"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a relay")


def run(options: argparse.Namespace) -> int:
    """Print one report a relay."""
    directory = options.directory or default_directory()
    found = [one for domain in SOCKET_NAMES if (one := _read(directory, domain)) is not None]
    if not found:
        raise EndpointDown(
            f"no relay has a status in `{directory}`; start `alphapulse relay serve`"
        )
    console = Console(width=None if sys.stdout.isatty() else _WIDTH)
    for age_s, relay in found:
        if options.json:
            held = {**msgspec.to_builtins(relay), "age_ms": int(age_s * 1000)}
            sys.stdout.write(msgspec.json.encode(held).decode() + "\n")
        else:
            _show(console, relay, age_s)
    return DONE


def _read(directory: Path, domain: int) -> tuple[float, RelayStatistics] | None:
    path = status_path(directory, SOCKET_NAMES[domain])
    try:
        data, changed = path.read_bytes(), path.stat().st_mtime
        return time.time() - changed, msgspec.json.decode(data, type=RelayStatistics)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise EndpointDown(f"status `{path}` cannot be read ({error.strerror})") from error
    except msgspec.MsgspecError as error:
        raise InvalidData(f"status `{path}` is of another version: {error}") from error


def _show(console: Console, relay: RelayStatistics, age_s: float) -> None:
    name = Domain(relay.domain).name.lower()
    state = f"up {relay.uptime_ms / 1000:,.0f} s" if age_s < _OLD_S else f"ended {age_s:,.0f} s ago"
    journal = (
        "journal writable" if relay.journal_is_writable else "[bold red]journal NOT writable[/]"
    )
    console.print(
        f"[bold]{name}[/]  pid {relay.pid}, {state}, {journal}; "
        f"{relay.received:,} received ({relay.received_bytes:,} bytes), {relay.forwarded:,} forwarded, "
        f"{relay.dropped:,} dropped, {relay.slow_disconnects:,} too slow, p95 turn {relay.turn_us_p95:,} us",
        soft_wrap=True,
    )
    for what, counts in (("refused", relay.refused), ("rejected", relay.rejected)):
        if counts:
            listed = ", ".join(f"{key} {count:,}" for key, count in sorted(counts.items()))
            console.print(f"  {what}: {listed}")
    if relay.producers:
        table = _table("producer", "state", "next", "received", "gaps", "missing", "repeats", "runs", "journaled", "kept")  # fmt: skip
        for one in relay.producers:
            table.add_row(
                source_text(one.source),
                _state_of(relay, one),
                *_counts(
                    one.next_sequence,
                    one.received,
                    one.gaps,
                    one.missing,
                    one.duplicates,
                    one.restarts + 1,
                    one.journaled,
                    one.snapshot_messages,
                ),
            )
        console.print(table)
    if relay.consumers:
        table = _table("consumer", "id", "sent", "waiting", "unsent bytes", "behind ms", "dropped", "rejected")  # fmt: skip
        for client in relay.consumers:
            table.add_row(
                client.name or "(no Hello yet)",
                str(client.consumer_id),
                *_counts(
                    client.sent,
                    client.queued,
                    client.unsent_bytes,
                    client.behind_ms,
                    client.dropped,
                    client.rejected,
                ),
            )
        console.print(table)


def _state_of(relay: RelayStatistics, one: ProducerStatistics) -> str:
    if one.source == relay_source(relay.domain):
        return "itself"
    return "live" if one.is_live else "gone"


def _table(*headings: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 2), header_style="dim")
    for index, heading in enumerate(headings):
        table.add_column(heading, justify="left" if index == 0 else "right")
    return table


def _counts(*values: int) -> list[str]:
    return [f"{value:,}" for value in values]
