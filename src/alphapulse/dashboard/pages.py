"""The pages: an overview, and one execution taken apart. NiceGUI, assets served from the package."""

from collections.abc import Callable
from dataclasses import dataclass

from nicegui import ui

from alphapulse.dashboard import charts, text
from alphapulse.dashboard.replica import Execution, Replica

__all__ = ["Facts", "register_pages"]

REFRESH_S = 1.0
ROWS_SHOWN = 12

PAGE = "background-color: #0b1220; color: #e5e7eb; font-feature-settings: 'tnum';"
CARD = "bg-[#111827] rounded-xl shadow-none border border-[#1f2a37] p-4 gap-1"
CAPTION = "text-xs uppercase tracking-wider text-[#8b98a9]"
STATE_COLOURS = {
    "succeeded": "#34d399",
    "reverted": "#fb7185",
    "pending": "#fbbf24",
    "signalled": "#60a5fa",
    "dry run": "#a78bfa",
}


@dataclass(frozen=True, slots=True)
class Facts:
    """What does not change while a node runs."""

    chain_id: int
    chain_name: str
    is_live: bool


def register_pages(replica: Replica, facts: Facts) -> None:
    """Declare the routes; each visitor gets widgets of their own, fed by a timer."""

    @ui.page("/", title="AlphaPulse")
    def overview() -> None:
        _overview(replica, facts)

    @ui.page("/execution/{signal}", title="AlphaPulse execution")
    def execution(signal: str) -> None:
        _execution(replica, facts, signal)


def _overview(replica: Replica, facts: Facts) -> None:
    ui.query("body").style(PAGE)
    refreshers: list[Callable[[], None]] = []
    with ui.column().classes("w-full max-w-[1400px] mx-auto p-4 gap-4"):
        refreshers.append(_header(replica, facts))
        refreshers.append(_figures(replica))
        with ui.grid(columns="3fr 4fr").classes("w-full gap-4 max-lg:!grid-cols-1"):
            refreshers.append(_pnl_chart(replica))
            refreshers.append(_price_chart(replica))
        with ui.grid(columns="4fr 3fr").classes("w-full gap-4 max-lg:!grid-cols-1"):
            refreshers.append(_executions_table(replica))
            refreshers.append(_opportunities_table(replica))
        with ui.grid(columns="3fr 4fr").classes("w-full gap-4 max-lg:!grid-cols-1"):
            refreshers.append(_latency_card(replica))
            refreshers.append(_system_card(replica))

    def refresh() -> None:
        for refresher in refreshers:
            refresher()

    refresh()
    ui.timer(REFRESH_S, refresh)


def _card(title: str) -> ui.card:
    card = ui.card().classes(CARD + " w-full")
    with card:
        ui.label(title).classes(CAPTION)
    return card


def _header(replica: Replica, facts: Facts) -> Callable[[], None]:
    with ui.row().classes("w-full items-center gap-3"):
        ui.label("AlphaPulse").classes("text-2xl font-semibold text-white")
        ui.badge(f"{facts.chain_name} · chain {facts.chain_id}").props("color=blue-grey-9")
        ui.badge("live" if facts.is_live else "dry run").props(
            "color=green-9" if facts.is_live else "color=deep-purple-9"
        ).mark("mode")
        state = ui.badge("…").mark("state")
        ui.space()
        block = ui.label().classes("text-sm text-[#8b98a9]").mark("block")

    def refresh() -> None:
        name, colour = _state_of(replica)
        state.set_text(name)
        state.props(f"color={colour}")
        fee = f"{replica.base_fee_wei / 1e9:.3g} gwei"
        block.set_text(
            f"block {replica.block} · base fee {fee}" if replica.block else "no block yet"
        )

    return refresh


def _state_of(replica: Replica) -> tuple[str, str]:
    if replica.stopped:
        return "trading stopped", "red-9"
    if not replica.block:
        return "starting", "blue-grey-8"
    if any(replica.is_stale(pool) for pool in replica.pools()):
        return "state stale", "orange-9"
    return "watching", "green-9"


