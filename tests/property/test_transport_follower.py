"""Any loss, repeat and disorder on the way to a follower ends in the produced sequence, or in a loss that is said.

Oracle: the sequence that was produced; the relay of the model answers every request from a full journal.
"""

from hypothesis import given, settings
from hypothesis import strategies as st

from alphapulse.protocol.codec import encode
from alphapulse.protocol.header import Header
from alphapulse.protocol.market_data import StateInvalidation
from alphapulse.protocol.message import Message
from alphapulse.protocol.system import (
    RecoveryKind,
    RecoveryResponse,
    SequenceSync,
    Snapshot,
    TraceContext,
)
from alphapulse.transport.follower import DomainFollower

SOURCE = 20
EPOCH = 1_000


class Model:
    """A relay with a full journal, of which some answers get lost."""

    def __init__(self, domain, count, losses):
        self.domain = domain
        self.losses = losses
        self.asked = 0
        self.heard = []
        self.reconnects = 0
        self.now_ns = 0
        self.answers = []
        self.journal = [self._message(number) for number in range(1, count + 1)]
        self.follower = DomainFollower(domain, self, lambda: 1, is_own=lambda _: False)

    def _message(self, sequence):
        tlvs = [TraceContext(trace_id=sequence, span_id=1, flags=0)]
        if sequence == 1:
            tlvs.insert(0, SequenceSync(EPOCH, 1, 0, SOURCE, 2))
        return Message(Header(self.domain, SOURCE, 0x10, sequence, sequence), tuple(tlvs))

    def deliver(self, message):
        self.heard.append(message)

    def ask(self, request):
        self.asked += 1
        if self.losses and self.losses.pop():
            return
        if request.request == RecoveryKind.RETRANSMIT:
            part = self.journal[request.last_sequence : request.current_sequence - 1]
            begin, end = request.last_sequence + 1, request.current_sequence - 1
            self._word(RecoveryResponse(0, begin, end, 1, SOURCE, len(part)))
            self.answers += part
            self._word(RecoveryResponse(0, begin, end, 2, SOURCE, len(part)))
        else:
            after = max(request.current_sequence - 1, 0)
            for phase in (1, 2):
                self._word(Snapshot(1, phase, self.domain, SOURCE, after, EPOCH, 0, 0))

    def reconnect(self, reason):
        self.reconnects += 1
        self.follower.on_disconnect()
        self.follower.on_join(self.now_ns)

    def give(self, message):
        self.follower.on_message(message, encode(message), self.now_ns)
        while self.answers:
            answer = self.answers.pop(0)
            self.follower.on_message(answer, encode(answer), self.now_ns)

    def _word(self, tlv):
        self.answers.append(Message(Header(self.domain, 81, 0, 0, 1), (tlv,)))


@settings(deadline=None)
@given(
    st.integers(0, 2**32),
    st.sampled_from([1, 2, 3]),
    st.integers(150, 400),
    st.lists(st.booleans(), max_size=12),
    st.randoms(use_true_random=False),
)
def test_what_arrives_in_pieces_comes_out_in_sequence(_, domain, count, losses, rng):
    model = Model(domain, count, losses)
    waiting = []
    for message in model.journal:
        fate = rng.random()
        if fate < 0.2 or 60 < message.header.sequence < 60 + rng.choice((0, 150)):
            continue
        waiting.append(message)
        if fate > 0.9:
            waiting.append(message)
        if fate > 0.8 and len(waiting) > 1:
            waiting[-1], waiting[-2] = waiting[-2], waiting[-1]
    waiting.insert(0, model.journal[0])
    for message in (*waiting, model.journal[-1]):
        model.give(message)
        model.now_ns += 1_000_000
    for _tick in range(80):
        model.now_ns += 600_000_000
        model.follower.on_tick(model.now_ns)
        model.give(model.journal[-1])
    numbers = [m.header.sequence for m in model.heard if m.header.source == SOURCE]
    assert numbers == sorted(set(numbers))
    (stream,) = model.follower.streams()
    assert stream.expected == count + 1
    assert not stream.held
    if domain != 1:
        assert numbers == list(range(1, count + 1)) or model.follower.lost > 0
        assert model.follower.lost == count - len(numbers)
    elif len(numbers) < count:
        actions = [m.first(StateInvalidation) for m in model.heard if m.header.sequence == 0]
        assert actions or not stream.announced.venues
