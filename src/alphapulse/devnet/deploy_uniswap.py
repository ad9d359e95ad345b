"""Uniswap V2 (two factories) and V3, their pools and their liquidity, computed and added to a script."""

import math
from dataclasses import dataclass

from alphapulse.devnet.artifacts import Artifacts
from alphapulse.devnet.calls import arguments, call_data, create2_address
from alphapulse.devnet.layout import (
    LIQUIDITY_PROVIDER,
    POOLS,
    POSITION_RANGES,
    V3_TICK_SPACING,
    PoolPlan,
    token_plan,
)
from alphapulse.devnet.manifest import PoolEntry, PositionEntry, RouterEntry
from alphapulse.devnet.script import Script
from alphapulse.evm.hashing import keccak256
from alphapulse.primitives.address import ZERO_ADDRESS, Address
from alphapulse.primitives.venue import Venue

__all__ = [
    "NO_DEADLINE",
    "V2_VENUES",
    "ConcentratedVenue",
    "add_pools",
    "deploy_v2_venue",
    "deploy_v3_venue",
]

V2_FACTORY = "@uniswap/v2-core/build/UniswapV2Factory"
V2_PAIR = "@uniswap/v2-core/build/UniswapV2Pair"
V2_ROUTER = "@uniswap/v2-periphery/build/UniswapV2Router02"
_CORE = "@uniswap/v3-core/artifacts/contracts"
_PERIPHERY = "@uniswap/v3-periphery/artifacts/contracts"
V3_FACTORY = f"{_CORE}/UniswapV3Factory.sol/UniswapV3Factory"
V3_POOL = f"{_CORE}/UniswapV3Pool.sol/UniswapV3Pool"
V3_POSITIONS = f"{_PERIPHERY}/NonfungiblePositionManager.sol/NonfungiblePositionManager"
V3_ROUTER = f"{_PERIPHERY}/SwapRouter.sol/SwapRouter"
V3_QUOTER = f"{_PERIPHERY}/lens/QuoterV2.sol/QuoterV2"

V2_VENUES = (int(Venue.UNISWAP_V2), int(Venue.SUSHISWAP))
NO_DEADLINE = 2**40
TICK_BASE = 1.0001
PERMILLE = 1_000
STABLE_RANGE_DIVISOR = 10


@dataclass(frozen=True, slots=True)
class ConcentratedVenue:
    """What a venue with concentrated liquidity consists of."""

    router: RouterEntry
    position_manager: Address
    quoter: Address


@dataclass(frozen=True, slots=True)
class _Side:
    token: Address
    amount: int


def deploy_v2_venue(
    script: Script, artifacts: Artifacts, venue: int, wrapped_native: Address
) -> RouterEntry:
    """Add a factory and its router."""
    owner = arguments(("address",), script.deployer)
    factory = script.create("V2 factory", artifacts.creation_code(V2_FACTORY) + owner)
    built_on = arguments(("address", "address"), factory, wrapped_native)
    router = script.create("V2 router", artifacts.creation_code(V2_ROUTER) + built_on)
    return RouterEntry(venue, factory, router, artifacts.init_code_hash(V2_PAIR))


def deploy_v3_venue(
    script: Script, artifacts: Artifacts, wrapped_native: Address
) -> ConcentratedVenue:
    """Add a factory, its position manager, router and quoter."""
    factory = script.create("V3 factory", artifacts.creation_code(V3_FACTORY))
    built_on = arguments(("address", "address"), factory, wrapped_native)
    described = built_on + arguments(("address",), ZERO_ADDRESS)
    positions = script.create("V3 positions", artifacts.creation_code(V3_POSITIONS) + described)
    router = script.create("V3 router", artifacts.creation_code(V3_ROUTER) + built_on)
    quoter = script.create("V3 quoter", artifacts.creation_code(V3_QUOTER) + built_on)
    venue = int(Venue.UNISWAP_V3)
    entry = RouterEntry(venue, factory, router, artifacts.init_code_hash(V3_POOL))
    return ConcentratedVenue(entry, positions, quoter)


def add_pools(
    script: Script,
    tokens: dict[str, Address],
    v2_routers: dict[int, RouterEntry],
    v3: ConcentratedVenue,
) -> tuple[tuple[PoolEntry, ...], tuple[PositionEntry, ...]]:
    """Add all pools with their first liquidity, which belongs to the liquidity provider."""
    pools: list[PoolEntry] = []
    positions: list[PositionEntry] = []
    for plan in POOLS:
        if plan.is_v3:
            pool = _add_v3_pool(script, plan, tokens, v3)
            positions += _add_positions(script, plan, tokens, v3, pool, len(positions) + 1)
        else:
            pool = _add_v2_pool(script, plan, tokens, v2_routers[plan.venue])
        pools.append(pool)
    return tuple(pools), tuple(positions)


