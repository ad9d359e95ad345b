"""Recorded universes as networks: Polygon pairs and pools of four exchanges, and mainnet pools with all their ticks.

The exchanges were recorded hours apart and hold pools that nobody trades, so prices differ more than on one chain at one time:
hard work for a search, and no measure of what can be earned.
"""

import json
from pathlib import Path
from random import Random

from alphapulse.amm.network import NetworkPool
from alphapulse.amm.network_state import after_swap
from alphapulse.amm.pool import PoolQuoter, V2Pool, V3Pool
from alphapulse.amm.uniswap_v3.tick_math import sqrt_ratio_at_tick, tick_at_sqrt_ratio
from alphapulse.errors import Rejected

__all__ = ["DATA", "grown", "mainnet", "polygon", "pushed"]

DATA = Path(__file__).parents[2].parent / "shared/data"
ARBY = DATA / "pool_universe/justbytes__arby/data"
TYCHO = (
    DATA / "pool_state/propeller-heads__tycho-simulation/examples/use_serialized_state/data.json"
)
SPACINGS = {100: 1, 500: 10, 3000: 60, 10000: 200}
FEES = {"Lowest": 100, "Low": 500, "MediumLow": 2500, "Medium": 3000, "High": 10000}
RANGE_SPACINGS = 200  # a recorded pool without its ticks is one range so wide on either side
WMATIC = "0x0d500b1d8e8ef31e21c99d1db9a6444d3adf1270"
WETH = "0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2"


def polygon() -> tuple[list[NetworkPool], int]:
    """Return the recorded pools of Polygon between numbered tokens, and the number of wrapped MATIC."""
    found, tokens = [], {WMATIC: 0}
    for path in sorted(ARBY.glob("*/*_v2_pairs.json")):
        for row in json.loads(path.read_text())["pairs"]:
            reserves = [units(row[f"reserve{side}"], row[f"token{side}"]) for side in (0, 1)]
            if min(reserves) > 0 and max(reserves) < 2**112:
                found.append(placed(V2Pool(*reserves, 3000), row, tokens))
    for path in sorted(ARBY.glob("*/*_v3_pools.json")):
        for row in json.loads(path.read_text())["pools"]:
            if row["tick"] is not None and int(row["liquidity"]) > 0:
                found.append(placed(one_range(row), row, tokens))
    return found, 0


def mainnet() -> tuple[list[NetworkPool], int]:
    """Return the recorded pools of mainnet with all their ticks, and the number of wrapped ether."""
    found, tokens = [], {WETH: 0}
    for entry in json.loads(TYCHO.read_text()):
        if entry["state"]["protocol"] != "UniswapV3State":
            continue
        state = entry["state"]["state"]
        ticks: dict[int, tuple[int, int]] = {}
        for tick in state["ticks"]["ticks"]:
            net = int(tick["net_liquidity"])
            ticks[tick["index"]] = (abs(net) or 1, net)
        pool = V3Pool(
            int(state["sqrt_price"], 16),
            state["tick"],
            int(state["liquidity"]),
            FEES[state["fee"]],
            state["ticks"]["tick_spacing"],
            ticks,
        )
        ends = [tokens.setdefault(token["address"], len(tokens)) for token in entry["tokens"]]
        found.append(NetworkPool(pool, *ends))
    return found, 0


def grown(rows: list[NetworkPool], count: int, random: Random) -> list[NetworkPool]:
    """Return so many pools: the recorded ones, then pairs beside them with other depth and a slightly other price."""
    out = rows[:count]
    pairs = [row for row in rows if isinstance(row.pool, V2Pool)]
    while len(out) < count:
        row = random.choice(pairs)
        share, tilt = random.randrange(50, 3_000), random.randrange(985, 1_015)
        reserve0 = row.pool.reserve0 * share // 1_000
        reserve1 = row.pool.reserve1 * share * tilt // 10**6
        if min(reserve0, reserve1) > 1_000:
            out.append(NetworkPool(V2Pool(reserve0, reserve1, 3000), row.token0, row.token1))
    return out


def units(text: str, token: dict) -> int:
    """Return a decimal text in smallest units."""
    whole, _, part = text.partition(".")
    decimals = int(token["decimals"])
    return int(whole + (part + "0" * decimals)[:decimals])


def one_range(row: dict) -> V3Pool:
    fee = int(row["feeTier"])
    spacing, tick = SPACINGS[fee], int(row["tick"])
    root, liquidity = sqrt_ratio_at_tick(tick), int(row["liquidity"])
    middle = tick // spacing * spacing
    lower, upper = middle - RANGE_SPACINGS * spacing, middle + RANGE_SPACINGS * spacing
    ticks = {lower: (liquidity, liquidity), upper: (liquidity, -liquidity)}
    return V3Pool(root, tick_at_sqrt_ratio(root), liquidity, fee, spacing, ticks)


def placed(pool: V2Pool | V3Pool, row: dict, tokens: dict[str, int]) -> NetworkPool:
    ends = [tokens.setdefault(row[f"token{side}"]["id"], len(tokens)) for side in (0, 1)]
    return NetworkPool(pool, *ends)


def pushed(pool: PoolQuoter) -> PoolQuoter:
    """Return the pool after a sale that takes its price down by a twentieth, or by what its liquidity allows."""
    amount = pool.input_to_fall((1 << 64) * 1_025 // 1_000, True)
    for _ in range(16):
        moved = after_swap(pool, amount, zero_for_one=True)
        try:
            moved.marginal_rate_x128(True)
        except Rejected:
            amount //= 2
        else:
            return moved
    return pool
