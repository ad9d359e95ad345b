"""Messages of logs. Oracle: PROTOCOL 5.1 and 5.2, computed here in fractions."""

import hashlib
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alphapulse.collectors.evm.blocks import BlockHeader
from alphapulse.collectors.evm.normaliser import Normaliser, trace_of
from alphapulse.collectors.evm.snapshot import PoolSnapshot
from alphapulse.collectors.evm.tracker import V2Track, V3Track
from alphapulse.errors import DecodeError, ValueOutOfRange
from alphapulse.evm.logs import (
    LogEntry,
    V2Burn,
    V2Mint,
    V2Swap,
    V2Sync,
    V3Burn,
    V3Mint,
    V3Swap,
)
from alphapulse.primitives.address import ZERO_HASH
from alphapulse.protocol.codec import decode, encode
from alphapulse.protocol.header import Header
from alphapulse.protocol.market_data import (
    BLOCK_LEVEL,
    BlockGas,
    ChainEvent,
    GasPrice,
    InstrumentMeta,
    InvalidationAction,
    InvalidationReason,
    Liquidity,
    LiquidityKind,
    PoolState,
    PoolSwap,
    PoolSync,
    PoolTick,
    PoolType,
    Side,
    StateInvalidation,
    Trade,
)
from alphapulse.protocol.message import Message
from alphapulse.protocol.system import TraceContext
from support.collecting import POOLS, TOKENS, V2_POOL, V3_POOL, collector_config, first

ME, YOU = b"\x01" * 20, b"\x02" * 20
HEADER = BlockHeader(7, b"\7" * 32, b"\6" * 32, 700 * 10**9, 9, 0)
NORMALISER = Normaliser(collector_config("ws://127.0.0.1:1"))
SCALE0, SCALE1 = 10 ** TOKENS[0].decimals, 10 ** TOKENS[1].decimals


def entry(pool):
    return LogEntry(
        address=pool.address,
        topics=(b"\0" * 32,),
        data=b"",
        block=7,
        block_hash=HEADER.block_hash,
        tx_hash=b"\5" * 32,
        tx_index=3,
        log_index=4,
    )


def draft_of(log, flags=0):
    pool = V3_POOL if type(log).__name__.startswith("V3") else V2_POOL
    return NORMALISER.log_draft(entry(pool), log, HEADER, flags)


def wire(draft):
    """Return the draft after a trip over the wire."""
    header = Header(draft.domain, draft.source, draft.flags, 2, 1)
    return decode(encode(Message(header, draft.tlvs)))


def test_a_v3_swap_is_trade_swap_event_and_trace():
    log = V3Swap(ME, YOU, 2 * 10**18, -5 * 10**6, 123456, 77, -5)
    draft = draft_of(log, flags=2)
    trade, swap, event, trace = draft.tlvs
    assert trade == Trade(V3_POOL.instrument, 250_000_000, 200_000_000, Side.SELL, 700 * 10**9)
    assert swap == PoolSwap(
        venue=301,
        pool=V3_POOL.address,
        token_in=V3_POOL.token0,
        token_out=V3_POOL.token1,
        amount_in=2 * 10**18,
        amount_out=5 * 10**6,
        decimals_in=18,
        decimals_out=6,
        sqrt_price_x96_after=123456,
        tick_after=-5,
        liquidity_after=77,
        event_ns=700 * 10**9,
        block=7,
    )
    assert event == ChainEvent(31337, 7, b"\7" * 32, b"\5" * 32, 3, 4, 2)
    digest = hashlib.sha256(b"\7" * 32 + b"\5" * 32 + (4).to_bytes(4, "little")).digest()
    assert trace == TraceContext(
        int.from_bytes(digest[:16], "big"), int.from_bytes(digest[16:24], "big"), 0
    )
    assert wire(draft).tlvs == draft.tlvs


@given(st.integers(0, 2**128 - 1), st.integers(0, 2**128 - 1), st.booleans())
def test_price_and_volume_are_cut_and_fit_or_are_zero(amount0, amount1, zero_for_one):
    sign = 1 if zero_for_one else -1
    draft = draft_of(V3Swap(ME, YOU, sign * amount0, -sign * amount1, 1, 1, 0))
    trade, swap = first(draft, Trade), first(draft, PoolSwap)

    def shown(value):
        cut = int(value * 10**8)
        return cut if cut < 2**63 else 0

    whole0, whole1 = Fraction(amount0, SCALE0), Fraction(amount1, SCALE1)
    assert trade.volume == shown(whole0)
    assert trade.price == (shown(whole1 / whole0) if amount0 else 0)
    sells = swap.token_in == V3_POOL.token0
    assert (swap.amount_in, swap.amount_out) == (
        (amount0, amount1) if sells else (amount1, amount0)
    )
    assert trade.side == (Side.SELL if sells else Side.BUY)
    assert sells == zero_for_one or amount0 == 0
    assert wire(draft).tlvs == draft.tlvs


def test_a_v3_buy():
    draft = draft_of(V3Swap(ME, YOU, -(10**18), 3 * 10**6, 1, 1, 0))
    assert first(draft, Trade).side == Side.BUY
    assert first(draft, PoolSwap).token_in == V3_POOL.token1


