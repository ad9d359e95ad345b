"""An archive that saw a run in one order gives back the order in which another process saw it.

Oracle: the list that a subscriber of that process kept.
"""

import random

import pytest

from alphapulse.archive.reader import ArchiveReader
from alphapulse.archive.writer import ArchiveWriter
from alphapulse.errors import ArchiveCorrupt, Misconfigured
from alphapulse.primitives.instrument_id import InstrumentId
from alphapulse.protocol.header import Header
from alphapulse.protocol.market_data import StateInvalidation
from alphapulse.protocol.message import Draft, Message, RawTlv
from alphapulse.protocol.private import DeliveryOrder
from alphapulse.transport.local import LocalBus
from alphapulse.transport.order import OrderRecorder
from alphapulse.transport.sequence import Sequencer
from support.drafts import START_NS, heartbeat_draft, stream


def process(epoch, clock, name="", source=70):
    """A bus with what its subscriber was given, and the messages that were its own."""
    own = []
    bus = LocalBus(Sequencer(epoch), clock, outlet=own.append)
    seen = []
    bus.subscribe(lambda message, now_ns: seen.append((message, now_ns)), name="seen")
    recorder = OrderRecorder(bus, name=name, source=source, epoch=epoch) if name else None
    return bus, own, seen, recorder


def run(tmp_path, seed, *, drop=None):
    """Three processes: a desk, others, and an archiver that hears both in an order of its own."""
    rng = random.Random(seed)
    now = iter(range(START_NS, START_NS + 10**9, 1_000))
    clock = lambda: next(now)  # noqa: E731
    desk, desk_own, desk_seen, order = process(7, clock, "desk")
    other, other_own, _, _ = process(8, clock)
    to_desk, late = 0, []
    for number, draft in enumerate(stream(seed, 300)):
        desk.publish(draft)
        if number % 5 == 0:
            other.publish(Draft(3, 41, (RawTlv(250, b"%d" % number),)))
        if number % 90 == 50:  # a notice to the desk alone: no relay journals it
            lost = StateInvalidation(InstrumentId(301, 0, 0, 0), 2, 6)
            desk.deliver(Message(Header(1, 80, 0, 0, next(now)), (lost,)))
        if number % 40 == 0:
            desk.publish(heartbeat_draft(number))
        while to_desk < len(other_own) and rng.random() < 0.5:
            desk.deliver(other_own[to_desk])
            to_desk += 1
    order.flush()
    queues = [list(desk_own), list(other_own)]
    writer = ArchiveWriter(tmp_path / "a", lambda: START_NS, facts={"seen_by": "desk"})
    while any(queues):
        queue = rng.choice([queue for queue in queues if queue])
        message = queue.pop(0)
        late.append(message)
        if message != drop:
            writer.record_message(message)
    writer.close()
    return desk_seen, late


@pytest.mark.parametrize("seed", range(4))
def test_the_order_of_a_process_is_rebuilt_with_its_times(tmp_path, seed):
    seen, recorded = run(tmp_path, seed)
    reader = ArchiveReader(tmp_path / "a")
    found = [(one.message, one.now_ns) for one in reader.deliveries("desk")]
    assert found == seen[:-1], "all but the last part, which speaks of itself in none"
    assert [message for message, _ in found] == list(reader.messages(seen_by="desk"))
    assert [message for message, _ in found] != recorded[: len(found)]
    assert isinstance(seen[-1][0].tlvs[0], DeliveryOrder)
    notices = [message for message, _ in found if not message.header.sequence]
    assert len(notices) == 3


def test_a_message_that_the_archive_lacks_is_named(tmp_path):
    seen, _ = run(tmp_path / "whole", 1)
    missing = next(message for message, _ in seen if message.header.source == 41)
    run(tmp_path / "short", 1, drop=missing)
    key = f"3/41/{missing.header.sequence}"
    with pytest.raises(ArchiveCorrupt, match=key):
        list(ArchiveReader(tmp_path / "short" / "a").messages(seen_by="desk"))


def test_an_order_that_nobody_left_is_refused_with_the_names_there_are(tmp_path):
    run(tmp_path, 1)
    with pytest.raises(Misconfigured, match=r"no order of `books`.*`desk`"):
        list(ArchiveReader(tmp_path / "a").messages(seen_by="books"))


def test_a_part_that_is_missing_is_noticed(tmp_path):
    seen, _ = run(tmp_path / "whole", 2)
    parts = [message for message, _ in seen if message.first(DeliveryOrder)]
    run(tmp_path / "short", 2, drop=parts[2])
    with pytest.raises(ArchiveCorrupt, match="the order must go on at"):
        list(ArchiveReader(tmp_path / "short" / "a").messages(seen_by="desk"))
