"""A node that lies on request: a small chain in memory behind the same WebSocket JSON-RPC that a real node speaks.

Ships with the seam so that every consumer of a chain can be shown drops, doubles, disorder, reorganisations, lag, cut
answers and garbage, each switched on by name and none by chance. It executes no bytecode: pools change by being told.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import msgspec
from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest, ws_create_server

from alphapulse.collectors.evm.config import PoolConfig, TokenConfig
from alphapulse.collectors.evm.fake_pools import FakePool, answer_call, first_state, log_of
from alphapulse.errors import RpcRefused
from alphapulse.evm.hashing import keccak256
from alphapulse.evm.logs import LogEntry, PoolLog, bloom_mask
from alphapulse.primitives.address import ZERO_HASH, Address, Hash32, hash32, hex_of

__all__ = ["FakeBlock", "FakeNode", "FaultPlan"]

BLOCK_TIME_S = 12
GENESIS_TIME_S = 1_700_000_000
BASE_FEE = 10**9
GAS_TARGET = 15_000_000
LIMIT_EXCEEDED = -32005
UNKNOWN_BLOCK = -32000


@dataclass(slots=True)
class FaultPlan:
    """What is wrong with the node; everything off is an honest node."""

    replies: dict[str, bytes] = field(default_factory=dict)
    """Whole frames sent instead of an answer to a method; `%ID%` stands for the request's id."""
    silent_methods: set[str] = field(default_factory=set)
    before: dict[str, Callable[[], None]] = field(default_factory=dict)
    """What happens once, just before a method is answered for the first time."""
    refuse_connections: bool = False
    refuse_hash_pins: bool = False
    skip_heads: bool = False
    skip_logs: bool = False
    double_everything: bool = False
    """Notifications come twice, and so do the rows of range answers."""
    logs_after_head: bool = False
    reverse_logs: bool = False
    announce_removed: bool = False
    """Undone logs are announced, and stand in range answers beside the live ones."""
    range_limit: int = 1 << 30
    """Blocks that one `eth_getLogs` may span; more is refused."""
    rows_limit: int = 1 << 30
    """Logs that one range answer holds; more are cut without an error."""
    hidden_logs: int = 0
    """Logs that answers by block hash leave out at their end."""


@dataclass(frozen=True, slots=True)
class FakeBlock:
    """One block: where it stands, its logs, and every pool after it."""

    number: int
    block_hash: Hash32
    parent_hash: Hash32
    logs: tuple[LogEntry, ...]
    pools: Mapping[bytes, FakePool]


