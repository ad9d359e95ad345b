"""An assessed cycle as its signal on the wire and its plan for the executor."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from alphapulse.execution.gas import fees
from alphapulse.execution.plan import Plan, PlanHop
from alphapulse.execution.transaction_builder import flash_arbitrage_calldata
from alphapulse.market.pool import Pool
from alphapulse.market.pools import Head
from alphapulse.market.prices import Prices
from alphapulse.market.roster import Roster
from alphapulse.primitives.address import Address
from alphapulse.primitives.units import cut_toward_zero
from alphapulse.protocol.codec import payload_of
from alphapulse.protocol.header import Domain
from alphapulse.protocol.message import Draft
from alphapulse.protocol.signals import (
    ArbitrageSignal,
    FlashSource,
    StateReference,
    StrategyId,
    SwapHop,
    SwapPath,
)
from alphapulse.protocol.system import TraceContext, TraceFlag
from alphapulse.strategies.flash_arbitrage.config import FlashArbitrageConfig
from alphapulse.strategies.flash_arbitrage.profitability import Assessment

__all__ = ["Emission", "emit", "signal_id_of"]

MAX_SPREAD_BPS = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Emission:
    """What goes out for one opportunity: first the draft of its signal, then its plan."""

    draft: Draft
    plan: Plan


@dataclass(frozen=True, slots=True)
class _Leg:
    """One hop of an assessment with its pool at hand."""

    pool: Pool
    zero_for_one: bool
    token_in: Address
    token_out: Address
    amount_in: int
    amount_out: int

    def decimals(self) -> tuple[int, int]:
        """Return the decimals of the token in and of the token out."""
        pool = self.pool
        if self.zero_for_one:
            return pool.decimals0, pool.decimals1
        return pool.decimals1, pool.decimals0


def emit(
    assessment: Assessment,
    *,
    config: FlashArbitrageConfig,
    roster: Roster,
    prices: Prices,
    head: Head,
    now_ns: int,
) -> Emission:
    """Return the signal and the plan of an assessed cycle.

    Everything but `event_ns`, which is the time of the decision, follows from the block and the pools' state.
    """
    legs = _legs(assessment, roster)
    signal_id = signal_id_of(head.block_hash, legs)
    trace = _trace(legs, head, signal_id)
    plan = _plan(assessment, legs, signal_id, config=config, prices=prices, head=head, trace=trace)
    tlvs = (
        _signal(assessment, legs, plan, now_ns=now_ns),
        SwapPath(signal_id, config.chain_id, FlashSource.AAVE_V3, tuple(map(_swap_hop, legs))),
        StateReference(head.block, plan.valid_until_block, _state_hash(legs, head)),
        trace,
    )
    return Emission(Draft(Domain.SIGNAL, config.source, tlvs), plan)


def signal_id_of(block_hash: bytes, legs: Sequence[_Leg]) -> int:
    """Return the id of a path at a block: 8 bytes of a SHA-256, never 0."""
    digest = sha256(block_hash)
    for leg in legs:
        digest.update(leg.pool.venue.to_bytes(2, "big") + leg.pool.key.address + leg.token_in)
    return int.from_bytes(digest.digest()[:8], "big") or 1


def _legs(assessment: Assessment, roster: Roster) -> tuple[_Leg, ...]:
    return tuple(
        _Leg(
            roster.pools[edge >> 1],
            not edge & 1,
            roster.token_in[edge],
            roster.token_out[edge],
            assessment.amounts[place],
            assessment.amounts[place + 1],
        )
        for place, edge in enumerate(assessment.edges)
    )


def _trace(legs: Sequence[_Leg], head: Head, signal_id: int) -> TraceContext:
    """Return the trace of the last log that changed the path, or the block's when bases did, with a span of its own."""
    last = max((leg.pool for leg in legs if leg.pool.trace_id), key=_position, default=None)
    trace_id = last.trace_id if last else head.trace_id
    span = sha256(trace_id.to_bytes(16, "big") + signal_id.to_bytes(8, "big")).digest()[:8]
    return TraceContext(trace_id, int.from_bytes(span, "big") or 1, TraceFlag.SAMPLED)


def _position(pool: Pool) -> tuple[int, int, int]:
    return pool.position


