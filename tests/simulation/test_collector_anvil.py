"""The collector against a real chain with real pools. Oracle: the deployed contracts, asked by `eth_call` at the block.

The fold here is a few lines that know only the wire protocol, so that the market room is not its own witness.
"""

import asyncio
from dataclasses import replace

import pytest

from alphapulse.collectors.evm.bootstrap import read_pools
from alphapulse.collectors.evm.config import EvmCollectorConfig, PoolConfig, TokenConfig
from alphapulse.collectors.evm.reader import ChainReader, LogFilter
from alphapulse.collectors.evm.tracker import V2Track, V3Track
from alphapulse.devnet.devnet import Devnet, DevnetOptions
from alphapulse.evm.rpc import JsonRpc
from alphapulse.execution.gas import expected_base_fee
from alphapulse.primitives.address import ZERO_ADDRESS
from alphapulse.protocol.codec import decode, encode
from alphapulse.protocol.header import Header
from alphapulse.protocol.market_data import (
    BlockGas,
    ChainEvent,
    ChainEventFlag,
    GasPrice,
    InvalidationAction,
    Liquidity,
    LiquidityKind,
    PoolState,
    PoolSwap,
    PoolSync,
    PoolTick,
    PoolType,
    StateInvalidation,
)
from alphapulse.protocol.message import Draft, Message
from support.collecting import Collected, collecting, collector_config, first

pytestmark = pytest.mark.chain

BLOCK_TIME_S = 0.1
SEED = 20240105


def config_of(devnet: Devnet, **changes) -> EvmCollectorConfig:
    manifest = devnet.manifest
    pools = tuple(
        PoolConfig(
            address=pool.address,
            venue=pool.venue,
            kind=pool.kind,
            token0=pool.token0,
            token1=pool.token1,
            fee_pips=pool.fee_pips,
            tick_spacing=pool.tick_spacing,
        )
        for pool in manifest.pools
    )
    tokens = tuple(
        TokenConfig(address=token.address, symbol=token.symbol, decimals=token.decimals)
        for token in manifest.tokens
    )
    given = {"pools": pools, "tokens": tokens, "multicall": manifest.multicall} | changes
    return collector_config(manifest.rpc_ws, **given)


class Fold:
    """Pool states from messages: reserves, or price with every tick."""

    def __init__(self) -> None:
        self.tracks: dict[bytes, V2Track | V3Track] = {}
        self.ticks: dict[bytes, dict[int, tuple[int, int]]] = {}

    def apply(self, draft: Draft) -> None:
        for tlv in through_the_wire(draft).tlvs:
            if isinstance(tlv, PoolState):
                is_v2 = tlv.pool_type == PoolType.CONSTANT_PRODUCT
                self.tracks[tlv.pool] = (
                    V2Track(tlv.reserve0, tlv.reserve1)
                    if is_v2
                    else V3Track(tlv.sqrt_price_x96, tlv.tick, tlv.liquidity)
                )
                self.ticks[tlv.pool] = {}
            elif isinstance(tlv, PoolTick):
                self.ticks[tlv.pool][tlv.tick] = (tlv.liquidity_gross, tlv.liquidity_net)
            elif isinstance(tlv, PoolSync):
                self.tracks[tlv.pool] = V2Track(tlv.reserve0, tlv.reserve1)
            elif isinstance(tlv, PoolSwap) and isinstance(self.tracks[tlv.pool], V3Track):
                self.tracks[tlv.pool] = V3Track(
                    tlv.sqrt_price_x96_after, tlv.tick_after, tlv.liquidity_after
                )
            elif isinstance(tlv, Liquidity):
                self._liquidity(tlv)

    def _liquidity(self, tlv: Liquidity) -> None:
        track = self.tracks[tlv.pool]
        if not isinstance(track, V3Track) or tlv.liquidity_delta == 0:
            return
        delta = tlv.liquidity_delta if tlv.kind == LiquidityKind.MINT else -tlv.liquidity_delta
        ticks = self.ticks[tlv.pool]
        for tick, net in ((tlv.tick_lower, delta), (tlv.tick_upper, -delta)):
            gross, old = ticks.get(tick, (0, 0))
            ticks[tick] = (gross + delta, old + net)
            if ticks[tick][0] == 0:
                del ticks[tick]
        if tlv.tick_lower <= track.tick < tlv.tick_upper:
            self.tracks[tlv.pool] = replace(track, liquidity=track.liquidity + delta)


