"""The parts of a link that need no I/O: outbox, memory of repeats, notices, subjects and partitions.

Oracle: lists that keep everything, and the table of the wire protocol on subjects.
"""

from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alphapulse.errors import InvariantError, LimitExceeded
from alphapulse.primitives.instrument_id import InstrumentId
from alphapulse.protocol.execution import CircuitBreaker, EmergencyStop, OrderCancel
from alphapulse.protocol.header import Header
from alphapulse.protocol.market_data import (
    InvalidationAction,
    InvalidationReason,
    PoolSwap,
    StateInvalidation,
)
from alphapulse.protocol.message import Message, RawTlv
from alphapulse.protocol.system import Heartbeat, TraceContext
from alphapulse.transport.announced import (
    NOTICES_PER_MESSAGE,
    Announced,
    instrument_of,
    resume_notices,
)
from alphapulse.transport.bus_follower import BusFollower
from alphapulse.transport.dedupe import Seen
from alphapulse.transport.outbox import Outbox
from alphapulse.transport.subjects import (
    control_subject,
    domain_filter,
    message_id,
    partition_filter,
    partition_of,
    partitions,
    subject_of,
)

POOL = bytes.fromhex("88e6a0c2ddd26feeb64f039a2c41296fcb3f5640")
TRACE = TraceContext(trace_id=1, span_id=1, flags=0)


def message(domain, source, *tlvs, sequence=5):
    return Message(Header(domain, source, 0, sequence, 1_000), tlvs)


def notice(instrument, action, reason=0):
    return StateInvalidation(instrument, action, reason)


@given(
    st.lists(
        st.one_of(
            st.just("add"),
            st.tuples(st.just("take"), st.integers(1, 40)),
            st.tuples(st.just("rewind"), st.integers(-2, 30)),
        ),
        max_size=60,
    ),
    st.integers(1, 12),
    st.booleans(),
)
def test_an_outbox_gives_a_contiguous_tail_of_what_was_added(steps, most, lossless):
    box = Outbox(most_messages=most, most_bytes=1_000, lossless=lossless)
    added = 0
    for step in steps:
        if step == "add":
            before = box.first_sequence, box.next_sequence
            try:
                box.add(added + 1, b"%03d" % (added + 1))
            except LimitExceeded:
                assert lossless
                assert before == (before[1], before[1])
                return
            added += 1
        elif step[0] == "take":
            first = box.next_sequence
            taken = [int(part) for part in box.take(step[1])]
            assert taken == list(range(first, first + len(taken)))
            assert bool(taken) == (first <= added)
        else:
            before = box.next_sequence
            count = box.rewind(step[1])
            assert box.next_sequence == before - count
            assert box.next_sequence in (before, max(step[1], box.first_sequence))
        assert 1 <= box.first_sequence <= box.next_sequence <= box.end_sequence == added + 1
        assert box.end_sequence - box.first_sequence <= most
        assert len(box) == box.end_sequence - box.next_sequence
        assert box.lost == 0 or not lossless


def test_an_outbox_takes_numbers_in_sequence_only():
    box = Outbox(most_messages=5, most_bytes=100, lossless=True, first=7)
    with pytest.raises(InvariantError, match="`sequence` must be 7, was 8"):
        box.add(8, b"x")
    box.add(7, b"x" * 500)
    assert box.take(1) == [b"x" * 500]
    assert box.rewind(1) == 1


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 9), st.integers(1, 3)), max_size=80))
def test_a_number_that_does_not_rise_in_its_lane_is_a_repeat(events):
    seen, highest = Seen(), {}
    for lane, sequence, epoch in events:
        key = (lane, epoch)
        expected = sequence <= highest.get(key, 0)
        assert seen.is_repeat(str(lane), 1, 6, epoch=epoch, sequence=sequence) == expected
        highest[key] = max(highest.get(key, 0), sequence)


def test_memory_of_repeats_is_bounded_and_forgets_the_quietest_run():
    seen = Seen(most_runs=3)
    for source in (1, 2, 3):
        assert not seen.is_repeat("", 1, source, epoch=9, sequence=5)
    assert seen.is_repeat("", 1, 1, epoch=9, sequence=5)
    assert not seen.is_repeat("", 1, 4, epoch=9, sequence=5)
    assert len(seen) == 3
    assert not seen.is_repeat("", 1, 2, epoch=9, sequence=5)
    assert seen.is_repeat("", 1, 1, epoch=9, sequence=5)
    with pytest.raises(InvariantError):
        Seen(most_runs=0)


def test_what_a_producer_called_stale_stays_so_when_its_venue_is_allowed():
    announced = Announced()
    pool, other = InstrumentId.pool(301, POOL), InstrumentId.pool(405, POOL)
    announced.learn(message(1, 6, notice(pool, InvalidationAction.STALE, 10)))
    announced.learn(message(1, 6, notice(other, InvalidationAction.STALE), notice(other, 3)))
    assert announced.venues == {301, 405}
    contents = resume_notices(announced.venues, announced.forbidden, InvalidationReason.RECOVERY)
    said = [[(n.instrument, n.action, n.reason) for n in part] for part in contents]
    assert said == [
        [(InstrumentId.venue_wildcard(301), 3, 5), (pool, 2, 10)],
        [(InstrumentId.venue_wildcard(405), 3, 5)],
    ]
    announced.learn(message(1, 6, notice(InstrumentId.venue_wildcard(301), 2)))
    assert len(resume_notices(announced.venues, announced.forbidden, 5)) == 1
    announced.learn(message(1, 6, notice(InstrumentId.venue_wildcard(301), 1)))
    assert announced.forbidden == {}
    assert Announced().stale(InvalidationReason.DISCONNECT) == []


