"""The parts of the overview. Each builds its widgets and returns what brings them up to date, given the time."""

from collections.abc import Callable

from nicegui import ui

from alphapulse.dashboard import charts, text
from alphapulse.dashboard.facts import Facts
from alphapulse.dashboard.replica import Execution, Replica
from alphapulse.dashboard.status import Status, status_of
from alphapulse.dashboard.text import NO_DATA
from alphapulse.dashboard.theme import CAPTION, CARD, GAIN, INK, LOSS, card, show, state_colour
from alphapulse.market.freshness import Freshness
from alphapulse.observability.latency import LatencyRecorder
from alphapulse.protocol.system import HealthStatus

__all__ = [
    "executions_table",
    "figures",
    "header",
    "latency_card",
    "opportunities_table",
    "pnl_chart",
    "price_chart",
    "system_card",
]

ROWS_SHOWN = 12
NOTHING = "–"
BEATS_MISSED = 3  # heartbeat intervals without one until a producer counts as silent

Refresh = Callable[[int], None]
Row = dict[str, object]


def header(replica: Replica, facts: Facts) -> Refresh:
    """Show name, chain, mode, head, and the strip that says what is going on."""
    with ui.row().classes("w-full items-center gap-x-3 gap-y-1"):
        ui.label("AlphaPulse").classes("text-2xl font-semibold text-white")
        ui.badge(f"{facts.chain_name} · chain {facts.chain_id}").props("color=blue-grey-9")
        ui.badge("live" if facts.is_live else "DRY RUN").props(
            "color=green-9" if facts.is_live else "color=deep-purple-7"
        ).mark("mode")
        ui.space()
        block = ui.label().classes("text-sm text-[#8b98a9] whitespace-nowrap").mark("block")
    strip = ui.row().classes(
        "w-full min-h-10 px-4 py-2 rounded-lg border items-baseline gap-x-3 gap-y-0"
    )
    with strip.mark("strip"):
        name = ui.label().classes("font-semibold uppercase tracking-wide text-sm").mark("state")
        detail = ui.label().classes("text-sm").mark("detail")
    shown: list[Status] = []

    def refresh(now_ns: int) -> None:
        status = status_of(replica, facts, now_ns)
        if shown != [status]:
            shown[:] = [status]
            back, edge, ink = status.colours
            strip.style(f"background: {back}; border-color: {edge}; color: {ink}")
            show(name, status.name)
            show(detail, status.detail)
        if replica.block:
            ago = text.age(now_ns - replica.block_ns)
            fee = text.gwei(replica.base_fee_wei)
            show(block, f"block {replica.block:,} · {ago} · base fee {fee}")
        else:
            show(block, "no block yet")

    return refresh


def figures(replica: Replica, facts: Facts) -> Refresh:
    """Show the numbers that matter most."""
    names = ("net P&L", "executed", "reverted", "opportunities", "swaps seen", "gas used")
    values: dict[str, ui.label] = {}
    notes: dict[str, ui.label] = {}
    grid = "w-full grid grid-cols-2 sm:grid-cols-3 xl:grid-cols-6 gap-4"
    with ui.element("div").classes(grid):
        for name in names:
            with ui.card().classes(CARD + " !gap-0"):
                ui.label(name).classes(CAPTION)
                values[name] = ui.label(NO_DATA).classes("text-2xl font-semibold").mark(name)
                notes[name] = ui.label().classes("text-xs text-[#8b98a9] min-h-4")
    colours: list[str] = []

    def refresh(now_ns: int) -> None:
        counts, total = replica.counts, replica.total_usd_e8
        show(values["net P&L"], text.usd(total, signed=True) if replica.pnl else NO_DATA)
        colour = INK if not total else (LOSS if total < 0 else GAIN)
        if colours != [colour]:
            colours[:] = [colour]
            values["net P&L"].style(f"color: {colour}")
        show(notes["net P&L"], "since start, gas paid" if facts.is_live else "a dry run books none")
        included = counts["executed"] + counts["reverted"]
        show(values["executed"], f"{counts['executed']:,}")
        show(notes["executed"], f"of {counts['submitted']:,} sent")
        show(values["reverted"], f"{counts['reverted']:,}")
        share = f"{100 * counts['reverted'] / included:.1f}% of included" if included else NO_DATA
        show(notes["reverted"], share)
        show(values["opportunities"], f"{counts['signals']:,}")
        show(notes["opportunities"], _newest(replica))
        show(values["swaps seen"], f"{counts['swaps']:,}")
        show(notes["swaps seen"], f"in {counts['blocks']:,} block{'s' * (counts['blocks'] != 1)}")
        show(values["gas used"], f"{replica.gas_used:,}" if replica.pnl else NO_DATA)
        show(notes["gas used"], f"{text.amount(replica.gas_cost_wei, 18)} native paid")

    return refresh


def _newest(replica: Replica) -> str:
    newest = replica.recent(replica.opportunities, 1)
    if not newest:
        return NO_DATA
    block = newest[0].signal.observed_block
    ago = "" if block >= replica.block else " ago"
    return f"newest {text.blocks_ago(block, replica.block)}{ago}"


