"""The executor on a real EVM with the real protocols: what was predicted is what the balances say."""

import asyncio
import json
from pathlib import Path

import pytest

from alphapulse.errors import Misconfigured
from alphapulse.evm import abi
from alphapulse.evm.transaction import UnsignedTransaction
from alphapulse.execution.gas import base_fee_bound, next_base_fee
from alphapulse.execution.gate import Mode
from alphapulse.execution.nonce import SlotState
from alphapulse.execution.reverts import error_table
from alphapulse.primitives.address import hex_of
from alphapulse.protocol.execution import (
    EmergencyStop,
    ExecutionFlag,
    ExecutionReason,
    ExecutionStatus,
    StopAction,
)
from support.execution_chain import FIRST_NONCE, RECIPIENT, Desk, arbitrage_devnet, plan_on

pytestmark = pytest.mark.chain

ETHER, DOLLAR = 10**18, 10**6
ARTIFACT = Path(__file__).parents[2] / "contracts" / "artifacts" / "FlashArbitrage.json"
ERRORS = error_table(json.loads(ARTIFACT.read_text())["abi"])


async def open_difference(chain, ether=40):
    """Let a trader make ether cheap in a pair; return the path that buys it there and sells it elsewhere."""
    pair, pool = chain.pool(300, "WETH", "USDC"), chain.pool(301, "WETH", "USDC", 500)
    await chain.push(chain.leg(pair, "WETH"), ether * ETHER)
    return chain.leg(pair, "USDC"), chain.leg(pool, "WETH")


def on_devnet(body, tmp_path):
    """Run `async def body(chain, desk)` with a live executor."""

    async def whole():
        async with arbitrage_devnet() as chain:
            desk = Desk(chain, tmp_path, errors=ERRORS)
            await desk.executor.start()
            try:
                await body(chain, desk)
            finally:
                desk.die()

    asyncio.run(whole())


def test_the_realised_profit_is_the_predicted_one_to_the_wei(tmp_path):
    """Covers: S8. Oracle: balanceOf before and after, of the token and of the sender's native balance."""

    async def body(chain, desk):
        for number in range(1, 4):
            legs = await open_difference(chain)
            plan, _, _ = await plan_on(chain, legs, (15_000 + number) * DOLLAR, signal_id=number)
            assert plan.predicted_profit > 0
            before = await chain.balance(plan.profit_token, RECIPIENT)
            native = await native_balance(chain)
            await desk.block(mine=False)
            await desk.executor.execute(plan)
            await desk.block()
            result = desk.results()[-1]
            assert result.status == ExecutionStatus.SUCCEEDED
            assert result.actual_profit == plan.predicted_profit
            gained = await chain.balance(plan.profit_token, RECIPIENT) - before
            assert gained == result.actual_profit
            assert native - await native_balance(chain) == result.gas_cost
            assert await chain.balance(plan.profit_token, chain.contract) == 0
        assert await chain.transactions() == 3
        assert desk.executor.statistics().submitted == 3

    on_devnet(body, tmp_path)


async def native_balance(chain) -> int:
    return int(
        await chain.devnet.rpc.request(
            str, "eth_getBalance", hex_of(chain.wallet.address), "latest"
        ),
        16,
    )


def test_a_rival_in_the_same_block_makes_it_revert_below_the_floor(tmp_path):
    async def body(chain, desk):
        legs = await open_difference(chain)
        plan, _, _ = await plan_on(chain, legs, 15_000 * DOLLAR)
        await desk.block(mine=False)
        await chain.push(legs[0], 60_000 * DOLLAR)
        before = await chain.balance(plan.profit_token, RECIPIENT)
        await desk.executor.execute(plan)
        await desk.block()
        (result,) = desk.results()
        assert result.status == ExecutionStatus.REVERTED
        assert result.reason == ExecutionReason.INSUFFICIENT_PROFIT
        assert result.actual_profit == 0
        assert result.gas_cost > 0
        assert result.profit_usd < 0
        assert desk.executor.last_revert.startswith("InsufficientProfit(")
        assert await chain.balance(plan.profit_token, RECIPIENT) == before

    on_devnet(body, tmp_path)


