"""Drafts as a chain collector says them, from a seed: for tests of what carries and keeps messages."""

from __future__ import annotations

import hashlib
import random

from alphapulse.primitives.instrument_id import InstrumentId
from alphapulse.protocol.market_data import ChainEvent, GasPrice, PoolSwap, Trade
from alphapulse.protocol.message import Draft
from alphapulse.protocol.system import Heartbeat, TraceContext

CHAIN_ID = 31337
BLOCK_LEVEL = 0xFFFFFFFF
START_NS = 1_700_000_000 * 10**9


def trace_of(block_hash: bytes, tx_hash: bytes, log_index: int) -> TraceContext:
    seed = hashlib.sha256(block_hash + tx_hash + log_index.to_bytes(4, "little")).digest()
    return TraceContext(
        trace_id=int.from_bytes(seed[:16], "big"),
        span_id=int.from_bytes(seed[16:24], "big"),
        flags=1,
    )


def swap_draft(rng: random.Random, block: int, log_index: int) -> Draft:
    pool = hashlib.sha256(b"pool%d" % rng.randrange(12)).digest()[:20]
    block_hash = hashlib.sha256(b"block%d" % block).digest()
    tx_hash = rng.randbytes(32)
    amount_in = rng.randrange(1, 10**21)
    event_ns = START_NS + block * 10**9
    return Draft(
        1,
        6,
        (
            Trade(
                instrument=InstrumentId.pool(301, pool),
                price=rng.randrange(1, 10**12),
                volume=rng.randrange(1, 10**12),
                side=rng.randrange(2),
                event_ns=event_ns,
            ),
            PoolSwap(
                venue=301,
                pool=pool,
                token_in=b"\x11" * 20,
                token_out=b"\x22" * 20,
                amount_in=amount_in,
                amount_out=amount_in - amount_in // 997,
                decimals_in=18,
                decimals_out=18,
                sqrt_price_x96_after=rng.randrange(2**95, 2**97),
                tick_after=rng.randrange(-5000, 5000),
                liquidity_after=10**21 + rng.randrange(5),
                event_ns=event_ns,
                block=block,
            ),
            ChainEvent(
                chain_id=CHAIN_ID,
                block=block,
                block_hash=block_hash,
                tx_hash=tx_hash,
                tx_index=log_index,
                log_index=log_index,
                flags=0,
            ),
            trace_of(block_hash, tx_hash, log_index),
        ),
    )


def block_draft(block: int, *, block_hash: bytes = b"", flags: int = 0) -> Draft:
    block_hash = block_hash or hashlib.sha256(b"block%d" % block).digest()
    return Draft(
        1,
        6,
        (
            GasPrice(
                chain_id=CHAIN_ID,
                block=block,
                base_fee_per_gas=10**9,
                priority_fee_per_gas=10**8,
                l1_base_fee=0,
                l1_blob_fee=0,
                event_ns=START_NS + block * 10**9,
            ),
            ChainEvent(
                chain_id=CHAIN_ID,
                block=block,
                block_hash=block_hash,
                tx_hash=bytes(32),
                tx_index=BLOCK_LEVEL,
                log_index=BLOCK_LEVEL,
                flags=flags,
            ),
            trace_of(block_hash, bytes(32), BLOCK_LEVEL),
        ),
    )


def heartbeat_draft(now_ns: int) -> Draft:
    return Draft(4, 62, (Heartbeat(event_ns=now_ns, status=0, source=62, interval=1000),))


def stream(seed: int, count: int) -> list[Draft]:
    """Return drafts of swaps, blocks and heartbeats, in an order a node would see."""
    rng = random.Random(seed)
    drafts: list[Draft] = []
    block = 1
    while len(drafts) < count:
        drafts.extend(swap_draft(rng, block, index) for index in range(rng.randrange(4)))
        drafts.append(block_draft(block))
        if rng.random() < 0.3:
            drafts.append(heartbeat_draft(START_NS + block * 10**9))
        block += 1
    return drafts[:count]