def test_notices_of_many_instruments_fit_into_messages():
    forbidden = {InstrumentId(301, 100, 0, number): 0 for number in range(NOTICES_PER_MESSAGE + 5)}
    parts = resume_notices([301], forbidden, InvalidationReason.RECOVERY)
    assert [len(part) for part in parts] == [NOTICES_PER_MESSAGE, 6]
    assert 32 + 16 * NOTICES_PER_MESSAGE <= 65_536


def test_a_bus_follower_drops_repeats_and_says_holes_first():
    wanted = []
    follower = BusFollower(
        1,
        lambda: 77,
        is_own=lambda source, epoch: (source, epoch) == (9, 1),
        want_base=wanted.append,
        shares=False,
    )
    one = [message(1, 6, notice(InstrumentId.pool(301, POOL), 3), sequence=n) for n in range(1, 9)]
    assert follower.take(one[0], 5) == [one[0]]
    assert follower.take(one[0], 5) == []
    assert follower.take(message(1, 9, TRACE), 1) == []
    reset, told = follower.take(one[4], 5)
    assert told is one[4]
    assert (reset.header, reset.first(StateInvalidation).action) == (Header(1, 80, 0, 0, 77), 1)
    assert (follower.lost, wanted) == (3, [6])
    assert follower.take(one[0], 6) == [one[0]]
    assert [m.first(StateInvalidation).action for m in follower.interrupt()] == [2]
    assert follower.interrupt() == []
    assert [m.first(StateInvalidation).action for m in follower.resume()] == [3]
    assert follower.resume() == []


def test_a_hole_of_a_lossless_domain_is_counted_and_a_shared_one_is_none():
    follower = BusFollower(
        3, lambda: 77, is_own=lambda *_: False, want_base=lambda _: None, shares=False
    )
    follower.take(message(3, 42, TRACE, sequence=1), 5)
    lost, _ = follower.take(message(3, 42, TRACE, sequence=4), 5)
    assert (lost.tlvs[0].dropped, lost.header.source, follower.lost) == (2, 82, 2)
    shared = BusFollower(
        3, lambda: 77, is_own=lambda *_: False, want_base=lambda _: None, shares=True
    )
    assert len(shared.take(message(3, 42, TRACE, sequence=1), 5, lane="01")) == 1
    assert len(shared.take(message(3, 42, TRACE, sequence=4), 5, lane="02")) == 1
    assert len(shared.take(message(3, 42, TRACE, sequence=3), 5, lane="01")) == 1
    assert shared.take(message(3, 42, TRACE, sequence=3), 5, lane="01") == []


def test_subjects_name_domain_source_type_and_partition():
    cancel = message(3, 42, OrderCancel(order_id=77, reason=0), TRACE)
    expected = crc32((77).to_bytes(8, "little")) % 16
    assert (
        subject_of(cancel, "alphapulse.v1", 16) == f"alphapulse.v1.execution.42.43.{expected:02d}"
    )
    beat = message(4, 62, Heartbeat(event_ns=1, status=0, source=62, interval=1))
    assert subject_of(beat, "alphapulse.v1", 16) == "alphapulse.v1.system.62.100.all"
    pool = InstrumentId.pool(301, POOL)
    market = message(1, 6, TRACE, notice(pool, 2))
    assert partition_of(market, 16) == f"{crc32(pool.pack()) % 16:02d}"
    assert partition_of(message(1, 6, TRACE), 16) == f"{crc32(bytes([6])) % 16:02d}"
    assert partition_of(message(2, 20), 4) == f"{crc32(bytes([20])) % 4:02d}"
    assert subject_of(message(2, 20), "p", 1) == "p.signal.20.0.00"
    assert ".251." in subject_of(message(2, 20, RawTlv(type=251, payload=b"")), "p", 16)
    assert partition_of(message(1, 6, notice(InstrumentId.venue_wildcard(301), 2)), 16) == "all"
    stops = (
        EmergencyStop(reason=6, action=1, affected_strategies=65_535, event_ns=1),
        CircuitBreaker(
            breaker=1,
            scope=2,
            strategy_id=0,
            action=1,
            duration=0,
            instrument=pool,
            observed=0,
            threshold=0,
            event_ns=1,
        ),
    )
    assert {partition_of(message(3, 41, stop), 16) for stop in stops} == {"all"}


def test_filters_and_identities_follow_the_layout():
    assert domain_filter("p", 1) == "p.market.>"
    assert partition_filter("p", 3, "07") == "p.execution.*.*.07"
    assert control_subject("p", 2) == "p.ctl.signal.snapshot"
    assert message_id(3, 42, 9, 17) == "3-42-9-17"
    assert partitions(4) == ["00", "01", "02", "03"]
    assert instrument_of(TRACE) is None
    swap = PoolSwap(
        venue=301,
        pool=POOL,
        token_in=bytes(20),
        token_out=bytes(20),
        amount_in=1,
        amount_out=1,
        decimals_in=1,
        decimals_out=1,
        sqrt_price_x96_after=0,
        tick_after=0,
        liquidity_after=0,
        event_ns=0,
        block=0,
    )
    assert instrument_of(swap) == InstrumentId.pool(301, POOL)