def test_dry_run_leaves_no_transaction_on_the_chain(tmp_path):
    """Covers: O1. Oracle: the chain's own counts."""

    async def whole():
        async with arbitrage_devnet() as chain:
            legs = await open_difference(chain)
            plan, _, _ = await plan_on(chain, legs, 15_000 * DOLLAR)
            before = await chain.transactions()
            desk = Desk(chain, tmp_path, Mode.DRY_RUN)
            await desk.executor.start()
            await desk.executor.execute(plan)
            await desk.block()
            await desk.block()
            (result,) = desk.results()
            assert result.status == ExecutionStatus.NOT_SUBMITTED
            assert result.flags == ExecutionFlag.FINAL | ExecutionFlag.SIMULATED
            assert await chain.transactions() == before
            newest = await chain.devnet.rpc.request(dict, "eth_getBlockByNumber", "latest", False)
            assert newest["transactions"] == []
            pool = await chain.devnet.rpc.request(dict, "txpool_status")
            assert (int(pool["pending"], 16), int(pool["queued"], 16)) == (0, 0)
            desk.die()

    asyncio.run(whole())


def test_a_pause_stops_live_submissions_across_a_restart(tmp_path):
    """Covers: O2."""

    async def body(chain, desk):
        desk.gate.apply(EmergencyStop(1, StopAction.PAUSE, 65_535, 1))
        desk.die()
        again = Desk(chain, tmp_path)
        await again.executor.start()
        legs = await open_difference(chain)
        plan, _, _ = await plan_on(chain, legs, 15_000 * DOLLAR)
        await again.executor.execute(plan)
        assert again.results()[0].reason == ExecutionReason.STOPPED_BY_BREAKER
        assert await chain.transactions() == 0
        again.gate.apply(EmergencyStop(1, StopAction.RESUME, 65_535, 1))
        await again.executor.execute(plan)
        await again.block()
        assert again.results()[1].status == ExecutionStatus.SUCCEEDED
        again.die()

    on_devnet(body, tmp_path)


@pytest.mark.parametrize("was_sent", [False, True])
def test_a_death_between_signing_and_sending_uses_the_nonce_once(tmp_path, was_sent):
    """Covers: S4, P8."""

    async def body(chain, desk):
        legs = await open_difference(chain)
        plan, _, _ = await plan_on(chain, legs, 15_000 * DOLLAR)
        nonce = desk.ledger.reserve(plan.observed_block)
        transaction = UnsignedTransaction(
            31337,
            nonce,
            plan.max_priority_fee_per_gas,
            plan.max_fee_per_gas,
            plan.gas_limit,
            plan.contract,
            0,
            plan.calldata,
        )
        signed = chain.wallet.sign(transaction)
        desk.ledger.sign(nonce, transaction, signed, plan, plan.observed_block)
        if was_sent:
            await desk.client.send(signed.raw)
        desk.die()
        again = Desk(chain, tmp_path)
        await again.executor.start()
        for _ in range(4):
            await again.block()
        (result,) = again.results()
        assert result.status == ExecutionStatus.SUCCEEDED
        assert result.tx_hash == signed.hash
        assert result.actual_profit == plan.predicted_profit
        assert await chain.transactions() == 1
        again.die()

    on_devnet(body, tmp_path)


def test_a_stuck_transaction_is_cancelled_and_trading_goes_on(tmp_path):
    """Covers: S5. The base fee rises above the plan's cap: anvil lets go of it each time it makes a block."""

    async def body(chain, desk):
        legs = await open_difference(chain)
        plan, _, _ = await plan_on(chain, legs, 15_000 * DOLLAR)
        await desk.block(mine=False)
        await desk.executor.execute(plan)
        rpc = chain.devnet.rpc
        for _ in range(plan.valid_until_block - plan.observed_block + 4):
            price = hex(2 * plan.max_fee_per_gas)
            await rpc.request(object, "anvil_setNextBlockBaseFeePerGas", price)
            await desk.block()
        (result,) = desk.results()
        assert result.block > plan.valid_until_block
        assert result.status == ExecutionStatus.TIMED_OUT
        assert result.gas_used == 21_000
        assert desk.ledger.slot(FIRST_NONCE).state is SlotState.INCLUDED
        later, _, _ = await plan_on(chain, legs, 15_000 * DOLLAR, signal_id=9)
        await desk.executor.execute(later)
        await desk.block()
        assert desk.results()[1].actual_profit == later.predicted_profit
        assert await chain.transactions() == 2

    on_devnet(body, tmp_path)


def test_a_transaction_the_node_dropped_is_sent_again(tmp_path):
    async def body(chain, desk):
        legs = await open_difference(chain)
        plan, _, _ = await plan_on(chain, legs, 15_000 * DOLLAR, valid_until_block=10**6)
        await desk.block(mine=False)
        await desk.executor.execute(plan)
        await chain.devnet.rpc.request(object, "anvil_dropAllTransactions")
        for _ in range(3):
            await desk.block()
        assert desk.executor.statistics().dropped == 1
        assert desk.results()[0].status == ExecutionStatus.SUCCEEDED

    on_devnet(body, tmp_path)


