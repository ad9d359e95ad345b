"""What a terminal shows while a node runs: a live table, or plain lines where there is no terminal."""

import asyncio
import time

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from alphapulse.dashboard import text
from alphapulse.dashboard.replica import Execution, Replica

__all__ = ["show_progress", "show_summary"]

LIVE_REFRESH_S = 0.5
PLAIN_REFRESH_S = 10.0
ROWS = 8
AGREEMENT: dict[object, str] = {True: "yes", False: "NO", None: "not known, the chain is gone"}
STYLES = {"succeeded": "green", "reverted": "red", "pending": "yellow", "dry run": "magenta"}


async def show_progress(replica: Replica, page: str | None, console: Console) -> None:
    """Show the run until cancelled."""
    began = time.monotonic()
    if not console.is_terminal:
        while True:
            await asyncio.sleep(PLAIN_REFRESH_S)
            line = _line(replica, time.monotonic() - began)
            console.print(line, highlight=False, soft_wrap=True)
    with Live(console=console, auto_refresh=False, transient=True) as live:
        while True:
            live.update(_screen(replica, page, time.monotonic() - began), refresh=True)
            await asyncio.sleep(LIVE_REFRESH_S)


def show_summary(summary: dict[str, object], console: Console) -> None:
    """Print the account of a run for people."""
    table = Table(title="run", show_header=False, box=None, title_justify="left")
    profit = summary["profit"]
    latency = summary["latency_us"]
    assert isinstance(profit, dict)
    assert isinstance(latency, dict)
    for name in ("blocks", "events", "messages", "candidates", "opportunities"):
        table.add_row(name, f"{summary[name]:,}")
    table.add_row(
        "submitted, executed, reverted",
        f"{summary['submitted']}, {summary['executed']}, {summary['reverted']}",
    )
    table.add_row("net profit", f"${profit['usd']}", style="green")
    for symbol, realised in profit["realised"].items():
        table.add_row(f"  realised {symbol}, smallest units", f"{realised:,}")
    for name, seen in latency.items():
        table.add_row(
            f"{name.replace('_', ' ')}, p50 and p99", f"{seen['p50']} and {seen['p99']} µs"
        )
    table.add_row("books equal chain", AGREEMENT[summary["books_equal_chain"]])
    table.add_row("archive", str(summary["archive"]))
    table.add_row("kernel", str(summary["kernel"]))
    table.add_row("digest", str(summary["digest"]))
    console.print(table)


def _line(replica: Replica, elapsed_s: float) -> str:
    counts = replica.counts
    return (
        f"{elapsed_s:5.0f} s  block {replica.block}  swaps {counts['swaps']}  "
        f"opportunities {counts['signals']}  executed {counts['executed']}  "
        f"reverted {counts['reverted']}  net {text.usd(replica.total_usd_e8)}"
    )


def _screen(replica: Replica, page: str | None, elapsed_s: float) -> Group:
    head = Text(_line(replica, elapsed_s), style="bold")
    table = Table(box=None, pad_edge=False)
    for name in ("signal", "state", "route", "predicted", "realised", "net USD"):
        table.add_column(name, justify="left" if name in ("signal", "state", "route") else "right")
    shown = [item for item in replica.executions.values() if item.started or item.result]
    for item in reversed(shown[-ROWS:]):
        table.add_row(*_row(replica, item), style=STYLES.get(item.state, ""))
    where = Text(f"dashboard {page}" if page else "", style="cyan")
    hint = Text("ctrl-c ends the run", style="dim")
    return Group(where, head, table, hint)


def _row(replica: Replica, item: Execution) -> tuple[str, ...]:
    signal, result = item.signal, item.result
    symbol = replica.symbol_of(signal.profit_token)
    hops = item.path.hop if item.path else ()
    route = " → ".join([*(replica.symbol_of(hop.token_in) for hop in hops), symbol])
    return (
        text.signal_name(signal.signal_id)[:8],
        item.state,
        route,
        text.amount(signal.gross_profit - signal.flash_fee, signal.decimals, symbol),
        text.amount(result.actual_profit, signal.decimals, symbol) if result else "",
        text.usd(result.profit_usd, signed=True) if result else "",
    )