class FakeNode:
    """A chain of one's own. Make it with `FakeNode.start`."""

    def __init__(
        self, pools: Sequence[PoolConfig], tokens: Sequence[TokenConfig], chain_id: int
    ) -> None:
        self.chain_id = chain_id
        self.plan = FaultPlan()
        self.rpc_ws = ""
        self.requests: list[str] = []
        self._asked = asyncio.Event()
        self.decimals = {token.address: token.decimals for token in tokens}
        self.configs = {pool.address: pool for pool in pools}
        self._pending: list[tuple[Address, tuple[bytes, ...], bytes]] = []
        self._pools = {pool.address: first_state(pool) for pool in pools}
        self._salt = 0
        genesis = FakeBlock(
            0, Hash32(keccak256(b"genesis")), Hash32(ZERO_HASH), (), dict(self._pools)
        )
        self.blocks: list[FakeBlock] = [genesis]
        self._by_hash: dict[bytes, FakeBlock] = {genesis.block_hash: genesis}
        self._dropped: list[LogEntry] = []
        self._sessions: list[_Session] = []
        self._next_subscription = 1

    @classmethod
    @asynccontextmanager
    async def start(
        cls, pools: Sequence[PoolConfig], tokens: Sequence[TokenConfig], *, chain_id: int = 31337
    ) -> AsyncIterator["FakeNode"]:
        """Listen on a free port of 127.0.0.1 until the block ends."""
        node = cls(pools, tokens, chain_id)
        server = await ws_create_server(node._accept, "127.0.0.1", 0)
        node.rpc_ws = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield node
        finally:
            node.drop()
            server.close()
            await server.wait_closed()

    def emit(self, pool: bytes, log: PoolLog) -> None:
        """Let a pool change: the log is in the next block, and so is the state it leaves."""
        topics, data = log_of(log)
        self._pending.append((Address(pool), topics, data))
        self._pools[pool] = self._pools[pool].after(log)

    def emit_raw(self, pool: bytes, topics: tuple[bytes, ...], data: bytes) -> None:
        """Put any log into the next block."""
        self._pending.append((Address(pool), topics, data))

    def corrupt(self, pool: bytes, state: FakePool) -> None:
        """Change a pool without a log: what a missed event looks like."""
        self._pools[pool] = state

    def mine(self, *, announce: bool = True) -> FakeBlock:
        """Close a block over what was emitted, and announce it as the plan says."""
        block = self._build(self.blocks[-1])
        self.blocks.append(block)
        if announce:
            self.announce(block)
        return block

    def reorganise(self, depth: int) -> None:
        """Drop the last blocks and put as many without logs in their place; only the last one is announced."""
        dropped = self.blocks[-depth:]
        del self.blocks[-depth:]
        self._pools = dict(self.blocks[-1].pools)
        self._pending = []
        self._dropped += [entry for block in dropped for entry in block.logs]
        if self.plan.announce_removed:
            for block in reversed(dropped):
                for entry in reversed(block.logs):
                    self._push("logs", _log_json(_undone(entry)))
        for position in range(depth):
            self.mine(announce=position == depth - 1)

    def announce(self, block: FakeBlock) -> None:
        """Send a block's header and logs to subscribers."""
        plan = self.plan
        logs = [] if plan.skip_logs else [_log_json(entry) for entry in block.logs]
        if plan.reverse_logs:
            logs.reverse()
        heads = [] if plan.skip_heads else [("newHeads", self._header_json(block))]
        pushes = [("logs", row) for row in logs]
        pushes = heads + pushes if plan.logs_after_head else pushes + heads
        for kind, row in pushes:
            for _ in range(2 if plan.double_everything else 1):
                self._push(kind, row)

    def push_raw(self, payload: bytes) -> None:
        """Send a frame to everybody as it is; `%HEADS%` and `%LOGS%` stand for a subscription's id."""
        for session in self._sessions:
            session.push_raw(payload)

    def drop(self) -> None:
        """End every connection without a goodbye."""
        for session in list(self._sessions):
            session.end()

    async def until_asked(self, method: str) -> None:
        """Return once a request for that method has arrived."""
        while method not in self.requests:
            self._asked.clear()
            await self._asked.wait()

    def note(self, method: str) -> None:
        """Remember that a method was asked for, and let happen what the plan put before it."""
        self.requests.append(method)
        self._asked.set()
        happening = self.plan.before.pop(method, None)
        if happening is not None:
            happening()

    def answer(self, session: "_Session", method: str, params: Sequence[object]) -> object:
        """Return the result of one request.

        Raises  RpcRefused as a node would.
        """
        if method == "eth_chainId":
            return hex(self.chain_id)
        if method == "eth_subscribe":
            identity = hex(self._next_subscription)
            self._next_subscription += 1
            session.subscriptions[identity] = str(params[0])
            return identity
        if method == "eth_getBlockByNumber":
            return self._block_by_number(str(params[0]))
        if method == "eth_getLogs":
            return self._logs(msgspec.convert(params[0], dict[str, object]))
        if method == "eth_getCode":
            self._pinned(params[1])
            return "0x"
        if method == "eth_call":
            block = self._pinned(params[1])
            call = msgspec.convert(params[0], dict[str, str])
            return hex_of(answer_call(self, block.pools, call))
        raise RpcRefused(method, -32601, "Method not found")

    def _build(self, parent: FakeBlock) -> FakeBlock:
        self._salt += 1
        number = parent.number + 1
        seed = parent.block_hash + number.to_bytes(8, "big") + self._salt.to_bytes(8, "big")
        block_hash = Hash32(keccak256(seed))
        logs = tuple(
            LogEntry(
                address=address,
                topics=topics,
                data=data,
                block=number,
                block_hash=block_hash,
                tx_hash=Hash32(keccak256(block_hash + index.to_bytes(4, "big"))),
                tx_index=index,
                log_index=index,
            )
            for index, (address, topics, data) in enumerate(self._pending)
        )
        self._pending = []
        block = FakeBlock(number, block_hash, parent.block_hash, logs, dict(self._pools))
        self._by_hash[block_hash] = block
        return block

    def _accept(self, request: WSUpgradeRequest) -> "_Session | None":
        return None if self.plan.refuse_connections else _Session(self, self._sessions)

    def _push(self, kind: str, row: object) -> None:
        for session in self._sessions:
            session.push(kind, row)

    def _block_by_number(self, text: str) -> object:
        number = self.blocks[-1].number if text == "latest" else int(text, 16)
        return self._header_json(self.blocks[number]) if number < len(self.blocks) else None

    def _pinned(self, pin: object) -> FakeBlock:
        if isinstance(pin, str):
            return self.blocks[int(pin, 16)]
        if self.plan.refuse_hash_pins:
            raise RpcRefused("", -32602, "invalid argument: hex string expected")
        found = self._by_hash.get(hash32(msgspec.convert(pin, dict[str, str])["blockHash"]))
        if found is None:
            raise RpcRefused("", UNKNOWN_BLOCK, "unknown block")
        return found

    def _logs(self, wanted: dict[str, object]) -> object:
        if "blockHash" in wanted:
            found = self._by_hash.get(hash32(str(wanted["blockHash"])))
            if found is None or found is not self.blocks[min(found.number, len(self.blocks) - 1)]:
                raise RpcRefused("", UNKNOWN_BLOCK, "unknown block")
            shown = found.logs[: len(found.logs) - self.plan.hidden_logs]
            return [_log_json(entry) for entry in shown]
        first, last = int(str(wanted["fromBlock"]), 16), int(str(wanted["toBlock"]), 16)
        if last - first + 1 > self.plan.range_limit:
            raise RpcRefused("", LIMIT_EXCEEDED, "query exceeds the block range limit")
        rows = [_log_json(entry) for block in self.blocks[first : last + 1] for entry in block.logs]
        if self.plan.announce_removed:
            rows[:0] = [
                _log_json(_undone(entry)) for entry in self._dropped if first <= entry.block <= last
            ]
        return (rows * (2 if self.plan.double_everything else 1))[: self.plan.rows_limit]

    def _header_json(self, block: FakeBlock) -> dict[str, object]:
        bloom = 0
        for entry in block.logs:
            for item in (entry.address, *entry.topics):
                bloom |= bloom_mask(item)
        return {
            "number": hex(block.number),
            "hash": hex_of(block.block_hash),
            "parentHash": hex_of(block.parent_hash),
            "timestamp": hex(GENESIS_TIME_S + BLOCK_TIME_S * block.number),
            "logsBloom": hex_of(bloom.to_bytes(256, "big")),
            "baseFeePerGas": hex(BASE_FEE + block.number),
            "gasUsed": hex(GAS_TARGET),
            "gasLimit": hex(2 * GAS_TARGET),
        }


