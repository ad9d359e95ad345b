"""The bus of one process: one total order, exact numbers, rising time, loud failure.

Oracle: the rules of the wire protocol on sequences, and the contract of the bus.
"""

import threading

import pytest

from alphapulse.errors import CascadeTooLong, InvariantError, ValueOutOfRange
from alphapulse.protocol.codec import decode, encode
from alphapulse.protocol.message import Draft, Message
from alphapulse.protocol.system import Heartbeat, SequenceSync, TraceContext
from alphapulse.transport.local import LocalBus
from alphapulse.transport.sequence import Sequencer
from support.drafts import block_draft, heartbeat_draft, swap_draft


class Clock:
    def __init__(self, *times):
        self.times = list(times)

    def __call__(self):
        return self.times.pop(0) if len(self.times) > 1 else self.times[0]


def make(*times, **options):
    return LocalBus(Sequencer(epoch=77), Clock(*(times or (1_000,))), **options)


def beat(number, source=62):
    return Draft(4, source, (Heartbeat(event_ns=number, status=0, source=source, interval=1),))


def beats(seen):
    return [message.first(Heartbeat).event_ns for message in seen]


def test_the_first_message_of_each_domain_and_source_announces_the_epoch_before_its_trace():
    bus, seen = make(), []
    bus.subscribe(lambda message, now_ns: seen.append(message), name="all")
    for draft in (block_draft(1), block_draft(2), beat(1), beat(2), beat(3, source=63)):
        bus.publish(draft)
    numbers = [(m.header.domain, m.header.source, m.header.sequence) for m in seen]
    assert numbers == [(1, 6, 1), (1, 6, 2), (4, 62, 1), (4, 62, 2), (4, 63, 1)]
    assert [m.first(SequenceSync) is not None for m in seen] == [True, False, True, False, True]
    assert seen[0].first(SequenceSync) == SequenceSync(
        epoch=77, next_sequence=1, dropped=0, source=6, reason=2
    )
    assert [type(tlv) for tlv in seen[0].tlvs[-2:]] == [SequenceSync, TraceContext]
    assert type(seen[2].tlvs[-1]) is SequenceSync
    assert [m.header.flags for m in seen] == [0x10, 0x10, 0, 0, 0]
    assert all(decode(encode(m)) == m for m in seen)


def test_a_publish_during_a_delivery_waits_until_everyone_has_the_message():
    bus, order = make(), []

    def answering(message: Message, now_ns: int) -> None:
        number = message.first(Heartbeat).event_ns
        order.append(("first", number))
        if number < 10:
            bus.publish(beat(number * 10))
            bus.publish_all([beat(number * 10 + 1), beat(number * 10 + 2)])

    bus.subscribe(answering, name="first")
    bus.subscribe(lambda m, _: order.append(("second", m.first(Heartbeat).event_ns)), name="second")
    bus.publish_all([beat(1), beat(2)])
    numbers = [1, 2, 10, 11, 12, 20, 21, 22]
    assert order == [(who, number) for number in numbers for who in ("first", "second")]


def test_time_is_the_message_time_and_rises_strictly_when_the_clock_does_not():
    bus, seen = make(500, 500, 400, 900), []
    bus.subscribe(
        lambda message, now_ns: seen.append((message.header.timestamp_ns, now_ns)), name="a"
    )
    for number in range(4):
        bus.publish(beat(number))
    assert seen == [(500, 500), (501, 501), (502, 502), (900, 900)]


def test_a_subscriber_hears_its_domains_from_the_next_message_on():
    bus, market, late = make(), [], []
    bus.subscribe(
        lambda m, _: market.append(m.header.domain), name="market", domains=frozenset({1})
    )
    bus.publish(block_draft(1))
    bus.publish(beat(1))
    bus.subscribe(lambda m, _: late.append(m.header.domain), name="late")
    bus.publish(beat(2))
    assert (market, late) == ([1], [4])
    statistics = bus.statistics()
    assert statistics.messages == 3
    assert statistics.by_domain == {1: 1, 2: 0, 3: 0, 4: 2}
    assert [(one.name, one.delivered) for one in statistics.subscribers] == [
        ("market", 1),
        ("late", 1),
    ]


