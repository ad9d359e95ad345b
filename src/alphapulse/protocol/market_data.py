"""Market data on the wire: what happened at a venue and what its state is. Attributes stand in layout order."""

from enum import IntEnum, IntFlag, unique

import msgspec
from msgspec.structs import asdict

from alphapulse.primitives.instrument_id import InstrumentId
from alphapulse.protocol.message import Message, Tlv

__all__ = [
    "BLOCK_LEVEL",
    "BlockGas",
    "BookChange",
    "BookLevel",
    "BookSide",
    "ChainEvent",
    "ChainEventFlag",
    "GasPrice",
    "InstrumentFlag",
    "InstrumentKind",
    "InstrumentMeta",
    "InvalidationAction",
    "InvalidationReason",
    "L2Delta",
    "L2Snapshot",
    "Leg",
    "Liquidity",
    "LiquidityKind",
    "PoolBurn",
    "PoolLiquidity",
    "PoolMint",
    "PoolParams",
    "PoolState",
    "PoolSwap",
    "PoolSync",
    "PoolTick",
    "PoolToken",
    "PoolType",
    "Quote",
    "Side",
    "StateInvalidation",
    "Trade",
    "liquidity_of",
]

BLOCK_LEVEL = 0xFFFFFFFF  # tx_index and log_index of a fact about a whole block


@unique
class Side(IntEnum):
    """Aggressor side; for a pool, a sale pays token0 in."""

    BUY = 0
    SELL = 1


@unique
class BookSide(IntEnum):
    """Side of an order book."""

    BID = 0
    ASK = 1


@unique
class InstrumentKind(IntEnum):
    """Kinds of instruments."""

    TOKEN = 1
    POOL = 2
    SPOT_PAIR = 3
    SYMBOL = 4
    DERIVATIVE = 5


@unique
class InstrumentFlag(IntFlag):
    """Properties of an instrument."""

    DYNAMIC_FEE = 1
    HOOKS = 2
    FEE_ON_TRANSFER = 4
    REBASING = 8
    QUARANTINED = 16
    NATIVE_CURRENCY = 32


@unique
class PoolType(IntEnum):
    """Mathematics of a pool, not its brand."""

    CONSTANT_PRODUCT = 0
    CONCENTRATED = 1
    CONSTANT_PRODUCT_READ_ONLY = 2
    CONCENTRATED_DYNAMIC_FEE = 3
    STABLE_SWAP = 4
    WEIGHTED = 5
    SOLIDLY_STABLE = 6
    CONCENTRATED_SINGLETON = 7
    COMPOSABLE_STABLE = 8


@unique
class LiquidityKind(IntEnum):
    """Sign of a change of liquidity."""

    MINT = 0
    BURN = 1


@unique
class ChainEventFlag(IntFlag):
    """How a chain event stands to the chain."""

    REMOVED = 1
    BACKFILLED = 2
    PRECONFIRMED = 4
    FINAL = 8


@unique
class InvalidationAction(IntEnum):
    """What happens to state: RESET discards, STALE keeps for repair, RESUME ends STALE."""

    RESET = 1
    STALE = 2
    RESUME = 3


@unique
class InvalidationReason(IntEnum):
    """Why state was invalidated."""

    DISCONNECT = 0
    AUTHENTICATION_FAILURE = 1
    RATE_LIMIT = 2
    STALENESS = 3
    MAINTENANCE = 4
    RECOVERY = 5
    QUEUE_OVERFLOW = 6
    VALUE_NOT_REPRESENTABLE = 7
    SEQUENCE_GAP = 8
    REORGANISATION = 9
    AUDIT_MISMATCH = 10
    ID_COLLISION = 11


class Leg(msgspec.Struct, frozen=True, gc=False):
    """One leg of an instrument: pool token, or base and quote of a pair."""

    leg_id: InstrumentId
    address: bytes
    decimals: int


class BookChange(msgspec.Struct, frozen=True, gc=False):
    """One changed level of an order book; size 0 removes it."""

    side: int
    price: int
    size: int


class BookLevel(msgspec.Struct, frozen=True, gc=False):
    """One level of an order book."""

    price: int
    size: int


class PoolToken(msgspec.Struct, frozen=True, gc=False):
    """One token of a pool with its rate and weight, both times 10**18."""

    address: bytes
    rate: int
    weight: int
    decimals: int


class Trade(Tlv, frozen=True):
    """One trade as its venue reports it; from a pool, price and volume are for display only."""

    instrument: InstrumentId
    price: int
    volume: int
    side: int
    event_ns: int


class Quote(Tlv, frozen=True):
    """Best bid and best ask of an instrument."""

    instrument: InstrumentId
    bid_price: int
    bid_size: int
    ask_price: int
    ask_size: int
    event_ns: int


class InstrumentMeta(Tlv, frozen=True):
    """What an instrument is: chain, address, legs, decimals. Announced before first use."""

    instrument: InstrumentId
    chain_id: int
    kind: int
    pool_type: int
    decimals: int
    key: bytes
    fee_pips: int
    tick_spacing: int
    flags: int
    hooks: bytes
    price_step: int
    size_step: int
    asset_class: int
    event_ns: int
    leg: tuple[Leg, ...]
    symbol: str


