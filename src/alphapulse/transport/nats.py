"""The bus of many machines: a local order linked to NATS JetStream. The bytes on it are those of the relays."""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js.api import DiscardPolicy, StorageType, StreamConfig
from nats.js.client import JetStreamContext
from nats.js.errors import NotFoundError

from alphapulse.errors import DecodeError, StreamLost
from alphapulse.protocol.codec import decode, encode
from alphapulse.protocol.header import Domain, Header
from alphapulse.protocol.message import Message
from alphapulse.protocol.system import RecoveryKind, RecoveryRequest
from alphapulse.transport.bus import LinkState, LinkStatistics
from alphapulse.transport.bus_follower import WHOLE_DOMAIN, BusFollower
from alphapulse.transport.linked import LOSSLESS, LinkedBusBase
from alphapulse.transport.nats_group import GroupMember
from alphapulse.transport.nats_reader import OrderedReader
from alphapulse.transport.sequence import Sequencer
from alphapulse.transport.settings import NatsConfig
from alphapulse.transport.subjects import (
    BROADCAST,
    DOMAIN_NAMES,
    STREAMS,
    control_subject,
    domain_filter,
    message_id,
    partition_filter,
    subject_of,
)

__all__ = ["NatsBus"]

REQUEST_S = 5.0  # for an answer of the server
CONNECT_S = 2
PING_S = 1
PINGS_OPEN = 3
ACK_S = 3.0  # for the acknowledgement of a message; then the connection is taken for dead
REFUSED_PAUSE_S = 0.1  # before a message that a full stream refused is sent again
IN_FLIGHT = 256  # messages of a producer without acknowledgement, where the stream refuses none
BASE_ATTEMPTS = 10
BASE_PAUSE_S = 1.0
DUPLICATE_WINDOW_S = 120
CLOSE_S = 1.0
_AGES_S = {
    Domain.MARKET: 600,
    Domain.SIGNAL: 86_400,
    Domain.EXECUTION: 30 * 86_400,
    Domain.SYSTEM: 3_600,
}


class _Flight:
    """What one producer has sent and not seen acknowledged."""

    __slots__ = ("acknowledged", "not_before", "sent", "since")

    def __init__(self) -> None:
        self.acknowledged = 1  # the first sequence that is not
        self.sent = 1  # the first sequence that was not sent on this connection
        self.since = 0.0
        self.not_before = 0.0