def through_the_wire(draft: Draft) -> Message:
    """Return the draft as a consumer behind a socket would see it."""
    header = Header(draft.domain, draft.source, draft.flags, 2, 1)
    return decode(encode(Message(header, draft.tlvs)))


async def assert_fold_is_chain(devnet: Devnet, config: EvmCollectorConfig, said: Collected) -> int:
    """Compare the fold at the last closed block but one with the chain there; return that block.

    Not at the last one: anvil answers for its newest block out of the state that it is changing for the next.
    """
    drafts = list(said.drafts)
    ends = [at for at, draft in enumerate(drafts) if first(draft, GasPrice) is not None]
    del drafts[ends[-2] + 1 :]
    event = first(drafts[-1], ChainEvent)
    fold = Fold()
    for draft in drafts:
        fold.apply(draft)
    rpc = await JsonRpc.connect(devnet.anvil.rpc_ws)
    try:
        reader = ChainReader(rpc, LogFilter(config), config)
        header = await reader.header(event.block)
        assert header.block_hash == event.block_hash
        readings = await read_pools(reader, config.pools, header)
    finally:
        rpc.close()
    assert readings.refused == {}
    for snapshot in readings.snapshots:
        assert fold.tracks[snapshot.pool] == snapshot.track
        rows = {tick: (gross, net) for tick, gross, net in snapshot.ticks}
        assert fold.ticks[snapshot.pool] == rows
    return event.block


async def all_logs(devnet: Devnet, config: EvmCollectorConfig, first_block: int, last_block: int):
    rpc = await JsonRpc.connect(devnet.anvil.rpc_ws)
    try:
        reader = ChainReader(rpc, LogFilter(config), config)
        return [entry.identity for entry in await reader.range_logs(first_block, last_block)]
    finally:
        rpc.close()


def busy_devnet():
    return Devnet.start(DevnetOptions(block_time_s=BLOCK_TIME_S, seed=SEED))


@pytest.mark.parametrize("has_multicall", [True, False])
def test_state_folded_from_messages_is_the_chain(has_multicall):
    """Covers: E1, E5, E11."""
    print(f"seed {SEED}")

    async def scenario():
        async with busy_devnet() as devnet:
            changes = {} if has_multicall else {"multicall": ZERO_ADDRESS}
            config = config_of(devnet, **changes)
            async with collecting(config) as said:
                start = said.blocks()[0]
                await trade_until(devnet, said, start + 25)
                block = await assert_fold_is_chain(devnet, config, said)
                blocks = said.blocks()
                assert blocks == list(range(start, start + len(blocks)))
                expected = await all_logs(devnet, config, start + 1, block)
                assert identities_to(said, block) == expected
                assert len(expected) > 100
                statistics = said.collector.statistics()
                assert (statistics.late_logs, statistics.pool_faults, statistics.odd_frames) == (
                    0,
                    0,
                    0,
                )
                assert {type(tlv).__name__ for draft in said.drafts for tlv in draft.tlvs} >= {
                    "Trade",
                    "PoolSwap",
                    "PoolSync",
                    "Liquidity",
                }

    asyncio.run(scenario())


def identities_to(said: Collected, last_block: int):
    return [
        (event.block_hash, event.tx_hash, event.log_index)
        for event in said.log_events()
        if event.block <= last_block
    ]


async def trade_until(devnet: Devnet, said: Collected, block: int) -> None:
    activity = asyncio.create_task(devnet.run_activity())
    await said.until_block(block)
    activity.cancel()
    await asyncio.gather(activity, return_exceptions=True)


