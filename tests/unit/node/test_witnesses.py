"""When a desk that is alone in its process may trade. Covers: O2."""

from __future__ import annotations

import pytest

from alphapulse.archive.manifest import ArchiveState
from alphapulse.node.witnesses import INTERVALS, Witnesses
from alphapulse.protocol.header import Domain, Header, Source
from alphapulse.protocol.message import Message
from alphapulse.protocol.system import HealthStatus, Heartbeat, SequenceSync, SyncReason
from alphapulse.transport.bus import LinkState

INTERVAL_S = 1.0
SECOND = 10**9


class Frames:
    state = ArchiveState.OPEN

    def record_frame(self, payload: bytes, recv_ns: int, name: str) -> None: ...


class Scene:
    """A clock and a link that the test moves."""

    def __init__(self) -> None:
        self.now_ns = 100 * SECOND
        self.link = LinkState.LIVE
        self.frames = Frames()
        self.sequence = 1
        self.guard = Witnesses(
            {Source.RISK: "risk", Source.ARCHIVER: "the archiver"},
            frames=self.frames,  # type: ignore[arg-type]
            link=lambda: self.link,
            interval_s=INTERVAL_S,
            clock_ns=lambda: self.now_ns,
        )

    def beat(self, source: int, status: int = HealthStatus.OK, *, domain: int = Domain.SYSTEM):
        self.sequence += 1
        tlv = Heartbeat(event_ns=1, status=status, source=source, interval=1000)
        self.guard.on_message(Message(Header(domain, source, 0, self.sequence, 1), (tlv,)), 1)

    def begin(self, source: int) -> None:
        sync = SequenceSync(
            epoch=9, next_sequence=1, dropped=0, source=source, reason=SyncReason.PRODUCER_START
        )
        beat = Heartbeat(event_ns=1, status=HealthStatus.OK, source=source, interval=1000)
        self.guard.on_message(Message(Header(Domain.SYSTEM, source, 0, 1, 1), (beat, sync)), 1)


@pytest.fixture
def scene() -> Scene:
    made = Scene()
    made.beat(Source.RISK)
    made.beat(Source.ARCHIVER)
    assert made.guard.is_open()
    return made


def test_nobody_is_heard_at_first() -> None:
    fresh = Scene()
    assert fresh.guard.closed_by() == "risk is not heard"
    fresh.beat(Source.RISK)
    assert fresh.guard.closed_by() == "the archiver is not heard"


@pytest.mark.parametrize(
    ("silent", "speaking"), [(Source.RISK, Source.ARCHIVER), (Source.ARCHIVER, Source.RISK)]
)
def test_three_missing_heartbeats_of_one_close_it_until_it_is_heard(
    scene: Scene, silent: int, speaking: int
) -> None:
    scene.now_ns += INTERVALS * SECOND
    scene.beat(speaking)
    assert scene.guard.is_open(), "three intervals are not over"
    scene.now_ns += 1
    scene.beat(speaking)
    assert "is not heard" in scene.guard.closed_by()
    assert scene.guard.health() == HealthStatus.UNHEALTHY
    scene.beat(silent)
    assert scene.guard.is_open()


def test_only_its_own_heartbeats_of_the_system_domain_count(scene: Scene) -> None:
    scene.now_ns += (INTERVALS + 1) * SECOND
    scene.beat(Source.ARCHIVER)
    scene.beat(Source.RISK, domain=Domain.EXECUTION)
    scene.beat(Source.DASHBOARD)
    assert scene.guard.closed_by() == "risk is not heard"


@pytest.mark.parametrize("state", [LinkState.STALLED, LinkState.CLOSED, LinkState.LINKING])
def test_what_does_not_leave_closes_it(scene: Scene, state: LinkState) -> None:
    scene.link = state
    assert scene.guard.closed_by() == f"the bus is {state}"
    scene.link = LinkState.LOST
    assert scene.guard.is_open(), "heartbeats say the rest"


def test_unhealthy_stays_until_the_witness_starts_anew(scene: Scene) -> None:
    scene.beat(Source.ARCHIVER, HealthStatus.UNHEALTHY)
    scene.beat(Source.ARCHIVER)
    assert scene.guard.closed_by() == "the archiver is unhealthy"
    scene.begin(Source.ARCHIVER)
    assert scene.guard.is_open()


def test_degraded_is_told_and_closes_nothing(scene: Scene) -> None:
    scene.beat(Source.RISK, HealthStatus.DEGRADED)
    assert scene.guard.is_open()
    assert scene.guard.health() == HealthStatus.DEGRADED


def test_a_record_of_frames_that_ended_closes_it(scene: Scene) -> None:
    scene.frames.state = ArchiveState.INCOMPLETE
    assert scene.guard.closed_by() == "the record of frames has ended"
