"""`alphapulse archive`: what an archive holds, whether it is whole, and its rows for other programs."""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from alphapulse.archive.export import ExportFormat, export
from alphapulse.archive.flat import MESSAGES_TABLE, flat_tables
from alphapulse.archive.query import Answer, ask
from alphapulse.archive.reader import ArchiveReader
from alphapulse.archive.selection import Query
from alphapulse.cli.exit_codes import DONE
from alphapulse.cli.moments import moment
from alphapulse.errors import Misconfigured
from alphapulse.primitives.instrument_id import InstrumentId
from alphapulse.protocol.header import Domain
from alphapulse.protocol.registry import REGISTRY

__all__ = ["add_arguments", "run"]

PROGRESS_EVERY = 1_000
_LATEST_NS = 2**63 - 1
Row = dict[str, object]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verbs of the noun."""
    verbs = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = verbs.add_parser("ls", help="files and open journals, with their times and sizes")
    verify = verbs.add_parser("verify", help="read everything, compare it with its own account")
    exporting = verbs.add_parser("export", help="rows as Parquet, CSV or JSON lines")
    sql = verbs.add_parser("sql", help="one SQL statement over a table for each message type")
    for verb, action in ((listing, _list), (verify, _verify), (exporting, _export), (sql, _sql)):
        verb.add_argument("archive", type=Path, metavar="ARCHIVE", help="folder of one run")
        verb.add_argument("--json", action="store_true", help="print JSON")
        verb.set_defaults(act=action)
    for verb in (exporting, sql):
        _add_filters(verb)
    exporting.add_argument(
        "--table",
        default=MESSAGES_TABLE,
        metavar="NAME",
        help="`messages`, `frames`, or a message type such as `pool_swap`",
    )
    exporting.add_argument("--format", choices=[*ExportFormat], default=ExportFormat.JSON_LINES)
    exporting.add_argument(
        "--output", type=Path, required=True, metavar="FILE", help="must not be there yet"
    )
    sql.add_argument("query", metavar="QUERY", help="what DuckDB understands")


def run(options: argparse.Namespace) -> int:
    """Run one verb."""
    code: int = options.act(ArchiveReader(options.archive), options)
    return code


def _add_filters(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--from", dest="from_ns", type=moment, default=0, metavar="T")
    parser.add_argument("--to", dest="to_ns", type=moment, default=2**64, metavar="T")
    names = [domain.name.lower() for domain in Domain]
    parser.add_argument("--domain", action="append", default=[], choices=names)
    parser.add_argument("--type", action="append", default=[], metavar="NAME", help="as `PoolSwap`")
    parser.add_argument(
        "--instrument", action="append", default=[], type=_instrument, metavar="VENUE/TYPE/0/HEX"
    )
    parser.add_argument("--trace", type=_trace, default=None, metavar="HEX")


def _query(options: argparse.Namespace) -> Query:
    numbers = {row.tlv.__name__.lower(): row.number for row in REGISTRY}
    unknown = [name for name in options.type if name.lower() not in numbers]
    if unknown:
        raise Misconfigured(f"there is no message type `{unknown[0]}`; `archive ls` shows types")
    return Query(
        from_ns=options.from_ns,
        to_ns=options.to_ns,
        domains=frozenset(Domain[name.upper()] for name in options.domain),
        types=frozenset(numbers[name.lower()] for name in options.type),
        instruments=frozenset(options.instrument),
        trace_id=options.trace,
    )


def _list(reader: ArchiveReader, options: argparse.Namespace) -> int:
    files = [
        _file_row(msgspec.structs.asdict(file)) for seal in reader.seals() for file in seal.files
    ]
    journals = [
        {
            "journal": journal.head.number,
            "messages": len(journal.messages),
            "frames": len(journal.frames),
        }
        for journal in reader.open_journals()
    ]
    manifest = reader.manifest
    if options.json:
        facts = msgspec.to_builtins(manifest)
        facts.pop("facts")
        print(json.dumps({"manifest": facts, "files": files, "open_journals": journals}))
        return DONE
    print(
        f"{manifest.state.value}{': ' + manifest.cause if manifest.cause else ''}, "
        f"{manifest.messages.rows} messages, {manifest.frames.rows} frames, {manifest.lost} lost"
    )
    table = Table()
    for name in (
        "table",
        "date",
        "domain",
        "rows",
        "from",
        "to",
        "raw",
        "stored",
        "ratio",
        "types",
    ):
        table.add_column(name, justify="left" if name in ("table", "types") else "right")
    for file in files:
        table.add_row(*[str(file[str(column.header)]) for column in table.columns])
    _wide_console().print(table)
    for journal in journals:
        print(
            f"journal {journal['journal']} is open: {journal['messages']} messages, {journal['frames']} frames"
        )
    return DONE


def _wide_console() -> Console:
    """Return a console that cuts nothing where nobody looks at a screen."""
    return Console(width=None if sys.stdout.isatty() else 240)


def _file_row(file: dict[str, Any]) -> Row:
    names = {row.number: row.tlv.__name__ for row in REGISTRY}
    types = file["types"]
    return {
        "path": file["path"],
        "table": file["table"],
        "date": file["date"],
        "domain": Domain(file["domain"]).name.lower() if file["domain"] else "",
        "rows": file["rows"],
        "from": _time(file["min_ns"]),
        "to": _time(file["max_ns"]),
        "raw": file["raw_bytes"],
        "stored": file["stored_bytes"],
        "ratio": round(file["raw_bytes"] / file["stored_bytes"], 2),
        "types": ",".join(names[number] for number in types) if types is not None else "",
    }


def _verify(reader: ArchiveReader, options: argparse.Namespace) -> int:
    with _progress("verifying") as show:
        manifest = reader.verify(show)
    found = {
        "archive": str(options.archive),
        "state": manifest.state.value,
        "messages": manifest.messages.rows,
        "frames": manifest.frames.rows,
        "lost": manifest.lost,
        "whole": True,
    }
    if options.json:
        print(json.dumps(found))
    else:
        print(
            f"whole: {found['messages']} messages and {found['frames']} frames, archive {found['state']}, "
            f"{found['lost']} lost"
        )
    return DONE


def _export(reader: ArchiveReader, options: argparse.Namespace) -> int:
    tables = flat_tables()
    table = tables.get(options.table)
    if table is None:
        raise Misconfigured(f"there is no table `{options.table}`; there are {', '.join(tables)}")
    with _progress("exporting") as show:
        count = export(
            reader,
            table,
            options.output,
            kind=ExportFormat(options.format),
            query=_query(options),
            progress=show,
        )
    if options.json:
        print(json.dumps({"rows": count, "table": table.name, "output": str(options.output)}))
    else:
        print(f"{count} rows of `{table.name}` in {options.output}")
    return DONE


def _sql(reader: ArchiveReader, options: argparse.Namespace) -> int:
    with _progress("reading") as show:
        answer = ask(reader, options.query, _query(options), lambda name, rows: show(rows))
    if options.json:
        rows = [
            dict(zip(answer.columns, map(_json_value, row), strict=True)) for row in answer.rows
        ]
        print(json.dumps(rows))
    else:
        _print_answer(answer)
    return DONE


def _print_answer(answer: Answer) -> None:
    if not sys.stdout.isatty():  # for programs: nothing is cut, columns are tabs
        print("\t".join(answer.columns))
        for row in answer.rows:
            print("\t".join(_text(value) for value in row))
        return
    table = Table(*answer.columns)
    for row in answer.rows:
        table.add_row(*[_text(value) for value in row])
    Console().print(table)


def _text(value: object) -> str:
    return "" if value is None else str(_json_value(value))


def _json_value(value: object) -> object:
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, list):
        return [_json_value(one) for one in value]
    if isinstance(value, dict):
        return {name: _json_value(one) for name, one in value.items()}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(value)


def _time(time_ns: int) -> str:
    return datetime.fromtimestamp(min(time_ns, _LATEST_NS) // 10**9, UTC).strftime(
        "%Y-%m-%d %H:%M:%S"
    )


def _instrument(text: str) -> InstrumentId:
    try:
        venue, asset_type, reserved, asset_id = text.split("/")
        return InstrumentId(int(venue), int(asset_type), int(reserved), int(asset_id, 16))
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"`{text}` must be venue/asset type/reserved/asset id, as `301/100/0/88e6a0c2ddd26fee`"
        ) from error


def _trace(text: str) -> int:
    try:
        return int(text, 16)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"`{text}` must be a trace id in hex") from error


@contextmanager
def _progress(what: str) -> Iterator[Callable[[int], None]]:
    console = Console(stderr=True)
    columns = (
        SpinnerColumn(),
        TextColumn(what + ", {task.completed:,.0f} rows"),
        TimeElapsedColumn(),
    )
    with Progress(
        *columns, console=console, disable=not console.is_terminal, transient=True
    ) as bar:
        task = bar.add_task(what, total=None)
        yield lambda count: bar.update(task, completed=count)
