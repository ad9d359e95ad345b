"""What the replica says of messages: the protocol's rules, nothing invented, nothing without bounds. Covers: O4"""

from __future__ import annotations

import pytest

from alphapulse.dashboard import pool as pool_module
from alphapulse.dashboard import replica as replica_module
from alphapulse.dashboard.fake_stream import FakePool, FakeStream
from alphapulse.dashboard.replica import Replica
from alphapulse.market.freshness import Freshness
from alphapulse.primitives.instrument_id import InstrumentId
from alphapulse.primitives.venue import Venue
from alphapulse.protocol.execution import ExecutionReason, ExecutionStatus, StopAction
from alphapulse.protocol.header import Flag
from alphapulse.protocol.market_data import (
    ChainEventFlag,
    InvalidationAction,
    InvalidationReason,
)

START_NS = 1_700_000_000 * 10**9
USD = 10**8
FINAL, SIMULATED = 1, 2


@pytest.fixture
def stream():
    return FakeStream(START_NS)


@pytest.fixture
def replica(stream):
    made = Replica()
    feed(made, *stream.begin())
    return made


def feed(replica, *messages):
    for message in messages:
        replica.on_message(message, message.header.timestamp_ns)


def figures(replica):
    return (
        replica.total_usd_e8,
        replica.counts["executed"],
        replica.counts["reverted"],
        replica.gas_used,
    )


def test_says_nothing_before_the_first_message():
    empty = Replica()
    assert (empty.block, empty.pools(), list(empty.pnl), empty.stopped) == (0, (), [], False)
    assert figures(empty) == (0, 0, 0, 0)
    assert empty.symbol_of(bytes(20)) == "0x000000…"


# --- profit and loss ----------------------------------------------------------------------------------------------------


def test_books_a_result_and_its_loss(stream, replica):
    feed(replica, stream.signal(1), stream.started(1), stream.result(1, usd_e8=7 * USD))
    feed(replica, stream.signal(2), stream.started(2))
    feed(replica, stream.result(2, status=ExecutionStatus.REVERTED, usd_e8=-2 * USD))
    assert figures(replica) == (5 * USD, 1, 1, 700_000)
    assert [point.total_usd_e8 for point in replica.pnl] == [7 * USD, 5 * USD]
    assert [item.state for item in replica.recent(replica.acted, 9)] == ["reverted", "succeeded"]


def test_counts_a_repeated_result_once(stream, replica):
    feed(replica, stream.signal(1), stream.started(1))
    feed(replica, *(stream.result(1, block=101) for _ in range(3)))
    assert figures(replica)[1:] == (1, 0, 350_000)
    assert len(replica.pnl) == 1


def test_counts_a_provisional_and_its_final_result_once(stream, replica):
    feed(replica, stream.signal(1), stream.started(1))
    feed(replica, stream.result(1, flags=0, block=101))
    assert replica.counts["executed"] == 1
    feed(replica, stream.result(1, flags=FINAL, block=101))
    assert replica.counts["executed"] == 1
    assert replica.executions[1].result.flags == FINAL
    feed(replica, stream.result(1, flags=0, block=101))
    assert replica.executions[1].result.flags == FINAL, "a late provisional report changes nothing"


def test_takes_back_what_a_reorganisation_moved(stream, replica):
    feed(replica, stream.signal(1), stream.started(1))
    feed(replica, stream.result(1, flags=0, block=101, usd_e8=7 * USD))
    feed(replica, stream.result(1, flags=FINAL, block=102, usd_e8=6 * USD))
    assert figures(replica) == (6 * USD, 1, 0, 350_000)


def test_takes_back_what_finally_never_landed(stream, replica):
    feed(replica, stream.signal(1), stream.started(1), stream.result(1, flags=0, block=101))
    feed(replica, stream.result(1, status=ExecutionStatus.REPLACED, flags=FINAL))
    assert figures(replica) == (0, 0, 0, 0)
    assert replica.executions[1].state == "replaced"


def test_simulated_results_never_enter_profit_and_loss(stream, replica):
    feed(replica, stream.signal(1))
    feed(
        replica,
        stream.result(1, status=ExecutionStatus.NOT_SUBMITTED, flags=FINAL | SIMULATED),
        stream.signal(2),
        stream.result(2, flags=FINAL | SIMULATED),
    )
    assert figures(replica) == (0, 0, 0, 0)
    assert not replica.pnl
    assert [item.state for item in replica.recent(replica.acted, 9)] == ["dry run", "dry run"]
    assert replica.executions[2].realised is None


