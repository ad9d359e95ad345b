"""D16: the best amount for a cycle of a pair and a pool on a smooth curve, both twins on the same cycles.

The stable leg is Curve's 3pool as recorded at mainnet block 24407242, or a pool of that shape where the recording is not at hand; the
weighted leg is made up. The pair beside it is off its price by up to three percent. No peer is timed here: whoever publishes a figure
measured it elsewhere.
"""

import json
import os
from functools import partial
from pathlib import Path
from random import Random
from time import perf_counter_ns

from alphapulse.amm import kernel
from alphapulse.amm.amplification import Ramp
from alphapulse.amm.balancer_math.fixed_point import PowVersion
from alphapulse.amm.optimum import Hop
from alphapulse.amm.twin import Kernel
from peers.report import Effort, Row, interleaved, main, row

ROOT = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("ALPHAPULSE_SHARED") or ROOT.parent / "shared")
RECORDED = (
    SHARED / "data/pool_state/BowTiedDevil__degenbot/tests/fixtures/chain_data/1"
    "/curve_tripool_block_24407242.json"
)
MADE_UP = {
    "balances": [54 * 10**24, 54 * 10**12, 56 * 10**12],
    "a_coefficient": 4000,
    "fee": 1_500_000,
    "admin_fee": 10**10,
    "block_timestamp": 0,
}
CASES = 50
GOAL_US = 20.0
TERMS = {"premium_bps": 5, "max_amount_in": 10**30}
SEED = 16


def stable_cycles(twin: Kernel, random: Random) -> list[list[Hop]]:
    """Return cycles of the 3pool's DAI and USDC and a pair that holds a few millions."""
    state = json.loads(RECORDED.read_text()) if RECORDED.is_file() else MADE_UP
    cycles = []
    for _ in range(CASES):
        pool = twin.curve_pool(
            state["balances"],
            (10**18, 10**30, 10**30),
            Ramp(state["a_coefficient"], state["a_coefficient"]),
            timestamp=state["block_timestamp"],
            fee=state["fee"],
            admin_fee=state["admin_fee"],
            a_precision=1,
        )
        depth = random.randrange(10**6, 10**7)
        off = random.randrange(3_000, 30_000)
        pair = twin.v2_pool(depth * 10**18, depth * (10**6 + off), 500)
        cycles.append([(pair, True), (pool.pair(0, 1), False)])
    return cycles


def weighted_cycles(twin: Kernel, random: Random) -> list[list[Hop]]:
    """Return cycles of a pool of 80 and 20 percent and a pair, both between tokens of 18 decimals."""
    cycles = []
    for _ in range(CASES):
        balances = (random.randrange(10**24, 10**25), random.randrange(10**21, 10**22))
        weights = (8 * 10**17, 2 * 10**17)
        pool = twin.weighted_pool(
            balances, weights, (18, 18), 10**15, pow_version=PowVersion.WITH_SHORTCUTS
        )
        off = random.randrange(10_000, 40_000)
        pair = twin.v2_pool(balances[0], balances[1] * 4 * (10**6 + off) // 10**6, 3000)
        cycles.append([(pair, True), (pool.pair(0, 1), False)])
    return cycles


LEGS = {
    f"a StableSwap leg ({'recorded' if RECORDED.is_file() else 'made-up'} 3pool)": stable_cycles,
    "a weighted leg (80/20)": weighted_cycles,
}


def taken(twin: Kernel, cycles: list[list[Hop]]) -> float:
    """Return the nanoseconds of one sizing."""
    start = perf_counter_ns()
    for hops in cycles:
        twin.optimise(hops, **TERMS)
    return (perf_counter_ns() - start) / len(cycles)


def run(effort: Effort) -> tuple[list[Row], dict[str, object]]:
    """Return all rows."""
    rows: list[Row] = []
    for leg, made in LEGS.items():
        cycles = {twin.name: made(twin, Random(SEED)) for twin in kernel.twins()}
        twins = {twin.name: twin for twin in kernel.twins()}
        sizings = [
            [twins[name].optimise(hops, **TERMS) for hops in held] for name, held in cycles.items()
        ]
        if any(other != sizings[0] for other in sizings) or None in sizings[0]:
            raise SystemExit("benchmark: the twins differ, or a cycle does not pay")
        measures = {name: partial(taken, twins[name], held) for name, held in cycles.items()}
        times = interleaved(measures, effort.rounds)
        for name, nanoseconds in times.items():
            value = nanoseconds / 1e3
            is_rust = name != kernel.PYTHON.name
            rows.append(
                row(
                    "D16",
                    f"optimum of a two-hop cycle with {leg}",
                    twin=name,
                    value=value,
                    goal_text=f"<= {GOAL_US:g} us" if is_rust else None,
                    met=value <= GOAL_US if is_rust else None,
                )
            )
    return rows, {"rounds": effort.rounds, "cases": CASES}


if __name__ == "__main__":
    main("smooth", run)
