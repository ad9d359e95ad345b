"""The collector against the fault-injecting node. Oracle: the fake chain itself, and the rules of the wire protocol."""

import asyncio
import time

import msgspec
import pytest

from alphapulse.collectors.evm.collector import INBOX_LIMIT, EvmCollector
from alphapulse.collectors.evm.fake_node import FakeNode
from alphapulse.collectors.evm.fake_pools import FakePool
from alphapulse.collectors.evm.reader import ChainReader, LogFilter
from alphapulse.errors import EndpointDown, InvalidData, Misconfigured, RpcRefused
from alphapulse.evm.logs import TOPIC_V2_SYNC, V2Swap, V2Sync, V3Initialize, V3Mint, V3Swap
from alphapulse.evm.rpc import JsonRpc
from alphapulse.primitives.address import ZERO_ADDRESS
from alphapulse.primitives.instrument_id import InstrumentId
from alphapulse.protocol.market_data import (
    BLOCK_LEVEL,
    ChainEvent,
    ChainEventFlag,
    GasPrice,
    InstrumentMeta,
    InvalidationAction,
    InvalidationReason,
    PoolState,
    PoolSwap,
    PoolSync,
    PoolTick,
    StateInvalidation,
)
from support.collecting import (
    POOLS,
    TOKENS,
    V2_POOL,
    V3_POOL,
    Collected,
    collecting,
    collector_config,
    first,
)

Q96 = 1 << 96


def run(scenario):
    return asyncio.run(scenario())


def a_node(**options):
    return FakeNode.start(POOLS, TOKENS, **options)


def a_sync(value):
    return V2Sync(10**24 + value, 10**24 - value)


def a_swap(amount, sqrt_price_x96=Q96 + 1):
    return V3Swap(ZERO_ADDRESS, ZERO_ADDRESS, -amount, amount + 1, sqrt_price_x96, 10**18, 0)


async def outcome_of_start(node, **changes):
    collector = EvmCollector(
        collector_config(node.rpc_ws, **changes),
        lambda draft: None,
        lambda f, t: None,
        time.time_ns,
    )
    async with asyncio.timeout(15):
        await collector.run()


def chain_identities(node, first_block=1):
    return [entry.identity for block in node.blocks[first_block:] for entry in block.logs]


# --- start ---------------------------------------------------------------------------------------


def test_another_chain_is_refused_with_both_ids():
    async def scenario():
        async with a_node(chain_id=5) as node:
            with pytest.raises(Misconfigured, match=r"31337.*chain 5"):
                await outcome_of_start(node)

    run(scenario)


def test_nobody_there_is_endpoint_down():
    async def scenario():
        async with a_node() as node:
            node.plan.refuse_connections = True
            with pytest.raises(EndpointDown, match=r"ws://127\.0\.0\.1"):
                await outcome_of_start(node)

    run(scenario)


@pytest.mark.parametrize(
    ("method", "reply"),
    [
        ("eth_chainId", b"<html>504</html>"),
        ("eth_chainId", b'{"jsonrpc":"2.0","id":%ID%,"result":{"a":1}}'),
        ("eth_chainId", b'{"jsonrpc":"2.0","id":%ID%,"result":"banana"}'),
        ("eth_subscribe", b'{"jsonrpc":"2.0","id":%ID%,"error":{"code":-32601,"message":"no"}}'),
        ("eth_getBlockByNumber", b'{"jsonrpc":"2.0","id":%ID%,"result":null}'),
        ("eth_getBlockByNumber", b'{"jsonrpc":"2.0","id":%ID%,"result":{"number":"0x1"}}'),
        ("eth_call", b'{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"batch"}}'),
        ("eth_chainId", b"\xff\xfe"),
    ],
)
def test_garbage_at_start_names_endpoint_and_remedy(method, reply):
    async def scenario():
        async with a_node() as node:
            node.plan.replies[method] = reply
            with pytest.raises(InvalidData, match=r"ws://127\.0\.0\.1.*`rpc_ws`"):
                await outcome_of_start(node)

    run(scenario)


def test_a_hangup_at_start_is_endpoint_down():
    async def scenario():
        async with a_node() as node:
            node.plan.silent_methods.add("eth_getBlockByNumber")
            start = asyncio.create_task(outcome_of_start(node))
            await node.until_asked("eth_getBlockByNumber")
            node.drop()
            with pytest.raises(EndpointDown, match="rpc_ws"):
                await start

    run(scenario)


