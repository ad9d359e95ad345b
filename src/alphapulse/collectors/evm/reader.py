"""Typed questions to a node: headers, logs, contract reads. Every answer is checked before it is believed.

Knows JSON-RPC methods and the log filter of the configured pools. Must not know messages or what the answers mean.
"""

from collections.abc import Sequence

import msgspec

from alphapulse.collectors.evm.blocks import BlockHeader, HeaderJson, block_header
from alphapulse.collectors.evm.config import EvmCollectorConfig
from alphapulse.errors import HashMismatch, RpcRefused
from alphapulse.evm.logs import (
    V2_TOPICS,
    V3_TOPICS,
    LogEntry,
    LogMemory,
    hex_bytes,
    hex_int,
)
from alphapulse.evm.multicall import Call, decode_aggregate3, encode_aggregate3
from alphapulse.evm.rpc import JsonRpc, decode_answer
from alphapulse.primitives.address import ZERO_ADDRESS, Address, hex_of
from alphapulse.primitives.units import div_floor

__all__ = ["ChainReader", "LogFilter"]

CALLS_PER_MULTICALL = 400  # cold reads of about 7,000 gas each stay far below any node's call limit
LOGS_REMEMBERED = (
    8_192  # the logs of many blocks: one is asked for right after its logs were streamed
)
REVERT_CODE = 3  # error code of geth and anvil for an execution that reverted
CALLS_PER_BATCH = 100  # what hosted nodes commonly accept in one JSON-RPC batch


class LogFilter:
    """Which logs are ours: by pool address and by the topics of the kinds that are configured."""

    __slots__ = ("addresses", "topics")

    def __init__(self, config: EvmCollectorConfig) -> None:
        kinds = {pool.kind for pool in config.pools}
        self.addresses = frozenset(pool.address for pool in config.pools)
        self.topics = (V2_TOPICS if "uniswap_v2" in kinds else ()) + (
            V3_TOPICS if "uniswap_v3" in kinds else ()
        )

    def matches(self, entry: LogEntry) -> bool:
        """Return whether a log is one of ours."""
        return bool(
            entry.address in self.addresses and entry.topics and entry.topics[0] in self.topics
        )

    def json(self, **bounds: str) -> dict[str, object]:
        """Return the filter object of `eth_getLogs` and `eth_subscribe`."""
        return {
            **bounds,
            "address": [hex_of(address) for address in sorted(self.addresses)],
            "topics": [[hex_of(topic) for topic in self.topics]],
        }


