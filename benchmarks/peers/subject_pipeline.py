"""Worker: AlphaPulse from an event to the best plan, and from a frame to a signed transaction, as the node wires it.

Started as `python subject_pipeline.py TWIN`.
"""

import sys
from collections.abc import Iterable
from hashlib import sha256
from time import perf_counter_ns
from typing import Any

from coincurve import PrivateKey
from line import serve
from wire import decoded, swap_frame

from alphapulse.amm import kernel
from alphapulse.collectors.evm.blocks import BlockHeader
from alphapulse.collectors.evm.config import EvmCollectorConfig, PoolConfig, TokenConfig
from alphapulse.collectors.evm.normaliser import Normaliser
from alphapulse.collectors.evm.snapshot import PoolSnapshot
from alphapulse.collectors.evm.tracker import V2Track, V3Track
from alphapulse.evm.logs import V3Swap
from alphapulse.evm.transaction import UnsignedTransaction, sign
from alphapulse.execution.plan import Plan
from alphapulse.market.pool import PoolKey
from alphapulse.market.pools import Market
from alphapulse.market.roster import Roster
from alphapulse.primitives.address import Address, Hash32
from alphapulse.protocol.codec import stamp
from alphapulse.protocol.execution import ExecutionResult, ExecutionStatus
from alphapulse.protocol.header import Domain, Source
from alphapulse.protocol.message import Draft, Message
from alphapulse.strategies.flash_arbitrage.config import BorrowableToken, FlashArbitrageConfig
from alphapulse.strategies.flash_arbitrage.strategy import FlashArbitrage

TWIN = sys.argv[1] if len(sys.argv) > 1 else "python"
CHAIN_ID = 31337
V2_VENUE, V3_VENUE = 300, 301
# Gas costs next to nothing, so that ours ranks plans by the profit that the peer ranks by.
BASE_FEE = 1
KEY = PrivateKey(b"\x01" * 32)

Record = dict[str, Any]


