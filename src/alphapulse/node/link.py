"""Opens the bus of one service, as configured: who it speaks as, what it hears, and over what."""

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from alphapulse.errors import Misconfigured
from alphapulse.node.config import REFERENCES, Config, resolve_secret
from alphapulse.node.decisions import TIMER_SOURCE
from alphapulse.node.heard import producer_name
from alphapulse.primitives.secret import Secret
from alphapulse.protocol.header import Domain, Source
from alphapulse.transport.bridge import Bridge
from alphapulse.transport.bus import ALL_DOMAINS, LinkedBus
from alphapulse.transport.nats import NatsBus
from alphapulse.transport.sequence import Sequencer
from alphapulse.transport.settings import NatsConfig, UnixConfig
from alphapulse.transport.unix import UnixBus

__all__ = ["PRODUCES", "Linked", "nats_url", "open_bridge", "open_bus", "uses_server"]

BRIDGE = "bridge"

PRODUCES: Mapping[str, frozenset[tuple[int, int]]] = {
    "desk": frozenset(
        {
            (Domain.MARKET, Source.ETHEREUM),
            (Domain.SIGNAL, Source.ARBITRAGE),
            (Domain.EXECUTION, Source.EXECUTION),
            (Domain.SYSTEM, TIMER_SOURCE),
        }
    ),
    "books": frozenset(
        {
            (Domain.EXECUTION, Source.PORTFOLIO),
            (Domain.EXECUTION, Source.RISK),
            (Domain.SYSTEM, Source.RISK),
        }
    ),
    "archiver": frozenset({(Domain.SYSTEM, Source.ARCHIVER)}),
    "dashboard": frozenset(),
    "screen": frozenset(),
}
# The desk hears who may stop it and who watches it; market data and signals are its own.
CONSUMES = {"desk": frozenset({Domain.EXECUTION, Domain.SYSTEM})}


@dataclass(frozen=True, slots=True)
class Linked:
    """A bus, and the numbers of what was said on it."""

    service: str
    bus: LinkedBus
    sequencer: Sequencer

    def last(self) -> dict[str, int]:
        """Return the newest number of each producer of this process."""
        return {
            producer_name(domain, source): self.sequencer.last(domain, source)
            for domain, source in sorted(PRODUCES[self.service])
        }

    async def left(self, *, timeout_s: float) -> dict[str, int]:
        """Wait until what was said has left, and return `last`: heartbeats of the link may still follow, and need not arrive."""
        await self.bus.drain(timeout_s=timeout_s)
        return self.last()


def uses_server(config: Config, service: str) -> bool:
    """Return whether a service speaks over a NATS server."""
    section = config.transport
    return section.mode == "nats" or (section.mode == "mixed" and service in section.on_bus)


def nats_url(config: Config, environment: Mapping[str, str]) -> Secret[str]:
    """Return the server's URL, resolved where it is a reference.

    Raises  Misconfigured naming the reference, never what it holds.
    """
    reference = config.transport.nats_url
    if not reference:
        raise Misconfigured(
            "`transport.nats_url` is needed when `transport.mode` is `nats` or `mixed`: a loopback URL such as "
            "`nats://127.0.0.1:4222`, or `env:NAME` or `file:PATH` that holds one"
        )
    if not reference.startswith(REFERENCES):
        return Secret(reference)
    url = resolve_secret(reference, environment, "transport.nats_url").strip()
    if not url.startswith(("nats://", "tls://")):
        raise Misconfigured(
            f"`transport.nats_url`: `{reference}` must hold a URL that begins with `nats://` or `tls://`"
        )
    return Secret(url)


@asynccontextmanager
async def open_bus(
    config: Config, environment: Mapping[str, str], service: str
) -> AsyncIterator[Linked]:
    """Give the service's bus, which connects in the background until the block is left.

    It hears what is said from then on: all are linked before anybody says what matters.

    Raises  Misconfigured, naming key and rule.
    """
    epoch = time.time_ns()
    sequencer = Sequencer(epoch)
    if uses_server(config, service):
        nats = _nats_config(config, environment, service, epoch)
        async with NatsBus.open(nats, sequencer, time.time_ns) as bus:
            yield Linked(service, bus, sequencer)
    else:
        unix = _unix_config(config, service, epoch)
        async with UnixBus.open(unix, sequencer, time.time_ns) as bus:
            yield Linked(service, bus, sequencer)


@asynccontextmanager
async def open_bridge(config: Config, environment: Mapping[str, str]) -> AsyncIterator[Bridge]:
    """Join relays and server for the services that are `on_bus`.

    Raises  Misconfigured, naming key and rule.
    """
    epoch = time.time_ns()
    unix = _unix_config(config, BRIDGE, epoch)
    nats = _nats_config(config, environment, BRIDGE, epoch)
    at_bus = frozenset[tuple[int, int]]().union(
        *(PRODUCES[service] for service in config.transport.on_bus)
    )
    async with Bridge.open(unix, nats, time.time_ns, at_bus=at_bus) as bridge:
        yield bridge


def _unix_config(config: Config, service: str, epoch: int) -> UnixConfig:
    return UnixConfig(
        name=f"{service}:{epoch}",
        produces=PRODUCES.get(service, frozenset()),
        consumes=CONSUMES.get(service, ALL_DOMAINS),
        directory=Path(config.transport.directory),
        snapshot=False,
    )


def _nats_config(
    config: Config, environment: Mapping[str, str], service: str, epoch: int
) -> NatsConfig:
    return NatsConfig(
        name=f"{service}:{epoch}",
        produces=PRODUCES.get(service, frozenset()),
        consumes=CONSUMES.get(service, ALL_DOMAINS),
        url=nats_url(config, environment),
    )
