"""The messages that tell what became of a plan. Pure."""

import hashlib

import msgspec

from alphapulse.execution.plan import Plan
from alphapulse.execution.receipts import Receipt, balance_change, net_usd_e8
from alphapulse.primitives.address import ZERO_HASH
from alphapulse.protocol.execution import (
    ExecutionFlag,
    ExecutionReason,
    ExecutionResult,
    ExecutionStarted,
    ExecutionStatus,
    Submission,
)
from alphapulse.protocol.header import Domain, Source
from alphapulse.protocol.message import Draft, Tlv
from alphapulse.protocol.system import TraceContext

__all__ = ["Offer", "included_result", "not_submitted_result", "started", "unsuccessful_result"]

_SAMPLED = 1
_EXECUTION_CRITICAL = 8


class Offer(msgspec.Struct, frozen=True):
    """A transaction as it was handed over; `attempt` counts the candidates of its nonce from 1."""

    tx_hash: bytes
    nonce: int
    attempt: int
    gas_limit: int
    max_fee_per_gas: int
    max_priority_fee_per_gas: int


def started(plan: Plan, offer: Offer, event_ns: int) -> Draft:
    """Return the message that a transaction was handed to the public pool."""
    return _draft(
        plan,
        ExecutionStarted(
            signal_id=plan.signal_id,
            strategy_id=plan.strategy_id,
            submission=Submission.PUBLIC,
            attempt=offer.attempt,
            chain_id=plan.chain_id,
            tx_hash=offer.tx_hash,
            nonce=offer.nonce,
            gas_limit=offer.gas_limit,
            max_fee_per_gas=offer.max_fee_per_gas,
            max_priority_fee_per_gas=offer.max_priority_fee_per_gas,
            target_block=plan.observed_block + 1,
            event_ns=event_ns,
        ),
        f"started/{offer.attempt}",
    )


def not_submitted_result(
    plan: Plan, reason: ExecutionReason, event_ns: int, *, simulated: bool = False
) -> Draft:
    """Return the final message of a plan of which no transaction can be included."""
    flags = ExecutionFlag.FINAL | (ExecutionFlag.SIMULATED if simulated else 0)
    return _draft(
        plan,
        _result(plan, ExecutionStatus.NOT_SUBMITTED, reason, flags, event_ns=event_ns),
        "result",
    )


def included_result(
    plan: Plan,
    receipt: Receipt,
    recipient: bytes,
    event_ns: int,
    *,
    reason: ExecutionReason = ExecutionReason.NONE,
    final: bool,
) -> Draft:
    """Return the message of a plan whose own transaction is in a block: realised profit, or a revert that cost gas."""
    status = ExecutionStatus.SUCCEEDED if receipt.succeeded else ExecutionStatus.REVERTED
    profit = balance_change(receipt.logs, plan.profit_token, recipient)
    flags = ExecutionFlag.FINAL if final else ExecutionFlag(0)
    return _draft(
        plan,
        _result(plan, status, reason, flags, receipt=receipt, profit=profit, event_ns=event_ns),
        f"result/{int(flags)}",
    )


def unsuccessful_result(
    plan: Plan,
    status: ExecutionStatus,
    reason: ExecutionReason,
    receipt: Receipt | None,
    event_ns: int,
) -> Draft:
    """Return the final message of a plan that never ran; `receipt` is that of the cancel which took its nonce."""
    return _draft(
        plan,
        _result(plan, status, reason, ExecutionFlag.FINAL, receipt=receipt, event_ns=event_ns),
        "result",
    )


def _result(
    plan: Plan,
    status: ExecutionStatus,
    reason: ExecutionReason,
    flags: int,
    *,
    event_ns: int,
    receipt: Receipt | None = None,
    profit: int = 0,
) -> ExecutionResult:
    gas_cost = receipt.gas_cost if receipt is not None else 0
    return ExecutionResult(
        signal_id=plan.signal_id,
        strategy_id=plan.strategy_id,
        status=status,
        profit_decimals=plan.profit_decimals,
        chain_id=plan.chain_id,
        actual_profit=profit,
        profit_usd=net_usd_e8(
            profit,
            profit_decimals=plan.profit_decimals,
            profit_token_usd_e8=plan.profit_token_usd_e8,
            gas_cost_wei=gas_cost,
            native_usd_e8=plan.native_usd_e8,
        ),
        gas_used=receipt.gas_used if receipt is not None else 0,
        gas_price=receipt.effective_gas_price if receipt is not None else 0,
        block=receipt.block if receipt is not None else 0,
        tx_hash=receipt.tx_hash if receipt is not None else ZERO_HASH,
        event_ns=event_ns,
        gas_cost=gas_cost,
        profit_token=plan.profit_token,
        reason=reason,
        flags=int(flags),
    )


def _draft(plan: Plan, tlv: Tlv, stage: str) -> Draft:
    seed = plan.signal_id.to_bytes(8, "big") + stage.encode("ascii")
    span_id = int.from_bytes(hashlib.sha256(seed).digest()[:8], "big")
    trace = TraceContext(
        trace_id=plan.trace_id, span_id=span_id, flags=_SAMPLED | _EXECUTION_CRITICAL
    )
    return Draft(Domain.EXECUTION, Source.EXECUTION, (tlv, trace))
