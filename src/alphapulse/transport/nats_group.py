"""Shares the partitions of a group among its living members: a lease per partition, and its messages while it holds."""

import asyncio
import contextlib
import time
from collections.abc import Callable

from nats.aio.msg import Msg
from nats.errors import TimeoutError as NatsTimeoutError
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from nats.js.client import JetStreamContext

from alphapulse.primitives.units import div_ceil
from alphapulse.protocol.header import Domain
from alphapulse.transport.linked import LOSSLESS
from alphapulse.transport.nats_lease import Leases
from alphapulse.transport.settings import NatsConfig
from alphapulse.transport.subjects import DOMAIN_NAMES, STREAMS, partition_filter, partitions
from alphapulse.transport.tasks import end_tasks

__all__ = ["GroupMember"]

FETCH_S = 1.0
PENDING_LIMIT = 256
FETCH_LIMIT = 64


class GroupMember:
    """One process of `cg_<group>`. `take` is given a message and its partition, and acknowledged when it returns.

    After a lost connection a member takes what it had before, and waits a lease before it takes more: a server that died may
    have forgotten what was acknowledged, and only who took a message knows its repeat.
    """

    def __init__(self, config: NatsConfig, member: str, take: Callable[[Msg, str], None]) -> None:
        self.settled = asyncio.Event()
        self._config = config
        self._member = member
        self._take = take
        self._tasks: dict[str, list[asyncio.Task[None]]] = {}
        self._former: tuple[str, ...] = ()
        self._more_from = 0.0

    @property
    def held(self) -> tuple[str, ...]:
        """Return the partitions that this member serves."""
        return tuple(sorted(self._tasks))

    async def run(self, js: JetStreamContext) -> None:
        """Serve a fair share of the partitions until cancelled, and give it back then if the connection still stands.

        Raises  an error of the client when the connection does not carry it.
        """
        self.settled.clear()
        self._more_from = time.monotonic() + self._config.lease_s if self._former else 0.0
        leases = await Leases.open(js, self._config, self._member)
        alive = f"{self._group()}.member.{self._member}"
        try:
            await leases.take(alive)
            while True:
                started = time.monotonic()
                for key in await leases.renew():
                    await self._stop(key.rpartition(".")[2])
                if not leases.is_held(alive):
                    await leases.take(alive)
                await self._share(js, leases)
                self.settled.set()
                self._raise_failures()
                pause_s = self._config.renew_s - (time.monotonic() - started)
                await asyncio.sleep(max(pause_s, 0.01))
        finally:
            self._former = self.held or self._former
            await asyncio.gather(*(self._stop(partition) for partition in self.held))
            for key in leases.held():
                await leases.give_back(key)

    async def _share(self, js: JetStreamContext, leases: Leases) -> None:
        """Take free partitions up to the fair share, or give back what is above it."""
        members = max(await leases.count(f"{self._group()}.member.*"), 1)
        fair = div_ceil(self._config.partitions, members)
        for partition in self.held[fair:]:
            await self._stop(partition)
            await leases.give_back(self._lease_key(partition))
        waits = time.monotonic() < self._more_from
        for partition in self._former if waits else partitions(self._config.partitions):
            if len(self._tasks) >= fair:
                return
            if partition not in self._tasks and await leases.take(self._lease_key(partition)):
                self._tasks[partition] = [
                    asyncio.create_task(self._serve(js, leases, domain, partition))
                    for domain in sorted(self._config.consumes)
                ]

    async def _stop(self, partition: str) -> None:
        tasks = self._tasks.pop(partition, [])
        await end_tasks(tasks)

    def _raise_failures(self) -> None:
        for tasks in self._tasks.values():
            for task in tasks:
                if task.done():
                    task.result()

    async def _serve(
        self, js: JetStreamContext, leases: Leases, domain: int, partition: str
    ) -> None:
        """Take one partition of one domain in the order of its stream."""
        config, key = self._config, self._lease_key(partition)
        most = 1 if domain == Domain.EXECUTION else PENDING_LIMIT
        everything = config.history or domain in LOSSLESS
        subscription = await js.pull_subscribe(
            partition_filter(config.prefix, domain, partition),
            durable=f"{self._group()}_{DOMAIN_NAMES[domain]}_{partition}",
            stream=STREAMS[domain],
            config=ConsumerConfig(
                deliver_policy=DeliverPolicy.ALL if everything else DeliverPolicy.NEW,
                ack_policy=AckPolicy.EXPLICIT,
                ack_wait=config.lease_s,
                max_ack_pending=most,
            ),
        )
        try:
            # What an earlier member took and did not acknowledge comes again after its lease; newer ones must not pass it.
            if (await subscription.consumer_info()).num_ack_pending:
                await asyncio.sleep(config.lease_s)
            while True:
                with contextlib.suppress(NatsTimeoutError, TimeoutError):
                    for msg in await subscription.fetch(min(most, FETCH_LIMIT), timeout=FETCH_S):
                        if not leases.is_held(key):
                            return
                        self._take(msg, partition)
                        await msg.ack()
        finally:
            with contextlib.suppress(NatsTimeoutError, ConnectionError):
                await subscription.unsubscribe()

    def _group(self) -> str:
        return f"cg_{self._config.group}"

    def _lease_key(self, partition: str) -> str:
        return f"{self._group()}.lease.{partition}"
