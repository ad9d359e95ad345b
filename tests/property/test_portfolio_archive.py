"""Books and breaker recomputed from the archive are those of the live run.

Covers: B3, P8.
"""

import random

import pytest

from alphapulse.archive.digest import DecisionDigest
from alphapulse.archive.reader import ArchiveReader
from alphapulse.archive.writer import ArchiveLimits, ArchiveWriter
from alphapulse.portfolio.portfolio import Portfolio
from alphapulse.portfolio.reports import summarise
from alphapulse.protocol.message import Draft
from alphapulse.risk.monitor import RiskConfig, RiskMonitor
from alphapulse.transport.local import LocalBus
from alphapulse.transport.sequence import Sequencer
from support.drafts import START_NS, block_draft, heartbeat_draft
from support.results import result, signal, stop, trace_for, tx_of

LIMIT = 500
OUR_SOURCES = (40, 41)


def history(rng):
    """Return what strategy, executor and collector say: drafts of a few hundred trades with reorganisations."""
    drafts = []
    for number in range(1, 200):
        drafts.append(Draft(2, 20, (signal(number), trace_for(number))))
        drafts.append(block_draft(number, block_hash=bytes([rng.randrange(1, 3)]) * 32))
        for flags in rng.choice([(0, 1), (1,), (0,), (3,)]):
            status = rng.choice([1, 1, 1, 2])
            profit = 0 if status == 2 else rng.randrange(500, 1_500)
            told = result(
                number,
                status=status,
                profit=profit,
                usd=rng.randrange(-400, 300),
                block=number,
                flags=flags,
                tx=tx_of(number, rng.randrange(2)),
            )
            drafts.append(Draft(3, 42, (told, trace_for(number))))
        if rng.random() < 0.1:
            drafts.append(block_draft(number, block_hash=b"\x09" * 32))
        if rng.random() < 0.05:
            drafts.append(Draft(3, 42, (stop(2), trace_for(number))))
        drafts.append(heartbeat_draft(START_NS))
    return drafts


class Books:
    def __init__(self):
        self.portfolio = Portfolio()
        self.risk = RiskMonitor(RiskConfig(LIMIT))
        self.digest = DecisionDigest()

    def hear(self, message, now_ns):
        answers = [*self.portfolio.on_message(message, now_ns)]
        answers += self.risk.on_message(message, now_ns)
        for answer in answers:
            self.digest.add_signal(answer)
        return answers

    def account(self):
        return (
            summarise(self.portfolio.ledger),
            self.portfolio.balances(),
            self.portfolio.statistics(),
            self.portfolio.drain(),
            self.risk.statistics(),
            self.digest.hexdigest(),
        )


@pytest.mark.parametrize("seed", range(4))
def test_the_archive_tells_the_same_story(tmp_path, seed):
    print(f"seed {seed}")
    rng = random.Random(seed)
    now_ns = START_NS
    live = Books()
    archive = ArchiveWriter(
        tmp_path / "a", lambda: START_NS, limits=ArchiveLimits(segment_rows=150)
    )

    def clock():
        nonlocal now_ns
        now_ns += rng.randrange(0, 2 * 3_600 * 10**9)
        return now_ns

    bus = LocalBus(Sequencer(START_NS), clock)
    bus.subscribe(lambda message, now_ns: archive.record_message(message), name="archive")
    bus.subscribe(lambda m, now_ns: bus.publish_all(live.hear(m, now_ns)), name="books")
    for draft in history(rng):
        bus.publish(draft)
    archive.close()

    replayed, said_then = Books(), []
    for message in ArchiveReader(tmp_path / "a").messages():
        if message.header.source in OUR_SOURCES:
            said_then.append(message.tlvs[0])
        replayed.hear(message, message.header.timestamp_ns)
    assert replayed.digest.count == live.digest.count == len(said_then) > 50
    assert replayed.account() == live.account()
    assert live.risk.statistics().trips > 0
