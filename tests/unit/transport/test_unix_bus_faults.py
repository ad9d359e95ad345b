"""What a process on relays makes of lost, doubled, late and cut messages, over a link without sockets.

Oracle: the sequence that was produced. Every fault is drawn from a seed that the test's name shows.
"""

import asyncio
import random
import time
from pathlib import Path

import pytest

from alphapulse.errors import EndpointDown, InvariantError, LimitExceeded, Misconfigured
from alphapulse.protocol.market_data import InvalidationAction, StateInvalidation
from alphapulse.protocol.system import SequenceSync, SyncReason
from alphapulse.transport.bus import LinkState
from alphapulse.transport.fake import FakeRelay, Faults
from alphapulse.transport.sequence import Sequencer
from alphapulse.transport.settings import UnixConfig
from alphapulse.transport.unix import UnixBus
from support.links import joined, live, said, swaps, until


def config(name, *, produces=(), consumes=(1, 2, 3, 4), **options):
    return UnixConfig(
        name=f"{name}:1",
        directory=Path("unused"),
        produces=frozenset(produces),
        consumes=frozenset(consumes),
        reconnect_min_ms=5,
        reconnect_max_ms=20,
        **options,
    )


def run(test):
    asyncio.run(asyncio.wait_for(test, 30))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("domain", [1, 2, 3])
def test_lost_doubled_and_late_messages_heal_to_the_produced_sequence(domain, seed):
    async def scenario():
        faults = Faults(seed=seed, drop=30, double=30, late=30)
        relay = FakeRelay(time.time_ns, faults=faults)
        key = (domain, 20)
        async with (
            joined(UnixBus, config("desk", produces=[key], consumes=()), dial=relay.dial) as (a, _),
            joined(UnixBus, config("books"), dial=relay.dial) as (b, heard),
        ):
            for number in range(1_500):
                a.publish(said(*key, number))
                if number % 50 == 49:
                    await asyncio.sleep(0.002)
            await until(lambda: len(heard.of(*key)) >= 1_500 or a.publish(said(*key, 0)))
            assert heard.numbers(*key)[:1_500] == list(range(1_500))
            assert b.link_statistics().lost == 0
            assert sum(one.duplicates for one in b.link_statistics().sources) > 0
            assert b.link_statistics().recoveries > 0

    run(scenario())


@pytest.mark.parametrize("domain", [1, 3])
def test_a_flipped_bit_is_a_gap_and_heals(domain):
    async def scenario():
        relay = FakeRelay(time.time_ns, faults=Faults(seed=7, flip=50))
        key = (domain, 20)
        async with (
            joined(UnixBus, config("desk", produces=[key], consumes=()), dial=relay.dial) as (a, _),
            joined(UnixBus, config("books"), dial=relay.dial) as (b, heard),
        ):
            for number in range(600):
                a.publish(said(*key, number))
                if number % 50 == 49:
                    await asyncio.sleep(0.002)
            relay.faults = Faults()
            a.publish(said(*key, 600))
            await until(lambda: len(heard.of(*key)) == 601)
            assert heard.numbers(*key) == list(range(601))
            assert b.link_statistics().invalid > 5
            assert b.link_statistics().lost == 0

    run(scenario())


@pytest.mark.parametrize("seed", range(2))
def test_cut_connections_lose_nothing_of_a_lossless_domain(seed):
    async def scenario():
        relay = FakeRelay(time.time_ns, faults=Faults(seed=seed, cut=4))
        key = (3, 42)
        async with (
            joined(UnixBus, config("desk", produces=[key], consumes=(4,)), dial=relay.dial) as (
                a,
                _,
            ),
            joined(UnixBus, config("books"), dial=relay.dial) as (b, heard),
        ):
            for number in range(1_500):
                a.publish(said(*key, number))
                if number % 20 == 19:
                    await asyncio.sleep(0.002)
            await until(lambda: len(heard.of(*key)) >= 1_500)
            assert heard.numbers(*key) == list(range(1_500))
            assert b.link_statistics().reconnects > 0

    run(scenario())


