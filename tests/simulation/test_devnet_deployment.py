"""What stands on the devnet, asked of the deployed bytecode itself; the oracle is the real contracts."""

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from alphapulse.devnet.activity import read_pools
from alphapulse.devnet.calls import answer_of, call_data, selector
from alphapulse.devnet.devnet import Devnet
from alphapulse.devnet.layout import DEPLOYER, TOKENS
from alphapulse.devnet.service import contract_code
from alphapulse.errors import Misconfigured, Reverted
from alphapulse.primitives.address import address, hex_of
from support.devnet import running_devnet

pytestmark = pytest.mark.chain

OWNER = address("0x" + "42" * 20)
NO_DEADLINE = 2**40


async def ask(
    devnet: Devnet, place: bytes, types: tuple[str, ...], signature: str, *values: object
):
    request = {"to": hex_of(place), "data": hex_of(call_data(signature, *values))}
    raw = await devnet.rpc.request(str, "eth_call", request, "latest")
    answer = answer_of(types, bytes.fromhex(raw[2:]))
    return answer[0] if len(answer) == 1 else answer


async def send(devnet: Devnet, place: bytes, data: bytes) -> None:
    request = {
        "from": hex_of(DEPLOYER),
        "to": hex_of(place),
        "data": hex_of(data),
        "gas": hex(10**6),
    }
    sent = await devnet.rpc.request(str, "eth_sendTransaction", request)
    await devnet.mine()
    receipt = await devnet.rpc.request(dict, "eth_getTransactionReceipt", sent)
    assert receipt["status"] == "0x1"


def test_facts_of_the_manifest_are_facts_of_the_chain() -> None:
    async def body() -> None:
        async with running_devnet() as devnet:
            manifest = devnet.manifest
            assert await devnet.rpc.request(str, "eth_chainId") == hex(31337)
            for token in manifest.tokens:
                assert await ask(devnet, token.address, ("uint8",), "decimals()") == token.decimals
                assert await ask(devnet, token.address, ("string",), "symbol()") == token.symbol
            for pool in manifest.pools:
                ends = [
                    await ask(devnet, pool.address, ("address",), f"token{n}()") for n in (0, 1)
                ]
                assert ends == [hex_of(pool.token0), hex_of(pool.token1)]
                if pool.kind == "uniswap_v3":
                    fee = await ask(devnet, pool.address, ("uint24",), "fee()")
                    spacing = await ask(devnet, pool.address, ("int24",), "tickSpacing()")
                    assert (fee, spacing) == (pool.fee_pips, pool.tick_spacing)
            block = await devnet.rpc.request(dict, "eth_getBlockByNumber", "latest", False)
            assert int(block["gasLimit"], 16) == 6_000_000
            assert int(block["baseFeePerGas"], 16) == 10**9
            assert abs(int(block["timestamp"], 16) - time.time()) < 60

    asyncio.run(body())


def test_lender_lends_at_five_basis_points() -> None:
    async def body() -> None:
        async with running_devnet() as devnet:
            lender = devnet.manifest.lender
            assert await ask(devnet, lender, ("uint128",), "FLASHLOAN_PREMIUM_TOTAL()") == 5
            assert devnet.manifest.premium_bps == 5
            for token, plan in zip(devnet.manifest.tokens, TOKENS, strict=True):
                data = await ask(
                    devnet, lender, ("uint256",) * 9, "getReserveData(address)", token.address
                )
                flash_loans_on = bool(data[0] >> 63 & 1)
                assert flash_loans_on == token.borrowable == (token.symbol != "WBTC")
                if token.borrowable:
                    keeper = data[8].to_bytes(20, "big")
                    held = await ask(
                        devnet, token.address, ("uint256",), "balanceOf(address)", keeper
                    )
                    assert held == plan.lent * 10**plan.decimals

    asyncio.run(body())


def test_all_pools_start_at_one_price_with_many_ticks() -> None:
    async def body() -> None:
        async with running_devnet() as devnet:
            worth = {
                token.address: plan.price_usd / 10**plan.decimals
                for token, plan in zip(devnet.manifest.tokens, TOKENS, strict=True)
            }
            for view in await read_pools(devnet.rpc, devnet.manifest):
                fair = worth[view.entry.token0] / worth[view.entry.token1]
                assert view.reserve1 / view.reserve0 == pytest.approx(fair, rel=1e-6)
            for pool in devnet.manifest.pools:
                used = {
                    tick
                    for position in devnet.manifest.positions
                    if position.pool == pool.address
                    for tick in (position.tick_lower, position.tick_upper)
                }
                assert (len(used) >= 14) == (pool.kind == "uniswap_v3")
                for tick in used:
                    gross, *_ = await ask(
                        devnet, pool.address, ("uint128", "int128"), "ticks(int24)", tick
                    )
                    assert gross > 0

    asyncio.run(body())


