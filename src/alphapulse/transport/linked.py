"""What every bus with a link does alike: one local order, life signs, a visible state, and errors that end it."""

import asyncio
import contextlib
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, NoReturn

from alphapulse.errors import EndpointDown, InvariantError
from alphapulse.protocol.codec import encode
from alphapulse.protocol.header import Domain
from alphapulse.protocol.message import Draft, Message
from alphapulse.protocol.system import HealthStatus, Heartbeat
from alphapulse.transport.bus import (
    ALL_DOMAINS,
    BusStatistics,
    LinkState,
    LinkStatistics,
    Subscriber,
)
from alphapulse.transport.local import LocalBus
from alphapulse.transport.outbox import Outbox
from alphapulse.transport.sequence import Sequencer
from alphapulse.transport.settings import LinkConfig, check_link

__all__ = ["LOSSLESS", "LinkedBusBase"]

LOSSLESS = frozenset({Domain.SIGNAL, Domain.EXECUTION})
TICK_S = 0.05  # a tenth of the shortest patience, half a second
_MS = 1_000_000


class LinkedBusBase(ABC):
    """A local bus whose own messages leave, and that others' messages enter.

    A subscriber that fails on what it published raises to the publisher, as on a local bus. One that fails on what the
    link delivered has no caller of its own: `failed` raises its error.
    """

    def __init__(self, config: LinkConfig, sequencer: Sequencer, clock: Callable[[], int]) -> None:
        check_link(config)
        self._config = config
        self._clock = clock
        self._sequencer = sequencer
        self._local = LocalBus(sequencer, clock, outlet=self._leave)
        self._outboxes = {
            key: Outbox(
                most_messages=config.retained_messages,
                most_bytes=config.retained_bytes,
                lossless=key[0] in LOSSLESS,
            )
            for key in sorted(config.produces)
        }
        self._progress = dict.fromkeys(self._outboxes, (1, 0))
        self._last_beat_ns = dict.fromkeys(self._outboxes, 0)
        self._state = LinkState.LINKING
        self._was_linked = asyncio.Event()
        self._failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._state_callbacks: list[Callable[[LinkState], None]] = []
        self._base_callbacks: list[Callable[[int, int], None]] = []
        self._last_error = ""
        self._reconnects = 0
        self._received = 0
        self._invalid = 0

    # --- bus --------------------------------------------------------------------------------------------------------------

    def publish(self, draft: Draft) -> None:
        """Give one draft number and time, deliver it here and send it.

        Raises  as `LocalBus.publish`; InvariantError for a (domain, source) that `produces` does not hold;
                ValueOutOfRange when it cannot be encoded; LimitExceeded when nothing left for too long.
        """
        self._check_declared(draft)
        self._local.publish(draft)

    def publish_all(self, drafts: Iterable[Draft]) -> None:
        """Publish drafts that stand next to each other in the order.

        Raises  as `publish`.
        """
        waiting = tuple(drafts)
        for draft in waiting:
            self._check_declared(draft)
        self._local.publish_all(waiting)

    def subscribe(
        self, callback: Subscriber, *, name: str, domains: frozenset[int] = ALL_DOMAINS
    ) -> None:
        """Deliver from the next message of the local order on."""
        self._local.subscribe(callback, name=name, domains=domains)

    def statistics(self) -> BusStatistics:
        """Return a frozen view of the counts of the local order."""
        return self._local.statistics()

    # --- link -------------------------------------------------------------------------------------------------------------

    @property
    def state(self) -> LinkState:
        """Return how the link stands."""
        return self._state

    async def linked(self, *, timeout_s: float = 30.0) -> None:
        """Wait until every connection stands for the first time.

        Raises  EndpointDown naming the last error when the time is over.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._was_linked.wait()
        if not self._was_linked.is_set():
            cause = self._last_error or "nobody answered"
            raise EndpointDown(f"`{self._config.name}` is not linked after {timeout_s} s: {cause}")

    async def failed(self) -> NoReturn:
        """Wait until a subscriber fails on what the link delivered, and raise its error: the bus has stopped."""
        await asyncio.shield(self._failure)
        raise InvariantError("a link fails only by an error")

    async def drain(self, *, timeout_s: float) -> bool:
        """Wait until all that was published has left, and return whether it has."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while not self._is_drained():  # noqa: ASYNC110  # the transport's callbacks empty it
                    await asyncio.sleep(TICK_S / 5)
        return self._is_drained()

    def on_state(self, callback: Callable[[LinkState], None]) -> None:
        """Call at each change of the state."""
        self._state_callbacks.append(callback)

    def on_base_wanted(self, callback: Callable[[int, int], None]) -> None:
        """Call with (domain, source) when others need that own source's base messages published again."""
        self._base_callbacks.append(callback)

    @abstractmethod
    def epoch_of(self, domain: int, source: int) -> int:
        """Return the epoch of a producer's run, 0 while unknown."""

    @abstractmethod
    def link_statistics(self) -> LinkStatistics:
        """Return a frozen view of the link's counts."""

    # --- for the kinds of link --------------------------------------------------------------------------------------------

    @abstractmethod
    def _flush(self, domain: int, source: int) -> None:
        """Send what waits in an outbox, as far as the connection takes it."""

    @abstractmethod
    def _is_connected(self) -> bool:
        """Return whether every connection stands."""

    @abstractmethod
    def _on_tick(self, now_ns: int) -> None:
        """Look after patience and silence."""

    def _left(self, domain: int, source: int) -> int:
        """Return the first sequence of a producer that has not left."""
        return self._outboxes[domain, source].next_sequence

    def _encoded(self, message: Message) -> bytes:
        """Return what the outbox holds for a message."""
        return encode(message)

    def _is_drained(self) -> bool:
        return all(
            self._left(*key) == outbox.end_sequence for key, outbox in self._outboxes.items()
        )

    def _is_own(self, domain: int, source: int) -> bool:
        return (domain, source) in self._outboxes

    def _inject(self, messages: list[Message]) -> None:
        """Take foreign messages into the local order; an error of a subscriber ends the bus."""
        is_delivered = False
        try:
            self._local.deliver_all(messages)
            is_delivered = True
        finally:
            if not is_delivered:
                self._fail(sys.exception())

    def _fail(self, error: BaseException | None) -> None:
        if error is not None and not self._failure.done():
            self._failure.set_exception(error)
            self._failure.exception()  # whoever does not wait for it need not be told by the loop

    def _begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start a part of the link; a mistake in it ends the bus as a subscriber's does."""
        task = asyncio.create_task(work)

        def on_end(ended: asyncio.Task[None]) -> None:
            if not ended.cancelled():
                self._fail(ended.exception())

        task.add_done_callback(on_end)
        return task

    def _want_base(self, domain: int, source: int) -> None:
        for callback in self._base_callbacks:
            callback(domain, source)

    def _look(self) -> None:
        """Find the state anew, and tell who wants to know when it has changed."""
        state = self._found_state(time.monotonic_ns())
        if state is self._state:
            return
        self._state = state
        if state is LinkState.LIVE and not self._was_linked.is_set():
            self._was_linked.set()
            self._last_beat_ns = dict.fromkeys(self._outboxes, time.monotonic_ns())
        for callback in self._state_callbacks:
            callback(state)

    def _found_state(self, now_ns: int) -> LinkState:
        if self._state is LinkState.CLOSED:
            return LinkState.CLOSED
        if self._is_stalled(now_ns):
            return LinkState.STALLED
        if self._is_connected():
            return LinkState.LIVE
        return LinkState.LOST if self._was_linked.is_set() else LinkState.LINKING

    def _is_stalled(self, now_ns: int) -> bool:
        """Return whether a lossless producer has something that waits and did not move for too long."""
        stalled = False
        for key, outbox in self._outboxes.items():
            if key[0] not in LOSSLESS:
                continue
            at, since_ns = self._progress[key]
            left = self._left(*key)
            if left == outbox.end_sequence or at != left:
                self._progress[key] = (left, now_ns)
            elif now_ns - since_ns >= self._config.stall_ms * _MS:
                stalled = True
        return stalled and self._was_linked.is_set()

    async def _tick(self) -> None:
        """Beat, look and repeat until cancelled."""
        while True:
            await asyncio.sleep(TICK_S)
            now_ns = time.monotonic_ns()
            self._on_tick(now_ns)
            self._look()
            if self._was_linked.is_set() and not self._failure.done():
                self._beat(now_ns)

    def _beat(self, now_ns: int) -> None:
        """Publish a heartbeat of each producer that has not said one lately: a lost tail shows at the next number."""
        interval = self._config.heartbeat_ms
        due = [key for key, at in self._last_beat_ns.items() if now_ns - at >= interval * _MS]
        for domain, source in due:
            self._last_beat_ns[domain, source] = now_ns
            beat = Heartbeat(
                event_ns=self._clock(), status=HealthStatus.OK, source=source, interval=interval
            )
            is_said = False
            try:
                self.publish(Draft(domain, source, (beat,)))
                is_said = True
            finally:
                if not is_said:
                    self._fail(sys.exception())

    def _end(self) -> None:
        self._state = LinkState.CLOSED
        for callback in self._state_callbacks:
            callback(LinkState.CLOSED)

    def _check_declared(self, draft: Draft) -> None:
        if (draft.domain, draft.source) not in self._outboxes:
            raise InvariantError(
                f"`produces` of `{self._config.name}` must hold ({draft.domain}, {draft.source})"
            )

    def _leave(self, message: Message) -> None:
        header = message.header
        key = (header.domain, header.source)
        if type(message.tlvs[0]) is Heartbeat:
            self._last_beat_ns[key] = time.monotonic_ns()
        self._outboxes[key].add(header.sequence, self._encoded(message))
        self._flush(*key)