class _Request(msgspec.Struct, frozen=True):
    id: int
    method: str
    params: list[object]


_REQUESTS: msgspec.json.Decoder[_Request | list[_Request]] = msgspec.json.Decoder(
    _Request | list[_Request]
)


class _Session(WSListener):
    """One client."""

    def __init__(self, node: FakeNode, sessions: "list[_Session]") -> None:
        super().__init__()
        self._node = node
        self._sessions = sessions
        self._transport: WSTransport | None = None
        self.subscriptions: dict[str, str] = {}

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Join the subscribers."""
        self._transport = transport
        self._sessions.append(self)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """Leave them."""
        if self in self._sessions:
            self._sessions.remove(self)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Answer a request or a batch of them."""
        if frame.msg_type not in (WSMsgType.TEXT, WSMsgType.BINARY):
            return
        decoded = _REQUESTS.decode(frame.get_payload_as_bytes())
        requests = decoded if isinstance(decoded, list) else [decoded]
        plan = self._node.plan
        for request in requests:
            self._node.note(request.method)
        for request in requests:
            if request.method in plan.replies:
                number = str(request.id).encode()
                self._send(plan.replies[request.method].replace(b"%ID%", number))
                return
        if any(request.method in plan.silent_methods for request in requests):
            return
        answers = [self._answer(request) for request in requests]
        self._send(msgspec.json.encode(answers if isinstance(decoded, list) else answers[0]))

    def push(self, kind: str, row: object) -> None:
        """Send one notification to each matching subscription."""
        for identity, subscribed in self.subscriptions.items():
            if subscribed == kind:
                params = {"subscription": identity, "result": row}
                body = {"jsonrpc": "2.0", "method": "eth_subscription", "params": params}
                self._send(msgspec.json.encode(body))

    def push_raw(self, payload: bytes) -> None:
        """Send a frame as it is, subscription ids filled in."""
        for identity, kind in self.subscriptions.items():
            name = b"%HEADS%" if kind == "newHeads" else b"%LOGS%"
            payload = payload.replace(name, identity.encode())
        self._send(payload)

    def end(self) -> None:
        """Cut the connection."""
        if self._transport is not None:
            self._transport.disconnect(False)

    def _answer(self, request: _Request) -> dict[str, object]:
        head: dict[str, object] = {"jsonrpc": "2.0", "id": request.id}
        try:
            return head | {"result": self._node.answer(self, request.method, request.params)}
        except RpcRefused as error:
            return head | {"error": {"code": error.code, "message": error.message}}

    def _send(self, payload: bytes) -> None:
        if self._transport is not None:
            self._transport.send(WSMsgType.TEXT, payload)


def _undone(entry: LogEntry) -> LogEntry:
    """Return the notice that a log was undone."""
    return msgspec.structs.replace(entry, removed=True)


def _log_json(entry: LogEntry) -> dict[str, object]:
    return {
        "address": hex_of(entry.address),
        "topics": [hex_of(topic) for topic in entry.topics],
        "data": hex_of(entry.data),
        "blockNumber": hex(entry.block),
        "blockHash": hex_of(entry.block_hash),
        "transactionHash": hex_of(entry.tx_hash),
        "transactionIndex": hex(entry.tx_index),
        "logIndex": hex(entry.log_index),
        "removed": entry.removed,
    }
