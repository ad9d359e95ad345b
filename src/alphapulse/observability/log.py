"""Structured log lines from a closed set of events, with secrets taken out before they are written.

Only shells log. A line is one JSON object; what may not be printed is masked by the filter that every
handler of ours carries, whatever logger the record comes from.
"""

import json
import logging
import re
import sys
from collections.abc import Iterable
from enum import StrEnum, unique
from typing import TextIO
from urllib.parse import urlsplit

__all__ = ["MASK", "Event", "JsonLines", "RedactingFilter", "configure", "log_event"]

MASK = "***"

_ROOT = "alphapulse"
_LOGGER = logging.getLogger(_ROOT)
_SECRET_FIELD = re.compile(
    r"pass(word|phrase)|secret|private|mnemonic|seed_phrase|token_auth|api_?key|^mac$|raw_tx|raw_transaction",
    re.IGNORECASE,
)
_URL = re.compile(r"\b(?:https?|wss?|postgresql(?:\+\w+)?|nats|redis)://[^\s\"'`<>]+")
_LONG_HEX = re.compile(r"(?:0x)?[0-9a-fA-F]{130,}")
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


@unique
class Event(StrEnum):
    """Everything that is worth a log line; the name is what operators search for."""

    NODE_STARTED = "node_started"
    NODE_STOPPED = "node_stopped"
    COLLECTOR_LIVE = "collector_live"
    CONNECTION_LOST = "connection_lost"
    CONNECTION_RESTORED = "connection_restored"
    CHAIN_REORGANISED = "chain_reorganised"
    STATE_MISMATCH = "state_mismatch"
    PLAN_REFUSED = "plan_refused"
    TRANSACTION_SUBMITTED = "transaction_submitted"
    TRANSACTION_INCLUDED = "transaction_included"
    TRANSACTION_FAILED = "transaction_failed"
    GATE_CLOSED = "gate_closed"
    GATE_OPENED = "gate_opened"
    DESK_HELD = "desk_held"
    DESK_RELEASED = "desk_released"
    SERVICE_LOST = "service_lost"
    BREAKER_OPENED = "breaker_opened"
    ARCHIVE_BEHIND = "archive_behind"
    ARCHIVE_INCOMPLETE = "archive_incomplete"
    STORE_UNAVAILABLE = "store_unavailable"
    BALANCES_DIFFER = "balances_differ"


class RedactingFilter(logging.Filter):
    """Masks secrets in message and fields: by field name, by value, and by shape.

    URLs keep scheme and host only, since providers put keys in path, query and user. Hex of more
    than 64 bytes is masked, since signed transactions look so; hashes and addresses are shorter.
    `secrets` are texts that must not appear at all.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        super().__init__()
        self._secrets = tuple(sorted({text for text in secrets if text}, key=len, reverse=True))

    def filter(self, record: logging.LogRecord) -> bool:
        """Mask in place and let the record pass."""
        record.msg = self._masked(record.getMessage())
        record.args = None
        for name in vars(record).keys() - _STANDARD:
            value = getattr(record, name)
            setattr(record, name, MASK if _SECRET_FIELD.search(name) else self._cleaned(value))
        if record.exc_info:
            record.exc_text = self._masked(logging.Formatter().formatException(record.exc_info))
            record.exc_info = None
        return True

    def _cleaned(self, value: object) -> object:
        if isinstance(value, str):
            return self._masked(value)
        if value is None or isinstance(value, bool | int):
            return value
        if isinstance(value, bytes):
            return self._masked("0x" + value.hex())
        if isinstance(value, dict):
            return {
                str(key): MASK if _SECRET_FIELD.search(str(key)) else self._cleaned(item)
                for key, item in value.items()
            }
        if isinstance(value, list | tuple):
            return [self._cleaned(item) for item in value]
        return self._masked(str(value))

    def _masked(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, MASK)
        text = _URL.sub(lambda found: _host_of(found.group()), text)
        return _LONG_HEX.sub(MASK, text)


class JsonLines(logging.Formatter):
    """One JSON object a line: time in ns, level, logger, event, fields."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        fields = {
            name: value for name, value in sorted(vars(record).items()) if name not in _STANDARD
        }
        line: dict[str, object] = {
            "time_ns": int(record.created * 1_000_000) * 1_000,
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            **fields,
        }
        if record.exc_text:
            line["error"] = record.exc_text
        return json.dumps(line, default=str, ensure_ascii=False)


def configure(
    stream: TextIO | None = None, *, level: int = logging.INFO, secrets: Iterable[str] = ()
) -> logging.Handler:
    """Send the log of every room to a stream, standard error by default, and return the handler.

    A second call replaces the handler of the first.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines())
    handler.addFilter(RedactingFilter(secrets))
    for old in [one for one in _LOGGER.handlers if isinstance(one.formatter, JsonLines)]:
        _LOGGER.removeHandler(old)
    _LOGGER.addHandler(handler)
    _LOGGER.setLevel(level)
    _LOGGER.propagate = False
    return handler


def log_event(event: Event, *, level: int = logging.INFO, **fields: object) -> None:
    """Write one event with its fields; a field that has the name of a logging attribute is prefixed."""
    extra = {f"field_{name}" if name in _STANDARD else name: item for name, item in fields.items()}
    _LOGGER.log(level, "%s", event.value, extra=extra)


def _host_of(url: str) -> str:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return MASK
    if not host:
        return MASK
    where = f"{parts.scheme}://{host}" + (f":{port}" if port else "")
    is_bare = url.rstrip("/") == where
    return where if is_bare else f"{where}/{MASK}"