def _figures(replica: Replica) -> Callable[[], None]:
    labels: dict[str, ui.label] = {}
    with ui.row().classes("w-full gap-4 items-stretch no-wrap max-md:flex-wrap"):
        for name in ("net P&L", "executed", "reverted", "opportunities", "swaps seen", "gas used"):
            with ui.card().classes(CARD + " grow"):
                ui.label(name).classes(CAPTION)
                labels[name] = ui.label("no data").classes("text-2xl font-semibold").mark(name)

    def refresh() -> None:
        counts = replica.counts
        net = labels["net P&L"]
        net.set_text(text.usd(replica.total_usd_e8, signed=True) if replica.pnl else "no data")
        net.style(f"color: {'#fb7185' if replica.total_usd_e8 < 0 else '#34d399'}")
        submitted = counts["submitted"]
        share = f" · {100 * counts['reverted'] / submitted:.1f}%" if submitted else ""
        labels["executed"].set_text(f"{counts['executed']:,}")
        labels["reverted"].set_text(f"{counts['reverted']:,}{share}")
        labels["opportunities"].set_text(f"{counts['signals']:,}")
        labels["swaps seen"].set_text(f"{counts['swaps']:,}")
        labels["gas used"].set_text(f"{replica.gas_used / 1e6:,.2f} M")

    return refresh


def _pnl_chart(replica: Replica) -> Callable[[], None]:
    with _card("net P&L, USD"):
        chart = ui.echart(dict(charts.pnl_options(replica))).classes("w-full h-72")

    def refresh() -> None:
        chart.options.update(charts.pnl_options(replica))
        chart.update()

    return refresh


def _price_chart(replica: Replica) -> Callable[[], None]:
    with _card("pool prices across venues"):
        choice = ui.toggle([]).props("dense no-caps color=blue-grey-9 toggle-color=primary size=sm")
        chart = ui.echart(dict(charts.price_options(replica, ""))).classes("w-full h-64")

    def refresh() -> None:
        pairs = list(dict.fromkeys(replica.pair_of(pool) for pool in replica.pools()))
        if pairs != choice.options:
            choice.set_options(pairs, value=choice.value or pairs[0])
        chart.options.update(charts.price_options(replica, choice.value or ""))
        chart.update()

    choice.on_value_change(refresh)
    return refresh


_LINK_CELL = """
<q-td :props="props"><a class="text-blue-4" :href="'/execution/' + props.value">{{ props.value.slice(0, 8) }}</a></q-td>
"""
_STATE_CELL = """
<q-td :props="props"><span :style="{color: props.row.colour}">{{ props.value }}</span></q-td>
"""


def _table(columns: dict[str, str], left: tuple[str, ...]) -> ui.table:
    table = ui.table(
        columns=[
            {
                "name": name,
                "label": label,
                "field": name,
                "align": "left" if name in left else "right",
            }
            for name, label in columns.items()
        ],
        rows=[],
        row_key="signal",
    )
    table.classes("w-full bg-transparent").props(
        "flat dense dark hide-pagination :rows-per-page-options=[0]"
    )
    table.add_slot("body-cell-signal", _LINK_CELL)
    table.add_slot("body-cell-state", _STATE_CELL)
    return table


def _executions_table(replica: Replica) -> Callable[[], None]:
    columns = {
        "signal": "signal",
        "state": "state",
        "route": "route",
        "predicted": "predicted",
        "realised": "realised",
        "net": "net USD",
        "block": "block",
    }
    with _card("executions"):
        table = _table(columns, left=("signal", "state", "route"))
        table.mark("executions")

    def refresh() -> None:
        acted = [item for item in replica.executions.values() if item.started or item.result]
        table.rows = [_execution_row(replica, item) for item in reversed(acted[-ROWS_SHOWN:])]
        table.update()

    return refresh