def test_a_contradicted_configuration_is_named():
    """Covers: M15 (a pool's facts are read back from the chain before it is used)."""

    async def scenario():
        async with a_node() as node:
            wrong = msgspec.structs.replace(V3_POOL, fee_pips=500)
            missing = msgspec.structs.replace(V2_POOL, address=b"\x99" * 20)
            with pytest.raises(Misconfigured) as caught:
                await outcome_of_start(node, pools=(wrong, missing))
            assert "`fee_pips` is 3000 on chain, was 500" in str(caught.value)
            assert "9999" in str(caught.value)

    run(scenario)


@pytest.mark.parametrize("refuse_hash_pins", [False, True])
def test_start_publishes_everything_then_closes_the_block(refuse_hash_pins):
    """Covers: E8 (reads pinned by hash, or by number and checked)."""

    async def scenario():
        async with a_node() as node:
            node.plan.refuse_hash_pins = refuse_hash_pins
            node.emit(V3_POOL.address, V3Mint(ZERO_ADDRESS, -887220, 887220, 5, 1, 1))
            node.mine()
            async with collecting(collector_config(node.rpc_ws)) as said:
                metas = ["InstrumentMeta"] * 4
                assert said.kinds() == [*metas, "PoolState", "PoolState", "PoolTick", "GasPrice"]
                states = {state.pool: state for state in said.all(PoolState)}
                assert states[V2_POOL.address].reserve0 == 10**24
                assert states[V3_POOL.address].liquidity == 10**18 + 5
                assert states[V3_POOL.address].known_tick_lower == -887272
                ticks = {t.tick: (t.liquidity_gross, t.liquidity_net) for t in said.all(PoolTick)}
                assert ticks == dict(node.blocks[1].pools[V3_POOL.address].ticks)
                meta = said.all(InstrumentMeta)[3]
                assert (meta.key, meta.fee_pips, meta.tick_spacing) == (V3_POOL.address, 3000, 60)
                assert said.frames and said.collector.statistics().last_recv_ns > 0

    run(scenario)


# --- live ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("logs_after_head", [False, True])
@pytest.mark.parametrize("reverse_logs", [False, True])
@pytest.mark.parametrize("double_everything", [False, True])
def test_each_log_once_in_chain_order(logs_after_head, reverse_logs, double_everything):
    """Covers: E1, E2, E5, B5."""

    async def scenario():
        async with a_node() as node, collecting(collector_config(node.rpc_ws)) as said:
            node.plan.logs_after_head = logs_after_head
            node.plan.reverse_logs = reverse_logs
            node.plan.double_everything = double_everything
            for number in range(1, 6):
                for step in range(number):
                    node.emit(V2_POOL.address, a_sync(100 * number + step))
                    node.emit(V3_POOL.address, a_swap(number, Q96 + step))
                node.mine()
            await said.until_block(5)
            assert said.identities() == chain_identities(node)
            assert said.blocks() == [0, 1, 2, 3, 4, 5]
            assert said.all(PoolSync)[-1].reserve0 == 10**24 + 504
            await asyncio.sleep(0.02)
            assert said.collector.statistics().late_logs == 0

    run(scenario)


def test_a_block_without_our_logs_costs_no_question():
    async def scenario():
        async with a_node() as node, collecting(collector_config(node.rpc_ws)) as said:
            asked = node.requests.count("eth_getLogs")
            node.mine()
            await said.until_block(1)
            assert node.requests.count("eth_getLogs") == asked
            (gas,) = [gas for gas in said.all(GasPrice) if gas.block == 1]
            assert gas.base_fee_per_gas == 10**9 + 1
            assert gas.event_ns == (1_700_000_000 + 12) * 10**9

    run(scenario)


def test_a_dead_log_subscription_loses_nothing():
    """Covers: E5, E9."""

    async def scenario():
        async with a_node() as node, collecting(collector_config(node.rpc_ws)) as said:
            node.plan.skip_logs = True
            node.emit(V2_POOL.address, a_sync(1))
            node.mine()
            await said.until_block(1)
            assert said.identities() == chain_identities(node)
            assert said.collector.statistics().unstreamed_logs == 1

    run(scenario)