def test_a_relay_that_forgot_everything_gets_it_again_from_the_producer():
    async def scenario():
        relay = FakeRelay(time.time_ns)
        key = (2, 20)
        states = []
        async with (
            joined(UnixBus, config("desk", produces=[key]), dial=relay.dial) as (a, _),
            joined(UnixBus, config("books"), dial=relay.dial) as (b, heard),
        ):
            b.on_state(states.append)
            for number in range(300):
                a.publish(said(*key, number))
            await until(lambda: len(heard.of(*key)) == 300)
            relay.stop()
            for number in range(300, 700):
                a.publish(said(*key, number))
            await until(lambda: b.state is LinkState.LOST)
            relay.start()
            await live(a, b)
            for number in range(700, 800):
                a.publish(said(*key, number))
            await until(lambda: len(heard.of(*key)) >= 800)
            assert heard.numbers(*key) == list(range(800))
            assert len([d for d in relay.journals[key] if d]) >= 800
            assert states[0] is LinkState.LOST
            assert LinkState.LIVE in states

    run(scenario())


def test_state_of_a_lost_market_connection_is_forbidden_until_nothing_is_missing():
    async def scenario():
        relay = FakeRelay(time.time_ns)
        rng = random.Random(5)
        async with (
            joined(UnixBus, config("desk", produces=[(1, 6)]), dial=relay.dial) as (a, _),
            joined(UnixBus, config("books"), dial=relay.dial) as (b, heard),
        ):
            a.publish_all(swaps(rng, 3))
            await until(lambda: len(heard.of(1, 6)) == 3)
            relay.disconnect()
            a.publish_all(swaps(rng, 4, block=2))
            await live(a, b)
            await until(lambda: len(heard.of(1, 6)) == 7)
            notices = [m for m in heard.messages if m.header.sequence == 0]
            places = [heard.messages.index(m) for m in notices]
            actions = [m.first(StateInvalidation).action for m in notices]
            assert actions[0] == InvalidationAction.STALE
            assert actions[-1] == InvalidationAction.RESUME
            assert places[0] == 3
            assert all(m.header.source == 80 for m in notices)
            assert {m.first(StateInvalidation).instrument.venue for m in notices} == {301}
            assert b.link_statistics().lost == 0

    run(scenario())


def test_a_long_gap_of_market_data_is_answered_by_a_snapshot_after_a_reset():
    async def scenario():
        relay = FakeRelay(time.time_ns)
        rng = random.Random(6)
        async with (
            joined(UnixBus, config("desk", produces=[(1, 6)]), dial=relay.dial) as (a, _),
            joined(UnixBus, config("books"), dial=relay.dial) as (_, heard),
        ):
            a.publish_all(swaps(rng, 2))
            await until(lambda: len(heard.of(1, 6)) == 2)
            relay.faults = Faults(drop=1_000)
            a.publish_all(swaps(rng, 150, block=2))
            await asyncio.sleep(0.01)
            relay.faults = Faults()
            a.publish_all(swaps(rng, 1, block=3))
            await until(lambda: len(heard.of(1, 6)) >= 52)
            actions = [
                m.first(StateInvalidation).action for m in heard.messages if m.header.sequence == 0
            ]
            assert actions == [InvalidationAction.STALE, InvalidationAction.RESET]
            assert [m.header.sequence for m in heard.of(1, 6)][-50:] == list(range(104, 154))
            assert [r.request for r in relay.requests] == [2]

    run(scenario())


def test_a_long_gap_of_a_lossless_domain_is_asked_for_in_pieces():
    async def scenario():
        relay = FakeRelay(time.time_ns)
        key = (3, 42)
        async with (
            joined(UnixBus, config("desk", produces=[key]), dial=relay.dial) as (a, _),
            joined(UnixBus, config("books"), dial=relay.dial) as (_, heard),
        ):
            relay.faults = Faults(drop=1_000)
            a.publish_all(said(*key, number) for number in range(350))
            await asyncio.sleep(0.01)
            relay.faults = Faults()
            a.publish(said(*key, 350))
            await until(lambda: len(heard.of(*key)) == 351)
            assert heard.numbers(*key) == list(range(351))
            asked = [(r.request, r.current_sequence - r.last_sequence - 1) for r in relay.requests]
            assert asked == [(1, 99), (1, 99), (1, 99), (1, 53)]

    run(scenario())


