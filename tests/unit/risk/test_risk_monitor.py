"""The daily loss breaker: trips once, stays open, resumes only by command and only when it may.

Covers: O2, O3.
"""

import pytest

from alphapulse.errors import Misconfigured
from alphapulse.protocol.codec import encode
from alphapulse.protocol.execution import CircuitBreaker, EmergencyStop
from alphapulse.protocol.system import TraceContext
from alphapulse.risk.circuit_breakers import DAY_NS, RESULTS_KEPT, DailyLoss
from alphapulse.risk.monitor import RiskConfig, RiskMonitor
from alphapulse.transport.sequence import Sequencer
from support.results import result, said, stop, trace_for

DAY = 19_000
NOON = DAY * DAY_NS + DAY_NS // 2
PAUSE, RESUME = 1, 2


def make(limit=1_000):
    return RiskMonitor(RiskConfig(daily_loss_limit_usd_e8=limit))


def tell(monitor, tlv, now_ns=NOON, **options):
    return list(monitor.on_message(said(tlv, now_ns=now_ns, **options), now_ns))


def lose(monitor, signal_id, amount, now_ns=NOON, **options):
    return tell(monitor, result(signal_id, status=2, usd=-amount, profit=0, **options), now_ns)


def test_the_stop_goes_out_once_when_the_loss_reaches_the_limit():
    monitor = make()
    assert lose(monitor, 1, 999) == []
    stopped, opened = lose(monitor, 2, 1)
    assert stopped.tlvs[0] == EmergencyStop(
        reason=1, action=PAUSE, affected_strategies=65_535, event_ns=NOON
    )
    breaker = opened.tlvs[0]
    assert (breaker.breaker, breaker.scope, breaker.action) == (1, 2, 1)
    assert (breaker.observed, breaker.threshold, breaker.duration) == (1_000, 1_000, 0)
    assert {(draft.domain, draft.source) for draft in (stopped, opened)} == {(3, 41)}
    assert [draft.tlvs[1].trace_id for draft in (stopped, opened)] == [trace_for(2).trace_id] * 2
    assert len({draft.tlvs[1].span_id for draft in (stopped, opened)} | {2}) == 3
    assert lose(monitor, 3, 5_000) == []
    assert monitor.statistics().trips == 1
    for draft in (stopped, opened):
        encode(Sequencer(1).stamp(draft, NOON))


def test_gains_of_the_day_stand_against_losses():
    monitor = make()
    assert tell(monitor, result(1, usd=500)) == []
    assert lose(monitor, 2, 1_499) == []
    assert len(lose(monitor, 3, 1)) == 2


def test_simulated_and_replayed_results_and_other_domains_do_not_count():
    monitor = make()
    assert lose(monitor, 1, 5_000, flags=3) == []
    assert lose(monitor, 2, 5_000, flags=2) == []
    assert tell(monitor, result(3, usd=-5_000), flags=0x20) == []
    assert tell(monitor, result(4, usd=-5_000), domain=2) == []
    statistics = monitor.statistics()
    assert (statistics.simulated, statistics.replayed, statistics.results) == (2, 1, 0)
    assert statistics.loss_usd_e8 == 0


def test_a_result_counts_once_and_its_final_report_corrects_it():
    monitor = make()
    for flags in (0, 1, 1):
        assert lose(monitor, 1, 600, flags=flags) == []
    assert monitor.statistics().loss_usd_e8 == 600
    lose(monitor, 1, 700)
    assert monitor.statistics().loss_usd_e8 == 700


def test_a_gain_that_leaves_the_chain_again_is_a_loss_of_the_day():
    monitor = make()
    tell(monitor, result(1, usd=5_000, flags=0))
    assert lose(monitor, 2, 1_200) == []
    nothing = result(1, status=3, usd=0, profit=0, gas_cost=0, tx=bytes(32))
    assert len(tell(monitor, nothing)) == 2
    assert monitor.statistics().loss_usd_e8 == 1_200


def test_a_plan_that_never_ran_counts_nothing():
    monitor = make(0)
    nothing = result(1, status=4, usd=0, profit=0, gas_cost=0, tx=bytes(32))
    assert tell(monitor, nothing) == []
    assert not monitor.statistics().is_open


def test_midnight_begins_a_new_count_but_resumes_nothing():
    monitor = make()
    assert lose(monitor, 1, 999) == []
    tomorrow = (DAY + 1) * DAY_NS
    assert lose(monitor, 2, 999, now_ns=tomorrow) == []
    assert len(lose(monitor, 3, 1, now_ns=tomorrow + 1)) == 2
    later = tomorrow + 3 * DAY_NS
    assert list(monitor.on_timer(later)) == []
    assert monitor.statistics().is_open
    assert lose(monitor, 4, 50_000, now_ns=later) == []


