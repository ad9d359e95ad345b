"""JSON-RPC over one WebSocket: requests, batches and subscriptions, every inbound frame visible to a tap.

The room's only I/O. A connection never reconnects by itself: it ends once, and its owner decides what that means.
"""

import asyncio
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import msgspec
from picows import WSError, WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from alphapulse.errors import DecodeError, EndpointDown, OutcomeUnknown, RpcRefused, StreamLost

__all__ = ["JsonRpc", "Notification", "RpcStatistics", "Tap", "decode_answer", "masked_url"]

CONNECT_TIMEOUT_S = 5.0
REQUEST_TIMEOUT_S = 10.0
MAX_FRAME_BYTES = 64 * 1024 * 1024  # a block's logs or a multicall answer fit many times over

Answer = TypeVar("Answer")

Tap = Callable[[bytes, int], None]
"""Called with each inbound frame and its receive time in nanoseconds since the epoch."""


class _RpcError(msgspec.Struct, frozen=True):
    code: int = 0
    message: str = ""
    data: object = None


class Notification(msgspec.Struct, frozen=True):
    """One `eth_subscription` push; `result` is still JSON, so that its consumer decodes it into its own type."""

    subscription: str
    result: msgspec.Raw


class _Frame(msgspec.Struct, frozen=True):
    id: int | None = None
    result: msgspec.Raw = msgspec.Raw(b"null")
    error: _RpcError | None = None
    method: str | None = None
    params: msgspec.Raw = msgspec.Raw(b"null")


@dataclass(frozen=True, slots=True)
class RpcStatistics:
    """Counts since the connection opened."""

    requests: int
    frames: int
    bytes_received: int


@dataclass(frozen=True, slots=True)
class _Received:
    raw: msgspec.Raw
    recv_ns: int


_FRAMES: msgspec.json.Decoder[_Frame | list[_Frame]] = msgspec.json.Decoder(_Frame | list[_Frame])
_HOST = re.compile(r"([\w.-]+|\[[0-9a-fA-F:.]+\])(:\d+)?")
_NOTIFICATION = msgspec.json.Decoder(Notification)


def masked_url(url: str) -> str:
    """Return scheme and host of an endpoint, without path, query or credentials: they may hold a key."""
    scheme, _, rest = url.partition("://")
    host = rest.split("/", 1)[0].split("?", 1)[0].rsplit("@", 1)[-1]
    return f"{scheme}://{host if _HOST.fullmatch(host) else '***'}"


