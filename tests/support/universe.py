"""Messages of a made-up chain: announcements, bases, logs and blocks, in the composition that a collector sends."""

from collections.abc import Iterable
from hashlib import sha256

from alphapulse.primitives.instrument_id import InstrumentId
from alphapulse.protocol.header import Domain, Header, Source
from alphapulse.protocol.market_data import (
    BLOCK_LEVEL,
    ChainEvent,
    GasPrice,
    InstrumentKind,
    InstrumentMeta,
    Leg,
    Liquidity,
    PoolState,
    PoolSwap,
    PoolSync,
    PoolTick,
    PoolType,
    StateInvalidation,
    Trade,
)
from alphapulse.protocol.message import Message, Tlv
from alphapulse.protocol.system import TraceContext

CHAIN_ID = 31337
V2_A, V2_B, V3 = 300, 302, 301
MIN_TICK, MAX_TICK = -887272, 887272
ZERO20 = bytes(20)


def address_of(name: str) -> bytes:
    """Return a made-up address; tokens sort by their name's hash."""
    return sha256(name.encode()).digest()[:20]


class Chain:
    """Writes messages with rising sequences and times."""

    def __init__(self, chain_id: int = CHAIN_ID) -> None:
        self.chain_id = chain_id
        self.sequence = 0
        self.now_ns = 1_700_000_000_000_000_000
        self.decimals: dict[bytes, int] = {}
        self.pools: dict[bytes, tuple[int, bytes, bytes, int, int]] = {}
        self.log_index = 0

    def message(
        self, *tlvs: Tlv, domain: int = Domain.MARKET, source: int = Source.ETHEREUM
    ) -> Message:
        self.sequence += 1
        self.now_ns += 1_000
        return Message(Header(domain, source, 0, self.sequence, self.now_ns), tlvs)

    def token(self, address: bytes, decimals: int, *, flags: int = 0, symbol: str = "T") -> Message:
        self.decimals[address] = decimals
        return self.message(
            self._meta(
                InstrumentId.token(200, address),
                InstrumentKind.TOKEN,
                address,
                decimals=decimals,
                flags=flags,
                symbol=symbol,
            )
        )

    def pool(
        self,
        address: bytes,
        token0: bytes,
        token1: bytes,
        *,
        venue: int,
        fee_pips: int = 3000,
        tick_spacing: int = 0,
        flags: int = 0,
        event_ns: int = 1,
    ) -> Message:
        assert token0 < token1
        self.pools[address] = (venue, token0, token1, fee_pips, tick_spacing)
        legs = tuple(
            Leg(InstrumentId.token(200, token), token, self.decimals[token])
            for token in (token0, token1)
        )
        return self.message(
            self._meta(
                InstrumentId.pool(venue, address),
                InstrumentKind.POOL,
                address,
                legs=legs,
                fee_pips=fee_pips,
                tick_spacing=tick_spacing,
                flags=flags,
                event_ns=event_ns,
                pool_type=PoolType.CONCENTRATED if tick_spacing else PoolType.CONSTANT_PRODUCT,
            )
        )

    def state_v2(self, address: bytes, reserve0: int, reserve1: int, block: int) -> Message:
        return self._state(address, block, reserve0=reserve0, reserve1=reserve1)

    def state_v3(
        self,
        address: bytes,
        sqrt_price_x96: int,
        tick: int,
        liquidity: int,
        ticks: Iterable[tuple[int, int, int]],
        block: int,
    ) -> list[Message]:
        venue = self.pools[address][0]
        rows = tuple(PoolTick(venue, address, at, net, gross, block, 1) for at, gross, net in ticks)
        return [
            self._state(
                address, block, sqrt_price_x96=sqrt_price_x96, tick=tick, liquidity=liquidity
            ),
            self.message(*rows, self.at_block(block)),
        ]

    def block(
        self, block: int, *, base_fee: int = 10**9, tip: int = 10**9, fork: str = "", flags: int = 0
    ) -> Message:
        gas = GasPrice(
            self.chain_id, block, base_fee, tip, 0, 0, 1_700_000_000 * 10**9 + block * 10**9
        )
        self.log_index = 0
        return self.message(gas, self.at_block(block, fork, flags), TraceContext(block + 1, 7, 1))

    def sync(
        self, address: bytes, reserve0: int, reserve1: int, block: int, **place: int
    ) -> Message:
        venue, token0, token1, _, _ = self.pools[address]
        decimals = self.decimals[token0], self.decimals[token1]
        tlv = PoolSync(venue, address, token0, token1, reserve0, reserve1, *decimals, 1, block)
        return self._log_message((tlv,), block, place)

    def swap_v2(
        self, address: bytes, amount_in: int, amount_out: int, block: int, **place: int
    ) -> Message:
        return self.swap_v3(
            address, 0, 0, 0, block, amount_in=amount_in, amount_out=amount_out, **place
        )

    def swap_v3(
        self,
        address: bytes,
        sqrt_price_x96: int,
        tick: int,
        liquidity: int,
        block: int,
        *,
        amount_in: int = 1,
        amount_out: int = 1,
        **place: int,
    ) -> Message:
        venue, token0, token1, _, _ = self.pools[address]
        decimals = self.decimals[token0], self.decimals[token1]
        trade = Trade(InstrumentId.pool(venue, address), 0, 0, 1, 1)
        swap = PoolSwap(
            venue,
            address,
            token0,
            token1,
            amount_in,
            amount_out,
            *decimals,
            sqrt_price_x96,
            tick,
            liquidity,
            1,
            block,
        )
        return self._log_message((trade, swap), block, place)

    def liquidity(
        self, address: bytes, lower: int, upper: int, delta: int, block: int, **place: int
    ) -> Message:
        venue, token0, token1, _, _ = self.pools[address]
        decimals = self.decimals[token0], self.decimals[token1]
        tlv = Liquidity(
            venue,
            address,
            token0,
            token1,
            ZERO20,
            lower,
            upper,
            abs(delta),
            0,
            0,
            *decimals,
            1,
            int(delta < 0),
        )
        return self._log_message((tlv,), block, place)

    def invalidate(
        self, action: int, *, reason: int = 0, venue: int, address: bytes | None = None
    ) -> Message:
        instrument = (
            InstrumentId.pool(venue, address) if address else InstrumentId.venue_wildcard(venue)
        )
        return self.message(StateInvalidation(instrument, action, reason))

    def at_block(self, block: int, fork: str = "", flags: int = 0) -> ChainEvent:
        own_hash = block_hash(block, fork)
        return ChainEvent(
            self.chain_id, block, own_hash, bytes(32), BLOCK_LEVEL, BLOCK_LEVEL, flags
        )

    def _log_message(self, tlvs: tuple[Tlv, ...], block: int, place: dict[str, int]) -> Message:
        tx_index = place.get("tx_index", 0)
        log_index = place.get("log_index", self.log_index)
        self.log_index = max(self.log_index, log_index + 1)
        tx_hash = sha256(b"tx" + bytes([tx_index]) + block.to_bytes(8, "big")).digest()
        event = ChainEvent(
            self.chain_id,
            block,
            block_hash(block),
            tx_hash,
            tx_index,
            log_index,
            place.get("flags", 0),
        )
        trace = TraceContext(1000 * block + log_index, log_index + 1, 1)
        return self.message(*tlvs, event, trace)

    def _state(
        self,
        address: bytes,
        block: int,
        *,
        reserve0: int = 0,
        reserve1: int = 0,
        sqrt_price_x96: int = 0,
        tick: int = 0,
        liquidity: int = 0,
    ) -> Message:
        venue, token0, token1, fee_pips, spacing = self.pools[address]
        state = PoolState(
            venue=venue,
            pool=address,
            token0=token0,
            token1=token1,
            pool_type=PoolType.CONCENTRATED if spacing else PoolType.CONSTANT_PRODUCT,
            decimals0=self.decimals[token0],
            decimals1=self.decimals[token1],
            reserve0=reserve0,
            reserve1=reserve1,
            sqrt_price_x96=sqrt_price_x96,
            tick=tick,
            liquidity=liquidity,
            fee_pips_0to1=fee_pips,
            fee_pips_1to0=fee_pips,
            known_tick_lower=MIN_TICK if spacing else 0,
            known_tick_upper=MAX_TICK if spacing else 0,
            block=block,
            event_ns=1,
        )
        return self.message(state, self.at_block(block))

    def _meta(
        self,
        instrument: InstrumentId,
        kind: int,
        key: bytes,
        *,
        pool_type: int = 0,
        decimals: int = 0,
        fee_pips: int = 0,
        tick_spacing: int = 0,
        flags: int = 0,
        legs: tuple[Leg, ...] = (),
        symbol: str = "",
        event_ns: int = 1,
    ) -> InstrumentMeta:
        return InstrumentMeta(
            instrument,
            self.chain_id,
            kind,
            pool_type,
            decimals,
            key,
            fee_pips,
            tick_spacing,
            flags,
            ZERO20,
            0,
            0,
            0,
            event_ns,
            legs,
            symbol,
        )


def block_hash(block: int, fork: str = "") -> bytes:
    """Return the hash of a made-up block."""
    return sha256(b"block" + block.to_bytes(8, "big") + fork.encode()).digest()
