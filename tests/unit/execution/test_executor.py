"""The executor against a node in memory that loses, delays and refuses. The oracle is the node's own list of transactions."""

import asyncio
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest

from alphapulse.errors import EndpointDown, Misconfigured, RpcRefused
from alphapulse.evm import abi
from alphapulse.execution.client import ChainClient
from alphapulse.execution.executor import ExecutorConfig, FlashExecutor
from alphapulse.execution.fake import FakeNode, Outcome
from alphapulse.execution.gate import Gate, Mode
from alphapulse.execution.nonce import CandidateKind, NonceLedger, SlotState
from alphapulse.execution.receipts import TRANSFER_TOPIC
from alphapulse.execution.store import ExecutionStore
from alphapulse.execution.tracking import SETTLE_BLOCKS, TrackingConfig
from alphapulse.primitives.address import hex_of
from alphapulse.protocol.execution import (
    EmergencyStop,
    ExecutionFlag,
    ExecutionReason,
    ExecutionResult,
    ExecutionStarted,
    ExecutionStatus,
    StopAction,
)
from alphapulse.protocol.system import TraceContext
from support.execution_plans import CONTRACT, RECIPIENT, SENDER, TOKEN, make_plan

PAD = bytes(12)


def paying(amount: int) -> Outcome:
    topics = [hex_of(TRANSFER_TOPIC), hex_of(PAD + CONTRACT), hex_of(PAD + RECIPIENT)]
    log = {"address": hex_of(TOKEN), "topics": topics, "data": hex_of(amount.to_bytes(32, "big"))}
    return Outcome(gas_used=200_000, logs=(log,))


class Desk:
    """One process of the executor, and what it published."""

    def __init__(self, node, path, wallet, mode=Mode.LIVE, errors=(), **tracking):
        self.node = node
        self.store = ExecutionStore(path)
        self.ledger = NonceLedger(self.store, 31337, SENDER, lock_directory=path.parent)
        self.gate = Gate(self.store, 31337, mode=mode)
        self.drafts = []
        self.now_ns = 0
        self.client = ChainClient(node.connect)
        self.executor = FlashExecutor(
            self.client,
            wallet,
            self.ledger,
            self.gate,
            self.drafts.append,
            self.clock,
            ExecutorConfig(
                31337,
                TrackingConfig(**tracking),
                {abi.selector(signature): signature for signature in errors},
            ),
        )

    def clock(self):
        self.now_ns += 1
        return self.now_ns

    async def block(self):
        self.node.mine()
        await self.executor.on_block(self.node.block, self.node.base_fee_per_gas)

    def results(self):
        return [tlv for draft in self.drafts for tlv in draft.tlvs if type(tlv) is ExecutionResult]

    def starts(self):
        return [tlv for draft in self.drafts for tlv in draft.tlvs if type(tlv) is ExecutionStarted]

    def states(self):
        return {slot.nonce: slot.state for slot in self.ledger.live()}

    def die(self):
        self.client.close()
        self.ledger.close()
        self.store.close()


@asynccontextmanager
async def desk_of(node, path, wallet, mode=Mode.LIVE, **tracking):
    desk = Desk(node, path, wallet, mode, **tracking)
    try:
        await desk.executor.start()
        yield desk
    finally:
        desk.die()


@pytest.fixture
def walk(store_path, wallet):
    """Run a scenario `async def body(desk, node)` on a fresh live desk."""

    def go(body, **tracking):
        async def whole():
            node = FakeNode()
            async with desk_of(node, store_path, wallet, **tracking) as desk:
                await body(desk, node)

        asyncio.run(whole())

    return go


def test_a_plan_becomes_a_transaction_and_a_booked_result(walk):
    async def body(desk, node):
        node.outcome = lambda _: paying(1_000_000)
        plan = make_plan()
        await desk.executor.execute(plan)
        (start,) = desk.starts()
        assert (start.nonce, start.attempt, start.submission, start.target_block) == (0, 1, 1, 2)
        assert desk.results() == []
        await desk.block()
        (sent,) = node.transactions
        assert (sent.to, sent.data, sent.gas_limit) == (CONTRACT, plan.calldata, plan.gas_limit)
        (result,) = desk.results()
        assert result.status == ExecutionStatus.SUCCEEDED
        assert result.actual_profit == plan.predicted_profit
        assert result.gas_cost == 200_000 * 2 * 10**9
        assert result.profit_usd == 10**8 - 80_000_000
        assert result.flags == ExecutionFlag.FINAL
        assert (result.tx_hash, result.block) == (start.tx_hash, 2)
        assert desk.states() == {0: SlotState.INCLUDED}
        statistics = desk.executor.statistics()
        assert (statistics.submitted, statistics.included, statistics.reverted) == (1, 1, 0)
        assert statistics.submitted_ns[plan.signal_id] > 0
        assert statistics.latency_ns_p50 > 0

    walk(body)


