"""What a process tells its link: who it is, what it says, what it hears, and how long it waits."""

from pathlib import Path

import msgspec

from alphapulse.errors import Misconfigured
from alphapulse.primitives.instrument_id import InstrumentId
from alphapulse.primitives.secret import Secret
from alphapulse.protocol.header import Source
from alphapulse.transport.bus import ALL_DOMAINS

__all__ = ["LinkConfig", "NatsConfig", "UnixConfig", "check_link"]

_SOURCES = range(1, 256)


class LinkConfig(msgspec.Struct, frozen=True, kw_only=True):
    """One process on a link.

    `name` is `service:instance`. `produces` holds each (domain, source) that this process publishes as; what is
    published under another one is a mistake. `consumes` holds the domains that enter the local order.
    What was sent stays retained for whoever lost it, up to `retained_messages` and `retained_bytes` per producer.
    With `history` the first join asks for everything that journals or streams still hold; without it the order begins
    with what is said from then on, behind a snapshot where there are relays.
    """

    name: str
    produces: frozenset[tuple[int, int]] = frozenset()
    consumes: frozenset[int] = ALL_DOMAINS
    heartbeat_ms: int = 1_000
    reconnect_min_ms: int = 100
    reconnect_max_ms: int = 30_000
    stall_ms: int = 1_000
    retained_messages: int = 65_536
    retained_bytes: int = 64 * 2**20
    history: bool = False


class UnixConfig(LinkConfig, frozen=True, kw_only=True):
    """A process beside relays. `types` and `instruments` narrow what is heard; empty means all of them.

    Who narrows hears holes in the sequences and leaves the search for gaps to the relay.
    """

    directory: Path
    types: frozenset[int] = frozenset()
    instruments: frozenset[InstrumentId] = frozenset()
    snapshot: bool = True


class NatsConfig(LinkConfig, frozen=True, kw_only=True):
    """A process on a bus of many machines. `url` may hold credentials and is never printed.

    With `group` the process is a member of `cg_<group>`: each partition of its domains goes to one living member.
    Without it the process observes: it hears everything, in the order of each producer.
    """

    url: Secret[str]
    group: str = ""
    prefix: str = "alphapulse.v1"
    partitions: int = 16
    stream_bytes: int = 256 * 2**20
    replicas: int = 1
    lease_s: int = 5
    renew_s: int = 1


def check_link(config: LinkConfig) -> None:
    """Refuse what no link can be.

    Raises  Misconfigured, naming key and rule.
    """
    service, _, instance = config.name.partition(":")
    if not service or not instance:
        raise Misconfigured(f"`name` must be `service:instance`, was `{config.name}`")
    for domain, source in sorted(config.produces):
        if domain not in ALL_DOMAINS or source not in _SOURCES:
            raise Misconfigured(
                f"`produces` must hold (domain 1 to 4, source 1 to 255), held ({domain}, {source})"
            )
        if source in (Source.MARKET_RELAY, Source.SIGNAL_RELAY, Source.EXECUTION_RELAY):
            raise Misconfigured(f"source {source} belongs to a relay")
    if not config.consumes <= ALL_DOMAINS:
        raise Misconfigured(f"`consumes` must hold domains 1 to 4, held {sorted(config.consumes)}")
    if not config.produces and not config.consumes:
        raise Misconfigured(f"`{config.name}` neither produces nor consumes")
    if isinstance(config, NatsConfig):
        partitions = config.partitions
        if not 1 <= partitions <= 64 or partitions & (partitions - 1):
            raise Misconfigured(
                f"`partitions` must be a power of two up to 64, was {config.partitions}"
            )
