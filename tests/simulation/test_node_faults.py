"""Whole nodes on a real chain that go through what happens to nodes. Oracles: the chain's balances, nonces and blocks."""

import asyncio
import errno
import time
from pathlib import Path

import msgspec
import pytest

from alphapulse.archive.manifest import ArchiveState
from alphapulse.archive.storage import DiskStorage, FailingStorage
from alphapulse.errors import DecodeError, InvariantError, Misconfigured
from alphapulse.execution.gate import TradingState
from alphapulse.node.reconcile import differences, read_balances
from alphapulse.node.replay import replay
from alphapulse.primitives.address import ZERO_HASH, hex_of
from alphapulse.protocol.execution import (
    Breaker,
    CircuitBreaker,
    EmergencyStop,
    ExecutionFlag,
    ExecutionReason,
    ExecutionResult,
    ExecutionStatus,
    StopAction,
)
from alphapulse.protocol.header import Domain, Source
from alphapulse.protocol.market_data import InvalidationAction, StateInvalidation
from alphapulse.protocol.message import Draft
from alphapulse.protocol.signals import ArbitrageSignal
from alphapulse.protocol.system import HealthStatus, Heartbeat
from support.results import result
from support.trading import Ground, Running, ground, trading

pytestmark = pytest.mark.chain

LOSS_USD_E8 = 2_000 * 10**8  # twice the limit that a configuration has by default
DISK_FULL = OSError(errno.ENOSPC, "No space left on device")


def run(scenario) -> None:
    asyncio.run(scenario)


async def head_of(where: Ground) -> int:
    return int(await where.devnet.rpc.request(str, "eth_blockNumber"), 16)


async def transactions(where: Ground, first: int) -> list[dict]:
    """Return every transaction from a block on."""
    found: list[dict] = []
    for number in range(first, await head_of(where) + 1):
        block = await where.devnet.rpc.request(dict, "eth_getBlockByNumber", hex(number), True)
        found += block["transactions"]
    return found


async def moved(where: Ground, node, before, booked) -> tuple:
    config = node.config
    after = await read_balances(config.chain.rpc_ws, config, where.wallet.address)
    return differences(config, before, after, booked, node.books.portfolio.balances())


def places(running: Running, action: InvalidationAction) -> list[int]:
    return [
        place
        for place, message in enumerate(running.seen)
        if any(tlv.action == action for tlv in message.all(StateInvalidation))
    ]


def test_dry_run_submits_nothing(tmp_path: Path) -> None:
    """Covers: O1, B7."""

    async def scenario() -> None:
        async with ground() as where:
            operator = hex_of(where.wallet.address)
            first = await head_of(where) + 1
            rpc = where.devnet.rpc
            nonce = await rpc.request(str, "eth_getTransactionCount", operator, "pending")
            async with trading(where, tmp_path, is_live=False) as running:
                await running.until(lambda: len(running.all(ArbitrageSignal)) >= 8, "eight signals")
                await running.finish()
                signals, results = running.all(ArbitrageSignal), running.all(ExecutionResult)
                assert {row.signal_id for row in results} == {row.signal_id for row in signals}
                assert all(row.status == ExecutionStatus.NOT_SUBMITTED for row in results)
                assert all(row.flags & ExecutionFlag.SIMULATED for row in results)
                assert running.submissions() == []
                assert running.node.desk.executor.statistics().submitted == 0
                assert running.node.books.portfolio.balances().tokens == ()
            sent = await transactions(where, first)
            contract = hex_of(where.devnet.manifest.contract)
            assert len(sent) > 50
            assert [tx for tx in sent if tx["from"] == operator or tx["to"] == contract] == []
            assert nonce == await rpc.request(str, "eth_getTransactionCount", operator, "pending")
        assert not (tmp_path / "data" / "live").exists()

    run(scenario())


