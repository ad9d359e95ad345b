"""Decisions of people as calls to routers, pairs and the position manager. Pure."""

from dataclasses import dataclass

from alphapulse.devnet.calls import call_data
from alphapulse.devnet.deploy_uniswap import NO_DEADLINE
from alphapulse.devnet.layout import LIQUIDITY_PROVIDER, TRADERS
from alphapulse.devnet.manifest import Manifest
from alphapulse.devnet.people import AddLiquidity, Decision, RemoveLiquidity, Swap
from alphapulse.primitives.address import Address

__all__ = ["Order", "liquidity_question", "order_of"]

SWAP_GAS = 300_000
LIQUIDITY_GAS = 600_000
PERMILLE = 1_000
PAIR_MINIMUM_PERMILLE = 980
MAX_UINT128 = 2**128 - 1


@dataclass(frozen=True, slots=True)
class Order:
    """One transaction of somebody, but for nonce and fees."""

    sender: Address
    to: Address
    data: bytes
    gas_limit: int


def liquidity_question(manifest: Manifest, decision: RemoveLiquidity) -> tuple[Address, bytes, int]:
    """Return whom to ask how much liquidity can be removed, the call, and in which word the answer stands."""
    if decision.token_id:
        data = call_data("positions(uint256)", decision.token_id)
        return manifest.position_manager, data, 7
    return decision.pool.address, call_data("balanceOf(address)", LIQUIDITY_PROVIDER), 0


def order_of(manifest: Manifest, decision: Decision, owned_liquidity: int = 0) -> Order:
    """Return the transaction that does what was decided; `owned_liquidity` matters to a removal only."""
    if isinstance(decision, Swap):
        return _swap(manifest, decision)
    if isinstance(decision, AddLiquidity):
        to, data = _addition(manifest, decision)
    else:
        to, data = _removal(manifest, decision, owned_liquidity * decision.permille // PERMILLE)
    return Order(LIQUIDITY_PROVIDER, to, data, LIQUIDITY_GAS)


def _swap(manifest: Manifest, swap: Swap) -> Order:
    pool = swap.pool
    sender = TRADERS[swap.trader]
    path = (pool.token0, pool.token1) if swap.zero_for_one else (pool.token1, pool.token0)
    if pool.kind == "uniswap_v2":
        data = call_data(
            "swapExactTokensForTokens(uint256,uint256,address[],address,uint256)",
            *(swap.amount_in, swap.min_out, path, sender, NO_DEADLINE),
        )
    else:
        data = call_data(
            "exactInputSingle((address,address,uint24,address,uint256,uint256,uint256,uint160))",
            (
                *(*path, pool.fee_pips, sender, NO_DEADLINE),
                *(swap.amount_in, swap.min_out, swap.sqrt_price_limit_x96),
            ),
        )
    return Order(sender, manifest.router(pool.venue).router, data, SWAP_GAS)


def _addition(manifest: Manifest, add: AddLiquidity) -> tuple[Address, bytes]:
    pool = add.pool
    if pool.kind == "uniswap_v2":
        minimum0, minimum1 = (
            amount * PAIR_MINIMUM_PERMILLE // PERMILLE for amount in (add.amount0, add.amount1)
        )
        return manifest.router(pool.venue).router, call_data(
            "addLiquidity(address,address,uint256,uint256,uint256,uint256,address,uint256)",
            *(pool.token0, pool.token1, add.amount0, add.amount1, minimum0, minimum1),
            *(LIQUIDITY_PROVIDER, NO_DEADLINE),
        )
    if add.token_id:
        return manifest.position_manager, call_data(
            "increaseLiquidity((uint256,uint256,uint256,uint256,uint256,uint256))",
            (add.token_id, add.amount0, add.amount1, 0, 0, NO_DEADLINE),
        )
    return manifest.position_manager, call_data(
        "mint((address,address,uint24,int24,int24,uint256,uint256,uint256,uint256,address,uint256))",
        (
            *(pool.token0, pool.token1, pool.fee_pips, add.tick_lower, add.tick_upper),
            *(add.amount0, add.amount1, 0, 0, LIQUIDITY_PROVIDER, NO_DEADLINE),
        ),
    )


def _removal(manifest: Manifest, remove: RemoveLiquidity, liquidity: int) -> tuple[Address, bytes]:
    pool = remove.pool
    if not remove.token_id:
        return manifest.router(pool.venue).router, call_data(
            "removeLiquidity(address,address,uint256,uint256,uint256,address,uint256)",
            *(pool.token0, pool.token1, liquidity, 0, 0, LIQUIDITY_PROVIDER, NO_DEADLINE),
        )
    decrease = call_data(
        "decreaseLiquidity((uint256,uint128,uint256,uint256,uint256))",
        (remove.token_id, liquidity, 0, 0, NO_DEADLINE),
    )
    collect = call_data(
        "collect((uint256,address,uint128,uint128))",
        (remove.token_id, LIQUIDITY_PROVIDER, MAX_UINT128, MAX_UINT128),
    )
    return manifest.position_manager, call_data("multicall(bytes[])", [decrease, collect])
