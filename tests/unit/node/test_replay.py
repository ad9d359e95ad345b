"""Replay of a recorded order: judged message by message, in windows, in subsets, at a pace.

Oracle: the same component's words, recorded, and recorded with one change.
"""

import msgspec
import pytest

from alphapulse.node.replay import FULL_SPEED, pace
from alphapulse.node.replayed import Cast, described
from alphapulse.primitives.instrument_id import InstrumentId
from alphapulse.protocol.execution import PositionUpdate
from alphapulse.protocol.message import Draft
from alphapulse.transport.sequence import Sequencer
from support.drafts import START_NS, heartbeat_draft, stream

STEP_NS = 10**9


class Echo:
    """A component that answers every heartbeat with a position of its own."""

    def on_message(self, message, now_ns):
        return ()

    def on_timer(self, now_ns):
        return (Draft(3, 40, (position(now_ns),)),)

    def statistics(self):
        return None


def position(now_ns, quantity=5):
    values = dict.fromkeys(PositionUpdate.__struct_fields__, 0)

    values.update(instrument=InstrumentId(1, 50, 0, 7), quantity=quantity, event_ns=now_ns)
    return PositionUpdate(**values)


def recorded(changed=None, without=None):
    """A run: blocks and heartbeats, and what an Echo says to each of those."""
    sequencer = Sequencer(9)
    drafts = [draft for draft in stream(1, 40) if draft.domain == 1]
    messages, beats = [], 0
    for number, draft in enumerate(drafts):
        messages.append(sequencer.stamp(draft, START_NS + number * STEP_NS))
        if number % 4 == 3:
            now_ns = START_NS + number * STEP_NS + 10
            messages.append(sequencer.stamp(heartbeat_draft(now_ns), now_ns))
            said = Draft(3, 40, (position(now_ns, 6 if beats == changed else 5),))
            if beats != without:
                messages.append(sequencer.stamp(said, now_ns + 5))
            beats += 1
    return messages


def cast(from_ns=0):
    found = object.__new__(Cast)
    Cast.__init__(found, None, None, (), from_ns=from_ns)
    role = found._component("portfolio", 40, Echo())
    found._roles.append(role)
    found._by_source[40] = role
    return found


def fed(messages, **options):
    judged = cast(**options)
    for message in messages:
        judged.feed(message, message.header.timestamp_ns)
    judged.finish()
    return judged


def test_the_same_words_are_compared_and_agree():
    judged = fed(recorded())
    assert judged.divergence is None
    assert judged.compared == len([m for m in recorded() if m.header.source == 40])


def test_the_first_difference_is_named_with_both_sides():
    found = fed(recorded(changed=3)).divergence
    assert found.component == "portfolio"
    assert found.sequence == 4
    assert found.replayed["tlvs"][0]["quantity"] == 5
    assert found.recorded["tlvs"][0]["quantity"] == 6
    assert recorded(changed=3)[found.place].header.source == 62


def test_a_word_that_was_never_recorded_is_a_difference():
    found = fed(recorded(without=8)).divergence
    assert found.replayed is not None
    assert found.recorded is None or found.recorded != found.replayed


def test_a_window_is_judged_by_itself():
    messages = recorded(changed=0)
    later = messages[len(messages) // 2].header.timestamp_ns
    judged = fed(messages, from_ns=later)
    assert judged.divergence is None
    assert 0 < judged.compared < len([m for m in messages if m.header.source == 40])


def test_pace_is_a_multiple_of_real_time_from_the_window_on():
    messages = [(message, message.header.timestamp_ns) for message in recorded()]
    clock, slept = [0.0], []

    def sleep(seconds):
        slept.append(seconds)
        clock[0] += seconds

    out = list(
        pace(messages, 2.0, from_ns=START_NS + 10 * STEP_NS, clock=lambda: clock[0], sleep=sleep)
    )
    assert out == messages
    last_ns = messages[-1][1] - (START_NS + 10 * STEP_NS)
    assert sum(slept) == pytest.approx(last_ns / 10**9 / 2)
    slept.clear()
    assert list(pace(messages, FULL_SPEED, clock=lambda: clock[0], sleep=sleep)) == messages
    assert slept == []


def test_content_is_described_in_plain_json():
    message = recorded()[0]
    text = msgspec.json.encode(described(1, 6, message.tlvs))
    assert b'"tlv":"' in text
    assert b"0x" in text
