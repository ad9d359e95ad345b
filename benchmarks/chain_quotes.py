"""D10: a quote from our own memory, beside the deployed contracts: QuoterV2 in an EVM in this process (pyrevm), and asked of a node (anvil).

A local chain has real pools; each round trades at random, reads the pools' state, and asks the same quotes of everybody. All answers
must be equal. The node is asked over an open WebSocket, which is the quickest way that it answers a single call.
"""

import asyncio
from random import Random
from statistics import median
from time import perf_counter_ns
from typing import Any

from alphapulse.devnet.calls import answer_of, call_data
from alphapulse.devnet.devnet import Devnet, DevnetOptions
from alphapulse.devnet.layout import TRADERS
from alphapulse.devnet.manifest import PoolEntry
from alphapulse.devnet.orders import order_of
from alphapulse.devnet.people import Motive, Swap
from alphapulse.evm.rpc import JsonRpc
from alphapulse.primitives.address import hex_of
from peers.cases import Ask, Record
from peers.report import PYTHON, RUST, Effort, Party, Row, compared, main, party

try:
    import pyrevm
except ImportError:
    pyrevm = None

SEED = 7
STATES = 50
ASKS_PER_STATE = 200
SWAPS_PER_STATE = 6
EVM, NODE = "pyrevm", "anvil"
GOALS = {EVM: {PYTHON: 80.0, RUST: 300.0}, NODE: {PYTHON: 400.0, RUST: 1_500.0}}
QUOTE = "quoteExactInputSingle((address,address,uint256,uint24,uint160))"
ANYBODY = "0x" + "11" * 20


class Chain:
    """A local chain, the quotes that it can be asked, and the random trades that move it."""

    def __init__(self, devnet: Devnet, rng: Random) -> None:
        self.rpc: JsonRpc = devnet.rpc
        self.devnet, self.rng = devnet, rng
        self.pools = [pool for pool in devnet.manifest.pools if pool.kind == "uniswap_v3"]
        self.depths: dict[bytes, tuple[int, int]] = {}

    async def call(self, to: bytes, data: bytes, types: tuple[str, ...]) -> tuple[Any, ...]:
        """Return the decoded answer of a view."""
        request = {"to": hex_of(to), "data": hex_of(data)}
        answer = await self.rpc.request(str, "eth_call", request, "latest")
        return answer_of(types, bytes.fromhex(answer[2:]))

    async def prepare(self) -> None:
        """Read what does not change: how much each pool holds."""
        for pool in self.pools:
            held = [
                (
                    await self.call(
                        token, call_data("balanceOf(address)", pool.address), ("uint256",)
                    )
                )[0]
                for token in (pool.token0, pool.token1)
            ]
            self.depths[pool.address] = (held[0], held[1])
        for trader in TRADERS:
            await self.rpc.request(object, "anvil_impersonateAccount", hex_of(trader))

    def amount(self, pool: PoolEntry, zero_for_one: bool) -> int:
        """Return an input from dust to a large part of the pool."""
        depth = self.depths[pool.address][0 if zero_for_one else 1]
        return max(1, int(depth * 10 ** self.rng.uniform(-9, -0.7)))

    async def trade(self) -> None:
        """Let strangers swap, and mine."""
        for number in range(SWAPS_PER_STATE):
            pool, side = self.rng.choice(self.pools), self.rng.random() < 0.5
            amount = self.amount(pool, side)
            swap = Swap(Motive.NOISE, number % len(TRADERS), pool, side, amount, 0, 0)
            order = order_of(self.devnet.manifest, swap)
            transaction = {
                "from": hex_of(order.sender),
                "to": hex_of(order.to),
                "data": hex_of(order.data),
                "gas": hex(order.gas_limit),
            }
            await self.rpc.request(str, "eth_sendTransaction", transaction)
        await self.devnet.mine()

    async def record(self, pool: PoolEntry) -> Record:
        """Return a pool's state as a record."""
        slot = await self.call(pool.address, call_data("slot0()"), ("uint160", "int24"))
        (liquidity,) = await self.call(pool.address, call_data("liquidity()"), ("uint128",))
        edges = {
            edge
            for position in self.devnet.manifest.positions
            if position.pool == pool.address
            for edge in (position.tick_lower, position.tick_upper)
        }
        ticks = []
        for edge in sorted(edges):
            data = call_data("ticks(int24)", edge)
            gross, net = await self.call(pool.address, data, ("uint128", "int128"))
            ticks.append([edge, gross, net])
        return {
            "id": hex_of(pool.address),
            "address": hex_of(pool.address),
            "kind": "v3",
            "fee": pool.fee_pips,
            "spacing": pool.tick_spacing,
            "sqrt_price": slot[0],
            "tick": slot[1],
            "liquidity": liquidity,
            "ticks": ticks,
        }

    def asks(self, count: int) -> list[tuple[Ask, bytes]]:
        """Return quotes to ask: for our workers, and as calldata for the quoter."""
        found = []
        for _ in range(count):
            pool, side = self.rng.choice(self.pools), self.rng.random() < 0.5
            amount = self.amount(pool, side)
            tokens = (pool.token0, pool.token1) if side else (pool.token1, pool.token0)
            data = call_data(QUOTE, (*tokens, amount, pool.fee_pips, 0))
            found.append(((hex_of(pool.address), side, amount), data))
        return found


