"""Following what was sent, block by block, until every nonce is settled. Start and recovery are the same walk."""

import msgspec

from alphapulse.errors import AlphaPulseError
from alphapulse.execution.client import ChainClient, View
from alphapulse.execution.gate import Gate
from alphapulse.execution.nonce import (
    MAX_CANDIDATES,
    Candidate,
    CandidateKind,
    NonceLedger,
    Slot,
    SlotState,
)
from alphapulse.execution.plan import Plan
from alphapulse.execution.receipts import Receipt
from alphapulse.execution.results import included_result, unsuccessful_result
from alphapulse.execution.reverts import ErrorTable, decode_revert, reason_of_revert
from alphapulse.execution.submission import Reporter, Submitter
from alphapulse.execution.transaction_builder import recipient_of
from alphapulse.protocol.execution import ExecutionReason, ExecutionStatus

__all__ = ["Tracker", "TrackingConfig"]

SETTLE_BLOCKS = 64  # so long an included slot can be reopened; two epochs of Ethereum


class TrackingConfig(msgspec.Struct, frozen=True):
    """When to give up waiting, in blocks.

    A plan not included cancel_after_blocks after its valid_until_block is cancelled; a transaction that the node does
    not know drop_after_blocks after it was sent counts as dropped; a nonce that moved without a receipt of ours for
    drop_after_blocks counts as used by somebody else; a result is final final_blocks after its block.
    """

    cancel_after_blocks: int = 2
    drop_after_blocks: int = 2
    final_blocks: int = 0


