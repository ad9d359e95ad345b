"""Time from a block's logs to signed transactions, stage by stage, on a universe like the demo's.

Run as `python benchmarks/decision.py`: one JSON object with a row per stage. A block's frame is the node's answer to
`eth_getLogs` for that block, which is what the collector decides a block by. Pools move by random trades and by the plans found, so
that differences open and close. Whole-path rows come from the strategy as the node runs it; stage rows repeat its stages, called
one by one on the same blocks.
"""

import argparse
import gc
import json
import os
import platform
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import product
from math import isqrt
from random import Random
from time import perf_counter_ns

import msgspec
from coincurve import PrivateKey

from alphapulse.amm import kernel
from alphapulse.amm.uniswap_v3.pool import limit_of
from alphapulse.amm.uniswap_v3.pool import swap as swap_loop
from alphapulse.amm.uniswap_v3.tick_math import tick_at_sqrt_ratio
from alphapulse.collectors.evm.blocks import BlockHeader
from alphapulse.collectors.evm.config import EvmCollectorConfig, PoolConfig, TokenConfig
from alphapulse.collectors.evm.fake_pools import log_of
from alphapulse.collectors.evm.normaliser import Normaliser
from alphapulse.collectors.evm.snapshot import PoolSnapshot
from alphapulse.collectors.evm.tracker import V2Track, V3Track
from alphapulse.evm.logs import LogJson, V2Swap, V2Sync, V3Swap, decode_log, log_entry
from alphapulse.evm.transaction import UnsignedTransaction, sign
from alphapulse.execution.plan import Plan
from alphapulse.market.pools import Market
from alphapulse.primitives.address import Address, Hash32
from alphapulse.protocol.codec import stamp
from alphapulse.protocol.execution import ExecutionResult, ExecutionStatus
from alphapulse.protocol.header import Domain, Source
from alphapulse.protocol.message import Draft, Message
from alphapulse.strategies.flash_arbitrage.config import BorrowableToken, FlashArbitrageConfig
from alphapulse.strategies.flash_arbitrage.emission import emit
from alphapulse.strategies.flash_arbitrage.in_flight import InFlight
from alphapulse.strategies.flash_arbitrage.outcome import Funnel
from alphapulse.strategies.flash_arbitrage.profitability import Assessor
from alphapulse.strategies.flash_arbitrage.search import CycleSearch
from alphapulse.strategies.flash_arbitrage.selection import select
from alphapulse.strategies.flash_arbitrage.strategy import FlashArbitrage

CHAIN_ID = 31337
V2_A, V2_B, V3 = 300, 302, 301
SPACING = {500: 10, 3000: 60, 10000: 200}
TOKENS = {"WETH": (18, 2_500), "USDC": (6, 1), "DAI": (18, 1), "WBTC": (8, 60_000)}
POOLS = (
    (V2_A, "WETH", "USDC", 3000),
    (V2_A, "WETH", "DAI", 3000),
    (V2_A, "WBTC", "WETH", 3000),
    (V2_A, "USDC", "DAI", 3000),
    (V2_B, "WETH", "USDC", 3000),
    (V2_B, "WETH", "DAI", 3000),
    (V2_B, "WBTC", "WETH", 3000),
    (V2_B, "WBTC", "USDC", 3000),
    (V3, "WETH", "USDC", 500),
    (V3, "WETH", "USDC", 3000),
    (V3, "WETH", "USDC", 10000),
    (V3, "WETH", "DAI", 3000),
    (V3, "WBTC", "WETH", 500),
    (V3, "WBTC", "WETH", 3000),
    (V3, "WBTC", "USDC", 3000),
    (V3, "USDC", "DAI", 500),
)
USD_DEPTH = 2_000_000
RANGES_PER_POOL = 12
TRADES_PER_BLOCK = 4
BUSY_TRADES_MORE = 0  # beside one in every pool: about 38 logs a block with those of the plans
TRADE_USD_MEDIAN = 6_000
BASE_FEE = 10**9
WARM_BLOCKS = 50  # pools, curves and cycle lists exist by then
GOAL_P50_US = 1_000
GOAL_P99_US = 5_000
NOBODY = Address(bytes(19) + b"\1")
LOGS = msgspec.json.Decoder(tuple[LogJson, ...])


