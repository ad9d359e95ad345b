"""The pages: an overview, and one execution taken apart. NiceGUI, assets served from the package."""

import time
from collections.abc import Callable

from nicegui import ui

from alphapulse.dashboard.breakdown import breakdown
from alphapulse.dashboard.facts import Facts
from alphapulse.dashboard.panels import (
    executions_table,
    figures,
    header,
    latency_card,
    opportunities_table,
    pnl_chart,
    price_chart,
    system_card,
)
from alphapulse.dashboard.replica import Replica
from alphapulse.dashboard.theme import dress

__all__ = ["REFRESH_S", "build_overview", "register_pages"]

REFRESH_S = 1.0


def register_pages(replica: Replica, facts: Facts, refresh_s: float) -> None:
    """Declare the routes; each visitor gets widgets of their own, fed by a timer."""

    @ui.page("/", title="AlphaPulse")
    def overview() -> None:
        ui.timer(refresh_s, build_overview(replica, facts, time.time_ns))

    @ui.page("/execution/{signal}", title="AlphaPulse execution")
    def execution(signal: str) -> None:
        dress()
        ui.timer(refresh_s, breakdown(replica, facts, signal))


def build_overview(
    replica: Replica, facts: Facts, clock_ns: Callable[[], int]
) -> Callable[[], None]:
    """Build the overview in the current page, filled, and return what brings it up to date.

    Whatever did not change since the last call is neither computed nor sent.
    """
    dress()
    refreshers: list[Callable[[int], None]] = []
    with ui.column().classes("w-full max-w-[1400px] mx-auto p-4 gap-4"):
        refreshers.append(header(replica, facts))
        refreshers.append(figures(replica, facts))
        with _grid("lg:grid-cols-[3fr_4fr]"):
            refreshers.append(pnl_chart(replica))
            refreshers.append(price_chart(replica))
        with _grid("lg:grid-cols-[4fr_3fr]"):
            refreshers.append(executions_table(replica))
            refreshers.append(opportunities_table(replica))
        with _grid("lg:grid-cols-[3fr_4fr]"):
            refreshers.append(latency_card(replica))
            refreshers.append(system_card(replica))

    def refresh() -> None:
        now_ns = clock_ns()
        for refresher in refreshers:
            refresher(now_ns)

    refresh()
    return refresh


def _grid(columns: str) -> ui.element:
    return ui.element("div").classes(f"w-full grid grid-cols-1 {columns} gap-4 items-stretch")
