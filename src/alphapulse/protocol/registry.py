"""The TLV registry as data: number, class, home domain, overflow rule, layout, closed lists and limits.

Numbers from 200 on are this deployment's own: others skip them, and nobody needs them to understand the rest.

Packers, parsers and sizes are derived from the layouts. Names of counts, lengths and reserved bytes do not
show in the classes. In `values` a field may hold only what is listed; fields without an entry are open.

`TABLE` is the protocol's own, `PRIVATE` what this deployment agreed on among itself, from the vendor range.
"""

from collections.abc import Collection, Mapping
from enum import Enum, IntEnum, unique

import msgspec

from alphapulse.protocol import execution, market_data, private, signals, system
from alphapulse.protocol.header import Domain
from alphapulse.protocol.message import Tlv
from alphapulse.protocol.packing import KeyRule

__all__ = ["PRIVATE", "REGISTRY", "TABLE", "Overflow", "Row", "number_of", "row_of"]


@unique
class Overflow(Enum):
    """What the encoder does with a value that does not fit."""

    REFUSE = "R"
    SATURATE = "S"


class Row(msgspec.Struct, frozen=True):
    """One registered type; home domain SYSTEM means that it is at home everywhere."""

    number: int
    tlv: type[Tlv]
    home: Domain
    overflow: Overflow
    layout: str
    values: Mapping[str, type[IntEnum] | range | tuple[int, ...]] = {}
    records: Mapping[str, type[msgspec.Struct]] = {}
    key: KeyRule | None = None
    most_records: int | None = None
    repeats: bool = False

    def listed(self) -> dict[str, Collection[int]]:
        """Return the values each closed field may hold, as plain collections."""
        return {
            name: values if isinstance(values, range) else frozenset(int(value) for value in values)
            for name, values in self.values.items()
        }


_M, _S, _E, _Y = Domain.MARKET, Domain.SIGNAL, Domain.EXECUTION, Domain.SYSTEM
_REFUSE, _SATURATE = Overflow.REFUSE, Overflow.SATURATE