def pnl_chart(replica: Replica) -> Refresh:
    """Draw the curve of net profit and loss."""
    with card("net P&L since start, USD"):
        chart = ui.echart(charts.pnl_options(replica)).classes("w-full h-72").mark("pnl")
    version = replica.pnl_version

    def refresh(now_ns: int) -> None:
        nonlocal version
        if version != replica.pnl_version:
            version = replica.pnl_version
            chart.options.update(charts.pnl_options(replica))
            chart.update()

    return refresh


def price_chart(replica: Replica) -> Refresh:
    """Draw the prices of one pair in all its pools; the pair is the visitor's choice and stays."""
    with card("pool prices across venues"):
        choice = ui.toggle([]).props(
            "dense no-caps unelevated color=blue-grey-10 text-color=blue-grey-3 toggle-color=primary "
            "size=12px padding='2px 10px'"
        )
        choice.classes("flex-wrap min-h-[26px]").mark("pair")
        chart = ui.echart(charts.price_options(replica, "")).classes("w-full h-64").mark("prices")
    shown: tuple[object, ...] = ()
    listed = -1

    def redraw() -> None:
        nonlocal shown
        key = (choice.value, replica.counts["blocks"], replica.pools_version)
        if shown != key:
            shown = key
            chart.options.update(charts.price_options(replica, choice.value or ""))
            chart.update()

    def refresh(now_ns: int) -> None:
        nonlocal listed
        if listed != replica.pools_version:
            listed = replica.pools_version
            pairs = list(
                dict.fromkeys(replica.pair_of(view.instrument) for view in replica.pools())
            )
            if pairs != choice.options:
                kept = choice.value if choice.value in pairs else (pairs[0] if pairs else None)
                choice.set_options(pairs, value=kept)
        redraw()

    choice.on_value_change(redraw)
    return refresh


_LINK_CELL = """
<q-td :props="props"><a class="plain" :href="'/execution/' + props.value">{{ props.value.slice(0, 8) }}</a></q-td>
"""
_ROUTE_CELL = """
<q-td :props="props" :title="props.value">{{ props.value }}</q-td>
"""
_STATE_CELL = """
<q-td :props="props"><span :style="{color: props.row.colour}" :title="props.row.reason">{{ props.value }}</span></q-td>
"""


def _table(columns: dict[str, str], *, left: tuple[str, ...], wide: dict[str, str]) -> ui.table:
    """Return a table; `wide` names the columns that narrow windows do without."""
    table = ui.table(
        columns=[
            {
                "name": name,
                "label": label,
                "field": name,
                "align": "left" if name in left else "right",
                "classes": wide.get(name, ""),
                "headerClasses": wide.get(name, ""),
            }
            for name, label in columns.items()
        ],
        rows=[],
        row_key=next(iter(columns)),
    )
    table.classes("w-full").props("flat dense dark hide-pagination :rows-per-page-options=[0]")
    table.props(f'no-data-label="{NO_DATA}"')
    table.add_slot("body-cell-signal", _LINK_CELL)
    table.add_slot("body-cell-route", _ROUTE_CELL)
    table.add_slot("body-cell-state", _STATE_CELL)
    return table


def _fill(table: ui.table, rows: list[Row]) -> None:
    if table.rows != rows:
        table.rows = rows


def executions_table(replica: Replica) -> Refresh:
    """List what was acted upon, newest first."""
    columns = {
        "signal": "signal",
        "state": "state",
        "route": "route",
        "predicted": "predicted",
        "realised": "realised",
        "net": "net USD",
        "block": "block",
    }
    wide = {
        "predicted": "from-lg",
        "realised": "from-sm",
        "block": "from-sm",
        "route": "from-sm route",
    }
    with card("executions").classes("min-h-[26rem]"):
        table = _table(columns, left=("signal", "state", "route"), wide=wide).mark("executions")
    version = -1

    def refresh(now_ns: int) -> None:
        nonlocal version
        if version != replica.executions_version:
            version = replica.executions_version
            shown = replica.recent(replica.acted, ROWS_SHOWN)
            _fill(table, [_execution_row(replica, item) for item in shown])

    return refresh


def _execution_row(replica: Replica, item: Execution) -> Row:
    signal, result = item.signal, item.realised
    symbol = replica.symbol_of(signal.profit_token)
    landed = result is not None and any(result.tx_hash)
    return {
        "signal": text.signal_name(signal.signal_id),
        "state": item.state,
        "reason": item.reason,
        "colour": state_colour(item.state),
        "route": _route(replica, item),
        "predicted": text.amount(signal.gross_profit - signal.flash_fee, signal.decimals),
        "realised": text.amount(result.actual_profit, signal.decimals, symbol)
        if result and landed
        else NOTHING,
        "net": text.usd(result.profit_usd, signed=True) if result and landed else NOTHING,
        "block": f"{result.block:,}" if result and result.block else NOTHING,
    }