def test_a_killed_chain_that_returns_is_backfilled_and_resumed(tmp_path):
    """Covers: E2, E6, E12."""
    print(f"seed {SEED}")

    async def scenario():
        async with busy_devnet() as devnet:
            # The pause is long enough for people to trade before the collector is back.
            config = config_of(devnet, reconnect_min_ms=1_500, reconnect_max_ms=1_500)
            async with collecting(config) as said:
                start = said.blocks()[0]
                await trade_until(devnet, said, start + 8)
                await devnet.rpc.request(object, "evm_setIntervalMining", 0)
                await devnet.mine()
                saved = tmp_path / "chain.json"
                await devnet.save(saved)
                head = int(await devnet.rpc.request(str, "eth_blockNumber"), 16)
                await said.until_block(head)
                mark = len(said.drafts)
                await devnet.kill()
                await said.until(lambda: len(said.drafts) > mark)
                await devnet.restart(saved)
                await trade_until(devnet, said, head + 20)
                block = await assert_fold_is_chain(devnet, config, said)
                expected = await all_logs(devnet, config, start + 1, block)
                check_return(said, said.drafts[mark:], expected, block)

    asyncio.run(scenario())


def check_return(said: Collected, drafts: list[Draft], expected: list, block: int) -> None:
    statistics = said.collector.statistics()
    assert (statistics.resumes, statistics.bootstraps) == (1, 1)
    assert statistics.backfilled_logs > 0
    assert statistics.audit_mismatches == 0
    assert identities_to(said, block) == expected
    assert len(set(expected)) == len(expected)
    invalidations = [
        (position, found.action)
        for position, draft in enumerate(drafts)
        if (found := first(draft, StateInvalidation)) is not None
    ]
    (stale_at, stale), (resume_at, resume) = invalidations
    assert (stale_at, stale, resume) == (0, InvalidationAction.STALE, InvalidationAction.RESUME)
    backfilled = [
        position
        for position, draft in enumerate(drafts)
        if (event := first(draft, ChainEvent)) is not None
        and event.flags & ChainEventFlag.BACKFILLED
    ]
    assert len(backfilled) == statistics.backfilled_logs
    assert max(backfilled) < resume_at
    assert first(drafts[resume_at + 1], GasPrice) is not None


def test_each_block_foretells_the_base_fee_of_the_next():
    """Oracle: the chain's next header."""

    async def scenario():
        async with busy_devnet() as devnet:
            config = config_of(devnet)
            async with collecting(config) as said:
                await trade_until(devnet, said, said.blocks()[0] + 12)
                prices, gas = said.all(GasPrice), said.all(BlockGas)
                assert len(prices) == len(gas) > 8
                assert any(one.gas_used for one in gas)
                foretold = [
                    expected_base_fee(price.base_fee_per_gas, one.gas_used, one.gas_limit)
                    for price, one in zip(prices, gas, strict=True)
                ]
                assert foretold[:-1] == [price.base_fee_per_gas for price in prices[1:]]

    asyncio.run(scenario())


def test_a_reorganisation_of_a_real_node_is_noticed():
    """Covers: E3 (this node never sends `removed`)."""
    print(f"seed {SEED}")

    async def scenario():
        async with busy_devnet() as devnet:
            config = config_of(devnet)
            async with collecting(config) as said:
                await trade_until(devnet, said, said.blocks()[0] + 6)
                await devnet.rpc.request(object, "anvil_reorg", 3, [])
                await said.until(lambda: said.collector.statistics().bootstraps == 2)
                actions = [found.action for found in said.all(StateInvalidation)]
                half = len(config.pools) + len({pool.venue for pool in config.pools})
                assert (
                    actions == [InvalidationAction.STALE] * half + [InvalidationAction.RESET] * half
                )
                await trade_until(devnet, said, said.blocks()[-1] + 4)
                await assert_fold_is_chain(devnet, config, said)

    asyncio.run(scenario())