def test_skipped_heads_are_fetched_before_anything_newer():
    """Covers: E6."""

    async def scenario():
        async with a_node() as node, collecting(collector_config(node.rpc_ws)) as said:
            node.plan.skip_heads = True
            node.plan.range_limit = 1
            for value in range(1, 4):
                node.emit(V2_POOL.address, a_sync(value))
                node.mine()
            node.plan.skip_heads = False
            node.emit(V2_POOL.address, a_sync(4))
            node.mine()
            await said.until_block(4)
            assert said.blocks() == [0, 1, 2, 3, 4]
            assert said.identities() == chain_identities(node)
            backfilled = ChainEventFlag.BACKFILLED
            assert [event.flags for event in said.log_events()] == [backfilled] * 3 + [0]
            assert said.collector.statistics().skipped_heads == 3
            assert said.invalidations(InvalidationAction.STALE) == []

    run(scenario)


def test_a_range_answer_cut_in_silence_is_noticed():
    """Covers: E7."""

    async def scenario():
        async with a_node() as node, collecting(collector_config(node.rpc_ws)) as said:
            node.plan.skip_heads = node.plan.skip_logs = True
            node.plan.rows_limit = 3
            for value in range(1, 5):
                node.emit(V2_POOL.address, a_sync(value))
                node.emit(V3_POOL.address, a_swap(value))
                node.mine()
            node.plan.skip_heads = False
            node.mine()
            await said.until_block(5)
            assert said.identities() == chain_identities(node)

    run(scenario)


def test_a_log_after_its_block_was_closed_is_a_fault():
    """Covers: E5 (a log that arrives after closing is counted and handled)."""

    async def scenario():
        async with a_node() as node, collecting(collector_config(node.rpc_ws)) as said:
            node.plan.skip_logs, node.plan.hidden_logs = True, 1
            node.emit(V2_POOL.address, a_sync(1))
            node.emit(V2_POOL.address, a_sync(2))
            block = node.mine()
            await said.until_block(1)
            assert len(said.identities()) == 1
            node.plan.skip_logs, node.plan.hidden_logs = False, 0
            node.plan.skip_heads = True
            node.announce(block)
            await said.until(lambda: said.collector.statistics().bootstraps == 2)
            assert said.collector.statistics().late_logs == 1
            assert said.all(PoolState)[-2].reserve0 == 10**24 + 2
            reasons = {found.reason for found in said.invalidations(InvalidationAction.RESET)}
            assert reasons == {InvalidationReason.AUDIT_MISMATCH}

    run(scenario)


def test_a_stream_that_knows_more_than_the_answer_is_not_trusted():
    """Covers: E13 (a pool whose state and logs contradict is left out, the others go on)."""

    async def scenario():
        async with a_node() as node, collecting(collector_config(node.rpc_ws)) as said:
            node.plan.hidden_logs = 1
            node.emit(V2_POOL.address, a_sync(1))
            node.mine()
            await said.until(lambda: said.collector.statistics().stream_mismatches == 1)
            await said.until(lambda: said.collector.statistics().bootstraps == 2)
            assert [state.pool for state in said.all(PoolState)[2:]] == [V3_POOL.address]
            last = said.invalidations(InvalidationAction.RESET)[-1]
            assert last.instrument == V2_POOL.instrument
            node.plan.hidden_logs = 0
            node.mine()
            node.drop()
            await said.until(lambda: said.collector.statistics().bootstraps == 3)
            assert said.all(PoolState)[-2].reserve0 == 10**24 + 1

    run(scenario)


# --- odd frames and odd pools --------------------------------------------------------------------

ODD_FRAMES = [
    b'{"jsonrpc":"2.0","method":"eth_subscription","params":{"subscription":"0xdead","result":1}}',
    b'{"jsonrpc":"2.0","method":"eth_subscription","params":{"subscription":"%HEADS%","result":7}}',
    b'{"jsonrpc":"2.0","method":"eth_subscription","params":{"subscription":"%LOGS%","result":{"address":"0x1"}}}',
    b'{"jsonrpc":"2.0","method":"eth_subscription","params":[1,2]}',
    b'{"jsonrpc":"2.0","method":"other","params":[1,2]}',
    b'{"jsonrpc":"2.0","id":99999,"result":"nobody asked"}',
    b'{"jsonrpc":"2.0","id":"text","result":1}',
    b"not json",
    b"[]",
    b"[1]",
    b"null",
    b"\x00\xff\xfe",
    b"",
    b'{"jsonrpc":"2.0","method":"eth_subscription","params":{"subscription":"%HEADS%","result":{"number":"0x1",'
    b'"hash":"0x00","parentHash":"0x","timestamp":"0xffffffffffffffffffff","logsBloom":"0x"}}}',
]


