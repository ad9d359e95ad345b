"""The inputs of the comparisons, as plain records that every worker can read. Seeded."""

from collections.abc import Sequence
from hashlib import sha256
from random import Random
from typing import Any

from alphapulse.amm.pool import V2Pool, V3Pool
from alphapulse.amm.sizing import optimise
from alphapulse.amm.uniswap_v3.pool import swap
from alphapulse.amm.uniswap_v3.tick_math import sqrt_ratio_at_tick
from support.amm_random import cycle, ticks_of

Record = dict[str, Any]
Ask = tuple[str, bool, int]
CycleCase = tuple[list[tuple[str, bool]], int]

SPACING = 60
DENSE_TICKS = 1500
MEMORY_TICKS = 200
DEPTH_DIGITS = (15, 22)
PRICE_SPREAD = 3
UNLIMITED = 10**30
SEARCH_WIDTH = 10  # a bounded search is handed this many times the optimum as its bound


def address_of(*parts: object) -> str:
    """Return an address that follows from what it is for."""
    return "0x" + sha256(repr(parts).encode()).hexdigest()[:40]


def tokens_of(*parts: object) -> tuple[str, str]:
    """Return two token addresses in pair order."""
    first, second = sorted(address_of("token", side, *parts) for side in (0, 1))
    return first, second


def record_of(identity: str, pool: V2Pool | V3Pool, tokens: tuple[str, str]) -> Record:
    """Return one of our pools as a record."""
    common = {
        "id": identity,
        "address": address_of("pool", identity),
        "token0": tokens[0],
        "token1": tokens[1],
        "fee": pool.fee_pips,
    }
    if isinstance(pool, V2Pool):
        return {**common, "kind": "v2", "reserve0": pool.reserve0, "reserve1": pool.reserve1}
    state = pool.state()
    return {
        **common,
        "kind": "v3",
        "spacing": state.tick_spacing,
        "sqrt_price": state.sqrt_price_x96,
        "tick": state.tick,
        "liquidity": state.liquidity,
        "ticks": [[tick, *entry] for tick, entry in sorted(state.ticks.items())],
    }


def dense_pool(ticks: int = DENSE_TICKS, shift: int = 0) -> V3Pool:
    """Return a pool with an initialised tick at every spacing around its price."""
    half = ticks // 2
    positions = [
        (at * SPACING, (at + 1) * SPACING, 10**18 + at + shift) for at in range(-half, half)
    ]
    return V3Pool(sqrt_ratio_at_tick(7), 7, 10**18 + shift, 3000, SPACING, ticks_of(positions))


def amount_crossing(pool: V3Pool, crossed: int) -> int:
    """Return an input of token0 that crosses so many ticks and ends between two."""
    end = sqrt_ratio_at_tick((1 - crossed) * SPACING - SPACING // 2)
    return swap(pool.state(), True, UNLIMITED, end).amount0


def pairs(kinds: Sequence[int], count: int, seed: str) -> tuple[list[Record], list[CycleCase]]:
    """Return profitable cycles of two pools of these kinds, and the bound that a bounded search is given for each."""
    rng = Random(seed)
    records: list[Record] = []
    cases: list[CycleCase] = []
    while len(cases) < count:
        hops = cycle(rng, kinds, depth_digits=DEPTH_DIGITS, spread=PRICE_SPREAD)
        sized = optimise(hops, premium_bps=0, max_amount_in=UNLIMITED)
        if sized is None or sized.amount_in < 1000:
            continue
        if hops[0][1] == hops[1][1]:
            continue  # both pools hold the same pair, so that the way back goes the other way
        tokens = tokens_of(seed, len(cases))
        case: list[tuple[str, bool]] = []
        for place, (pool, zero_for_one) in enumerate(hops):
            identity = f"{seed}-{len(cases)}-{place}"
            records.append(record_of(identity, pool, tokens))
            case.append((identity, zero_for_one))
        cases.append((case, sized.amount_in * SEARCH_WIDTH))
    return records, cases
