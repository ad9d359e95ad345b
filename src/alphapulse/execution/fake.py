"""A node in memory with the manners of real ones, good and bad: the fake that ships with the `Connection` seam.

It knows one kind of call: any valid transaction succeeds and emits the logs its `outcome` says. Blocks come from
`mine`. Faults are switched on by their names.
"""

import asyncio
from collections.abc import Callable, Sequence

import msgspec

from alphapulse.errors import DecodeError, EndpointDown, OutcomeUnknown, RpcRefused, StreamLost
from alphapulse.evm.hashing import keccak256
from alphapulse.evm.transaction import UnsignedTransaction, decode_signed
from alphapulse.primitives.address import hex_of

__all__ = ["FakeConnection", "FakeNode", "Outcome"]

REPLACEMENT_PERCENT = 110


class Outcome(msgspec.Struct, frozen=True):
    """How a transaction ends when mined."""

    succeeded: bool = True
    gas_used: int = 100_000
    logs: tuple[dict[str, object], ...] = ()


class _Waiting(msgspec.Struct, frozen=True):
    hash: str
    sender: bytes
    transaction: UnsignedTransaction


class FakeNode:
    """A chain with one pool of transactions; `connect` gives connections to it."""

    def __init__(self, chain_id: int = 31337, balance_wei: int = 10**20) -> None:
        self.chain_id = chain_id
        self.balance_wei = balance_wei
        self.block = 1
        self.base_fee_per_gas = 10**9
        self.outcome: Callable[[UnsignedTransaction], Outcome] = lambda _: Outcome()
        self.revert_data = b""
        self.submissions: list[str] = []
        self.transactions: list[UnsignedTransaction] = []
        self.receipts: dict[str, dict[str, object]] = {}
        self.refuse_next: RpcRefused | None = None
        self.lose_next_answer = False
        self.hide_receipts = False
        self.is_down = False
        self._waiting: dict[tuple[bytes, int], _Waiting] = {}
        self._nonces: dict[bytes, int] = {}
        self._connections: list[FakeConnection] = []

    async def connect(self) -> "FakeConnection":
        """Return a new connection.

        Raises  EndpointDown while the node is down.
        """
        if self.is_down:
            raise EndpointDown("the fake node is down")
        connection = FakeConnection(self)
        self._connections.append(connection)
        return connection

    def disconnect(self) -> None:
        """End every connection and accept no new one until `is_down` is cleared."""
        self.is_down = True
        for connection in self._connections:
            connection.close()
        self._connections.clear()

    def forget(self) -> None:
        """Drop every waiting transaction, as a restarted or full node does."""
        self._waiting.clear()

    def mine(self) -> None:
        """Make a block of what can be included."""
        self.block += 1
        for key in sorted(self._waiting, key=lambda item: item[1]):
            sender, nonce = key
            waiting = self._waiting[key]
            payable = waiting.transaction.max_fee_per_gas >= self.base_fee_per_gas
            if nonce == self._nonces.get(sender, 0) and payable:
                del self._waiting[key]
                self._include(waiting)

    def use_nonce(self, sender: bytes) -> None:
        """Let somebody else who holds the key use the next nonce."""
        nonce = self._nonces.get(sender, 0)
        self._waiting.pop((sender, nonce), None)
        self._nonces[sender] = nonce + 1

    def undo(self, tx_hash: bytes) -> None:
        """Take a transaction out of its block and forget it, as a reorganisation does."""
        receipt = self.receipts.pop(hex_of(tx_hash))
        sender = bytes.fromhex(str(receipt["from"])[2:])
        self._nonces[sender] -= 1

    def answer(self, method: str, params: Sequence[object]) -> object:
        """Return the result of a call."""
        first = str(params[0]) if params else ""
        if method == "eth_sendRawTransaction":
            return self._submit(bytes.fromhex(first[2:]))
        if method == "eth_getTransactionReceipt":
            return None if self.hide_receipts else self.receipts.get(first)
        if method == "eth_getTransactionByHash":
            waiting = any(item.hash == first for item in self._waiting.values())
            return {"hash": first} if waiting or first in self.receipts else None
        if method == "eth_getTransactionCount":
            return hex(self._count(bytes.fromhex(first[2:]), str(params[1])))
        if method == "eth_call":
            raise RpcRefused(method, 3, "execution reverted", hex_of(self.revert_data))
        answers: dict[str, object] = {
            "eth_chainId": hex(self.chain_id),
            "eth_blockNumber": hex(self.block),
            "eth_getBalance": hex(self.balance_wei),
            "eth_getCode": "0x00",
        }
        if method not in answers:
            raise RpcRefused(method, -32601, "method not found")
        return answers[method]

    def _count(self, sender: bytes, tag: str) -> int:
        count = self._nonces.get(sender, 0)
        while tag == "pending" and (sender, count) in self._waiting:
            count += 1
        return count

    def _submit(self, raw: bytes) -> str:
        if self.refuse_next is not None:
            refusal, self.refuse_next = self.refuse_next, None
            raise refusal
        transaction, sender = decode_signed(raw)
        key = (sender, transaction.nonce)
        if transaction.nonce < self._nonces.get(sender, 0):
            raise RpcRefused("eth_sendRawTransaction", -32000, "nonce too low")
        tx_hash = hex_of(keccak256(raw))
        old = self._waiting.get(key)
        if old is not None and old.hash == tx_hash:
            raise RpcRefused("eth_sendRawTransaction", -32000, "already known")
        if old is not None and not _replaces(transaction, old.transaction):
            raise RpcRefused(
                "eth_sendRawTransaction", -32000, "replacement transaction underpriced"
            )
        self._waiting[key] = _Waiting(tx_hash, sender, transaction)
        self.submissions.append(tx_hash)
        return tx_hash

    def _include(self, waiting: _Waiting) -> None:
        transaction = waiting.transaction
        outcome = self.outcome(transaction)
        self._nonces[waiting.sender] = transaction.nonce + 1
        self.transactions.append(transaction)
        price = min(
            transaction.max_fee_per_gas,
            self.base_fee_per_gas + transaction.max_priority_fee_per_gas,
        )
        self.receipts[waiting.hash] = {
            "transactionHash": waiting.hash,
            "from": hex_of(waiting.sender),
            "blockNumber": hex(self.block),
            "blockHash": hex_of(keccak256(self.block.to_bytes(8, "big"))),
            "status": "0x1" if outcome.succeeded else "0x0",
            "gasUsed": hex(outcome.gas_used),
            "effectiveGasPrice": hex(price),
            "logs": outcome.logs,
        }


