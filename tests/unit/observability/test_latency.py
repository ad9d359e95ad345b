"""Percentiles of a bounded window. Oracle: the definition of nearest rank on the sorted list."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alphapulse.errors import InvariantError
from alphapulse.observability.latency import LatencyPercentiles, LatencyRecorder


def test_nothing_recorded_is_all_zero():
    assert LatencyRecorder(3).percentiles() == LatencyPercentiles(0, 0, 0, 0)


def test_a_step_back_of_the_clock_is_no_negative_latency():
    recorder = LatencyRecorder(3)
    recorder.record(-5)
    assert recorder.percentiles() == LatencyPercentiles(0, 0, 0, 1)


@pytest.mark.parametrize("capacity", [0, -1])
def test_a_window_has_room(capacity):
    with pytest.raises(InvariantError, match="capacity"):
        LatencyRecorder(capacity)


@given(st.lists(st.integers(0, 2**62), min_size=1), st.integers(1, 20))
def test_the_window_is_the_last_ones_and_the_maximum_is_of_all(values, capacity):
    recorder = LatencyRecorder(capacity)
    for value in values:
        recorder.record(value)
    window = sorted(values[-capacity:])
    seen = recorder.percentiles()
    assert seen.p50_ns == window[math.ceil(len(window) / 2) - 1]
    assert seen.p99_ns == window[-(-len(window) * 99 // 100) - 1]
    assert (seen.max_ns, seen.count) == (max(values), len(values))
