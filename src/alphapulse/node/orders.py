"""How the supervisor and a service talk: one JSON object a line, orders in, answers out.

An order is answered once, under its own name. A service whose orders end has lost its supervisor.
"""

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from typing import Any

from alphapulse import errors
from alphapulse.errors import AlphaPulseError, GateClosed, InvariantError, Misconfigured

__all__ = [
    "FAILED",
    "LINE_LIMIT",
    "Json",
    "Orders",
    "error_of",
    "facts_of",
    "failure_of",
    "numbers_of",
]

Json = dict[str, object]

FAILED = "failed"
LINE_LIMIT = 1 << 20  # an account of a run is a few KB


class Orders:
    """A service's end of the line: standard input and output."""

    def __init__(self) -> None:
        self._reader = asyncio.StreamReader(limit=LINE_LIMIT)
        self._out = os.dup(sys.stdout.fileno())

    async def open(self) -> None:
        """Begin to read."""
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(self._reader), sys.stdin.buffer
        )

    async def next(self) -> tuple[str, Json] | None:
        """Return name and arguments of the next order, None when there will be none any more."""
        line = await self._reader.readline()
        if not line:
            return None
        order = json.loads(line)
        return order.pop("do"), order

    def answer(self, name: str, facts: Mapping[str, object]) -> bool:
        """Answer an order, and return whether anybody still listens."""
        try:
            os.write(self._out, json.dumps({"done": name, **facts}).encode() + b"\n")
        except OSError:
            return False
        return True


def failure_of(error: AlphaPulseError | InvariantError) -> Json:
    """Return an error as the answer that carries it."""
    reason = error.reason if isinstance(error, GateClosed) else 0
    return {"kind": type(error).__name__, "text": str(error), "reason": int(reason)}


def error_of(answer: Mapping[str, object]) -> AlphaPulseError | InvariantError:
    """Return the error that an answer carries, of the kind it had as far as that can be made from a text."""
    text, reason = str(answer["text"]), answer.get("reason", 0)
    found = getattr(errors, str(answer["kind"]), None)
    kind = found if isinstance(found, type) else None
    if kind is GateClosed:
        assert isinstance(reason, int)
        return GateClosed(text, reason)
    for base in (Misconfigured, errors.EndpointDown, errors.OutcomeUnknown, errors.Unavailable):
        if kind is not None and issubclass(kind, base):
            return base(text)
    if kind is not None and issubclass(kind, InvariantError):
        return InvariantError(text)
    return errors.InvalidData(text)


def facts_of(value: object) -> dict[str, Any]:
    """Return a table of an order or an answer."""
    assert isinstance(value, dict)
    return value


def numbers_of(value: object) -> dict[str, int]:
    """Return a table of numbers of an order or an answer."""
    table = facts_of(value)
    assert all(isinstance(number, int) for number in table.values())
    return table
