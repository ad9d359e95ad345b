"""What a relay keeps for those who come late, domain by domain, against the protocol's table."""

import pytest

from alphapulse.primitives.instrument_id import InstrumentId
from alphapulse.protocol.codec import decode
from alphapulse.protocol.execution import (
    Balance,
    CircuitBreaker,
    EmergencyStop,
    ExecutionResult,
    ExecutionStarted,
    Fill,
    OrderRequest,
    OrderStatus,
    PositionUpdate,
)
from alphapulse.protocol.header import Domain
from alphapulse.protocol.market_data import (
    GasPrice,
    InstrumentKind,
    InstrumentMeta,
    L2Delta,
    L2Snapshot,
    PoolState,
    PoolSwap,
    PoolSync,
    PoolTick,
    Quote,
    StateInvalidation,
)
from alphapulse.protocol.signals import ArbitrageSignal
from alphapulse.protocol.system import SystemHealth
from alphapulse.relays.run import Run
from alphapulse.relays.snapshots import Snapshots
from alphapulse.relays.subscription import EVERYTHING
from support.relay_client import EPOCH, Voice, pair, trade

POOL, OTHER = b"\x11" * 20, b"\x22" * 20
TOKEN = b"\x33" * 20
HASH = bytes(32)


class Kept:
    """Folds what a source says and shows what is kept as (class name, mark) pairs."""

    def __init__(self, domain: int, **bounds: int) -> None:
        chosen = {"most_after": 10, "most_bytes": 1 << 20, **bounds}
        self.snapshots = Snapshots(domain, **chosen)
        self.voice = Voice(domain, 6)

    def say(self, *tlvs) -> "Kept":
        data = self.voice(*tlvs)
        self.snapshots.fold(Run.of(data, 6, EPOCH, self.voice.last))
        return self

    def sequences(self) -> list[int]:
        return [decode(raw).header.sequence for raw in self.snapshots.of(6, EVERYTHING)]


def state(pool=POOL, block=1):
    return PoolState(301, pool, TOKEN, TOKEN, 1, 6, 18, 0, 0, 5, 0, 9, 500, 500, -100, 100, block, EPOCH)  # fmt: skip


def tick(number, pool=POOL):
    return PoolTick(301, pool, number, 5, 5, 1, EPOCH)


def swap(pool=POOL):
    return PoolSwap(301, pool, TOKEN, TOKEN, 1, 1, 6, 18, 5, 0, 9, EPOCH, 2)


def sync(pool=POOL):
    return PoolSync(301, pool, TOKEN, TOKEN, 1, 1, 6, 18, EPOCH, 2)


def meta(instrument):
    return InstrumentMeta(instrument, 1, InstrumentKind.POOL, 1, 0, POOL, 500, 10, 0, bytes(20), 0, 0, 0, EPOCH, (), "x")  # fmt: skip


def invalid(action, instrument):
    return StateInvalidation(instrument, action, 0)


POOL_ID = InstrumentId.pool(301, POOL)
VENUE = InstrumentId.venue_wildcard(301)


def market() -> Kept:
    """Return a relay's memory of two pools: announcement 1, states 2 and 5, ticks 3 and 4, swaps 6 and 7."""
    kept = Kept(Domain.MARKET).say(meta(POOL_ID)).say(state()).say(tick(1)).say(tick(2))
    return kept.say(state(OTHER)).say(trade(), swap()).say(swap(OTHER))


def test_market_keeps_bases_and_what_follows() -> None:
    kept = market()
    assert kept.sequences() == [1, 2, 3, 4, 5, 6, 7]
    assert kept.say(trade()).sequences() == [1, 2, 3, 4, 5, 6, 7], "a trade alone says no state"


def test_a_fresh_base_replaces_what_it_describes() -> None:
    kept = market().say(state(block=9)).say(tick(1))
    assert kept.sequences() == [1, 5, 7, 8, 9]


def test_announcements_come_first() -> None:
    assert market().say(meta(POOL_ID)).sequences() == [8, 2, 3, 4, 5, 6, 7]


def test_a_reset_drops_the_state_and_keeps_the_announcement() -> None:
    assert market().say(invalid(1, POOL_ID)).sequences() == [1, 5, 7]
    assert market().say(invalid(1, VENUE)).sequences() == [1]
    assert market().say(invalid(1, InstrumentId.venue_wildcard(300))).sequences() == list(
        range(1, 8)
    )


def test_stale_and_resume_follow_the_base() -> None:
    kept = market().say(invalid(2, POOL_ID)).say(invalid(3, POOL_ID))
    assert kept.sequences() == [1, 2, 3, 4, 5, 6, 7, 8, 9]
    assert kept.say(state(block=9)).sequences() == [1, 5, 7, 10]
    wild = market().say(invalid(2, VENUE)).say(invalid(3, VENUE)).say(invalid(2, VENUE))
    assert wild.sequences() == [1, 2, 3, 4, 5, 6, 7, 10], "only the last word on a venue counts"


def test_events_without_a_base_ask_for_one() -> None:
    kept = Kept(Domain.MARKET).say(swap())
    assert kept.sequences() == []
    assert kept.snapshots.wanting() == {6}
    assert kept.snapshots.wanting() == set()