async def by_node(chain: Chain, calls: list[bytes]) -> tuple[list[int], float]:
    """Return the node's answers and the mean time of one."""
    quoter = hex_of(chain.devnet.manifest.quoter)
    requests = [{"to": quoter, "data": hex_of(data)} for data in calls]
    answers = []
    begin = perf_counter_ns()
    for request in requests:
        answers.append(await chain.rpc.request(str, "eth_call", request, "latest"))
    taken = (perf_counter_ns() - begin) / len(calls)
    return [int(answer[2:66], 16) for answer in answers], taken


def by_evm(chain: Chain, calls: list[bytes]) -> tuple[list[int], float]:
    """Return the answers of an EVM in this process, its state fetched before it is timed."""
    quoter = hex_of(chain.devnet.manifest.quoter)
    evm = pyrevm.EVM(fork_url=chain.devnet.anvil.rpc_http)
    for data in calls:
        evm.message_call(ANYBODY, quoter, calldata=data, is_static=False)
    answers = []
    begin = perf_counter_ns()
    for data in calls:
        answers.append(evm.message_call(ANYBODY, quoter, calldata=data, is_static=False))
    taken = (perf_counter_ns() - begin) / len(calls)
    return [int.from_bytes(answer[:32], "big") for answer in answers], taken


async def measure(people: Party, effort: Effort) -> tuple[list[Row], dict[str, object]]:
    """Return the rows of D10."""
    taken: dict[str, list[float]] = {}
    wrong: set[str] = set()
    states, per_state = effort.scaled(STATES), effort.scaled(ASKS_PER_STATE)
    options = DevnetOptions(block_time_s=0, activity=False, seed=SEED)
    async with Devnet.start(options) as devnet:
        chain = Chain(devnet, Random(SEED))
        await chain.prepare()
        for _ in range(states):
            await chain.trade()
            records = [await chain.record(pool) for pool in chain.pools]
            asked = chain.asks(per_state)
            asks, calls = [ask for ask, _ in asked], [data for _, data in asked]
            expected, spent = await by_node(chain, calls)
            taken.setdefault(NODE, []).append(spent)
            if pyrevm is not None:
                answers, spent = by_evm(chain, calls)
                taken.setdefault(EVM, []).append(spent)
                wrong |= {EVM} if answers != expected else set()
            for twin, worker in people.twins.items():
                worker.ask("pools", pools=records)
                wrong |= {twin} if worker.ask("quote", asks=asks) != expected else set()
                taken.setdefault(twin, []).append(worker.ask("time_asks", asks=asks))
    people.names |= {NODE: "anvil eth_call, QuoterV2", EVM: "pyrevm, QuoterV2"}
    differ = [NODE, EVM] if wrong & set(people.twins) else sorted(wrong)
    rows = compared(
        "D10",
        f"V3 quote, {states * per_state} random asks of {states} states of {len(chain.pools)} pools",
        {name: median(values) for name, values in taken.items()},
        people,
        peers=GOALS,
        wrong=differ,
    )
    return rows, {"states": states, "asks_per_state": per_state, "all_equal": not wrong}


def run(effort: Effort) -> tuple[list[Row], dict[str, object]]:
    """Return all rows."""
    with party(()) as people:
        return asyncio.run(measure(people, effort))


if __name__ == "__main__":
    main("chain_quotes", run)
