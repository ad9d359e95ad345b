"""Shares the partitions of a group among its living members: a lease per partition, and its messages while it holds."""

import asyncio
import contextlib
import time
from collections.abc import Callable

from nats.aio.msg import Msg
from nats.errors import TimeoutError as NatsTimeoutError
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy, KeyValueConfig, StorageType
from nats.js.client import JetStreamContext
from nats.js.errors import BucketNotFoundError, KeyWrongLastSequenceError
from nats.js.kv import KeyValue

from alphapulse.primitives.units import div_ceil
from alphapulse.protocol.header import Domain
from alphapulse.transport.linked import LOSSLESS
from alphapulse.transport.settings import NatsConfig
from alphapulse.transport.subjects import DOMAIN_NAMES, STREAMS, partition_filter, partitions

__all__ = ["GroupMember"]

BUCKET = "AP_LEASES"
FETCH_S = 1.0
PENDING_LIMIT = 256
FETCH_LIMIT = 64


class GroupMember:
    """One process of `cg_<group>`. `take` is given a message and its partition, and acknowledged when it returns.

    A member that cannot renew a lease in time stops taking before anyone else can have it: it measures the lease from
    before the request that renewed it.
    """

    def __init__(self, config: NatsConfig, member: str, take: Callable[[Msg, str], None]) -> None:
        self.held: dict[str, int] = {}
        self.settled = asyncio.Event()
        self._config = config
        self._member = member
        self._take = take
        self._left_behind: list[str] = []
        self._until: dict[str, float] = {}
        self._tasks: dict[str, list[asyncio.Task[None]]] = {}

    async def run(self, js: JetStreamContext) -> None:
        """Hold a fair share of the partitions until cancelled.

        Raises  an error of the client when the connection does not carry it.
        """
        self.settled.clear()
        leases = await self._bucket(js)
        try:
            while True:
                started = time.monotonic()
                await leases.put(self._member_key(), b"")
                await self._renew(leases)
                await self._share(js, leases)
                self.settled.set()
                self._raise_failures()
                pause_s = self._config.renew_s - (time.monotonic() - started)
                await asyncio.sleep(max(pause_s, 0.01))
        finally:
            now = time.monotonic()
            self._left_behind = [
                partition for partition in self.held if self._until.get(partition, 0.0) > now + 1
            ]
            await asyncio.gather(*(self._drop(partition) for partition in list(self.held)))

    async def leave(self, js: JetStreamContext) -> None:
        """Give back at once what is surely still held, so that the others need not wait for leases to end."""
        for partition in self._left_behind:
            await self._forget(js, self._lease_key(partition))
        await self._forget(js, self._member_key())

    async def _bucket(self, js: JetStreamContext) -> KeyValue:
        try:
            return await js.key_value(BUCKET)
        except BucketNotFoundError:
            return await js.create_key_value(
                KeyValueConfig(
                    bucket=BUCKET,
                    ttl=self._config.lease_s,
                    storage=StorageType.MEMORY,
                    replicas=self._config.replicas,
                )
            )

    async def _renew(self, leases: KeyValue) -> None:
        for partition, revision in list(self.held.items()):
            asked = time.monotonic()
            try:
                key, member = self._lease_key(partition), self._member.encode()
                self.held[partition] = await leases.update(key, member, last=revision)
            except KeyWrongLastSequenceError:
                await self._drop(partition)
            else:
                self._until[partition] = asked + self._config.lease_s

    async def _share(self, js: JetStreamContext, leases: KeyValue) -> None:
        """Take free partitions up to the fair share, or give back what is above it."""
        fair = div_ceil(self._config.partitions, await self._members(js))
        for partition in sorted(self.held)[fair:]:
            await self._drop(partition)
            await self._forget(js, self._lease_key(partition))
        for partition in partitions(self._config.partitions):
            if len(self.held) >= fair:
                return
            if partition in self.held:
                continue
            asked = time.monotonic()
            try:
                key, member = self._lease_key(partition), self._member.encode()
                self.held[partition] = await leases.create(key, member)
            except KeyWrongLastSequenceError:
                continue
            self._until[partition] = asked + self._config.lease_s
            self._tasks[partition] = [
                asyncio.create_task(self._serve(js, domain, partition))
                for domain in sorted(self._config.consumes)
            ]

    async def _members(self, js: JetStreamContext) -> int:
        """Return how many members live: each keeps one key, which ends with it."""
        subject = f"$KV.{BUCKET}.{self._group()}.member.*"
        state = (await js.stream_info(f"KV_{BUCKET}", subjects_filter=subject)).state
        return max(len(state.subjects or {}), 1)

    async def _forget(self, js: JetStreamContext, key: str) -> None:
        """Remove a key without a trace, so that it does not count and the next can take it."""
        await js.purge_stream(f"KV_{BUCKET}", subject=f"$KV.{BUCKET}.{key}")

    async def _drop(self, partition: str) -> None:
        self.held.pop(partition, None)
        await self._stop(partition)

    async def _stop(self, partition: str) -> None:
        tasks = self._tasks.pop(partition, [])
        self._until.pop(partition, None)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _raise_failures(self) -> None:
        for tasks in self._tasks.values():
            for task in tasks:
                if task.done():
                    task.result()

    async def _serve(self, js: JetStreamContext, domain: int, partition: str) -> None:
        """Take one partition of one domain in the order of its stream."""
        config = self._config
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
                        if time.monotonic() >= self._until.get(partition, 0.0):
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

    def _member_key(self) -> str:
        return f"{self._group()}.member.{self._member}"
