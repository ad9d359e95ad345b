"""Worker: AlphaPulse's own answers through the kernel's door, asked in the words that the peers are asked in.

Started as `python subject.py TWIN`. It exists so that subject and peer are measured by the same means.
"""

import json
import sys
from time import perf_counter_ns
from typing import Any

from line import growth, nanoseconds, serve

from alphapulse.amm import kernel
from alphapulse.errors import Rejected

Record = dict[str, Any]
Hops = list[tuple[Any, bool]]

POOLS: dict[str, Any] = {}
CYCLES: list[tuple[Hops, int]] = []
TWIN = sys.argv[1] if len(sys.argv) > 1 else "python"


def hello() -> str:
    return f"alphapulse, {kernel.require(TWIN)} twin"


def pool_of(record: Record) -> Any:  # noqa: ANN401
    """Return our pool with a state."""
    if record["kind"] == "v2":
        return kernel.V2Pool(record["reserve0"], record["reserve1"], record["fee"])
    return kernel.V3Pool(
        record["sqrt_price"],
        record["tick"],
        record["liquidity"],
        record["fee"],
        record["spacing"],
        {tick: (gross, net) for tick, gross, net in record["ticks"]},
    )


def pools(pools: list[Record]) -> int:
    for record in pools:
        POOLS[record["id"]] = pool_of(record)
    return len(POOLS)


def quote(asks: list[tuple[str, bool, int]]) -> list[int | None]:
    found: list[int | None] = []
    for identity, zero_for_one, amount in asks:
        try:
            found.append(POOLS[identity].amount_out(amount, zero_for_one))
        except Rejected:
            found.append(None)
    return found


def crossed(asks: list[tuple[str, bool, int]]) -> list[int]:
    return [POOLS[identity].ticks_crossed(amount, side) for identity, side, amount in asks]


def time_quote(ask: tuple[str, bool, int], budget_ms: float) -> float:
    identity, zero_for_one, amount = ask
    call = POOLS[identity].amount_out
    return nanoseconds(lambda: call(amount, zero_for_one), budget_ms)


def time_asks(asks: list[tuple[str, bool, int]]) -> float:
    """Return the mean time of quotes of many pools and amounts, each asked once."""
    calls = [(POOLS[identity].amount_out, amount, side) for identity, side, amount in asks]
    begin = perf_counter_ns()
    for call, amount, side in calls:
        call(amount, side)
    return (perf_counter_ns() - begin) / len(calls)


def cycles(cycles: list[tuple[list[tuple[str, bool]], int]]) -> int:
    CYCLES.clear()
    for hops, most in cycles:
        CYCLES.append(([(POOLS[identity], side) for identity, side in hops], most))
    return len(CYCLES)


def optimum() -> list[tuple[int, int] | None]:
    found: list[tuple[int, int] | None] = []
    for hops, most in CYCLES:
        sized = kernel.optimise(hops, premium_bps=0, max_amount_in=most)
        found.append(None if sized is None else (sized.amount_in, sized.gross_profit))
    return found


def time_optimum(numbers: list[int]) -> float:
    chosen = [CYCLES[number] for number in numbers]
    optimise = kernel.optimise
    begin = perf_counter_ns()
    for hops, most in chosen:
        optimise(hops, premium_bps=0, max_amount_in=most)
    return (perf_counter_ns() - begin) / len(chosen)


def time_batch(numbers: list[int]) -> float:
    """Return the mean time of these cycles handed over together."""
    chosen = [CYCLES[number][0] for number in numbers]
    most = max(CYCLES[number][1] for number in numbers)
    begin = perf_counter_ns()
    kernel.optimise_batch(chosen, premium_bps=0, max_amount_in=most)
    return (perf_counter_ns() - begin) / len(chosen)


def time_quotes(identity: str, zero_for_one: bool, amounts: list[int], budget_ms: float) -> float:
    """Return the time of one quote among many that are handed over together."""
    pool = POOLS[identity]
    ask = kernel.quote_batch
    return nanoseconds(lambda: ask(pool, amounts, zero_for_one), budget_ms) / len(amounts)


def quotes(identity: str, zero_for_one: bool, amounts: list[int]) -> list[int]:
    return kernel.quote_batch(POOLS[identity], amounts, zero_for_one)


def memory(texts: list[str]) -> float:
    """Return bytes by which the process grows with each of these pools, asked both ways so that their curves are there."""

    def build(text: str) -> None:
        record = json.loads(text)
        pools([record])
        for side in (False, True):
            POOLS[record["id"]].amount_out(10**15, side)

    return growth(texts, build)


if __name__ == "__main__":
    serve(
        {
            "hello": hello,
            "pools": pools,
            "quote": quote,
            "crossed": crossed,
            "time_quote": time_quote,
            "time_asks": time_asks,
            "cycles": cycles,
            "optimum": optimum,
            "time_optimum": time_optimum,
            "time_batch": time_batch,
            "quotes": quotes,
            "time_quotes": time_quotes,
            "memory": memory,
        }
    )