def _execution_row(replica: Replica, item: Execution) -> dict[str, object]:
    signal, result = item.signal, item.result
    symbol = replica.symbol_of(signal.profit_token)
    realised = result is not None and not result.flags & 2
    return {
        "signal": text.signal_name(signal.signal_id),
        "state": item.state,
        "colour": STATE_COLOURS.get(item.state, "#8b98a9"),
        "route": _route(replica, item),
        "predicted": text.amount(signal.gross_profit - signal.flash_fee, signal.decimals, symbol),
        "realised": text.amount(result.actual_profit, signal.decimals, symbol)
        if result and realised
        else "–",
        "net": text.usd(result.profit_usd, signed=True) if result and realised else "–",
        "block": result.block if result and result.block else "–",
    }


def _route(replica: Replica, item: Execution) -> str:
    if item.path is not None:
        tokens = [hop.token_in for hop in item.path.hop] + [item.signal.profit_token]
    else:
        tokens = [item.signal.profit_token, item.signal.mid_token, item.signal.profit_token]
    return " → ".join(replica.symbol_of(token) for token in tokens)


def _opportunities_table(replica: Replica) -> Callable[[], None]:
    columns = {
        "signal": "signal",
        "state": "state",
        "route": "route",
        "spread": "spread",
        "net": "net USD",
    }
    with _card("live opportunities"):
        table = _table(columns, left=("signal", "state", "route"))
        table.mark("opportunities")

    def refresh() -> None:
        shown = [
            replica.executions[name] for name in replica.opportunities if name in replica.executions
        ]
        table.rows = [
            {
                "signal": text.signal_name(item.signal.signal_id),
                "state": item.state,
                "colour": STATE_COLOURS.get(item.state, "#8b98a9"),
                "route": _route(replica, item),
                "spread": f"{item.signal.spread_bps / 100:.2f}%",
                "net": text.usd(item.signal.net_profit_usd, signed=True),
            }
            for item in reversed(shown[-ROWS_SHOWN:])
        ]
        table.update()

    return refresh


def _latency_card(replica: Replica) -> Callable[[], None]:
    with (
        _card("latency, from a block's last message"),
        ui.grid(columns=4).classes("w-full text-sm"),
    ):
        cells = [ui.label() for _ in range(12)]

    def refresh() -> None:
        rows: list[tuple[str, ...]] = [("", "p50", "p99", "worst")]
        for name, recorder in (
            ("to signal", replica.signal_latency),
            ("to submitted", replica.submit_latency),
        ):
            seen = recorder.percentiles()
            figures = (seen.p50_ns, seen.p99_ns, seen.max_ns)
            rows.append(
                (name, *(text.latency(value) if seen.count else "no data" for value in figures))
            )
        for cell, value in zip(cells, (value for row in rows for value in row), strict=True):
            cell.set_text(value)

    return refresh


def _system_card(replica: Replica) -> Callable[[], None]:
    with _card("system"):
        summary = ui.label().classes("text-sm")
        venues = ui.row().classes("gap-2")

    def refresh() -> None:
        counts = replica.counts
        summary.set_text(
            f"{counts['messages']:,} messages · {counts['blocks']:,} blocks · {len(replica.pools())} pools · "
            f"{counts['invalidations']:,} invalidations · trading {'stopped' if replica.stopped else 'allowed'}"
        )
        venues.clear()
        with venues:
            for number in sorted({pool.venue for pool in replica.pools()}):
                pools = [pool for pool in replica.pools() if pool.venue == number]
                stale = sum(replica.is_stale(pool) for pool in pools)
                colour = "orange-9" if stale else "green-10"
                state = f"{stale} stale" if stale else "live"
                ui.badge(f"{text.venue_name(number)}: {len(pools)} pools, {state}").props(
                    f"color={colour}"
                )

    return refresh


