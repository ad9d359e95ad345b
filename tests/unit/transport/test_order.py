"""The recorder of a bus's order: every delivery in it, in runs, at each heartbeat, in parts that join.

Oracle: a plain list of the keys that another subscriber of the same bus saw.
"""

import pytest

from alphapulse.primitives.instrument_id import InstrumentId
from alphapulse.protocol.codec import decode, encode
from alphapulse.protocol.header import Header
from alphapulse.protocol.market_data import StateInvalidation
from alphapulse.protocol.message import Draft, Message, RawTlv
from alphapulse.protocol.private import DeliveredNotice, DeliveryOrder
from alphapulse.protocol.system import Heartbeat, SequenceSync
from alphapulse.transport.local import LocalBus
from alphapulse.transport.order import MOST_RUNS, OrderRecorder
from alphapulse.transport.sequence import Sequencer
from support.drafts import block_draft

EPOCH = 77
SPEAKER = 70


def make():
    clock = iter(range(1_000, 10_000_000))
    bus, seen = LocalBus(Sequencer(EPOCH), lambda: next(clock)), []
    bus.subscribe(lambda message, now_ns: seen.append(message), name="all")
    return bus, seen, OrderRecorder(bus, name="desk", source=SPEAKER, epoch=EPOCH)


def beat():
    return Draft(4, 62, (Heartbeat(event_ns=1, status=0, source=62, interval=1),))


def other(source):
    return Draft(3, source, (RawTlv(250, b""),))


def key(message: Message):
    return (message.header.domain, message.header.source, message.header.sequence)


def parts_of(seen):
    return [part for message in seen for part in message.all(DeliveryOrder)]


def keys_of(parts):
    return [
        (run.domain, run.source, run.sequence + step)
        for part in parts
        for run in part.run
        for step in range(run.length)
    ]


def test_parts_hold_every_delivery_in_order_their_own_messages_included():
    bus, seen, recorder = make()
    for number in range(5):
        bus.publish_all([block_draft(number), block_draft(number + 100), other(42), beat()])
    recorder.flush()
    parts = parts_of(seen)
    assert len(parts) == 6
    assert keys_of(parts) == [key(message) for message in seen][:-1]
    assert [part.position for part in parts] == [0, 4, 9, 14, 19, 24]
    assert {(part.name, part.epoch) for part in parts} == {("desk", EPOCH)}
    assert recorder.position == len(seen)


def test_neighbours_of_one_producer_are_one_run():
    bus, seen, _ = make()
    bus.publish_all([*(block_draft(number) for number in range(500)), beat()])
    (part,) = parts_of(seen)
    assert [(run.sequence, run.length) for run in part.run] == [(1, 500), (1, 1)]


def test_a_full_part_does_not_wait_for_the_heartbeat_and_fits_its_message():
    bus, seen, recorder = make()
    for _ in range(MOST_RUNS):
        bus.publish_all([other(42), other(43)])
    parts = parts_of(seen)
    assert [len(part.run) for part in parts] == [MOST_RUNS] * 2
    recorder.flush()
    assert keys_of(parts_of(seen)) == [key(message) for message in seen][:-1]
    assert all(decode(encode(message)) == message for message in seen)


def test_the_epoch_is_what_a_producer_announced_and_zero_before():
    bus, seen, _ = make()
    start = SequenceSync(epoch=9, next_sequence=1, dropped=0, source=50, reason=2)
    bus.publish(Draft(3, 50, (start,)))
    bus.publish(beat())
    (part,) = parts_of(seen)
    assert [run.epoch for run in part.run] == [9, EPOCH]


def test_nothing_is_said_where_nothing_happened():
    _, seen, recorder = make()
    recorder.flush()
    assert seen == []


def test_a_vendor_payload_of_another_layout_stays_raw_and_survives():
    bus, seen, _ = make()
    foreign = (b"", b"\xaa\xbb", bytes(27), bytes(24) + b"\x01\x00\x00\xff")
    for payload in foreign:
        bus.publish(Draft(1, 6, (RawTlv(200, payload),)))
    for message, payload in zip(seen, foreign, strict=True):
        read = decode(encode(message))
        assert encode(read) == encode(message)
        if payload != bytes(27):  # 27 zero bytes are a part without runs and name
            assert read.tlvs[0] == RawTlv(200, payload)


@pytest.mark.parametrize("invalidations", [1, 500, 1_100, 3_500])
def test_notices_are_carried_whole_in_parts_that_fit(invalidations):
    bus, seen, recorder = make()
    lost = StateInvalidation(InstrumentId(301, 0, 0, 0), 2, 6)
    notices = []
    for number in range(3):
        notice = Message(Header(1, 80, 0, 0, 5_000 + number), (lost,) * invalidations)
        bus.deliver(notice)
        notices.append(notice)
    bus.publish(beat())
    recorder.flush()
    carried = [one for message in seen for one in message.all(DeliveredNotice)]
    assert [decode(bytes(one.message)) for one in carried] == notices
    places = [place for place, message in enumerate(seen) if message in notices]
    assert [one.position for one in carried] == places
    assert all(decode(encode(message)) == message for message in seen)


def test_a_small_notice_waits_for_the_heartbeat():
    """Whoever leaves causes notices; a process that is about to end should not speak because of them."""
    bus, seen, _ = make()
    bus.deliver(
        Message(Header(1, 80, 0, 0, 5_000), (StateInvalidation(InstrumentId(301, 0, 0, 0), 2, 6),))
    )
    assert parts_of(seen) == []
