"""A network plan on the real protocols: what it promises is what the recipient receives, to the wei.

Oracle: balanceOf before and after on a devnet with the deployed contract, pairs and pools.
"""

import asyncio

import pytest

from alphapulse.amm.network import ContractPath, NetworkPool, as_contract_paths, optimal_flow
from alphapulse.amm.pool import V2Pool, V3Pool
from alphapulse.evm.transaction import UnsignedTransaction
from alphapulse.execution.transaction_builder import flash_arbitrage_calldata
from alphapulse.primitives.address import hex_of
from support.execution_chain import FIRST_NONCE, RECIPIENT, arbitrage_devnet

pytestmark = pytest.mark.chain

ETHER, DOLLAR = 10**18, 10**6
GAS_LIMIT = 2_500_000
DISTURBANCES = (
    (300, "WETH", "USDC", 3_000, "WETH", 40 * ETHER),
    (302, "WETH", "DAI", 3_000, "DAI", 60_000 * ETHER),
    (301, "WBTC", "WETH", 500, "WETH", 20 * ETHER),
    (302, "WBTC", "USDC", 3_000, "USDC", 30_000 * DOLLAR),
    (301, "USDC", "DAI", 500, "DAI", 200_000 * ETHER),
)


async def pools_of(chain):
    """Read every pool at the head, ticks included."""
    tokens = sorted({token.address for token in chain.manifest.tokens})
    rows = []
    for entry in chain.manifest.pools:
        if entry.kind == "uniswap_v2":
            reserves = await chain.call(
                entry.address, ["uint112", "uint112", "uint32"], "getReserves()"
            )
            pool = V2Pool(reserves[0], reserves[1], entry.fee_pips)
        else:
            pool = await concentrated(chain, entry)
        rows.append(NetworkPool(pool, tokens.index(entry.token0), tokens.index(entry.token1)))
    return rows, tokens


async def concentrated(chain, entry):
    slot0 = await chain.call(
        entry.address,
        ["uint160", "int24", "uint16", "uint16", "uint16", "uint8", "bool"],
        "slot0()",
    )
    (liquidity,) = await chain.call(entry.address, ["uint128"], "liquidity()")
    ticks = {}
    for position in chain.manifest.positions:
        if position.pool != entry.address:
            continue
        for tick in (position.tick_lower, position.tick_upper):
            if tick not in ticks:
                row = await chain.call(
                    entry.address,
                    ["uint128", "int128", *["uint256"] * 6],
                    "ticks(int24)",
                    tick,
                )
                ticks[tick] = row[0], row[1]
    return V3Pool(slot0[0], slot0[1], liquidity, entry.fee_pips, entry.tick_spacing, ticks)


async def send(chain, path: ContractPath, token: bytes, nonce: int) -> str:
    """Hand a run to the chain; its minimum profit is its prediction, so a wei less reverts."""
    calldata = flash_arbitrage_calldata(
        [chain.manifest.pools[index].address for index in path.pools],
        path.amounts,
        path.profit,
        token,
        RECIPIENT,
    )
    _, base_fee = await chain.head()
    transaction = UnsignedTransaction(
        31337, nonce, 10**8, 4 * base_fee + 10**8, GAS_LIMIT, chain.contract, 0, calldata
    )
    raw = chain.wallet.sign(transaction).raw
    return await chain.devnet.rpc.request(str, "eth_sendRawTransaction", hex_of(raw))


@pytest.mark.parametrize("symbol", ["USDC", "WETH"])
def test_the_runs_of_a_plan_in_one_block_earn_what_it_says(symbol):
    """Covers: M10, M11. The same pools are met by several walks; a run passes through the profit token on its way."""

    async def body():
        async with arbitrage_devnet() as chain:
            for venue, one, other, fee_pips, sold, amount in DISTURBANCES:
                await chain.push(chain.leg(chain.pool(venue, one, other, fee_pips), sold), amount)
            rows, tokens = await pools_of(chain)
            token = chain.manifest.token(symbol).address
            bps = chain.manifest.premium_bps
            plan = optimal_flow(rows, tokens.index(token), premium_bps=bps, max_loan=10**24)
            runs = as_contract_paths(plan, bps)
            assert len(runs) > 1
            assert any(amount for run in runs for amount in run.amounts[1:])
            used = [leg.pool_index for leg in plan.legs]
            assert len(used) > len(set(used))
            before = await chain.balance(token, RECIPIENT)
            hashes = [
                await send(chain, path, token, FIRST_NONCE + place)
                for place, path in enumerate(runs)
            ]
            await chain.mine()
            receipts = [
                await chain.devnet.rpc.request(dict, "eth_getTransactionReceipt", tx_hash)
                for tx_hash in hashes
            ]
            assert {receipt["status"] for receipt in receipts} == {"0x1"}
            assert len({receipt["blockNumber"] for receipt in receipts}) == 1
            gained = await chain.balance(token, RECIPIENT) - before
            assert gained == sum(run.profit for run in runs)
            for other in chain.manifest.tokens:
                assert await chain.balance(other.address, chain.contract) == 0
                if other.address != token:
                    assert await chain.balance(other.address, RECIPIENT) == 0
            print(f"{len(runs)} runs, {len(plan.legs)} steps, {gained} of {symbol}")

    asyncio.run(body())