class ChainReader:
    """Asks one open connection."""

    def __init__(self, rpc: JsonRpc, log_filter: LogFilter, config: EvmCollectorConfig) -> None:
        self._rpc = rpc
        self._memory = LogMemory(LOGS_REMEMBERED)
        self._filter = log_filter
        self._multicall = Address(config.multicall)
        self._range = config.log_range_blocks
        self._pins_by_hash: bool | None = None
        self._has_multicall = False

    @property
    def pins_by_hash(self) -> bool:
        """Return whether reads name their block by hash; False also before the first read."""
        return bool(self._pins_by_hash)

    async def chain_id(self) -> int:
        """Return the chain id the node claims."""
        return hex_int(await self._rpc.request(str, "eth_chainId"))

    async def subscribe_heads(self) -> str:
        """Return the id of a new subscription to headers."""
        return await self._rpc.subscribe("newHeads")

    async def subscribe_logs(self) -> str:
        """Return the id of a new subscription to our logs."""
        return await self._rpc.subscribe("logs", self._filter.json())

    async def head(self) -> BlockHeader:
        """Return the newest header."""
        return block_header(
            await self._rpc.request(HeaderJson, "eth_getBlockByNumber", "latest", False)
        )

    async def header(self, number: int) -> BlockHeader | None:
        """Return the canonical header of a number, None when the chain is shorter.

        Raises  HashMismatch when the node answers another number.
        """
        (found,) = await self.headers(number, number)
        return found

    async def headers(self, first: int, last: int) -> list[BlockHeader | None]:
        """Return the canonical headers of a range of numbers, both ends included, None for what is not there.

        Raises  HashMismatch when the node answers another number.
        """
        found: list[BlockHeader | None] = []
        method = "eth_getBlockByNumber"
        for start in range(first, last + 1, CALLS_PER_BATCH):
            numbers = range(start, min(start + CALLS_PER_BATCH, last + 1))
            answers = await self._rpc.batch([(method, (hex(number), False)) for number in numbers])
            for number, answer in zip(numbers, answers, strict=True):
                if isinstance(answer, RpcRefused):
                    raise answer
                present = bytes(answer) != b"null"
                header = (
                    block_header(decode_answer(HeaderJson, answer, method)) if present else None
                )
                if header is not None and header.number != number:
                    raise HashMismatch(
                        f"header {number} was asked for, {header.number} was answered"
                    )
                found.append(header)
        return found

    async def block_logs(self, header: BlockHeader) -> tuple[list[LogEntry], int]:
        """Return our logs of one block by its hash, and when the answer came.

        Raises  RpcRefused when the node does not know the block; HashMismatch when it answers another one.
        """
        raw, recv_ns = await self._rpc.request_timed(
            list[msgspec.Raw], "eth_getLogs", self._filter.json(blockHash=hex_of(header.block_hash))
        )
        logs = self._ours(raw)
        for entry in logs:
            if entry.block_hash != header.block_hash:
                raise HashMismatch(
                    f"logs of block {header.number} were asked for by hash, "
                    f"one of `{hex_of(entry.block_hash)}` was answered"
                )
        return logs, recv_ns

    async def range_logs(self, first: int, last: int) -> list[LogEntry]:
        """Return our logs of a range of numbers; a range that the node refuses is halved until one block is left.

        Raises  RpcRefused when a single block is refused.
        """
        found: list[LogEntry] = []
        waiting = [(first, last)]
        while waiting:
            start, end = waiting.pop()
            if end - start >= self._range:
                waiting.append((start + self._range, end))
                end = start + self._range - 1
            try:
                raw = await self._rpc.request(
                    list[msgspec.Raw],
                    "eth_getLogs",
                    self._filter.json(fromBlock=hex(start), toBlock=hex(end)),
                )
            except RpcRefused:
                if start == end:
                    raise
                middle = div_floor(start + end, 2)
                self._range = max(1, middle - start + 1)  # the node's limit is remembered
                waiting += [(middle + 1, end), (start, middle)]
                continue
            found += self._ours(raw)
        return found

    async def call_many(self, calls: Sequence[Call], header: BlockHeader) -> list[bytes | None]:
        """Return what each read gives at one block, None for a read that reverts.

        Reads are pinned by block hash where the node allows it, else by number; `pins_by_hash` tells.
        """
        if self._pins_by_hash is None:
            await self._probe(header)
        pin = self._pin(header)
        found: list[bytes | None] = []
        if self._has_multicall:
            for start in range(0, len(calls), CALLS_PER_MULTICALL):
                part = calls[start : start + CALLS_PER_MULTICALL]
                request = _call_json(Call(self._multicall, encode_aggregate3(part)))
                answer = await self._rpc.request(str, "eth_call", request, pin)
                found += decode_aggregate3(hex_bytes(answer), len(part))
            return found
        for start in range(0, len(calls), CALLS_PER_BATCH):
            part = calls[start : start + CALLS_PER_BATCH]
            answers = await self._rpc.batch(
                [("eth_call", (_call_json(call), pin)) for call in part]
            )
            for answer_or_error in answers:
                if isinstance(answer_or_error, RpcRefused):
                    if not _is_revert(answer_or_error):
                        raise answer_or_error
                    found.append(None)
                else:
                    found.append(hex_bytes(decode_answer(str, answer_or_error, "eth_call")))
        return found

    async def is_canonical(self, header: BlockHeader) -> bool:
        """Return whether the node's chain holds exactly that block."""
        found = await self.header(header.number)
        return found is not None and found.block_hash == header.block_hash

    def log(self, raw: msgspec.Raw) -> LogEntry:
        """Return a streamed log; the answer for its block will hold the same bytes.

        Raises  DecodeError when it is not a log.
        """
        return self._memory.read(raw)

    def _ours(self, raw: Sequence[msgspec.Raw]) -> list[LogEntry]:
        entries = [self._memory.read(item) for item in raw]
        return [entry for entry in entries if not entry.removed and self._filter.matches(entry)]

    async def _probe(self, header: BlockHeader) -> None:
        address = hex_of(self._multicall)
        try:
            code = await self._rpc.request(
                str, "eth_getCode", address, {"blockHash": hex_of(header.block_hash)}
            )
            self._pins_by_hash = True
        except RpcRefused:
            code = await self._rpc.request(str, "eth_getCode", address, hex(header.number))
            self._pins_by_hash = False
        self._has_multicall = self._multicall != ZERO_ADDRESS and len(hex_bytes(code)) > 0

    def _pin(self, header: BlockHeader) -> object:
        if self._pins_by_hash:
            return {"blockHash": hex_of(header.block_hash)}
        return hex(header.number)


def _is_revert(error: RpcRefused) -> bool:
    return error.code == REVERT_CODE or "revert" in error.message.lower()


def _call_json(call: Call) -> dict[str, str]:
    return {"to": hex_of(call.target), "data": hex_of(call.data)}