class Tracker:
    """Settles the slots of one ledger."""

    __slots__ = (
        "_client",
        "_config",
        "_errors",
        "_gate",
        "_ledger",
        "_moved",
        "_reporter",
        "_submitter",
        "last_revert",
    )

    def __init__(
        self,
        client: ChainClient,
        ledger: NonceLedger,
        gate: Gate,
        submitter: Submitter,
        reporter: Reporter,
        config: TrackingConfig,
        errors: ErrorTable,
    ) -> None:
        self._client = client
        self._ledger = ledger
        self._gate = gate
        self._submitter = submitter
        self._reporter = reporter
        self._config = config
        self._errors = errors
        self._moved: dict[int, int] = {}
        self.last_revert = ""

    async def settle(self, block: int) -> View:
        """Ask once for nonces, balance and every receipt that matters, and record what is included.

        Raises  Unavailable, InvalidData or RpcRefused as the node fails; nothing is concluded then.
        """
        for slot in self._ledger.live():
            if slot.state is SlotState.SIGNED and slot.since_block < block:
                self._ledger.pending(slot.nonce, slot.since_block)
        asked = [
            (slot.nonce, candidate)
            for slot in self._ledger.live()
            if self._is_watched(slot, block)
            for candidate in slot.candidates
        ]
        view = await self._client.view(
            self._ledger.sender, [candidate.hash for _, candidate in asked]
        )
        self._gate.on_balance(view.balance_wei)
        self._ledger.observe(view.latest_nonce)
        found = {
            nonce: (candidate, receipt)
            for (nonce, candidate), receipt in zip(asked, view.receipts, strict=True)
            if receipt is not None
        }
        for nonce in sorted({nonce for nonce, _ in asked}):
            slot = self._ledger.slot(nonce)
            if nonce in found:
                await self._included(slot, *found[nonce], block)
            elif slot.state is SlotState.INCLUDED:
                self._reporter.counters.orphaned += 1
                self._ledger.pending(nonce, block)
        return view

    async def chase(self, view: View, block: int, base_fee_per_gas: int) -> None:
        """Send again or cancel what should have been included by now."""
        for slot in self._ledger.live():
            if slot.state is SlotState.INCLUDED:
                if slot.nonce >= view.latest_nonce and slot.included_block < block:
                    await self._reopen(slot, block)
            elif view.latest_nonce > slot.nonce:
                self._nonce_moved(slot, block)
            elif slot.state is SlotState.EXPIRED:
                if self._has_waiting_above(slot):
                    await self._submitter.cancel(slot, block, base_fee_per_gas)
            elif slot.state in (SlotState.PENDING, SlotState.DROPPED):
                await self._chase_waiting(slot, block, base_fee_per_gas)

    def _is_watched(self, slot: Slot, block: int) -> bool:
        if slot.state is not SlotState.INCLUDED:
            return True
        age = block - slot.included_block
        untold = not slot.told.endswith("/final")
        return age >= SETTLE_BLOCKS or (untold and age >= self._config.final_blocks)

    async def _chase_waiting(self, slot: Slot, block: int, base_fee_per_gas: int) -> None:
        waited = block - slot.since_block
        if slot.state is SlotState.PENDING and waited >= self._config.drop_after_blocks:
            known = await self._client.known([item.hash for item in slot.candidates])
            if not any(known):
                self._reporter.counters.dropped += 1
                self._ledger.dropped(slot.nonce, block)
                slot = self._ledger.slot(slot.nonce)
        newest = slot.candidates[-1]
        plan = newest.plan
        if slot.state is SlotState.DROPPED:
            is_over = plan is None or plan.valid_until_block < block
        elif plan is not None:
            is_over = block > plan.valid_until_block + self._config.cancel_after_blocks
        else:
            is_over = waited >= self._config.cancel_after_blocks
        if is_over and len(slot.candidates) < MAX_CANDIDATES:
            await self._submitter.cancel(slot, block, base_fee_per_gas)
        elif slot.state is SlotState.DROPPED:
            await self._submitter.resend(slot, block)

    async def _reopen(self, slot: Slot, block: int) -> None:
        view = await self._client.view(self._ledger.sender, [item.hash for item in slot.candidates])
        if not any(view.receipts) and view.latest_nonce <= slot.nonce:
            self._reporter.counters.orphaned += 1
            self._ledger.pending(slot.nonce, block)

    def _nonce_moved(self, slot: Slot, block: int) -> None:
        first_seen = self._moved.setdefault(slot.nonce, block)
        if block - first_seen < self._config.drop_after_blocks:
            return
        del self._moved[slot.nonce]
        self._reporter.counters.replaced += 1
        if slot.plan is not None and slot.state is not SlotState.EXPIRED:
            self._tell_unsuccessful(
                slot, slot.plan, ExecutionStatus.REPLACED, ExecutionReason.DROPPED, None
            )
        self._ledger.foreign(slot.nonce)

    def _has_waiting_above(self, slot: Slot) -> bool:
        return any(other.nonce > slot.nonce for other in self._ledger.live())

    async def _included(
        self, slot: Slot, candidate: Candidate, receipt: Receipt, block: int
    ) -> None:
        self._moved.pop(slot.nonce, None)
        if slot.state is SlotState.INCLUDED and slot.included_block_hash != receipt.block_hash:
            self._reporter.counters.orphaned += 1
            self._ledger.pending(slot.nonce, block)
            slot = self._ledger.slot(slot.nonce)
        if slot.state is not SlotState.INCLUDED:
            self._ledger.included(slot.nonce, candidate.hash, receipt.block, receipt.block_hash)
            self._count(candidate, receipt, again=slot.told != "")
        final = block - receipt.block >= self._config.final_blocks
        if candidate.plan is not None:
            await self._tell_included(slot, candidate.plan, receipt, final=final)
        elif slot.plan is not None:
            status, reason = ExecutionStatus.TIMED_OUT, ExecutionReason.STALE_SIGNAL
            self._tell_unsuccessful(slot, slot.plan, status, reason, receipt)
        if final and block - receipt.block >= SETTLE_BLOCKS:
            self._ledger.final(slot.nonce)

    def _count(self, candidate: Candidate, receipt: Receipt, *, again: bool) -> None:
        if again:
            return
        if candidate.kind is CandidateKind.CANCEL:
            self._reporter.counters.cancelled += 1
        elif receipt.succeeded:
            self._reporter.counters.included += 1
        else:
            self._reporter.counters.included += 1
            self._reporter.counters.reverted += 1

    async def _tell_included(
        self, slot: Slot, plan: Plan, receipt: Receipt, *, final: bool
    ) -> None:
        what = f"{receipt.tx_hash.hex()}/{receipt.block_hash.hex()}/{'final' if final else 'seen'}"
        if slot.told == what:
            return
        reason = ExecutionReason.NONE
        if not receipt.succeeded:
            reason = await self._revert_reason(plan, receipt)
        recipient = recipient_of(plan.calldata) or plan.sender
        self._reporter.publish(
            included_result(
                plan, receipt, recipient, self._reporter.clock_ns(), reason=reason, final=final
            )
        )
        self._ledger.told(slot.nonce, what)

    def _tell_unsuccessful(
        self,
        slot: Slot,
        plan: Plan,
        status: ExecutionStatus,
        reason: ExecutionReason,
        receipt: Receipt | None,
    ) -> None:
        what = f"{receipt.tx_hash.hex() if receipt is not None else status.name}/final"
        if slot.told == what:
            return
        self._reporter.publish(
            unsuccessful_result(plan, status, reason, receipt, self._reporter.clock_ns())
        )
        self._ledger.told(slot.nonce, what)

    async def _revert_reason(self, plan: Plan, receipt: Receipt) -> ExecutionReason:
        try:
            output = await self._client.revert_data(
                plan.sender, plan.contract, plan.calldata, receipt.block
            )
        except AlphaPulseError:
            return ExecutionReason.REVERTED
        if output is None:
            return ExecutionReason.REVERTED
        revert = decode_revert(output, self._errors)
        self.last_revert = str(revert)
        return reason_of_revert(revert)
