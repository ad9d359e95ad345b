"""Signals on the wire: what strategies want. Attributes stand in layout order."""

from enum import IntEnum, IntFlag, unique

import msgspec

from alphapulse.primitives.instrument_id import InstrumentId
from alphapulse.protocol.message import Tlv

__all__ = [
    "ArbitrageSignal",
    "AssetCorrelation",
    "BundleRoute",
    "CrossChainArbitrage",
    "Economics",
    "ExecutionAddresses",
    "ExecutionControl",
    "ExecutionControlFlag",
    "FlashSource",
    "MEVBundle",
    "PerformanceMetrics",
    "SignalIdentity",
    "StateReference",
    "StrategyId",
    "SwapHop",
    "SwapPath",
]


@unique
class StrategyId(IntEnum):
    """Known strategy numbers; 5 to 99 are reserved, 100 to 65534 configured."""

    NONE = 0
    FLASH_ARBITRAGE = 1
    CROSS_CHAIN_ARBITRAGE = 2
    EXCHANGE_DEX_ARBITRAGE = 3
    TRIANGULAR = 4
    ALL = 65535


@unique
class FlashSource(IntEnum):
    """Where the loan of a path comes from."""

    NONE = 0
    AAVE_V3 = 1
    V2_FLASH_SWAP = 2
    V3_FLASH = 3
    V4_FLASH_ACCOUNTING = 4
    BALANCER_VAULT = 5


@unique
class BundleRoute(IntEnum):
    """Way of a bundle to builders."""

    FLASHBOTS = 1
    MEV_SHARE = 2


@unique
class ExecutionControlFlag(IntFlag):
    """Terms of execution."""

    PRIVATE_ONLY = 1
    REPLACES = 2
    SIMULATE_ONLY = 4


class SwapHop(msgspec.Struct, frozen=True, gc=False):
    """One swap of a path; `token_out` is the next hop's `token_in`."""

    venue: int
    pool: bytes
    token_in: bytes
    token_out: bytes
    amount_in: int
    amount_out: int
    fee_pips: int
    decimals_in: int
    decimals_out: int


class SignalIdentity(Tlv, frozen=True):
    """Identity of a signal of a risk-managed strategy."""

    strategy_id: int
    signal_id: int
    nonce: int
    confidence: int
    chain_id: int


class AssetCorrelation(Tlv, frozen=True):
    """The base and the quote instrument of a signal."""

    base: InstrumentId
    quote: InstrumentId


class Economics(Tlv, frozen=True):
    """What a signal expects to earn, tie up and spend."""

    expected_profit: int
    required_capital: int
    gas_estimate: int
    profit_decimals: int
    capital_decimals: int
    impact_bps: int
    uncertainty_bps: int


class ExecutionAddresses(Tlv, frozen=True):
    """Token and router addresses of a signal."""

    base_token: bytes
    quote_token: bytes
    router_a: bytes
    router_b: bytes


class StateReference(Tlv, frozen=True):
    """The state a signal was computed from."""

    observed_block: int
    valid_through_block: int
    state_hash: int


class ExecutionControl(Tlv, frozen=True):
    """How a signal may be executed."""

    flags: int
    slippage_bps: int
    impact_bps: int
    replaces_signal_id: int


class MEVBundle(Tlv, frozen=True):
    """Bundle terms of a signal."""

    builder: int
    bundle: int
    max_transactions: int
    priority_fee: int
    block_range: int
    route: int
    preferences: int


class CrossChainArbitrage(Tlv, frozen=True):
    """An opportunity between pools of two chains; not atomic."""

    signal_id: int
    strategy_id: int
    confidence: int
    source_chain_id: int
    dest_chain_id: int
    bridge_protocol: int
    gross_profit: int
    bridge_cost: int
    source_gas_cost: int
    dest_gas_cost: int
    timing_risk: int
    source_pool: bytes
    dest_pool: bytes
    bridge_address: bytes
    profit_decimals: int


class ArbitrageSignal(Tlv, frozen=True):
    """An opportunity on one chain; all amounts are in units of `profit_token`, gas included."""

    signal_id: int
    strategy_id: int
    confidence: int
    decimals: int
    chain_id: int
    source_venue: int
    target_venue: int
    source_pool: bytes
    target_pool: bytes
    profit_token: bytes
    mid_token: bytes
    amount_in: int
    gross_profit: int
    flash_fee: int
    gas_cost: int
    slippage_allowance: int
    net_profit: int
    min_profit: int
    net_profit_usd: int
    spread_bps: int
    valid_until_block: int
    observed_block: int
    event_ns: int


class PerformanceMetrics(Tlv, frozen=True):
    """Statistics of a strategy over a window."""

    strategy_id: int
    window: int
    signals: int
    executed: int
    succeeded: int
    failed: int
    predicted_usd: int
    realised_usd: int
    max_drawdown_usd: int
    var95_usd: int
    sharpe_e4: int
    gas_error_bps: int
    latency_p50: int
    latency_p99: int
    event_ns: int


class SwapPath(Tlv, frozen=True):
    """Every hop of a signal, in order."""

    signal_id: int
    chain_id: int
    flash_source: int
    hop: tuple[SwapHop, ...]
