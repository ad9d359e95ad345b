"""Both twins of the pool arithmetic on questions that one call answers: event to best plan, a block of messages, a batch of logs.

Rows D7, D8, D15 (cycles and sizings), M3 (blocks) and D11 (logs). Rounds of the twins alternate; a value is the median of its
rounds, and the peer of the Rust twin is the Python one. Without `alphapulse-kernel` its rows are absent.
"""

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from statistics import median
from time import perf_counter_ns

sys.path.append(str(Path(__file__).parents[1] / "tests"))

from alphapulse.amm import kernel
from alphapulse.amm.uniswap_v3.tick_math import sqrt_ratio_at_tick
from support.amm_random import cycle
from support.kernel_wire import message, readable_log, readable_scan, size_rules

ROUNDS = 7
EVENTS = 20  # of one round
PATHS = 1_000
MESSAGES = 2_000
LOGS = 1_000
EDGE = 887_220
TERMS = {"premium_bps": 5, "max_amount_in": 10**30}
ANCHOR = {0: (10**24, 1)}

Measure = Callable[[], None]
GRAPHS = (
    ("D7", "event to best plan, 300 two-pool cycles through the pool that moves", 301, 2, 2),
    ("D8", "event to best plan, 1,000 pools, 3 hops", 1_000, 60, 3),
    ("D8", "event to best plan, 10,000 pools, 2 hops", 10_000, 600, 2),
)


def interleaved(measures: dict[str, Measure], scale: int) -> dict[str, float]:
    """Return the median nanoseconds of one of `scale` units, by name; rounds alternate."""
    times: dict[str, list[float]] = {name: [] for name in measures}
    for _ in range(ROUNDS):
        for name, measure in measures.items():
            start = perf_counter_ns()
            measure()
            times[name].append((perf_counter_ns() - start) / scale)
    return {name: median(taken) for name, taken in times.items()}


def rows_of(
    name: str, what: str, taken: dict[str, float], goal: float | None
) -> list[dict[str, object]]:
    """Return one row a twin, in microseconds."""
    rows = []
    for twin, value in taken.items():
        is_rust = twin != kernel.PYTHON.name
        ratio = round(taken["python"] / value, 1) if is_rust else None
        rows.append(
            {
                "id": name,
                "twin": twin,
                "what": what,
                "value": round(value / 1_000, 3),
                "unit": "us",
                "peer": "python twin" if is_rust else None,
                "peer_value": round(taken["python"] / 1_000, 3) if is_rust else None,
                "ratio": ratio,
                "goal": f"<= {goal} us" if goal and is_rust else None,
                "met": value <= goal * 1_000 if goal and is_rust else None,
            }
        )
    return rows


@dataclass(frozen=True)
class Moved:
    """A graph and its first pool, which moves."""

    graph: kernel.CycleGraph
    pool: kernel.ConcentratedPool

    def to(self, tick: int) -> list[tuple[tuple[int, ...], kernel.Sizing]]:
        """Move the pool and return what pays then."""
        self.pool.apply_swap(sqrt_ratio_at_tick(tick), tick, 10**21)
        self.graph.update([(0, self.pool, 0)])
        return self.graph.search([0], ANCHOR)


def filled(twin: kernel.Kernel, pools: int, tokens: int, max_hops: int) -> Moved:
    """Return a graph whose first pool is concentrated and whose prices nearly agree."""
    rng = Random(pools)
    graph = twin.pool_graph(premium_bps=5, max_hops=max_hops)
    deep = 10**21
    ticks = {-EDGE: (deep, deep), EDGE: (deep, -deep)}
    first = twin.v3_pool(2**96, 0, deep, 500, 60, ticks)
    graph.add(0, 1, first)
    for _ in range(pools - 1):
        token0, token1 = sorted(rng.sample(range(tokens), 2))
        reserve = rng.randrange(10**18, 10**21)
        near = reserve * rng.randrange(9_990, 10_010) // 10_000
        graph.add(token0, token1, twin.v2_pool(reserve, near, 3000))
    graph.search([0], ANCHOR)
    return Moved(graph, first)


