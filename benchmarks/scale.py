"""Rows D8 and D14: from one pool's event to the best exact plan in large universes, and what pools and search weigh.

Run as `python benchmarks/scale.py`: one JSON object. A universe has a few hub tokens that most pools share, as on a real chain; all
prices agree until an event moves one pool by 1 to 3 percent. A measurement is: the pool's new state, its rates, the cycles through it
that could pay, and the best of them sized and costed; then the pool is put back. Pools that move are drawn evenly. Memory is the
process's resident set, and its growth for single pools.
"""

import argparse
import gc
import json
import os
import platform
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from math import isqrt
from pathlib import Path
from random import Random
from time import perf_counter_ns

from alphapulse.amm import kernel
from alphapulse.amm.kernel import V2Pool, V3Pool
from alphapulse.amm.uniswap_v3.tick_math import tick_at_sqrt_ratio
from alphapulse.market.pool import Pool, PoolKey
from alphapulse.market.pools import Head, Market
from alphapulse.primitives.address import Address, Hash32
from alphapulse.protocol.market_data import PoolType
from alphapulse.strategies.flash_arbitrage.config import BorrowableToken, FlashArbitrageConfig
from alphapulse.strategies.flash_arbitrage.in_flight import InFlight
from alphapulse.strategies.flash_arbitrage.profitability import Assessor
from alphapulse.strategies.flash_arbitrage.search import CycleSearch
from alphapulse.strategies.flash_arbitrage.selection import select

CHAIN_ID = 1
PREMIUM_BPS = 5
HUBS = 4
HUB_SHARE = 0.8  # of pools that have a hub on one side
BETWEEN_HUBS = 48  # pools of two hubs, eight for each two of them
TOKENS_PER_POOL = 0.25
BORROWED = 3
SPACING = 60
EVENTS = 400
WARM_EVENTS = 20
PROTOTYPE = "C++ prototype, mean"
CASES = (  # pools, hops, what the prototype took on a universe of its own, in microseconds
    (1_000, 3, 2.7),
    (1_000, 4, 13.6),
    (10_000, 2, 3.1),
    (10_000, 3, 58.0),
)
MEMORY_POOLS = 2_000  # measured; a pool's weight does not depend on their number
TICKS = 200
GOAL_POOL_KB = 100
GOAL_WHOLE_MB = 1_000


@dataclass
class Universe:
    """Pools whose prices agree, and everything that decides on them."""

    market: Market
    search: CycleSearch
    config: FlashArbitrageConfig


def address_of(name: str) -> Address:
    """Return a made-up address."""
    return Address(sha256(name.encode()).digest()[:20])


def made_pool(random: Random, number: int, tokens: list[Address], worth: list[int]) -> Pool:
    """Return a pair or a concentrated pool at the agreed price of its tokens, hubs more often than others."""
    is_between = number < BETWEEN_HUBS
    first = random.randrange(HUBS if is_between or random.random() < HUB_SHARE else len(tokens))
    second = first
    while second == first:
        second = random.randrange(HUBS) if is_between else random.randrange(HUBS, len(tokens))
    if tokens[first] > tokens[second]:
        first, second = second, first
    depth = 10 ** random.randrange(22, 26)
    reserves = depth // worth[first], depth // worth[second]
    is_pair = random.random() < 0.5
    pool = Pool(
        PoolKey(CHAIN_ID, address_of(f"pool{number}")),
        300 if is_pair else 301,
        PoolType.CONSTANT_PRODUCT if is_pair else PoolType.CONCENTRATED,
        tokens=(tokens[first], tokens[second]),
        decimals=(18, 18),
        fee_pips=3_000,
        tick_spacing=0 if is_pair else SPACING,
    )
    pool.quoter = V2Pool(*reserves, 3_000) if is_pair else concentrated(*reserves, ranges=4)
    pool.track.complete()
    return pool