def test_every_message_carries_the_trace_of_the_plan(walk):
    async def body(desk, node):
        await desk.executor.execute(make_plan(trace_id=77))
        await desk.block()
        traces = [draft.tlvs[-1] for draft in desk.drafts]
        assert all(type(trace) is TraceContext and trace.trace_id == 77 for trace in traces)
        assert len({trace.span_id for trace in traces}) == 2
        assert {(draft.domain, draft.source) for draft in desk.drafts} == {(3, 42)}

    walk(body)


def test_dry_run_sends_nothing_and_needs_no_key(store_path):
    """Covers: O1."""

    async def whole():
        node = FakeNode()
        store = ExecutionStore(store_path)
        drafts = []
        executor = FlashExecutor(
            ChainClient(node.connect),
            None,
            None,
            Gate(store, 31337),
            drafts.append,
            lambda: 1,
            ExecutorConfig(31337),
        )
        await executor.start()
        await executor.execute(make_plan())
        await executor.on_block(2, 1)
        store.close()
        assert node.submissions == []
        result = drafts[0].tlvs[0]
        assert result.status == ExecutionStatus.NOT_SUBMITTED
        assert result.flags == ExecutionFlag.FINAL | ExecutionFlag.SIMULATED
        assert executor.statistics().simulated == 1

    asyncio.run(whole())


def test_a_wallet_alone_does_not_make_it_live(store_path, wallet):
    """Covers: O1."""

    async def whole():
        node = FakeNode()
        async with desk_of(node, store_path, wallet, Mode.DRY_RUN) as desk:
            await desk.executor.execute(make_plan())
            assert node.submissions == []
            assert desk.states() == {}

    asyncio.run(whole())


def test_live_without_a_wallet_is_refused_at_once(store_path):
    store = ExecutionStore(store_path)
    node = FakeNode()
    with pytest.raises(Misconfigured, match=r"wallet\.keystore"):
        FlashExecutor(
            ChainClient(node.connect),
            None,
            None,
            Gate(store, 31337, mode=Mode.LIVE),
            lambda _: None,
            lambda: 1,
            ExecutorConfig(31337),
        )
    store.close()


def test_another_chain_id_is_refused_at_start(store_path, wallet):
    async def whole():
        desk = Desk(FakeNode(chain_id=1), store_path, wallet)
        with pytest.raises(Misconfigured, match="chain 1,"):
            await desk.executor.start()
        desk.die()

    asyncio.run(whole())


def test_a_stopped_gate_stops_submissions(walk):
    """Covers: O2."""

    async def body(desk, node):
        desk.gate.apply(EmergencyStop(1, StopAction.PAUSE, 65_535, 1))
        await desk.executor.execute(make_plan())
        (result,) = desk.results()
        assert result.status == ExecutionStatus.NOT_SUBMITTED
        assert result.reason == ExecutionReason.STOPPED_BY_BREAKER
        assert node.submissions == []
        assert desk.states() == {}

    walk(body)


@pytest.mark.parametrize(
    ("code", "message", "reason", "count"),
    [
        (
            -32000,
            "insufficient funds for gas * price + value",
            ExecutionReason.INSUFFICIENT_FUNDS,
            "refused",
        ),
        (-32000, "transaction underpriced", ExecutionReason.GAS_PRICE_TOO_HIGH, "refused"),
        (-32005, "daily request count exceeded", ExecutionReason.NETWORK_TIMEOUT, "rate_limited"),
        (-32000, "intrinsic gas too low", ExecutionReason.INVALID_PARAMETERS, "refused"),
    ],
)
def test_a_refusal_keeps_the_nonce_for_the_next_plan(walk, code, message, reason, count):
    """Covers: S7."""

    async def body(desk, node):
        node.refuse_next = RpcRefused("eth_sendRawTransaction", code, message)
        await desk.executor.execute(make_plan())
        (result,) = desk.results()
        assert (result.status, result.reason) == (ExecutionStatus.NOT_SUBMITTED, reason)
        assert getattr(desk.executor.statistics(), count) == 1
        assert desk.states() == {0: SlotState.EXPIRED}
        await desk.executor.execute(make_plan(signal_id=2))
        await desk.block()
        assert [sent.nonce for sent in node.transactions] == [0]
        assert desk.results()[-1].signal_id == 2
        assert desk.results()[-1].status == ExecutionStatus.SUCCEEDED

    walk(body)


