"""Decoded logs and pool snapshots turned into drafts of messages, composed as the wire protocol says. Pure.

Knows the configured pools and their decimals. Must not know the connection, nor what was sent before. The collector
calls it for each log of a closed block and for each pool it has read.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from alphapulse.collectors.evm.blocks import BlockHeader
from alphapulse.collectors.evm.config import EvmCollectorConfig, PoolConfig, TokenConfig
from alphapulse.collectors.evm.snapshot import PoolSnapshot
from alphapulse.collectors.evm.tracker import V2Track
from alphapulse.errors import DecodeError, ValueOutOfRange
from alphapulse.evm.logs import (
    MAX_TICK,
    LogEntry,
    PoolLog,
    V2Burn,
    V2Mint,
    V2Swap,
    V2Sync,
    V3Burn,
    V3Mint,
    V3Swap,
)
from alphapulse.primitives.address import ZERO_ADDRESS, ZERO_HASH
from alphapulse.primitives.instrument_id import InstrumentId
from alphapulse.primitives.units import E8, MAX_UINT128, cut_toward_zero
from alphapulse.primitives.venue import chain_venue
from alphapulse.protocol.header import Domain
from alphapulse.protocol.market_data import (
    BLOCK_LEVEL,
    BlockGas,
    ChainEvent,
    GasPrice,
    InstrumentKind,
    InstrumentMeta,
    InvalidationAction,
    InvalidationReason,
    Leg,
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
from alphapulse.protocol.message import Draft, Tlv
from alphapulse.protocol.system import TraceContext

__all__ = ["Normaliser", "trace_of"]

MAX_INT64 = 2**63 - 1
TICKS_PER_MESSAGE = 800  # 76 bytes each: 61 KB of the 64 KB that a market message may have
INVALIDATIONS_PER_MESSAGE = 2_000  # 16 bytes each


@dataclass(frozen=True, slots=True)
class _Pool:
    config: PoolConfig
    instrument: InstrumentId
    decimals0: int
    decimals1: int
    scale0: int
    scale1: int


def trace_of(block_hash: bytes, tx_hash: bytes, log_index: int) -> TraceContext:
    """Return the trace that starts at a log or, with BLOCK_LEVEL, at a block; the same for every observer."""
    digest = hashlib.sha256(block_hash + tx_hash + log_index.to_bytes(4, "little")).digest()
    return TraceContext(
        trace_id=int.from_bytes(digest[:16], "big"),
        span_id=int.from_bytes(digest[16:24], "big"),
        flags=0,
    )


class Normaliser:
    """Makes the drafts of one collector."""

    __slots__ = ("_chain_id", "_config", "_pools", "_tokens")

    def __init__(self, config: EvmCollectorConfig) -> None:
        self._config = config
        self._chain_id = config.chain_id
        self._tokens = {token.address: token for token in config.tokens}
        self._pools: dict[bytes, _Pool] = {}
        for pool in config.pools:
            decimals0 = self._tokens[pool.token0].decimals
            decimals1 = self._tokens[pool.token1].decimals
            self._pools[pool.address] = _Pool(
                pool, pool.instrument, decimals0, decimals1, 10**decimals0, 10**decimals1
            )

    def log_draft(self, entry: LogEntry, log: PoolLog, header: BlockHeader, flags: int) -> Draft:
        """Return the message of one log; an Initialize has none, its pool is read at the end of its block.

        Raises  ValueOutOfRange when an amount does not fit 128 bits; DecodeError(bad_topic) for an event that
                does not belong to the pool's kind.
        """
        pool = self._pools[entry.address]
        is_v3 = pool.config.kind == "uniswap_v3"
        body: tuple[Tlv, ...]
        if isinstance(log, V3Swap) and is_v3:
            body = self._v3_swap(pool, log, header)
        elif isinstance(log, V2Swap) and not is_v3:
            body = self._v2_swap(pool, log, header)
        elif isinstance(log, V2Sync) and not is_v3:
            body = (self._sync(pool, log, header),)
        elif isinstance(log, V3Mint | V3Burn) and is_v3:
            body = (self._v3_liquidity(pool, log, header),)
        elif isinstance(log, V2Mint | V2Burn) and not is_v3:
            body = (self._v2_liquidity(pool, log, header),)
        else:
            raise DecodeError(
                "bad_topic",
                0,
                f"`{type(log).__name__}` does not belong to a {pool.config.kind} pool",
            )
        event = ChainEvent(
            chain_id=self._chain_id,
            block=entry.block,
            block_hash=entry.block_hash,
            tx_hash=entry.tx_hash,
            tx_index=entry.tx_index,
            log_index=entry.log_index,
            flags=flags,
        )
        return self._draft(*body, event, trace_of(entry.block_hash, entry.tx_hash, entry.log_index))

    def block_draft(self, header: BlockHeader, flags: int = 0) -> Draft:
        """Return the message that closes a block."""
        gas = GasPrice(
            chain_id=self._chain_id,
            block=header.number,
            base_fee_per_gas=header.base_fee_per_gas,
            priority_fee_per_gas=self._config.priority_fee_per_gas,
            l1_base_fee=0,
            l1_blob_fee=0,
            event_ns=header.timestamp_ns,
        )
        told = (BlockGas(header.gas_used, header.gas_limit),) if header.gas_limit else ()
        return self._draft(gas, *told, self._block_event(header, flags), _block_trace(header))

    def announcements(self, header: BlockHeader) -> Iterator[Draft]:
        """Yield InstrumentMeta of each token, then of each pool."""
        for token in self._config.tokens:
            yield self._draft(self._token_meta(token, header), _block_trace(header))
        for pool in self._pools.values():
            yield self._draft(self._pool_meta(pool, header), _block_trace(header))

    def snapshot_drafts(self, snapshot: PoolSnapshot, header: BlockHeader) -> Iterator[Draft]:
        """Yield a pool's PoolState and as many messages of PoolTick as its ticks need."""
        pool = self._pools[snapshot.pool]
        event, trace = self._block_event(header, 0), _block_trace(header)
        yield self._draft(_pool_state(pool, snapshot, header), event, trace)
        ticks = [
            PoolTick(
                venue=pool.config.venue,
                pool=snapshot.pool,
                tick=tick,
                liquidity_net=net,
                liquidity_gross=gross,
                block=header.number,
                event_ns=header.timestamp_ns,
            )
            for tick, gross, net in snapshot.ticks
        ]
        for part in _parts(ticks, TICKS_PER_MESSAGE):
            yield self._draft(*part, event, trace)

    def invalidations(
        self,
        pools: Iterable[bytes],
        action: InvalidationAction,
        reason: InvalidationReason,
        block_hash: bytes,
        *,
        whole_venues: bool = False,
    ) -> Iterator[Draft]:
        """Yield StateInvalidation of each venue concerned if whole venues are meant, then of each pool."""
        wanted = [self._pools[address].instrument for address in pools]
        if whole_venues:
            venues = sorted({instrument.venue for instrument in wanted})
            wanted = [InstrumentId.venue_wildcard(venue) for venue in venues] + wanted
        tlvs = [
            StateInvalidation(instrument=instrument, action=action, reason=reason)
            for instrument in wanted
        ]
        trace = trace_of(block_hash, ZERO_HASH, BLOCK_LEVEL)
        for part in _parts(tlvs, INVALIDATIONS_PER_MESSAGE):
            yield self._draft(*part, trace)

    def _draft(self, *tlvs: Tlv) -> Draft:
        return Draft(Domain.MARKET, self._config.source, tlvs)

    def _block_event(self, header: BlockHeader, flags: int) -> ChainEvent:
        return ChainEvent(
            chain_id=self._chain_id,
            block=header.number,
            block_hash=header.block_hash,
            tx_hash=ZERO_HASH,
            tx_index=BLOCK_LEVEL,
            log_index=BLOCK_LEVEL,
            flags=flags,
        )

    def _v3_swap(self, pool: _Pool, log: V3Swap, header: BlockHeader) -> tuple[Tlv, ...]:
        # A swap through a range without liquidity moves the price and no token; its direction is not in the log.
        zero_for_one = log.amount0 > 0 or (log.amount0 == 0 and log.amount1 <= 0)
        paid, received = (
            (log.amount0, -log.amount1) if zero_for_one else (log.amount1, -log.amount0)
        )
        return self._swap_tlvs(pool, zero_for_one, (paid, received), log, header)

    def _v2_swap(self, pool: _Pool, log: V2Swap, header: BlockHeader) -> tuple[Tlv, ...]:
        # A flash swap may pay back in the token it took: only the net of each token is a trade.
        delta0 = log.amount0_in - log.amount0_out
        delta1 = log.amount1_in - log.amount1_out
        zero_for_one = delta0 > 0 and (delta1 <= 0 or delta0 >= delta1)
        paid, received = (delta0, -delta1) if zero_for_one else (delta1, -delta0)
        return self._swap_tlvs(pool, zero_for_one, (paid, max(received, 0)), None, header)

    def _swap_tlvs(
        self,
        pool: _Pool,
        zero_for_one: bool,
        amounts: tuple[int, int],
        after: V3Swap | None,
        header: BlockHeader,
    ) -> tuple[Tlv, ...]:
        amount_in, amount_out = (
            _uint128("amount_in", amounts[0]),
            _uint128("amount_out", amounts[1]),
        )
        amount0, amount1 = (amount_in, amount_out) if zero_for_one else (amount_out, amount_in)
        config = pool.config
        trade = Trade(
            instrument=pool.instrument,
            price=_display_price(amount0, amount1, pool),
            volume=_display(amount0 * E8, pool.scale0),
            side=Side.SELL if zero_for_one else Side.BUY,
            event_ns=header.timestamp_ns,
        )
        swap = PoolSwap(
            venue=config.venue,
            pool=config.address,
            token_in=config.token0 if zero_for_one else config.token1,
            token_out=config.token1 if zero_for_one else config.token0,
            amount_in=amount_in,
            amount_out=amount_out,
            decimals_in=pool.decimals0 if zero_for_one else pool.decimals1,
            decimals_out=pool.decimals1 if zero_for_one else pool.decimals0,
            sqrt_price_x96_after=after.sqrt_price_x96 if after else 0,
            tick_after=after.tick if after else 0,
            liquidity_after=after.liquidity if after else 0,
            event_ns=header.timestamp_ns,
            block=header.number,
        )
        return (trade, swap)

    def _sync(self, pool: _Pool, log: V2Sync, header: BlockHeader) -> PoolSync:
        return PoolSync(
            venue=pool.config.venue,
            pool=pool.config.address,
            token0=pool.config.token0,
            token1=pool.config.token1,
            reserve0=log.reserve0,
            reserve1=log.reserve1,
            decimals0=pool.decimals0,
            decimals1=pool.decimals1,
            event_ns=header.timestamp_ns,
            block=header.number,
        )

    def _v3_liquidity(self, pool: _Pool, log: V3Mint | V3Burn, header: BlockHeader) -> Liquidity:
        kind = LiquidityKind.MINT if isinstance(log, V3Mint) else LiquidityKind.BURN
        return Liquidity(
            venue=pool.config.venue,
            pool=pool.config.address,
            token0=pool.config.token0,
            token1=pool.config.token1,
            provider=log.owner,
            tick_lower=log.tick_lower,
            tick_upper=log.tick_upper,
            liquidity_delta=log.liquidity,
            amount0=_uint128("amount0", log.amount0),
            amount1=_uint128("amount1", log.amount1),
            decimals0=pool.decimals0,
            decimals1=pool.decimals1,
            event_ns=header.timestamp_ns,
            kind=kind,
        )

    def _v2_liquidity(self, pool: _Pool, log: V2Mint | V2Burn, header: BlockHeader) -> Liquidity:
        kind = LiquidityKind.MINT if isinstance(log, V2Mint) else LiquidityKind.BURN
        return Liquidity(
            venue=pool.config.venue,
            pool=pool.config.address,
            token0=pool.config.token0,
            token1=pool.config.token1,
            provider=log.sender,
            tick_lower=0,
            tick_upper=0,
            liquidity_delta=0,
            amount0=_uint128("amount0", log.amount0),
            amount1=_uint128("amount1", log.amount1),
            decimals0=pool.decimals0,
            decimals1=pool.decimals1,
            event_ns=header.timestamp_ns,
            kind=kind,
        )

    def _token_meta(self, token: TokenConfig, header: BlockHeader) -> InstrumentMeta:
        return InstrumentMeta(
            instrument=InstrumentId.token(chain_venue(self._chain_id), token.address),
            chain_id=self._chain_id,
            kind=InstrumentKind.TOKEN,
            pool_type=0,
            decimals=token.decimals,
            key=token.address,
            fee_pips=0,
            tick_spacing=0,
            flags=0,
            hooks=ZERO_ADDRESS,
            price_step=0,
            size_step=0,
            asset_class=0,
            event_ns=header.timestamp_ns,
            leg=(),
            symbol=token.symbol,
        )

    def _pool_meta(self, pool: _Pool, header: BlockHeader) -> InstrumentMeta:
        config = pool.config
        venue = chain_venue(self._chain_id)
        legs = tuple(
            Leg(InstrumentId.token(venue, token), token, self._tokens[token].decimals)
            for token in (config.token0, config.token1)
        )
        names = "/".join(self._tokens[leg.address].symbol for leg in legs)
        return InstrumentMeta(
            instrument=pool.instrument,
            chain_id=self._chain_id,
            kind=InstrumentKind.POOL,
            pool_type=_pool_type(config),
            decimals=0,
            key=config.address,
            fee_pips=config.fee_pips,
            tick_spacing=config.tick_spacing,
            flags=0,
            hooks=ZERO_ADDRESS,
            price_step=0,
            size_step=0,
            asset_class=0,
            event_ns=header.timestamp_ns,
            leg=legs,
            symbol=names,
        )