def _state_hash(legs: Sequence[_Leg], head: Head) -> int:
    digest = sha256()
    for leg in legs:
        digest.update(payload_of(leg.pool.state(head.event_ns)))
    return int.from_bytes(digest.digest()[:8], "little")


def _plan(
    assessment: Assessment,
    legs: Sequence[_Leg],
    signal_id: int,
    *,
    config: FlashArbitrageConfig,
    prices: Prices,
    head: Head,
    trace: TraceContext,
) -> Plan:
    offer = fees(
        head.base_fee_per_gas,
        assessment.tip_per_gas,
        config.valid_blocks,
        rule=config.fee_rule,
        affordable_per_gas=assessment.affordable_per_gas,
    )
    calldata = flash_arbitrage_calldata(
        [leg.pool.key.address for leg in legs],
        [assessment.amount_in] + [0] * (len(legs) - 1),
        assessment.min_profit,
        assessment.profit_token,
        config.recipient,
    )
    return Plan(
        signal_id=signal_id,
        strategy_id=StrategyId.FLASH_ARBITRAGE.value,
        chain_id=config.chain_id,
        contract=config.contract,
        sender=config.operator,
        calldata=calldata,
        path=tuple(map(_plan_hop, legs)),
        profit_token=assessment.profit_token,
        profit_decimals=legs[0].decimals()[0],
        amount_in=assessment.amount_in,
        predicted_profit=assessment.gross_profit - assessment.flash_fee,
        gas_cost=assessment.gas_cost,
        min_profit=assessment.min_profit,
        gas_limit=assessment.gas_limit,
        max_fee_per_gas=offer.max_fee_per_gas,
        max_priority_fee_per_gas=offer.max_priority_fee_per_gas,
        observed_block=head.block,
        valid_until_block=head.block + config.valid_blocks,
        trace_id=trace.trace_id,
        span_id=trace.span_id,
        native_usd_e8=prices.whole_token_usd_e8(config.wrapped_native) or 0,
        profit_token_usd_e8=prices.whole_token_usd_e8(assessment.profit_token) or 0,
    )


def _signal(
    assessment: Assessment, legs: Sequence[_Leg], plan: Plan, *, now_ns: int
) -> ArbitrageSignal:
    first, last = legs[0], legs[-1]
    spread = cut_toward_zero(assessment.gross_profit * 10_000, assessment.amount_in)
    return ArbitrageSignal(
        signal_id=plan.signal_id,
        strategy_id=plan.strategy_id,
        confidence=assessment.forecast.confidence,
        decimals=plan.profit_decimals,
        chain_id=plan.chain_id,
        source_venue=first.pool.venue,
        target_venue=last.pool.venue,
        source_pool=first.pool.key.address,
        target_pool=last.pool.key.address,
        profit_token=assessment.profit_token,
        mid_token=first.token_out,
        amount_in=assessment.amount_in,
        gross_profit=assessment.gross_profit,
        flash_fee=assessment.flash_fee,
        gas_cost=assessment.gas_cost,
        slippage_allowance=0,
        net_profit=assessment.net_profit,
        min_profit=assessment.min_profit,
        net_profit_usd=assessment.net_profit_usd,
        spread_bps=min(spread, MAX_SPREAD_BPS),
        valid_until_block=plan.valid_until_block,
        observed_block=plan.observed_block,
        event_ns=now_ns,
    )


def _swap_hop(leg: _Leg) -> SwapHop:
    decimals_in, decimals_out = leg.decimals()
    return SwapHop(
        venue=leg.pool.venue,
        pool=leg.pool.key.address,
        token_in=leg.token_in,
        token_out=leg.token_out,
        amount_in=leg.amount_in,
        amount_out=leg.amount_out,
        fee_pips=leg.pool.fee_pips,
        decimals_in=decimals_in,
        decimals_out=decimals_out,
    )


def _plan_hop(leg: _Leg) -> PlanHop:
    return PlanHop(
        pool=leg.pool.key.address,
        venue=leg.pool.venue,
        token_in=leg.token_in,
        token_out=leg.token_out,
        amount_in=leg.amount_in,
        amount_out=leg.amount_out,
        zero_for_one=leg.zero_for_one,
    )
