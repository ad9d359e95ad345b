"""Messages of other processes in the one order of a bus: place, time and counts.

Oracle: the rule that time follows from the order alone: `now_ns` never falls, own stamps exceed all before.
"""

import pytest

from alphapulse.errors import InvariantError, ValueOutOfRange
from alphapulse.protocol.header import Header
from alphapulse.protocol.message import Draft, Message
from alphapulse.protocol.system import Heartbeat
from alphapulse.transport.local import LATEST_NS, LocalBus
from alphapulse.transport.sequence import Sequencer


def beat(number, source=62):
    return Draft(4, source, (Heartbeat(event_ns=number, status=0, source=source, interval=1),))


def foreign(number, at_ns, source=70, domain=4):
    tlv = Heartbeat(event_ns=number, status=0, source=source, interval=1)
    return Message(Header(domain, source, 0, number, at_ns), (tlv,))


def make(now_ns=100, **options):
    seen = []
    bus = LocalBus(Sequencer(7), lambda: now_ns, **options)
    bus.subscribe(lambda message, at: seen.append((message, at)), name="all")
    return bus, seen


def test_a_foreign_message_keeps_number_and_time_and_time_never_falls():
    bus, seen = make()
    late, early = foreign(5, 500), foreign(6, 50)
    bus.deliver(late)
    bus.publish(beat(1))
    bus.deliver(early)
    bus.publish(beat(2))
    assert [at for _, at in seen] == [500, 501, 501, 502]
    assert (seen[0][0], seen[2][0]) == (late, early)
    assert [m.header.timestamp_ns for m, _ in seen] == [500, 501, 50, 502]
    statistics = bus.statistics()
    assert (statistics.messages, statistics.foreign) == (4, 2)
    assert statistics.subscribers[0].delivered == 4


def test_what_a_foreign_message_causes_stands_behind_the_row_it_came_with():
    bus, seen = make()
    bus.subscribe(
        lambda m, _: bus.publish(beat(9)) if m.header.source == 70 else None, name="answering"
    )
    bus.deliver_all([foreign(1, 10), foreign(2, 20)])
    assert [m.header.source for m, _ in seen] == [70, 70, 62, 62]


def test_a_foreign_message_that_arrives_in_a_delivery_waits_its_turn():
    bus, seen = make()
    bus.subscribe(
        lambda m, _: bus.deliver(foreign(1, 10)) if m.header.source == 62 else None, name="gate"
    )
    bus.publish_all([beat(1), beat(2)])
    assert [m.header.source for m, _ in seen] == [62, 62, 70, 70]


def test_only_own_messages_leave_and_after_everyone_here_has_them():
    left = []
    bus, seen = make(outlet=lambda message: left.append((message, len(seen))))
    bus.publish(beat(1))
    bus.deliver(foreign(1, 10))
    bus.publish(beat(2))
    assert [(m.header.source, m.header.sequence, heard) for m, heard in left] == [
        (62, 1, 1),
        (62, 2, 3),
    ]


def test_a_foreign_message_that_nobody_could_follow_is_refused():
    bus, seen = make()
    with pytest.raises(ValueOutOfRange, match="`timestamp_ns` must be at most"):
        bus.deliver(foreign(1, LATEST_NS + 1))
    with pytest.raises(InvariantError, match="`domain` must be 1 to 4, was 5"):
        bus.deliver(foreign(1, 10, domain=5))
    bus.deliver_all([])
    bus.deliver(foreign(2, LATEST_NS))
    bus.publish(beat(1))
    assert [at for _, at in seen] == [LATEST_NS, LATEST_NS + 1]


def test_a_subscriber_that_fails_on_a_foreign_message_stops_the_bus():
    bus, _ = make()

    def failing(message, now_ns):
        raise KeyError("mistake")

    bus.subscribe(failing, name="failing")
    with pytest.raises(KeyError):
        bus.deliver(foreign(1, 10))
    with pytest.raises(InvariantError, match="`failing` failed"):
        bus.deliver(foreign(2, 20))