@pytest.mark.parametrize("frame", ODD_FRAMES)
def test_an_odd_frame_never_ends_the_collector(frame):
    async def scenario():
        async with a_node() as node, collecting(collector_config(node.rpc_ws)) as said:
            node.push_raw(frame)
            await asyncio.sleep(0.03)
            node.emit(V2_POOL.address, a_sync(1))
            node.mine()
            await said.until(lambda: 1 in said.blocks() and said.collector.statistics().is_live)
            assert said.identities() in (chain_identities(node), [])  # [] when read anew at block 1
            assert said.all(PoolSync) or said.all(PoolState)[-2].reserve0 == 10**24 + 1
            assert not said.task.done()

    run(scenario)


def test_a_malformed_log_makes_only_its_pool_stale():
    async def scenario():
        async with a_node() as node, collecting(collector_config(node.rpc_ws)) as said:
            node.emit_raw(V2_POOL.address, (TOPIC_V2_SYNC,), b"\xff" * 64)
            node.emit(V2_POOL.address, a_sync(1))
            node.emit(V3_POOL.address, a_swap(7))
            node.mine()
            await said.until_block(1)
            (stale,) = said.invalidations(InvalidationAction.STALE)
            assert stale.instrument == V2_POOL.instrument
            assert stale.reason == InvalidationReason.AUDIT_MISMATCH
            assert len(said.all(PoolSwap)) == 1
            assert said.all(PoolSync) == []  # nothing of it until all state is read anew
            assert said.collector.statistics().pool_faults == 1

    run(scenario)


def test_a_value_too_wide_makes_only_its_pool_stale():
    async def scenario():
        async with a_node() as node, collecting(collector_config(node.rpc_ws)) as said:
            huge = V2Swap(ZERO_ADDRESS, ZERO_ADDRESS, 1 << 130, 0, 0, 5)
            node.emit(V2_POOL.address, huge)
            node.emit(V3_POOL.address, a_swap(7))
            node.mine()
            await said.until_block(1)
            (stale,) = said.invalidations(InvalidationAction.STALE)
            assert stale.instrument == V2_POOL.instrument
            assert stale.reason == InvalidationReason.VALUE_NOT_REPRESENTABLE
            assert [swap.pool for swap in said.all(PoolSwap)] == [V3_POOL.address]
            node.drop()
            await said.until(lambda: said.collector.statistics().bootstraps == 2)
            assert said.invalidations(InvalidationAction.RESUME) == []

    run(scenario)


def test_a_pool_first_priced_live_is_read_whole_at_the_end_of_its_block():
    async def scenario():
        async with a_node() as node:
            node.corrupt(V3_POOL.address, FakePool())
            node.mine()
            node.mine()
            async with collecting(collector_config(node.rpc_ws)) as said:
                node.emit(V3_POOL.address, V3Initialize(Q96, 0))
                node.emit(V3_POOL.address, V3Mint(ZERO_ADDRESS, -60, 60, 9, 1, 1))
                node.mine()
                await said.until_block(3)
                tail = said.drafts[-4:]
                assert said.kinds(tail) == ["Liquidity", "PoolState", "PoolTick", "GasPrice"]
                state = first(tail[1], PoolState)
                assert (state.sqrt_price_x96, state.liquidity, state.block) == (Q96, 9, 3)
                assert first(tail[1], ChainEvent).log_index == BLOCK_LEVEL

    run(scenario)


# --- loss and return -----------------------------------------------------------------------------


async def lose_and_return(node, said: Collected, while_away):
    """Cut the line, do something, let it come back; return the drafts said since the cut and its time."""
    node.plan.refuse_connections = True
    mark, cut_ns = len(said.drafts), time.monotonic_ns()
    node.drop()
    await said.until(lambda: len(said.drafts) > mark)
    said_after_ms = (said.said_ns[mark] - cut_ns) / 1e6
    while_away()
    node.plan.refuse_connections = False
    await said.until(lambda: said.collector.statistics().is_live)
    return said.drafts[mark:], said_after_ms


