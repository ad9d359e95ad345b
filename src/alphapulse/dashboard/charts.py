"""Chart options (Apache ECharts) from the replica. Data in, plain dictionaries out.

Points are tuples: the toolkit watches every list in its options for changes, which costs far more than making them.
"""

from alphapulse.dashboard.pool import PoolView
from alphapulse.dashboard.replica import Replica
from alphapulse.dashboard.text import NO_DATA, pool_name
from alphapulse.dashboard.theme import GAIN, INK, LINE, LOSS, MUTED, PANEL, SERIES
from alphapulse.market.freshness import Freshness

__all__ = ["PNL_POINTS", "PRICE_BLOCKS", "pnl_options", "price_options"]

PNL_POINTS = 400  # more than a chart has pixels to tell apart
PRICE_BLOCKS = 240  # blocks back from the head that the price chart covers
POOLS_SHOWN = 8  # lines that eyes and colours can tell apart

Options = dict[str, object]


def _frame(value_format: str) -> Options:
    label = {"color": MUTED, "fontSize": 11, "hideOverlap": True}
    axis = {
        "axisLabel": label,
        "axisLine": {"lineStyle": {"color": LINE}},
        "axisTick": {"show": False},
        "splitNumber": 4,
    }
    return {
        "animation": False,
        "grid": {"left": 8, "right": 20, "top": 36, "bottom": 8, "containLabel": True},
        "textStyle": {"color": MUTED, "fontFamily": "Roboto, sans-serif"},
        "tooltip": {
            "trigger": "axis",
            "confine": True,
            "backgroundColor": PANEL,
            "borderColor": LINE,
            "textStyle": {"color": INK, "fontSize": 12},
        },
        "title": {
            "text": "",
            "left": "center",
            "top": "middle",
            "textStyle": {"color": MUTED, "fontSize": 13, "fontWeight": "normal"},
        },
        "yAxis": {
            **axis,
            "type": "value",
            "scale": True,
            "splitLine": {"lineStyle": {"color": LINE}},
            "axisLabel": {**label, "formatter": value_format},
        },
        "xAxis": {**axis, "splitLine": {"show": False}},
    }


def _empty(options: Options) -> Options:
    for name in ("xAxis", "yAxis", "title"):
        part = options[name]
        assert isinstance(part, dict)
        part.update({"text": NO_DATA} if name == "title" else {"show": False})
    options["series"] = []
    return options


def _axis(options: Options, **settings: object) -> None:
    axis = options["xAxis"]
    assert isinstance(axis, dict)
    axis.update(settings, show=True)


def pnl_options(replica: Replica) -> Options:
    """Return the net P&L curve: one step for each booked execution, thinned to what a chart can show."""
    options = _frame("${value}")
    kept = list(replica.pnl)
    if not kept:
        return _empty(options)
    stride = -(-len(kept) // PNL_POINTS)
    thinned = kept[(len(kept) - 1) % stride :: stride]  # always ends with the newest
    _axis(options, type="time", splitNumber=3, axisLabel=_TIME_LABEL)
    colour = LOSS if kept[-1].total_usd_e8 < 0 else GAIN
    options["grid"] = {"left": 8, "right": 20, "top": 16, "bottom": 8, "containLabel": True}
    options["series"] = [
        {
            "type": "line",
            "name": "net P&L, USD",
            "step": "end",
            "showSymbol": len(thinned) == 1,
            "data": tuple(
                (point.now_ns // 1_000_000, round(point.total_usd_e8 / 1e8, 2)) for point in thinned
            ),
            "lineStyle": {"color": colour, "width": 2},
            "itemStyle": {"color": colour},
            "areaStyle": {"color": colour, "opacity": 0.1},
        }
    ]
    return options


_TIME_LABEL = {
    "color": MUTED,
    "fontSize": 11,
    "hideOverlap": True,
    "formatter": "{HH}:{mm}:{ss}",
}


def price_options(replica: Replica, pair: str) -> Options:
    """Return the price of one pair in each of its pools, block by block.

    A pool that nobody touched still has its price, so a live pool's line goes on to the head; any other line ends where
    its last message stands.
    """
    options = _frame("{value}")
    first = replica.block - PRICE_BLOCKS
    pools = [view for view in replica.pools() if replica.pair_of(view.instrument) == pair]
    lines = [(view, _points(view, first, replica.block)) for view in pools[:POOLS_SHOWN]]
    if not any(points for _, points in lines):
        return _empty(options)
    _axis(options, type="value", min="dataMin", max="dataMax", minInterval=1)
    options["legend"] = {
        "type": "scroll",
        "top": 0,
        "left": 0,
        "icon": "roundRect",
        "itemWidth": 12,
        "itemHeight": 3,
        "itemGap": 16,
        "textStyle": {"color": MUTED, "fontSize": 12},
        "pageIconColor": MUTED,
        "pageTextStyle": {"color": MUTED},
    }
    options["color"] = SERIES
    options["series"] = [
        {
            "type": "line",
            "name": _line_name(view),
            "step": "end",
            "showSymbol": len(points) == 1,
            "lineStyle": {"width": 1.5},
            "data": points,
        }
        for view, points in lines
    ]
    return options


def _line_name(view: PoolView) -> str:
    status = view.track.status
    name = pool_name(view.instrument)
    return name if status is Freshness.LIVE else f"{name} ({status})"


def _points(view: PoolView, first: int, head: int) -> tuple[tuple[int, float], ...]:
    found: list[tuple[int, float]] = []
    for point in reversed(view.points):
        found.append((max(point.block, first, 0), point.price))
        if point.block <= first:
            break
    found.reverse()
    if found and view.track.is_live and found[-1][0] < head:
        found.append((head, found[-1][1]))
    return tuple(found)