class JsonRpc(WSListener):
    """One connection to a node. Make it with `JsonRpc.connect(url)`."""

    def __init__(
        self, tap: Tap | None, on_notification: Callable[[Notification, int], None] | None
    ) -> None:
        super().__init__()
        self._tap = tap
        self._on_notification = on_notification
        self._transport: WSTransport | None = None
        self._pending: dict[int, asyncio.Future[_Received]] = {}
        self._next_id = 1
        self._name = ""
        self._timeout_s = REQUEST_TIMEOUT_S
        self._frames = 0
        self._bytes = 0
        self._partial = bytearray()
        self.closed: asyncio.Future[StreamLost | DecodeError] = (
            asyncio.get_running_loop().create_future()
        )

    @classmethod
    async def connect(
        cls,
        url: str,
        *,
        tap: Tap | None = None,
        on_notification: Callable[[Notification, int], None] | None = None,
        request_timeout_s: float = REQUEST_TIMEOUT_S,
    ) -> "JsonRpc":
        """Return an open connection.

        Raises  EndpointDown when nothing answers there, or what answers is not a WebSocket.
        """
        name = masked_url(url)
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                _, listener = await ws_connect(
                    lambda: cls(tap, on_notification), url, max_frame_size=MAX_FRAME_BYTES
                )
        except (OSError, WSError, TimeoutError, ValueError) as error:
            reason = str(error) or type(error).__name__
            if isinstance(error, ValueError):
                reason = "its URL is not one"  # what such an error says quotes the URL in parts
            raise EndpointDown(
                f"RPC endpoint `{name}` cannot be reached: {reason.replace(url, name)}"
            ) from None
        if not isinstance(listener, cls):  # its transport has forgotten it already
            raise EndpointDown(f"RPC endpoint `{name}` closed the connection at once")
        listener._name = name
        listener._timeout_s = request_timeout_s
        return listener

    async def request(self, kind: type[Answer], method: str, *params: object) -> Answer:
        """Return the answer decoded as `kind` (any type msgspec knows; unknown keys are ignored).

        Raises  RpcRefused when the node answers with an error; DecodeError when the answer has another shape;
                StreamLost when the connection is gone; OutcomeUnknown when no answer comes in time.
        """
        return (await self.request_timed(kind, method, *params))[0]

    async def request_timed(
        self, kind: type[Answer], method: str, *params: object
    ) -> tuple[Answer, int]:
        """Return the answer as `request` does, and the receive time of its frame in nanoseconds.

        Raises  as `request`.
        """
        (answer,) = await self._exchange([(method, params)])
        if isinstance(answer, RpcRefused):
            raise answer
        return decode_answer(kind, answer.raw, method), answer.recv_ns

    async def batch(
        self, calls: Sequence[tuple[str, Sequence[object]]]
    ) -> list[msgspec.Raw | RpcRefused]:
        """Return the answers of several calls sent in one frame, in the order of the calls.

        Raises  StreamLost, OutcomeUnknown and DecodeError as `request`; a refused call is returned, not raised.
        """
        if not calls:
            return []
        answers = await self._exchange(calls)
        return [answer if isinstance(answer, RpcRefused) else answer.raw for answer in answers]

    async def _exchange(
        self, calls: Sequence[tuple[str, Sequence[object]]]
    ) -> list[_Received | RpcRefused]:
        if self._transport is None or self.closed.done():
            raise StreamLost(f"connection to `{self._name}` is closed")
        first = self._next_id
        self._next_id += len(calls)
        loop = asyncio.get_running_loop()
        futures: list[asyncio.Future[_Received]] = []
        body: list[dict[str, object]] = []
        for number, (method, params) in enumerate(calls, first):
            futures.append(loop.create_future())
            self._pending[number] = futures[-1]
            body.append({"jsonrpc": "2.0", "id": number, "method": method, "params": list(params)})
        payload = msgspec.json.encode(body[0] if len(body) == 1 else body)
        self._transport.send(WSMsgType.TEXT, payload)
        try:
            async with asyncio.timeout(self._timeout_s):
                results = await asyncio.gather(*futures, return_exceptions=True)
        except TimeoutError:
            names = ", ".join(sorted({method for method, _ in calls}))
            raise OutcomeUnknown(
                f"`{self._name}` did not answer `{names}` within {self._timeout_s} s"
            ) from None
        finally:
            for number in range(first, first + len(calls)):
                self._pending.pop(number, None)
        return [
            _answer_of(method, result) for (method, _), result in zip(calls, results, strict=True)
        ]

    async def subscribe(self, *params: object) -> str:
        """Return the id of a new `eth_subscribe` subscription."""
        return await self.request(str, "eth_subscribe", *params)

    def close(self) -> None:
        """Close the connection; pending requests end with StreamLost, and what still arrives reaches nobody."""
        self._tap = self._on_notification = None
        if self._transport is not None:
            self._transport.disconnect()

    def statistics(self) -> RpcStatistics:
        """Return the counts so far."""
        return RpcStatistics(self._next_id - 1, self._frames, self._bytes)

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Take the open transport (called by picows)."""
        self._transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Route one frame (called by picows)."""
        if frame.msg_type not in (WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.CONTINUATION):
            return
        recv_ns = time.time_ns()
        payload = frame.get_payload_as_bytes()
        if self._partial or not frame.fin:
            self._partial += payload
            if len(self._partial) > MAX_FRAME_BYTES:
                self._end(
                    DecodeError(
                        "too_large",
                        0,
                        f"`{self._name}` sent a message above {MAX_FRAME_BYTES} bytes",
                    )
                )
                transport.disconnect()
                return
            if not frame.fin:
                return
            payload, self._partial = bytes(self._partial), bytearray()
        self._frames += 1
        self._bytes += len(payload)
        if self._tap is not None:
            self._tap(payload, recv_ns)
        try:
            decoded = _FRAMES.decode(payload)
            for item in decoded if isinstance(decoded, list) else (decoded,):
                self._route(item, recv_ns)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            self._end(
                DecodeError(
                    "bad_json", 0, f"`{self._name}` sent something that is not JSON-RPC: {error}"
                )
            )
            transport.disconnect()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """Fail what still waits (called by picows)."""
        self._end(StreamLost(f"connection to `{self._name}` was lost"))

    def __repr__(self) -> str:
        return f"JsonRpc({self._name})"

    def _route(self, frame: _Frame, recv_ns: int) -> None:
        if frame.method is not None:
            if frame.method == "eth_subscription" and self._on_notification is not None:
                self._on_notification(_NOTIFICATION.decode(frame.params), recv_ns)
            return
        if frame.id is None and frame.error is not None:
            # The node could not read a request far enough to find its id, so any waiting one may be meant.
            for waiting in self._pending.values():
                if not waiting.done():
                    waiting.set_exception(_refusal(frame.error))
            return
        future = self._pending.get(frame.id) if frame.id is not None else None
        if future is None or future.done():
            return
        if frame.error is not None:
            future.set_exception(_refusal(frame.error))
        else:
            future.set_result(_Received(frame.result, recv_ns))

    def _end(self, error: StreamLost | DecodeError) -> None:
        for future in self._pending.values():
            if not future.done():
                future.set_exception(error)
        if not self.closed.done():
            self.closed.set_result(error)


def decode_answer(kind: type[Answer], raw: msgspec.Raw, method: str) -> Answer:
    """Return a raw answer decoded as `kind`.

    Raises  DecodeError when it has another shape.
    """
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.MsgspecError as error:
        raise DecodeError(
            "bad_answer", 0, f"`{method}` answered another shape than expected: {error}"
        ) from error


def _refusal(error: _RpcError) -> RpcRefused:
    return RpcRefused("", error.code, error.message, error.data)


def _answer_of(method: str, result: _Received | BaseException) -> _Received | RpcRefused:
    if isinstance(result, RpcRefused):
        return RpcRefused(method, result.code, result.message, result.data)
    if isinstance(result, BaseException):
        raise result
    return result