def test_a_loss_is_said_first_then_missed_logs_then_resume():
    """Covers: E2, E6, E12; PROTOCOL 6.3."""

    async def scenario():
        async with a_node() as node, collecting(collector_config(node.rpc_ws)) as said:

            def away():
                for value in range(1, 4):
                    node.emit(V2_POOL.address, a_sync(value))
                    node.emit(V3_POOL.address, a_swap(value, Q96 + value))
                    node.mine()

            drafts, delay_ms = await lose_and_return(node, said, away)
            assert delay_ms < 100
            stale = [tlv for tlv in drafts[0].tlvs if isinstance(tlv, StateInvalidation)]
            wildcards = [InstrumentId.venue_wildcard(300), InstrumentId.venue_wildcard(301)]
            assert [found.instrument for found in stale] == [
                *wildcards,
                V2_POOL.instrument,
                V3_POOL.instrument,
            ]
            assert {(found.action, found.reason) for found in stale} == {
                (InvalidationAction.STALE, InvalidationReason.DISCONNECT)
            }
            names = said.kinds(drafts)
            assert names == [
                "StateInvalidation",
                *["InstrumentMeta"] * 4,
                *["PoolSync", "Trade"] * 3,
                "StateInvalidation",
                "GasPrice",
            ]
            resumed = [tlv for tlv in drafts[-2].tlvs if isinstance(tlv, StateInvalidation)]
            assert [found.instrument for found in resumed] == [f.instrument for f in stale]
            assert {found.action for found in resumed} == {InvalidationAction.RESUME}
            assert first(drafts[-1], GasPrice).block == 3
            assert said.identities() == chain_identities(node)
            assert {event.flags for event in said.log_events()} == {ChainEventFlag.BACKFILLED}
            statistics = said.collector.statistics()
            assert (statistics.resumes, statistics.backfilled_logs, statistics.audits) == (1, 6, 4)
            node.emit(V2_POOL.address, a_sync(9))
            node.mine()
            await said.until_block(4)
            assert said.identities() == chain_identities(node)

    run(scenario)


def test_doubled_and_removed_rows_of_a_range_are_sorted_out():
    """Covers: E2, E4."""

    async def scenario():
        async with a_node() as node, collecting(collector_config(node.rpc_ws)) as said:
            node.plan.double_everything = node.plan.announce_removed = True

            def away():
                for value in (1, 2):
                    node.emit(V2_POOL.address, a_sync(value))
                    node.mine()
                node.reorganise(1)
                node.emit(V2_POOL.address, a_sync(3))
                node.mine()

            await lose_and_return(node, said, away)
            assert said.collector.statistics().resumes == 1
            assert said.identities() == chain_identities(node)
            assert [sync.reserve0 - 10**24 for sync in said.all(PoolSync)] == [1, 3]

    run(scenario)


def test_a_state_that_differs_from_the_chain_is_read_anew():
    """Covers: E13."""

    async def scenario():
        async with a_node() as node, collecting(collector_config(node.rpc_ws)) as said:

            def away():
                node.corrupt(V2_POOL.address, FakePool(reserve0=5, reserve1=6))
                node.mine()
                node.mine()

            drafts, _ = await lose_and_return(node, said, away)
            assert said.collector.statistics().audit_mismatches == 1
            assert said.invalidations(InvalidationAction.RESUME) == []
            resets = said.invalidations(InvalidationAction.RESET)
            assert {found.reason for found in resets} == {InvalidationReason.AUDIT_MISMATCH}
            assert said.all(PoolState)[-2].reserve0 == 5
            assert said.kinds(drafts)[1] == "StateInvalidation"

    run(scenario)


def test_a_chain_that_changed_while_away_is_read_anew():
    async def scenario():
        async with a_node() as node, collecting(collector_config(node.rpc_ws)) as said:
            node.emit(V2_POOL.address, a_sync(1))
            node.mine()
            await said.until_block(1)
            await lose_and_return(node, said, lambda: node.reorganise(1))
            assert said.invalidations(InvalidationAction.RESUME) == []
            reasons = {found.reason for found in said.invalidations(InvalidationAction.RESET)}
            assert reasons == {InvalidationReason.REORGANISATION}
            assert said.all(PoolState)[-2].reserve0 == 10**24

    run(scenario)