def test_a_refused_nonce_below_others_is_cancelled(walk):
    async def body(desk, node):
        node.refuse_next = RpcRefused("eth_sendRawTransaction", -32000, "intrinsic gas too low")
        first = asyncio.ensure_future(desk.executor.execute(make_plan()))
        second = asyncio.ensure_future(desk.executor.execute(make_plan(signal_id=2)))
        await asyncio.gather(first, second)
        assert desk.states() == {0: SlotState.EXPIRED, 1: SlotState.PENDING}
        await desk.block()
        await desk.block()
        assert [sent.nonce for sent in node.transactions] == [0, 1]
        assert node.transactions[0].to == SENDER
        assert desk.executor.statistics().cancelled == 1

    walk(body)


def test_a_lost_answer_is_unknown_not_refused(walk):
    """Covers: S7."""

    async def body(desk, node):
        node.lose_next_answer = True
        await desk.executor.execute(make_plan())
        assert desk.results() == []
        assert desk.states() == {0: SlotState.PENDING}
        assert desk.executor.statistics().unknown == 1
        await desk.executor.execute(make_plan(signal_id=2))
        await desk.block()
        assert [result.status for result in desk.results()] == [ExecutionStatus.SUCCEEDED] * 2
        assert len(node.transactions) == 2

    walk(body)


def test_a_submission_while_disconnected_takes_no_nonce(walk):
    async def body(desk, node):
        node.disconnect()
        await desk.executor.execute(make_plan())
        (result,) = desk.results()
        assert result.status == ExecutionStatus.NOT_SUBMITTED
        assert result.reason == ExecutionReason.NETWORK_TIMEOUT
        assert desk.states() == {}
        assert desk.starts() == []
        await desk.executor.on_block(2, 1)
        assert desk.executor.statistics().failed_polls == 1
        node.is_down = False
        await desk.block()
        await desk.executor.execute(make_plan(signal_id=2))
        await desk.block()
        assert desk.results()[-1].status == ExecutionStatus.SUCCEEDED

    walk(body)


def test_late_and_doubled_receipts_give_one_result(walk):
    async def body(desk, node):
        node.hide_receipts = True
        await desk.executor.execute(make_plan())
        await desk.block()
        assert desk.results() == []
        node.hide_receipts = False
        await desk.block()
        for _ in range(4):
            await desk.block()
            await desk.executor.on_block(node.block, 1)
        assert len(desk.results()) == 1

    walk(body)


def test_what_is_not_included_is_cancelled_and_trading_goes_on(walk):
    async def body(desk, node):
        node.base_fee_per_gas = 10**10
        plan = make_plan(valid_until_block=3)
        await desk.executor.execute(plan)
        while node.block < plan.valid_until_block + 3:
            assert desk.results() == []
            await desk.block()
        slot = desk.ledger.slot(0)
        assert [item.kind for item in slot.candidates] == [CandidateKind.PLAN, CandidateKind.CANCEL]
        cancel = slot.candidates[1]
        assert cancel.max_fee_per_gas * 1_000 >= plan.max_fee_per_gas * 1_125
        assert cancel.max_priority_fee_per_gas * 1_000 >= plan.max_priority_fee_per_gas * 1_125
        assert desk.starts()[1].attempt == 2
        await desk.block()
        (sent,) = node.transactions
        assert (sent.to, sent.value, sent.data, sent.gas_limit) == (SENDER, 0, b"", 21_000)
        (result,) = desk.results()
        assert (result.status, result.reason) == (
            ExecutionStatus.TIMED_OUT,
            ExecutionReason.STALE_SIGNAL,
        )
        assert result.signal_id == plan.signal_id
        assert result.actual_profit == 0
        assert result.gas_cost > 0
        assert result.profit_usd < 0
        node.base_fee_per_gas = 10**9
        later = make_plan(signal_id=2, valid_until_block=node.block + 2)
        await desk.executor.execute(later)
        await desk.block()
        assert desk.results()[-1].status == ExecutionStatus.SUCCEEDED
        assert node.transactions[-1].nonce == 1

    walk(body)


