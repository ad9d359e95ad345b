"""Headers and logs put together into whole blocks, in chain order, each log once. Pure.

Knows the tail of the chain as far as it was released. Must not know pools, messages or the node: the shell asks where a
header belongs, fetches what is missing, and gets a whole block back.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum, unique

import msgspec

from alphapulse.errors import DecodeError, HashMismatch, InvariantError
from alphapulse.evm.logs import LogEntry, bloom_mask, hex_bytes, hex_int
from alphapulse.primitives.address import Hash32

__all__ = [
    "Block",
    "BlockAssembler",
    "BlockHeader",
    "BloomScreen",
    "HeaderJson",
    "LogVerdict",
    "Placement",
    "block_header",
    "check_joins",
]

TAIL_BLOCKS = (
    256  # released blocks whose logs are remembered, so that a late delivery is recognised
)
MAX_EARLY_LOGS = 20_000  # logs waiting for their header; a block cannot hold more by its gas limit
BLOOM_BYTES = 256
NANOSECONDS = 10**9


class HeaderJson(msgspec.Struct, frozen=True, rename="camel"):
    """A header as a node writes it."""

    number: str
    hash: str
    parent_hash: str
    timestamp: str
    logs_bloom: str
    base_fee_per_gas: str | None = None
    gas_used: str = "0x0"
    gas_limit: str = "0x0"


@dataclass(frozen=True, slots=True)
class BlockHeader:
    """What is needed of a header; `base_fee_per_gas` is 0 on chains without one, `gas_limit` where it is not told."""

    number: int
    block_hash: Hash32
    parent_hash: Hash32
    timestamp_ns: int
    base_fee_per_gas: int
    logs_bloom: int
    gas_used: int = 0
    gas_limit: int = 0


@dataclass(frozen=True, slots=True)
class Block:
    """A whole block: its header and every log of ours, in order."""

    header: BlockHeader
    logs: tuple[LogEntry, ...]
    unstreamed: int
    """Logs that the subscription had not delivered when the block was closed."""


@unique
class Placement(Enum):
    """Where a header stands relative to the last released block."""

    NEXT = "next"
    GAP = "gap"
    KNOWN = "known"
    FORK = "fork"


@unique
class LogVerdict(Enum):
    """What a streamed log is relative to what was released."""

    EARLY = "early"
    DUPLICATE = "duplicate"
    BEFORE_BASE = "before_base"
    LATE = "late"
    FOREIGN = "foreign"
    REMOVED = "removed"


def block_header(raw: HeaderJson) -> BlockHeader:
    """Return a header in bytes and integers.

    Raises  DecodeError(bad_hex) for malformed fields.
    """
    timestamp_ns = hex_int(raw.timestamp) * NANOSECONDS
    if timestamp_ns >= 1 << 64:
        raise DecodeError("bad_value", 0, f"block time `{raw.timestamp}` does not fit 64 bits")
    gas_used, gas_limit = hex_int(raw.gas_used), hex_int(raw.gas_limit)
    if not gas_used <= gas_limit < 1 << 64:
        raise DecodeError(
            "bad_value", 0, f"`{raw.gas_used}` gas of a limit of `{raw.gas_limit}` cannot be"
        )
    return BlockHeader(
        number=hex_int(raw.number),
        block_hash=Hash32(hex_bytes(raw.hash, 32)),
        parent_hash=Hash32(hex_bytes(raw.parent_hash, 32)),
        timestamp_ns=timestamp_ns,
        base_fee_per_gas=0 if raw.base_fee_per_gas is None else hex_int(raw.base_fee_per_gas),
        logs_bloom=int.from_bytes(hex_bytes(raw.logs_bloom, BLOOM_BYTES), "big"),
        gas_used=gas_used,
        gas_limit=gas_limit,
    )


def check_joins(base: BlockHeader, headers: Iterable[BlockHeader]) -> None:
    """Check that headers follow `base` one by one.

    Raises  HashMismatch when a number is skipped or a parent hash differs.
    """
    last = base
    for header in headers:
        if header.number != last.number + 1 or header.parent_hash != last.block_hash:
            raise HashMismatch(
                f"block {header.number} must follow block {last.number} `0x{last.block_hash.hex()}`, "
                f"its parent was `0x{header.parent_hash.hex()}`"
            )
        last = header


class BloomScreen:
    """Answers whether a block's bloom rules out every log of the watched contracts."""

    __slots__ = ("_addresses", "_topics")

    def __init__(self, addresses: Iterable[bytes], topics: Iterable[bytes]) -> None:
        self._addresses = tuple(bloom_mask(address) for address in addresses)
        self._topics = tuple(bloom_mask(topic) for topic in topics)

    def may_contain(self, bloom: int) -> bool:
        """Return False only if the block cannot hold a log of ours."""
        return any(mask & bloom == mask for mask in self._addresses) and any(
            mask & bloom == mask for mask in self._topics
        )


