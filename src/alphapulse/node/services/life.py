"""What every service does alike: obey, speak up, and end in order when nobody gives orders any more."""

import asyncio
import contextlib
import time

from alphapulse.errors import InvariantError, SupervisorLost
from alphapulse.node.decisions import TIMER_SOURCE
from alphapulse.node.orders import Json, Orders
from alphapulse.protocol.header import Domain
from alphapulse.protocol.message import Draft, Message
from alphapulse.protocol.system import HealthStatus, Heartbeat
from alphapulse.transport.bus import Bus

__all__ = [
    "BEAT_S",
    "DRAIN_S",
    "HEARD_S",
    "LINK_S",
    "ORPHAN_S",
    "DeskSilence",
    "OrderLine",
    "heartbeat",
]

# A fifth sooner than the link would speak for a producer, so that the link never has to.
BEAT_S = 0.8
DRAIN_S = 5.0  # for what was said to leave the process
LINK_S = 12.0  # a producer that was killed gives its place free within 5 s
HEARD_S = 10.0  # for what was said to arrive
ORPHAN_S = 25.0  # a desk drains within 15 s
SILENT_S = 4.0


class OrderLine:
    """Orders one by one, in the order that a service expects."""

    def __init__(self, orders: Orders) -> None:
        self._orders = orders

    async def expect(self, name: str) -> Json:
        """Return the arguments of the next order.

        Raises  SupervisorLost when there will be none; InvariantError for another order.
        """
        order = await self._orders.next()
        if order is None:
            raise SupervisorLost("the supervisor is gone")
        given, arguments = order
        if given != name:
            raise InvariantError(f"the service expects `{name}`, was told `{given}`")
        return arguments

    async def expect_end(self, silence: "DeskSilence | None" = None) -> Json | None:
        """Return the arguments of `stop`; None when the supervisor is gone, after the desk has been silent for a while."""
        try:
            return await self.expect("stop")
        except SupervisorLost:
            if silence is not None:
                await silence.wait()
            return None

    def answer(self, name: str, **facts: object) -> None:
        """Answer an order; whether anybody listens shows at the next one."""
        self._orders.answer(name, facts)


class DeskSilence:
    """Notices that the desk speaks no more."""

    def __init__(self) -> None:
        self._news = asyncio.Event()

    def on_message(self, message: Message, now_ns: int) -> None:
        """Take one message."""
        header = message.header
        if header.domain == Domain.SYSTEM and header.source == TIMER_SOURCE:
            self._news.set()

    async def wait(self) -> None:
        """Wait until the desk has been silent for some heartbeats, or the patience ends."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ORPHAN_S):
                while True:
                    self._news.clear()
                    await asyncio.wait_for(self._news.wait(), SILENT_S)


def heartbeat(bus: Bus, source: int, status: HealthStatus) -> None:
    """Say that a service lives, and how it is."""
    beat = Heartbeat(
        event_ns=time.time_ns(), status=status, source=source, interval=int(BEAT_S * 1000)
    )
    bus.publish(Draft(Domain.SYSTEM, source, (beat,)))
