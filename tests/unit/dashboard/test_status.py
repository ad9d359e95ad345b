"""The gravest thing that is true stands above everything. Covers: O4"""

import pytest

from alphapulse.dashboard.facts import Facts
from alphapulse.dashboard.fake_stream import FakeStream
from alphapulse.dashboard.replica import Replica
from alphapulse.dashboard.status import SILENT_NS, status_of
from alphapulse.protocol.execution import StopAction
from alphapulse.protocol.market_data import InvalidationAction

LIVE = Facts(31337, "devnet", is_live=True)
DRY = Facts(31337, "devnet", is_live=False)


@pytest.fixture
def stream():
    return FakeStream(1_700_000_000 * 10**9)


@pytest.fixture
def replica(stream):
    made = Replica()
    feed(made, *stream.begin())
    return made


def feed(replica, *messages):
    for message in messages:
        replica.on_message(message, message.header.timestamp_ns)


def test_starting_watching_and_dry_run(stream, replica):
    assert status_of(Replica(), LIVE, 0).name == "starting"
    assert status_of(replica, LIVE, stream.now_ns).name == "watching"
    assert status_of(replica, DRY, stream.now_ns).name == "dry run"


def test_silence_is_told(stream, replica):
    assert status_of(replica, LIVE, replica.block_ns + SILENT_NS).name == "watching"
    status = status_of(replica, LIVE, replica.block_ns + SILENT_NS + 30 * 10**9)
    assert (status.name, status.detail) == ("no news", "the last block was closed 90 s ago")


def test_stale_is_graver_than_silence_and_a_stop_than_both(stream, replica):
    feed(replica, stream.invalidation(InvalidationAction.STALE, stream.pools[0].instrument))
    status = status_of(replica, DRY, replica.block_ns + 10 * SILENT_NS)
    assert status.name == "state stale"
    assert status.detail.startswith("1 of 3 pools")
    feed(replica, stream.stop())
    status = status_of(replica, DRY, stream.now_ns)
    assert (status.name, status.detail) == ("trading stopped", "all strategies paused: daily loss")
    feed(replica, stream.stop(StopAction.EXIT, strategy=1))
    assert status_of(replica, DRY, stream.now_ns).detail == (
        "strategy 1 must leave the market: daily loss; all strategies paused: daily loss"
    )
