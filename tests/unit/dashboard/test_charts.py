"""Chart data: what was said and no more, thinned but never without its newest point. Covers: O4"""

import pytest

from alphapulse.dashboard import charts
from alphapulse.dashboard.fake_stream import FakePool, FakeStream
from alphapulse.dashboard.replica import PnlPoint, Replica
from alphapulse.primitives.venue import Venue
from alphapulse.protocol.market_data import InvalidationAction

PAIR_POOLS = (
    FakePool(Venue.UNISWAP_V2, "WETH", "USDC", 3000),
    FakePool(Venue.UNISWAP_V3, "WETH", "USDC", 500),
)


@pytest.fixture
def stream():
    return FakeStream(1_700_000_000 * 10**9, PAIR_POOLS)


@pytest.fixture
def replica(stream):
    made = Replica()
    feed(made, *stream.begin())
    return made


def feed(replica, *messages):
    for message in messages:
        replica.on_message(message, message.header.timestamp_ns)


def lines(replica, stream):
    pair = replica.pair_of(replica.pools()[0].instrument)
    return {line["name"]: line["data"] for line in charts.price_options(replica, pair)["series"]}


@pytest.mark.parametrize(
    "options", [charts.pnl_options(Replica()), charts.price_options(Replica(), "")]
)
def test_without_data_a_chart_says_so(options):
    assert options["series"] == []
    assert options["title"]["text"] == "no data"


def test_a_live_pool_keeps_its_price_to_the_head(stream, replica):
    feed(replica, *stream.move(PAIR_POOLS[0], 3100), stream.close(), stream.close())
    found = lines(replica, stream)
    assert found["Uniswap V2 0.3%"] == ((100, 3000.0), (101, 3100.0), (102, 3100.0))
    assert found["Uniswap V3 0.05%"] == ((100, 3000.0), (102, 3000.0))


def test_a_stale_pool_has_no_price_after_its_last_message(stream, replica):
    feed(replica, stream.invalidation(InvalidationAction.STALE, PAIR_POOLS[0].instrument))
    feed(replica, stream.close(), stream.close())
    found = lines(replica, stream)
    assert found["Uniswap V2 0.3% (stale)"] == ((100, 3000.0),)
    assert found["Uniswap V3 0.05%"][-1] == (102, 3000.0)


def test_old_prices_leave_the_window_but_its_first_level_stays(stream, replica):
    pool = PAIR_POOLS[0]
    for number in range(charts.PRICE_BLOCKS + 20):
        feed(replica, *stream.move(pool, 3001 + number), stream.close())
    points = lines(replica, stream)["Uniswap V2 0.3%"]
    assert points[0][0] == replica.block - charts.PRICE_BLOCKS
    assert len(points) == charts.PRICE_BLOCKS + 1
    assert len(lines(replica, stream)["Uniswap V3 0.05%"]) == 2


@pytest.mark.parametrize("count", [1, 2, charts.PNL_POINTS, charts.PNL_POINTS + 1, 9_999])
def test_a_long_curve_is_thinned_and_ends_with_the_newest(count):
    replica = Replica()
    replica.pnl.extend(PnlPoint(number * 10**6, number * 10**8) for number in range(count))
    data = charts.pnl_options(replica)["series"][0]["data"]
    assert len(data) <= charts.PNL_POINTS
    assert data[-1] == (count - 1, float(count - 1))
    assert len(set(data)) == len(data)