def test_chain_that_dies_and_comes_back(tmp_path: Path) -> None:
    """Covers: E12."""

    async def scenario() -> None:
        async with ground() as where, trading(where, tmp_path) as running:
            node, state = running.node, tmp_path / "state.json"
            url = node.config.chain.rpc_ws
            before = await read_balances(url, node.config, where.wallet.address)
            booked = node.books.portfolio.balances()
            await running.until(lambda: running.executed >= 4, "four executions")

            # What is in blocks is in the file, so that coming back is no reorganisation.
            await where.devnet.rpc.request(object, "evm_setIntervalMining", 0)
            await asyncio.sleep(0.2)
            head = await head_of(where)
            await running.until(
                lambda: node.desk.collector.statistics().last_block == head, "the head"
            )
            await where.devnet.save(state)
            assert places(running, InvalidationAction.STALE) == []
            await where.devnet.kill()
            await running.until(lambda: places(running, InvalidationAction.STALE), "the stale mark")
            executed, submitted = running.executed, len(running.submissions())
            await asyncio.sleep(1.5)
            assert not node.desk.collector.statistics().is_live
            assert len(running.submissions()) == submitted
            assert running.all(Heartbeat)[-1].status == HealthStatus.DEGRADED

            await where.devnet.restart(state)
            await running.until(lambda: places(running, InvalidationAction.RESUME), "the resume")
            stale = places(running, InvalidationAction.STALE)[0]
            resumed = places(running, InvalidationAction.RESUME)[0]
            blind = list(running.seen[stale:resumed])
            assert not any(message.first(ArbitrageSignal) for message in blind)
            await running.until(lambda: running.executed >= executed + 4, "executions afterwards")
            await running.finish()

            assert node.desk.collector.statistics().reconnects == 1
            assert node.desk.collector.statistics().reorgs == 0
            assert await moved(where, node, before, booked) == ()
            assert node.books.portfolio.statistics().conflicts == 0
            counts = node.books.settlements.statistics()
            assert counts.untouched_exact == counts.untouched
            assert counts.below_min == 0
            node.close_archive()
        again = replay(tmp_path / "run")
        assert again.is_equal
        assert again.state == "complete"

    run(scenario())


def test_chain_that_comes_back_without_its_newest_blocks(tmp_path: Path) -> None:
    """Trades of blocks that were taken back leave the books, and their transactions are not lost."""

    async def scenario() -> None:
        async with ground() as where, trading(where, tmp_path) as running:
            node, state = running.node, tmp_path / "state.json"
            url = node.config.chain.rpc_ws
            before = await read_balances(url, node.config, where.wallet.address)
            booked = node.books.portfolio.balances()
            await running.until(lambda: running.executed >= 2, "executions")
            await where.devnet.save(state)
            saved = running.executed
            await running.until(lambda: running.executed >= saved + 4, "executions to lose")
            await where.devnet.kill()
            await where.devnet.restart(state)
            executed = running.executed
            await running.until(lambda: running.executed >= executed + 4, "executions afterwards")
            await running.finish()
            assert node.desk.collector.statistics().reorgs > 0
            assert node.books.portfolio.statistics().reversed > 0
            assert node.books.portfolio.statistics().conflicts == 0
            assert await moved(where, node, before, booked) == ()
            node.close_archive()
        assert replay(tmp_path / "run").is_equal

    run(scenario())


def test_crash_with_transactions_on_their_way(tmp_path: Path) -> None:
    """What an earlier run left is settled before trading, and booked once. Covers: P8."""

    async def scenario() -> None:
        async with ground() as where:
            async with trading(where, tmp_path, run="first") as running:
                node = running.node
                url = node.config.chain.rpc_ws
                before = await read_balances(url, node.config, where.wallet.address)
                booked = node.books.portfolio.balances()
                await running.until(lambda: running.executed >= 3, "three executions")
                sent = len(running.submissions())
                await running.until(lambda: len(running.submissions()) > sent, "one more")
                await running.crash()
            async with trading(where, tmp_path, run="second") as running:
                await running.until(lambda: running.executed >= 3, "three more")
                await running.finish()
                assert await moved(where, running.node, before, booked) == ()
        assert replay(tmp_path / "first").recorded_digest == ""

    run(scenario())


def told(usd: int) -> Draft:
    """Return a result of today that is not final, so that a later one may correct it."""
    row = result(4_242, usd=usd, profit=0, gas_cost=0, flags=0)
    return Draft(
        Domain.EXECUTION,
        Source.EXECUTION,
        (msgspec.structs.replace(row, event_ns=time.time_ns()),),
    )


def resume_from(source: int) -> Draft:
    stop = EmergencyStop(
        reason=Breaker.MANUAL, action=StopAction.RESUME, affected_strategies=65_535, event_ns=1
    )
    return Draft(Domain.EXECUTION, source, (stop,))


async def stays_closed(running: Running) -> None:
    """Let candidates pass, and see that none is taken."""
    start, candidates = len(running.seen), running.node.desk.strategy.statistics().funnel.candidates
    await running.until(
        lambda: running.node.desk.strategy.statistics().funnel.candidates >= candidates + 50
    )
    await asyncio.sleep(0.1)
    assert running.submissions(start) == []
    refused = [row for row in running.all(ExecutionResult, start) if row.tx_hash == ZERO_HASH]
    assert {row.reason for row in refused} <= {ExecutionReason.STOPPED_BY_BREAKER}


