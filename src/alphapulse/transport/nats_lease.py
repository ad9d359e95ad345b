"""Leases in a key-value bucket whose keys end by age: who holds what, for as long as it says so."""

import time

from nats.js.api import KeyValueConfig, StorageType
from nats.js.client import JetStreamContext
from nats.js.errors import BucketNotFoundError, KeyNotFoundError, KeyWrongLastSequenceError
from nats.js.kv import KeyValue

from alphapulse.transport.settings import NatsConfig

__all__ = ["Leases"]

BUCKET = "AP_LEASES"


class Leases:
    """The leases of one holder on one connection.

    A lease is measured from before the request that renewed it, so that its holder takes it for ended first.
    """

    def __init__(self, js: JetStreamContext, bucket: KeyValue, holder: str, lease_s: int) -> None:
        self._js = js
        self._bucket = bucket
        self._holder = holder.encode()
        self._lease_s = lease_s
        self._revisions: dict[str, int] = {}
        self._until: dict[str, float] = {}

    @classmethod
    async def open(cls, js: JetStreamContext, config: NatsConfig, holder: str) -> "Leases":
        """Return the leases of a holder, with none held."""
        try:
            bucket = await js.key_value(BUCKET)
        except BucketNotFoundError:
            bucket = await js.create_key_value(
                KeyValueConfig(
                    bucket=BUCKET,
                    ttl=config.lease_s,
                    storage=StorageType.MEMORY,
                    replicas=config.replicas,
                )
            )
        return cls(js, bucket, holder, config.lease_s)

    def held(self) -> list[str]:
        """Return the keys that were taken and not lost or given back."""
        return sorted(self._revisions)

    def is_held(self, key: str) -> bool:
        """Return whether nobody else can have the key at this moment."""
        return time.monotonic() < self._until.get(key, 0.0)

    async def take(self, key: str) -> bool:
        """Take a free key, or one that this holder's name has from an earlier life; return whether it is held."""
        asked = time.monotonic()
        try:
            self._revisions[key] = await self._bucket.create(key, self._holder)
        except KeyWrongLastSequenceError:
            if not await self._take_over(key):
                return False
        self._until[key] = asked + self._lease_s
        return True

    async def _take_over(self, key: str) -> bool:
        try:
            entry = await self._bucket.get(key)
            if entry.value != self._holder or entry.revision is None:
                return False
            self._revisions[key] = await self._bucket.update(key, self._holder, entry.revision)
        except (KeyNotFoundError, KeyWrongLastSequenceError):
            return False
        return True

    async def holder_of(self, key: str) -> str:
        """Return who holds a key, nothing when nobody does."""
        try:
            return (await self._bucket.get(key)).value.decode()  # type: ignore[union-attr]  # a value was put
        except (KeyNotFoundError, AttributeError):
            return ""

    async def renew(self) -> list[str]:
        """Renew all that is held, and return the keys that were lost."""
        lost: list[str] = []
        for key, revision in list(self._revisions.items()):
            asked = time.monotonic()
            try:
                self._revisions[key] = await self._bucket.update(key, self._holder, revision)
            except KeyWrongLastSequenceError:
                self.drop(key)
                lost.append(key)
            else:
                self._until[key] = asked + self._lease_s
        return lost

    def drop(self, key: str) -> None:
        """Hold a key no more, without a word to anyone."""
        self._revisions.pop(key, None)
        self._until.pop(key, None)

    async def give_back(self, key: str) -> None:
        """Free a key at once, if it surely is still held: it leaves no trace, and the next can take it."""
        is_held = self.is_held(key)
        self.drop(key)
        if is_held:
            await self._js.purge_stream(f"KV_{BUCKET}", subject=f"$KV.{BUCKET}.{key}")

    async def count(self, pattern: str) -> int:
        """Return how many keys match a pattern."""
        subject = f"$KV.{BUCKET}.{pattern}"
        state = (await self._js.stream_info(f"KV_{BUCKET}", subjects_filter=subject)).state
        return len(state.subjects or {})