class NatsBus(LinkedBusBase):
    """Make it with `NatsBus.open`, subscribe, then wait for `linked`."""

    def __init__(self, config: NatsConfig, sequencer: Sequencer, clock: Callable[[], int]) -> None:
        super().__init__(config, sequencer, clock)
        self._nats_config = config
        self._flights = {key: _Flight() for key in self._outboxes}
        self._wake = asyncio.Event()
        self._is_up = False
        self._nats: Client | None = None
        self._requests: set[asyncio.Task[None]] = set()
        self._followers = {
            domain: BusFollower(
                domain,
                clock,
                is_own=self._is_own_run(domain),
                want_base=self._ask_base(domain),
                shares=bool(config.group),
            )
            for domain in sorted(config.consumes)
        }
        self._readers = {
            domain: OrderedReader(
                STREAMS[domain],
                partition_filter(config.prefix, domain, BROADCAST)
                if config.group
                else domain_filter(config.prefix, domain),
                self._take,
                history=config.history,
            )
            for domain in self._followers
        }
        member = f"{config.name.replace(':', '_')}_{sequencer.epoch}"
        self._group = GroupMember(config, member, self._take) if config.group else None

    @classmethod
    @asynccontextmanager
    async def open(
        cls, config: NatsConfig, sequencer: Sequencer, clock: Callable[[], int]
    ) -> AsyncIterator["NatsBus"]:
        """Connect in the background, and connect again whenever the connection ends, until the block is left.

        What waits then has a second to leave.

        Raises  Misconfigured, naming key and rule.
        """
        bus = cls(config, sequencer, clock)
        tasks = [asyncio.create_task(bus._run()), asyncio.create_task(bus._tick())]
        try:
            yield bus
        finally:
            await bus.drain(timeout_s=CLOSE_S)
            bus._end()
            tasks += bus._requests
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def partitions_held(self) -> tuple[str, ...]:
        """Return the partitions whose lease this member holds."""
        return tuple(sorted(self._group.held)) if self._group is not None else ()

    def epoch_of(self, domain: int, source: int) -> int:
        """Return the epoch of a producer's run, 0 while unknown."""
        if self._is_own(domain, source):
            return self._sequencer.epoch
        follower = self._followers.get(domain)
        streams = follower.streams() if follower is not None else []
        return next((one.epoch for one in streams if one.source == source), 0)

    def link_statistics(self) -> LinkStatistics:
        """Return a frozen view of the link's counts."""
        followers = self._followers.values()
        return LinkStatistics(
            state=self.state,
            connections=int(self._is_up),
            reconnects=self._reconnects,
            sent=self._sent,
            sent_bytes=self._sent_bytes,
            resent=self._resent,
            waiting=sum(
                outbox.end_sequence - self._left(*key) for key, outbox in self._outboxes.items()
            ),
            received=self._received,
            invalid=self._invalid,
            recoveries=sum(reader.restarts for reader in self._readers.values()),
            snapshots=0,
            lost=sum(one.lost for one in followers)
            + sum(outbox.lost for outbox in self._outboxes.values()),
            last_error=self._last_error,
            sources=tuple(stream.statistics() for one in followers for stream in one.streams()),
        )

    # --- the connection ---------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        """Connect, and connect again, until cancelled."""
        failures = 0
        config = self._nats_config
        while True:
            was_up = False
            try:
                await self._session()
            except (NatsError, StreamLost, OSError, TimeoutError) as error:
                was_up = self._is_up
                self._note(error)
            finally:
                self._interrupt()
            failures = 0 if was_up else failures + 1
            longest_ms = min(config.reconnect_min_ms << min(failures, 16), config.reconnect_max_ms)
            await asyncio.sleep(longest_ms * random.uniform(0.5, 1.0) / 1000)  # noqa: S311  # jitter
            self._reconnects += 1

    def _note(self, error: BaseException) -> None:
        """Keep what went wrong, without the URL, which may hold a password."""
        text = str(error).replace(self._nats_config.url.reveal(), "***")
        self._last_error = f"bus: {text or type(error).__name__}"

    async def _session(self) -> None:
        """Hold one connection until it ends.

        Raises  an error of the client, or StreamLost.
        """
        closed = asyncio.Event()
        client = await self._connect(closed)
        tasks: list[asyncio.Task[Any]] = []
        try:
            js = client.jetstream(timeout=REQUEST_S)
            for domain in sorted(DOMAIN_NAMES):
                await self._ensure_stream(js, domain)
            tasks.append(asyncio.create_task(closed.wait()))
            tasks += [asyncio.create_task(one.run(client, js)) for one in self._readers.values()]
            if self._group is not None:
                tasks.append(asyncio.create_task(self._group.run(js)))
            tasks.append(asyncio.create_task(self._send(client)))
            tasks.append(asyncio.create_task(self._come_up(client)))
            waiting = set(tasks)
            while waiting:
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
                if closed.is_set():
                    raise StreamLost("the connection ended")
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            with contextlib.suppress(NatsError, OSError, TimeoutError):
                async with asyncio.timeout(CLOSE_S):
                    if (
                        self._group is not None
                        and client.is_connected
                        and self.state is LinkState.CLOSED
                    ):
                        await self._group.leave(client.jetstream(timeout=CLOSE_S))
                    await client.close()

    async def _connect(self, closed: asyncio.Event) -> Client:
        async def on_end() -> None:
            closed.set()

        async def on_error(error: Exception) -> None:
            self._note(error)

        client = Client()
        is_connected = False
        try:
            await client.connect(
                servers=[self._nats_config.url.reveal()],
                name=self._nats_config.name,
                allow_reconnect=False,
                connect_timeout=CONNECT_S,
                ping_interval=PING_S,
                max_outstanding_pings=PINGS_OPEN,
                disconnected_cb=on_end,
                closed_cb=on_end,
                error_cb=on_error,
            )
            is_connected = True
        finally:
            if not is_connected:
                await client.close()
        return client

    async def _ensure_stream(self, js: JetStreamContext, domain: int) -> None:
        try:
            await js.stream_info(STREAMS[domain])
        except NotFoundError:
            is_lossless = domain in LOSSLESS
            config = self._nats_config
            await js.add_stream(
                StreamConfig(
                    name=STREAMS[domain],
                    subjects=[domain_filter(config.prefix, domain)],
                    storage=StorageType.FILE if is_lossless else StorageType.MEMORY,
                    discard=DiscardPolicy.NEW if is_lossless else DiscardPolicy.OLD,
                    max_age=_AGES_S[Domain(domain)],
                    max_bytes=config.stream_bytes,
                    duplicate_window=DUPLICATE_WINDOW_S,
                    num_replicas=config.replicas,
                )
            )

    async def _come_up(self, client: Client) -> None:
        """Tell that the link stands when everything that was missed has been heard."""
        self._nats = client
        for domain, source in self._outboxes:
            subject = f"{control_subject(self._nats_config.prefix, domain)}.{source}"
            await client.subscribe(subject, cb=self._on_control)
        for reader in self._readers.values():
            await reader.caught_up.wait()
        if self._group is not None:
            await self._group.settled.wait()
        self._is_up = True
        self._last_error = ""
        for follower in self._followers.values():
            self._inject(follower.resume())
        self._look()
        self._wake.set()

    def _interrupt(self) -> None:
        self._nats = None
        self._is_up = False
        if self.state is not LinkState.CLOSED and not self._failure.done():
            for follower in self._followers.values():
                self._inject(follower.interrupt())
        self._look()

    # --- what is sent -----------------------------------------------------------------------------------------------------

    def _flush(self, domain: int, source: int) -> None:
        self._wake.set()

    def _left(self, domain: int, source: int) -> int:
        return self._flights[domain, source].acknowledged

    def _encoded(self, message: Message) -> bytes:
        config = self._nats_config
        subject = subject_of(message, config.prefix, config.partitions)
        return subject.encode() + b"\0" + encode(message)

    async def _send(self, client: Client) -> None:
        """Send what waits, in order: one message at a time where the stream may refuse it.

        Raises  StreamLost when an acknowledgement does not come.
        """
        inbox = client.new_inbox()
        await client.subscribe(f"{inbox}.*", cb=self._on_acknowledgement)
        for key, outbox in self._outboxes.items():
            flight = self._flights[key]
            self._resent += outbox.rewind(flight.acknowledged)
            flight.acknowledged = max(flight.acknowledged, outbox.first_sequence)
            flight.sent = flight.acknowledged
            flight.not_before = 0.0
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(REFUSED_PAUSE_S):
                    await self._wake.wait()
            self._wake.clear()
            now = time.monotonic()
            for (domain, source), outbox in self._outboxes.items():
                flight = self._flights[domain, source]
                if flight.sent > flight.acknowledged and now - flight.since > ACK_S:
                    raise StreamLost("an acknowledgement did not come")
                most = 1 if domain in LOSSLESS else IN_FLIGHT
                while (
                    outbox and flight.sent - flight.acknowledged < most and now >= flight.not_before
                ):
                    await self._send_one(client, inbox, (domain, source))

    async def _send_one(self, client: Client, inbox: str, key: tuple[int, int]) -> None:
        domain, source = key
        flight, outbox = self._flights[key], self._outboxes[key]
        sequence = outbox.next_sequence
        if flight.sent == flight.acknowledged:
            flight.since = time.monotonic()
        if sequence > flight.sent and flight.sent == flight.acknowledged:
            flight.acknowledged = sequence  # what lay between was dropped before it could be sent
        (stored,) = outbox.take(1)
        flight.sent = sequence + 1
        subject, _, data = stored.partition(b"\0")
        epoch = self._sequencer.epoch
        self._sent += 1
        self._sent_bytes += len(data)
        await client.publish(
            subject.decode(),
            data,
            reply=f"{inbox}.{domain}-{source}-{sequence}",
            headers={
                "Nats-Msg-Id": message_id(domain, source, epoch, sequence),
                "Ap-Epoch": str(epoch),
            },
        )

    async def _on_acknowledgement(self, msg: Msg) -> None:
        """Go on behind an acknowledged message, or send a refused one again after a pause."""
        domain, source, sequence = map(int, msg.subject.rpartition(".")[2].split("-"))
        flight, outbox = self._flights[domain, source], self._outboxes[domain, source]
        if not flight.acknowledged <= sequence < flight.sent:
            return
        if b'"error"' in msg.data or not msg.data:
            self._last_error = f"bus: refused domain {domain}: {_reason(msg)}"
            self._resent += outbox.rewind(sequence)
            flight.sent = flight.acknowledged = sequence
            flight.not_before = time.monotonic() + REFUSED_PAUSE_S
            return
        flight.acknowledged = sequence + 1
        flight.since = time.monotonic()
        self._wake.set()

    # --- what is heard ----------------------------------------------------------------------------------------------------

    def _take(self, msg: Msg, partition: str = WHOLE_DOMAIN) -> None:
        self._received += 1
        try:
            message = decode(msg.data)
            epoch = int((msg.headers or {})["Ap-Epoch"])
            follower = self._followers[message.header.domain]
        except (DecodeError, KeyError, ValueError) as error:
            self._invalid += 1
            self._last_error = f"a message was invalid: {error}"
            return
        answers = follower.take(message, epoch, lane=partition)
        if answers:
            self._inject(answers)

    def _is_own_run(self, domain: int) -> Callable[[int, int], bool]:
        own_epoch = self._sequencer.epoch
        return lambda source, epoch: epoch == own_epoch and self._is_own(domain, source)

    def _ask_base(self, domain: int) -> Callable[[int], None]:
        """Return what asks the producers of a domain for fresh base messages."""

        def ask(source: int) -> None:
            task = asyncio.create_task(self._request_base(domain, source))
            self._requests.add(task)
            task.add_done_callback(self._requests.discard)

        return ask

    async def _request_base(self, domain: int, source: int) -> None:
        """Ask until the producer answers that it heard, or nobody does."""
        request = RecoveryRequest(
            consumer_id=0,
            last_sequence=0,
            current_sequence=0,
            request=RecoveryKind.SNAPSHOT,
            source=source,
        )
        header = Header(domain, source, 0, 0, self._clock())
        data = encode(Message(header, (request,)))
        subject = f"{control_subject(self._nats_config.prefix, domain)}.{source}"
        for _ in range(BASE_ATTEMPTS):
            with contextlib.suppress(NatsError, TimeoutError):
                if self._nats is not None:
                    await self._nats.request(subject, data, timeout=1.0)
                    return
            await asyncio.sleep(BASE_PAUSE_S)

    async def _on_control(self, msg: Msg) -> None:
        try:
            message = decode(msg.data)
        except DecodeError:
            self._invalid += 1
            return
        request = message.first(RecoveryRequest)
        if request is not None and self._is_own(message.header.domain, request.source):
            await msg.respond(b"")
            self._want_base(message.header.domain, request.source)

    def _is_connected(self) -> bool:
        return self._is_up

    def _on_tick(self, now_ns: int) -> None:
        pass


def _reason(msg: Msg) -> str:
    if not msg.data:
        return "no stream takes it"
    try:
        answer = msgspec.json.decode(msg.data)
    except msgspec.DecodeError:
        return "unreadable answer"
    return str(answer.get("error", {}).get("description", "unknown"))