def test_too_wide_a_gap_is_not_filled():
    async def scenario():
        async with a_node() as node:
            config = collector_config(node.rpc_ws, max_gap_blocks=3)
            async with collecting(config) as said:
                node.plan.skip_heads = True
                for _ in range(3):
                    node.mine()
                node.plan.skip_heads = False
                node.mine()
                await said.until(lambda: said.collector.statistics().bootstraps == 2)
                reasons = {found.reason for found in said.invalidations(InvalidationAction.RESET)}
                assert reasons == {InvalidationReason.SEQUENCE_GAP}

    run(scenario)


def test_too_long_an_absence_is_not_backfilled():
    async def scenario():
        async with a_node() as node:
            config = collector_config(node.rpc_ws, max_gap_blocks=3)
            async with collecting(config) as said:
                await lose_and_return(node, said, lambda: [node.mine() for _ in range(4)])
                assert said.invalidations(InvalidationAction.RESUME) == []
                assert said.collector.statistics().bootstraps == 2

    run(scenario)


@pytest.mark.parametrize("announce_removed", [False, True])
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_a_reorganisation_is_said_and_state_read_anew(depth, announce_removed):
    """Covers: E3, E4."""

    async def scenario():
        async with a_node() as node, collecting(collector_config(node.rpc_ws)) as said:
            node.plan.announce_removed = announce_removed
            for value in range(1, 5):
                node.emit(V2_POOL.address, a_sync(value))
                node.mine()
            await said.until_block(4)
            mark = len(said.drafts)
            node.reorganise(depth)
            await said.until(lambda: said.collector.statistics().bootstraps == 2)
            actions = [f.action for d in said.drafts[mark:] if (f := first(d, StateInvalidation))]
            assert actions == [InvalidationAction.STALE, InvalidationAction.RESET]
            assert first(said.drafts[mark], StateInvalidation).reason == 9
            assert said.all(PoolState)[-2].reserve0 == 10**24 + 4 - depth
            assert said.collector.statistics().reorg_depth_max == depth
            node.emit(V2_POOL.address, a_sync(50))
            node.mine()
            await said.until_block(5)
            assert said.all(PoolSync)[-1].reserve0 == 10**24 + 50

    run(scenario)


def test_a_removed_log_alone_starts_the_check():
    """Covers: E3 (the new head is late, or its subscription dead)."""

    async def scenario():
        async with a_node() as node, collecting(collector_config(node.rpc_ws)) as said:
            node.emit(V2_POOL.address, a_sync(1))
            node.mine()
            await said.until_block(1)
            node.plan.announce_removed = node.plan.skip_heads = True
            node.reorganise(1)
            await said.until(lambda: said.collector.statistics().bootstraps == 2)
            assert said.all(PoolState)[-2].reserve0 == 10**24

    run(scenario)


def test_a_reorganisation_inside_a_gap_is_noticed():
    """Covers: E3, E6 (parent hashes must join before anything is released)."""

    async def scenario():
        async with a_node() as node, collecting(collector_config(node.rpc_ws)) as said:
            for value in (1, 2):
                node.emit(V2_POOL.address, a_sync(value))
                node.mine()
            await said.until_block(2)
            node.plan.skip_heads = True
            node.reorganise(1)
            node.mine()
            node.plan.skip_heads = False
            node.mine()
            await said.until(lambda: said.collector.statistics().bootstraps == 2)
            assert said.blocks() == [0, 1, 2, 4]
            assert said.all(PoolState)[-2].reserve0 == 10**24 + 1
            reasons = {found.reason for found in said.invalidations(InvalidationAction.RESET)}
            assert reasons == {InvalidationReason.REORGANISATION}

    run(scenario)


@pytest.mark.parametrize("refuse_hash_pins", [False, True])
@pytest.mark.parametrize("method", ["eth_call", "eth_getLogs"])
def test_a_chain_that_changes_while_pools_are_read_is_read_again(refuse_hash_pins, method):
    """Covers: E8."""

    async def scenario():
        async with a_node() as node:
            node.plan.refuse_hash_pins = refuse_hash_pins
            for value in (1, 2, 3):
                node.emit(V2_POOL.address, a_sync(value))
                node.mine()
            node.plan.before[method] = lambda: node.reorganise(2)
            async with collecting(collector_config(node.rpc_ws)) as said:
                assert said.all(PoolState)[0].reserve0 == 10**24 + 1
                assert said.all(ChainEvent)[-1].block_hash == node.blocks[3].block_hash

    run(scenario)


