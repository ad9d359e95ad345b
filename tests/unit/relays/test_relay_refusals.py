"""Whoever sends nonsense is answered, counted, closed, and harms nobody else."""

import asyncio
import contextlib
import os
import socket
import struct

import pytest

from alphapulse.protocol.codec import encode
from alphapulse.protocol.header import Domain, Header, checksum_of
from alphapulse.protocol.message import Message
from alphapulse.protocol.system import Error, ErrorCode, Heartbeat, PeerRole
from alphapulse.relays.service import serve_relays
from support.relay_client import (
    EPOCH,
    Voice,
    connected,
    consumer,
    hello,
    producer,
    relay_config,
    subscribe,
    trade,
)

MARKET = Domain.MARKET


def resealed(message: bytes) -> bytes:
    return message[:28] + struct.pack("<I", checksum_of(message)) + message[32:]


@pytest.mark.parametrize(
    ("greeting", "code"),
    [
        (hello(MARKET, protocol=2), ErrorCode.VERSION),
        (hello(Domain.SIGNAL), ErrorCode.DOMAIN_MISMATCH),
        (hello(MARKET, role=0), ErrorCode.HANDSHAKE),
        (hello(MARKET, role=PeerRole.PRODUCER, source=6, epoch=0), ErrorCode.HANDSHAKE),
        (hello(MARKET, role=PeerRole.PRODUCER, source=80, epoch=1), ErrorCode.NOT_ALLOWED),
        (hello(MARKET, role=PeerRole.PRODUCER, source=0, epoch=1), ErrorCode.NOT_ALLOWED),
        (subscribe(MARKET), ErrorCode.HANDSHAKE),
    ],
)
def test_a_wrong_greeting_ends_the_connection(tmp_path, run, greeting, code) -> None:
    async def scene() -> None:
        async with serve_relays(tmp_path, domains=[MARKET]), connected(tmp_path, MARKET) as client:
            client.say(greeting)
            await client.closed()
            assert [one.code for one in client.of(Error)] == [code]

    run(scene())


def test_silence_ends_the_connection(tmp_path, run) -> None:
    async def scene() -> None:
        config = relay_config(tmp_path)
        async with (
            serve_relays(tmp_path, config=config) as service,
            connected(tmp_path, MARKET) as client,
        ):
            await client.closed()
            assert [one.code for one in client.of(Error)] == [ErrorCode.HANDSHAKE]
            assert service.statistics()[MARKET].refused == {"no_hello": 1}

    run(scene())


def test_a_silent_producer_is_dead_after_three_intervals(tmp_path, run) -> None:
    async def scene() -> None:
        config = relay_config(tmp_path, heartbeat_ms=50)
        async with serve_relays(tmp_path, config=config), producer(tmp_path, MARKET, 6) as first:
            await first.closed()
            async with producer(tmp_path, MARKET, 6, epoch=EPOCH + 1):
                pass

    run(scene())


def test_users_produce_what_they_may(tmp_path, run) -> None:
    async def scene() -> None:
        config = relay_config(tmp_path, sources_by_user={str(os.geteuid()): frozenset({6})})
        async with serve_relays(tmp_path, config=config), connected(tmp_path, MARKET) as client:
            async with producer(tmp_path, MARKET, 6):
                client.say(hello(MARKET, role=PeerRole.PRODUCER, source=7, epoch=1))
                await client.closed()
            assert [one.code for one in client.of(Error)] == [ErrorCode.NOT_ALLOWED]

    run(scene())


def test_connections_are_limited(tmp_path, run) -> None:
    async def scene() -> None:
        config = relay_config(tmp_path, MARKET, {"connections": 2})
        async with (
            serve_relays(tmp_path, config=config),
            consumer(tmp_path, MARKET) as one,
            consumer(tmp_path, MARKET) as two,
            connected(tmp_path, MARKET) as three,
        ):
            await three.closed()
            assert [error.code for error in three.of(Error)] == [ErrorCode.RATE]
            assert not one.is_closed
            assert not two.is_closed

    run(scene())