def test_quotes_equal_executed_swaps() -> None:
    async def body() -> None:
        async with running_devnet() as devnet:
            manifest = devnet.manifest
            weth, usdc = manifest.token("WETH").address, manifest.token("USDC").address
            amount = 10**18

            async def balance() -> int:
                return await ask(devnet, usdc, ("uint256",), "balanceOf(address)", DEPLOYER)

            for fee_pips in (500, 3_000, 10_000):
                quote, *_ = await ask(
                    devnet,
                    manifest.quoter,
                    ("uint256", "uint160"),
                    "quoteExactInputSingle((address,address,uint256,uint24,uint160))",
                    (weth, usdc, amount, fee_pips, 0),
                )
                before = await balance()
                data = call_data(
                    "exactInputSingle((address,address,uint24,address,uint256,uint256,uint256,uint160))",
                    (weth, usdc, fee_pips, DEPLOYER, NO_DEADLINE, amount, 0, 0),
                )
                await send(devnet, manifest.router(301).router, data)
                assert await balance() - before == quote > 2_900 * 10**6
            for venue in (300, 302):
                router = manifest.router(venue).router
                quote = await ask(
                    devnet,
                    router,
                    ("uint256[]",),
                    "getAmountsOut(uint256,address[])",
                    amount,
                    [weth, usdc],
                )
                before = await balance()
                data = call_data(
                    "swapExactTokensForTokens(uint256,uint256,address[],address,uint256)",
                    *(amount, 0, [weth, usdc], DEPLOYER, NO_DEADLINE),
                )
                await send(devnet, router, data)
                assert await balance() - before == quote[1] > 2_900 * 10**6

    asyncio.run(body())


def test_flash_arbitrage_is_deployed_for_its_owner() -> None:
    try:
        code = contract_code()
    except Misconfigured:
        pytest.skip("the contract artifact is not built")

    async def body() -> None:
        async with running_devnet() as devnet:
            contract = await devnet.deploy_flash_arbitrage(OWNER, code)
            assert devnet.manifest.contract == contract
            assert await ask(devnet, contract, ("address",), "owner()") == hex_of(OWNER)
            with pytest.raises(Reverted):
                await devnet.deploy_flash_arbitrage(OWNER, bytes.fromhex("60006000fd"))

    asyncio.run(body())


def test_second_start_loads_what_the_first_saved(tmp_path: Path) -> None:
    program = """
import asyncio, json, sys
from pathlib import Path
from alphapulse.devnet.devnet import Devnet, DevnetOptions
async def body():
    async with Devnet.start(DevnetOptions(block_time_s=0, cache_dir=Path(sys.argv[1]))) as devnet:
        block = await devnet.rpc.request(dict, "eth_getBlockByNumber", "0xa", False)
        print(json.dumps([block["hash"], devnet.manifest.lender.hex()]))
asyncio.run(body())
"""

    def start() -> tuple[list[str], float]:
        started = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", program, str(tmp_path / "cache")],
            capture_output=True,
            check=True,
            env={"PYTHONPATH": "src", "PATH": "/usr/bin:/bin"},
            cwd=Path(__file__).parents[2],
            timeout=60,
        )
        return json.loads(done.stdout), time.perf_counter() - started

    cold, cold_s = start()
    files = {file: file.stat().st_mtime_ns for file in (tmp_path / "cache").iterdir()}
    warm, warm_s = start()
    assert len(files) == 2
    assert files == {file: file.stat().st_mtime_ns for file in (tmp_path / "cache").iterdir()}
    assert cold == warm
    assert cold_s < 20
    assert warm_s < 3


def test_selectors_the_deployment_rests_on() -> None:
    assert (
        selector(
            "initReserves((address,address,address,uint8,address,address,address,address,string,string,string,string,string,string,bytes)[])"
        ).hex()
        == "02fb45e6"
    )