@pytest.mark.parametrize(
    ("amounts", "token_in", "paid", "received"),
    [
        ((10, 0, 0, 9), "token0", 10, 9),
        ((0, 10, 9, 0), "token1", 10, 9),
        ((10, 2, 3, 12), "token0", 7, 10),
        ((3, 12, 10, 2), "token1", 10, 7),
        ((10, 0, 9, 0), "token0", 1, 0),
        ((0, 10, 0, 9), "token1", 1, 0),
    ],
)
def test_a_v2_swap_is_the_net_of_each_token(amounts, token_in, paid, received):
    swap = first(draft_of(V2Swap(ME, YOU, *amounts)), PoolSwap)
    assert swap.token_in == getattr(V2_POOL, token_in)
    assert (swap.amount_in, swap.amount_out) == (paid, received)
    assert (swap.sqrt_price_x96_after, swap.tick_after, swap.liquidity_after) == (0, 0, 0)


def test_sync_and_liquidity():
    draft = draft_of(V2Sync(5, 6))
    assert [type(tlv) for tlv in draft.tlvs] == [PoolSync, ChainEvent, TraceContext]
    assert (draft.tlvs[0].reserve0, draft.tlvs[0].reserve1) == (5, 6)
    mint = first(draft_of(V3Mint(ME, -60, 60, 5, 6, 7)), Liquidity)
    assert (mint.kind, mint.liquidity_delta, mint.amount0, mint.amount1) == (0, 5, 6, 7)
    assert (mint.tick_lower, mint.tick_upper, mint.provider) == (-60, 60, ME)
    burn = first(draft_of(V3Burn(ME, -60, 60, 5, 6, 7)), Liquidity)
    assert burn.kind == LiquidityKind.BURN
    pair = first(draft_of(V2Burn(ME, YOU, 6, 7)), Liquidity)
    assert (pair.kind, pair.liquidity_delta, pair.tick_lower, pair.tick_upper) == (1, 0, 0, 0)
    assert first(draft_of(V2Mint(ME, 6, 7)), Liquidity).kind == LiquidityKind.MINT


@pytest.mark.parametrize(
    "log",
    [
        V2Swap(ME, YOU, 1 << 128, 0, 0, 1),
        V3Swap(ME, YOU, 1 << 128, -1, 1, 1, 0),
        V3Swap(ME, YOU, 1, 1, 1, 1, 0),
        V3Mint(ME, -60, 60, 1, 1 << 128, 1),
        V2Mint(ME, 1, 1 << 128),
    ],
)
def test_what_does_not_fit_is_refused(log):
    with pytest.raises(ValueOutOfRange):
        draft_of(log)


def test_an_event_of_the_other_kind_is_refused():
    with pytest.raises(DecodeError):
        NORMALISER.log_draft(entry(V3_POOL), V2Sync(1, 1), HEADER, 0)
    with pytest.raises(DecodeError):
        NORMALISER.log_draft(entry(V2_POOL), V3Swap(ME, YOU, 1, -1, 1, 1, 0), HEADER, 0)


def test_the_block_message():
    draft = NORMALISER.block_draft(HEADER)
    gas, event, trace = draft.tlvs
    assert gas == GasPrice(31337, 7, 9, 1, 0, 0, 700 * 10**9)
    assert event == ChainEvent(31337, 7, b"\7" * 32, ZERO_HASH, BLOCK_LEVEL, BLOCK_LEVEL, 0)
    assert trace == trace_of(b"\7" * 32, ZERO_HASH, BLOCK_LEVEL)


def test_the_block_message_tells_the_gas_where_the_node_does():
    draft = NORMALISER.block_draft(replace(HEADER, gas_used=8, gas_limit=30))
    assert [type(tlv) for tlv in draft.tlvs] == [GasPrice, BlockGas, ChainEvent, TraceContext]
    assert draft.tlvs[1] == BlockGas(gas_used=8, gas_limit=30)


def test_announcements_reverse_every_id():
    metas = [first(draft, InstrumentMeta) for draft in NORMALISER.announcements(HEADER)]
    assert [meta.key for meta in metas] == [each.address for each in (*TOKENS, *POOLS)]
    assert [leg.address for leg in metas[3].leg] == [V3_POOL.token0, V3_POOL.token1]
    assert [leg.decimals for leg in metas[3].leg] == [18, 6]
    assert metas[2].pool_type == PoolType.CONSTANT_PRODUCT
    for draft in NORMALISER.announcements(HEADER):
        assert wire(draft).tlvs == draft.tlvs


def test_a_pool_with_many_ticks_fits_its_messages():
    ticks = tuple((60 * number, 1, 1) for number in range(2_001))
    snapshot = PoolSnapshot(V3_POOL.address, V3Track(5, -1, 0), ticks)
    drafts = list(NORMALISER.snapshot_drafts(snapshot, HEADER))
    assert len(drafts) == 1 + 3
    state = first(drafts[0], PoolState)
    assert (state.sqrt_price_x96, state.tick, state.fee_pips_0to1) == (5, -1, 3000)
    assert (state.known_tick_lower, state.known_tick_upper) == (-887272, 887272)
    sent = [tlv.tick for d in drafts[1:] for tlv in wire(d).all(PoolTick)]
    assert sent == [tick for tick, _, _ in ticks]
    pair = PoolSnapshot(V2_POOL.address, V2Track(8, 9))
    (only,) = NORMALISER.snapshot_drafts(pair, HEADER)
    assert (first(only, PoolState).reserve0, first(only, PoolState).reserve1) == (8, 9)


def test_invalidations_put_whole_venues_first():
    drafts = NORMALISER.invalidations(
        [pool.address for pool in POOLS],
        InvalidationAction.STALE,
        InvalidationReason.DISCONNECT,
        HEADER.block_hash,
        whole_venues=True,
    )
    (draft,) = drafts
    found = wire(draft).all(StateInvalidation)
    assert [(each.instrument.venue, each.instrument.asset_type) for each in found] == [
        (300, 0),
        (301, 0),
        (300, 100),
        (301, 100),
    ]
