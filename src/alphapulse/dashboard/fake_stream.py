"""Messages of a chain that does not exist, as collector, strategy, executor and risk would send them.

For tests and measurements of what reads messages; no node imports it.
"""

from hashlib import sha256
from math import isqrt

from alphapulse.primitives.address import ZERO_ADDRESS, ZERO_HASH
from alphapulse.primitives.instrument_id import InstrumentId
from alphapulse.primitives.units import E8
from alphapulse.primitives.venue import Venue
from alphapulse.protocol.execution import (
    EmergencyStop,
    ExecutionFlag,
    ExecutionReason,
    ExecutionResult,
    ExecutionStarted,
    ExecutionStatus,
    StopAction,
    Submission,
)
from alphapulse.protocol.header import Domain, Source
from alphapulse.protocol.market_data import (
    BLOCK_LEVEL,
    ChainEvent,
    GasPrice,
    InstrumentKind,
    InstrumentMeta,
    InvalidationAction,
    InvalidationReason,
    Leg,
    PoolState,
    PoolSwap,
    PoolSync,
    PoolType,
    StateInvalidation,
    Trade,
)
from alphapulse.protocol.message import Draft, Message, Tlv
from alphapulse.protocol.signals import ArbitrageSignal, FlashSource, SwapHop, SwapPath
from alphapulse.protocol.system import TraceContext
from alphapulse.transport.sequence import Sequencer

__all__ = ["CHAIN_ID", "FakePool", "FakeStream", "transaction_of"]

CHAIN_ID = 31337
DECIMALS = {"WETH": 18, "USDC": 6, "DAI": 18, "WBTC": 8}
GWEI = 10**9


class FakePool:
    """A pool of two tokens in address order; a concentrated one has a root price, any other reserves."""

    def __init__(self, venue: int, one: str, other: str, fee_pips: int) -> None:
        self.venue = venue
        self.symbols = tuple(sorted((one, other), key=_address))
        self.address = sha256(f"{venue}{one}{other}{fee_pips}".encode()).digest()[:20]
        self.fee_pips = fee_pips
        self.is_concentrated = venue == Venue.UNISWAP_V3
        self.instrument = InstrumentId.pool(venue, self.address)