def test_too_many_events_ask_for_a_base_and_end_in_none() -> None:
    kept = Kept(Domain.MARKET).say(state())
    for _ in range(10):
        kept.say(sync())
    assert kept.snapshots.wanting() == set()
    kept.say(sync())
    assert kept.snapshots.wanting() == {6}
    assert len(kept.sequences()) == 12
    for _ in range(11):
        kept.say(sync())
    assert kept.sequences() == [], "state that nobody refreshes is no state"


def test_memory_is_bounded() -> None:
    kept = Kept(Domain.MARKET, most_bytes=20_000)
    for number in range(200):
        kept.say(state(number.to_bytes(20, "big")[::-1]))
        assert kept.snapshots.bytes <= 20_500
    assert kept.snapshots.wanting() == {6}


def test_books_quotes_and_gas_have_their_keys() -> None:
    book = L2Snapshot(pair(1), 5, EPOCH, 0, 2, (), ())
    second = L2Snapshot(pair(1), 5, EPOCH, 1, 2, (), ())
    delta = L2Delta(pair(1), 6, 6, EPOCH, ())
    gas = GasPrice(1, 5, 1, 1, 0, 0, EPOCH)
    kept = Kept(Domain.MARKET).say(book).say(second).say(delta)
    kept.say(Quote(pair(1), 1, 1, 2, 1, EPOCH)).say(Quote(pair(1), 1, 1, 2, 1, EPOCH)).say(gas).say(
        gas
    )
    assert kept.sequences() == [1, 2, 3, 5, 7]
    assert kept.say(book).sequences()[-1] == 8
    assert 3 not in kept.sequences()


def signal(number, *, valid, observed):
    return ArbitrageSignal(number, 1, 50, 6, 1, 301, 301, POOL, OTHER, TOKEN, TOKEN, 1, 1, 0, 0, 0, 1, 1, 1, 1, valid, observed, EPOCH)  # fmt: skip


def test_signals_stay_until_they_expire() -> None:
    kept = (
        Kept(Domain.SIGNAL)
        .say(signal(1, valid=10, observed=9))
        .say(signal(2, valid=12, observed=9))
    )
    assert kept.sequences() == [1, 2]
    assert kept.say(signal(2, valid=12, observed=10)).sequences() == [1, 3]
    assert kept.say(signal(3, valid=13, observed=11)).sequences() == [3, 4]


def order(number):
    return OrderRequest(number, 1, 1, 0, 2, 1, 0, 10, pair(1), 1, 1, EPOCH, EPOCH)


def status(number, value):
    return OrderStatus(number, value, 0, 100, 0, 0, bytes(16), EPOCH)


def test_orders_stay_until_they_end() -> None:
    fill = Fill(1, 1, pair(1), 0, 1, 1, 1, 0, pair(2), EPOCH)
    kept = Kept(Domain.EXECUTION).say(order(1)).say(order(2)).say(status(1, 2)).say(fill)
    assert kept.sequences() == [1, 2, 3, 4]
    assert kept.say(status(1, 3)).sequences() == [2]


def started(number):
    return ExecutionStarted(number, 1, 1, 1, 1, HASH, 1, 1, 1, 1, 1, EPOCH)


def result(number, flags):
    return ExecutionResult(number, 1, 1, 6, 1, 1, 1, 1, 1, 1, HASH, EPOCH, 1, TOKEN, 0, flags)


def test_executions_stay_until_their_final_result() -> None:
    kept = Kept(Domain.EXECUTION).say(started(1)).say(started(2)).say(result(1, 0))
    assert kept.sequences() == [1, 2]
    assert kept.say(result(1, 1)).sequences() == [2]


def test_stops_and_breakers_stay_until_lifted() -> None:
    breaker = CircuitBreaker(1, 2, 0, 1, 0, pair(1), 0, 0, EPOCH)
    lifted = CircuitBreaker(1, 2, 0, 2, 0, pair(1), 0, 0, EPOCH)
    kept = (
        Kept(Domain.EXECUTION)
        .say(EmergencyStop(6, 1, 1, EPOCH))
        .say(EmergencyStop(6, 1, 2, EPOCH))
        .say(breaker)
    )
    assert kept.say(EmergencyStop(6, 2, 1, EPOCH)).sequences() == [2, 3]
    assert kept.say(lifted).sequences() == [2]


def test_positions_and_balances_are_replaced() -> None:
    position = PositionUpdate(1, 1, 8, pair(1), 1, 1, 1, 0, 0, EPOCH)
    balance = Balance(pair(1), 8, 2, 1, 1, 0, 0, EPOCH)
    kept = Kept(Domain.EXECUTION).say(position).say(balance).say(position).say(balance)
    assert kept.sequences() == [3, 4]


def test_health_is_replaced_by_service() -> None:
    def health(service):
        return SystemHealth(service, 0, 1, 1, 1, 1, 0, 0, EPOCH, 0)

    kept = Kept(Domain.SYSTEM).say(health(60)).say(health(61)).say(health(60))
    assert kept.sequences() == [2, 3]


@pytest.mark.parametrize("domain", sorted(Domain))
def test_every_kept_byte_is_accounted_for(domain: int) -> None:
    kept = Kept(domain)
    for tlv in (state(), swap(), order(1), started(1), signal(1, valid=1, observed=1)):
        kept.say(tlv)
    assert kept.snapshots.bytes == sum(map(len, kept.snapshots.of(6, EVERYTHING)))
