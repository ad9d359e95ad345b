"""What was missed can be had again: byte for byte from the journal, or as a snapshot."""

import asyncio
from zlib import crc32

from alphapulse.errors import JournalUnwritable
from alphapulse.protocol.execution import EmergencyStop
from alphapulse.protocol.header import Domain
from alphapulse.protocol.market_data import GasPrice, Quote, StateInvalidation
from alphapulse.protocol.system import (
    Error,
    ErrorCode,
    Heartbeat,
    RecoveryKind,
    RecoveryRequest,
    RecoveryResponse,
    RecoveryStatus,
    SequenceSync,
    Snapshot,
    SystemHealth,
)
from alphapulse.relays.journal_file import read_segment
from alphapulse.relays.service import serve_relays
from support.relay_client import EPOCH, Voice, consumer, pair, producer, relay_config, trade

MARKET, SIGNAL, EXECUTION = Domain.MARKET, Domain.SIGNAL, Domain.EXECUTION


def quote(number: int, price: int = 1, venue: int = 100) -> Quote:
    return Quote(pair(number, venue), price, 1, price + 1, 1, EPOCH)


def standing(client, source: int) -> int:
    """Return the sequence a source was last said to come next with, 0 when nothing was said."""
    return next(
        (s.next_sequence for s in reversed(client.of(SequenceSync)) if s.source == source), 0
    )


def test_a_gap_is_filled_with_the_original_bytes(tmp_path, run) -> None:
    async def scene() -> None:
        async with serve_relays(tmp_path), producer(tmp_path, SIGNAL, 20) as says:
            voice = Voice(SIGNAL, 20)
            sent = [voice() for _ in range(500)]
            says.write(b"".join(sent))
            await says.until(lambda: says.of(SequenceSync)[-1].next_sequence > 400)
            async with consumer(tmp_path, SIGNAL) as hears:
                await hears.until(
                    lambda: SequenceSync(EPOCH, 501, 0, 20, 2) in hears.of(SequenceSync)
                )
                hears.ask(20, 99, 301)
                await hears.first(RecoveryResponse, 2)
                assert hears.of(RecoveryResponse) == [
                    RecoveryResponse(1, 100, 300, RecoveryStatus.BEGIN, 20, 201),
                    RecoveryResponse(1, 100, 300, RecoveryStatus.END, 20, 201),
                ]
                assert hears.from_source(20) == sent[99:300]

    run(scene())


def test_what_the_journal_lost_comes_as_a_snapshot(tmp_path, run) -> None:
    async def scene() -> None:
        config = relay_config(tmp_path, MARKET, {"journal_messages": 10})
        async with (
            serve_relays(tmp_path, config=config),
            producer(tmp_path, MARKET, 6) as says,
            consumer(tmp_path, MARKET) as hears,
        ):
            voice = Voice(MARKET, 6)
            sent = [voice(quote(number % 3, number)) for number in range(100)]
            for one in sent:
                says.write(one)
                await asyncio.sleep(0)
            await hears.until(lambda: len(hears.from_source(6)) == 100)
            hears.ask(6, 4, 20)
            await hears.first(Snapshot, 2)
            begin, end = hears.of(Snapshot)
            assert [one.status for one in hears.of(RecoveryResponse)] == [
                RecoveryStatus.SNAPSHOT_FOLLOWS
            ]
            assert (begin.phase, begin.as_of_sequence, begin.epoch) == (1, 100, EPOCH)
            assert (begin.messages, end.messages) == (3, 3)
            assert hears.from_source(6)[100:] == sent[97:]
            assert (begin.content_crc, end.content_crc) == (0, crc32(b"".join(sent[97:])))
            hears.ask(77, 1, 5)
            await hears.first(RecoveryResponse, 2)
            assert hears.of(RecoveryResponse)[-1].status == RecoveryStatus.REFUSED

    run(scene())


