"""What every party of the message benchmark shares: the message, its check, the arrival process. Standard library only.

A message is a Trade with its TraceContext, 101 bytes of our protocol, for every party alike, so that ways of carrying are
compared and not ways of encoding. The header's time holds the moment at which the message was due, on the machine's monotonic clock.
"""

import random
import struct
import time
from collections.abc import Callable
from zlib import crc32

__all__ = ["FIRST", "SOURCE", "Tally", "build", "due_times", "pace"]

FIRST = 2
"""Sequence of the first message that counts; the one before carries a producer's announcement."""
SOURCE = 3
SIZE = 101
_HEAD = struct.Struct("<IBBBBIQQ")
_TRADE = struct.Struct("<BBHBBQqqBQ")
_TRACE = struct.Struct("<BB16sQB3x")
_AT_SEQUENCE = struct.Struct("<QQI")
_SPIN_NS = 60_000  # a sleep ends late by about as much


def build(sequence: int, due_ns: int, domain: int = 1) -> bytes:
    """Return one message."""
    payload = _TRADE.pack(1, 37, 301, 100, 0, 7, 49_726, sequence, 1, due_ns) + _TRACE.pack(
        120, 28, bytes(16), sequence, 1
    )
    head = _HEAD.pack(0xDEADBEEF, domain, 1, SOURCE, 0x10, len(payload), sequence, due_ns)
    return head + crc32(payload, crc32(head)).to_bytes(4, "little") + payload


def due_times(seed: int, rate: float, count: int) -> list[int]:
    """Return when each message is due, in nanoseconds from the start: a Poisson process of that rate, from the seed."""
    rng = random.Random(seed)
    found, at = [], 0.0
    for _ in range(count):
        at += rng.expovariate(rate)
        found.append(int(at * 1e9))
    return found


def pace(due: list[int], send: Callable[[int, int], None]) -> dict[str, int]:
    """Send each message when it is due, or at once when that is past: an open loop, in which a stall delays and hides nothing."""
    start = time.monotonic_ns() + 20_000_000
    for index, offset in enumerate(due):
        at = start + offset
        left = at - time.monotonic_ns()
        while left > 0:
            if left > _SPIN_NS:
                time.sleep((left - _SPIN_NS) / 1e9)
            left = at - time.monotonic_ns()
        send(FIRST + index, at)
    return {"start_ns": start, "end_ns": time.monotonic_ns()}


class Tally:
    """Counts what was delivered, whole and in its place, and how late it was."""

    def __init__(self, count: int, *, is_timed: bool) -> None:
        self.wanted = count
        self.valid = 0
        self.wrong = 0
        self.last_ns = 0
        self._expected = FIRST
        self._delays: list[int] | None = [] if is_timed else None

    def take(self, data: bytes) -> bool:
        """Check one message; return whether more are wanted."""
        sequence, due_ns, checksum = _AT_SEQUENCE.unpack_from(data, 12)
        if (
            len(data) == SIZE
            and sequence == self._expected
            and crc32(data[32:], crc32(data[:28])) == checksum
        ):
            self.valid += 1
            self._expected += 1
            if self._delays is not None:
                self._delays.append(time.monotonic_ns() - due_ns)
        else:
            self.wrong += 1
        if self.valid + self.wrong >= self.wanted:
            self.last_ns = time.monotonic_ns()
            return False
        return True

    def take_run(self, count: int, is_whole: bool) -> bool:
        """Count messages that were checked together; return whether more are wanted."""
        if is_whole:
            self.valid += count
            self._expected += count
        else:
            self.wrong += count
        if self.valid + self.wrong >= self.wanted:
            self.last_ns = time.monotonic_ns()
            return False
        return True

    @property
    def expected(self) -> int:
        """Return the sequence that must come next."""
        return self._expected

    def answer(self) -> dict[str, object]:
        """Return the count, the time of the last one, and percentiles of the delay in nanoseconds."""
        found: dict[str, object] = {
            "valid": self.valid,
            "wrong": self.wrong,
            "last_ns": self.last_ns or time.monotonic_ns(),
        }
        if self._delays:
            ordered = sorted(self._delays)
            for name, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("most", 1.0)):
                found[name] = ordered[min(len(ordered) - 1, int(share * len(ordered)))]
        return found
