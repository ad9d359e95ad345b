"""`relay tail` and `relay stats` beside real relays: what was said is what is shown, filtered as asked."""

import asyncio
import json

import pytest

from alphapulse.cli.main import main
from alphapulse.protocol.codec import decode
from alphapulse.relays.service import serve_relays
from support.relay_client import EPOCH, Voice, producer, trade

MARKET = 1


def shown(directory, *words, talk):
    """Run `relay tail` beside a producer that keeps talking; return its exit code."""

    async def scenario():
        async with serve_relays(directory), producer(directory, MARKET, 2) as client:
            voice = Voice(MARKET, 2)
            client.write(voice(trade()))
            command = ["relay", "tail", "--directory", str(directory), *words]
            tail = asyncio.create_task(asyncio.to_thread(main, command))
            while not tail.done():
                for tlvs in talk:
                    client.write(voice(*tlvs))
                await asyncio.sleep(0.02)
            return await tail

    return asyncio.run(asyncio.wait_for(scenario(), 30))


@pytest.fixture
def directory(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir(mode=0o700)
    return folder


def test_tail_shows_messages_by_type_and_instrument(directory, capsys):
    words = ("--domain", "market", "--type", "Trade", "--instrument", "pair:binance:T3")
    talk = [(trade(number),) for number in range(5)]
    assert shown(directory, *words, "--count", "3", "--json", talk=talk) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(lines) == 3
    for line in lines:
        assert (line["domain"], line["source"]) == ("market", "kraken")
        assert line["tlvs"][0]["tlv"] == "Trade"
        assert line["tlvs"][0]["instrument"] == "binance:T3"
        assert (line["tlvs"][0]["price"], line["tlvs"][0]["side"]) == ("1", "buy")


def test_tail_prints_the_very_bytes(directory, capsys):
    words = ("--source", "kraken", "--venue", "binance", "--count", "2", "--hex")
    assert shown(directory, *words, talk=[(trade(7),)]) == 0
    messages = [decode(bytes.fromhex(line)) for line in capsys.readouterr().out.splitlines()]
    assert len(messages) == 2
    assert {message.header.source for message in messages} == {2}


def test_tail_ends_after_its_time_and_prints_one_line_a_message(directory, capsys):
    assert shown(directory, "--seconds", "0.6", talk=[(trade(7),)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any("Trade instrument=binance:T7 price=1 volume=1 side=buy" in line for line in lines)


def test_stats_tells_producers_and_consumers(directory, capsys):
    async def scenario():
        async with serve_relays(directory), producer(directory, MARKET, 2) as client:
            voice = Voice(MARKET, 2)
            client.write(b"".join(voice(trade(number)) for number in range(10)))
            await asyncio.sleep(1.3)
            command = ["relay", "stats", "--directory", str(directory)]
            codes = [await asyncio.to_thread(main, command)]
            codes.append(await asyncio.to_thread(main, [*command, "--json"]))
            return codes

    assert asyncio.run(asyncio.wait_for(scenario(), 30)) == [0, 0]
    text = capsys.readouterr().out
    reports = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    assert {report["domain"] for report in reports} == {1, 2, 3, 4}
    market = next(report for report in reports if report["domain"] == MARKET)
    kraken = next(one for one in market["producers"] if one["source"] == 2)
    assert (kraken["received"], kraken["epoch"], kraken["is_live"]) == (10, EPOCH, True)
    assert "kraken" in text
    assert "test:1" in text


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("--type", "nonsense"), "--type"),
        (("--source", "nobody"), "--source"),
        (("--venue", "nowhere"), "--venue"),
        (("--instrument", "pool"), "--instrument"),
        (("--instrument", "pool:binance:0xzz"), "--instrument"),
    ],
)
def test_a_filter_that_means_nothing_is_named(directory, capsys, words, named):
    assert main(["relay", "tail", "--directory", str(directory), *words]) == 2
    assert named in capsys.readouterr().err


def test_no_relay_is_said_so(directory, capsys):
    assert main(["relay", "tail", "--directory", str(directory)]) == 1
    assert main(["relay", "stats", "--directory", str(directory)]) == 1
    assert "relay serve" in capsys.readouterr().err