def _pool_state(pool: _Pool, snapshot: PoolSnapshot, header: BlockHeader) -> PoolState:
    config, track = pool.config, snapshot.track
    is_v2 = isinstance(track, V2Track)
    return PoolState(
        venue=config.venue,
        pool=config.address,
        token0=config.token0,
        token1=config.token1,
        pool_type=_pool_type(config),
        decimals0=pool.decimals0,
        decimals1=pool.decimals1,
        reserve0=track.reserve0 if isinstance(track, V2Track) else 0,
        reserve1=track.reserve1 if isinstance(track, V2Track) else 0,
        sqrt_price_x96=0 if isinstance(track, V2Track) else track.sqrt_price_x96,
        tick=0 if isinstance(track, V2Track) else track.tick,
        liquidity=0 if isinstance(track, V2Track) else track.liquidity,
        fee_pips_0to1=config.fee_pips,
        fee_pips_1to0=config.fee_pips,
        known_tick_lower=0 if is_v2 else -MAX_TICK,
        known_tick_upper=0 if is_v2 else MAX_TICK,
        block=header.number,
        event_ns=header.timestamp_ns,
    )


def _pool_type(config: PoolConfig) -> PoolType:
    return PoolType.CONCENTRATED if config.kind == "uniswap_v3" else PoolType.CONSTANT_PRODUCT


def _block_trace(header: BlockHeader) -> TraceContext:
    return trace_of(header.block_hash, ZERO_HASH, BLOCK_LEVEL)


def _display_price(amount0: int, amount1: int, pool: _Pool) -> int:
    if amount0 == 0:
        return 0
    return _display(amount1 * pool.scale0 * E8, amount0 * pool.scale1)


def _display(numerator: int, denominator: int) -> int:
    value = cut_toward_zero(numerator, denominator)
    return value if value <= MAX_INT64 else 0


def _uint128(name: str, value: int) -> int:
    if not 0 <= value <= MAX_UINT128:
        raise ValueOutOfRange(f"`{name}` must fit 128 bits unsigned, was {value}")
    return value


def _parts(tlvs: Sequence[Tlv], size: int) -> Iterator[Sequence[Tlv]]:
    for start in range(0, len(tlvs), size):
        yield tlvs[start : start + size]
