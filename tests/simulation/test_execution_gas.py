"""Gas on the devnet's real protocols: the estimate against receipts and against the node's own estimate."""

import asyncio

import pytest

from alphapulse.execution.gas import GasModel
from alphapulse.primitives.address import hex_of
from support.execution_chain import Desk, arbitrage_devnet, plan_on

pytestmark = pytest.mark.chain

TOLERANCE_PERCENT = 5
TOLERANCE_PER_TICK = (
    22_000  # its three slots may be written for the first time, changed, or cleared
)
ETHER, DOLLAR = 10**18, 10**6


def routes(chain):
    """Return (what a trader pushes first, the path, the loan) of every kind of path."""
    leg, pool = chain.leg, chain.pool
    pair, other = pool(300, "WETH", "USDC"), pool(302, "WETH", "USDC")
    low, high = (pool(301, "WETH", "USDC", fee) for fee in (500, 10_000))
    middle = pool(301, "WETH", "USDC")
    pair_dai, pair_usd = pool(300, "WETH", "DAI"), pool(300, "USDC", "DAI")
    v3_dai, v3_usd = pool(301, "WETH", "DAI"), pool(301, "USDC", "DAI", 500)
    return (
        ((leg(pair, "WETH"), 30 * ETHER), (leg(pair, "USDC"), leg(other, "WETH")), 20_000 * DOLLAR),
        ((leg(pair, "WETH"), 30 * ETHER), (leg(pair, "USDC"), leg(low, "WETH")), 20_000 * DOLLAR),
        ((leg(pair, "USDC"), 80_000 * DOLLAR), (leg(low, "WETH"), leg(pair, "USDC")), 10 * ETHER),
        (
            (leg(middle, "WETH"), 250 * ETHER),
            (leg(middle, "USDC"), leg(low, "WETH")),
            200_000 * DOLLAR,
        ),
        ((leg(high, "WETH"), 100 * ETHER), (leg(high, "USDC"), leg(low, "WETH")), 60_000 * DOLLAR),
        (
            (leg(pair, "WETH"), 80 * ETHER),
            (leg(pair, "USDC"), leg(pair_dai, "WETH"), leg(pair_usd, "DAI")),
            20_000 * DOLLAR,
        ),
        (
            (leg(pair, "WETH"), 80 * ETHER),
            (leg(pair, "USDC"), leg(pair_dai, "WETH"), leg(v3_usd, "DAI")),
            20_000 * DOLLAR,
        ),
        (
            (leg(middle, "WETH"), 150 * ETHER),
            (leg(middle, "USDC"), leg(v3_dai, "WETH"), leg(v3_usd, "DAI")),
            20_000 * DOLLAR,
        ),
    )


def test_the_estimate_is_near_and_the_limit_is_never_reached(tmp_path):
    """Covers: G3. Oracle: receipts, and the node's estimate by running the exact calldata."""

    async def body():
        checked = crossed = 0
        async with arbitrage_devnet() as chain:
            desk = Desk(chain, tmp_path)
            await desk.executor.start()
            for push, legs, loan in routes(chain):
                for round_number in range(3):
                    await chain.push(*push)
                    plan, kinds, ticks = await plan_on(
                        chain, legs, loan, min_profit=1, signal_id=checked + 1
                    )
                    assert plan.predicted_profit > 0, legs
                    estimate = GasModel().estimate(kinds, ticks, plan.calldata)
                    call = {
                        "from": hex_of(plan.sender),
                        "to": hex_of(plan.contract),
                        "data": hex_of(plan.calldata),
                    }
                    needed = await chain.devnet.rpc.request(str, "eth_estimateGas", call)
                    assert int(needed, 16) <= plan.gas_limit
                    await desk.block(mine=False)
                    await desk.executor.execute(plan)
                    await desk.block()
                    result = desk.results()[-1]
                    assert (result.status, result.signal_id) == (1, plan.signal_id)
                    assert result.gas_used < plan.gas_limit
                    checked += 1
                    if round_number:
                        tolerance = (
                            result.gas_used * TOLERANCE_PERCENT // 100 + ticks * TOLERANCE_PER_TICK
                        )
                        assert abs(estimate - result.gas_used) <= tolerance, (
                            f"{kinds} with {ticks} ticks: estimate {estimate}, used {result.gas_used}"
                        )
                        crossed += ticks
            desk.die()
        print(f"{checked} runs, {crossed} ticks crossed")
        assert crossed >= 8

    asyncio.run(body())
