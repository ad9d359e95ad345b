"""From a plan that passed the gate to bytes at a node: reserve, sign, write down, send. And the counts of it."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from alphapulse.errors import EndpointDown, OutcomeUnknown, RpcRefused, ValueOutOfRange
from alphapulse.evm.transaction import UnsignedTransaction
from alphapulse.execution.client import ChainClient, Refusal, refusal_of
from alphapulse.execution.gas import TRANSACTION_GAS, base_fee_bound, raised_fee
from alphapulse.execution.nonce import MAX_CANDIDATES, Candidate, NonceLedger, Slot, SlotState
from alphapulse.execution.plan import Plan
from alphapulse.execution.results import Offer, started
from alphapulse.execution.wallet import Wallet
from alphapulse.primitives.units import div_floor
from alphapulse.protocol.execution import ExecutionReason
from alphapulse.protocol.message import Draft

__all__ = ["Counters", "Reporter", "SubmissionStatistics", "Submitter"]

LATENCIES_KEPT = 4_096
CANCEL_FEE_BLOCKS = 6  # a cancel must outlive a run of full blocks

_REASONS = {
    Refusal.NONCE_TOO_LOW: ExecutionReason.INVALID_PARAMETERS,
    Refusal.UNDERPRICED: ExecutionReason.GAS_PRICE_TOO_HIGH,
    Refusal.INSUFFICIENT_FUNDS: ExecutionReason.INSUFFICIENT_FUNDS,
    Refusal.RATE_LIMITED: ExecutionReason.NETWORK_TIMEOUT,
    Refusal.OTHER: ExecutionReason.INVALID_PARAMETERS,
}


class SubmissionStatistics(msgspec.Struct, frozen=True):
    """Counts since start. Refused, rate limited, unknown and not included are four different things.

    Units   latencies in nanoseconds from `execute` being called to the bytes being handed to the connection.
    """

    plans: int
    submitted: int
    included: int
    reverted: int
    dropped: int
    replaced: int
    cancelled: int
    refused: int
    rate_limited: int
    unknown: int
    stopped_by_gate: int
    not_connected: int
    simulated: int
    orphaned: int
    failed_polls: int
    latency_ns_p50: int
    latency_ns_p99: int
    submitted_ns: dict[int, int]


class Counters:
    """The counts while they grow."""

    __slots__ = (
        "cancelled",
        "dropped",
        "failed_polls",
        "included",
        "latencies_ns",
        "not_connected",
        "orphaned",
        "plans",
        "rate_limited",
        "refused",
        "replaced",
        "reverted",
        "simulated",
        "stopped_by_gate",
        "submitted",
        "times",
        "unknown",
    )

    def __init__(self) -> None:
        self.plans = self.submitted = self.included = self.reverted = self.dropped = 0
        self.replaced = self.cancelled = self.refused = self.rate_limited = self.unknown = 0
        self.stopped_by_gate = self.not_connected = self.simulated = self.orphaned = 0
        self.failed_polls = 0
        self.latencies_ns: deque[int] = deque(maxlen=LATENCIES_KEPT)
        self.times: deque[tuple[int, int]] = deque(maxlen=LATENCIES_KEPT)

    def freeze(self) -> SubmissionStatistics:
        """Return the counts as a value."""
        ordered = sorted(self.latencies_ns)
        return SubmissionStatistics(
            plans=self.plans,
            submitted=self.submitted,
            included=self.included,
            reverted=self.reverted,
            dropped=self.dropped,
            replaced=self.replaced,
            cancelled=self.cancelled,
            refused=self.refused,
            rate_limited=self.rate_limited,
            unknown=self.unknown,
            stopped_by_gate=self.stopped_by_gate,
            not_connected=self.not_connected,
            simulated=self.simulated,
            orphaned=self.orphaned,
            failed_polls=self.failed_polls,
            latency_ns_p50=_percentile(ordered, 50),
            latency_ns_p99=_percentile(ordered, 99),
            submitted_ns=dict(self.times),
        )


def _percentile(ordered: list[int], percent: int) -> int:
    return ordered[div_floor((len(ordered) - 1) * percent, 100)] if ordered else 0


@dataclass(frozen=True, slots=True)
class Reporter:
    """Where execution tells what happens, and by which clock."""

    publish: Callable[[Draft], None]
    clock_ns: Callable[[], int]
    counters: Counters


class Submitter:
    """Signs and sends. Between reserving a nonce and handing over the bytes it never yields to the event loop."""

    __slots__ = ("_client", "_ledger", "_reporter", "_wallet")

    def __init__(
        self, client: ChainClient, wallet: Wallet, ledger: NonceLedger, reporter: Reporter
    ) -> None:
        self._client = client
        self._wallet = wallet
        self._ledger = ledger
        self._reporter = reporter

    async def submit(self, plan: Plan, block: int, began_ns: int) -> ExecutionReason | None:
        """Send a plan's transaction; return why no transaction of it can be included, None when one may be.

        Raises  NonceConflict or LimitExceeded when the ledger gives no nonce; ValueOutOfRange when the plan does not
                fit a transaction. Nothing was signed then.
        """
        nonce = self._ledger.reserve(block)
        try:
            transaction = UnsignedTransaction(
                chain_id=plan.chain_id,
                nonce=nonce,
                max_priority_fee_per_gas=plan.max_priority_fee_per_gas,
                max_fee_per_gas=plan.max_fee_per_gas,
                gas_limit=plan.gas_limit,
                to=plan.contract,
                value=0,
                data=plan.calldata,
            )
        except ValueOutOfRange:
            self._ledger.free(nonce)
            raise
        signed = self._wallet.sign(transaction)
        candidate = self._ledger.sign(nonce, transaction, signed, plan, block)
        return await self._send_plan(plan, nonce, candidate, began_ns)

    async def cancel(self, slot: Slot, block: int, base_fee_per_gas: int) -> None:
        """Send a transfer of nothing to ourselves at the slot's nonce, with fees that replace what waits there."""
        if len(slot.candidates) >= MAX_CANDIDATES:
            return
        offers = slot.candidates
        tip = raised_fee(max((item.max_priority_fee_per_gas for item in offers), default=0))
        raised = raised_fee(max((item.max_fee_per_gas for item in offers), default=0))
        transaction = UnsignedTransaction(
            chain_id=self._ledger.chain_id,
            nonce=slot.nonce,
            max_priority_fee_per_gas=tip,
            max_fee_per_gas=max(raised, base_fee_bound(base_fee_per_gas, CANCEL_FEE_BLOCKS) + tip),
            gas_limit=TRANSACTION_GAS,
            to=self._wallet.address,
            value=0,
            data=b"",
        )
        signed = self._wallet.sign(transaction)
        candidate = self._ledger.sign(slot.nonce, transaction, signed, None, block)
        self._ledger.pending(slot.nonce, block)
        await self._send_again(slot, candidate)

    async def resend(self, slot: Slot, block: int) -> None:
        """Send the bytes of a dropped slot's newest candidate once more."""
        self._ledger.pending(slot.nonce, block)
        await self._send_again(slot, slot.candidates[-1])

    async def _send_plan(
        self, plan: Plan, nonce: int, candidate: Candidate, began_ns: int
    ) -> ExecutionReason | None:
        sending = asyncio.ensure_future(self._client.send(candidate.raw))
        await asyncio.sleep(0)  # the send runs until the bytes are with the transport
        now_ns = self._reporter.clock_ns()
        self._reporter.counters.latencies_ns.append(now_ns - began_ns)
        self._reporter.counters.times.append((plan.signal_id, now_ns))
        self._ledger.pending(nonce, self._ledger.slot(nonce).since_block)
        self._reporter.publish(started(plan, _offer(nonce, candidate), now_ns))
        try:
            await sending
        except RpcRefused as error:
            return self._refused(nonce, plan, refusal_of(error))
        except EndpointDown:
            self._reporter.counters.not_connected += 1
            self._refill(nonce, plan.observed_block)
            return ExecutionReason.NETWORK_TIMEOUT
        except OutcomeUnknown:
            self._reporter.counters.unknown += 1
        self._reporter.counters.submitted += 1
        return None

    def _refused(self, nonce: int, plan: Plan, refusal: Refusal) -> ExecutionReason | None:
        if refusal is Refusal.ALREADY_KNOWN:
            self._reporter.counters.submitted += 1
            return None
        if refusal is Refusal.RATE_LIMITED:
            self._reporter.counters.rate_limited += 1
        else:
            self._reporter.counters.refused += 1
        self._refill(nonce, plan.observed_block)
        return _REASONS[refusal]

    def _refill(self, nonce: int, block: int) -> None:
        if self._ledger.slot(nonce).state is SlotState.PENDING:
            self._ledger.expired(nonce, block)

    async def _send_again(self, slot: Slot, candidate: Candidate) -> None:
        plan = slot.plan
        if plan is not None:
            self._reporter.publish(
                started(plan, _offer(slot.nonce, candidate), self._reporter.clock_ns())
            )
        try:
            await self._client.send(candidate.raw)
        except RpcRefused as error:
            refusal = refusal_of(error)
            if refusal is Refusal.RATE_LIMITED:
                self._reporter.counters.rate_limited += 1
            elif refusal is not Refusal.ALREADY_KNOWN:
                self._reporter.counters.refused += 1
        except (EndpointDown, OutcomeUnknown):
            self._reporter.counters.unknown += 1


def _offer(nonce: int, candidate: Candidate) -> Offer:
    return Offer(
        tx_hash=candidate.hash,
        nonce=nonce,
        attempt=candidate.attempt,
        gas_limit=candidate.gas_limit,
        max_fee_per_gas=candidate.max_fee_per_gas,
        max_priority_fee_per_gas=candidate.max_priority_fee_per_gas,
    )