def test_two_that_answer_each_other_for_ever_are_stopped():
    """Covers: E10."""
    bus = make(cascade_limit=100)
    bus.subscribe(lambda m, _: bus.publish(beat(m.first(Heartbeat).event_ns + 1)), name="echo")
    with pytest.raises(CascadeTooLong, match=r"more than 100 further messages.*`echo`") as caught:
        bus.publish(beat(0))
    assert caught.value.limit == 100
    with pytest.raises(InvariantError, match="the bus stopped when `echo` failed"):
        bus.publish(beat(0))


def test_a_burst_from_outside_is_no_cascade():
    bus, seen = make(cascade_limit=3), []
    bus.subscribe(lambda m, _: seen.append(m), name="all")
    bus.publish_all(beat(number) for number in range(50))
    assert beats(seen) == list(range(50))
    assert bus.statistics().longest_cascade == 0
    assert bus.statistics().deepest_queue == 50


def test_a_failing_subscriber_stops_the_bus_and_nobody_sees_the_rest():
    bus, seen = make(), []

    def failing(message: Message, now_ns: int) -> None:
        bus.publish(beat(99))
        raise KeyError("mistake")

    bus.subscribe(failing, name="failing")
    bus.subscribe(lambda m, _: seen.append(m), name="behind")
    with pytest.raises(KeyError):
        bus.publish(beat(1))
    assert seen == []
    with pytest.raises(InvariantError, match="`failing` failed"):
        bus.publish_all([beat(2)])


def test_the_bus_belongs_to_one_thread():
    bus, errors = make(), []
    bus.publish(beat(1))

    def intrude():
        try:
            bus.publish(beat(2))
        except InvariantError as error:
            errors.append(str(error))

    thread = threading.Thread(target=intrude)
    thread.start()
    thread.join()
    assert errors == ["a local bus belongs to the thread that first published on it"]


@pytest.mark.parametrize("domains", [frozenset(), frozenset({0}), frozenset({1, 5})])
def test_a_subscription_must_name_domains_that_exist(domains):
    with pytest.raises(InvariantError, match="domains 1 to 4"):
        make().subscribe(lambda m, _: None, name="a", domains=domains)


def test_a_name_is_subscribed_once_and_a_draft_has_a_domain():
    bus = make()
    bus.subscribe(lambda m, _: None, name="a")
    with pytest.raises(InvariantError, match="`a` is subscribed already"):
        bus.subscribe(lambda m, _: None, name="a")
    with pytest.raises(InvariantError, match="was 7"):
        bus.publish(Draft(7, 1, ()))


@pytest.mark.parametrize("epoch", [0, -1, 2**64])
def test_an_epoch_is_a_positive_u64(epoch):
    with pytest.raises(ValueOutOfRange, match="epoch"):
        Sequencer(epoch)


def test_the_sequencer_tells_its_last_numbers():
    sequencer = Sequencer(5)
    assert sequencer.last(4, 62) == 0
    sequencer.stamp(heartbeat_draft(1), 1)
    sequencer.stamp(heartbeat_draft(2), 2)
    assert (sequencer.last(4, 62), sequencer.epoch) == (2, 5)


def test_a_draft_that_claims_the_traced_flag_without_a_trace_loses_it():
    message = Sequencer(1).stamp(Draft(4, 62, heartbeat_draft(1).tlvs, flags=0x14), 9)
    assert message.header.flags == 0x04


def test_an_empty_draft_still_announces_its_producer():
    message = Sequencer(1).stamp(Draft(4, 62, ()), 9)
    assert [type(tlv) for tlv in message.tlvs] == [SequenceSync]


def test_swaps_keep_their_parts():
    import random

    draft = swap_draft(random.Random(1), 5, 0)
    sequencer = Sequencer(1)
    sequencer.stamp(draft, 1)
    assert sequencer.stamp(draft, 2).tlvs == draft.tlvs
