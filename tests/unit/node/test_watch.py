from dataclasses import replace

import pytest

from alphapulse.archive.manifest import ArchiveState
from alphapulse.execution.gate import TradingState
from alphapulse.node.watch import Condition, Watch
from alphapulse.observability.log import Event

LIVE = Condition(is_live=True)


@pytest.fixture
def told():
    return []


@pytest.fixture
def watch(told):
    return Watch(lambda event, **_: told.append(event))


def test_each_change_is_told_once(watch, told):
    for condition in (Condition(), LIVE, LIVE, Condition(), Condition(), LIVE):
        watch.look(condition)
    assert told == [Event.COLLECTOR_LIVE, Event.CONNECTION_LOST, Event.CONNECTION_RESTORED]


def test_a_gate_that_an_earlier_run_closed_is_told_at_once(watch, told):
    paused = replace(LIVE, trading=TradingState.PAUSED)
    for condition in (paused, paused, LIVE):
        watch.look(condition)
    assert told == [Event.COLLECTOR_LIVE, Event.GATE_CLOSED, Event.GATE_OPENED]


def test_archive_and_store(watch, told):
    for condition in (
        replace(LIVE, archive=ArchiveState.BEHIND),
        replace(LIVE, archive=ArchiveState.INCOMPLETE, archive_cause="disk full"),
        replace(LIVE, archive=ArchiveState.INCOMPLETE, store_error="locked"),
        replace(LIVE, archive=ArchiveState.INCOMPLETE, store_error="still locked"),
    ):
        watch.look(condition)
    assert told == [
        Event.COLLECTOR_LIVE,
        Event.ARCHIVE_BEHIND,
        Event.ARCHIVE_INCOMPLETE,
        Event.STORE_UNAVAILABLE,
    ]
