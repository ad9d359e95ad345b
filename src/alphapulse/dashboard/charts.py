"""Chart options (Apache ECharts) from the replica. Data in, plain dictionaries out."""

from alphapulse.dashboard.replica import Replica
from alphapulse.dashboard.text import pool_name

__all__ = ["pnl_options", "price_options"]

MUTED = "#8b98a9"
GRID = "#1f2a37"
GAIN = "#34d399"
COLOURS = ["#60a5fa", "#f472b6", "#fbbf24", "#34d399", "#a78bfa", "#fb7185", "#22d3ee", "#f97316"]

Options = dict[str, object]


def _frame(value_format: str) -> Options:
    axis = {
        "axisLabel": {"color": MUTED},
        "axisLine": {"lineStyle": {"color": GRID}},
        "splitLine": {"lineStyle": {"color": GRID}},
    }
    return {
        "animation": False,
        "grid": {"left": 64, "right": 16, "top": 28, "bottom": 28},
        "textStyle": {"color": MUTED},
        "tooltip": {
            "trigger": "axis",
            "backgroundColor": "#111827",
            "textStyle": {"color": "#e5e7eb"},
        },
        "yAxis": {
            **axis,
            "type": "value",
            "scale": True,
            "axisLabel": {"color": MUTED, "formatter": value_format},
        },
        "xAxis": dict(axis),
    }


def pnl_options(replica: Replica) -> Options:
    """Return the net P&L curve: one step for each settled execution."""
    points = [[point.event_ns / 1e6, round(point.total_usd_e8 / 1e8, 2)] for point in replica.pnl]
    options = _frame("${value}")
    options["xAxis"] = {**_axis(options), "type": "time", "splitLine": {"show": False}}
    options["series"] = [
        {
            "type": "line",
            "name": "net P&L",
            "step": "end",
            "showSymbol": False,
            "data": points,
            "lineStyle": {"color": GAIN, "width": 2},
            "itemStyle": {"color": GAIN},
            "areaStyle": {"color": GAIN, "opacity": 0.12},
        }
    ]
    return options


def price_options(replica: Replica, pair: str) -> Options:
    """Return the price of one pair in each of its pools, block by block."""
    options = _frame("{value}")
    options["xAxis"] = {
        **_axis(options),
        "type": "value",
        "scale": True,
        "splitLine": {"show": False},
        "minInterval": 1,
    }
    options["legend"] = {"top": 0, "textStyle": {"color": MUTED}, "itemWidth": 12, "itemHeight": 8}
    options["color"] = COLOURS
    pools = [pool for pool in replica.pools() if replica.pair_of(pool) == pair]
    options["series"] = [
        {
            "type": "line",
            "name": pool_name(pool),
            "step": "end",
            "showSymbol": False,
            "lineStyle": {"width": 1.5},
            "data": [
                [p.block, float(f"{p.price:.8g}")] for p in replica.prices.get(pool.address, ())
            ]
            + _until_now(replica, pool.address),
        }
        for pool in pools
    ]
    return options


def _until_now(replica: Replica, pool: bytes) -> list[list[float]]:
    """Carry the last price to the current block: a pool that nobody touched still has its price."""
    points = replica.prices.get(pool)
    if not points or points[-1].block >= replica.block:
        return []
    return [[replica.block, float(f"{points[-1].price:.8g}")]]


def _axis(options: Options) -> dict[str, object]:
    axis = options["xAxis"]
    assert isinstance(axis, dict)
    return axis