def test_a_cancel_that_stays_below_the_base_fee_is_raised_again(walk):
    """Covers: S5."""

    async def body(desk, node):
        node.base_fee_per_gas = 10**10
        await desk.executor.execute(make_plan(valid_until_block=1))
        for _ in range(3):
            await desk.block()
        node.base_fee_per_gas = 10**12
        for _ in range(12):
            await desk.block()
        assert desk.states() == {0: SlotState.INCLUDED}
        fees = [item.max_fee_per_gas for item in desk.ledger.slot(0).candidates]
        assert len(fees) >= 3
        assert all(new * 1_000 >= old * 1_125 for old, new in pairwise(fees))

    walk(body)


def test_a_dropped_transaction_is_sent_again_while_valid(walk):
    async def body(desk, node):
        node.base_fee_per_gas = 10**10
        await desk.executor.execute(make_plan(valid_until_block=20))
        node.forget()
        await desk.block()
        await desk.block()
        assert desk.executor.statistics().dropped == 1
        assert len(set(node.submissions)) == 1
        assert len(node.submissions) == 2
        node.base_fee_per_gas = 10**9
        await desk.block()
        assert desk.results()[0].status == ExecutionStatus.SUCCEEDED

    walk(body)


def test_a_dropped_transaction_is_cancelled_when_over(walk):
    async def body(desk, node):
        await desk.executor.execute(make_plan(valid_until_block=1))
        node.forget()
        for _ in range(4):
            await desk.block()
        (result,) = desk.results()
        assert result.status == ExecutionStatus.TIMED_OUT
        assert [sent.to for sent in node.transactions] == [SENDER]

    walk(body)


def test_a_nonce_taken_by_another_holder_of_the_key_stops_trading(walk):
    """Covers: P7."""

    async def body(desk, node):
        node.base_fee_per_gas = 10**10
        await desk.executor.execute(make_plan(valid_until_block=30))
        node.use_nonce(SENDER)
        for _ in range(3):
            await desk.block()
        (result,) = desk.results()
        assert result.status == ExecutionStatus.REPLACED
        node.base_fee_per_gas = 10**9
        await desk.executor.execute(make_plan(signal_id=2, valid_until_block=30))
        assert desk.results()[-1].reason == ExecutionReason.REFUSED_BY_RISK
        assert len(node.submissions) == 1

    walk(body)


def test_a_revert_costs_gas_and_says_why(store_path, wallet):
    async def whole():
        node = FakeNode()
        node.outcome = lambda _: Outcome(succeeded=False, gas_used=150_000)
        node.revert_data = abi.encode_call("InsufficientProfit(uint256,uint256)", 4, 5)
        signature = "InsufficientProfit(uint256,uint256)"
        async with desk_of(node, store_path, wallet, errors=(signature,)) as desk:
            await desk.executor.execute(make_plan())
            await desk.block()
            (result,) = desk.results()
            assert result.status == ExecutionStatus.REVERTED
            assert result.reason == ExecutionReason.INSUFFICIENT_PROFIT
            assert result.actual_profit == 0
            assert result.gas_cost == 150_000 * 2 * 10**9
            assert desk.executor.last_revert == "InsufficientProfit(4, 5)"
            statistics = desk.executor.statistics()
            assert (statistics.included, statistics.reverted) == (1, 1)

    asyncio.run(whole())


def test_a_result_is_provisional_until_its_block_is_final(walk):
    """Covers: F5."""

    async def body(desk, node):
        await desk.executor.execute(make_plan())
        for _ in range(3):
            await desk.block()
        assert [result.flags for result in desk.results()] == [0]
        await desk.block()
        await desk.block()
        assert [result.flags for result in desk.results()] == [0, ExecutionFlag.FINAL]

    walk(body, final_blocks=3)


def test_a_reorganised_inclusion_waits_and_is_told_again(walk):
    async def body(desk, node):
        await desk.executor.execute(make_plan(valid_until_block=40))
        await desk.block()
        first = desk.results()[0]
        node.undo(first.tx_hash)
        await desk.block()
        assert desk.executor.statistics().orphaned == 1
        assert desk.states() == {0: SlotState.PENDING}
        for _ in range(4):
            await desk.block()
        second = desk.results()[-1]
        assert second.tx_hash == first.tx_hash
        assert second.block > first.block

    walk(body)