def test_what_no_journal_holds_is_counted_and_said():
    async def scenario():
        relay = FakeRelay(time.time_ns, kept=10)
        key = (2, 20)
        async with (
            joined(UnixBus, config("desk", produces=[key]), dial=relay.dial) as (a, _),
            joined(UnixBus, config("books"), dial=relay.dial) as (b, heard),
        ):
            relay.faults = Faults(drop=1_000)
            a.publish_all(said(*key, number) for number in range(60))
            await asyncio.sleep(0.01)
            relay.faults = Faults()
            relay.journals[key] = relay.journals[key][40:]
            relay._first[key] = 41
            a.publish(said(*key, 60))
            await until(lambda: heard.of(*key))
            assert heard.numbers(*key) == list(range(51, 61))
            lost = next(m for m in heard.messages if m.header.sequence == 0).first(SequenceSync)
            assert (lost.dropped, lost.source, lost.reason) == (
                51,
                20,
                SyncReason.JOURNAL_TOO_SHORT,
            )
            assert b.link_statistics().lost == 51

    run(scenario())


def test_a_producer_that_begins_again_is_a_new_run_and_no_gap():
    async def scenario():
        relay = FakeRelay(time.time_ns)
        key = (2, 20)
        async with joined(UnixBus, config("books"), dial=relay.dial) as (b, heard):
            for _ in range(2):
                desk = config("desk", produces=[key], consumes=())
                async with joined(UnixBus, desk, dial=relay.dial) as (a, _):
                    a.publish_all(said(*key, number) for number in range(5))
                await until(lambda: len(heard.of(*key)) % 5 == 0)
            assert [m.header.sequence for m in heard.of(*key)] == [1, 2, 3, 4, 5] * 2
            (stream,) = (one for one in b.link_statistics().sources if one.source == 20)
            assert (stream.gaps, stream.duplicates) == (0, 0)

    run(scenario())


def test_a_run_that_began_while_nobody_was_connected_is_heard_whole():
    async def scenario():
        relay = FakeRelay(time.time_ns)
        key = (2, 20)
        async with joined(UnixBus, config("books"), dial=relay.dial) as (b, heard):
            async with joined(
                UnixBus, config("desk", produces=[key], consumes=()), dial=relay.dial
            ) as (
                a,
                _,
            ):
                a.publish_all(said(*key, number) for number in range(9))
                await until(lambda: len(heard.of(*key)) == 9)
            relay.is_up = False
            relay.disconnect()
            await until(lambda: b.state is LinkState.LOST)
            relay.is_up = True
            async with joined(
                UnixBus, config("desk", produces=[key], consumes=()), dial=relay.dial
            ) as (
                a,
                _,
            ):
                a.publish_all(said(*key, number) for number in range(20, 25))
                await until(lambda: len(heard.of(*key)) == 14)
            assert heard.numbers(*key) == [*range(9), *range(20, 25)]

    run(scenario())


def test_a_late_joiner_takes_a_snapshot_or_all_of_history():
    async def scenario():
        relay = FakeRelay(time.time_ns, kept=10)
        key = (2, 20)
        async with joined(UnixBus, config("desk", produces=[key]), dial=relay.dial, epoch=99) as (
            a,
            _,
        ):
            a.publish_all(said(*key, number) for number in range(250))
            await a.drain(timeout_s=1)
            async with (
                joined(UnixBus, config("late"), dial=relay.dial) as (late, few),
                joined(UnixBus, config("archive", history=True), dial=relay.dial) as (_, all_of_it),
            ):
                a.publish(said(*key, 250))
                await until(lambda: len(few.of(*key)) == 11 and len(all_of_it.of(*key)) == 251)
                assert few.numbers(*key) == list(range(240, 251))
                assert all_of_it.numbers(*key) == list(range(251))
                assert (late.epoch_of(*key), late.epoch_of(2, 21), a.epoch_of(*key)) == (99, 0, 99)

    run(scenario())


def test_a_producer_that_cannot_send_is_stalled_and_comes_back():
    async def scenario():
        relay = FakeRelay(time.time_ns)
        key = (3, 42)
        desk = config("desk", produces=[key], stall_ms=200)
        async with joined(UnixBus, desk, dial=relay.dial) as (a, _):
            states = []
            a.on_state(states.append)
            relay.block()
            started = time.monotonic()
            while a.state is not LinkState.STALLED:
                a.publish(said(*key, 1))
                await asyncio.sleep(0.01)
                assert time.monotonic() - started < 2
            relay.unblock()
            await live(a)
            assert states == [LinkState.STALLED, LinkState.LIVE]

    run(scenario())


