"""The whole deployment: the script, its run on an empty chain, and a check that everything stands where computed."""

from dataclasses import dataclass

from alphapulse.devnet.anvil import CHAIN_ID
from alphapulse.devnet.artifacts import Artifacts
from alphapulse.devnet.calls import answer_of, call_data
from alphapulse.devnet.deploy_aave import Lender, deploy_lender, supply_lender
from alphapulse.devnet.deploy_tokens import (
    WRAPPED_NATIVE_SYMBOL,
    approve_all,
    deploy_tokens,
    fund_accounts,
)
from alphapulse.devnet.deploy_uniswap import (
    V2_VENUES,
    add_pools,
    deploy_v2_venue,
    deploy_v3_venue,
)
from alphapulse.devnet.layout import (
    ACCOUNTS,
    DEPLOYER,
    LIQUIDITY_PROVIDER,
    MULTICALL,
    PREMIUM_BPS,
    TOKENS,
)
from alphapulse.devnet.manifest import Manifest, TokenEntry
from alphapulse.devnet.script import Script, run
from alphapulse.errors import InvariantError, RpcRefused
from alphapulse.evm.rpc import JsonRpc, decode_answer
from alphapulse.primitives.address import Address, hex_of

__all__ = ["Deployment", "deploy", "plan_deployment"]

MAX_UINT256 = 2**256 - 1


@dataclass(frozen=True, slots=True)
class Deployment:
    """What will be sent, and what will then stand; the manifest's endpoints are empty."""

    script: Script
    manifest: Manifest
    lender: Lender
    multicall_created: Address


def plan_deployment(artifacts: Artifacts) -> Deployment:
    """Return every transaction of the deployment and every address it makes. No chain is needed."""
    script = Script(DEPLOYER)
    tokens = deploy_tokens(script, artifacts)
    wrapped = tokens[WRAPPED_NATIVE_SYMBOL]
    multicall = script.create("Multicall3", artifacts.multicall())
    v2 = {venue: deploy_v2_venue(script, artifacts, venue, wrapped) for venue in V2_VENUES}
    v3 = deploy_v3_venue(script, artifacts, wrapped)
    lender = deploy_lender(script, artifacts, tokens)
    script.barrier()

    fund_accounts(script, tokens)
    owners = ACCOUNTS
    for router in (*v2.values(), v3.router):
        approve_all(script, tokens, owners, router.router)
    approve_all(script, tokens, (DEPLOYER, LIQUIDITY_PROVIDER), v3.position_manager)
    approve_all(script, tokens, (DEPLOYER,), lender.pool)
    script.barrier()

    pools, positions = add_pools(script, tokens, v2, v3)
    supply_lender(script, lender, tokens)
    script.barrier()
    for pool in pools:
        if pool.kind == "uniswap_v2":
            data = call_data("approve(address,uint256)", v2[pool.venue].router, MAX_UINT256)
            script.call("approval of a pair", pool.address, data, sender=LIQUIDITY_PROVIDER)

    manifest = Manifest(
        chain_id=CHAIN_ID,
        rpc_ws="",
        rpc_http="",
        block_time_ms=0,
        tokens=tuple(
            TokenEntry(
                token.symbol, tokens[token.symbol], token.decimals, token.lent > 0, token.is_usd
            )
            for token in TOKENS
        ),
        pools=pools,
        lender=lender.pool,
        premium_bps=PREMIUM_BPS,
        wrapped_native=wrapped,
        multicall=MULTICALL,
        quoter=v3.quoter,
        position_manager=v3.position_manager,
        routers=(*v2.values(), v3.router),
        positions=positions,
    )
    return Deployment(script, manifest, lender, multicall)


async def deploy(rpc: JsonRpc, deployment: Deployment) -> None:
    """Deploy everything to an empty chain that mines on request only.

    Raises  InvariantError when a step fails or a contract is not where it was computed to be.
    """
    await run(rpc, deployment.script)
    code = await rpc.request(str, "eth_getCode", hex_of(deployment.multicall_created), "latest")
    await rpc.request(object, "anvil_setCode", hex_of(MULTICALL), code)
    await rpc.request(object, "evm_mine")
    await _check_places(rpc, deployment)


async def _check_places(rpc: JsonRpc, deployment: Deployment) -> None:
    manifest = deployment.manifest
    questions: list[tuple[Address, bytes, Address]] = [
        (deployment.lender.provider, call_data("getPool()"), manifest.lender)
    ]
    for pool in manifest.pools:
        factory = manifest.router(pool.venue).factory
        if pool.kind == "uniswap_v2":
            data = call_data("getPair(address,address)", pool.token0, pool.token1)
        else:
            key = (pool.token0, pool.token1, pool.fee_pips)
            data = call_data("getPool(address,address,uint24)", *key)
        questions.append((factory, data, pool.address))
    answers = await rpc.batch(
        [
            ("eth_call", ({"to": hex_of(place), "data": hex_of(data)}, "latest"))
            for place, data, _ in questions
        ]
    )
    for (_, _, computed), answer in zip(questions, answers, strict=True):
        if isinstance(answer, RpcRefused):
            raise answer
        text = decode_answer(str, answer, "eth_call")
        (found,) = answer_of(("address",), bytes.fromhex(text[2:]))
        if found != hex_of(computed):
            raise InvariantError(f"computed `{hex_of(computed)}`, the chain has `{found}`")
