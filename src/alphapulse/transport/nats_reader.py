"""Reads one filter of one stream in order and without holes, whatever happens to deliveries on the way."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from datetime import datetime
from functools import partial

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from nats.js.client import JetStreamContext

__all__ = ["OrderedReader"]

IDLE_HEARTBEAT_S = 1.0
SILENT_S = 3.0
INACTIVE_S = 10.0  # after which the server forgets a reader that has gone
PENDING_MESSAGES = 65_536
PENDING_BYTES = 256 * 2**20


class OrderedReader:
    """A nameless consumer that is made anew, from the last message taken, whenever deliveries skip or stop.

    `last` is the stream's sequence of the last message taken, and survives connections: a reader with `last` goes on
    behind it. Without it the reader begins with what comes next, or with everything when `history` is wanted.
    """

    def __init__(
        self, stream: str, subject_filter: str, take: Callable[[Msg], None], *, history: bool
    ) -> None:
        self.last: int | None = None
        self.restarts = 0
        self.caught_up = asyncio.Event()
        self._stream = stream
        self._filter = subject_filter
        self._take = take
        self._history = history
        self._expected = 1
        self._heard = 0.0
        self._generation = 0
        self._created: datetime | None = None
        self._skipped = asyncio.Event()
        self._subscription: Subscription | None = None

    async def run(self, nats: Client, js: JetStreamContext) -> None:
        """Read until cancelled; `caught_up` is set once what the stream held at the beginning has been taken.

        Raises  an error of the client when the connection does not carry it.
        """
        self.caught_up.clear()
        await self._begin(nats, js)
        try:
            while True:
                try:
                    async with asyncio.timeout(IDLE_HEARTBEAT_S):
                        await self._skipped.wait()
                except TimeoutError:
                    if time.monotonic() - self._heard < SILENT_S:
                        continue
                self.restarts += 1
                await self._end()
                await self._begin(nats, js)
        finally:
            await self._end()

    async def _begin(self, nats: Client, js: JetStreamContext) -> None:
        inbox = nats.new_inbox()
        self._generation += 1
        self._expected = 1
        self._heard = time.monotonic()
        self._skipped.clear()
        stream = await js.stream_info(self._stream)
        if self.last is None:
            self.last = 0 if self._history else stream.state.last_seq
        elif stream.created != self._created:
            self.last = 0  # the stream was made anew, and nothing of what it holds has been taken
        self._created = stream.created
        self._subscription = await nats.subscribe(
            inbox,
            cb=partial(self._on_message, self._generation),
            pending_msgs_limit=PENDING_MESSAGES,
            pending_bytes_limit=PENDING_BYTES,
        )
        consumer = await js.add_consumer(
            self._stream,
            ConsumerConfig(
                deliver_subject=inbox,
                deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
                opt_start_seq=self.last + 1,
                ack_policy=AckPolicy.NONE,
                filter_subject=self._filter,
                flow_control=True,
                idle_heartbeat=IDLE_HEARTBEAT_S,
                inactive_threshold=INACTIVE_S,
                max_deliver=1,
                mem_storage=True,
                num_replicas=1,
            ),
        )
        delivered = consumer.delivered.consumer_seq if consumer.delivered else 0
        if not consumer.num_pending and not delivered:
            self.caught_up.set()

    async def _end(self) -> None:
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            with contextlib.suppress(NatsError):  # with the connection the subscription has ended
                await subscription.unsubscribe()

    async def _on_message(self, generation: int, msg: Msg) -> None:
        """Take a message that follows the one before; answer the server's questions about flow."""
        if generation != self._generation:
            return
        self._heard = time.monotonic()
        headers = msg.headers or {}
        if headers.get("Status") == "100":
            if msg.reply:
                await msg.respond(b"")
            if int(headers.get("Nats-Last-Consumer", "0")) >= self._expected:
                self._skipped.set()
            return
        metadata = msg.metadata
        if self._skipped.is_set() or metadata.sequence.consumer != self._expected:
            self._skipped.set()
            return
        self._expected += 1
        self.last = metadata.sequence.stream
        self._take(msg)
        if metadata.num_pending == 0:
            self.caught_up.set()
