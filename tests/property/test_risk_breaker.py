"""The breaker is monotone in its limit, latches, and says the same when the record is played again."""

from hypothesis import given
from hypothesis import strategies as st

from alphapulse.risk.circuit_breakers import DAY_NS
from alphapulse.risk.monitor import RiskConfig, RiskMonitor
from support.results import result, said, stop

RESULTS = st.lists(
    st.tuples(st.integers(1, 30), st.integers(-500, 300), st.sampled_from([0, 1, 3])), max_size=40
)
STEPS = st.lists(st.integers(0, DAY_NS // 3), min_size=40, max_size=40)


def messages_of(results, steps):
    now_ns = 20_000 * DAY_NS
    for (signal_id, usd, flags), step in zip(results, steps, strict=False):
        now_ns += step
        yield said(result(signal_id, usd=usd, flags=flags), now_ns=now_ns)


def first_trip(limit, messages):
    monitor = RiskMonitor(RiskConfig(limit))
    for number, message in enumerate(messages):
        if list(monitor.on_message(message, message.header.timestamp_ns)):
            return number
    return None


@given(RESULTS, STEPS, st.integers(0, 2_000), st.integers(0, 2_000))
def test_a_smaller_limit_never_trips_later(results, steps, limit, other):
    small, large = sorted((limit, other))
    messages = list(messages_of(results, steps))
    late = first_trip(large, messages)
    if late is not None:
        early = first_trip(small, messages)
        assert early is not None
        assert early <= late


@given(RESULTS, STEPS, st.integers(0, 1_500))
def test_the_trip_is_where_the_plain_sum_says(results, steps, limit):
    """Oracle: the day's sum over the latest report of each signal, from the whole list each time."""
    messages = list(messages_of(results, steps))
    expected = None
    for number in range(len(messages)):
        latest, day_of, today = {}, {}, 0
        for message in messages[: number + 1]:
            tlv = message.tlvs[0]
            if tlv.flags & 2:
                continue
            today = message.header.timestamp_ns // DAY_NS
            day_of.setdefault(tlv.signal_id, today)
            latest[tlv.signal_id] = tlv.profit_usd
        real = not messages[number].tlvs[0].flags & 2
        loss = -sum(usd for key, usd in latest.items() if day_of[key] == today)
        if real and loss >= limit:
            expected = number
            break
    assert first_trip(limit, messages) == expected


@given(
    st.lists(st.one_of(st.tuples(st.integers(1, 9), st.integers(-900, 300)), st.none())),
    st.lists(st.integers(0, DAY_NS), min_size=60, max_size=60),
)
def test_open_means_that_nothing_but_a_reset_follows_and_replays_are_identical(events, steps):
    now_ns, played = 20_000 * DAY_NS, []
    for event, step in zip(events, steps, strict=False):
        now_ns += step
        tlv = stop(2) if event is None else result(event[0], usd=event[1])
        played.append(said(tlv, now_ns=now_ns))
    runs = []
    for _ in range(2):
        monitor, said_drafts = RiskMonitor(RiskConfig(1_000)), []
        for message in played:
            was_open = monitor.statistics().is_open
            drafts = list(monitor.on_message(message, message.header.timestamp_ns))
            is_resume = message.tlvs[0] == stop(2)
            if was_open and not is_resume:
                assert drafts == []
                assert monitor.statistics().is_open
            if drafts and not is_resume:
                assert monitor.statistics().is_open
            said_drafts.append(drafts)
        runs.append((said_drafts, monitor.statistics()))
    assert runs[0] == runs[1]
