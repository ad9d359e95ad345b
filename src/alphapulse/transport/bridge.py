"""Joins relays and the bus of many machines: hands each message on as the bytes it is, away from its home."""

import asyncio
import contextlib
import random
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, NoReturn

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js.client import JetStreamContext
from nats.js.errors import NotFoundError

from alphapulse.errors import DecodeError, EndpointDown, InvariantError, StreamLost
from alphapulse.protocol.codec import decode
from alphapulse.protocol.message import Message
from alphapulse.protocol.system import SequenceSync
from alphapulse.transport.bus import ALL_DOMAINS
from alphapulse.transport.dedupe import Seen
from alphapulse.transport.linked import LOSSLESS
from alphapulse.transport.nats_reader import OrderedReader
from alphapulse.transport.nats_sender import BusSender, addressed
from alphapulse.transport.nats_session import REQUEST_S, connect, described, ensure_streams
from alphapulse.transport.outbox import Outbox
from alphapulse.transport.relay_client import Carried, RelayClient, dial_sockets
from alphapulse.transport.settings import NatsConfig, UnixConfig
from alphapulse.transport.subjects import DOMAIN_NAMES, STREAMS, domain_filter, subject_of
from alphapulse.transport.tasks import end_tasks

__all__ = ["Bridge", "BridgeStatistics"]

TICK_S = 0.05
CLOSE_S = 1.0
END_S = 5.0  # for a session to end in order


class BridgeStatistics(msgspec.Struct, frozen=True):
    """Counts of a bridge since its start."""

    is_linked: bool
    to_bus: int
    to_relays: int
    repeats: int
    invalid: int
    last_error: str


class _Lane:
    """One run of a producer at home on the bus, on its way to a relay."""

    __slots__ = ("client", "epoch", "outbox", "task")

    def __init__(
        self, epoch: int, outbox: Outbox, client: RelayClient, task: asyncio.Task[None]
    ) -> None:
        self.epoch = epoch
        self.outbox = outbox
        self.client = client
        self.task = task