def test_replayed_deeds_are_not_believed(stream, replica):
    feed(replica, stream.stop(flags=Flag.REPLAY))
    assert not replica.stopped
    assert replica.counts["replayed"] == 1


def test_books_results_of_signals_that_it_never_saw(stream, replica):
    feed(replica, stream.started(9), stream.result(9, usd_e8=USD))
    assert figures(replica)[:2] == (USD, 1)
    assert replica.counts["unknown signals"] == 2
    assert not replica.executions


# --- signals ------------------------------------------------------------------------------------------------------------


def test_a_signal_has_one_fate(stream, replica):
    feed(replica, stream.signal(1))
    item = replica.executions[1]
    assert item.state == item.fate(replica.block) == "signalled"
    assert item.fate(item.signal.valid_until_block) == "signalled"
    assert item.fate(item.signal.valid_until_block + 1) == "expired"
    feed(replica, stream.started(1))
    assert replica.executions[1].fate(10**9) == "pending"
    feed(
        replica,
        stream.result(1, status=ExecutionStatus.NOT_SUBMITTED, reason=ExecutionReason.STALE_SIGNAL),
    )
    assert (replica.executions[1].state, replica.executions[1].reason) == (
        "not submitted",
        "stale signal",
    )


def test_a_repeated_signal_is_one_opportunity(stream, replica):
    feed(replica, stream.signal(1), stream.started(1), stream.signal(1))
    assert replica.counts["signals"] == 1
    assert list(replica.opportunities) == [1]
    assert replica.executions[1].started is not None


def test_latency_counts_from_the_block_that_was_observed(stream, replica):
    feed(replica, stream.signal(1), stream.started(1), stream.started(1, attempt=2))
    assert replica.signal_latency.percentiles().max_ns == 1_000_000
    assert replica.submit_latency.percentiles().max_ns == 2_000_000
    assert replica.submit_latency.percentiles().count == 1
    feed(replica, stream.close())
    stream.block += 5  # signals of a block that was not seen to close have no latency
    feed(replica, stream.signal(2), stream.started(2))
    assert replica.signal_latency.percentiles().count == 1


# --- bounds -------------------------------------------------------------------------------------------------------------


def test_everything_is_bounded(stream, replica):
    for number in range(1, replica_module.EXECUTIONS_KEPT + 50):
        feed(replica, stream.signal(number), stream.started(number), stream.result(number))
    assert len(replica.executions) == replica_module.EXECUTIONS_KEPT
    assert len(replica.opportunities) == replica_module.OPPORTUNITIES_KEPT
    assert len(replica.acted) == replica_module.ACTED_KEPT
    pool = stream.pools[0]
    for price in range(1, pool_module.PRICES_KEPT + 50):
        feed(replica, *stream.move(pool, price), stream.close())
    assert len(replica.views[pool.address].points) == pool_module.PRICES_KEPT
    assert replica.pnl.maxlen == replica_module.PNL_KEPT


# --- prices -------------------------------------------------------------------------------------------------------------


def test_prices_are_those_of_the_pool_after_each_block(stream, replica):
    first = stream.block
    for view, pool in ((replica.views[pool.address], pool) for pool in stream.pools):
        feed(replica, *stream.move(pool, 3100), *stream.move(pool, 3200))
        assert [point.price for point in view.points] == pytest.approx([3000, 3200])
        assert view.points[-1].block == view.event_block == first


def test_a_removed_log_has_no_price(stream, replica):
    pool = stream.pools[0]
    feed(replica, *stream.move(pool, 9999, flags=ChainEventFlag.REMOVED))
    assert [point.price for point in replica.views[pool.address].points] == pytest.approx([3000])
    assert replica.counts["swaps"] == 0


def test_a_base_at_a_lower_block_forgets_the_blocks_above(stream, replica):
    pool = stream.pools[1]
    for price in (3010, 3020, 3030):
        feed(replica, *stream.move(pool, price), stream.close())
    stream.block -= 2
    feed(replica, stream.base(pool, 2999))
    points = replica.views[pool.address].points
    assert [point.price for point in points] == pytest.approx([3000, 3010, 2999])
    assert [point.block for point in points] == [100, 101, 102]


def test_pools_of_one_id_do_not_mix(stream, replica):
    twin = FakePool(Venue.UNISWAP_V2, "DAI", "WBTC", 100)
    twin.address = stream.pools[0].address[:8] + bytes(12)
    feed(replica, stream.say(1, 6, stream._pool(twin)))
    notice = stream.invalidation(InvalidationAction.STALE, stream.pools[0].instrument)
    feed(replica, notice)
    assert replica.views[stream.pools[0].address].track.status is Freshness.STALE
    assert replica.views[twin.address].track.status is Freshness.SYNCING