# fmt: off
TABLE: tuple[Row, ...] = (
    Row(1, market_data.Trade, _M, _REFUSE,
        "instrument id · price i64 P8 · volume i64 P8 · side u8 · event_ns u64 ns",
        values={"side": market_data.Side}),
    Row(2, market_data.Quote, _M, _REFUSE,
        "instrument id · bid_price i64 P8 · bid_size i64 P8 · ask_price i64 P8 · "
        "ask_size i64 P8 · event_ns u64 ns"),
    Row(4, market_data.InstrumentMeta, _M, _REFUSE,
        "instrument id · chain_id u64 · kind u8 · pool_type u8 · decimals u8 · key_len u8 · "
        "key b32 · fee_pips u32 pips · tick_spacing i32 · flags u16 · hooks addr · "
        "price_step i64 P8 · size_step i64 P8 · asset_class u32 · event_ns u64 ns · legs u8 · "
        "symbol_len u8 · leg legs×{leg_id id, address addr, decimals u8} · "
        "symbol str(symbol_len)",
        values={
            "kind": market_data.InstrumentKind,
            "pool_type": market_data.PoolType,
            "key_len": (0, 20, 32),
            "legs": range(9),
            "symbol_len": range(65),
        },
        records={"leg": market_data.Leg},
        repeats=True,
        key=KeyRule("key", "key_len", 32)),
    Row(5, market_data.Liquidity, _M, _REFUSE,
        "venue u16 · pool addr · token0 addr · token1 addr · provider addr · tick_lower i32 · "
        "tick_upper i32 · liquidity_delta u128 raw · amount0 u128 raw · amount1 u128 raw · "
        "decimals0 u8 · decimals1 u8 · event_ns u64 ns · kind u8",
        values={"kind": market_data.LiquidityKind}),
    Row(6, market_data.L2Delta, _M, _REFUSE,
        "instrument id · first_seq u64 · last_seq u64 · event_ns u64 ns · count u16 · "
        "change count×{side u8, price i64 P8, size i64 P8}",
        values={"side": market_data.BookSide},
        records={"change": market_data.BookChange}),
    Row(9, market_data.PoolParams, _M, _REFUSE,
        "venue u16 · pool addr · pool_type u8 · count u8 · amplification u64 · fee_e10 u64 · "
        "block u64 · event_ns u64 ns · "
        "token count×{address addr, rate u128, weight u64, decimals u8}",
        values={"pool_type": market_data.PoolType, "count": range(2, 9)},
        records={"token": market_data.PoolToken}),
    Row(10, market_data.PoolLiquidity, _M, _REFUSE,
        "venue u16 · pool addr · count u8 · reserve count×{amount u128 raw} · event_ns u64 ns",
        values={"count": range(2, 9)}),
    Row(11, market_data.PoolSwap, _M, _REFUSE,
        "venue u16 · pool addr · token_in addr · token_out addr · amount_in u128 raw · "
        "amount_out u128 raw · decimals_in u8 · decimals_out u8 · "
        "sqrt_price_x96_after u160be · tick_after i32 · liquidity_after u128 raw · "
        "event_ns u64 ns · block u64"),
    Row(12, market_data.PoolMint, _M, _REFUSE,
        "venue u16 · pool addr · token0 addr · token1 addr · provider addr · tick_lower i32 · "
        "tick_upper i32 · liquidity_delta u128 raw · amount0 u128 raw · amount1 u128 raw · "
        "decimals0 u8 · decimals1 u8 · event_ns u64 ns"),
    Row(13, market_data.PoolBurn, _M, _REFUSE,
        "venue u16 · pool addr · token0 addr · token1 addr · provider addr · tick_lower i32 · "
        "tick_upper i32 · liquidity_delta u128 raw · amount0 u128 raw · amount1 u128 raw · "
        "decimals0 u8 · decimals1 u8 · event_ns u64 ns"),
    Row(14, market_data.PoolTick, _M, _REFUSE,
        "venue u16 · pool addr · tick i32 · liquidity_net i128 raw · "
        "liquidity_gross u128 raw · block u64 · event_ns u64 ns",
        repeats=True),
    Row(15, market_data.PoolState, _M, _REFUSE,
        "venue u16 · pool addr · token0 addr · token1 addr · pool_type u8 · decimals0 u8 · "
        "decimals1 u8 · reserve0 u128 raw · reserve1 u128 raw · sqrt_price_x96 u160be · "
        "tick i32 · liquidity u128 raw · fee_pips_0to1 u32 pips · fee_pips_1to0 u32 pips · "
        "known_tick_lower i32 · known_tick_upper i32 · block u64 · event_ns u64 ns",
        values={"pool_type": market_data.PoolType}),
    Row(16, market_data.PoolSync, _M, _REFUSE,
        "venue u16 · pool addr · token0 addr · token1 addr · reserve0 u128 raw · "
        "reserve1 u128 raw · decimals0 u8 · decimals1 u8 · event_ns u64 ns · block u64"),
    Row(17, market_data.L2Snapshot, _M, _REFUSE,
        "instrument id · book_seq u64 · event_ns u64 ns · part u8 · parts u8 · bids u16 · "
        "asks u16 · bid bids×{price i64 P8, size i64 P8} · ask asks×{price i64 P8, size i64 P8}",
        records={"bid": market_data.BookLevel, "ask": market_data.BookLevel},
        most_records=4000),
    Row(18, market_data.GasPrice, _M, _REFUSE,
        "chain_id u64 · block u64 · base_fee_per_gas u64 wei/gas · "
        "priority_fee_per_gas u64 wei/gas · l1_base_fee u64 wei/gas · "
        "l1_blob_fee u64 wei/gas · event_ns u64 ns"),
    Row(19, market_data.ChainEvent, _M, _REFUSE,
        "chain_id u64 · block u64 · block_hash h32 · tx_hash h32 · tx_index u32 · "
        "log_index u32 · flags u8 · reserved z3"),
    Row(20, signals.SignalIdentity, _S, _REFUSE,
        "strategy_id u16 · signal_id u64 · nonce u32 · confidence u8 % · chain_id u32 · "
        "reserved z1"),
    Row(21, signals.AssetCorrelation, _S, _REFUSE,
        "base id · quote id"),
    Row(22, signals.Economics, _S, _REFUSE,
        "expected_profit i128 raw · required_capital u128 raw · gas_estimate u128 raw · "
        "profit_decimals u8 · capital_decimals u8 · impact_bps u16 bps · "
        "uncertainty_bps u16 bps"),
    Row(23, signals.ExecutionAddresses, _S, _REFUSE,
        "base_token addr · quote_token addr · router_a addr · router_b addr · reserved z4"),
    Row(25, signals.StateReference, _S, _REFUSE,
        "observed_block u64 · valid_through_block u64 · state_hash u64"),
    Row(26, signals.ExecutionControl, _S, _REFUSE,
        "flags u32 · slippage_bps u16 bps · impact_bps u16 bps · replaces_signal_id u64"),
    Row(28, signals.MEVBundle, _S, _REFUSE,
        "builder u32 · bundle u32 · max_transactions u8 · priority_fee u64 wei/gas · "
        "block_range u8 · route u8 · preferences u64 · reserved z16",
        values={"route": signals.BundleRoute}),
    Row(31, signals.CrossChainArbitrage, _S, _REFUSE,
        "signal_id u64 · strategy_id u16 · confidence u8 % · source_chain_id u32 · "
        "dest_chain_id u32 · bridge_protocol u16 · gross_profit i128 raw · "
        "bridge_cost u128 raw · source_gas_cost u128 raw · dest_gas_cost u128 raw · "
        "timing_risk u16 blocks · source_pool addr · dest_pool addr · bridge_address addr · "
        "profit_decimals u8 · reserved z3"),
    Row(32, signals.ArbitrageSignal, _S, _REFUSE,
        "signal_id u64 · strategy_id u16 · confidence u8 % · decimals u8 · chain_id u32 · "
        "source_venue u16 · target_venue u16 · source_pool addr · target_pool addr · "
        "profit_token addr · mid_token addr · amount_in u128 raw · gross_profit i128 raw · "
        "flash_fee u128 raw · gas_cost u128 raw · slippage_allowance u128 raw · "
        "net_profit i128 raw · min_profit i128 raw · net_profit_usd i64 P8 · "
        "spread_bps i32 bps · valid_until_block u64 · observed_block u64 · event_ns u64 ns"),
    Row(33, signals.PerformanceMetrics, _S, _SATURATE,
        "strategy_id u16 · reserved z2 · window u32 s · signals u32 · executed u32 · "
        "succeeded u32 · failed u32 · predicted_usd i64 P8 · realised_usd i64 P8 · "
        "max_drawdown_usd i64 P8 · var95_usd i64 P8 · sharpe_e4 i32 · gas_error_bps i32 bps · "
        "latency_p50 u64 ns · latency_p99 u64 ns · event_ns u64 ns"),
    Row(34, signals.SwapPath, _S, _REFUSE,
        "signal_id u64 · chain_id u32 · hops u8 · flash_source u8 · reserved z2 · "
        "hop hops×{venue u16, pool addr, token_in addr, token_out addr, amount_in u128 raw, amount_out u128 raw, fee_pips u32 pips, decimals_in u8, decimals_out u8}",
        values={"hops": range(1, 17), "flash_source": signals.FlashSource},
        records={"hop": signals.SwapHop}),
    Row(40, execution.OrderRequest, _E, _REFUSE,
        "order_id u64 · signal_id u64 · strategy_id u16 · side u8 · order_type u8 · "
        "time_in_force u8 · flags u8 · max_slippage_bps u16 bps · instrument id · "
        "quantity i64 P8 · price i64 P8 · expires u64 ns · event_ns u64 ns",
        values={
            "side": market_data.Side,
            "order_type": execution.OrderType,
            "time_in_force": execution.TimeInForce,
        }),
    Row(41, execution.OrderStatus, _E, _REFUSE,
        "order_id u64 · status u8 · reason u8 · venue u16 · filled i64 P8 · "
        "average_price i64 P8 · venue_ref b16 · event_ns u64 ns",
        values={"status": execution.OrderState, "reason": execution.ExecutionReason}),
    Row(42, execution.Fill, _E, _REFUSE,
        "order_id u64 · fill_id u64 · instrument id · side u8 · role u8 · price i64 P8 · "
        "quantity i64 P8 · fee i64 P8 · fee_asset id · event_ns u64 ns",
        values={"side": market_data.Side, "role": execution.FillRole}),
    Row(43, execution.OrderCancel, _E, _REFUSE,
        "order_id u64 · reason u8 · reserved z7",
        values={"reason": execution.ExecutionReason}),
    Row(44, execution.OrderModify, _E, _REFUSE,
        "order_id u64 · price i64 P8 · quantity i64 P8"),
    Row(48, execution.Balance, _E, _REFUSE,
        "instrument id · decimals u8 · kind u8 · account u16 · available u128 raw · "
        "locked u128 raw · block u64 · event_ns u64 ns",
        values={"kind": execution.BalanceKind},
        repeats=True),
    Row(50, execution.ExecutionResult, _E, _REFUSE,
        "signal_id u64 · strategy_id u16 · status u8 · profit_decimals u8 · chain_id u32 · "
        "actual_profit i128 raw · profit_usd i64 P8 · gas_used u64 gas · "
        "gas_price u64 wei/gas · block u64 · tx_hash h32 · event_ns u64 ns · "
        "gas_cost u128 raw · profit_token addr · reason u8 · flags u8 · reserved z2",
        values={"status": execution.ExecutionStatus, "reason": execution.ExecutionReason}),
    Row(51, execution.EmergencyStop, _E, _REFUSE,
        "reason u8 · action u8 · affected_strategies u16 · reserved z4 · event_ns u64 ns",
        values={"reason": execution.Breaker, "action": execution.StopAction}),
    Row(52, execution.ExecutionStarted, _E, _REFUSE,
        "signal_id u64 · strategy_id u16 · submission u8 · attempt u8 · chain_id u32 · "
        "tx_hash h32 · nonce u64 · gas_limit u64 gas · max_fee_per_gas u64 wei/gas · "
        "max_priority_fee_per_gas u64 wei/gas · target_block u64 · event_ns u64 ns",
        values={"submission": execution.Submission}),
    Row(53, execution.Command, _E, _REFUSE,
        "command_id b16 · command u8 · argument u8 · strategy_id u16 · target u64 · "
        "issued u64 ns · expires u64 ns · operator b16 · key_id u8 · reserved z3 · mac b32",
        values={"command": execution.CommandKind, "argument": range(8)}),
    Row(54, execution.CommandAck, _E, _REFUSE,
        "command_id b16 · status u8 · reason u8 · strategy_id u16 · reserved z4 · "
        "event_ns u64 ns",
        values={"status": execution.CommandStatus, "reason": execution.ExecutionReason}),
    Row(60, execution.RiskDecision, _E, _REFUSE,
        "signal_id u64 · strategy_id u16 · decision u8 · approved_size u128 raw · "
        "max_slippage_bps u16 bps · reasons u32 · event_ns u64 ns · trace_id u128",
        values={"decision": execution.RiskVerdict}),
    Row(61, execution.PositionUpdate, _E, _REFUSE,
        "strategy_id u16 · event u8 · decimals u8 · instrument id · quantity i128 raw · "
        "average_price i64 P8 · mark_price i64 P8 · realised_usd i64 P8 · "
        "unrealised_usd i64 P8 · event_ns u64 ns",
        values={"event": execution.PositionEvent},
        repeats=True),
    Row(62, execution.RiskAlert, _E, _SATURATE,
        "severity u8 · alert u8 · strategy_id u16 · instrument id · observed i64 P8 · "
        "threshold i64 P8 · event_ns u64 ns · text_len u8 · text str(text_len)",
        values={
            "severity": system.Severity,
            "alert": execution.AlertKind,
            "text_len": range(201),
        }),
    Row(71, execution.CircuitBreaker, _E, _REFUSE,
        "breaker u8 · scope u8 · strategy_id u16 · action u8 · reserved z3 · duration u32 ms · "
        "instrument id · observed i64 P8 · threshold i64 P8 · event_ns u64 ns",
        values={
            "breaker": execution.Breaker,
            "scope": execution.BreakerScope,
            "action": execution.BreakerAction,
        }),
    Row(100, system.Heartbeat, _Y, _SATURATE,
        "event_ns u64 ns · status u8 · source u8 · reserved z2 · interval u32 ms",
        values={"status": system.HealthStatus}),
    Row(101, system.Snapshot, _Y, _REFUSE,
        "snapshot_id u32 · phase u8 · domain u8 · source u8 · reserved z1 · "
        "as_of_sequence u64 · epoch u64 · messages u32 · content_crc u32",
        values={"phase": system.SnapshotPhase}),
    Row(102, system.Error, _Y, _SATURATE,
        "code u16 · severity u8 · tlv_type u8 · source u8 · reserved z3 · ref_sequence u64 · "
        "event_ns u64 ns · instrument id · text_len u8 · text str(text_len)",
        values={"code": system.ErrorCode, "severity": system.Severity, "text_len": range(201)}),
    Row(106, market_data.StateInvalidation, _M, _REFUSE,
        "instrument id · action u8 · reason u8",
        values={
            "action": market_data.InvalidationAction,
            "reason": market_data.InvalidationReason,
        },
        repeats=True),
    Row(107, system.SystemHealth, _Y, _SATURATE,
        "service u8 · status u8 · cpu u8 % · memory u8 % · connections u32 · "
        "message_rate u32 1/s · error_rate u16 permille · p95_latency u16 us · "
        "event_ns u64 ns · last_error u32 · reserved z16",
        values={"status": system.HealthStatus}),
    Row(110, system.RecoveryRequest, _Y, _REFUSE,
        "consumer_id u32 · last_sequence u64 · current_sequence u64 · request u8 · source u8",
        values={"request": system.RecoveryKind}),
    Row(111, system.RecoveryResponse, _Y, _REFUSE,
        "consumer_id u32 · first_sequence u64 · last_sequence u64 · status u8 · source u8 · "
        "reserved z2 · messages u32",
        values={"status": system.RecoveryStatus}),
    Row(112, system.SequenceSync, _Y, _REFUSE,
        "epoch u64 · next_sequence u64 · dropped u64 · source u8 · reason u8 · reserved z2",
        values={"reason": system.SyncReason}),
    Row(113, system.Hello, _Y, _REFUSE,
        "protocol u8 · role u8 · source u8 · domains u8 · consumer_id u32 · epoch u64 · "
        "max_message u32 bytes · heartbeat u32 ms · name_len u8 · name str(name_len)"),
    Row(114, system.Subscribe, _Y, _REFUSE,
        "mode u8 · domains u8 · flags u8 · reserved z1 · types b32 · count u16 · "
        "instruments count×{instrument id}",
        values={"count": range(5001)}),
    Row(120, system.TraceContext, _Y, _REFUSE,
        "trace_id u128 · span_id u64 · flags u8 · reserved z3"),
)

PRIVATE: tuple[Row, ...] = (
    Row(200, private.DeliveryOrder, _Y, _REFUSE,
        "epoch u64 · position u64 · event_ns u64 ns · name_len u8 · runs u16 · "
        "run runs×{domain u8, source u8, epoch u64, sequence u64, length u32} · "
        "name str(name_len)",
        records={"run": private.DeliveredRun}),
    Row(201, market_data.BlockGas, _M, _REFUSE, "gas_used u64 gas · gas_limit u64 gas"),
    Row(202, private.DeliveredNotice, _Y, _REFUSE,
        "position u64 · size u16 · message size×{octet u8}",
        repeats=True),
)
# fmt: on

REGISTRY = (*TABLE, *PRIVATE)
"""Every type that has a class here."""

_BY_NUMBER = {row.number: row for row in REGISTRY}
_BY_CLASS = {row.tlv: row for row in REGISTRY}


def row_of(number: int) -> Row | None:
    """Return the row of a type number, None for a type this version does not know."""
    return _BY_NUMBER.get(number)


def number_of(kind: type[Tlv]) -> int:
    """Return the wire number of a registered class."""
    return _BY_CLASS[kind].number
