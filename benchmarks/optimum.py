"""D5, D6, D15: the best amount for a cycle of two pools, beside degenbot's search; how fast, and whose profit is higher.

Each case is a random pair of pools whose prices disagree enough to pay. degenbot searches between one unit and a bound: it is handed
ten times the optimum, the same for every case, and both sides answer the same cases more than once, so that what they remember of a
pool is there. A profit is what the exact quotes of the worker that found the amount pay for it.
"""

from functools import partial
from random import Random

from peers.cases import CycleCase, Record, pairs
from peers.report import (
    DEGENBOT,
    DEGENBOT_NEXT,
    PYTHON,
    RUST,
    Effort,
    Party,
    Row,
    compared,
    interleaved,
    main,
    party,
    row,
)

KINDS = {"V2-V2": (2, 2), "V2-V3": (2, 3), "V3-V3": (3, 3)}
GOALS = {"V2-V2": 70.0, "V2-V3": 70.0, "V3-V3": 50.0}
NATIVE_GOAL = 500.0
TIMED = 100  # cases of one kind that a round times
COMPARED = {"V2-V2": 5_000, "V2-V3": 2_500, "V3-V3": 2_500}
LONGER = 3  # a round of a slow peer is long enough to be disturbed, so there are more of them
PATHS = 1_000
PATH_GOAL_US = 0.3
SEED = 7


def load(people: Party, kind: str, count: int, seed: str = "optimum") -> int:
    """Give every worker the same cases; returns how many."""
    records: list[Record]
    cases: list[CycleCase]
    records, cases = pairs(KINDS[kind], count, f"{SEED}-{seed}-{kind}")
    for worker in people.everyone():
        worker.ask("pools", pools=records)
        worker.ask("cycles", cycles=cases)
    return len(cases)


def profits(people: Party, kind: str, peer: str, count: int) -> list[Row]:
    """Return the row of D6 for one kind and peer: in how many cases ours is at least theirs."""
    theirs = people.peers[peer].ask("optimum")
    rows = []
    for twin, worker in people.twins.items():
        ours = worker.ask("optimum")
        pairs_of = [(a[1] if a else 0, b[1] if b else 0) for a, b in zip(ours, theirs, strict=True)]
        never_below = sum(mine >= other for mine, other in pairs_of)
        above = sum(mine > other for mine, other in pairs_of)
        short = max(
            ((other - mine) * 10**12 // other for mine, other in pairs_of if other), default=0
        )
        worst = f", below by at most {short} in 10^12" if never_below < count else ""
        rows.append(
            row(
                "D6",
                f"cases of {count} {kind} where our profit is not below theirs (above in {above}{worst})",
                twin=twin,
                value=100 * never_below / count,
                unit="%",
                peer=people.names[peer],
                goal_text="100 %",
                met=never_below == count,
            )
        )
    return rows


def times(people: Party, kind: str, effort: Effort, count: int) -> list[Row]:
    """Return the rows of D5 for one kind."""
    numbers = Random(SEED).sample(range(count), min(TIMED, count))
    measures = {
        worker.name: partial(worker.ask, "time_optimum", numbers=numbers)
        for worker in people.everyone()
    }
    taken = interleaved(measures, effort.rounds * LONGER)
    goals = {
        DEGENBOT: {PYTHON: GOALS[kind], RUST: NATIVE_GOAL},
        DEGENBOT_NEXT: {},
    }
    return compared("D5", f"optimum of a {kind} cycle", taken, people, peers=goals)


def paths(people: Party, effort: Effort) -> list[Row]:
    """Return the rows of D15: the same question for many V2 cycles, per cycle."""
    count = load(people, "V2-V2", effort.scaled(PATHS), "paths")
    numbers = list(range(count))
    chosen = {
        worker.name: partial(worker.ask, "time_batch", numbers=numbers)
        for worker in people.everyone()
    }
    taken = interleaved(chosen, effort.rounds)
    rows = compared(
        "D15",
        f"per path, {count} two-pool V2 cycles in one call",
        taken,
        people,
        peers={DEGENBOT: {}, DEGENBOT_NEXT: {}},
    )
    for one in rows:
        if one["twin"] == RUST:
            one["goal"] = f"<= {PATH_GOAL_US} us"
            one["met"] = float(str(one["value"])) <= PATH_GOAL_US
    return rows


def run(effort: Effort) -> tuple[list[Row], dict[str, object]]:
    """Return all rows."""
    rows: list[Row] = []
    counts = {kind: effort.scaled(count) for kind, count in COMPARED.items()}
    with party((DEGENBOT, DEGENBOT_NEXT)) as people:
        for kind in KINDS:
            count = load(people, kind, counts[kind])
            for peer in people.peers:
                rows += profits(people, kind, peer, count)
            rows += times(people, kind, effort, count)
        rows += paths(people, effort)
    rows.sort(key=lambda one: str(one["id"]))
    return rows, {"rounds": effort.rounds, "cases": counts, "timed_per_round": TIMED}


if __name__ == "__main__":
    main("optimum", run)
