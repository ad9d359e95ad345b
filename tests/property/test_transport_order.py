"""Any tree of messages that cause messages is delivered in one order with exact numbers."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from alphapulse.protocol.message import Draft
from alphapulse.protocol.system import Heartbeat
from alphapulse.transport.local import LocalBus
from alphapulse.transport.sequence import Sequencer

TREES = st.recursive(
    st.just([]), lambda children: st.lists(children, min_size=1, max_size=3), max_leaves=25
)


def draft_of(number, source):
    return Draft(4, source, (Heartbeat(event_ns=number, status=0, source=source, interval=0),))


@given(TREES, st.lists(st.integers(0, 2**63), min_size=1, max_size=40))
def test_subscribers_agree_on_a_breadth_first_order(tree, times):
    numbers, children, sources = {}, {}, {}

    def number_of(node, depth):
        number = len(numbers)
        numbers[number] = node
        sources[number] = 60 + depth % 3
        children[number] = []
        for child in node:
            children[number].append(number_of(child, depth + 1))
        return number

    root = number_of(tree, 0)
    ticks = iter(times * 200)
    bus = LocalBus(Sequencer(1), lambda: next(ticks))
    first, second = [], []

    def answering(message, now_ns):
        first.append(message)
        caused = children[message.first(Heartbeat).event_ns]
        if len(caused) % 2:
            bus.publish_all(draft_of(number, sources[number]) for number in caused)
        else:
            for number in caused:
                bus.publish(draft_of(number, sources[number]))

    bus.subscribe(answering, name="answering")
    bus.subscribe(lambda message, now_ns: second.append(message), name="listening")
    bus.publish(draft_of(root, sources[root]))

    expected, queue = [], [root]
    while queue:
        expected.append(queue.pop(0))
        queue.extend(children[expected[-1]])
    assert [message.first(Heartbeat).event_ns for message in first] == expected
    assert first == second
    stamps = [message.header.timestamp_ns for message in first]
    assert all(earlier < later for earlier, later in itertools.pairwise(stamps))
    for source in {message.header.source for message in first}:
        sequences = [m.header.sequence for m in first if m.header.source == source]
        assert sequences == list(range(1, len(sequences) + 1))
    assert bus.statistics().nested == len(expected) - 1