def test_a_snapshot_on_join_holds_what_matches_and_then_live_follows(tmp_path, run) -> None:
    async def scene() -> None:
        async with serve_relays(tmp_path), producer(tmp_path, MARKET, 6) as says:
            voice = Voice(MARKET, 6)
            sent = [voice(quote(number)) for number in range(4)]
            gas = voice(GasPrice(1, 5, 1, 1, 0, 0, EPOCH))
            says.write(b"".join(sent) + gas)
            async with consumer(tmp_path, MARKET) as first:
                await first.until(lambda: bool(first.from_source(6) or standing(first, 6) == 6))
            async with consumer(tmp_path, MARKET, snapshot=True, instruments=[pair(2)]) as hears:
                other, live = voice(quote(1, 9)), voice(quote(2, 9))
                says.write(other + live)
                await hears.until(lambda: live in hears.raw)
                # the first message of a run is everyone's: it names the epoch
                assert hears.from_source(6) == [sent[0], sent[2], gas, live]
                kinds = [
                    type(message.tlvs[0])
                    for message in hears.messages
                    if message.first(Snapshot) or message.first(Quote)
                ]
                # the relay's own source, which has nothing to keep, then ours
                assert kinds[-5:] == [Snapshot, Quote, Quote, Snapshot, Quote]

    run(scene())


def test_a_producers_gap_is_announced_and_its_cache_is_not_trusted(tmp_path, run) -> None:
    async def scene() -> None:
        async with (
            serve_relays(tmp_path, config=relay_config(tmp_path)),
            consumer(tmp_path, MARKET, types=[1]) as hears,
            producer(tmp_path, MARKET, 6) as says,
        ):
            voice = Voice(MARKET, 6)
            says.write(voice(quote(1)) + voice(trade(1)))
            voice.last += 5
            says.write(voice(trade(1)))
            await hears.until(lambda: SequenceSync(EPOCH, 8, 5, 6, 4) in hears.of(SequenceSync))
            await says.first(RecoveryRequest)
            assert says.of(RecoveryRequest)[0].request == RecoveryKind.SNAPSHOT
            hears.ask(6, 0, 0, RecoveryKind.SNAPSHOT)
            await hears.first(Snapshot, 2)
            assert hears.of(Snapshot)[0].messages == 0

    run(scene())


def test_a_vanished_producer_of_market_data_is_taken_back(tmp_path, run) -> None:
    async def scene() -> None:
        async with (
            serve_relays(tmp_path),
            consumer(tmp_path, MARKET, instruments=[pair(5, 100)]) as hears,
            producer(tmp_path, MARKET, 7) as other,
        ):
            other.write(Voice(MARKET, 7)(trade(1, 101)))
            async with producer(tmp_path, MARKET, 6) as says:
                voice = Voice(MARKET, 6)
                says.write(voice(quote(5, venue=100)) + voice(trade(5, 101)))
                await hears.until(lambda: len(hears.from_source(6)) == 1)
            await hears.first(StateInvalidation)
            (word,) = [one for one in hears.messages if one.first(StateInvalidation)]
            assert word.header.source == 80
            assert word.header.sequence > 0
            assert [(one.instrument.venue, one.action, one.reason) for one in word.tlvs[:2]] == [
                (100, 1, 0),
                (101, 1, 0),
            ]
            assert (await other.first(RecoveryRequest)).request == RecoveryKind.SNAPSHOT

    run(scene())


def test_a_restarted_producer_is_told_apart_from_a_gap(tmp_path, run) -> None:
    async def scene() -> None:
        async with serve_relays(tmp_path) as service, consumer(tmp_path, SIGNAL) as hears:
            voices = [Voice(SIGNAL, 20, epoch) for epoch in (EPOCH, EPOCH + 5)]
            sent = [[voice() for _ in range(6)] for voice in voices]
            for voice, mine in zip(voices, sent, strict=True):
                async with producer(tmp_path, SIGNAL, 20, voice.epoch) as says:
                    says.write(b"".join(mine[:5]) + mine[2] + mine[4] + mine[5])
                    await hears.until(lambda mine=mine: mine[-1] in hears.raw)
            assert hears.from_source(20) == sent[0] + sent[1]
            (one,) = [one for one in service.statistics()[SIGNAL].producers if one.source == 20]
            assert (one.restarts, one.gaps, one.duplicates) == (1, 0, 4)
            assert not [one for one in hears.of(SequenceSync) if one.reason == 4]

    run(scene())


def test_the_execution_journal_is_on_disk_before_it_is_forwarded(tmp_path, run) -> None:
    async def scene() -> None:
        async with (
            serve_relays(tmp_path),
            consumer(tmp_path, EXECUTION) as hears,
            producer(tmp_path, EXECUTION, 42) as says,
        ):
            voice = Voice(EXECUTION, 42)
            sent = [voice() for _ in range(50)]
            says.write(b"".join(sent))
            await hears.until(lambda: len(hears.from_source(42)) == 50)
            (path,) = (tmp_path / "journal" / "execution").glob("*.messages")
            held = [raw for block in read_segment(path) for raw in block.messages()]
            assert [raw for raw in held if raw[6] == 42] == sent

    run(scene())