class BlockAssembler:
    """Closes blocks on top of a base block, and recognises what is doubled, late or on another branch."""

    __slots__ = ("_early", "_early_count", "_tail")

    def __init__(self, base: BlockHeader) -> None:
        self._tail: OrderedDict[bytes, tuple[BlockHeader, frozenset[tuple[bytes, bytes, int]]]] = (
            OrderedDict({base.block_hash: (base, frozenset())})
        )
        self._early: OrderedDict[bytes, dict[tuple[bytes, bytes, int], LogEntry]] = OrderedDict()
        self._early_count = 0

    @property
    def last(self) -> BlockHeader:
        """Return the header of the last released block."""
        return self._tail[next(reversed(self._tail))][0]

    @property
    def base(self) -> BlockHeader:
        """Return the oldest header that is remembered."""
        return self._tail[next(iter(self._tail))][0]

    def headers_back(self) -> Iterator[BlockHeader]:
        """Yield the remembered headers, newest first."""
        for header, _ in reversed(self._tail.values()):
            yield header

    def place(self, header: BlockHeader) -> Placement:
        """Return where a header belongs; FORK is a suspicion that the shell checks with the node."""
        last = self.last
        if header.block_hash in self._tail:
            return Placement.KNOWN
        if header.number > last.number + 1:
            return Placement.GAP
        if header.number == last.number + 1 and header.parent_hash == last.block_hash:
            return Placement.NEXT
        return Placement.FORK

    def add_log(self, entry: LogEntry) -> LogVerdict:
        """Keep a streamed log until its block is closed, or say why it is not kept.

        LATE means that a released block lacked it: what was released is wrong.
        """
        if entry.removed:
            self._forget_early(entry.block_hash)
            return LogVerdict.REMOVED if entry.block_hash in self._tail else LogVerdict.FOREIGN
        released = self._tail.get(entry.block_hash)
        if released is not None:
            if entry.block_hash == self.base.block_hash:
                return LogVerdict.BEFORE_BASE
            return LogVerdict.DUPLICATE if entry.identity in released[1] else LogVerdict.LATE
        if entry.block <= self.base.number:
            return LogVerdict.BEFORE_BASE
        if entry.block <= self.last.number:
            return LogVerdict.FOREIGN
        waiting = self._early.setdefault(entry.block_hash, {})
        if entry.identity in waiting:
            return LogVerdict.DUPLICATE
        waiting[entry.identity] = entry
        self._early_count += 1
        while self._early_count > MAX_EARLY_LOGS:
            _, dropped = self._early.popitem(last=False)
            self._early_count -= len(dropped)
        return LogVerdict.EARLY

    def has_early(self, header: BlockHeader) -> bool:
        """Return whether the subscription has delivered a log of that block."""
        return header.block_hash in self._early

    def early(self, header: BlockHeader) -> tuple[LogEntry, ...]:
        """Return what the subscription has delivered of that block so far."""
        return tuple(self._early.get(header.block_hash, {}).values())

    def lacking(
        self, header: BlockHeader, fetched: Iterable[LogEntry]
    ) -> frozenset[tuple[bytes, bytes, int]]:
        """Return identities that were streamed for the block and are not in what was fetched."""
        streamed = self._early.get(header.block_hash, {})
        return frozenset(streamed) - {entry.identity for entry in fetched}

    def close(self, header: BlockHeader, fetched: Iterable[LogEntry]) -> Block:
        """Return the whole block and take it as the last one.

        Range   header is NEXT; fetched holds every log of ours in that block, in any order, repeats allowed.
        Raises  HashMismatch when a log is of another block; InvariantError when the header is not NEXT.
        """
        if self.place(header) is not Placement.NEXT:
            raise InvariantError(f"block {header.number} does not follow {self.last.number}")
        logs: dict[tuple[bytes, bytes, int], LogEntry] = {}
        for entry in fetched:
            if entry.block_hash != header.block_hash or entry.block != header.number:
                raise HashMismatch(
                    f"logs of block `0x{header.block_hash.hex()}` were asked for, "
                    f"one of `0x{entry.block_hash.hex()}` was answered"
                )
            logs[entry.identity] = entry
        streamed = self._early.get(header.block_hash, {})
        unstreamed = sum(identity not in streamed for identity in logs)
        self._forget_early(header.block_hash)
        self._tail[header.block_hash] = (header, frozenset(logs))
        while len(self._tail) > TAIL_BLOCKS:
            self._tail.popitem(last=False)
        self._drop_passed(header.number)
        ordered = sorted(logs.values(), key=lambda entry: entry.position)
        return Block(header, tuple(ordered), unstreamed)

    def _forget_early(self, block_hash: bytes) -> None:
        self._early_count -= len(self._early.pop(block_hash, {}))

    def _drop_passed(self, number: int) -> None:
        passed = [
            block_hash
            for block_hash, waiting in self._early.items()
            if next(iter(waiting.values())).block <= number
        ]
        for block_hash in passed:
            self._forget_early(block_hash)