def concentrated(reserve0: int, reserve1: int, *, ranges: int) -> V3Pool:
    """Return a concentrated pool at the price of the reserves, with nested ranges."""
    root = isqrt((reserve1 << 192) // reserve0)
    tick = tick_at_sqrt_ratio(root)
    liquidity = isqrt(reserve0 * reserve1)
    middle = tick // SPACING * SPACING
    ticks = {}
    for step in range(1, ranges + 1):
        ticks[middle - step * SPACING * 3] = (liquidity, liquidity)
        ticks[middle + step * SPACING * 3] = (liquidity, -liquidity)
    return V3Pool(root, tick, liquidity * ranges, 3_000, SPACING, ticks)


def made(count: int, max_hops: int, random: Random) -> Universe:
    """Return a universe of so many pools."""
    tokens = [address_of(f"token{place}") for place in range(int(count * TOKENS_PER_POOL))]
    worth = [random.randrange(10**3, 10**6) for _ in tokens]
    pools = [made_pool(random, number, tokens, worth) for number in range(count)]
    config = FlashArbitrageConfig(
        chain_id=CHAIN_ID,
        contract=Address(b"c" * 20),
        recipient=Address(b"r" * 20),
        operator=Address(b"o" * 20),
        borrowable=tuple(BorrowableToken(token, 10**26) for token in tokens[:BORROWED]),
        wrapped_native=tokens[0],
        usd_tokens=(tokens[1],),
        premium_bps=PREMIUM_BPS,
        max_hops=max_hops,
        tip_per_gas_wei=1,
    )
    market = Market()
    market.pools.update((pool.key, pool) for pool in pools)
    market.universe = count
    return Universe(market, CycleSearch(config, market, InFlight.of(config)), config)


def moved(random: Random, pool: Pool) -> tuple[Callable[[], None], Callable[[], None]]:
    """Return how to move a pool's price and how to put it back."""
    quoter, permille = pool.quoter, random.choice((-1, 1)) * random.randrange(10, 30)
    if pool.concentrated:
        before = quoter.sqrt_price_x96, quoter.tick, quoter.liquidity
        root = before[0] * (2_000 + permille) // 2_000
        after = root, tick_at_sqrt_ratio(root), before[2]
        return lambda: quoter.apply_swap(*after), lambda: quoter.apply_swap(*before)
    there = quoter.reserve0 * (1_000 + permille) // 1_000, quoter.reserve1
    back = quoter.reserve0, quoter.reserve1
    return lambda: quoter.set_reserves(*there), lambda: quoter.set_reserves(*back)


def decided(universe: Universe, key: PoolKey, head: Head) -> tuple[int, int, int]:
    """Return sums made, candidates and plans after a pool moved."""
    search = universe.search
    assessor = Assessor(universe.config, search.roster, search.prices, head)
    contest = search.contest((key,), price_per_gas=assessor.price_per_gas, resting=())
    chosen = select(contest, assessor)
    return contest.sums, len(contest), len(chosen)


def events(universe: Universe, count: int, random: Random) -> tuple[list[int], list[float]]:
    """Return nanoseconds per event, and the means of sums, candidates and plans."""
    head = Head(CHAIN_ID, 1, Hash32(bytes(32)), 1, 1, 1, 0, 0)
    times, counts = [], [0, 0, 0]
    for number in range(count + WARM_EVENTS):
        pool = random.choice(universe.search.roster.pools)
        move, restore = moved(random, pool)
        start = perf_counter_ns()
        move()
        found = decided(universe, pool.key, head)
        spent = perf_counter_ns() - start
        restore()
        decided(universe, pool.key, head)
        if number >= WARM_EVENTS:
            times.append(spent)
            counts = [one + other for one, other in zip(counts, found, strict=True)]
    return times, [round(one / count, 2) for one in counts]


def row(identity: str, what: str, value: float, unit: str, **more: object) -> dict[str, object]:
    """Return one row of the report."""
    empty = {"peer": None, "peer_value": None, "ratio": None, "goal": None, "met": None}
    return {
        "id": identity,
        "twin": kernel.name,
        "what": what,
        "value": round(value, 1),
        "unit": unit,
        **empty,
        **more,
    }


def percentile(values: list[int], share: int) -> float:
    """Return a percentile by the nearest rank, in microseconds."""
    ordered = sorted(values)
    return ordered[min(len(ordered) * share // 100, len(ordered) - 1)] / 1000


def timings(count: int, hops: int, prototype: float, number: int) -> list[dict[str, object]]:
    """Return the rows of one size."""
    universe = made(count, hops, Random(count + hops))
    times, means = events(universe, number, Random(1))
    label = f"event to best plan, {count:,} pools, at most {hops} hops"
    scale = f"{means[0]} sums, {means[1]} candidates, {means[2]} plans an event"
    mean = sum(times) / len(times) / 1000
    rows = [
        row(
            "D8",
            f"{label}, mean; {scale}",
            mean,
            "us",
            peer=PROTOTYPE,
            peer_value=prototype,
            ratio=round(mean / prototype, 1),
            goal="report",
        )
    ]
    rows += [row("D8", f"{label}, p{share}", percentile(times, share), "us") for share in (50, 99)]
    what = f"whole process that searches {count:,} pools, at most {hops} hops"
    rows.append(row("D14", what, resident() / 2**20, "MB"))
    return rows


def resident() -> int:
    """Return the process's resident set in bytes."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def memory() -> list[dict[str, object]]:
    """Return what concentrated pools weigh, before anybody asked them and after a quote over half their ticks each way."""
    before = resident()
    random = Random(3)
    pools = []
    for _ in range(MEMORY_POOLS):
        price = random.randrange(1, 10**6)
        pools.append(concentrated(10**24, 10**24 * price, ranges=TICKS // 2))
    idle = (resident() - before) / MEMORY_POOLS / 1024
    for pool in pools:
        for zero_for_one in (True, False):
            pool.input_to_fall((1 << 64) * 2, zero_for_one)
    asked = (resident() - before) / MEMORY_POOLS / 1024
    whole = asked * 10_000 / 1024
    return [
        row("D14", f"a concentrated pool with {TICKS} ticks, unasked", idle, "KB"),
        row(
            "D14",
            f"a concentrated pool with {TICKS} ticks, asked over all of them both ways",
            asked,
            "KB",
            goal=f"at most {GOAL_POOL_KB} KB",
            met=asked <= GOAL_POOL_KB,
        ),
        row(
            "D14",
            "10,000 such pools, by the same weight",
            whole,
            "MB",
            goal=f"at most {GOAL_WHOLE_MB} MB",
            met=whole <= GOAL_WHOLE_MB,
        ),
    ]


def run(number: int = EVENTS) -> dict[str, object]:
    """Return the whole report."""
    rows = []
    for twin in kernel.twins():
        kernel.require(twin.name)
        for count, hops, prototype in CASES:
            rows += timings(count, hops, prototype, number)
        rows += memory()
    machine = f"{os.cpu_count()} cpus, {platform.processor() or platform.machine()}, python {platform.python_version()}"
    return {"name": "scale", "machine": machine, "kernel": kernel.name, "rows": rows}


def main() -> None:
    """Print the report as one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=EVENTS)
    print(json.dumps(run(parser.parse_args().events), indent=1))


if __name__ == "__main__":
    main()
