"""D1, D3, D14: one exact quote of a concentrated pool, and what such a pool holds in memory, beside degenbot and Uniswap's v3-sdk.

All are asked the same inputs and must give the same outputs. Each worker times its own calls; rounds alternate.
"""

import json
from functools import partial

from peers.cases import DENSE_TICKS, MEMORY_TICKS, amount_crossing, dense_pool, record_of, tokens_of
from peers.report import (
    DEGENBOT,
    DEGENBOT_NEXT,
    PYTHON,
    RUST,
    SDK,
    Effort,
    Party,
    Row,
    compared,
    interleaved,
    main,
    party,
    row,
)

CROSSED = (1, 5, 50)
GOALS = {
    DEGENBOT: {PYTHON: 60.0, RUST: 400.0},
    DEGENBOT_NEXT: {},
    SDK: {PYTHON: 40.0, RUST: 300.0},
}
FLAT_GOAL = 1.3
MEMORY_POOLS = 60


def quotes(people: Party, effort: Effort) -> list[Row]:
    """Return the rows of D1 and D3."""
    pool = dense_pool()
    record = record_of("dense", pool, tokens_of("dense"))
    for worker in people.everyone():
        worker.ask("pools", pools=[record])
    rows, medians = [], {}
    for crossed in CROSSED:
        ask = ("dense", True, amount_crossing(pool, crossed))
        assert pool.ticks_crossed(ask[2], True) == crossed
        expected = pool.amount_out(ask[2], True)
        wrong = [
            worker.name
            for worker in people.everyone()
            if int(worker.ask("quote", asks=[ask])[0]) != expected
        ]
        measures = {
            worker.name: partial(worker.ask, "time_quote", ask=ask, budget_ms=effort.budget_ms)
            for worker in people.everyone()
        }
        taken = medians[crossed] = interleaved(measures, effort.rounds)
        what = f"V3 exact-in quote, {DENSE_TICKS} ticks, {crossed} crossed"
        rows += compared("D1", what, taken, people, peers=GOALS, wrong=wrong)
    for twin in people.twins:
        share = medians[50][twin] / medians[1][twin]
        rows.append(
            row(
                "D3",
                "quote that crosses 50 ticks, over one that crosses 1",
                twin=twin,
                value=share,
                unit="x",
                goal_text=f"<= {FLAT_GOAL}x",
                met=share <= FLAT_GOAL,
            )
        )
    return rows


def memory(effort: Effort) -> list[Row]:
    """Return the rows of D14, from fresh workers: nothing else is in their memory."""
    count = effort.scaled(MEMORY_POOLS)
    texts = [
        json.dumps(record_of(f"memory-{number}", dense_pool(MEMORY_TICKS, number), tokens_of(0)))
        for number in range(count)
    ]
    with party((DEGENBOT, DEGENBOT_NEXT)) as people:
        taken = {worker.name: worker.ask("memory", texts=texts) for worker in people.everyone()}
        return compared(
            "D14",
            f"memory of a V3 pool with {MEMORY_TICKS} ticks, curves made",
            taken,
            people,
            peers={DEGENBOT: {}, DEGENBOT_NEXT: {}},
            unit="KB",
        )


def run(effort: Effort) -> tuple[list[Row], dict[str, object]]:
    """Return all rows."""
    with party((DEGENBOT, DEGENBOT_NEXT, SDK)) as people:
        rows = quotes(people, effort)
    rows += memory(effort)
    return rows, {"rounds": effort.rounds, "memory_pools": effort.scaled(MEMORY_POOLS)}


if __name__ == "__main__":
    main("quotes", run)
