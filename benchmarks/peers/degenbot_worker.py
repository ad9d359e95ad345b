"""Worker: degenbot's published release, its pools built from values and its cycles from those pools.

No node is asked. Its pool classes read their state through two methods, which are answered here from the values given; its tokens
are registered ready made; its settings and database go to a folder that ends with the process. What is timed is its own code.
"""

import contextlib
import importlib.metadata
import json
import logging
import os
import tempfile
from fractions import Fraction
from pathlib import Path
from time import perf_counter_ns
from typing import Any

SCRATCH = tempfile.TemporaryDirectory()
os.environ["HOME"] = SCRATCH.name
SETTINGS = Path(SCRATCH.name) / ".config" / "degenbot"
SETTINGS.mkdir(parents=True)
(SETTINGS / "config.toml").write_text(f'[database]\npath = "{SETTINGS}/degenbot.db"\n[rpc]\n')

import degenbot  # noqa: E402 - it reads its settings under HOME when it is imported
from degenbot.arbitrage import UniswapLpCycle  # noqa: E402
from degenbot.database import db_session  # noqa: E402
from degenbot.database.models import Base  # noqa: E402
from degenbot.erc20 import Erc20Token  # noqa: E402
from degenbot.exceptions import DegenbotError  # noqa: E402
from degenbot.exceptions.arbitrage import ArbitrageError  # noqa: E402
from degenbot.registry import token_registry  # noqa: E402
from degenbot.uniswap.v2_liquidity_pool import UniswapV2Pool  # noqa: E402
from degenbot.uniswap.v3_liquidity_pool import UniswapV3Pool  # noqa: E402
from degenbot.uniswap.v3_types import (  # noqa: E402
    UniswapV3BitmapAtWord,
    UniswapV3LiquidityAtTick,
    UniswapV3PoolExternalUpdate,
)
from line import growth, nanoseconds, serve  # noqa: E402
from usual_stack import calldata_of, event_of, prepared, signed  # noqa: E402
from web3 import Web3  # noqa: E402
from web3.providers.base import JSONBaseProvider  # noqa: E402

CHAIN_ID = 31337
FACTORY = "0x" + "fa" * 20
FIRST_BLOCK = 1

Record = dict[str, Any]
Cycle = UniswapLpCycle


class NoNode(JSONBaseProvider):  # type: ignore[misc]
    """Knows the chain's number and nothing else."""

    def make_request(self, method: str, params: Any) -> Any:  # noqa: ANN401
        if method != "eth_chainId":
            raise ConnectionError(f"there is no node to ask {method} of")
        return {"jsonrpc": "2.0", "id": 1, "result": hex(CHAIN_ID)}

    def is_connected(self, show_traceback: bool = False) -> bool:
        return True


VALUES: dict[str, Record] = {}


class V2FromValues(UniswapV2Pool):  # type: ignore[misc]
    """A pair whose state was given."""

    def get_immutable_pool_values(self, w3: object) -> Any:  # noqa: ANN401
        record = VALUES[self.address]
        return FACTORY, (record["token0"], record["token1"])

    def get_reserves(self, w3: object, block_identifier: object) -> tuple[int, int]:
        record = VALUES[self.address]
        return record["reserve0"], record["reserve1"]


class V3FromValues(UniswapV3Pool):  # type: ignore[misc]
    """A concentrated pool whose state was given."""

    def get_immutable_pool_values(self, w3: object) -> Any:  # noqa: ANN401
        record = VALUES[self.address]
        return FACTORY, (record["token0"], record["token1"]), record["fee"], record["spacing"]

    def get_mutable_pool_values(self, w3: object, state_block: object) -> tuple[int, int, int]:
        record = VALUES[self.address]
        return record["sqrt_price"], record["tick"], record["liquidity"]


class Collector:
    """Hears from cycles that their state may pay."""

    def __init__(self) -> None:
        self.heard: dict[Cycle, None] = {}

    def notify(self, publisher: Cycle, message: object) -> None:
        self.heard[publisher] = None


