"""People on a running chain: they trade, most of what they try succeeds, and price differences open."""

import asyncio
import math

import pytest

from alphapulse.devnet.activity import read_pools
from alphapulse.devnet.devnet import DevnetOptions
from alphapulse.devnet.people import PoolView
from alphapulse.devnet.service import serve
from support.devnet import running_devnet

pytestmark = pytest.mark.chain

PREMIUM = 1.0005
BLOCKS = 14


def open_pairs(views: tuple[PoolView, ...]) -> int:
    """Return how many pairs of pools of the same tokens pay after both fees and the lender's premium."""
    found = 0
    for first in views:
        for second in views:
            if first.entry == second.entry:
                continue
            same = (first.entry.token0, first.entry.token1) == (
                second.entry.token0,
                second.entry.token1,
            )
            if same:
                kept = math.prod(1 - view.entry.fee_pips / 1e6 for view in (first, second))
                rate = first.reserve1 / first.reserve0 * second.reserve0 / second.reserve1
                found += rate * kept > PREMIUM
    return found


def test_differences_open_and_most_transactions_succeed() -> None:
    async def body() -> None:
        async with running_devnet(block_time_s=0.2, seed=11) as devnet:
            task = asyncio.create_task(devnet.run_activity())
            opened: list[int] = []
            fees: list[int] = []
            number = ""
            async with asyncio.timeout(30):
                while len(opened) < BLOCKS:
                    await asyncio.sleep(0.02)
                    block = await devnet.rpc.request(dict, "eth_getBlockByNumber", "latest", False)
                    if block["number"] != number:
                        number = block["number"]
                        opened.append(open_pairs(await read_pools(devnet.rpc, devnet.manifest)))
                        fees.append(int(block["baseFeePerGas"], 16))
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            statistics = devnet.statistics()
        assert opened[0] == 0
        assert sum(count > 0 for count in opened) >= BLOCKS / 2
        assert statistics.mined > 5 * BLOCKS
        assert statistics.reverted < statistics.mined / 4
        assert statistics.refused < statistics.mined / 20
        assert sum(statistics.sent.values()) >= statistics.mined
        assert all(2 * 10**8 < fee < 3 * 10**9 for fee in fees)

    asyncio.run(body())


def test_service_ends_by_itself_after_its_seconds() -> None:
    ready = []

    async def body() -> None:
        options = DevnetOptions(block_time_s=0.2, seconds=0.3, activity=False)
        async with asyncio.timeout(20):
            await serve(options, ready.append)

    asyncio.run(body())
    assert ready[0].block_time_ms == 200
    assert ready[0].rpc_ws.startswith("ws://127.0.0.1:")
