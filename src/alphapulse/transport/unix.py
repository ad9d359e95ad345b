"""The bus of many processes on one machine: a local order linked to one relay per domain over Unix sockets."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from alphapulse.protocol.message import Message
from alphapulse.transport.bus import LinkStatistics
from alphapulse.transport.linked import LOSSLESS, LinkedBusBase
from alphapulse.transport.relay_client import Dial, RelayClient, dial_sockets
from alphapulse.transport.sequence import Sequencer
from alphapulse.transport.settings import UnixConfig
from alphapulse.transport.tasks import end_tasks

__all__ = ["UnixBus"]

CLOSE_S = 1.0  # for what waits to leave when the bus is closed


class UnixBus(LinkedBusBase):
    """Make it with `UnixBus.open`, subscribe, then wait for `linked`."""

    def __init__(
        self,
        config: UnixConfig,
        sequencer: Sequencer,
        clock: Callable[[], int],
        *,
        dial: Dial,
    ) -> None:
        super().__init__(config, sequencer, clock)
        domains = sorted({domain for domain, _ in config.produces} | config.consumes)
        self._clients = {
            domain: RelayClient(
                domain,
                config,
                sequencer.epoch,
                clock,
                owner=self,
                dial=dial,
                outboxes={key[1]: box for key, box in self._outboxes.items() if key[0] == domain},
            )
            for domain in domains
        }

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        config: UnixConfig,
        sequencer: Sequencer,
        clock: Callable[[], int],
        *,
        dial: Dial | None = None,
    ) -> AsyncIterator["UnixBus"]:
        """Connect in the background, and connect again whenever a connection ends, until the block is left.

        What waits then has a second to leave. `dial` replaces the sockets of the configured directory.

        Raises  Misconfigured, naming key and rule.
        """
        bus = cls(config, sequencer, clock, dial=dial or dial_sockets(config.directory))
        tasks = [bus._begin(client.run()) for client in bus._clients.values()]
        tasks.append(bus._begin(bus._tick()))
        try:
            yield bus
        finally:
            await bus.drain(timeout_s=CLOSE_S)
            await end_tasks(tasks)
            bus._end()
            await asyncio.gather(*(client.close(CLOSE_S) for client in bus._clients.values()))

    def epoch_of(self, domain: int, source: int) -> int:
        """Return the epoch of a producer's run, 0 while unknown."""
        if self._is_own(domain, source):
            return self._sequencer.epoch
        client = self._clients.get(domain)
        streams = client.follower.streams() if client else []
        return next((one.epoch for one in streams if one.source == source), 0)

    def link_statistics(self) -> LinkStatistics:
        """Return a frozen view of the link's counts."""
        clients = self._clients.values()
        followers = [client.follower for client in clients]
        return LinkStatistics(
            state=self.state,
            connections=sum(client.is_joined for client in clients),
            reconnects=sum(client.reconnects for client in clients),
            sent=sum(client.sent for client in clients),
            sent_bytes=sum(client.sent_bytes for client in clients),
            resent=sum(client.resent for client in clients),
            waiting=sum(len(outbox) for outbox in self._outboxes.values()),
            received=sum(client.received for client in clients),
            invalid=sum(client.invalid for client in clients),
            recoveries=sum(one.recoveries for one in followers),
            snapshots=sum(one.snapshots for one in followers),
            lost=sum(one.lost for one in followers)
            + sum(outbox.lost for outbox in self._outboxes.values()),
            last_error=next((one.last_error for one in clients if one.last_error), ""),
            sources=tuple(stream.statistics() for one in followers for stream in one.streams()),
        )

    # --- owner of the connections -----------------------------------------------------------------------------------------

    def on_received(self, messages: list[Message]) -> None:
        """Take messages into the local order."""
        self._inject(messages)

    def on_base_wanted_by_relay(self, domain: int, source: int) -> None:
        """Hand a relay's request to the producer."""
        self._want_base(domain, source)

    def on_change(self) -> None:
        """Look at the connections again."""
        self._last_error = next(
            (one.last_error for one in self._clients.values() if one.last_error), self._last_error
        )
        self._look()

    def _flush(self, domain: int, source: int) -> None:
        self._clients[domain].flush_soon()

    def _is_connected(self) -> bool:
        return all(client.is_joined for client in self._clients.values())

    def _is_stalled(self, now_ns: int) -> bool:
        unheard = [one for one in self._clients.values() if one.domain in LOSSLESS]
        return super()._is_stalled(now_ns) or any(one.is_unheard(now_ns) for one in unheard)

    def _on_tick(self, now_ns: int) -> None:
        for client in self._clients.values():
            client.on_tick(now_ns)