POOLS: dict[str, Any] = {}
BY_ADDRESS: dict[str, Any] = {}
CYCLES: list[Cycle] = []
COLLECTOR = Collector()
BLOCK = [FIRST_BLOCK]


def hello() -> str:
    logging.disable(logging.CRITICAL)
    Base.metadata.create_all(bind=db_session.connection())
    degenbot.set_web3(Web3(NoNode()))
    return f"degenbot {importlib.metadata.version('degenbot')}"


def token(address: str) -> None:
    """Register a token ready made."""
    if token_registry.get(token_address=address, chain_id=CHAIN_ID) is not None:
        return
    made = Erc20Token.__new__(Erc20Token)
    made.address = Web3.to_checksum_address(address)
    made._chain_id = CHAIN_ID
    made.decimals, made.name, made.symbol = 18, address[:8], address[:8]
    token_registry.add(token_address=made.address, chain_id=CHAIN_ID, token=made)


def pool_of(record: Record) -> Any:  # noqa: ANN401
    """Return degenbot's pool with a state."""
    address = Web3.to_checksum_address(record["address"])
    VALUES[address] = record
    token(record["token0"])
    token(record["token1"])
    common = {
        "chain_id": CHAIN_ID,
        "state_block": FIRST_BLOCK,
        "verify_address": False,
        "silent": True,
    }
    if record["kind"] == "v2":
        return V2FromValues(address, fee=Fraction(record["fee"], 10**6), **common)
    bitmap: dict[int, int] = {}
    for tick, _, _ in record["ticks"]:
        word, bit = divmod(tick // record["spacing"], 256)
        bitmap[word] = bitmap.get(word, 0) | 1 << bit
    return V3FromValues(
        address,
        tick_bitmap={word: UniswapV3BitmapAtWord(bitmap=bits) for word, bits in bitmap.items()},
        tick_data={
            tick: UniswapV3LiquidityAtTick(liquidity_net=net, liquidity_gross=gross)
            for tick, gross, net in record["ticks"]
        },
        **common,
    )


def pools(pools: list[Record]) -> int:
    for record in pools:
        made = POOLS[record["id"]] = pool_of(record)
        BY_ADDRESS[record["address"].lower()] = made
    return len(POOLS)


def _quote(identity: str, zero_for_one: bool, amount: int) -> int:
    pool = POOLS[identity]
    return int(
        pool.calculate_tokens_out_from_tokens_in(
            token_in=pool.token0 if zero_for_one else pool.token1, token_in_quantity=amount
        )
    )


def quote(asks: list[tuple[str, bool, int]]) -> list[int | None]:
    found: list[int | None] = []
    for ask in asks:
        try:
            found.append(_quote(*ask))
        except DegenbotError:
            found.append(None)
    return found


def time_quote(ask: tuple[str, bool, int], budget_ms: float) -> float:
    identity, zero_for_one, amount = ask
    pool = POOLS[identity]
    token_in = pool.token0 if zero_for_one else pool.token1
    call = pool.calculate_tokens_out_from_tokens_in
    return nanoseconds(lambda: call(token_in=token_in, token_in_quantity=amount), budget_ms)


def cycles(cycles: list[tuple[list[tuple[str, bool]], int]]) -> int:
    """Build cycles of pools, each with the most that may go in."""
    CYCLES.clear()
    for number, (hops, most) in enumerate(cycles):
        first = POOLS[hops[0][0]]
        made = UniswapLpCycle(
            input_token=first.token0 if hops[0][1] else first.token1,
            swap_pools=[POOLS[identity] for identity, _ in hops],
            id=str(number),
            max_input=most,
        )
        made.subscribe(COLLECTOR)
        CYCLES.append(made)
    return len(CYCLES)


def _profit(cycle: Cycle, amount_in: int) -> int:
    """Return what an amount earns by degenbot's own exact quotes."""
    amount = amount_in
    for pool, vector in zip(cycle.swap_pools, cycle._swap_vectors, strict=True):
        amount = pool.calculate_tokens_out_from_tokens_in(
            token_in=vector.token_in, token_in_quantity=amount
        )
    return int(amount - amount_in)


def _found(cycle: Cycle) -> tuple[int, int] | None:
    try:
        amount_in = cycle.calculate().input_amount
        return amount_in, _profit(cycle, amount_in)
    except DegenbotError:
        return None


def optimum() -> list[tuple[int, int] | None]:
    return [_found(cycle) for cycle in CYCLES]


def time_optimum(numbers: list[int]) -> float:
    """Return the mean time over these cycles."""
    chosen = [CYCLES[number] for number in numbers]
    begin = perf_counter_ns()
    for cycle in chosen:
        with contextlib.suppress(DegenbotError):
            cycle.calculate()
    return (perf_counter_ns() - begin) / len(chosen)


def _move(pool: Any, sqrt_price: int, tick: int, liquidity: int) -> None:  # noqa: ANN401
    BLOCK[0] += 1
    pool.external_update(
        UniswapV3PoolExternalUpdate(
            block_number=BLOCK[0], liquidity=liquidity, sqrt_price_x96=sqrt_price, tick=tick
        )
    )


def _best_of_heard() -> tuple[int, int, Cycle, Any] | None:
    best = None
    for cycle in COLLECTOR.heard:
        try:
            result = cycle.calculate()
        except ArbitrageError:
            continue
        if best is None or result.profit_amount > best[0]:
            best = (result.profit_amount, result.input_amount, cycle, result)
    return best


def events(moved: str, rest: list[int], states: list[list[int]]) -> dict[str, list[Any]]:
    """Move one pool from rest to each state; return the best cycle's exact profit, and how long the way to it took."""
    pool = POOLS[moved]
    profits: list[int | None] = []
    times, counts = [], []
    for state in states:
        COLLECTOR.heard.clear()
        begin = perf_counter_ns()
        _move(pool, *state)
        best = _best_of_heard()
        times.append(perf_counter_ns() - begin)
        counts.append(len(COLLECTOR.heard))
        profits.append(None if best is None else _profit(best[2], best[1]))
        _move(pool, *rest)
    return {"profits": profits, "ns": times, "survivors": counts}


def frames(
    moved: str, rest: list[int], frames: list[str], call: dict[str, Any]
) -> dict[str, list[Any]]:
    """Take frames one by one, each from rest, to a signed transaction for the best cycle."""
    said: list[str | None] = []
    profits: list[int | None] = []
    times = []
    call["fields"] = prepared(call["fields"])
    for frame in frames:
        raw = frame.encode()
        COLLECTOR.heard.clear()
        begin = perf_counter_ns()
        event = event_of(raw)
        pool = BY_ADDRESS[event["address"].lower()]
        _move(pool, event["sqrt_price"], event["tick"], event["liquidity"])
        best = _best_of_heard()
        transaction = None
        if best is not None and best[0] > 0:
            cycle = best[2]
            data = calldata_of(
                [pool.address for pool in cycle.swap_pools],
                [best[1], *[0] * (len(cycle.swap_pools) - 1)],
                best[0],
                cycle.input_token.address,
                call["recipient"],
            )
            transaction = signed({**call["fields"], "data": data})
        times.append(perf_counter_ns() - begin)
        said.append(None if transaction is None else transaction.hex())
        profits.append(None if best is None else _profit(best[2], best[1]))
        _move(POOLS[moved], *rest)
    return {"transactions": said, "ns": times, "profits": profits}


def memory(texts: list[str]) -> float:
    """Return bytes by which the process grows with each of these pools."""

    def build(text: str) -> None:
        pools([json.loads(text)])
        VALUES.clear()

    return growth(texts, build)


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
            "frames": frames,
            "memory": memory,
        }
    )