def _sides(plan: PoolPlan, tokens: dict[str, Address]) -> tuple[_Side, _Side]:
    """Return both sides in pair order, each with half of the depth."""
    sides = [
        _Side(tokens[symbol], token_plan(symbol).amount_of_usd(plan.depth_usd // 2))
        for symbol in (plan.symbol_a, plan.symbol_b)
    ]
    first, second = sorted(sides, key=lambda side: side.token)
    return first, second


def _label(plan: PoolPlan) -> str:
    return f"{plan.symbol_a}/{plan.symbol_b} at {plan.fee_pips} pips on venue {plan.venue}"


def _add_v2_pool(
    script: Script, plan: PoolPlan, tokens: dict[str, Address], router: RouterEntry
) -> PoolEntry:
    side0, side1 = _sides(plan, tokens)
    data = call_data(
        "addLiquidity(address,address,uint256,uint256,uint256,uint256,address,uint256)",
        *(side0.token, side1.token, side0.amount, side1.amount, 0, 0),
        *(LIQUIDITY_PROVIDER, NO_DEADLINE),
    )
    script.call(f"pool {_label(plan)}", router.router, data)
    salt = keccak256(side0.token + side1.token)
    place = create2_address(router.factory, salt, router.init_code_hash)
    return PoolEntry(place, plan.venue, "uniswap_v2", side0.token, side1.token, plan.fee_pips, 0)


def _add_v3_pool(
    script: Script, plan: PoolPlan, tokens: dict[str, Address], v3: ConcentratedVenue
) -> PoolEntry:
    side0, side1 = _sides(plan, tokens)
    data = call_data(
        "createAndInitializePoolIfNecessary(address,address,uint24,uint160)",
        *(side0.token, side1.token, plan.fee_pips, _sqrt_price_x96(side0, side1)),
    )
    script.call(f"pool {_label(plan)}", v3.position_manager, data)
    key = arguments(("address", "address", "uint24"), side0.token, side1.token, plan.fee_pips)
    place = create2_address(v3.router.factory, keccak256(key), v3.router.init_code_hash)
    return PoolEntry(
        place,
        plan.venue,
        "uniswap_v3",
        side0.token,
        side1.token,
        plan.fee_pips,
        V3_TICK_SPACING[plan.fee_pips],
    )


def _add_positions(
    script: Script,
    plan: PoolPlan,
    tokens: dict[str, Address],
    v3: ConcentratedVenue,
    pool: PoolEntry,
    first_id: int,
) -> list[PositionEntry]:
    side0, side1 = _sides(plan, tokens)
    entries = []
    ranges = _aligned_ranges(plan, side0, side1, pool.tick_spacing)
    for token_id, (lower, upper, permille) in enumerate(ranges, first_id):
        data = call_data(
            "mint((address,address,uint24,int24,int24,uint256,uint256,uint256,uint256,address,uint256))",
            (
                *(pool.token0, pool.token1, pool.fee_pips, lower, upper),
                *(side0.amount * permille // PERMILLE, side1.amount * permille // PERMILLE),
                *(0, 0, LIQUIDITY_PROVIDER, NO_DEADLINE),
            ),
        )
        script.call(f"position in {_label(plan)}", v3.position_manager, data)
        entries.append(PositionEntry(token_id, pool.address, lower, upper))
    return entries


def _aligned_ranges(
    plan: PoolPlan, side0: _Side, side1: _Side, spacing: int
) -> list[tuple[int, int, int]]:
    """Return the planned ranges around the starting tick, on ticks that may be used."""
    centre = math.log(side1.amount / side0.amount) / math.log(TICK_BASE)
    divisor = STABLE_RANGE_DIVISOR if plan.is_stable else 1
    return [
        (
            round((centre + lower / divisor) / spacing) * spacing,
            round((centre + upper / divisor) / spacing) * spacing,
            permille,
        )
        for lower, upper, permille in POSITION_RANGES
    ]


def _sqrt_price_x96(side0: _Side, side1: _Side) -> int:
    return math.isqrt((side1.amount << 192) // side0.amount)
