"""The executor of flash arbitrage: a plan in, a transaction out, and what became of it as messages.

Results are published at least once: a restart between publishing and writing that down says a result again, with the
same signal, transaction and flags.
"""

from collections.abc import Callable

import msgspec

from alphapulse.errors import (
    GateClosed,
    InvalidData,
    LimitExceeded,
    Misconfigured,
    NonceConflict,
    RpcRefused,
    Unavailable,
    ValueOutOfRange,
)
from alphapulse.execution.client import ChainClient
from alphapulse.execution.gate import Gate, Mode
from alphapulse.execution.nonce import NonceLedger
from alphapulse.execution.plan import Plan
from alphapulse.execution.results import not_submitted_result
from alphapulse.execution.reverts import ErrorTable
from alphapulse.execution.submission import Counters, Reporter, SubmissionStatistics, Submitter
from alphapulse.execution.tracking import Tracker, TrackingConfig
from alphapulse.execution.wallet import Wallet
from alphapulse.primitives.address import hex_of
from alphapulse.protocol.execution import ExecutionReason
from alphapulse.protocol.message import Draft

__all__ = ["ExecutorConfig", "FlashExecutor"]


class ExecutorConfig(msgspec.Struct, frozen=True):
    """What the executor of one chain needs to know; `errors` are the contract's custom errors by selector."""

    chain_id: int
    tracking: TrackingConfig = TrackingConfig()
    errors: ErrorTable = {}


class FlashExecutor:
    """Implements Executor[Plan]. Without a wallet it can only run dry."""

    __slots__ = (
        "_client",
        "_config",
        "_gate",
        "_head",
        "_ledger",
        "_next_block",
        "_polling",
        "_reporter",
        "_submitter",
        "_tracker",
        "_wallet",
    )

    def __init__(
        self,
        client: ChainClient,
        wallet: Wallet | None,
        ledger: NonceLedger | None,
        gate: Gate,
        publish: Callable[[Draft], None],
        clock_ns: Callable[[], int],
        config: ExecutorConfig,
    ) -> None:
        self._client = client
        self._wallet = wallet
        self._ledger = ledger
        self._gate = gate
        self._reporter = Reporter(publish, clock_ns, Counters())
        self._config = config
        self._head = 0
        self._polling = False
        self._next_block: tuple[int, int] | None = None
        self._submitter: Submitter | None = None
        self._tracker: Tracker | None = None
        if gate.mode is Mode.LIVE:
            self._arm()

    async def start(self) -> None:
        """Check the chain, take its view of our nonce, and settle what an earlier run left.

        Raises  Misconfigured for another chain; EndpointDown and others of Unavailable when the node does not answer;
                NonceConflict when ledger and chain cannot both be right.
        """
        if self._tracker is None or self._ledger is None:
            return
        await self._client.ensure_connected()
        chain_id = await self._client.chain_id()
        if chain_id != self._config.chain_id:
            raise Misconfigured(
                f"the node is on chain {chain_id}, key `chain_id` says {self._config.chain_id}; "
                "correct the endpoint or the key"
            )
        view = await self._client.view(self._ledger.sender, ())
        self._ledger.start(view.latest_nonce, view.pending_nonce)
        self._on_head(await self._client.block_number())
        await self._tracker.settle(self._head)

    async def execute(self, plan: Plan) -> None:
        """Submit a plan, or say why not; the outcome is published."""
        began_ns = self._reporter.clock_ns()
        self._reporter.counters.plans += 1
        simulated = self._gate.mode is not Mode.LIVE
        try:
            self._gate.check(plan, self._ledger.committed_wei() if self._ledger is not None else 0)
        except GateClosed as error:
            self._reporter.counters.stopped_by_gate += 1
            self._tell_not_submitted(plan, ExecutionReason(error.reason), simulated=simulated)
            return
        if self._submitter is None or simulated:
            self._reporter.counters.simulated += 1
            self._tell_not_submitted(plan, ExecutionReason.NONE, simulated=True)
            return
        reason = await self._submit(self._submitter, plan, began_ns)
        if reason is not None:
            self._tell_not_submitted(plan, reason, simulated=False)

    async def on_block(self, block_number: int, base_fee_per_gas: int) -> None:
        """Follow what was sent. A call while another one runs only leaves the newest block for it."""
        self._on_head(block_number)
        if self._tracker is None:
            return
        self._next_block = (block_number, base_fee_per_gas)
        if self._polling:
            return
        self._polling = True
        try:
            while self._next_block is not None:
                (block, base_fee), self._next_block = self._next_block, None
                await self._poll(self._tracker, block, base_fee)
        finally:
            self._polling = False

    def statistics(self) -> SubmissionStatistics:
        """Return the counts so far."""
        return self._reporter.counters.freeze()

    @property
    def last_revert(self) -> str:
        """What the newest reverted transaction said."""
        return self._tracker.last_revert if self._tracker is not None else ""

    def _arm(self) -> None:
        wallet, ledger = self._wallet, self._ledger
        if wallet is None or ledger is None:
            raise Misconfigured(
                "live mode needs a wallet (key `wallet.keystore`) and its nonce ledger; give both, or run dry"
            )
        if wallet.address != ledger.sender or ledger.chain_id != self._config.chain_id:
            raise Misconfigured(
                f"the nonce ledger is not that of `{hex_of(wallet.address)}` on chain {self._config.chain_id}"
            )
        self._submitter = Submitter(self._client, wallet, ledger, self._reporter)
        self._tracker = Tracker(
            self._client,
            ledger,
            self._gate,
            self._submitter,
            self._reporter,
            self._config.tracking,
            self._config.errors,
        )

    async def _submit(
        self, submitter: Submitter, plan: Plan, began_ns: int
    ) -> ExecutionReason | None:
        if self._wallet is None or plan.sender != self._wallet.address:
            self._reporter.counters.refused += 1
            return ExecutionReason.INVALID_PARAMETERS
        if not self._client.is_connected:
            self._reporter.counters.not_connected += 1
            return ExecutionReason.NETWORK_TIMEOUT
        try:
            return await submitter.submit(plan, self._head, began_ns)
        except (NonceConflict, LimitExceeded):
            self._reporter.counters.refused += 1
            return ExecutionReason.REFUSED_BY_RISK
        except ValueOutOfRange:
            self._reporter.counters.refused += 1
            return ExecutionReason.INVALID_PARAMETERS

    async def _poll(self, tracker: Tracker, block: int, base_fee_per_gas: int) -> None:
        try:
            await self._client.ensure_connected()
            view = await tracker.settle(block)
            await tracker.chase(view, block, base_fee_per_gas)
        except (Unavailable, InvalidData, RpcRefused):
            self._reporter.counters.failed_polls += 1

    def _on_head(self, block: int) -> None:
        self._head = max(self._head, block)
        self._gate.on_block(block)

    def _tell_not_submitted(self, plan: Plan, reason: ExecutionReason, *, simulated: bool) -> None:
        self._reporter.publish(
            not_submitted_result(plan, reason, self._reporter.clock_ns(), simulated=simulated)
        )
