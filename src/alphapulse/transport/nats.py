"""The bus of many machines: a local order linked to NATS JetStream. The bytes on it are those of the relays."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js.client import JetStreamContext

from alphapulse.errors import DecodeError, StreamLost
from alphapulse.protocol.codec import decode, encode
from alphapulse.protocol.header import Header
from alphapulse.protocol.message import Message
from alphapulse.protocol.system import RecoveryKind, RecoveryRequest
from alphapulse.transport.bus import LinkState, LinkStatistics
from alphapulse.transport.bus_follower import WHOLE_DOMAIN, BusFollower
from alphapulse.transport.linked import LinkedBusBase
from alphapulse.transport.nats_group import GroupMember
from alphapulse.transport.nats_lease import Leases
from alphapulse.transport.nats_reader import OrderedReader
from alphapulse.transport.nats_sender import BusSender, addressed
from alphapulse.transport.nats_session import REQUEST_S, connect, described, ensure_streams
from alphapulse.transport.sequence import Sequencer
from alphapulse.transport.settings import NatsConfig
from alphapulse.transport.subjects import (
    BROADCAST,
    STREAMS,
    control_subject,
    domain_filter,
    partition_filter,
    subject_of,
)
from alphapulse.transport.tasks import end_tasks

__all__ = ["NatsBus"]

CLOSE_S = 1.0
END_S = 5.0  # for a session to end in order
BASE_ATTEMPTS = 10
BASE_PAUSE_S = 1.0


class NatsBus(LinkedBusBase):
    """Make it with `NatsBus.open`, subscribe, then wait for `linked`."""

    def __init__(self, config: NatsConfig, sequencer: Sequencer, clock: Callable[[], int]) -> None:
        super().__init__(config, sequencer, clock)
        self._nats_config = config
        self._sender = BusSender(self._note_text)
        for (domain, source), outbox in self._outboxes.items():
            self._sender.add((domain, source, sequencer.epoch), outbox)
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
        tasks = [bus._begin(bus._run()), bus._begin(bus._tick())]
        try:
            yield bus
        finally:
            await bus.drain(timeout_s=CLOSE_S)
            bus._end()
            await end_tasks([*tasks, *bus._requests], patience_s=END_S)

    @property
    def partitions_held(self) -> tuple[str, ...]:
        """Return the partitions whose lease this member holds."""
        return self._group.held if self._group is not None else ()

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
            sent=self._sender.sent,
            sent_bytes=self._sender.sent_bytes,
            resent=self._sender.resent,
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
        self._last_error = described(error, self._nats_config)

    def _note_text(self, text: str) -> None:
        self._last_error = text

    async def _session(self) -> None:
        """Hold one connection until it ends.

        Raises  an error of the client, or StreamLost.
        """
        closed = asyncio.Event()
        client = await connect(self._nats_config, closed, self._note)
        tasks: list[asyncio.Task[Any]] = []
        try:
            js = client.jetstream(timeout=REQUEST_S)
            await ensure_streams(js, self._nats_config)
            leases = await self._take_sources(js)
            tasks.append(asyncio.create_task(closed.wait()))
            tasks.append(asyncio.create_task(self._hold_sources(leases)))
            tasks += [asyncio.create_task(one.run(client, js)) for one in self._readers.values()]
            if self._group is not None:
                tasks.append(asyncio.create_task(self._group.run(js)))
            tasks.append(asyncio.create_task(self._sender.run(client)))
            tasks.append(asyncio.create_task(self._come_up(client)))
            waiting = set(tasks)
            while waiting:
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
                if closed.is_set():
                    raise StreamLost("the connection ended")
        finally:
            await end_tasks(tasks)
            with contextlib.suppress(NatsError, OSError, TimeoutError):
                async with asyncio.timeout(CLOSE_S):
                    await client.close()

    async def _take_sources(self, js: JetStreamContext) -> Leases:
        """Claim to be the one live producer of each own source.

        Raises  StreamLost naming who is.
        """
        leases = await Leases.open(js, self._nats_config, self._nats_config.name)
        for domain, source in self._outboxes:
            key = f"producer.{domain}.{source}"
            if not await leases.take(key):
                holder = await leases.holder_of(key)
                raise StreamLost(f"source {source} of domain {domain} is live as `{holder}`")
        return leases

    async def _hold_sources(self, leases: Leases) -> None:
        """Renew the claims until cancelled, and give them back then.

        Raises  StreamLost when another producer has one.
        """
        try:
            while leases.held():
                await asyncio.sleep(self._nats_config.renew_s)
                lost = await leases.renew()
                if lost:
                    raise StreamLost(f"the claim to `{lost[0]}` was lost")
            await asyncio.Event().wait()
        finally:
            for key in leases.held():
                await leases.give_back(key)

    async def _come_up(self, client: Client) -> None:
        """Tell that the link stands when everything that was missed has been heard."""
        self._nats = client
        for domain in sorted({domain for domain, _ in self._outboxes}):
            subject = control_subject(self._nats_config.prefix, domain)
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
        self._sender.wake()

    def _interrupt(self) -> None:
        self._nats = None
        self._is_up = False
        if self.state is not LinkState.CLOSED and not self._failure.done():
            for follower in self._followers.values():
                self._inject(follower.interrupt())
        self._look()

    # --- what is sent -----------------------------------------------------------------------------------------------------

    def _flush(self, domain: int, source: int) -> None:
        self._sender.wake()

    def _left(self, domain: int, source: int) -> int:
        return self._sender.left((domain, source, self._sequencer.epoch))

    def _encoded(self, message: Message) -> bytes:
        config = self._nats_config
        return addressed(subject_of(message, config.prefix, config.partitions), encode(message))

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
        subject = control_subject(self._nats_config.prefix, domain)
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
