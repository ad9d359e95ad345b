"""One execution taken apart: path, money to the smallest unit, transaction."""

from collections.abc import Callable

from nicegui import ui

from alphapulse.dashboard import text
from alphapulse.dashboard.facts import Facts
from alphapulse.dashboard.replica import Execution, Replica
from alphapulse.dashboard.theme import CAPTION, card, state_colour
from alphapulse.protocol.execution import ExecutionFlag
from alphapulse.protocol.signals import SwapHop

__all__ = ["breakdown"]

NATIVE_DECIMALS = 18


def breakdown(replica: Replica, facts: Facts, name: str) -> Callable[[], None]:
    """Build the page of one signal, and return what builds it anew once a message changed it."""
    shown: list[Execution | None] = []
    with ui.column().classes("w-full max-w-[1100px] mx-auto p-4 gap-4"):
        ui.link("← overview", "/").classes("plain")
        body = ui.column().classes("w-full gap-4")

    def refresh() -> None:
        item = _find(replica, name)
        if shown and shown[0] is item:
            return
        shown[:] = [item]
        body.clear()
        with body:
            if item is None:
                ui.label("no message carried this signal").classes("text-lg").mark("unknown")
                ui.label(name).classes("exact break-all")
            else:
                _build(replica, facts, item)

    refresh()
    return refresh


def _find(replica: Replica, name: str) -> Execution | None:
    try:
        return replica.executions.get(int(name, 16))
    except ValueError:
        return None


def _build(replica: Replica, facts: Facts, item: Execution) -> None:
    name = text.signal_name(item.signal.signal_id)
    with ui.row().classes("items-baseline gap-x-3 gap-y-1"):
        ui.label(f"Execution {name[:8]}").classes("text-2xl font-semibold text-white")
        ui.label(item.state).classes("font-semibold").style(
            f"color: {state_colour(item.state)}"
        ).mark("state")
        if item.reason:
            ui.label(item.reason).classes("text-sm text-[#8b98a9]").mark("reason")
    with ui.row().classes("gap-x-4 gap-y-0"):
        for words in (facts.chain_name, f"signal {name}", f"trace {item.trace_id:032x}"):
            ui.label(words).classes("exact break-all")
    _path_card(replica, item)
    with ui.element("div").classes("w-full grid grid-cols-1 lg:grid-cols-[4fr_3fr] gap-4"):
        _money_card(replica, item)
        _transaction_card(item)


def _path_card(replica: Replica, item: Execution) -> None:
    with card("path").mark("path"):
        if item.path is None:
            ui.label("the signal carried no path")
            return
        for place, hop in enumerate(item.path.hop, 1):
            if place > 1:
                ui.separator().classes("bg-[#1f2a37]")
            _hop(replica, place, hop)


def _hop(replica: Replica, place: int, hop: SwapHop) -> None:
    grid = "w-full grid grid-cols-1 sm:grid-cols-[2fr_1fr_1fr] gap-x-6 gap-y-1 text-sm"
    with ui.element("div").classes(grid):
        with ui.column().classes("gap-0 min-w-0"):
            ui.label(f"{place}. {text.venue_name(hop.venue)} {text.fee(hop.fee_pips)}")
            ui.label("0x" + hop.pool.hex()).classes("exact break-all")
        sides = (
            ("in", hop.amount_in, hop.decimals_in, hop.token_in),
            ("out", hop.amount_out, hop.decimals_out, hop.token_out),
        )
        for side, value, decimals, token in sides:
            with ui.column().classes("gap-0 sm:items-end min-w-0"):
                shown = text.amount(value, decimals, replica.symbol_of(token))
                ui.label(f"{side} {shown}")
                ui.label(f"{value:,}").classes("exact break-all")


def _rows(rows: list[tuple[str, str, str]]) -> None:
    """Show names, figures for people, and the exact figure where it says more."""
    with ui.element("div").classes("w-full grid grid-cols-[auto_1fr] gap-x-6 gap-y-2 text-sm"):
        for name, value, exact in rows:
            ui.label(name).classes("text-[#8b98a9]")
            with ui.column().classes("gap-0 items-end min-w-0"):
                ui.label(value).classes("text-right break-all")
                if exact:
                    ui.label(exact).classes("exact text-right break-all")


def _money_card(replica: Replica, item: Execution) -> None:
    signal, result = item.signal, item.realised
    symbol = replica.symbol_of(signal.profit_token)

    def units(name: str, value: int) -> tuple[str, str, str]:
        return (name, text.amount(value, signal.decimals, symbol), f"{value:,}")

    rows = [
        units("borrowed", signal.amount_in),
        units("gross profit", signal.gross_profit),
        units("loan premium", -signal.flash_fee),
        units("gas, in profit token", -signal.gas_cost),
        units("slippage allowance", -signal.slippage_allowance),
        units("predicted net profit", signal.net_profit),
        units("minimum enforced on chain", signal.min_profit),
    ]
    if result is not None and any(result.tx_hash):
        predicted = signal.gross_profit - signal.flash_fee
        rows += [
            units("realised, before gas", result.actual_profit),
            units("realised less predicted", result.actual_profit - predicted),
            ("net, after gas", text.usd(result.profit_usd, signed=True), ""),
        ]
    with card("money").mark("money"):
        ui.label(f"amounts in {symbol} and in its smallest units").classes(CAPTION)
        _rows(rows)


def _transaction_card(item: Execution) -> None:
    signal, started, result = item.signal, item.started, item.result
    rows = [
        ("confidence", f"{signal.confidence}%", ""),
        ("observed block", f"{signal.observed_block:,}", ""),
        ("valid until block", f"{signal.valid_until_block:,}", ""),
    ]
    if started is None and result is None:
        rows.append(("transaction", text.NO_DATA, ""))
    if started is not None:
        rows += [
            ("transaction", text.short_hash(started.tx_hash), "0x" + started.tx_hash.hex()),
            ("nonce", f"{started.nonce:,}", ""),
            ("gas limit", f"{started.gas_limit:,}", ""),
            ("max fee", text.gwei(started.max_fee_per_gas), f"{started.max_fee_per_gas:,} wei"),
            (
                "tip",
                text.gwei(started.max_priority_fee_per_gas),
                f"{started.max_priority_fee_per_gas:,} wei",
            ),
        ]
    if result is not None:
        is_final = bool(result.flags & ExecutionFlag.FINAL)
        rows += [
            ("outcome", f"{item.state}, {'final' if is_final else 'not final yet'}", ""),
            ("included in block", f"{result.block:,}" if result.block else "–", ""),
            ("gas used", f"{result.gas_used:,}", ""),
            (
                "gas paid",
                text.amount(result.gas_cost, NATIVE_DECIMALS, "native"),
                f"{result.gas_cost:,} wei",
            ),
        ]
    with card("transaction").mark("transaction"):
        _rows(rows)