def of_hex(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


class Chain:
    """The collector's side: a normaliser, numbers and heads."""

    def __init__(self, records: list[Record]) -> None:
        self.records = records
        tokens = sorted({record[side] for record in records for side in ("token0", "token1")})
        self.config = EvmCollectorConfig(
            name="bench",
            chain_id=CHAIN_ID,
            rpc_ws="ws://127.0.0.1:1",
            pools=tuple(self._pool(record) for record in records),
            tokens=tuple(
                TokenConfig(address=Address(of_hex(token)), symbol=f"T{number}", decimals=18)
                for number, token in enumerate(tokens)
            ),
            priority_fee_per_gas=1,
        )
        self.normaliser = Normaliser(self.config)
        self.sequence = 0

    def _pool(self, record: Record) -> PoolConfig:
        concentrated = record["kind"] == "v3"
        return PoolConfig(
            address=Address(of_hex(record["address"])),
            venue=V3_VENUE if concentrated else V2_VENUE,
            kind="uniswap_v3" if concentrated else "uniswap_v2",
            token0=Address(of_hex(record["token0"])),
            token1=Address(of_hex(record["token1"])),
            fee_pips=record["fee"],
            tick_spacing=record.get("spacing", 0),
        )

    def header(self, block: int) -> BlockHeader:
        own = Hash32(sha256(b"block%d" % block).digest())
        return BlockHeader(block, own, Hash32(bytes(32)), block * 10**9, BASE_FEE, 0)

    def stamped(self, draft: Draft) -> Message:
        self.sequence += 1
        return stamp(draft, sequence=self.sequence, timestamp_ns=self.sequence * 1000)

    def setup(self) -> Iterable[Message]:
        """Yield the messages that a collector starts with."""
        header = self.header(1)
        for draft in self.normaliser.announcements(header):
            yield self.stamped(draft)
        for record in self.records:
            for draft in self.normaliser.snapshot_drafts(self._snapshot(record), header):
                yield self.stamped(draft)
        yield self.stamped(self.normaliser.block_draft(header))

    def _snapshot(self, record: Record) -> PoolSnapshot:
        address = Address(of_hex(record["address"]))
        if record["kind"] == "v2":
            return PoolSnapshot(address, V2Track(record["reserve0"], record["reserve1"]))
        track = V3Track(record["sqrt_price"], record["tick"], record["liquidity"])
        return PoolSnapshot(address, track, tuple(map(tuple, record["ticks"])))

    def message_of(self, frame: bytes, header: BlockHeader) -> Message:
        """Return the message of the log in a frame."""
        entry, log = decoded(frame)
        return self.stamped(self.normaliser.log_draft(entry, log, header, 0))


CHAIN: list[Chain] = []


def hello() -> str:
    return f"alphapulse, {kernel.require(TWIN)} twin"


def pools(pools: list[Record]) -> int:
    CHAIN[:] = [Chain(pools)]
    return len(pools)


def _swap(state: list[int]) -> V3Swap:
    sqrt_price, tick, liquidity = state
    return V3Swap(Address(bytes(20)), Address(bytes(20)), 1, -1, sqrt_price, liquidity, tick)


def _frame(moved: str, state: list[int], block: int) -> bytes:
    record = next(one for one in CHAIN[0].records if one["id"] == moved)
    return swap_frame(of_hex(record["address"]), _swap(state), block)


def changes_of(roster: Roster, changed: Iterable[PoolKey]) -> list[kernel.Change]:
    """Return what a graph is told of pools that changed."""
    numbers = [roster.index[key] for key in changed]
    return [(number, roster.pools[number].quoter, 0) for number in numbers]


def events(
    moved: str, rest: list[int], states: list[list[int]], borrowable: str, most: int
) -> dict[str, Any]:
    """Move one pool from rest to each state; return the best cycle's exact profit, and how long the way to it took."""
    chain = CHAIN[0]
    market = Market()
    for message in chain.setup():
        market.apply(message, 0)
    roster = Roster(market.pools.values())
    graph = kernel.pool_graph(premium_bps=0, max_hops=2)
    for pool in roster.pools:
        ends = roster.numbers[pool.token0], roster.numbers[pool.token1]
        graph.add(*ends, pool.quoter, kind=pool.kind.value)
    anchors = {roster.numbers[Address(of_hex(borrowable))]: (most, 1)}
    profits: list[int | None] = []
    times, survivors = [], []
    block = 1
    for state in states:
        block += 1
        message = chain.message_of(_frame(moved, state, block), chain.header(block))
        begin = perf_counter_ns()
        changed = market.apply(message, 0)
        moves = changes_of(roster, changed)
        graph.update(moves)
        found = graph.search([index for index, _, _ in moves], anchors)
        best = found[0][1].gross_profit if found else None
        times.append(perf_counter_ns() - begin)
        survivors.append(len(found))
        profits.append(best)
        block += 1
        message = chain.message_of(_frame(moved, rest, block), chain.header(block))
        graph.update(changes_of(roster, market.apply(message, 0)))
    return {"profits": profits, "ns": times, "survivors": survivors}


def _strategy(wrapped: str, dollar: str, most: int) -> FlashArbitrage:
    token = Address(of_hex(wrapped))
    return FlashArbitrage(
        FlashArbitrageConfig(
            chain_id=CHAIN_ID,
            contract=Address(b"c" * 20),
            recipient=Address(b"r" * 20),
            operator=Address(b"o" * 20),
            borrowable=(BorrowableToken(token, most),),
            wrapped_native=token,
            usd_tokens=(Address(of_hex(dollar)),),
            tip_per_gas_wei=0,
            premium_bps=0,
        )
    )


def frames(
    moved: str, rest: list[int], frames: list[str], wrapped: str, dollar: str, most: int
) -> dict[str, Any]:
    """Take frames one by one, each from rest, to a signed transaction for the best cycle."""
    chain = CHAIN[0]
    strategy = _strategy(wrapped, dollar, most)
    for message in chain.setup():
        strategy.on_message(message, message.header.timestamp_ns)
    said: list[str | None] = []
    profits: list[int | None] = []
    times = []
    block = 1
    for text in frames:
        block += 1
        frame, header = text.encode(), chain.header(block)
        plan, transaction = None, None
        begin = perf_counter_ns()
        message = chain.message_of(frame, header)
        strategy.on_message(message, message.header.timestamp_ns)
        message = chain.stamped(chain.normaliser.block_draft(header))
        for one in strategy.on_message(message, message.header.timestamp_ns):
            if isinstance(one, Plan) and plan is None:
                plan = one
                transaction = sign(_transaction(plan), KEY).raw
        times.append(perf_counter_ns() - begin)
        said.append(None if transaction is None else transaction.hex())
        profits.append(None if plan is None else plan.predicted_profit)
        block += 1
        header = chain.header(block)
        if plan is not None:
            strategy.on_message(chain.stamped(_result(plan, header.number)), 0)
        message = chain.message_of(_frame(moved, rest, block), header)
        strategy.on_message(message, message.header.timestamp_ns)
        message = chain.stamped(chain.normaliser.block_draft(header))
        noise = [*strategy.on_message(message, message.header.timestamp_ns)]
        assert not noise, "a market at rest must be quiet"
    return {"transactions": said, "ns": times, "profits": profits}


def _transaction(plan: Plan) -> UnsignedTransaction:
    return UnsignedTransaction(
        plan.chain_id,
        7,
        plan.max_priority_fee_per_gas,
        plan.max_fee_per_gas,
        plan.gas_limit,
        plan.contract,
        0,
        plan.calldata,
    )


def _result(plan: Plan, block: int) -> Draft:
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
        block,
        bytes(32),
        0,
        0,
        plan.profit_token,
        0,
        1,
    )
    return Draft(Domain.EXECUTION, Source.EXECUTION, (tlv,))


if __name__ == "__main__":
    serve({"hello": hello, "pools": pools, "events": events, "frames": frames})