class FakeConnection:
    """One connection to a fake node."""

    def __init__(self, node: FakeNode) -> None:
        self._node = node
        self.closed: asyncio.Future[StreamLost | DecodeError] = (
            asyncio.get_running_loop().create_future()
        )

    async def batch(
        self, calls: Sequence[tuple[str, Sequence[object]]]
    ) -> list[msgspec.Raw | RpcRefused]:
        """Answer several calls, unless a fault says otherwise."""
        if self.closed.done():
            raise StreamLost("the fake connection is closed")
        answers: list[msgspec.Raw | RpcRefused] = []
        for method, params in calls:
            try:
                result = self._node.answer(method, params)
            except RpcRefused as error:
                answers.append(error)
            else:
                answers.append(msgspec.Raw(msgspec.json.encode(result)))
        await asyncio.sleep(0)
        if self._node.lose_next_answer:
            self._node.lose_next_answer = False
            raise OutcomeUnknown("the fake node did not answer in time")
        return answers

    def close(self) -> None:
        """End the connection."""
        if not self.closed.done():
            self.closed.set_result(StreamLost("the fake connection was closed"))


def _replaces(new: UnsignedTransaction, old: UnsignedTransaction) -> bool:
    return all(
        fee * 100 >= before * REPLACEMENT_PERCENT
        for fee, before in (
            (new.max_fee_per_gas, old.max_fee_per_gas),
            (new.max_priority_fee_per_gas, old.max_priority_fee_per_gas),
        )
    )