class Liquidity(Tlv, frozen=True):
    """Liquidity added to or taken from a pool; `liquidity_delta` is unsigned, its sign is `kind`."""

    venue: int
    pool: bytes
    token0: bytes
    token1: bytes
    provider: bytes
    tick_lower: int
    tick_upper: int
    liquidity_delta: int
    amount0: int
    amount1: int
    decimals0: int
    decimals1: int
    event_ns: int
    kind: int


class L2Delta(Tlv, frozen=True):
    """Changed levels of an order book; a level of size 0 is gone."""

    instrument: InstrumentId
    first_seq: int
    last_seq: int
    event_ns: int
    change: tuple[BookChange, ...]


class PoolParams(Tlv, frozen=True):
    """Parameters of a pool whose curve needs more than reserves."""

    venue: int
    pool: bytes
    pool_type: int
    amplification: int
    fee_e10: int
    block: int
    event_ns: int
    token: tuple[PoolToken, ...]


class PoolLiquidity(Tlv, frozen=True):
    """Reserves of a pool of any number of tokens."""

    venue: int
    pool: bytes
    reserve: tuple[int, ...]
    event_ns: int


class PoolSwap(Tlv, frozen=True):
    """The exact amounts of a swap and, for pools with ticks, the state after it."""

    venue: int
    pool: bytes
    token_in: bytes
    token_out: bytes
    amount_in: int
    amount_out: int
    decimals_in: int
    decimals_out: int
    sqrt_price_x96_after: int
    tick_after: int
    liquidity_after: int
    event_ns: int
    block: int


class PoolMint(Tlv, frozen=True):
    """Liquidity added to a pool, in the form that is read but not sent."""

    venue: int
    pool: bytes
    token0: bytes
    token1: bytes
    provider: bytes
    tick_lower: int
    tick_upper: int
    liquidity_delta: int
    amount0: int
    amount1: int
    decimals0: int
    decimals1: int
    event_ns: int


class PoolBurn(Tlv, frozen=True):
    """Liquidity taken from a pool, in the form that is read but not sent."""

    venue: int
    pool: bytes
    token0: bytes
    token1: bytes
    provider: bytes
    tick_lower: int
    tick_upper: int
    liquidity_delta: int
    amount0: int
    amount1: int
    decimals0: int
    decimals1: int
    event_ns: int


class PoolTick(Tlv, frozen=True):
    """One initialised tick; `liquidity_gross` 0 removes it."""

    venue: int
    pool: bytes
    tick: int
    liquidity_net: int
    liquidity_gross: int
    block: int
    event_ns: int


class PoolState(Tlv, frozen=True):
    """Whole state of a pool after the last log of a block; its ticks travel as PoolTick."""

    venue: int
    pool: bytes
    token0: bytes
    token1: bytes
    pool_type: int
    decimals0: int
    decimals1: int
    reserve0: int
    reserve1: int
    sqrt_price_x96: int
    tick: int
    liquidity: int
    fee_pips_0to1: int
    fee_pips_1to0: int
    known_tick_lower: int
    known_tick_upper: int
    block: int
    event_ns: int


class PoolSync(Tlv, frozen=True):
    """Reserves of a constant-product pool after a log."""

    venue: int
    pool: bytes
    token0: bytes
    token1: bytes
    reserve0: int
    reserve1: int
    decimals0: int
    decimals1: int
    event_ns: int
    block: int


class L2Snapshot(Tlv, frozen=True):
    """An order book, or one part of it, best levels first."""

    instrument: InstrumentId
    book_seq: int
    event_ns: int
    part: int
    parts: int
    bid: tuple[BookLevel, ...]
    ask: tuple[BookLevel, ...]


class GasPrice(Tlv, frozen=True):
    """Fees of a block."""

    chain_id: int
    block: int
    base_fee_per_gas: int
    priority_fee_per_gas: int
    l1_base_fee: int
    l1_blob_fee: int
    event_ns: int


class BlockGas(Tlv, frozen=True):
    """Gas of the block whose GasPrice stands in the same message: with it the next base fee is known."""

    gas_used: int
    gas_limit: int


class ChainEvent(Tlv, frozen=True):
    """Where on the chain the event of the same message stands."""

    chain_id: int
    block: int
    block_hash: bytes
    tx_hash: bytes
    tx_index: int
    log_index: int
    flags: int


class StateInvalidation(Tlv, frozen=True):
    """State of an instrument, or of a whole venue, that must not be used or may be used again."""

    instrument: InstrumentId
    action: int
    reason: int


def liquidity_of(message: Message) -> Liquidity | None:
    """Return the change of liquidity a message tells, in whichever of its three forms.

    PoolMint and PoolBurn beside a Liquidity repeat it and are not a second change.
    """
    if liquidity := message.first(Liquidity):
        return liquidity
    if mint := message.first(PoolMint):
        return Liquidity(**asdict(mint), kind=LiquidityKind.MINT)
    if burn := message.first(PoolBurn):
        return Liquidity(**asdict(burn), kind=LiquidityKind.BURN)
    return None