def test_the_last_nanosecond_belongs_to_the_day():
    monitor = make()
    midnight = (DAY + 1) * DAY_NS
    lose(monitor, 1, 500, now_ns=midnight - 1)
    assert monitor.statistics().loss_usd_e8 == 500
    monitor.on_timer(midnight)
    assert (monitor.statistics().loss_usd_e8, monitor.statistics().day) == (0, DAY + 1)


def test_a_clock_that_steps_back_does_not_bring_yesterday_back():
    monitor = make()
    lose(monitor, 1, 500)
    lose(monitor, 2, 400, now_ns=NOON - DAY_NS)
    assert monitor.statistics().loss_usd_e8 == 900


def test_a_late_report_of_yesterday_does_not_change_today():
    monitor = make()
    lose(monitor, 1, 900, flags=0)
    assert lose(monitor, 1, 950, now_ns=NOON + DAY_NS) == []
    assert monitor.statistics().loss_usd_e8 == 0


def test_a_resume_is_answered_with_the_stop_while_the_condition_holds():
    monitor = make()
    lose(monitor, 1, 1_000)
    stopped, opened = tell(monitor, stop(RESUME))
    assert (stopped.tlvs[0].action, opened.tlvs[0].action) == (PAUSE, 1)
    assert monitor.statistics().is_open
    assert monitor.statistics().resume_refused == 1


def test_a_resume_on_the_next_day_resets_and_the_breaker_can_trip_again():
    monitor = make()
    lose(monitor, 1, 1_000)
    tomorrow = NOON + DAY_NS
    (reset,) = tell(monitor, stop(RESUME), tomorrow)
    assert isinstance(reset.tlvs[0], CircuitBreaker)
    assert reset.tlvs[0].action == 2
    assert len(lose(monitor, 2, 1_000, now_ns=tomorrow)) == 2
    assert (monitor.statistics().trips, monitor.statistics().resumed) == (2, 1)


def test_a_resume_on_the_same_day_resets_when_the_loss_is_made_good():
    monitor = make()
    lose(monitor, 1, 1_000)
    tell(monitor, result(2, usd=300))
    (reset,) = tell(monitor, stop(RESUME))
    assert reset.tlvs[0].action == 2
    assert len(lose(monitor, 3, 300)) == 2


@pytest.mark.parametrize(
    ("tlv", "source"),
    [
        (stop(RESUME), 20),
        (stop(RESUME), 60),
        (stop(RESUME, affected=1), 42),
        (stop(PAUSE), 42),
        (stop(3), 42),
    ],
)
def test_what_is_no_resume_of_everything_from_an_authority_changes_nothing(tlv, source):
    monitor = make()
    lose(monitor, 1, 1_000)
    assert tell(monitor, tlv, NOON + DAY_NS, source=source) == []
    assert monitor.statistics().is_open


def test_a_resume_without_a_trip_says_nothing():
    assert tell(make(), stop(RESUME)) == []


def test_a_limit_of_zero_trips_at_the_first_result_without_gain():
    monitor = make(0)
    assert tell(monitor, result(1, usd=1)) == []
    assert len(lose(monitor, 2, 1)) == 2


def test_a_negative_limit_is_refused_with_its_remedy():
    with pytest.raises(Misconfigured, match="positive amount or 0, was -5; write"):
        make(-5)


def test_after_a_restart_the_day_goes_on():
    history = [
        (1, 1, -9_000, NOON - DAY_NS),
        (1, 2, -600, NOON - 2),
        (1, 3, -399, NOON - 1),
    ]
    monitor = make()
    assert monitor.restore(history, NOON) == ()
    assert monitor.statistics().loss_usd_e8 == 999
    assert lose(monitor, 3, 399) == [], "the final report of a restored result"
    assert len(lose(monitor, 4, 1)) == 2


def test_a_restart_into_a_lost_day_stops_at_once():
    monitor = make()
    stopped, opened = monitor.restore([(1, 1, -1_000, NOON - 1)], NOON)
    assert isinstance(stopped.tlvs[0], EmergencyStop)
    assert isinstance(opened.tlvs[1], TraceContext)


def test_memory_of_results_is_bounded():
    breaker = DailyLoss(10**12)
    for number in range(RESULTS_KEPT + 50):
        breaker.record((1, number), -1, NOON)
    assert breaker.loss_usd_e8 == RESULTS_KEPT + 50
    breaker.record((1, RESULTS_KEPT), -1, NOON)
    assert breaker.loss_usd_e8 == RESULTS_KEPT + 50, "a recent result is recognised"
    breaker.record((1, 0), -1, NOON)
    assert breaker.loss_usd_e8 == RESULTS_KEPT + 51, "an old one is forgotten"
