"""People at work: reads pools at each new block, asks `people` what they do, and sends it spread over the block.

Transactions are sent without waiting for receipts; what fails (a slipped price, a full block) is counted and forgotten.
"""

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from alphapulse.devnet.calls import answer_of, call_data
from alphapulse.devnet.layout import LIQUIDITY_PROVIDER, TRADERS
from alphapulse.devnet.manifest import Manifest, PoolEntry
from alphapulse.devnet.orders import Order, liquidity_question, order_of
from alphapulse.devnet.people import Decision, Motive, People, PoolView, RemoveLiquidity, headcount
from alphapulse.devnet.prices import ReferencePrices
from alphapulse.errors import EndpointDown, RpcRefused, Unavailable
from alphapulse.evm.rpc import JsonRpc, Notification, decode_answer
from alphapulse.primitives.address import Address, hex_of

__all__ = ["Activity", "ActivityStatistics", "read_pools"]

FIRST_ACT, LAST_ACT = (
    0.2,
    0.9,
)  # of the block interval: people are slower than machines, and not later than blocks
FEE_CAP_PERCENT = 200  # of the base fee, as wallets do
TIP_MIN_WEI, TIP_MAX_WEI = 10_000_000, 50_000_000
MAX_WAITING_PER_PERSON = 12  # transactions of one account not yet in a block
STUCK_BLOCKS = (
    12  # after so many blocks without progress an account starts again from its nonce on chain
)
RECONNECT_PAUSE_S = 0.25
RECONNECT_ATTEMPTS = 60

_SENDERS = (LIQUIDITY_PROVIDER, *TRADERS)


@dataclass(frozen=True, slots=True)
class ActivityStatistics:
    """Counts since the start; `reverted` and `mined` are of all transactions of people seen in blocks."""

    blocks: int
    sent: dict[str, int]
    refused: int
    held_back: int
    mined: int
    reverted: int


class _Head(msgspec.Struct, frozen=True, rename="camel"):
    number: str
    base_fee_per_gas: str
    gas_limit: str


class _Receipt(msgspec.Struct, frozen=True):
    sender: str = msgspec.field(name="from")
    status: str


class _Nonces:
    """The next nonce of every sender, counted here and corrected from the chain."""

    def __init__(self) -> None:
        self._next: dict[Address, int] = {}
        self._on_chain: dict[Address, int] = {}
        self._idle_blocks: defaultdict[Address, int] = defaultdict(int)

    def observe(self, sender: Address, on_chain: int) -> None:
        moved = on_chain != self._on_chain.get(sender)
        self._idle_blocks[sender] = 0 if moved else self._idle_blocks[sender] + 1
        self._on_chain[sender] = on_chain
        if self._idle_blocks[sender] >= STUCK_BLOCKS:
            self._next[sender] = on_chain
            self._idle_blocks[sender] = 0
        self._next[sender] = max(self._next.get(sender, on_chain), on_chain)

    def take(self, sender: Address) -> int | None:
        """Return a nonce to use, or None when too many transactions of that sender wait."""
        nonce = self._next[sender]
        if nonce - self._on_chain[sender] >= MAX_WAITING_PER_PERSON:
            return None
        self._next[sender] = nonce + 1
        return nonce

    def give_back(self, sender: Address) -> None:
        self._next[sender] -= 1


