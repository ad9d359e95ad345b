"""Row D9: the optimum over a whole network of pools, beside the best single cycle on the same state.

Run as `python benchmarks/network.py`: one JSON object. The networks are recorded pools of Polygon, to a thousand with pairs beside
them, mainnet pools with all their ticks of which some were pushed, and a made-up market whose prices nearly agree. Times are medians
of repeated calls on the same state; a network that is not on this machine gives rows without a value.
"""

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random
from statistics import median
from time import perf_counter_ns

sys.path.append(str(Path(__file__).parents[1] / "tests"))

from alphapulse.amm import kernel
from alphapulse.amm.network import NetworkPool, optimal_flow
from alphapulse.amm.network_walks import WalkSearch
from support.networks import network
from support.recorded_networks import DATA, grown, mainnet, polygon, pushed

PREMIUM_BPS = 5
MAX_LOAN = 10**24
REPEATS = 5
GAS = 10**14
TWIN = "python"
CYCLE = "best single cycle of up to 3 hops"

Network = tuple[list[NetworkPool], int]


def polygon_of(count: int) -> Network:
    """Return recorded pools of Polygon, and beyond the recorded ones pairs beside them."""
    rows, home = polygon()
    return grown(rows, count, Random(count)), home


def mainnet_pushed() -> Network:
    """Return the recorded pools of mainnet, every third of them pushed down by a twentieth."""
    rows, home = mainnet()
    for index in range(0, len(rows), 3):
        row = rows[index]
        rows[index] = NetworkPool(pushed(row.pool), row.token0, row.token1)
    return rows, home


def made_up(count: int) -> Network:
    """Return random pairs and concentrated pools whose prices differ by up to half a percent."""
    return network(Random(count), tokens=max(4, count // 10), pools=count, noise=0.005), 0


NETWORKS: dict[str, tuple[bool, Callable[[], Network]]] = {
    "100 recorded pools": (True, lambda: polygon_of(100)),
    "560 recorded pools": (True, lambda: polygon_of(560)),
    "1,000 pools, 560 of them recorded": (True, lambda: polygon_of(1_000)),
    "17 recorded pools with up to 1,415 ticks, some pushed": (True, mainnet_pushed),
    "100 made-up pools": (False, lambda: made_up(100)),
    "1,000 made-up pools": (False, lambda: made_up(1_000)),
}


def priced(rows: list[NetworkPool]) -> list[NetworkPool]:
    """Return the pools with a price for each step."""
    return [NetworkPool(row.pool, row.token0, row.token1, GAS) for row in rows]


def timed(call: Callable[[], object], repeats: int) -> tuple[object, float]:
    """Return what a call returns and the median of its times in milliseconds."""
    times = []
    for _ in range(repeats):
        start = perf_counter_ns()
        result = call()
        times.append(perf_counter_ns() - start)
    return result, median(times) / 1e6


def best_cycle(rows: list[NetworkPool], home: int) -> int:
    """Return what the best single cycle leaves."""
    walk = WalkSearch(rows, home, max_hops=3).best(premium_bps=PREMIUM_BPS, max_loan=MAX_LOAN)
    return walk.net if walk else 0


def row(what: str, value: float | None, unit: str, **more: object) -> dict[str, object]:
    """Return one row of the report."""
    empty = {"peer": None, "peer_value": None, "ratio": None, "goal": None, "met": None}
    return {"id": "D9", "twin": TWIN, "what": what, "value": value, "unit": unit, **empty, **more}


def measured(
    name: str, rows: list[NetworkPool], home: int, repeats: int
) -> list[dict[str, object]]:
    """Return the rows of one network."""
    plan, plan_ms = timed(
        lambda: optimal_flow(rows, home, premium_bps=PREMIUM_BPS, max_loan=MAX_LOAN), repeats
    )
    cycle, cycle_ms = timed(lambda: best_cycle(rows, home), repeats)
    profit = plan.net_profit if plan else 0
    label = f"network-wide optimum, {name}"
    found = [
        row(
            f"{label}: time",
            round(plan_ms, 2),
            "ms",
            peer=CYCLE,
            peer_value=round(cycle_ms, 2),
            ratio=round(plan_ms / cycle_ms, 2),
        )
    ]
    found.append(
        row(
            f"{label}: net profit, {len(plan.starts) if plan else 0} walks",
            profit,
            "units",
            peer=CYCLE,
            peer_value=cycle,
            ratio=round(profit / cycle, 4) if cycle else None,
            goal="never below the peer",
            met=profit >= cycle,
        )
    )
    return found


def run(repeats: int = REPEATS) -> dict[str, object]:
    """Return the whole report."""
    rows = []
    for name, (is_recorded, make) in NETWORKS.items():
        if is_recorded and not DATA.is_dir():
            rows.append(row(f"network-wide optimum, {name}: absent here", None, "ms"))
            continue
        pools, home = make()
        rows += measured(name, priced(pools), home, repeats)
    machine = f"{os.cpu_count()} cpus, {platform.processor() or platform.machine()}, python {platform.python_version()}"
    return {"name": "network", "machine": machine, "kernel": kernel.name, "rows": rows}


def main() -> None:
    """Print the report as one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=REPEATS)
    print(json.dumps(run(parser.parse_args().repeats), indent=1))


if __name__ == "__main__":
    main()
