"""Sends what producers have said to the streams, in order, and knows what the streams have acknowledged."""

import asyncio
import contextlib
import time
from collections.abc import Callable

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg

from alphapulse.errors import StreamLost
from alphapulse.transport.linked import LOSSLESS
from alphapulse.transport.outbox import Outbox
from alphapulse.transport.subjects import message_id

__all__ = ["BusSender", "Run", "addressed"]

ACK_S = 3.0  # for the acknowledgement of a message; then the connection is taken for dead
REFUSED_PAUSE_S = 0.1  # before a message that a full stream refused is sent again
IN_FLIGHT = 256  # messages of a run without acknowledgement, where the stream refuses none

Run = tuple[int, int, int]
"""Domain, source and epoch."""


def addressed(subject: str, data: bytes) -> bytes:
    """Return what an outbox of a sender holds: a message behind its subject."""
    return subject.encode() + b"\0" + data


class _Flight:
    """What one run has sent and not seen acknowledged."""

    __slots__ = ("acknowledged", "not_before", "sent", "since")

    def __init__(self, first: int) -> None:
        self.acknowledged = first  # the first sequence that is not
        self.sent = first  # the first sequence that was not sent on this connection
        self.since = 0.0
        self.not_before = 0.0


class BusSender:
    """Empties outboxes of runs; `run` does it on one connection, and what that one did not finish, the next repeats.

    One message of a run is under way where the stream may refuse it, so that none can pass a refused one.
    """

    def __init__(self, note: Callable[[str], None]) -> None:
        self.sent = self.sent_bytes = self.resent = 0
        self._note = note
        self._outboxes: dict[Run, Outbox] = {}
        self._flights: dict[Run, _Flight] = {}
        self._wake = asyncio.Event()

    def add(self, run: Run, outbox: Outbox) -> None:
        """Send what an outbox holds from now on."""
        self._outboxes[run] = outbox
        self._flights[run] = _Flight(outbox.first_sequence)

    def wake(self) -> None:
        """Look at the outboxes."""
        self._wake.set()

    def left(self, run: Run) -> int:
        """Return the first sequence of a run that no stream has acknowledged."""
        return self._flights[run].acknowledged

    def forget_finished(self, keep: Callable[[Run], bool]) -> None:
        """Drop runs that are not to be kept and have nothing left to send."""
        for run, outbox in list(self._outboxes.items()):
            if not keep(run) and self.left(run) == outbox.end_sequence:
                del self._outboxes[run], self._flights[run]

    async def run(self, client: Client) -> None:
        """Send until cancelled.

        Raises  StreamLost when an acknowledgement does not come; an error of the client.
        """
        inbox = client.new_inbox()
        await client.subscribe(f"{inbox}.*", cb=self._on_acknowledgement)
        for run, outbox in self._outboxes.items():
            flight = self._flights[run]
            self.resent += outbox.rewind(flight.acknowledged)
            flight.acknowledged = max(flight.acknowledged, outbox.first_sequence)
            flight.sent = flight.acknowledged
            flight.not_before = 0.0
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(REFUSED_PAUSE_S):
                    await self._wake.wait()
            self._wake.clear()
            now = time.monotonic()
            for run in list(self._outboxes):
                flight, outbox = self._flights[run], self._outboxes[run]
                if flight.sent > flight.acknowledged and now - flight.since > ACK_S:
                    raise StreamLost("an acknowledgement did not come")
                most = 1 if run[0] in LOSSLESS else IN_FLIGHT
                while (
                    outbox and flight.sent - flight.acknowledged < most and now >= flight.not_before
                ):
                    await self._send_one(client, inbox, run)

    async def _send_one(self, client: Client, inbox: str, run: Run) -> None:
        domain, source, epoch = run
        flight, outbox = self._flights[run], self._outboxes[run]
        sequence = outbox.next_sequence
        if flight.sent == flight.acknowledged:
            flight.since = time.monotonic()
            flight.acknowledged = sequence  # what lay between was dropped before it could be sent
        (stored,) = outbox.take(1)
        flight.sent = sequence + 1
        subject, _, data = stored.partition(b"\0")
        self.sent += 1
        self.sent_bytes += len(data)
        await client.publish(
            subject.decode(),
            data,
            reply=f"{inbox}.{domain}-{source}-{epoch}-{sequence}",
            headers={
                "Nats-Msg-Id": message_id(domain, source, epoch, sequence),
                "Ap-Epoch": str(epoch),
            },
        )

    async def _on_acknowledgement(self, msg: Msg) -> None:
        """Go on behind an acknowledged message, or send a refused one again after a pause."""
        domain, source, epoch, sequence = map(int, msg.subject.rpartition(".")[2].split("-"))
        run = (domain, source, epoch)
        flight, outbox = self._flights.get(run), self._outboxes.get(run)
        if flight is None or outbox is None or not flight.acknowledged <= sequence < flight.sent:
            return
        if b'"error"' in msg.data or not msg.data:
            self._note(f"bus: refused domain {domain}: {_reason(msg)}")
            self.resent += outbox.rewind(sequence)
            flight.sent = flight.acknowledged = sequence
            flight.not_before = time.monotonic() + REFUSED_PAUSE_S
            return
        flight.acknowledged = sequence + 1
        flight.since = time.monotonic()
        self._wake.set()


def _reason(msg: Msg) -> str:
    if not msg.data:
        return "no stream takes it"
    try:
        answer = msgspec.json.decode(msg.data)
    except msgspec.DecodeError:
        return "unreadable answer"
    return str(answer.get("error", {}).get("description", "unknown"))
