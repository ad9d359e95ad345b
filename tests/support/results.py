"""Signals and results as strategy and executor say them, for tests of what books and judges them."""

from __future__ import annotations

from alphapulse.protocol.execution import EmergencyStop, ExecutionResult
from alphapulse.protocol.header import Header
from alphapulse.protocol.message import Message
from alphapulse.protocol.signals import ArbitrageSignal
from alphapulse.protocol.system import TraceContext

CHAIN_ID = 31337
WETH = b"\xc0" * 20
USDC = b"\xa0" * 20


def trace_for(signal_id):
    return TraceContext(trace_id=signal_id << 64 | 7, span_id=signal_id, flags=1)


def tx_of(signal_id, attempt=0):
    return signal_id.to_bytes(16, "big") + bytes(15) + bytes([attempt + 1])


def signal(signal_id, *, gross=1_000, fee=100, gas=50, usd=850, token=WETH, decimals=18):
    return ArbitrageSignal(
        signal_id=signal_id,
        strategy_id=1,
        confidence=100,
        decimals=decimals,
        chain_id=CHAIN_ID,
        source_venue=300,
        target_venue=301,
        source_pool=b"\x01" * 20,
        target_pool=b"\x02" * 20,
        profit_token=token,
        mid_token=USDC,
        amount_in=10**18,
        gross_profit=gross,
        flash_fee=fee,
        gas_cost=gas,
        slippage_allowance=0,
        net_profit=gross - fee - gas,
        min_profit=gas,
        net_profit_usd=usd,
        spread_bps=5,
        valid_until_block=12,
        observed_block=10,
        event_ns=1,
    )


def result(
    signal_id,
    *,
    status=1,
    profit=900,
    usd=850,
    gas_cost=30,
    block=11,
    flags=1,
    tx=None,
    token=WETH,
    decimals=18,
    strategy=1,
):
    return ExecutionResult(
        signal_id=signal_id,
        strategy_id=strategy,
        status=status,
        profit_decimals=decimals,
        chain_id=CHAIN_ID,
        actual_profit=profit,
        profit_usd=usd,
        gas_used=3,
        gas_price=10,
        block=block,
        tx_hash=tx_of(signal_id) if tx is None else tx,
        event_ns=5,
        gas_cost=gas_cost,
        profit_token=token,
        reason=0,
        flags=flags,
    )


def stop(action, affected=65_535):
    return EmergencyStop(reason=6, action=action, affected_strategies=affected, event_ns=1)


def said(tlv, *, source=42, domain=3, flags=0, now_ns=1, trace=None):
    """Return a message that holds a TLV and a trace."""
    trace = trace or trace_for(getattr(tlv, "signal_id", 1))
    return Message(Header(domain, source, flags | 0x10, 1, now_ns), (tlv, trace))


def signalled(*args, **options):
    return said(signal(*args, **options), source=20, domain=2)