class Bridge:
    """Forwards every producer of the relays to the bus, except for those `at_bus`, which it forwards the other way.

    On the relays it stands for those producers, in their numbers and epochs. After a restart it goes on behind what the
    other side already has. Make it with `Bridge.open`, and let one bridge run per deployment.
    """

    def __init__(
        self,
        relays: UnixConfig,
        bus: NatsConfig,
        clock: Callable[[], int],
        *,
        at_bus: frozenset[tuple[int, int]],
    ) -> None:
        self._relays = msgspec.structs.replace(relays, consumes=frozenset(), history=False)
        self._bus = bus
        self._clock = clock
        self._at_bus = at_bus
        self._dial = dial_sockets(relays.directory)
        self._sender = BusSender(self._note_text)
        self._seen = Seen()
        self._outboxes: dict[tuple[int, int], tuple[int, Outbox]] = {}
        self._lanes: dict[tuple[int, int], _Lane] = {}
        self._caught: dict[tuple[int, int], tuple[int, list[tuple[int, bytes]]]] | None = {}
        self._readers = {
            domain: OrderedReader(
                STREAMS[domain],
                domain_filter(bus.prefix, domain),
                self._take_from_bus,
                history=domain in LOSSLESS,
            )
            for domain in sorted({domain for domain, _ in at_bus})
        }
        consuming = msgspec.structs.replace(relays, consumes=ALL_DOMAINS, history=True)
        self._clients = {
            domain: RelayClient(
                domain,
                consuming,
                0,
                clock,
                owner=self,
                dial=self._dial,
                outboxes={},
            )
            for domain in sorted(ALL_DOMAINS)
        }
        for client in self._clients.values():
            client.carry()
        self._is_up = False
        self._linked = asyncio.Event()
        self._failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._tasks: list[asyncio.Task[None]] = []
        self._to_bus = self._to_relays = self._invalid = 0
        self._last_error = ""

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        relays: UnixConfig,
        bus: NatsConfig,
        clock: Callable[[], int],
        *,
        at_bus: frozenset[tuple[int, int]],
    ) -> AsyncIterator["Bridge"]:
        """Connect to both sides in the background, and again whenever a connection ends, until the block is left."""
        bridge = cls(relays, bus, clock, at_bus=at_bus)
        bridge._tasks = [
            asyncio.create_task(bridge._run()),
            asyncio.create_task(bridge._tick()),
        ]
        try:
            yield bridge
        finally:
            lanes = list(bridge._lanes.values())
            clients = [*bridge._clients.values(), *(lane.client for lane in lanes)]
            tasks = [*bridge._tasks, *(lane.task for lane in lanes)]
            await end_tasks(tasks, patience_s=END_S)
            await asyncio.gather(*(client.close(CLOSE_S) for client in clients))

    async def linked(self, *, timeout_s: float = 30.0) -> None:
        """Wait until both sides stand for the first time.

        Raises  EndpointDown naming the last error when the time is over.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._linked.wait()
        if not self._linked.is_set():
            cause = self._last_error or "nobody answered"
            raise EndpointDown(f"the bridge is not linked after {timeout_s} s: {cause}")

    async def failed(self) -> NoReturn:
        """Wait until the bridge cannot hand on what nobody may lose, and raise why."""
        await asyncio.shield(self._failure)
        raise InvariantError("a bridge fails only by an error")

    def statistics(self) -> BridgeStatistics:
        """Return a frozen view of the counts."""
        return BridgeStatistics(
            is_linked=self._linked.is_set() and self._is_up,
            to_bus=self._to_bus,
            to_relays=self._to_relays,
            repeats=self._seen.repeats,
            invalid=self._invalid,
            last_error=self._last_error,
        )

    # --- the bus side -----------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        """Hold a connection to the bus until cancelled; the relays are joined when the first one stands."""
        config, failures = self._bus, 0
        while True:
            was_up = False
            try:
                await self._session()
            except (NatsError, StreamLost, OSError, TimeoutError) as error:
                was_up = self._is_up
                self._last_error = described(error, config)
            self._is_up = False
            failures = 0 if was_up else failures + 1
            longest_ms = min(config.reconnect_min_ms << min(failures, 16), config.reconnect_max_ms)
            await asyncio.sleep(longest_ms * random.uniform(0.5, 1.0) / 1000)  # noqa: S311  # jitter

    async def _session(self) -> None:
        closed = asyncio.Event()
        client = await connect(
            self._bus, closed, lambda error: self._note_text(described(error, self._bus))
        )
        tasks: list[asyncio.Task[Any]] = []
        try:
            js = client.jetstream(timeout=REQUEST_S)
            await ensure_streams(js, self._bus)
            tasks.append(asyncio.create_task(closed.wait()))
            tasks += [asyncio.create_task(one.run(client, js)) for one in self._readers.values()]
            tasks.append(asyncio.create_task(self._sender.run(client)))
            tasks.append(asyncio.create_task(self._come_up(client, js)))
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

    async def _come_up(self, client: Client, js: JetStreamContext) -> None:
        for reader in self._readers.values():
            await reader.caught_up.wait()
        self._hand_over_caught()
        if len(self._tasks) == 2:
            await self._begin_where_the_bus_ends(js)
            self._tasks += [asyncio.create_task(one.run()) for one in self._clients.values()]
        self._is_up = True
        self._last_error = ""
        self._sender.wake()

    async def _begin_where_the_bus_ends(self, js: JetStreamContext) -> None:
        """Expect from each producer at the relays what follows its last message on the bus."""
        for domain, follower in ((one, self._clients[one].follower) for one in self._clients):
            filter_ = domain_filter(self._bus.prefix, domain)
            state = (await js.stream_info(STREAMS[domain], subjects_filter=filter_)).state
            at = f"{self._bus.prefix}.{DOMAIN_NAMES[domain]}."
            sources = {int(name.removeprefix(at).split(".")[0]) for name in state.subjects or {}}
            for source in sorted(sources):
                if (domain, source) in self._at_bus:
                    continue
                try:
                    last = await js.get_last_msg(STREAMS[domain], f"{at}{source}.>")
                except NotFoundError:
                    continue
                message = decode(last.data or b"")
                epoch = int((last.headers or {}).get("Ap-Epoch", "0"))
                follower.start_at(source, epoch, message.header.sequence + 1)

    def _take_from_bus(self, msg: Msg) -> None:
        """Hand a message of a producer at home on the bus to its relay; what is older than its newest run is history."""
        try:
            message = decode(msg.data)
            epoch = int((msg.headers or {})["Ap-Epoch"])
        except (DecodeError, KeyError, ValueError) as error:
            self._invalid += 1
            self._last_error = f"a message was invalid: {error}"
            return
        header = message.header
        key = (header.domain, header.source)
        if key not in self._at_bus:
            return
        if self._seen.is_repeat("", *key, epoch=epoch, sequence=header.sequence):
            return
        if self._caught is not None:
            run = self._caught.get(key)
            if run is None or epoch > run[0]:
                run = self._caught[key] = (epoch, [])
            if epoch == run[0]:
                run[1].append((header.sequence, msg.data))
            return
        self._to_relay(key, epoch, header.sequence, msg.data)

    def _hand_over_caught(self) -> None:
        caught, self._caught = self._caught, None
        for key, (epoch, messages) in sorted((caught or {}).items()):
            for sequence, data in messages:
                self._to_relay(key, epoch, sequence, data)

    def _to_relay(self, key: tuple[int, int], epoch: int, sequence: int, data: bytes) -> None:
        lane = self._lanes.get(key)
        if lane is not None and epoch < lane.epoch:
            return
        if lane is None or epoch != lane.epoch or sequence != lane.outbox.end_sequence:
            lane = self._open_lane(key, epoch, sequence)
        is_added = False
        try:
            lane.outbox.add(sequence, data)
            is_added = True
        finally:
            if not is_added:
                self._fail(sys.exception())
        self._to_relays += 1
        lane.client.flush_soon()

    def _open_lane(self, key: tuple[int, int], epoch: int, sequence: int) -> _Lane:
        """Stand at a relay for a run, from a number on; an earlier run's connection ends after what it still holds."""
        before = self._lanes.get(key)
        if before is not None:
            self._tasks.append(asyncio.create_task(self._retire(before)))
        domain, source = key
        outbox = self._outbox(domain, sequence)
        client = RelayClient(
            domain,
            self._relays,
            epoch,
            self._clock,
            owner=self,
            dial=self._dial,
            outboxes={source: outbox},
        )
        lane = _Lane(epoch, outbox, client, asyncio.create_task(client.run()))
        self._lanes[key] = lane
        return lane

    async def _retire(self, lane: _Lane) -> None:
        """End an earlier run's connection when nothing of it waits; until then the relay refuses the next one."""
        while lane.outbox:  # noqa: ASYNC110  # the transport's callbacks empty it
            await asyncio.sleep(TICK_S)
        lane.task.cancel()
        await lane.client.close(CLOSE_S)

    # --- the relay side ---------------------------------------------------------------------------------------------------

    def on_received(self, messages: list[Message]) -> None:
        """Hand messages of producers at home on the relays to the bus."""
        for message in messages:
            header = message.header
            key = (header.domain, header.source)
            if header.sequence and key not in self._at_bus and isinstance(message, Carried):
                self._to_stream(key, message)
        self._sender.wake()

    def _to_stream(self, key: tuple[int, int], message: Carried) -> None:
        domain, source = key
        sequence = message.header.sequence
        follower = self._clients[domain].follower
        sync = message.first(SequenceSync) if sequence == 1 else None
        stream = next(one for one in follower.streams() if one.source == source)
        epoch = sync.epoch if sync is not None else stream.epoch
        known = self._outboxes.get(key)
        if known is None or known[0] != epoch or known[1].end_sequence != sequence:
            outbox = self._outbox(domain, sequence)
            self._outboxes[key] = (epoch, outbox)
            self._sender.add((domain, source, epoch), outbox)
            self._sender.forget_finished(
                lambda run: self._outboxes.get(run[:2], (0, None))[0] == run[2]
            )
        outbox = self._outboxes[key][1]
        subject = subject_of(message, self._bus.prefix, self._bus.partitions)
        is_added = False
        try:
            outbox.add(sequence, addressed(subject, message.data))
            is_added = True
        finally:
            if not is_added:
                self._fail(sys.exception())
        self._to_bus += 1

    def on_base_wanted_by_relay(self, domain: int, source: int) -> None:
        """Nothing: a producer on the bus announces itself there."""

    def on_change(self) -> None:
        """See whether all relays are joined."""
        clients = self._clients.values()
        if self._is_up and all(client.is_joined for client in clients):
            self._linked.set()
        lanes = [lane.client for lane in self._lanes.values()]
        errors = [one.last_error for one in (*clients, *lanes) if one.last_error]
        self._last_error = errors[0] if errors else self._last_error

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            now_ns = time.monotonic_ns()
            for client in self._clients.values():
                client.on_tick(now_ns)
            for lane in self._lanes.values():
                lane.client.on_tick(now_ns)
            self.on_change()

    def _outbox(self, domain: int, first: int) -> Outbox:
        return Outbox(
            most_messages=self._relays.retained_messages,
            most_bytes=self._relays.retained_bytes,
            lossless=domain in LOSSLESS,
            first=first,
        )

    def _note_text(self, text: str) -> None:
        self._last_error = text

    def _fail(self, error: BaseException | None) -> None:
        if error is not None and not self._failure.done():
            self._failure.set_exception(error)
            self._failure.exception()