def test_two_executors_with_one_key_are_refused(tmp_path):
    """Covers: P7."""

    async def body(chain, desk):
        with pytest.raises(Misconfigured, match="in use by process"):
            Desk(chain, tmp_path)

    on_devnet(body, tmp_path)


def test_the_chain_killed_and_restarted_from_an_older_state(tmp_path):
    """What a lost block took away is settled again, and trading goes on with the nonces the chain really has."""

    async def body(chain, desk):
        legs = await open_difference(chain)
        await desk.block(mine=False)
        first, _, _ = await plan_on(chain, legs, 15_000 * DOLLAR)
        await desk.executor.execute(first)
        await desk.block()
        await chain.devnet.save(tmp_path / "state.json")
        second, _, _ = await plan_on(chain, legs, 9_000 * DOLLAR, signal_id=2)
        await desk.executor.execute(second)
        await desk.block()
        assert [result.status for result in desk.results()] == [1, 1]
        await chain.devnet.kill()
        await asyncio.sleep(0.05)
        await desk.executor.execute(second)
        assert desk.results()[-1].reason == ExecutionReason.NETWORK_TIMEOUT
        await desk.executor.on_block(10**3, 10**9)
        assert desk.executor.statistics().failed_polls == 1
        await chain.devnet.restart(tmp_path / "state.json")
        assert await chain.transactions() == 1
        for _ in range(8):
            await desk.block()
        assert await chain.transactions() == 2
        third, _, _ = await plan_on(
            chain, legs, 8_000 * DOLLAR, signal_id=3, valid_until_block=10**6
        )
        await desk.executor.execute(third)
        await desk.block()
        assert desk.results()[-1].signal_id == 3
        assert desk.results()[-1].status == ExecutionStatus.SUCCEEDED

    on_devnet(body, tmp_path)


def test_errors_of_the_node_for_an_empty_account(tmp_path):
    """Covers: S7."""

    async def body(chain, desk):
        legs = await open_difference(chain)
        plan, _, _ = await plan_on(chain, legs, 15_000 * DOLLAR)
        await desk.block(mine=False)
        await chain.devnet.set_balance(chain.wallet.address, 0)
        await desk.executor.execute(plan)
        (result,) = desk.results()
        assert result.status == ExecutionStatus.NOT_SUBMITTED
        assert result.reason == ExecutionReason.INSUFFICIENT_FUNDS
        assert desk.executor.statistics().refused == 1
        await desk.block()
        await desk.executor.execute(plan)
        assert desk.executor.statistics().stopped_by_gate == 1
        assert desk.results()[1].reason == ExecutionReason.INSUFFICIENT_FUNDS

    on_devnet(body, tmp_path)


def test_base_fees_of_a_running_chain(tmp_path):
    """Covers: G2. Oracle: the headers of the chain itself."""

    async def body(chain, desk):
        for _ in range(5):
            await open_difference(chain, 1)
        number, _ = await chain.head()
        headers = [
            await chain.devnet.rpc.request(dict, "eth_getBlockByNumber", hex(block), False)
            for block in range(number - 5, number + 1)
        ]
        figures = [
            tuple(int(header[key], 16) for key in ("baseFeePerGas", "gasUsed", "gasLimit"))
            for header in headers
        ]
        for place in range(1, len(figures)):
            assert figures[place][0] == next_base_fee(*figures[place - 1])
            assert figures[place][0] <= base_fee_bound(figures[0][0], place)

    on_devnet(body, tmp_path)


def test_nothing_printable_holds_key_or_transaction_or_endpoint(tmp_path):
    """Covers: P1."""

    async def body(chain, desk):
        legs = await open_difference(chain)
        plan, _, _ = await plan_on(chain, legs, 15_000 * DOLLAR)
        await desk.executor.execute(plan)
        raw = desk.ledger.slot(FIRST_NONCE).candidates[0].raw
        port = str(chain.devnet.anvil.port)
        things = [desk.executor, desk.client, desk.ledger, desk.gate, desk.store, chain.wallet]
        things += [desk.ledger.live(), desk.drafts, desk.executor.statistics(), plan]
        for thing in things:
            for text in (repr(thing), str(thing)):
                assert raw.hex() not in text
                assert f"127.0.0.1:{port}" not in text
                assert (bytes(31) + b"\x2a").hex() not in text

    on_devnet(body, tmp_path)


def test_the_calldata_of_the_committed_abi(tmp_path):
    """Covers: C8."""
    entries = json.loads(ARTIFACT.read_text())["abi"]
    entry = next(item for item in entries if item.get("name") == "flashloanArbitrage")
    signature = f"flashloanArbitrage({','.join(item['type'] for item in entry['inputs'])})"
    assert abi.selector(signature).hex() == "6f6400d3"