def test_breaker_closes_the_gate_through_the_whole_node(tmp_path: Path) -> None:
    """Covers: O2."""

    async def scenario() -> None:
        async with ground() as where:
            async with trading(where, tmp_path, run="first") as running:
                gate = running.node.desk.gate
                await running.until(lambda: running.executed >= 1, "an execution")
                running.node.bus.publish(told(-LOSS_USD_E8))
                assert [row.action for row in running.all(EmergencyStop)] == [StopAction.PAUSE]
                assert [row.observed > row.threshold for row in running.all(CircuitBreaker)] == [
                    True
                ]
                assert gate.trading_state() is TradingState.PAUSED
                await stays_closed(running)
                await running.finish()
                running.node.close_archive()
            assert replay(tmp_path / "first").is_equal

            async with trading(where, tmp_path, run="second") as running:
                node = running.node
                assert node.desk.gate.trading_state() is TradingState.PAUSED
                await stays_closed(running)
                for stranger in (Source.ARBITRAGE, Source.DASHBOARD):
                    node.bus.publish(resume_from(stranger))
                assert node.desk.gate.trading_state() is TradingState.PAUSED
                node.resume()
                assert node.desk.gate.trading_state() is TradingState.PAUSED, (
                    "the loss still stands"
                )
                assert node.books.risk.statistics().resume_refused == 1

                node.bus.publish(told(0))
                assert node.desk.gate.trading_state() is TradingState.PAUSED, (
                    "nothing resumes by itself"
                )
                node.resume()
                assert node.desk.gate.trading_state() is TradingState.RUNNING
                await running.until(running.submissions, "a submission")
                await running.finish()
                assert node.archiver.writer.state is not ArchiveState.INCOMPLETE

    run(scenario())


def test_a_stop_is_said_again_after_a_restart(tmp_path: Path) -> None:
    """Covers: O2. Strategy and dashboard hear of a stop that only the gate's file remembers."""
    pause = EmergencyStop(
        reason=Breaker.MANUAL, action=StopAction.PAUSE, affected_strategies=65_535, event_ns=1
    )

    async def scenario() -> None:
        async with ground() as where:
            async with trading(where, tmp_path, run="first") as running:
                running.node.bus.publish(Draft(Domain.EXECUTION, Source.RISK, (pause,)))
                await running.finish()
            async with trading(where, tmp_path, run="second") as running:
                node = running.node
                assert node.desk.gate.standing_stops() == (pause,)
                assert node.desk.strategy.statistics().is_stopped
                assert node.page.replica.stopped
                node.resume()
                assert node.desk.gate.standing_stops() == ()
                assert not node.desk.strategy.statistics().is_stopped
                await running.finish()

    run(scenario())


def test_disk_that_is_full_ends_the_trading_not_the_node(tmp_path: Path) -> None:
    async def scenario() -> None:
        storage = FailingStorage(DiskStorage(), 1 << 30, DISK_FULL)
        async with ground() as where, trading(where, tmp_path, storage=storage) as running:
            node = running.node
            await running.until(running.submissions, "trades while the record is whole")
            storage.fill()
            await running.until(
                lambda: node.archiver.writer.state is ArchiveState.INCOMPLETE, "the end"
            )
            await stays_closed(running)
            assert running.node.desk.strategy.statistics().funnel.outcomes["signalled"] > 0
            await running.until(
                lambda: running.all(Heartbeat)[-1].status == HealthStatus.UNHEALTHY, "its health"
            )
            await running.finish()
            assert node.close_archive().state is ArchiveState.INCOMPLETE

    run(scenario())


def test_two_live_nodes_do_not_share_a_key(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with ground() as where, trading(where, tmp_path):
            with pytest.raises(Misconfigured, match="share a key"):
                async with trading(where, tmp_path, run="other"):
                    pass

    run(scenario())


def test_mistake_of_a_part_ends_the_node_and_is_named(tmp_path: Path) -> None:
    """A subscriber's error must not pass for a fault of the connection, which would be tried again for ever."""

    async def scenario() -> None:
        async with ground() as where, trading(where, tmp_path, is_live=False) as running:

            def fail(message, now_ns) -> None:
                if message.first(ArbitrageSignal):
                    raise DecodeError("canary", 7)

            running.node.bus.subscribe(fail, name="failing")
            with pytest.raises(InvariantError, match="canary"):
                await running.until(lambda: False)

    run(scenario())
