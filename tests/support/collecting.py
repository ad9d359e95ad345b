"""A collector under test: its drafts, its frames, and waiting for what it should say."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress

import msgspec

from alphapulse.collectors.evm.collector import EvmCollector
from alphapulse.collectors.evm.config import EvmCollectorConfig, PoolConfig, TokenConfig
from alphapulse.protocol.market_data import (
    BLOCK_LEVEL,
    ChainEvent,
    GasPrice,
    InvalidationAction,
    StateInvalidation,
)
from alphapulse.protocol.message import Draft, Tlv

__all__ = [
    "POOLS",
    "TOKENS",
    "V2_POOL",
    "V3_POOL",
    "Collected",
    "collecting",
    "collector_config",
    "first",
]

_A, _B = b"\x11" * 20, b"\x22" * 20
TOKENS = (
    TokenConfig(address=_A, symbol="AAA", decimals=18),
    TokenConfig(address=_B, symbol="BBB", decimals=6),
)
V2_POOL = PoolConfig(
    address=b"\xa2" * 20, venue=300, kind="uniswap_v2", token0=_A, token1=_B, fee_pips=3000
)
V3_POOL = PoolConfig(
    address=b"\xa3" * 20,
    venue=301,
    kind="uniswap_v3",
    token0=_A,
    token1=_B,
    fee_pips=3000,
    tick_spacing=60,
)
POOLS = (V2_POOL, V3_POOL)

PATIENCE_S = 10.0


def collector_config(rpc_ws: str, **changes: object) -> EvmCollectorConfig:
    """Return a configuration with short pauses and no watchdog."""
    base = EvmCollectorConfig(
        name="test",
        chain_id=31337,
        rpc_ws=rpc_ws,
        pools=POOLS,
        tokens=TOKENS,
        priority_fee_per_gas=1,
        reconnect_min_ms=5,
        reconnect_max_ms=20,
        block_time_ms=0,
    )
    return msgspec.structs.replace(base, **changes)


def first(draft: Draft, kind: type[Tlv]) -> Tlv | None:
    """Return the first part of that class."""
    return next((tlv for tlv in draft.tlvs if isinstance(tlv, kind)), None)


class Collected:
    """What one collector said, in order."""

    def __init__(self, config: EvmCollectorConfig) -> None:
        self.drafts: list[Draft] = []
        self.said_ns: list[int] = []
        self.frames: list[tuple[bytes, int]] = []
        self._said = asyncio.Event()
        self.collector = EvmCollector(
            config, self._take, lambda frame, at: self.frames.append((frame, at)), time.time_ns
        )
        self.task: asyncio.Task[None] | None = None

    def _take(self, draft: Draft) -> None:
        self.drafts.append(draft)
        self.said_ns.append(time.monotonic_ns())
        self._said.set()

    async def until(self, is_done: Callable[[], bool]) -> None:
        """Wait until something is true; checked after everything that is said and at short intervals."""
        async with asyncio.timeout(PATIENCE_S):
            while not is_done():
                if self.task is not None and self.task.done():
                    self.task.result()
                self._said.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(0.01):
                        await self._said.wait()

    async def until_block(self, number: int) -> None:
        """Wait until that block is closed by the message that closes it."""
        await self.until(lambda: number in self.blocks())

    def blocks(self) -> list[int]:
        """Return the closed blocks in the order they were said."""
        return [gas.block for gas in self.all(GasPrice)]

    def all(self, kind: type[Tlv]) -> list[Tlv]:
        """Return every part of that class."""
        return [tlv for draft in self.drafts for tlv in draft.tlvs if isinstance(tlv, kind)]

    def log_events(self) -> list[ChainEvent]:
        """Return the chain events of logs."""
        return [event for event in self.all(ChainEvent) if event.log_index != BLOCK_LEVEL]

    def identities(self) -> list[tuple[bytes, bytes, int]]:
        """Return the identity of each log said."""
        return [(event.block_hash, event.tx_hash, event.log_index) for event in self.log_events()]

    def invalidations(self, action: InvalidationAction) -> list[StateInvalidation]:
        """Return what was invalidated or resumed."""
        return [found for found in self.all(StateInvalidation) if found.action == action]

    def kinds(self, drafts: Iterable[Draft] | None = None) -> list[str]:
        """Return the name of each message's first part."""
        chosen = self.drafts if drafts is None else drafts
        return [type(draft.tlvs[0]).__name__ for draft in chosen]


@asynccontextmanager
async def collecting(config: EvmCollectorConfig) -> AsyncIterator[Collected]:
    """Run a collector until it is live, and cancel it with the block."""
    collected = Collected(config)
    collected.task = asyncio.create_task(collected.collector.run())
    live = asyncio.create_task(collected.collector.wait_live())
    try:
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.wait({collected.task, live}, return_when=asyncio.FIRST_COMPLETED)
        if collected.task.done():
            collected.task.result()
        yield collected
    finally:
        live.cancel()
        collected.task.cancel()
        await asyncio.gather(live, collected.task, return_exceptions=True)
