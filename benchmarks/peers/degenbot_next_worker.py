"""Worker: degenbot's development version, whose pools and solver are native; both are built from values and no node is asked.

Its solver takes all registered paths at once, on as many threads as it likes, so a time per cycle is that of all cycles shared out.
"""

import importlib.metadata
import json
import os
import tempfile
from time import perf_counter_ns
from typing import Any

SCRATCH = tempfile.TemporaryDirectory()
os.environ["HOME"] = SCRATCH.name

from degenbot._ffi import ArbitrageEngine, Bot  # noqa: E402 - it may make folders under HOME
from line import growth, nanoseconds, serve  # noqa: E402

CHAIN_ID = 31337
FACTORY = "0x" + "fa" * 20
PIPS = 10**6

Record = dict[str, Any]

BOT = Bot(CHAIN_ID)
POOLS: dict[str, int] = {}
ADDRESSES: dict[str, str] = {}
PATHS: dict[int, int] = {}
ENGINE: list[Any] = []
HOPS: list[list[tuple[str, bool]]] = []
BLOCK = [1]


def hello() -> str:
    return f"degenbot {importlib.metadata.version('degenbot')} (development, native)"


def pools(pools: list[Record]) -> int:
    for record in pools:
        common = (record["address"], record["token0"], record["token1"])
        if record["kind"] == "v2":
            kept = PIPS - record["fee"]
            reserves = (record["reserve0"], record["reserve1"])
            identity = BOT.register_v2_pool_test_only(
                *common,
                *reserves,
                *(kept, PIPS, kept, PIPS, FACTORY, 1, "uniswap-v2", False, None),
            )
        else:
            ticks = {tick: (gross, net, 1) for tick, gross, net in record["ticks"]}
            identity = BOT.register_v3_pool(
                *common,
                record["fee"],
                record["spacing"],
                FACTORY,
                record["sqrt_price"],
                record["liquidity"],
                record["tick"],
                tick_data=ticks,
                update_block=1,
                coverage="tracked",
            )
        POOLS[record["id"]] = identity
        ADDRESSES[record["id"]] = record["address"]
    return len(POOLS)


def quote(asks: list[tuple[str, bool, int]]) -> list[int]:
    return [BOT.calculate_tokens_out(POOLS[ask[0]], ask[1], ask[2]) for ask in asks]


def time_quote(ask: tuple[str, bool, int], budget_ms: float) -> float:
    identity, zero_for_one, amount = ask
    call, pool = BOT.calculate_tokens_out, POOLS[identity]
    return nanoseconds(lambda: call(pool, zero_for_one, amount), budget_ms)


def cycles(cycles: list[tuple[list[tuple[str, bool]], int]]) -> int:
    """Register paths; its solver bounds amounts by the pools alone."""
    ENGINE[:] = [ArbitrageEngine(BOT)]
    PATHS.clear()
    HOPS.clear()
    for number, (hops, _) in enumerate(cycles):
        path = [(POOLS[identity], side) for identity, side in hops]
        PATHS[ENGINE[0].register_path(path)[0]] = number
        HOPS.append(hops)
    ENGINE[0].release_all_v3_v4_quarantined()
    return len(HOPS)


def _solve() -> None:
    BLOCK[0] += 1
    ENGINE[0].solve_all_paths(BLOCK[0])


def _exact(number: int, amount_in: int) -> int:
    """Return what an amount earns by its own exact quotes."""
    amount = amount_in
    for identity, side in HOPS[number]:
        amount = BOT.calculate_tokens_out(POOLS[identity], side, amount)
    return amount - amount_in


def optimum() -> list[tuple[int, int] | None]:
    """Return amount and exact profit of each cycle."""
    _solve()
    found: list[tuple[int, int] | None] = [None] * len(HOPS)
    for path, amount_in, *_ in ENGINE[0].latest_results()[0]:
        found[PATHS[path]] = (amount_in, _exact(PATHS[path], amount_in))
    return found


def time_optimum(numbers: list[int]) -> float:
    """Return the mean time over all cycles: it solves them together."""
    begin = perf_counter_ns()
    _solve()
    return (perf_counter_ns() - begin) / len(HOPS)


def events(moved: str, rest: list[int], states: list[list[int]]) -> dict[str, list[Any]]:
    """Move one pool, which all paths go through, from rest to each state; return the best cycle's exact profit and the time to it."""
    address = ADDRESSES[moved]
    profits: list[int | None] = []
    times, counts = [], []
    for sqrt_price, tick, liquidity in states:
        begin = perf_counter_ns()
        BOT.update_v3_pool(address, sqrt_price, liquidity, tick, BLOCK[0] + 1)
        _solve()
        results, _ = ENGINE[0].latest_results()
        best = max(results, key=lambda one: one[2], default=None)
        times.append(perf_counter_ns() - begin)
        counts.append(len(results))
        profits.append(None if best is None else _exact(PATHS[best[0]], best[1]))
        BOT.update_v3_pool(address, rest[0], rest[2], rest[1], BLOCK[0] + 1)
        _solve()
    return {"profits": profits, "ns": times, "survivors": counts}


def memory(texts: list[str]) -> float:
    """Return bytes by which the process grows with each of these pools."""
    return growth(texts, lambda text: pools([json.loads(text)]))


if __name__ == "__main__":
    serve(
        {
            "hello": hello,
            "pools": pools,
            "quote": quote,
            "time_quote": time_quote,
            "cycles": cycles,
            "optimum": optimum,
            "time_optimum": time_optimum,
            "time_batch": time_optimum,
            "events": events,
            "memory": memory,
        }
    )