# --- freshness ----------------------------------------------------------------------------------------------------------


def status(replica, pool):
    return replica.views[pool.address].track.status


def test_pools_are_live_when_the_block_of_their_base_closes(stream):
    replica = Replica()
    said = stream.begin()
    feed(replica, *said[:-1])
    assert {view.track.status for view in replica.pools()} == {Freshness.SYNCING}
    feed(replica, said[-1])
    assert {view.track.status for view in replica.pools()} == {Freshness.LIVE}


def test_a_venue_wildcard_covers_its_pools_and_no_others(stream, replica):
    v2, v3, sushi = stream.pools
    feed(
        replica,
        stream.invalidation(InvalidationAction.STALE, InstrumentId.venue_wildcard(v2.venue)),
    )
    assert [status(replica, pool) for pool in (v2, v3, sushi)] == ["stale", "live", "live"]
    assert replica.freshness()[v2.venue] == {Freshness.STALE: 1}
    feed(
        replica,
        stream.invalidation(InvalidationAction.RESUME, InstrumentId.venue_wildcard(v2.venue)),
    )
    assert status(replica, v2) is Freshness.LIVE


def test_a_collectors_disconnect_and_resume_heal_everything(stream, replica):
    """The collector names the wildcard of each venue and then each pool, both times."""
    names = []
    for pool in stream.pools:
        names += [InstrumentId.venue_wildcard(pool.venue), pool.instrument]
    feed(replica, stream.invalidation(InvalidationAction.STALE, *names))
    assert {view.track.status for view in replica.pools()} == {Freshness.STALE}
    feed(replica, stream.invalidation(InvalidationAction.RESUME, *names), stream.close())
    assert {view.track.status for view in replica.pools()} == {Freshness.LIVE}


def test_a_pool_resumed_by_name_is_usable_though_its_venue_was_named(stream, replica):
    pool = stream.pools[0]
    wildcard = InstrumentId.venue_wildcard(pool.venue)
    feed(replica, stream.invalidation(InvalidationAction.STALE, wildcard))
    feed(replica, stream.invalidation(InvalidationAction.RESUME, pool.instrument))
    assert status(replica, pool) is Freshness.LIVE


def test_a_reset_needs_a_base_and_a_closed_block(stream, replica):
    pool = stream.pools[1]
    feed(replica, stream.invalidation(InvalidationAction.RESET, pool.instrument))
    feed(replica, stream.invalidation(InvalidationAction.RESUME, pool.instrument), stream.close())
    assert status(replica, pool) is Freshness.SYNCING
    feed(replica, stream.base(pool, 3000))
    assert status(replica, pool) is Freshness.SYNCING
    feed(replica, stream.close())
    assert status(replica, pool) is Freshness.LIVE


def test_a_fault_is_not_healed_by_a_wildcard(stream, replica):
    pool = stream.pools[0]
    notice = stream.invalidation(
        InvalidationAction.STALE, pool.instrument, reason=InvalidationReason.AUDIT_MISMATCH
    )
    feed(replica, notice)
    wildcard = InstrumentId.venue_wildcard(pool.venue)
    feed(replica, stream.invalidation(InvalidationAction.RESUME, wildcard))
    assert status(replica, pool) is Freshness.QUARANTINED
    feed(replica, stream.invalidation(InvalidationAction.RESUME, pool.instrument))
    assert status(replica, pool) is Freshness.LIVE


# --- stops --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", [1, 6, 20, 39, 60, 62, 82, 255])
def test_only_risk_and_execution_services_stop_trading(stream, replica, source):
    feed(replica, stream.stop(source=source))
    assert not replica.stopped
    assert replica.counts["ignored stops"] == 1


@pytest.mark.parametrize("source", [40, 41, 42, 59])
def test_they_stop_and_resume_it(stream, replica, source):
    feed(replica, stream.stop(source=source))
    assert replica.stopped
    feed(replica, stream.stop(StopAction.RESUME, source=20))
    assert replica.stopped
    feed(replica, stream.stop(StopAction.RESUME, source=source))
    assert not replica.stopped


def test_stops_are_per_strategy_until_all_are_resumed(stream, replica):
    feed(replica, stream.stop(strategy=1), stream.stop(StopAction.EXIT, strategy=2))
    feed(replica, stream.stop(StopAction.RESUME, strategy=1))
    assert list(replica.stops) == [2]
    feed(replica, stream.stop(strategy=3), stream.stop(StopAction.RESUME))
    assert not replica.stopped