def bad_messages() -> dict[str, bytes]:
    good = Voice(MARKET, 6).at(9, trade())
    return {
        "bad_flags": resealed(good[:7] + b"\x01" + good[8:]),
        "other_domain": Voice(Domain.SIGNAL, 6).at(9, trade()),
        "bad_domain": resealed(good[:4] + b"\x05" + good[5:]),
        "bad_type": resealed(good[:32] + b"\x00" + good[33:]),
        "tlv_overrun": resealed(good[:33] + b"\x26" + good[34:]),
        "bad_size": resealed(good[:8] + b"\x26" + good[9:33] + b"\x24" + good[34:-1]),
        "other_source": Voice(MARKET, 7).at(9, trade()),
        "bad_checksum": good[:-1] + b"\xff",
    }


@pytest.mark.parametrize("kind", sorted(bad_messages()))
def test_one_bad_message_is_dropped_and_ten_end_the_connection(tmp_path, run, kind) -> None:
    async def scene() -> None:
        config = relay_config(tmp_path, MARKET, {"verifies": True})
        bad = bad_messages()[kind]
        async with (
            serve_relays(tmp_path, config=config) as service,
            consumer(tmp_path, MARKET) as hears,
            producer(tmp_path, MARKET, 6) as says,
        ):
            voice = Voice(MARKET, 6)
            sent = [voice(trade()) for _ in range(4)]
            says.write(sent[0] + bad + sent[1] + bad + bad + sent[2] + sent[3])
            await hears.until(lambda: hears.from_source(6) == sent)
            says.write(bad * 6)
            await says.first(Error, 9)
            assert not says.is_closed
            says.write(bad)
            await says.closed()
            assert service.statistics()[MARKET].rejected == {kind: 10}
            assert says.of(Error)[-1].code == ErrorCode.RATE

    run(scene())


@pytest.mark.parametrize(
    ("stream", "kind"),
    [
        (b"\x00" * 64, "bad_magic"),
        (b"GET / HTTP/1.1\r\nHost: relay\r\n\r\n", "bad_magic"),
        (b"\xef\xbe\xad\xde\x01\x02" + bytes(26), "bad_version"),
        (b"\xef\xbe\xad\xde\x01\x01\x06\x00" + b"\xff" * 24, "too_large"),
    ],
)
def test_lost_framing_ends_the_connection_alone(tmp_path, run, stream, kind) -> None:
    async def scene() -> None:
        async with (
            serve_relays(tmp_path, domains=[MARKET]) as service,
            consumer(tmp_path, MARKET) as hears,
            producer(tmp_path, MARKET, 6) as says,
            connected(tmp_path, MARKET) as bad,
        ):
            bad.write(stream.ljust(32, b"\r"))
            await bad.closed()
            assert service.statistics()[MARKET].rejected == {kind: 1}
            message = Voice(MARKET, 6)(trade())
            says.write(message)
            await hears.until(lambda: hears.from_source(6) == [message])

    run(scene())


def test_a_stall_inside_a_message_ends_the_connection(tmp_path, run) -> None:
    async def scene() -> None:
        config = relay_config(tmp_path, stall_ms=100, heartbeat_ms=100, silent_intervals=100)
        async with (
            serve_relays(tmp_path, config=config) as service,
            producer(tmp_path, MARKET, 6) as says,
        ):
            says.write(Voice(MARKET, 6)(trade())[:50])
            await says.closed()
            assert service.statistics()[MARKET].rejected == {"truncated": 1}

    run(scene())


def test_a_peer_that_asks_and_never_reads_is_cut_off(tmp_path, run) -> None:
    """Every answer is a few bytes here: the bound on waiting answers is what ends it."""

    async def scene() -> None:
        def said(tlv) -> bytes:
            return encode(Message(Header(MARKET, 60, 0, 0, 1), (tlv,)))

        async with serve_relays(tmp_path) as service, consumer(tmp_path, MARKET) as hears:
            loop = asyncio.get_running_loop()
            deaf = socket.socket(socket.AF_UNIX)
            deaf.setblocking(False)
            await loop.sock_connect(deaf, str(tmp_path / "market_data.sock"))
            asks = said(hello(MARKET)) + said(subscribe(MARKET, snapshot=True)) * 50_000
            with contextlib.suppress(ConnectionError):
                await loop.sock_sendall(deaf, asks)
            deaf.close()
            await hears.first(Heartbeat, 1)
            assert service.statistics()[MARKET].connections == 1

    run(scene())