class Activity:
    """The crowd of one running devnet."""

    def __init__(self, manifest: Manifest, seed: int) -> None:
        self._manifest = manifest
        self._seed = seed
        self._prices = ReferencePrices(seed)
        token_of = {token.address: token.symbol for token in manifest.tokens}
        self._people = People(seed, token_of, manifest.positions, traders=len(TRADERS))
        self._nonces = _Nonces()
        self._head: _Head | None = None
        self._head_arrived = asyncio.Event()
        self._counts: Counter[str] = Counter()
        self._sent: Counter[str] = Counter({motive.value: 0 for motive in Motive})

    async def run(self) -> None:
        """Act until cancelled; a chain that goes away is waited for.

        Raises  EndpointDown when it does not come back.
        """
        failures = 0
        while failures < RECONNECT_ATTEMPTS:
            try:
                rpc = await JsonRpc.connect(
                    self._manifest.rpc_ws, on_notification=self._on_notification
                )
                failures = 0
                self._nonces, self._head = _Nonces(), None
                self._head_arrived.clear()
                await self._act(rpc)
            except Unavailable:
                failures += 1
                await asyncio.sleep(RECONNECT_PAUSE_S)
        raise EndpointDown(f"the chain at `{self._manifest.rpc_ws}` did not come back")

    def statistics(self) -> ActivityStatistics:
        """Return the counts so far."""
        counts = self._counts
        return ActivityStatistics(
            counts["blocks"],
            dict(self._sent),
            counts["refused"],
            counts["held_back"],
            counts["mined"],
            counts["reverted"],
        )

    def _on_notification(self, notification: Notification, _recv_ns: int) -> None:
        self._head = msgspec.json.decode(notification.result, type=_Head)
        self._head_arrived.set()

    async def _act(self, rpc: JsonRpc) -> None:
        try:
            await rpc.subscribe("newHeads")
            while True:
                waiting = asyncio.ensure_future(self._head_arrived.wait())
                await asyncio.wait((waiting, rpc.closed), return_when=asyncio.FIRST_COMPLETED)
                if rpc.closed.done():
                    waiting.cancel()
                    raise rpc.closed.result()
                self._head_arrived.clear()
                if self._head is not None:
                    await self._act_in_block(rpc, self._head)
        finally:
            rpc.close()

    async def _act_in_block(self, rpc: JsonRpc, head: _Head) -> None:
        started = asyncio.get_running_loop().time()
        self._counts["blocks"] += 1
        block, base_fee_wei = int(head.number, 16), int(head.base_fee_per_gas, 16)
        await self._observe(rpc, head.number)
        views = await read_pools(rpc, self._manifest)
        count = headcount(int(head.gas_limit, 16), base_fee_wei)
        decisions = self._people.decide(block, views, self._prices.at(block), count)
        draw = random.Random(f"{self._seed}:tips:{block}")  # noqa: S311  a simulation, not a secret
        interval_s = self._manifest.block_time_ms / 1_000
        for number, decision in enumerate(decisions):
            share = FIRST_ACT + (LAST_ACT - FIRST_ACT) * number / len(decisions)
            due = started + interval_s * share
            delay = due - asyncio.get_running_loop().time()
            if delay > 0:
                await asyncio.sleep(delay)
            tip_wei = draw.randint(TIP_MIN_WEI, TIP_MAX_WEI)
            await self._send(rpc, decision, base_fee_wei * FEE_CAP_PERCENT // 100, tip_wei)

    async def _observe(self, rpc: JsonRpc, block: str) -> None:
        """Learn the nonces on chain, and what became of transactions in this block."""
        answers = await rpc.batch(
            [("eth_getBlockReceipts", (block,))]
            + [("eth_getTransactionCount", (hex_of(sender), "latest")) for sender in _SENDERS]
        )
        for sender, answer in zip(_SENDERS, answers[1:], strict=True):
            if not isinstance(answer, RpcRefused):
                on_chain = int(decode_answer(str, answer, "eth_getTransactionCount"), 16)
                self._nonces.observe(sender, on_chain)
        if isinstance(answers[0], RpcRefused):
            return
        receipts: list[_Receipt] | None = decode_answer(
            list[_Receipt] | None,  # type: ignore[arg-type]  # a union is a type to msgspec
            answers[0],
            "eth_getBlockReceipts",
        )
        ours = {hex_of(sender) for sender in _SENDERS}
        for receipt in receipts or ():
            if receipt.sender in ours:
                self._counts["mined"] += 1
                self._counts["reverted"] += receipt.status != "0x1"

    async def _send(self, rpc: JsonRpc, decision: Decision, fee_cap_wei: int, tip_wei: int) -> None:
        try:
            order = await self._order(rpc, decision)
            nonce = self._nonces.take(order.sender)
            if nonce is None:
                self._counts["held_back"] += 1
                return
            try:
                await rpc.request(
                    str, "eth_sendTransaction", _request(order, nonce, fee_cap_wei, tip_wei)
                )
            except RpcRefused:
                self._nonces.give_back(order.sender)
                raise
        except RpcRefused:
            self._counts["refused"] += 1
            return
        self._sent[decision.motive.value] += 1

    async def _order(self, rpc: JsonRpc, decision: Decision) -> Order:
        owned = 0
        if isinstance(decision, RemoveLiquidity):
            place, data, word = liquidity_question(self._manifest, decision)
            request = {"to": hex_of(place), "data": hex_of(data)}
            answer = bytes.fromhex((await rpc.request(str, "eth_call", request, "latest"))[2:])
            owned = int.from_bytes(answer[32 * word : 32 * word + 32], "big")
        return order_of(self._manifest, decision, owned)


async def read_pools(rpc: JsonRpc, manifest: Manifest) -> tuple[PoolView, ...]:
    """Return all pools as people see them at the latest block, in one call."""
    calls = [(pool.address, True, data) for pool in manifest.pools for data in _questions(pool)]
    data = call_data("aggregate3((address,bool,bytes)[])", calls)
    request = {"to": hex_of(manifest.multicall), "data": hex_of(data)}
    raw = bytes.fromhex((await rpc.request(str, "eth_call", request, "latest"))[2:])
    (answers,) = answer_of(("(bool,bytes)[]",), raw)
    assert isinstance(answers, tuple)
    words = iter([answer for _, answer in answers])
    views = []
    for pool in manifest.pools:
        views.append(_view(pool, [next(words) for _ in _questions(pool)]))
    return tuple(views)


def _questions(pool: PoolEntry) -> Sequence[bytes]:
    if pool.kind == "uniswap_v2":
        return (call_data("getReserves()"),)
    return (call_data("slot0()"), call_data("liquidity()"))


def _view(pool: PoolEntry, answers: Sequence[bytes]) -> PoolView:
    first, second = (int.from_bytes(answers[0][at : at + 32], "big") for at in (0, 32))
    if pool.kind == "uniswap_v2":
        return PoolView(pool, first, second)
    tick = second - 2**256 if second >= 2**255 else second
    liquidity = int.from_bytes(answers[1], "big")
    return PoolView(pool, (liquidity << 96) // first, liquidity * first >> 96, tick)


def _request(order: Order, nonce: int, fee_cap_wei: int, tip_wei: int) -> dict[str, str]:
    return {
        "from": hex_of(order.sender),
        "to": hex_of(order.to),
        "data": hex_of(order.data),
        "nonce": hex(nonce),
        "gas": hex(order.gas_limit),
        "maxFeePerGas": hex(fee_cap_wei + tip_wei),
        "maxPriorityFeePerGas": hex(tip_wei),
    }