def test_health_is_told_every_interval(tmp_path, run) -> None:
    async def scene() -> None:
        async with (
            serve_relays(tmp_path, config=relay_config(tmp_path)),
            consumer(tmp_path, SIGNAL, types=[107]) as hears,
        ):
            await hears.first(SystemHealth, 3)
            assert hears.of(SystemHealth)[0].service == 81
            assert len(hears.of(Heartbeat)) == len(hears.of(SystemHealth))

    run(scene())


def test_an_unwritable_journal_lets_producers_wait(tmp_path, run) -> None:
    class Full:
        """A journal whose disk is full until it is not."""

        def __init__(self, whole) -> None:
            self.whole, self.is_full = whole, True

        def write(self, data: bytes) -> None:
            if self.is_full:
                raise JournalUnwritable("here", "no space left on device")
            self.whole.write(data)

        def __getattr__(self, name):
            return getattr(self.whole, name)

    async def scene() -> None:
        async with (
            serve_relays(tmp_path, config=relay_config(tmp_path)) as service,
            consumer(tmp_path, EXECUTION) as hears,
            producer(tmp_path, EXECUTION, 42) as says,
        ):
            relay = service.relays[EXECUTION]
            relay.file = full = Full(relay.file)
            voice = Voice(EXECUTION, 42)
            sent = [voice() for _ in range(20_000)]
            says.write(b"".join(sent))
            await hears.until(
                lambda: hears.of(Heartbeat)[-1:] and hears.of(Heartbeat)[-1].status == 2
            )
            assert hears.from_source(42) == []
            assert not service.statistics()[EXECUTION].journal_is_writable
            assert says.writer.transport.get_write_buffer_size() > 0
            full.is_full = False
            relay.retry()
            await hears.until(lambda: len(hears.from_source(42)) == len(sent))
            assert hears.from_source(42) == sent

    run(scene())


def test_what_still_holds_survives_the_relay(tmp_path, run) -> None:
    """A stop that was not lifted, and the run of a producer whose first message another relay had."""

    async def scene() -> None:
        voice = Voice(EXECUTION, 41)
        voice.last = 6
        async with serve_relays(tmp_path), producer(tmp_path, EXECUTION, 41) as says:
            stop = voice(EmergencyStop(6, 1, 65_535, EPOCH))
            says.write(stop)
            async with consumer(tmp_path, EXECUTION) as hears:
                await hears.until(
                    lambda: hears.from_source(41) == [stop] or standing(hears, 41) == 8
                )
        async with (
            serve_relays(tmp_path),
            producer(tmp_path, EXECUTION, 41) as says,
            consumer(tmp_path, EXECUTION, snapshot=True) as hears,
        ):
            assert says.of(SequenceSync) == [SequenceSync(EPOCH, 8, 0, 41, 2)]
            assert hears.from_source(41) == [stop]
            assert next(one for one in hears.of(Snapshot) if one.source == 41).as_of_sequence == 7

    run(scene())


def test_snapshots_are_not_for_asking_all_the_time(tmp_path, run) -> None:
    async def scene() -> None:
        config = relay_config(tmp_path, snapshots_per_second=5)
        async with serve_relays(tmp_path, config=config), consumer(tmp_path, MARKET) as hears:
            for _ in range(40):
                hears.ask(80, 0, 0, RecoveryKind.SNAPSHOT)
            await hears.closed()
            assert {one.code for one in hears.of(Error)} == {ErrorCode.RATE}

    run(scene())


def test_a_producer_of_countless_venues_is_taken_back_in_parts(tmp_path, run) -> None:
    async def scene() -> None:
        async with serve_relays(tmp_path), consumer(tmp_path, MARKET, types=[106]) as hears:
            async with producer(tmp_path, MARKET, 6) as says:
                voice = Voice(MARKET, 6)
                says.write(b"".join(voice(trade(1, venue)) for venue in range(1, 9_001)))
                await says.until(lambda: standing(says, 6) > 8_700)
            await hears.until(lambda: len(hears.of(StateInvalidation)) >= 9_000)
            assert {one.instrument.venue for one in hears.of(StateInvalidation)} == set(
                range(1, 9_001)
            )

    run(scene())
