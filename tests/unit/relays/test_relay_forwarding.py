"""What a producer says reaches everyone who asked, byte for byte and in order.

Covers: P9
"""

import asyncio
import stat

import pytest

from alphapulse.errors import Misconfigured
from alphapulse.protocol.header import Domain
from alphapulse.protocol.system import Error, ErrorCode, Heartbeat, Hello, PeerRole, SequenceSync
from alphapulse.relays.service import serve_relays
from support.relay_client import EPOCH, Voice, connected, consumer, hello, producer, trade


def test_messages_arrive_as_they_were_sent(tmp_path, run) -> None:
    async def scene() -> None:
        async with (
            serve_relays(tmp_path / "r"),
            consumer(tmp_path / "r", Domain.MARKET) as hears,
            producer(tmp_path / "r", Domain.MARKET, 6) as says,
        ):
            voice = Voice(Domain.MARKET, 6)
            sent = [voice(trade(number)) for number in range(500)]
            stream = b"".join(sent)
            for at in range(0, len(stream), 997):
                says.write(stream[at : at + 997])
                await asyncio.sleep(0)
            await hears.until(lambda: len(hears.from_source(6)) >= len(sent))
            assert hears.from_source(6) == sent
            assert says.from_source(6) == []

    run(scene())


def test_the_relay_tells_a_producer_what_it_has(tmp_path, run) -> None:
    async def scene() -> None:
        async with serve_relays(tmp_path / "r"):
            voice = Voice(Domain.SIGNAL, 20)
            async with producer(tmp_path / "r", Domain.SIGNAL, 20) as says:
                assert says.of(SequenceSync) == [SequenceSync(EPOCH, 1, 0, 20, 2)]
                says.write(b"".join(voice() for _ in range(300)))
                await says.first(SequenceSync, 2)
                assert says.of(SequenceSync)[-1].next_sequence == 301
            async with producer(tmp_path / "r", Domain.SIGNAL, 20) as again:
                assert again.of(SequenceSync) == [SequenceSync(EPOCH, 301, 0, 20, 2)]

    run(scene())


def test_the_relay_greets_and_beats(tmp_path, run) -> None:
    async def scene() -> None:
        async with (
            serve_relays(tmp_path / "r") as service,
            consumer(tmp_path / "r", Domain.EXECUTION) as hears,
        ):
            greeting = await hears.first(Hello)
            assert (greeting.role, greeting.source, greeting.domains) == (PeerRole.RELAY, 82, 4)
            assert (greeting.max_message, greeting.heartbeat) == (16_384, 1_000)
            assert greeting.epoch == service.relays[Domain.EXECUTION].speaker.epoch
            beat = await hears.first(Heartbeat)
            assert (beat.source, beat.interval) == (82, 1_000)

    run(scene())


def test_a_second_live_producer_is_refused(tmp_path, run) -> None:
    async def scene() -> None:
        async with (
            serve_relays(tmp_path / "r"),
            producer(tmp_path / "r", Domain.MARKET, 6),
            connected(tmp_path / "r", Domain.MARKET) as second,
        ):
            second.say(hello(Domain.MARKET, role=PeerRole.PRODUCER, source=6, epoch=EPOCH + 1))
            await second.closed()
            assert [one.code for one in second.of(Error)] == [ErrorCode.DUPLICATE_PRODUCER]

    run(scene())


def test_sockets_are_their_owners_alone(tmp_path, run) -> None:
    async def scene() -> None:
        directory = tmp_path / "r"
        async with serve_relays(directory):
            assert stat.S_IMODE(directory.stat().st_mode) == 0o700
            modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in directory.glob("*.sock")}
            names = {"market_data.sock", "signals.sock", "execution.sock", "system.sock"}
            assert modes == dict.fromkeys(names, 0o600)
            with pytest.raises(Misconfigured, match="is live"):
                async with serve_relays(directory):
                    pass
            assert len(list(directory.glob("*.sock"))) == 4
        assert list(directory.glob("*.sock")) == []

    run(scene())
