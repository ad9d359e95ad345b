"""No secret reaches a log line, by whatever way it came. Oracle: canaries that must not be found."""

import io
import json
import logging

import pytest

from alphapulse.observability.log import Event, RedactingFilter, configure, log_event

CANARY = "canary-7f3a"
PASSWORD = "correct horse battery"
SIGNED = "0x02f8" + "ab" * 110
HASH = "0x" + "cd" * 32


@pytest.fixture
def stream():
    logger = logging.getLogger("alphapulse")
    before = (list(logger.handlers), logger.level, logger.propagate)
    written = io.StringIO()
    configure(written, secrets=[PASSWORD])
    yield written
    logger.handlers, level, logger.propagate = before
    logger.setLevel(level)


def line_of(stream):
    (line,) = stream.getvalue().splitlines()
    return json.loads(line)


def test_an_event_is_one_json_line_with_its_fields(stream):
    log_event(Event.TRANSACTION_INCLUDED, level=logging.WARNING, tx_hash=HASH, block=7, name="x")
    line = line_of(stream)
    assert line.pop("time_ns") > 0
    assert line == {
        "level": "warning",
        "logger": "alphapulse",
        "event": "transaction_included",
        "tx_hash": HASH,
        "block": 7,
        "field_name": "x",
    }


@pytest.mark.parametrize(
    "fields",
    [
        {"password": CANARY},
        {"keystore_passphrase": CANARY},
        {"api_key": CANARY},
        {"request": {"Private": CANARY, "list": [{"secret": CANARY}]}},
        {"url": f"wss://user:{CANARY}@node.example:8546/v3"},
        {"url": f"https://node.example/v3/{CANARY}?key={CANARY}"},
        {"text": f"refused by `https://node.example/{CANARY}` twice"},
        {"error": ValueError(f"http://a.example/{CANARY}")},
        {"url": f"http://[{CANARY}"},
        {"url": f"http://:80/{CANARY}"},
    ],
)
def test_canaries_in_fields_are_masked(stream, fields):
    log_event(Event.CONNECTION_LOST, **fields)
    assert CANARY not in stream.getvalue()
    assert "***" in stream.getvalue()


def test_hosts_stay_readable(stream):
    log_event(Event.CONNECTION_LOST, a="ws://127.0.0.1:8545", b="wss://node.example/key/1")
    line = line_of(stream)
    assert (line["a"], line["b"]) == ("ws://127.0.0.1:8545", "wss://node.example/***")


@pytest.mark.parametrize("value", [SIGNED, SIGNED[2:], bytes.fromhex(SIGNED[2:]), [SIGNED]])
def test_signed_transactions_are_masked_and_hashes_are_not(stream, value):
    log_event(Event.TRANSACTION_SUBMITTED, sent=value, tx_hash=HASH)
    assert "abab" not in stream.getvalue()
    assert line_of(stream)["tx_hash"] == HASH


def test_named_secrets_are_masked_in_messages_of_any_room(stream):
    logger = logging.getLogger("alphapulse.collectors.evm")
    logger.error("tried %s at %s", PASSWORD, f"ws://h.example/{CANARY}", extra={"note": PASSWORD})
    assert PASSWORD not in stream.getvalue()
    assert CANARY not in stream.getvalue()
    assert line_of(stream)["event"] == "tried *** at ws://h.example/***"


def test_a_traceback_is_masked_too(stream):
    def fail():
        raise ValueError(f"no answer from wss://node.example/{CANARY}")

    try:
        fail()
    except ValueError:
        logging.getLogger("alphapulse.node").exception("stopped")
    assert CANARY not in stream.getvalue()
    assert "ValueError: no answer from wss://node.example/***" in line_of(stream)["error"]


def test_configuring_again_replaces_the_handler(stream):
    other = io.StringIO()
    configure(other)
    log_event(Event.NODE_STARTED)
    assert stream.getvalue() == ""
    assert len(other.getvalue().splitlines()) == 1


def test_every_event_has_a_name_of_its_own():
    assert all(event.value == event.name.lower() for event in Event)


def test_an_empty_secret_masks_nothing():
    record = logging.makeLogRecord({"msg": "text"})
    assert RedactingFilter([""]).filter(record)
    assert record.getMessage() == "text"
