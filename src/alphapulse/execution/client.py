"""What execution asks a node, and what the node's refusals mean. Reconnects through the `connect` it is given."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from enum import StrEnum, unique
from typing import Protocol

import msgspec

from alphapulse.errors import DecodeError, EndpointDown, OutcomeUnknown, RpcRefused, StreamLost
from alphapulse.evm.rpc import decode_answer
from alphapulse.execution.receipts import Receipt, parse_receipt
from alphapulse.primitives.address import hex_of

__all__ = ["ChainClient", "Connection", "Refusal", "View", "refusal_of"]


@unique
class Refusal(StrEnum):
    """Why a node refused a transaction."""

    ALREADY_KNOWN = "already_known"
    NONCE_TOO_LOW = "nonce_too_low"
    UNDERPRICED = "underpriced"
    INSUFFICIENT_FUNDS = "insufficient_funds"
    RATE_LIMITED = "rate_limited"
    OTHER = "other"


_PHRASES = (
    (Refusal.ALREADY_KNOWN, ("already known", "already imported", "known transaction")),
    (Refusal.NONCE_TOO_LOW, ("nonce too low", "nonce is too low")),
    (
        Refusal.UNDERPRICED,
        ("underpriced", "fee too low", "less than block base fee", "is less than the base fee"),
    ),
    (Refusal.INSUFFICIENT_FUNDS, ("insufficient funds", "insufficient balance")),
    (Refusal.RATE_LIMITED, ("rate limit", "too many requests", "limit exceeded")),
)
_RATE_LIMIT_CODES = frozenset({429, -32005, -32029})


class Connection(Protocol):
    """The part of a JSON-RPC connection that execution uses."""

    closed: asyncio.Future[StreamLost | DecodeError]

    async def batch(
        self, calls: Sequence[tuple[str, Sequence[object]]]
    ) -> list[msgspec.Raw | RpcRefused]:
        """Return the answers of several calls, in their order."""
        ...

    def close(self) -> None:
        """Close the connection."""
        ...


class View(msgspec.Struct, frozen=True):
    """The chain as one batch showed it: the sender's next nonce and balance, and receipts in the order asked for."""

    latest_nonce: int
    pending_nonce: int
    balance_wei: int
    receipts: tuple[Receipt | None, ...]


def refusal_of(error: RpcRefused) -> Refusal:
    """Return what a node's error means for a transaction; nodes differ in words and agree in phrases."""
    text = error.message.lower()
    for refusal, phrases in _PHRASES:
        if any(phrase in text for phrase in phrases):
            return refusal
    return Refusal.RATE_LIMITED if error.code in _RATE_LIMIT_CODES else Refusal.OTHER


class ChainClient:
    """One node as execution sees it. Never resends by itself."""

    __slots__ = ("_connect", "_connecting", "_connection")

    def __init__(self, connect: Callable[[], Awaitable[Connection]]) -> None:
        self._connect = connect
        self._connection: Connection | None = None
        self._connecting = asyncio.Lock()

    @property
    def is_connected(self) -> bool:
        """Whether a connection is open now."""
        return self._connection is not None and not self._connection.closed.done()

    async def ensure_connected(self) -> None:
        """Connect when there is no open connection.

        Raises  EndpointDown when the node cannot be reached.
        """
        async with self._connecting:
            if not self.is_connected:
                self._connection = await self._connect()

    async def chain_id(self) -> int:
        """Return the chain id that the node claims."""
        return (await self._numbers([("eth_chainId", ())]))[0]

    async def block_number(self) -> int:
        """Return the number of the node's newest block."""
        return (await self._numbers([("eth_blockNumber", ())]))[0]

    async def has_code(self, account: bytes) -> bool:
        """Return whether there is a contract at an address."""
        (answer,) = await self._batch([("eth_getCode", (hex_of(account), "latest"))])
        return len(decode_answer(str, _accepted(answer), "eth_getCode")) > len("0x")

    async def send(self, raw: bytes) -> None:
        """Give a signed transaction to the node.

        Raises  EndpointDown when there is no connection, so that nothing left this process; RpcRefused when the node
                says no; OutcomeUnknown when it was sent and no answer came.
        """
        if not self.is_connected:
            raise EndpointDown("there is no connection to the node, nothing was sent")
        try:
            (answer,) = await self._batch([("eth_sendRawTransaction", (hex_of(raw),))])
        except (StreamLost, DecodeError) as error:
            raise OutcomeUnknown(
                "the connection ended before the node answered a submission"
            ) from error
        if isinstance(answer, RpcRefused):
            raise answer

    async def view(self, sender: bytes, hashes: Sequence[bytes]) -> View:
        """Return nonces, balance and receipts in one batch."""
        account = hex_of(sender)
        calls: list[tuple[str, Sequence[object]]] = [
            ("eth_getTransactionCount", (account, "latest")),
            ("eth_getTransactionCount", (account, "pending")),
            ("eth_getBalance", (account, "latest")),
        ]
        calls += [("eth_getTransactionReceipt", (hex_of(item),)) for item in hashes]
        answers = [_accepted(answer) for answer in await self._batch(calls)]
        latest, pending, balance = (_number(answer, "a count") for answer in answers[:3])
        return View(latest, pending, balance, tuple(map(parse_receipt, answers[3:])))

    async def known(self, hashes: Sequence[bytes]) -> tuple[bool, ...]:
        """Return which transactions the node knows, waiting or included."""
        if not hashes:
            return ()
        answers = await self._batch(
            [("eth_getTransactionByHash", (hex_of(item),)) for item in hashes]
        )
        return tuple(bytes(_accepted(answer)) != b"null" for answer in answers)

    async def revert_data(self, sender: bytes, to: bytes, data: bytes, block: int) -> bytes | None:
        """Return what a call reverts with on the state after a block, None when it does not revert there."""
        call = {"from": hex_of(sender), "to": hex_of(to), "data": hex_of(data)}
        (answer,) = await self._batch([("eth_call", (call, hex(block)))])
        if not isinstance(answer, RpcRefused):
            return None
        return _revert_bytes(answer.data)

    def close(self) -> None:
        """Close the connection, if any."""
        if self._connection is not None:
            self._connection.close()

    async def _batch(
        self, calls: Sequence[tuple[str, Sequence[object]]]
    ) -> list[msgspec.Raw | RpcRefused]:
        if self._connection is None:
            raise StreamLost("there is no connection to the node")
        return await self._connection.batch(calls)

    async def _numbers(self, calls: Sequence[tuple[str, Sequence[object]]]) -> list[int]:
        answers = await self._batch(calls)
        return [
            _number(_accepted(answer), method)
            for (method, _), answer in zip(calls, answers, strict=True)
        ]


def _accepted(answer: msgspec.Raw | RpcRefused) -> msgspec.Raw:
    if isinstance(answer, RpcRefused):
        raise answer
    return answer


def _number(answer: msgspec.Raw, method: str) -> int:
    text = decode_answer(str, answer, method)
    try:
        return int(text, 16)
    except ValueError as error:
        raise DecodeError("bad_answer", 0, f"`{method}` answered no number") from error


def _revert_bytes(data: object) -> bytes:
    if isinstance(data, dict):
        data = data.get("data")
    if not isinstance(data, str):
        return b""
    try:
        return bytes.fromhex(data.removeprefix("0x"))
    except ValueError:
        return b""