@dataclass
class Sim:
    """The chain that the benchmark plays: its own market, and the frames that it emits."""

    random: Random
    tokens: dict[str, Address] = field(default_factory=dict)
    market: Market = field(default_factory=Market)
    sequence: int = 0
    block: int = 1

    def __post_init__(self) -> None:
        for name in TOKENS:
            self.tokens[name] = Address(sha256(name.encode()).digest()[:20])
        self.config = EvmCollectorConfig(
            name="bench",
            chain_id=CHAIN_ID,
            rpc_ws="ws://127.0.0.1:1",
            pools=tuple(self._pool(*pool) for pool in POOLS),
            tokens=tuple(
                TokenConfig(address=self.tokens[name], symbol=name, decimals=decimals)
                for name, (decimals, _) in TOKENS.items()
            ),
            priority_fee_per_gas=10**9,
        )
        self.normaliser = Normaliser(self.config)

    def _pool(self, venue: int, one: str, other: str, fee: int) -> PoolConfig:
        token0, token1 = sorted((self.tokens[one], self.tokens[other]))
        name = f"{venue}{one}{other}{fee}".encode()
        return PoolConfig(
            address=Address(sha256(name).digest()[:20]),
            venue=venue,
            kind="uniswap_v3" if venue == V3 else "uniswap_v2",
            token0=token0,
            token1=token1,
            fee_pips=fee,
            tick_spacing=SPACING[fee] if venue == V3 else 0,
        )

    def header(self) -> BlockHeader:
        """Return the header of the current block."""
        own = Hash32(sha256(b"block%d" % self.block).digest())
        return BlockHeader(self.block, own, Hash32(bytes(32)), self.block * 10**9, BASE_FEE, 0)

    def setup(self) -> list[Message]:
        """Return the messages that a collector starts with."""
        header = self.header()
        drafts = list(self.normaliser.announcements(header))
        for pool in self.config.pools:
            drafts += self.normaliser.snapshot_drafts(self._snapshot(pool), header)
        drafts.append(self.normaliser.block_draft(header))
        return self.stamped(drafts)

    def stamped(self, drafts: Iterable[Draft]) -> list[Message]:
        """Return the drafts with sequence and time, as the bus gives them."""
        out = []
        for draft in drafts:
            self.sequence += 1
            out.append(stamp(draft, sequence=self.sequence, timestamp_ns=self.sequence * 1000))
        return out

    def _usd_per_unit(self, token: bytes) -> float:
        name = next(name for name, address in self.tokens.items() if address == token)
        return TOKENS[name][1] / 10 ** TOKENS[name][0]

    def _snapshot(self, pool: PoolConfig) -> PoolSnapshot:
        reserve0 = int(USD_DEPTH / self._usd_per_unit(pool.token0))
        reserve1 = int(USD_DEPTH / self._usd_per_unit(pool.token1))
        if pool.kind == "uniswap_v2":
            return PoolSnapshot(pool.address, V2Track(reserve0, reserve1))
        root = isqrt((reserve1 << 192) // reserve0)
        tick = tick_at_sqrt_ratio(root)
        spacing, ticks, active = pool.tick_spacing, defaultdict(lambda: [0, 0]), 0
        for number in range(RANGES_PER_POOL):
            half = 6000 if number == 0 else self.random.randrange(200, 4000)
            middle = tick + (0 if number == 0 else self.random.randrange(-1500, 1500))
            lower, upper = ((middle + side * half) // spacing * spacing for side in (-1, 1))
            amount = isqrt(reserve0 * reserve1) * self.random.randrange(1, 5) // 4
            for at, side in ((lower, 1), (upper, -1)):
                ticks[at][0] += amount
                ticks[at][1] += side * amount
            active += amount if lower <= tick < upper else 0
        rows = tuple((at, gross, net) for at, (gross, net) in sorted(ticks.items()) if gross)
        return PoolSnapshot(pool.address, V3Track(root, tick, active), rows)

    def next_block(self, plans: list[Plan], *, busy: bool) -> tuple[bytes, BlockHeader]:
        """Return the frame of the next block: plans first, then trades of strangers, in every pool when it is busy."""
        self.block += 1
        header, rows = self.header(), []
        for place, plan in enumerate(plans):
            for hop in plan.path:
                self._swap(rows, hop.pool, hop.zero_for_one, hop.amount_in, place)
        more = BUSY_TRADES_MORE if busy else 1 + self.random.randrange(TRADES_PER_BLOCK)
        traded = [self.random.choice(self.config.pools) for _ in range(more)]
        for place, pool in enumerate((*self.config.pools, *traded) if busy else traded):
            zero_for_one = self.random.random() < 0.5
            usd = TRADE_USD_MEDIAN * self.random.lognormvariate(0, 1)
            token = pool.token0 if zero_for_one else pool.token1
            amount = int(usd / self._usd_per_unit(token))
            self._swap(rows, pool.address, zero_for_one, amount, len(plans) + place)
        return msgspec.json.encode(rows), header

    def _swap(
        self,
        rows: list[dict[str, object]],
        address: bytes,
        zero_for_one: bool,
        amount: int,
        place: int,
    ) -> None:
        pool = self.market.pool(CHAIN_ID, address)
        assert pool is not None
        if pool.concentrated:
            limit = limit_of(zero_for_one=zero_for_one)
            after = swap_loop(pool.quoter.state(), zero_for_one, amount, limit)
            logs = [
                V3Swap(
                    NOBODY,
                    NOBODY,
                    after.amount0,
                    after.amount1,
                    after.sqrt_price_x96,
                    after.liquidity,
                    after.tick,
                )
            ]
        else:
            out = pool.quoter.amount_out(amount, zero_for_one)
            r0, r1 = pool.quoter.reserve0, pool.quoter.reserve1
            after0, after1 = (r0 + amount, r1 - out) if zero_for_one else (r0 - out, r1 + amount)
            amounts = (amount, 0, 0, out) if zero_for_one else (0, amount, out, 0)
            logs = [V2Sync(after0, after1), V2Swap(NOBODY, NOBODY, *amounts)]
        for log in logs:
            rows.append(self._row(address, log, len(rows), place))
            for message in self._decoded(msgspec.json.encode(rows[-1:]), self.header()):
                self.market.apply(message, 0)

    def _row(self, address: bytes, log: object, log_index: int, place: int) -> dict[str, object]:
        topics, data = log_of(log)
        tx_hash = sha256(b"%d/%d" % (self.block, place)).hexdigest()
        return {
            "address": "0x" + address.hex(),
            "topics": ["0x" + topic.hex() for topic in topics],
            "data": "0x" + data.hex(),
            "blockNumber": hex(self.block),
            "blockHash": "0x" + self.header().block_hash.hex(),
            "transactionHash": "0x" + tx_hash,
            "transactionIndex": hex(place),
            "logIndex": hex(log_index),
            "removed": False,
        }

    def _decoded(self, frame: bytes, header: BlockHeader) -> list[Message]:
        return self.stamped(drafts_of(self.normaliser, frame, header))

    def close(self, header: BlockHeader) -> Draft:
        """Return the message that ends a block."""
        return self.normaliser.block_draft(header)


def drafts_of(normaliser: Normaliser, frame: bytes, header: BlockHeader) -> Iterable[Draft]:
    """Yield the draft of each log of a frame."""
    for raw in LOGS.decode(frame):
        entry = log_entry(raw)
        yield normaliser.log_draft(entry, decode_log(entry), header, 0)


def strategy_config(sim: Sim, max_hops: int) -> FlashArbitrageConfig:
    """Return settings like the demo's: three borrowable tokens, 5 bps."""
    loans = {"WETH": 5_000 * 10**18, "USDC": 10_000_000 * 10**6, "DAI": 10_000_000 * 10**18}
    return FlashArbitrageConfig(
        chain_id=CHAIN_ID,
        contract=Address(b"c" * 20),
        recipient=Address(b"r" * 20),
        operator=Address(b"o" * 20),
        borrowable=tuple(BorrowableToken(sim.tokens[name], loan) for name, loan in loans.items()),
        wrapped_native=sim.tokens["WETH"],
        usd_tokens=(sim.tokens["USDC"], sim.tokens["DAI"]),
        premium_bps=5,
        max_hops=max_hops,
    )


def transaction_of(plan: Plan, nonce: int) -> UnsignedTransaction:
    """Return a plan as a transaction."""
    return UnsignedTransaction(
        plan.chain_id,
        nonce,
        plan.max_priority_fee_per_gas,
        plan.max_fee_per_gas,
        plan.gas_limit,
        plan.contract,
        0,
        plan.calldata,
    )


class Stages:
    """The strategy's stages by hand, each timed; nothing is in flight and nothing rests here."""

    def __init__(self, config: FlashArbitrageConfig, sim: Sim, times: dict[str, list[int]]) -> None:
        self.config, self.sim, self.times = config, sim, times
        self.market = Market()
        self.memory = InFlight.of(config)
        self.search = CycleSearch(config, self.market, self.memory)
        self.key = PrivateKey(b"\1" * 32)
        self.funnel = Funnel()

    def timed(self, stage: str, call: Callable[[], object]) -> object:
        """Return what a call returns, and note how long it took."""
        start = perf_counter_ns()
        result = call()
        self.times[stage].append(perf_counter_ns() - start)
        return result

    def run(self, frame: bytes, header: BlockHeader) -> None:
        """Run one block through every stage."""
        sim, market = self.sim, self.market
        messages = self.timed(
            "decode",
            lambda: sim.stamped([*drafts_of(sim.normaliser, frame, header), sim.close(header)]),
        )
        changed: dict[object, None] = {}

        def fold() -> None:
            for message in messages:
                changed.update(dict.fromkeys(market.apply(message, 0)))

        self.timed("fold", fold)
        head = market.head(CHAIN_ID)
        calibration = self.memory.calibration
        calibration.on_block(head.block, head.event_ns, head.event_ns)
        search, prices = self.search, self.search.prices
        assessor = Assessor(self.config, search.roster, prices, head, calibration)
        contest = self.timed(
            "search",
            lambda: search.contest(
                tuple(changed), price_per_gas=assessor.price_per_gas, resting=()
            ),
        )
        self.funnel.screened += contest.sums
        self.funnel.candidates += len(contest)
        chosen = self.timed("size", lambda: select(contest, assessor))
        self.funnel.sized += contest.sized
        self.times["decide"].append(
            sum(self.times[stage][-1] for stage in ("fold", "search", "size"))
        )
        for assessment in chosen:
            emission = self.timed(
                "build",
                lambda assessment=assessment: emit(
                    assessment,
                    config=self.config,
                    roster=search.roster,
                    prices=prices,
                    head=head,
                    now_ns=0,
                ),
            )
            self.timed("sign", lambda plan=emission.plan: sign(transaction_of(plan, 1), self.key))


def measure(
    blocks: int, seed: int, *, busy: bool, max_hops: int
) -> tuple[dict[str, list[int]], dict[str, object]]:
    """Return nanoseconds per stage and block, and what was found."""
    sim = Sim(Random(seed))
    config = strategy_config(sim, max_hops)
    times: dict[str, list[int]] = defaultdict(list)
    strategy, stages = FlashArbitrage(config), Stages(config, sim, times)
    for message in sim.setup():
        sim.market.apply(message, 0)
        strategy.on_message(message, message.header.timestamp_ns)
        stages.market.apply(message, 0)
    stages.search.prepare()
    plans: list[Plan] = []
    logs = changed = planned = 0
    gc.collect()
    for number in range(blocks + WARM_BLOCKS):
        for plan in plans:
            strategy.on_message(result_of(sim, plan), 0)
        frame, header = sim.next_block(plans, busy=busy)
        if number == WARM_BLOCKS:
            times.clear()
            logs = changed = planned = 0
        start = perf_counter_ns()
        said: list[object] = []
        for message in sim.stamped([*drafts_of(sim.normaliser, frame, header), sim.close(header)]):
            said += strategy.on_message(message, message.header.timestamp_ns)
        times["frame_to_plan"].append(perf_counter_ns() - start)
        plans = [one for one in said if isinstance(one, Plan)]
        stages.run(frame, header)
        planned += len(plans)
        logs += frame.count(b'"logIndex"')
        changed += len({row.address for row in LOGS.decode(frame)})
    funnel = strategy.statistics().funnel
    facts = {
        "blocks": blocks,
        "logs_per_block": round(logs / blocks, 2),
        "pools_changed_per_block": round(changed / blocks, 2),
        "plans_per_block": round(planned / blocks, 2),
        "cycles_screened_per_block": round(funnel.screened / funnel.blocks, 1),
        "candidates_per_block": round(funnel.candidates / funnel.blocks, 2),
        "sized_per_block": round(funnel.sized / funnel.blocks, 2),
        "outcomes": {name: count for name, count in funnel.outcomes.items() if count},
        "live_pools": strategy.statistics().market.live,
    }
    return times, facts


def result_of(sim: Sim, plan: Plan) -> Message:
    """Return the message that a plan succeeded."""
    tlv = ExecutionResult(
        plan.signal_id,
        plan.strategy_id,
        ExecutionStatus.SUCCEEDED,
        plan.profit_decimals,
        plan.chain_id,
        plan.predicted_profit,
        0,
        0,
        0,
        sim.block,
        bytes(32),
        0,
        0,
        plan.profit_token,
        0,
        1,
    )
    return sim.stamped([Draft(Domain.EXECUTION, Source.EXECUTION, (tlv,))])[0]


def percentile(values: list[int], share: int) -> float:
    """Return a percentile by the nearest rank, in microseconds."""
    ordered = sorted(values)
    return ordered[min(len(ordered) * share // 100, len(ordered) - 1)] / 1000


def row(name: str, what: str, value: float, goal: float | None) -> dict[str, object]:
    """Return one row of the report; no peer does these stages in one process."""
    return {
        "id": name,
        "twin": kernel.name,
        "what": what,
        "value": round(value, 1),
        "unit": "us",
        "peer": None,
        "peer_value": None,
        "ratio": None,
        "goal": goal,
        "met": None if goal is None else value < goal,
    }


STAGES = {
    "decode": "frame of a block to stamped messages, per block",
    "fold": "messages to pool state, per block",
    "search": "changed pools to candidates, per block",
    "size": "candidates to the chosen walks, sized and costed, per block",
    "decide": "fold, search and size together, per block",
    "build": "one chosen walk to signal and plan",
    "sign": "one plan to signed bytes",
    "frame_to_plan": "frame of a block to its plans",
}
GOALS = {
    ("", "frame_to_plan"): (GOAL_P50_US, GOAL_P99_US),
    ("busy_", "decide"): (GOAL_P50_US, None),
}
WORKLOADS = {
    "": ("some pools trade", False, 3),
    "busy_": ("every pool trades, as in the demo", True, 3),
    "busy_4_hops_": ("every pool trades, cycles of up to 4 hops", True, 4),
}


def run(blocks: int = 1_000, seed: int = 7) -> dict[str, object]:
    """Return the whole report."""
    rows: list[dict[str, object]] = []
    workloads: dict[str, dict[str, object]] = {}
    for twin, (prefix, (name, busy, max_hops)) in product(kernel.twins(), WORKLOADS.items()):
        kernel.require(twin.name)
        times, facts = measure(blocks, seed, busy=busy, max_hops=max_hops)
        assert workloads.setdefault(name, facts) == facts, "the twins decide differently"
        for stage, what in STAGES.items():
            goals = GOALS.get((prefix, stage), (None, None))
            for share, goal in zip((50, 99), goals, strict=True):
                if times[stage]:
                    value = percentile(times[stage], share)
                    label = f"{what}, p{share}" + (f"; {name}" if prefix else "")
                    rows.append(row(f"{prefix}{stage}_p{share}", label, value, goal))
    machine = f"{os.cpu_count()} cpus, {platform.processor() or platform.machine()}, python {platform.python_version()}"
    return {
        "name": "decision",
        "machine": machine,
        "kernel": kernel.twins()[-1].name,
        "rows": rows,
        "workload": workloads,
    }


def main() -> None:
    """Print the report as one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--blocks", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    print(json.dumps(run(arguments.blocks, arguments.seed), indent=1))


if __name__ == "__main__":
    main()