class FakeStream:
    """Makes one run's messages, numbered and stamped; time goes on by a millisecond a message."""

    def __init__(self, now_ns: int, pools: tuple[FakePool, ...] | None = None) -> None:
        self.pools = pools or (
            FakePool(Venue.UNISWAP_V2, "WETH", "USDC", 3000),
            FakePool(Venue.UNISWAP_V3, "WETH", "USDC", 500),
            FakePool(Venue.SUSHISWAP, "WETH", "DAI", 3000),
        )
        self.now_ns = now_ns
        self.block = 100
        self._sequencer = Sequencer(1)

    def say(self, domain: int, source: int, *tlvs: Tlv, flags: int = 0) -> Message:
        """Return what a producer says, as its next message."""
        self.now_ns += 1_000_000
        return self._sequencer.stamp(Draft(domain, source, tlvs, flags), self.now_ns)

    def begin(self) -> list[Message]:
        """Return the announcements, every pool's state, and the block that closes them."""
        said = [self.say(1, Source.ETHEREUM, self._token(symbol)) for symbol in DECIMALS]
        said += [self.say(1, Source.ETHEREUM, self._pool(pool)) for pool in self.pools]
        said += [self.base(pool, 3000) for pool in self.pools]
        return [*said, self.close()]

    def base(self, pool: FakePool, price: int) -> Message:
        """Return a pool's whole state at a price of token1 units per token0 unit, in whole tokens."""
        reserve0, reserve1, root = _state(pool, price)
        state = PoolState(
            venue=pool.venue,
            pool=pool.address,
            token0=_address(pool.symbols[0]),
            token1=_address(pool.symbols[1]),
            pool_type=PoolType.CONCENTRATED if pool.is_concentrated else PoolType.CONSTANT_PRODUCT,
            decimals0=DECIMALS[pool.symbols[0]],
            decimals1=DECIMALS[pool.symbols[1]],
            reserve0=0 if pool.is_concentrated else reserve0,
            reserve1=0 if pool.is_concentrated else reserve1,
            sqrt_price_x96=root if pool.is_concentrated else 0,
            tick=0,
            liquidity=10**20 if pool.is_concentrated else 0,
            fee_pips_0to1=pool.fee_pips,
            fee_pips_1to0=pool.fee_pips,
            known_tick_lower=-887272,
            known_tick_upper=887272,
            block=self.block,
            event_ns=self.now_ns,
        )
        return self.say(1, Source.ETHEREUM, state, self._event(BLOCK_LEVEL))

    def move(self, pool: FakePool, price: int, *, flags: int = 0) -> list[Message]:
        """Return the messages of a swap that leaves a pool at a price."""
        reserve0, reserve1, root = _state(pool, price)
        event = self._event(1, flags)
        token0, token1 = (_address(symbol) for symbol in pool.symbols)
        decimals0, decimals1 = (DECIMALS[symbol] for symbol in pool.symbols)
        said: list[Message] = []
        if not pool.is_concentrated:
            sync = PoolSync(
                venue=pool.venue,
                pool=pool.address,
                token0=token0,
                token1=token1,
                reserve0=reserve0,
                reserve1=reserve1,
                decimals0=decimals0,
                decimals1=decimals1,
                event_ns=self.now_ns,
                block=self.block,
            )
            said.append(self.say(1, Source.ETHEREUM, sync, event, self._trace(7)))
        trade = Trade(instrument=pool.instrument, price=E8, volume=E8, side=0, event_ns=self.now_ns)
        swap = PoolSwap(
            venue=pool.venue,
            pool=pool.address,
            token_in=token1,
            token_out=token0,
            amount_in=10**6,
            amount_out=10**6,
            decimals_in=decimals1,
            decimals_out=decimals0,
            sqrt_price_x96_after=root if pool.is_concentrated else 0,
            tick_after=0,
            liquidity_after=10**20 if pool.is_concentrated else 0,
            event_ns=self.now_ns,
            block=self.block,
        )
        return [*said, self.say(1, Source.ETHEREUM, trade, swap, event, self._trace(7))]

    def close(self) -> Message:
        """Return the message that closes the current block, and go on to the next one."""
        gas = GasPrice(
            chain_id=CHAIN_ID,
            block=self.block,
            base_fee_per_gas=GWEI,
            priority_fee_per_gas=GWEI,
            l1_base_fee=0,
            l1_blob_fee=0,
            event_ns=self.now_ns,
        )
        said = self.say(1, Source.ETHEREUM, gas, self._event(BLOCK_LEVEL))
        self.block += 1
        return said

    def signal(
        self, signal_id: int, *, gross_profit: int = 5 * 10**18, usd_e8: int = 12_000 * E8
    ) -> Message:
        """Return a signal of three hops from WETH to WETH, computed from the last closed block."""
        symbols = ("WETH", "USDC", "DAI", "WETH")
        hops = tuple(
            SwapHop(
                venue=pool.venue,
                pool=pool.address,
                token_in=_address(symbols[place]),
                token_out=_address(symbols[place + 1]),
                amount_in=1_234_567_890_123_456_789 + place,
                amount_out=1_234_567_890_123_456_790 + place,
                fee_pips=pool.fee_pips,
                decimals_in=DECIMALS[symbols[place]],
                decimals_out=DECIMALS[symbols[place + 1]],
            )
            for place, pool in enumerate(self.pools[:3])
        )
        signal = ArbitrageSignal(
            signal_id=signal_id,
            strategy_id=1,
            confidence=97,
            decimals=18,
            chain_id=CHAIN_ID,
            source_venue=self.pools[0].venue,
            target_venue=self.pools[-1].venue,
            source_pool=self.pools[0].address,
            target_pool=self.pools[-1].address,
            profit_token=_address("WETH"),
            mid_token=_address("USDC"),
            amount_in=1_234_567_890_123_456_789,
            gross_profit=gross_profit,
            flash_fee=617_283_945_061_728,
            gas_cost=400_000_000_000_001,
            slippage_allowance=0,
            net_profit=gross_profit - 617_283_945_061_728 - 400_000_000_000_001,
            min_profit=400_000_000_000_001,
            net_profit_usd=usd_e8,
            spread_bps=42,
            valid_until_block=self.block + 1,
            observed_block=self.block - 1,
            event_ns=self.now_ns,
        )
        path = SwapPath(
            signal_id=signal_id, chain_id=CHAIN_ID, flash_source=FlashSource.AAVE_V3, hop=hops
        )
        return self.say(2, Source.ARBITRAGE, signal, path, self._trace(signal_id))

    def started(self, signal_id: int, *, attempt: int = 1) -> Message:
        """Return that a transaction was handed over."""
        started = ExecutionStarted(
            signal_id=signal_id,
            strategy_id=1,
            submission=Submission.PUBLIC,
            attempt=attempt,
            chain_id=CHAIN_ID,
            tx_hash=transaction_of(signal_id),
            nonce=signal_id,
            gas_limit=600_000,
            max_fee_per_gas=3 * GWEI,
            max_priority_fee_per_gas=GWEI,
            target_block=self.block,
            event_ns=self.now_ns,
        )
        return self.say(Domain.EXECUTION, Source.EXECUTION, started, self._trace(signal_id))

    def result(
        self,
        signal_id: int,
        *,
        status: ExecutionStatus = ExecutionStatus.SUCCEEDED,
        reason: ExecutionReason = ExecutionReason.NONE,
        flags: int = ExecutionFlag.FINAL,
        usd_e8: int = 11_990 * E8,
        profit: int = 4_999_382_716_054_938_272,
        block: int = 0,
    ) -> Message:
        """Return what became of a transaction; without inclusion it has no hash, block, gas or profit."""
        landed = status in (ExecutionStatus.SUCCEEDED, ExecutionStatus.REVERTED)
        gas_used = 350_000 if landed else 0
        result = ExecutionResult(
            signal_id=signal_id,
            strategy_id=1,
            status=status,
            profit_decimals=18,
            chain_id=CHAIN_ID,
            actual_profit=profit if status == ExecutionStatus.SUCCEEDED else 0,
            profit_usd=usd_e8 if landed else 0,
            gas_used=gas_used,
            gas_price=GWEI,
            block=(block or self.block) if landed else 0,
            tx_hash=transaction_of(signal_id) if landed else ZERO_HASH,
            event_ns=self.now_ns,
            gas_cost=gas_used * GWEI,
            profit_token=_address("WETH"),
            reason=reason,
            flags=int(flags),
        )
        return self.say(Domain.EXECUTION, Source.EXECUTION, result, self._trace(signal_id))

    def invalidation(
        self,
        action: InvalidationAction,
        *instruments: InstrumentId,
        reason: InvalidationReason = InvalidationReason.DISCONNECT,
    ) -> Message:
        """Return one message that invalidates or resumes instruments."""
        notices = [StateInvalidation(instrument, action, reason) for instrument in instruments]
        return self.say(1, Source.ETHEREUM, *notices)

    def stop(
        self,
        action: StopAction = StopAction.PAUSE,
        *,
        strategy: int = 65_535,
        source: int = Source.RISK,
        flags: int = 0,
    ) -> Message:
        """Return a stop or a resume."""
        stop = EmergencyStop(
            reason=1, action=action, affected_strategies=strategy, event_ns=self.now_ns
        )
        return self.say(Domain.EXECUTION, source, stop, flags=flags)

    def _event(self, log_index: int, flags: int = 0) -> ChainEvent:
        at_block = log_index == BLOCK_LEVEL
        return ChainEvent(
            chain_id=CHAIN_ID,
            block=self.block,
            block_hash=sha256(b"%d" % self.block).digest(),
            tx_hash=ZERO_HASH if at_block else sha256(b"tx%d" % self.block).digest(),
            tx_index=BLOCK_LEVEL if at_block else 0,
            log_index=log_index,
            flags=flags,
        )

    def _trace(self, number: int) -> TraceContext:
        return TraceContext(trace_id=number << 64 | 1, span_id=number, flags=1)

    def _token(self, symbol: str) -> InstrumentMeta:
        address = _address(symbol)
        return _meta(
            InstrumentId.token(Venue.ETHEREUM, address),
            InstrumentKind.TOKEN,
            address,
            decimals=DECIMALS[symbol],
            symbol=symbol,
        )

    def _pool(self, pool: FakePool) -> InstrumentMeta:
        legs = tuple(
            Leg(
                leg_id=InstrumentId.token(Venue.ETHEREUM, _address(symbol)),
                address=_address(symbol),
                decimals=DECIMALS[symbol],
            )
            for symbol in pool.symbols
        )
        return _meta(
            pool.instrument,
            InstrumentKind.POOL,
            pool.address,
            fee_pips=pool.fee_pips,
            legs=legs,
            symbol="/".join(pool.symbols),
        )