def test_a_relay_that_takes_and_does_not_acknowledge_stalls_the_producer():
    async def scenario():
        relay = FakeRelay(time.time_ns)
        desk = config("desk", produces=[(3, 42)], consumes=(4,), stall_ms=100, heartbeat_ms=100)
        async with joined(UnixBus, desk, dial=relay.dial) as (a, _):
            relay.acknowledges = False
            a.publish(said(3, 42, 1))
            await until(lambda: relay.beat() or a.state is LinkState.STALLED)
            relay.acknowledges = True
            a.publish(said(3, 42, 2))
            await until(lambda: relay.beat() or a.state is LinkState.LIVE)

    run(scenario())


def test_a_silent_relay_is_left_and_joined_again():
    async def scenario():
        relay = FakeRelay(time.time_ns)
        books = config("books", heartbeat_ms=60)
        async with joined(UnixBus, books, dial=relay.dial) as (b, _):
            await until(lambda: b.link_statistics().reconnects > 0)
            await until(lambda: relay.beat() or b.state is LinkState.LIVE)

    run(scenario())


def test_a_relay_that_lost_a_producers_base_asks_the_node_for_it():
    async def scenario():
        relay = FakeRelay(time.time_ns)
        wanted = []
        async with joined(UnixBus, config("desk", produces=[(1, 6)]), dial=relay.dial) as (a, _):
            a.on_base_wanted(lambda domain, source: wanted.append((domain, source)))
            relay.want_base(1, 6)
            await until(lambda: wanted == [(1, 6)])

    run(scenario())


def test_the_bus_says_a_heartbeat_of_each_producer_that_is_quiet():
    async def scenario():
        relay = FakeRelay(time.time_ns)
        desk = config("desk", produces=[(2, 20), (4, 62)], heartbeat_ms=60, consumes=())
        async with (
            joined(UnixBus, desk, dial=relay.dial) as (a, own),
            joined(UnixBus, config("books"), dial=relay.dial) as (_, heard),
        ):
            await until(lambda: heard.beats >= 6)
            assert own.beats >= heard.beats
            a.publish(said(2, 20, 0))
            await until(lambda: heard.of(2, 20))
            assert heard.of(2, 20)[0].header.sequence > 1

    run(scenario())


def test_an_outbox_of_a_lossless_domain_refuses_rather_than_forgets():
    async def scenario():
        relay = FakeRelay(time.time_ns)
        desk = config("desk", produces=[(3, 42), (1, 6)], retained_messages=10)
        async with joined(UnixBus, desk, dial=relay.dial) as (a, _):
            relay.stop()
            await until(lambda: a.state is LinkState.LOST)
            a.publish_all(said(1, 6, number) for number in range(30))
            assert a.link_statistics().lost >= 20
            with pytest.raises(LimitExceeded, match="none may be dropped"):
                a.publish_all(said(3, 42, number) for number in range(30))

    run(scenario())


def test_a_subscriber_that_fails_on_a_foreign_message_ends_the_bus_visibly():
    async def scenario():
        relay = FakeRelay(time.time_ns)

        def failing(message, now_ns):
            if message.header.source == 20:
                raise KeyError("mistake")

        async with (
            joined(UnixBus, config("desk", produces=[(2, 20)]), dial=relay.dial) as (a, _),
            joined(UnixBus, config("books"), dial=relay.dial) as (b, _),
        ):
            b.subscribe(failing, name="failing")
            a.publish(said(2, 20, 1))
            with pytest.raises(KeyError):
                await b.failed()

    asyncio.run(asyncio.wait_for(scenario(), 30))


def test_own_words_and_wrong_settings_are_refused():
    async def scenario():
        relay = FakeRelay(time.time_ns)
        async with joined(UnixBus, config("desk", produces=[(2, 20)]), dial=relay.dial) as (a, _):
            with pytest.raises(InvariantError, match=r"must hold \(2, 21\)"):
                a.publish(said(2, 21, 1))
        relay.stop()
        async with UnixBus.open(
            config("desk"), Sequencer(1), time.time_ns, dial=relay.dial
        ) as alone:
            with pytest.raises(EndpointDown, match=r"`desk:1` is not linked .* relay is down"):
                await alone.linked(timeout_s=0.05)
            assert alone.state is LinkState.LINKING
        assert alone.state is LinkState.CLOSED
        for wrong in (
            UnixConfig(name="desk", directory=Path()),
            config("desk", produces=[(5, 1)]),
            config("desk", produces=[(1, 80)]),
            config("desk", consumes=(0,)),
            config("desk", consumes=()),
        ):
            with pytest.raises(Misconfigured):
                async with UnixBus.open(wrong, Sequencer(1), time.time_ns):
                    pass

    run(scenario())