def events_through(moved: Moved) -> None:
    """Move the first pool back and forth, so far that cycles through it pay, and ask for the best plans each time."""
    for number in range(EVENTS):
        moved.to((60, -60)[number & 1])


def graph_rows() -> list[dict[str, object]]:
    """Return the rows of the pool graph."""
    rows = []
    for name, what, pools, tokens, max_hops in GRAPHS:
        graphs = {twin.name: filled(twin, pools, tokens, max_hops) for twin in kernel.twins()}
        answers = []
        for graph in graphs.values():
            answers.append(graph.to(60))
        assert all(answer == answers[0] for answer in answers)
        measures: dict[str, Measure] = {
            twin: (lambda graph=graph: events_through(graph)) for twin, graph in graphs.items()
        }
        label = f"{what}, {len(answers[0])} of them paying"
        rows += rows_of(name, label, interleaved(measures, EVENTS), None)
    return rows


def path_rows() -> list[dict[str, object]]:
    """Return the rows of paths sized in one call."""
    rows = []
    for kinds, goal in (((2, 2), 0.3), ((2, 3), None), ((3, 3), None)):
        measures: dict[str, Measure] = {}
        expected = None
        for twin in kernel.twins():
            kernel.require(twin.name)
            rng = Random(str(kinds))
            paths = [cycle(rng, kinds, depth_digits=(18, 24), spread=1) for _ in range(PATHS)]
            found = twin.optimise_batch(paths, **TERMS)
            assert expected in (None, found)
            expected = found
            measures[twin.name] = lambda twin=twin, paths=paths: twin.optimise_batch(paths, **TERMS)
        what = f"{PATHS:,} two-pool paths in one call, per path, {'-'.join(f'V{kind}' for kind in kinds)}"
        rows += rows_of("D15" if goal else "D5", what, interleaved(measures, PATHS), goal)
    return rows


def wire_rows() -> list[dict[str, object]]:
    """Return the rows of bytes read in blocks."""
    wire = kernel.twins()[-1].wire
    rng, rules = Random(1), size_rules()
    fixed = [(number, size) for number, size, counts in rules if not counts and size < 200]
    parts = []
    for _ in range(MESSAGES):
        number, size = rng.choice(fixed)
        parts.append(message(rng, bytes((number, size)) + bytes(size)))
    block = b"".join(parts)
    sync = (0x1C411E9A96E071241C2F21F7726B17AE89E3CAB4C78BE50E062B03A9FFFBBAD1).to_bytes(32, "big")
    logs = [([sync], rng.getrandbits(112).to_bytes(32, "big") * 2) for _ in range(LOGS)]
    options = {"verify": True, "relay": False}
    scans: dict[str, Measure] = {"python": lambda: readable_scan(block, **options)}
    decodes: dict[str, Measure] = {"python": lambda: [readable_log(*log) for log in logs]}
    if wire is not None:
        scans["rust"] = lambda: wire.scan_messages(block, rules, **options)
        decodes["rust"] = lambda: wire.decode_logs(logs)
    return rows_of(
        "M3",
        "block of 2,000 messages verified into columns, per message",
        interleaved(scans, MESSAGES),
        None,
    ) + rows_of(
        "D11", "batch of 1,000 Sync logs decoded, per log", interleaved(decodes, LOGS), None
    )


def run() -> dict[str, object]:
    """Return the whole report."""
    rows = path_rows() + graph_rows() + wire_rows()
    machine = f"{os.cpu_count()} cpus, {platform.processor() or platform.machine()}, python {platform.python_version()}"
    twins = "+".join(twin.name for twin in kernel.twins())
    return {"name": "kernel", "machine": machine, "kernel": twins, "rows": rows}


def main() -> None:
    """Print the report as one JSON object."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    print(json.dumps(run(), indent=1))


if __name__ == "__main__":
    main()
