"""D1, D2, D3, D14: one exact quote of a concentrated pool, and what such a pool holds in memory, beside degenbot and Uniswap's v3-sdk.

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
WARM_ROUNDS = 10  # what a just-in-time compiler needs before it is at its best
BATCH = 1_000
BATCH_GOAL = 2.0
MEMORY_POOLS = 400


def quotes(people: Party, effort: Effort) -> list[Row]:
    """Return the rows of D1 and D3."""
    pool = dense_pool()
    record = record_of("dense", pool, tokens_of("dense"))
    first = ("dense", True, amount_crossing(pool, 1))
    for worker in people.everyone():
        worker.ask("pools", pools=[record])
        for _ in range(WARM_ROUNDS):
            worker.ask("time_quote", ask=first, budget_ms=effort.budget_ms)
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


def batches(people: Party, effort: Effort) -> list[Row]:
    """Return the rows of D2: quotes handed over together, over the same quotes one by one."""
    pool = dense_pool()
    most = amount_crossing(pool, max(CROSSED))
    amounts = [most * (number + 1) // BATCH for number in range(BATCH)]
    asks = [("dense", True, amount) for amount in amounts]
    rows = []
    for twin, worker in people.twins.items():
        together = worker.ask("quotes", identity="dense", zero_for_one=True, amounts=amounts)
        assert together == worker.ask("quote", asks=asks)
        budget_ms = effort.budget_ms
        measures = {
            "batch": partial(
                worker.ask,
                "time_quotes",
                identity="dense",
                zero_for_one=True,
                amounts=amounts,
                budget_ms=budget_ms,
            ),
            "single": partial(worker.ask, "time_quote", ask=asks[BATCH // 2], budget_ms=budget_ms),
        }
        taken = interleaved(measures, effort.rounds)
        rows.append(
            row(
                "D2",
                f"V3 quote, {BATCH} handed over together",
                twin=twin,
                value=taken["batch"] / 1e3,
                peer="itself, one by one",
                peer_value=taken["single"] / 1e3,
                goal=BATCH_GOAL if twin == RUST else None,
            )
        )
    return rows


def memory(effort: Effort) -> list[Row]:
    """Return the rows of D14, from fresh workers: nothing else is in their memory."""
    count = 20 if effort.is_quick else MEMORY_POOLS
    texts = [
        json.dumps(record_of(f"memory-{number}", dense_pool(MEMORY_TICKS, number), tokens_of(0)))
        for number in range(count)
    ]
    with party((DEGENBOT, DEGENBOT_NEXT)) as people:
        taken = {worker.name: worker.ask("memory", texts=texts) for worker in people.everyone()}
        return compared(
            "D14",
            f"growth of the process per V3 pool with {MEMORY_TICKS} ticks, asked both ways",
            taken,
            people,
            peers={DEGENBOT: {}, DEGENBOT_NEXT: {}},
            unit="KB",
        )


def run(effort: Effort) -> tuple[list[Row], dict[str, object]]:
    """Return all rows."""
    with party((DEGENBOT, DEGENBOT_NEXT, SDK)) as people:
        rows = quotes(people, effort)
        rows += batches(people, effort)
    rows += memory(effort)
    return rows, {"rounds": effort.rounds, "memory_pools": MEMORY_POOLS}


if __name__ == "__main__":
    main("quotes", run)