def test_a_refused_range_is_halved_and_the_limit_remembered():
    """Covers: E7."""

    async def scenario():
        async with a_node() as node:
            config = collector_config(node.rpc_ws)
            for value in range(1, 10):
                node.emit(V2_POOL.address, a_sync(value))
                node.mine()
            node.plan.range_limit = 2
            rpc = await JsonRpc.connect(node.rpc_ws)
            reader = ChainReader(rpc, LogFilter(config), config)
            asked = []
            for _ in range(2):
                node.requests.clear()
                logs = await reader.range_logs(1, 9)
                assert sorted(entry.identity for entry in logs) == sorted(chain_identities(node))
                asked.append(len(node.requests))
            assert asked[1] < asked[0] <= 12
            node.plan.range_limit = 0
            with pytest.raises(RpcRefused):
                await reader.range_logs(1, 9)
            rpc.close()

    run(scenario)


def test_silence_counts_as_loss():
    """Covers: E9."""

    async def scenario():
        async with a_node() as node:
            config = collector_config(node.rpc_ws, block_time_ms=20, silent_blocks=3)
            async with collecting(config) as said:
                await said.until(lambda: said.collector.statistics().connections >= 2)
                stale = said.invalidations(InvalidationAction.STALE)
                assert stale[0].reason == InvalidationReason.STALENESS

    run(scenario)


def test_a_flood_while_a_block_is_fetched_is_a_loss_and_loses_nothing():
    """Covers: E10."""

    async def scenario():
        async with a_node() as node, collecting(collector_config(node.rpc_ws)) as said:
            node.plan.silent_methods.add("eth_getLogs")
            node.emit(V2_POOL.address, a_sync(1))
            block = node.mine()
            await node.until_asked("eth_getLogs")
            node.plan.silent_methods.clear()
            for _ in range(INBOX_LIMIT):
                node.announce(block)
            await said.until(lambda: said.collector.statistics().resumes == 1)
            reasons = {found.reason for found in said.invalidations(InvalidationAction.STALE)}
            assert reasons == {InvalidationReason.QUEUE_OVERFLOW}
            assert said.identities() == chain_identities(node)

    run(scenario)


def test_heads_that_say_nothing_are_silence():
    async def scenario():
        async with a_node() as node:
            config = collector_config(node.rpc_ws, block_time_ms=20, silent_blocks=3)
            async with collecting(config) as said:
                mark = len(said.drafts)
                while len(said.drafts) == mark:
                    node.push_raw(ODD_FRAMES[1])
                    await asyncio.sleep(0.005)
                assert said.all(StateInvalidation)[0].reason == InvalidationReason.STALENESS

    run(scenario)


def test_a_long_start_is_not_silence():
    async def scenario():
        async with a_node() as node:
            node.plan.silent_methods.add("eth_call")
            config = collector_config(node.rpc_ws, block_time_ms=20, silent_blocks=3)
            start = asyncio.create_task(outcome_of_start(node, block_time_ms=20, silent_blocks=3))
            await node.until_asked("eth_call")
            for _ in range(20):
                node.mine()
                await asyncio.sleep(0.01)
            assert not start.done()
            with pytest.raises(EndpointDown, match=f"no block for {config.silent_blocks}"):
                await start

    run(scenario)


def test_another_chain_after_a_return_is_waited_out():
    async def scenario():
        async with a_node() as node, collecting(collector_config(node.rpc_ws)) as said:
            node.chain_id = 1
            node.drop()
            await said.until(lambda: said.collector.statistics().connections >= 3)
            assert not said.task.done()
            assert "serves chain 1" in said.collector.statistics().last_error
            assert said.invalidations(InvalidationAction.RESUME) == []
            node.chain_id = 31337
            await said.until(lambda: said.collector.statistics().is_live)
            assert (
                len(said.invalidations(InvalidationAction.STALE)) == 4
            )  # said once, not per attempt

    run(scenario)


def test_a_line_cut_while_a_block_is_fetched_loses_nothing():
    async def scenario():
        async with a_node() as node, collecting(collector_config(node.rpc_ws)) as said:
            node.plan.silent_methods.add("eth_getLogs")
            node.emit(V2_POOL.address, a_sync(1))
            node.mine()
            await node.until_asked("eth_getLogs")
            assert said.identities() == []
            node.plan.silent_methods.clear()
            node.drop()
            await said.until(lambda: said.collector.statistics().resumes == 1)
            assert said.identities() == chain_identities(node)
            assert said.blocks() == [0, 1]

    run(scenario)