def transaction_of(signal_id: int) -> bytes:
    """Return the hash of the transaction of a signal."""
    return sha256(b"signal%d" % signal_id).digest()


def _address(symbol: str) -> bytes:
    return sha256(symbol.encode()).digest()[:20]


def _state(pool: FakePool, price: int) -> tuple[int, int, int]:
    """Return reserves and root price at whole token1 per whole token0."""
    reserve0: int = 10 ** (DECIMALS[pool.symbols[0]] + 3)
    reserve1: int = price * 10 ** (DECIMALS[pool.symbols[1]] + 3)
    return reserve0, reserve1, isqrt((reserve1 << 192) // reserve0)


def _meta(
    instrument: InstrumentId,
    kind: InstrumentKind,
    key: bytes,
    *,
    symbol: str,
    decimals: int = 0,
    fee_pips: int = 0,
    legs: tuple[Leg, ...] = (),
) -> InstrumentMeta:
    return InstrumentMeta(
        instrument=instrument,
        chain_id=CHAIN_ID,
        kind=kind,
        pool_type=PoolType.CONSTANT_PRODUCT,
        decimals=decimals,
        key=key,
        fee_pips=fee_pips,
        tick_spacing=0,
        flags=0,
        hooks=ZERO_ADDRESS,
        price_step=0,
        size_step=0,
        asset_class=0,
        event_ns=0,
        leg=legs,
        symbol=symbol,
    )
