"""State is the fold of events: a market applies messages and says which pools changed."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from alphapulse.errors import InvalidData, Rejected
from alphapulse.market.announced import kind_of, members_of
from alphapulse.market.assets import AssetTable
from alphapulse.market.curved import CURVED_KINDS, PairOfCurved
from alphapulse.market.freshness import Freshness
from alphapulse.market.instruments import Announcement, Collision, InstrumentRegistry
from alphapulse.market.pool import LogTlv, Pool, PoolKey, Position
from alphapulse.market.refusal import refusal_of_pool
from alphapulse.primitives.address import Address, Hash32
from alphapulse.primitives.instrument_id import ASSET_POOL, ASSET_WILDCARD, InstrumentId
from alphapulse.protocol.header import Domain
from alphapulse.protocol.market_data import (
    BLOCK_LEVEL,
    BlockGas,
    ChainEvent,
    ChainEventFlag,
    GasPrice,
    InstrumentKind,
    InstrumentMeta,
    InvalidationAction,
    InvalidationReason,
    Liquidity,
    PoolBurn,
    PoolLiquidity,
    PoolMint,
    PoolParams,
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

__all__ = ["Head", "Market", "MarketStatistics", "PoolRow"]

MAX_REMEMBERED_LOGS = 16_384  # identities; more than any overlap of a backfill with the live stream

_FAULTS = (InvalidationReason.AUDIT_MISMATCH, InvalidationReason.ID_COLLISION)

_LOG_TLVS = (PoolSync, PoolSwap, Liquidity, PoolMint, PoolBurn)
_LIQUIDITY_PARTS = (PoolMint, PoolBurn)
_BESIDE_STATE = (Trade, ChainEvent, TraceContext)  # most parts of most messages
_PRECONFIRMED = int(ChainEventFlag.PRECONFIRMED)
_REMOVED = int(ChainEventFlag.REMOVED)
NO_HOOKS = bytes(20)


@dataclass(frozen=True, slots=True)
class Head:
    """The last block that was closed, with its fees in wei per gas; those of layer 1 are 0 where there is none.

    gas_limit is 0 where the collector does not know the block's gas.
    """

    chain_id: int
    block: int
    block_hash: Hash32
    base_fee_per_gas: int
    priority_fee_per_gas: int
    event_ns: int
    trace_id: int
    span_id: int
    l1_base_fee: int = 0
    l1_blob_fee: int = 0
    gas_used: int = 0
    gas_limit: int = 0


@dataclass(frozen=True, slots=True)
class PoolRow:
    """One pool for readers: a snapshot that never changes."""

    key: PoolKey
    venue: int
    token0: Address
    token1: Address
    fee_pips: int
    status: Freshness
    block: int
    revision: int


@dataclass(frozen=True, slots=True)
class MarketStatistics:
    """What the fold has met."""

    pools: int
    live: int
    logs: int
    duplicates: int
    covered: int
    late: int
    removed: int
    refused: int
    unannounced: int
    collisions: int


class Market:
    """Folds messages of the market domain into pools, in (block, tx_index, log_index) order per pool.

    A log at or below a pool's position is a repeat when its identity is known, part of the base when the base is as new,
    and otherwise came too late: then the pool's state is not what the chain says, and the pool is quarantined.
    """

    __slots__ = (
        "_by_id",
        "_by_place",
        "_changed",
        "_counts",
        "_heads",
        "_known_logs",
        "_log_order",
        "_pending",
        "instruments",
        "pools",
        "universe",
    )

    def __init__(self, assets: AssetTable | None = None) -> None:
        self.instruments = InstrumentRegistry(assets)
        self.pools: dict[PoolKey, Pool] = {}
        self._by_place: dict[tuple[int, bytes], Pool] = {}
        self.universe = 0
        self._by_id: dict[InstrumentId, Pool] = {}
        self._heads: dict[int, Head] = {}
        self._known_logs: set[tuple[bytes, bytes, int]] = set()
        self._log_order: deque[tuple[bytes, bytes, int]] = deque()
        self._pending: dict[PoolKey, None] = {}
        self._changed: dict[PoolKey, None] = {}
        self._counts = dict.fromkeys(
            ("logs", "duplicates", "covered", "late", "removed", "refused", "unannounced"), 0
        )

    def apply(self, message: Message, now_ns: int) -> tuple[PoolKey, ...]:
        """Return the pools whose state or usability the message changed, in the order of the changes.

        Messages of other domains change nothing. Data that contradicts itself quarantines its pool and is counted.
        """
        del now_ns  # freshness follows from what the venue says, not from our clock
        if message.header.domain != Domain.MARKET:
            return ()
        event: ChainEvent | None = None
        trace: TraceContext | None = None
        for tlv in message.tlvs:
            if isinstance(tlv, ChainEvent):
                event = tlv
            elif isinstance(tlv, TraceContext):
                trace = tlv
        changed = self._changed
        changed.clear()
        if event is not None and event.flags & _PRECONFIRMED:
            self._counts["refused"] += 1  # not a fact of the chain yet, so not of this state
            return ()
        had_liquidity = False
        for tlv in message.tlvs:
            if isinstance(tlv, _LOG_TLVS):
                if had_liquidity and isinstance(tlv, _LIQUIDITY_PARTS):
                    continue
                had_liquidity = had_liquidity or isinstance(tlv, Liquidity)
                self._log(tlv, event, trace)
            elif not isinstance(tlv, _BESIDE_STATE):
                self._statement(tlv, event, trace)
        return tuple(changed)

    def pool(self, chain_id: int, address: bytes) -> Pool | None:
        """Return a pool by its identity."""
        return self.pools.get(PoolKey(chain_id, Address(address)))

    def head(self, chain_id: int) -> Head | None:
        """Return the last closed block of a chain."""
        return self._heads.get(chain_id)

    def live(self, chain_id: int) -> tuple[Pool, ...]:
        """Return the pools of a chain whose state may be used, by address."""
        return tuple(
            self.pools[key]
            for key in sorted(self.pools)
            if key.chain_id == chain_id and self.pools[key].is_live
        )

    def view(self) -> tuple[PoolRow, ...]:
        """Return an immutable row per pool, by chain and address."""
        return tuple(_row(self.pools[key]) for key in sorted(self.pools))

    def take_collisions(self) -> tuple[Collision, ...]:
        """Return the id collisions since the last call."""
        return self.instruments.take_collisions()

    def statistics(self) -> MarketStatistics:
        """Return a frozen view of the counts."""
        return MarketStatistics(
            pools=len(self.pools),
            live=sum(pool.is_live for pool in self.pools.values()),
            collisions=self.instruments.refused,
            **self._counts,
        )

    # --- statements about instruments, bases and blocks -----------------------------------------------------------------

    def _statement(self, tlv: Tlv, event: ChainEvent | None, trace: TraceContext | None) -> None:
        if isinstance(tlv, GasPrice):
            if event is not None and event.log_index == BLOCK_LEVEL:
                self._close_block(tlv, event, trace)
        elif isinstance(tlv, BlockGas):
            self._tell_gas(tlv, event)
        elif isinstance(tlv, PoolState):
            self._base(tlv, event)
        elif isinstance(tlv, PoolTick):
            self._tick(tlv, event)
        elif isinstance(tlv, PoolParams | PoolLiquidity):
            self._curved(tlv, event)
        elif isinstance(tlv, InstrumentMeta):
            self._announce(tlv)
        elif isinstance(tlv, StateInvalidation):
            self._invalidate(tlv)

    def _announce(self, meta: InstrumentMeta) -> None:
        outcome = self.instruments.announce(meta)
        if outcome in (Announcement.REFUSED, Announcement.KNOWN):
            return
        if meta.kind == InstrumentKind.TOKEN:
            self._judge_pools(meta)
        elif meta.kind == InstrumentKind.POOL:
            kind = kind_of(meta)
            if kind is not None:
                self._announce_pool(meta, kind)

    def _announce_pool(self, meta: InstrumentMeta, kind: PoolType) -> None:
        key = PoolKey(meta.chain_id, Address(meta.key[:20]))
        pool = self.pools.get(key)
        if pool is None:
            made = members_of(key, meta, kind)
            pool = made[0]
            self.pools.update((member.key, member) for member in made)
            self._by_place[key.chain_id, key.address] = pool
            self._by_id[meta.instrument] = pool
            self.universe += len(made)
        elif pool.fee_pips != meta.fee_pips and kind not in CURVED_KINDS:
            pool.discard()
            pool.fee_pips = meta.fee_pips
            self._note(pool)
        self._judge(pool, meta)

    def _judge_pools(self, token: InstrumentMeta) -> None:
        for instrument, pool in self._by_id.items():
            if token.key in pool.all_tokens:
                self._judge(pool, self.instruments.meta(instrument))

    def _judge(self, pool: Pool, meta: InstrumentMeta | None) -> None:
        """Refuse a pool whose own flags or whose tokens' flags say that plain arithmetic does not describe it."""
        flags, hooks = (meta.flags, meta.hooks) if meta else (0, NO_HOOKS)
        for address in pool.all_tokens:
            token = self.instruments.token(pool.key.chain_id, address)
            flags |= token.flags if token else 0
        refusal = refusal_of_pool(pool, flags, hooks)
        if refusal != pool.track.refusal:
            pool.track.refusal = refusal
            pool.touch()
            self._note(pool)

    def _curved(self, statement: PoolParams | PoolLiquidity, event: ChainEvent | None) -> None:
        pool = self._pool_of(statement.venue, statement.pool, event)
        if event is None or not isinstance(pool, PairOfCurved):
            return
        position, whole = _position(event), pool.whole
        if pool.is_live and position < pool.position:
            self._counts["covered"] += 1
            return
        self._guarded(pool, lambda: whole.take(statement, position))
        self._pending[pool.key] = None

    def _base(self, state: PoolState, event: ChainEvent | None) -> None:
        pool = self._pool_of(state.venue, state.pool, event)
        if pool is None or event is None:
            return
        position = _position(event)
        if pool.is_live and position < pool.position:
            self._counts["covered"] += 1  # older than what is known and not in doubt
            return
        self._guarded(pool, lambda: pool.begin(state, position))
        self._pending[pool.key] = None

    def _tick(self, tick: PoolTick, event: ChainEvent | None) -> None:
        pool = self._pool_of(tick.venue, tick.pool, event)
        if pool is not None and not pool.track.is_faulty:
            self._guarded(pool, lambda: pool.add_tick(tick))

    def _close_block(self, gas: GasPrice, event: ChainEvent, trace: TraceContext | None) -> None:
        if gas.chain_id != event.chain_id or gas.block != event.block:
            self._counts["refused"] += 1
            return
        head = self._heads.get(event.chain_id)
        orphaned = head is not None and (
            event.block < head.block
            or (event.block == head.block and event.block_hash != head.block_hash)
        )
        if orphaned:
            for pool in self.pools.values():
                if pool.key.chain_id == event.chain_id and pool.track.is_complete:
                    self._fault(pool, "another block replaced the last one without a new base")
        for key in [key for key in self._pending if key.chain_id == event.chain_id]:
            del self._pending[key]
            pool = self.pools[key]
            if pool.is_pending and not pool.track.is_faulty:
                self._guarded(pool, pool.complete)
        self._heads[event.chain_id] = Head(
            event.chain_id,
            event.block,
            Hash32(event.block_hash),
            gas.base_fee_per_gas,
            gas.priority_fee_per_gas,
            gas.event_ns,
            trace.trace_id if trace else 0,
            trace.span_id if trace else 0,
            gas.l1_base_fee,
            gas.l1_blob_fee,
        )

    def _tell_gas(self, gas: BlockGas, event: ChainEvent | None) -> None:
        """Complete the head that the same message has just closed."""
        head = self._heads.get(event.chain_id) if event is not None else None
        if event is None or head is None or head.block_hash != event.block_hash:
            return
        if gas.gas_used > gas.gas_limit:
            self._counts["refused"] += 1
            return
        self._heads[event.chain_id] = replace(head, gas_used=gas.gas_used, gas_limit=gas.gas_limit)

    def _invalidate(self, notice: StateInvalidation) -> None:
        instrument = notice.instrument
        if instrument.asset_type == ASSET_WILDCARD:
            for pool in self.pools.values():
                if pool.venue == instrument.venue:
                    self._invalidate_pool(pool, notice, by_name=False)
        elif instrument.asset_type == ASSET_POOL:
            named = self._by_id.get(instrument)
            if named is not None:
                self._invalidate_pool(named, notice, by_name=True)

    def _invalidate_pool(self, pool: Pool, notice: StateInvalidation, *, by_name: bool) -> None:
        track = pool.track
        before = track.status
        if notice.action == InvalidationAction.RESET:
            pool.discard()
            self._note(pool)
        elif notice.action == InvalidationAction.STALE:
            if notice.reason in _FAULTS:
                track.quarantine(InvalidationReason(notice.reason).name.lower())
            else:
                track.mark_stale()
        elif notice.action == InvalidationAction.RESUME:
            track.resume()
            if by_name:
                track.release()
        if track.status is not before:
            pool.touch()
            self._note(pool)

    # --- logs -----------------------------------------------------------------------------------------------------------

    def _log(self, tlv: LogTlv, event: ChainEvent | None, trace: TraceContext | None) -> None:
        pool = self._pool_of(tlv.venue, tlv.pool, event)
        if pool is None or event is None:
            return
        if event.flags & _REMOVED:
            self._counts["removed"] += 1
            self._fault(pool, "a log was removed from the chain")
            return
        if pool.quoter is None and not pool.is_pending:
            return  # no base: nothing to change, the base will say it all
        position = _position(event)
        identity = (event.block_hash, event.tx_hash, event.log_index)
        if position <= pool.position or identity in self._known_logs:
            self._judge_old(pool, position, identity)
            return
        head = self._heads.get(event.chain_id)
        if head is not None and event.block <= head.block and pool.track.is_complete:
            self._counts["late"] += 1
            self._fault(pool, "a log came after its block was closed")
            return
        self._remember(identity)
        self._counts["logs"] += 1
        pool.position = position
        if not pool.is_moved_by(tlv):
            return
        if trace is not None:
            pool.trace_id = trace.trace_id
            pool.span_id = trace.span_id
        try:
            pool.fold(tlv)
        except (InvalidData, Rejected) as error:
            self._counts["refused"] += 1
            self._fault(pool, str(error))
        else:
            pool.touch()
            self._note(pool)

    def _judge_old(
        self, pool: Pool, position: Position, identity: tuple[bytes, bytes, int]
    ) -> None:
        if identity in self._known_logs:
            self._counts["duplicates"] += 1
        elif position[0] <= pool.base_block:
            self._counts["covered"] += 1
        else:
            self._counts["late"] += 1
            self._fault(pool, "a log came after later logs of its pool")

    def _remember(self, identity: tuple[bytes, bytes, int]) -> None:
        self._known_logs.add(identity)
        self._log_order.append(identity)
        if len(self._log_order) > MAX_REMEMBERED_LOGS:
            self._known_logs.discard(self._log_order.popleft())

    # --- shared ---------------------------------------------------------------------------------------------------------

    def _pool_of(self, venue: int, address: bytes, event: ChainEvent | None) -> Pool | None:
        if event is None:
            self._counts["refused"] += 1
            return None
        pool = self._by_place.get((event.chain_id, address))
        if pool is None or pool.venue != venue:
            self._counts["unannounced"] += 1
            return None
        return pool

    def _guarded(self, pool: Pool, change: Callable[[], None]) -> None:
        """Apply a change; data that does not hold quarantines the pool."""
        try:
            change()
        except (InvalidData, Rejected) as error:
            self._counts["refused"] += 1
            self._fault(pool, str(error))
        else:
            pool.touch()
            self._note(pool)

    def _fault(self, pool: Pool, cause: str) -> None:
        pool.track.quarantine(cause)
        pool.touch()
        self._note(pool)

    def _note(self, pool: Pool) -> None:
        self._changed[pool.key] = None
        for sibling in pool.siblings:
            sibling.touch()
            self._changed[sibling.key] = None


def _position(event: ChainEvent) -> Position:
    return (event.block, event.tx_index, event.log_index)


def _row(pool: Pool) -> PoolRow:
    return PoolRow(
        pool.key,
        pool.venue,
        pool.token0,
        pool.token1,
        pool.fee_pips,
        pool.status,
        max(pool.position[0], 0),
        pool.revision,
    )