def test_included_slots_settle_and_leave_memory(walk):
    async def body(desk, node):
        await desk.executor.execute(make_plan())
        for _ in range(SETTLE_BLOCKS + 2):
            await desk.block()
        assert desk.states() == {}
        assert len(desk.results()) == 1
        assert desk.ledger.next_nonce == 1

    walk(body)


@pytest.mark.parametrize("reached_the_node", [True, False])
def test_a_restart_between_signing_and_the_answer_repeats_nothing(
    store_path, wallet, reached_the_node
):
    """Covers: S4, P8."""

    async def whole():
        node = FakeNode()
        async with desk_of(node, store_path, wallet) as desk:
            node.lose_next_answer = True
            await desk.executor.execute(make_plan(valid_until_block=9))
            tx_hash = desk.starts()[0].tx_hash
        if reached_the_node:
            node.mine()
        else:
            node.forget()
        async with desk_of(node, store_path, wallet) as desk:
            if reached_the_node:
                assert desk.results()[0].tx_hash == tx_hash
            for _ in range(5):
                await desk.block()
            (result,) = desk.results()
            assert (result.status, result.tx_hash) == (ExecutionStatus.SUCCEEDED, tx_hash)
            assert len(node.transactions) == 1
        async with desk_of(node, store_path, wallet) as desk:
            await desk.block()
            assert desk.results() == []
            await desk.executor.execute(make_plan(signal_id=2, valid_until_block=99))
            await desk.block()
            assert node.transactions[-1].nonce == 1

    asyncio.run(whole())


def test_an_execution_cancelled_while_sending_is_still_followed(walk):
    async def body(desk, node):
        task = asyncio.ensure_future(desk.executor.execute(make_plan()))
        await asyncio.sleep(0)
        assert desk.states() == {0: SlotState.SIGNED}
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await desk.block()
        (result,) = desk.results()
        assert result.status == ExecutionStatus.SUCCEEDED

    walk(body)


def test_many_plans_at_once_take_consecutive_nonces(walk):
    async def body(desk, node):
        plans = [make_plan(signal_id=number) for number in range(1, 21)]
        await asyncio.gather(*map(desk.executor.execute, plans))
        await desk.block()
        assert [sent.nonce for sent in node.transactions] == list(range(20))
        assert {result.signal_id for result in desk.results()} == set(range(1, 21))

    walk(body)


def test_a_node_that_answers_garbage_concludes_nothing(walk):
    async def body(desk, node):
        await desk.executor.execute(make_plan())
        node.mine()
        tx_hash = next(iter(node.receipts))
        good, node.receipts[tx_hash] = node.receipts[tx_hash], {"status": 5}
        await desk.executor.on_block(node.block, 1)
        assert desk.executor.statistics().failed_polls == 1
        assert desk.states() == {0: SlotState.PENDING}
        node.receipts[tx_hash] = good
        await desk.block()
        assert len(desk.results()) == 1

    walk(body)


def test_no_object_shows_a_key_or_a_signed_transaction(walk, wallet, caplog):
    """Covers: P1."""

    async def body(desk, node):
        node.base_fee_per_gas = 10**10
        await desk.executor.execute(make_plan())
        await desk.block()
        slot = desk.ledger.slot(0)
        raw = slot.candidates[0].raw
        objects = [desk.executor, desk.client, desk.ledger, desk.gate, desk.store, wallet, slot]
        objects += [
            slot.candidates,
            desk.drafts,
            desk.executor.statistics(),
            desk.gate.statistics(),
        ]
        for thing in objects:
            for text in (repr(thing), str(thing), f"{thing}"):
                assert raw.hex() not in text
                assert repr(raw)[2:-1] not in text
                assert bytes(31).hex() + "07" not in text
        assert raw.hex() not in caplog.text

    walk(body)


def test_a_node_that_cannot_be_reached_fails_the_start(store_path, wallet):
    async def whole():
        node = FakeNode()
        node.is_down = True
        desk = Desk(node, store_path, wallet)
        with pytest.raises(EndpointDown):
            await desk.executor.start()
        desk.die()

    asyncio.run(whole())