def _execution(replica: Replica, facts: Facts, name: str) -> None:
    ui.query("body").style(PAGE)
    with ui.column().classes("w-full max-w-[1000px] mx-auto p-4 gap-4"):
        ui.link("← overview", "/").classes("text-blue-4 no-underline")
        item = _find(replica, name)
        if item is None:
            ui.label(f"no message carried a signal `{name}`").classes("text-lg")
            return
        with ui.row().classes("items-center gap-3"):
            ui.label(f"Execution {name[:8]}").classes("text-2xl font-semibold text-white")
            ui.badge(item.state).style(
                f"background: {STATE_COLOURS.get(item.state, '#475569')} !important"
            )
            ui.label(f"{facts.chain_name}, trace {item.trace_id:032x}").classes(
                "text-xs text-[#8b98a9]"
            )
        _path_card(replica, item)
        with ui.grid(columns=2).classes("w-full gap-4 max-md:!grid-cols-1"):
            _money_card(replica, item)
            _transaction_card(item)


def _find(replica: Replica, name: str) -> Execution | None:
    try:
        return replica.executions.get(int(name, 16))
    except ValueError:
        return None


def _path_card(replica: Replica, item: Execution) -> None:
    with _card("path"):
        if item.path is None:
            ui.label("the signal carried no path")
            return
        with ui.grid(columns="auto 1fr auto auto").classes("w-full text-sm gap-x-6"):
            for heading in ("pool", "", "in", "out"):
                ui.label(heading).classes(CAPTION)
            for hop in item.path.hop:
                ui.label(f"{text.venue_name(hop.venue)} {text.fee(hop.fee_pips)}")
                ui.label("0x" + hop.pool.hex()).classes("text-[#8b98a9] truncate")
                ui.label(
                    text.amount(hop.amount_in, hop.decimals_in, replica.symbol_of(hop.token_in))
                )
                ui.label(
                    text.amount(hop.amount_out, hop.decimals_out, replica.symbol_of(hop.token_out))
                )


def _rows(pairs: list[tuple[str, str]]) -> None:
    with ui.grid(columns="auto 1fr").classes("w-full text-sm gap-x-6"):
        for name, value in pairs:
            ui.label(name).classes("text-[#8b98a9]")
            ui.label(value).classes("text-right break-all")


def _money_card(replica: Replica, item: Execution) -> None:
    signal, result = item.signal, item.result
    symbol = replica.symbol_of(signal.profit_token)

    def units(value: int) -> str:
        return f"{text.amount(value, signal.decimals, symbol)}  ({value:,})"

    pairs = [
        ("borrowed", units(signal.amount_in)),
        ("gross profit", units(signal.gross_profit)),
        ("loan premium", units(-signal.flash_fee)),
        ("gas, in profit token", units(-signal.gas_cost)),
        ("slippage allowance", units(-signal.slippage_allowance)),
        ("predicted net profit", units(signal.net_profit)),
        ("minimum enforced on chain", units(signal.min_profit)),
    ]
    if result is not None and not result.flags & 2:
        predicted = signal.gross_profit - signal.flash_fee
        pairs += [
            ("realised, before gas", units(result.actual_profit)),
            ("realised less predicted", units(result.actual_profit - predicted)),
            ("net, after gas", text.usd(result.profit_usd, signed=True)),
        ]
    with _card("money"):
        _rows(pairs)


def _transaction_card(item: Execution) -> None:
    started, result = item.started, item.result
    pairs = [
        ("confidence", f"{item.signal.confidence}%"),
        ("observed block", f"{item.signal.observed_block}"),
        ("valid until block", f"{item.signal.valid_until_block}"),
    ]
    if started is not None:
        pairs += [
            ("transaction", "0x" + started.tx_hash.hex()),
            ("nonce", f"{started.nonce}"),
            ("gas limit", f"{started.gas_limit:,}"),
            ("max fee", f"{started.max_fee_per_gas / 1e9:.4g} gwei"),
            ("tip", f"{started.max_priority_fee_per_gas / 1e9:.4g} gwei"),
        ]
    if result is not None:
        pairs += [
            ("included in block", f"{result.block}" if result.block else "–"),
            ("gas used", f"{result.gas_used:,}"),
            ("gas paid", text.amount(result.gas_cost, 18, "native")),
        ]
    with _card("transaction"):
        _rows(pairs)