def _route(replica: Replica, item: Execution) -> str:
    if item.path is not None:
        tokens = [hop.token_in for hop in item.path.hop] + [item.signal.profit_token]
    else:
        tokens = [item.signal.profit_token, item.signal.mid_token, item.signal.profit_token]
    return " → ".join(replica.symbol_of(token) for token in tokens)


def opportunities_table(replica: Replica) -> Refresh:
    """List what was signalled, newest first, and what became of it."""
    columns = {
        "signal": "signal",
        "age": "age",
        "state": "fate",
        "route": "route",
        "spread": "spread",
        "net": "net USD",
    }
    with card("live opportunities").classes("min-h-[26rem]"):
        table = _table(
            columns,
            left=("signal", "age", "state", "route"),
            wide={"spread": "from-sm", "route": "from-sm route"},
        ).mark("opportunities")
    version = (-1, -1)

    def refresh(now_ns: int) -> None:
        nonlocal version
        newest = (replica.executions_version, replica.block)
        if version != newest:
            version = newest
            shown = replica.recent(replica.opportunities, ROWS_SHOWN)
            _fill(table, [_opportunity_row(replica, item) for item in shown])

    return refresh


def _opportunity_row(replica: Replica, item: Execution) -> Row:
    fate = item.fate(replica.block)
    return {
        "signal": text.signal_name(item.signal.signal_id),
        "age": text.blocks_ago(item.signal.observed_block, replica.block),
        "state": fate,
        "reason": item.reason,
        "colour": state_colour(fate),
        "route": _route(replica, item),
        "spread": f"{item.signal.spread_bps / 100:.2f}%",
        "net": text.usd(item.signal.net_profit_usd, signed=True),
    }


def latency_card(replica: Replica) -> Refresh:
    """Tell how long decisions take, counted from the message that closed their block."""
    columns = {"what": "to", "p50": "p50", "p99": "p99", "worst": "worst", "count": "count"}
    with card("latency from the message that closes a block"):
        table = _table(columns, left=("what",), wide={}).mark("latency")
    version = -1

    def refresh(now_ns: int) -> None:
        nonlocal version
        if version != replica.executions_version:
            version = replica.executions_version
            _fill(
                table,
                [
                    _latency_row("signal", replica.signal_latency),
                    _latency_row("transaction sent", replica.submit_latency),
                ],
            )

    return refresh


def _latency_row(what: str, recorder: LatencyRecorder) -> Row:
    seen = recorder.percentiles()
    figures = {"p50": seen.p50_ns, "p99": seen.p99_ns, "worst": seen.max_ns}
    cells = {
        name: text.latency(value) if seen.count else NO_DATA for name, value in figures.items()
    }
    return {"what": what, **cells, "count": f"{seen.count:,}"}


def system_card(replica: Replica) -> Refresh:
    """Tell the node's health, and how fresh each venue is."""
    columns = {
        "venue": "venue",
        "pools": "pools",
        "state": "state",
        "last": "last event",
    }
    with card("system"):
        health = ui.label().classes("text-sm").mark("health")
        summary = ui.label().classes("text-sm text-[#8b98a9]").mark("summary")
        table = _table(columns, left=("venue",), wide={}).mark("venues")
    version: tuple[int, int] = (-1, -1)

    def refresh(now_ns: int) -> None:
        nonlocal version
        show(health, _health(replica, now_ns))
        counts = replica.counts
        show(
            summary,
            f"{counts['messages']:,} messages · {counts['blocks']:,} blocks · "
            f"{counts['invalidations']:,} invalidations · {counts['repeated signals']:,} repeated signals",
        )
        newest = (replica.block, replica.pools_version)
        if version != newest:
            version = newest
            _fill(table, _venue_rows(replica))

    return refresh


def _health(replica: Replica, now_ns: int) -> str:
    if not replica.heartbeats:
        return "heartbeat: no data"
    said = []
    for beat in replica.heartbeats.values():
        name = "unknown"
        if beat.status in set(HealthStatus):
            name = HealthStatus(beat.status).name.lower()
        age_ns = now_ns - beat.event_ns
        if age_ns > BEATS_MISSED * beat.interval * 1_000_000:
            name = f"silent, was {name}"
        said.append(f"node {name}, heartbeat {text.age(age_ns)}")
    return " · ".join(said)


def _venue_rows(replica: Replica) -> list[Row]:
    last: dict[int, int] = {}
    for view in replica.pools():
        venue = view.instrument.venue
        last[venue] = max(last.get(venue, 0), view.event_block)
    rows: list[Row] = []
    for venue, found in replica.freshness().items():
        state = ", ".join(
            status if len(found) == 1 else f"{found[status]} {status}"
            for status in Freshness
            if found[status]
        )
        worst = next(status for status in reversed(Freshness) if found[status])
        rows.append(
            {
                "venue": text.venue_name(venue),
                "pools": f"{found.total():,}",
                "state": state,
                "colour": state_colour(worst),
                "reason": "",
                "last": text.blocks_ago(last[venue], replica.block) if last[venue] else NO_DATA,
            }
        )
    return sorted(rows, key=lambda row: str(row["venue"]))
