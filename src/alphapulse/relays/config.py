"""Every number of the relays, as the protocol's table has it; all of them can be set."""

import os
from pathlib import Path

import msgspec

from alphapulse.errors import Misconfigured
from alphapulse.protocol.header import Domain, Source
from alphapulse.relays.tiers import Tier, TierConfig
from alphapulse.transport.sockets import SOCKET_NAMES

__all__ = [
    "DOMAIN_NAMES",
    "DomainConfig",
    "RelayConfig",
    "config_from_toml",
    "default_directory",
    "default_domains",
    "relay_source",
    "shard_socket",
]

DOMAIN_NAMES: dict[str, int] = {domain.name.lower(): domain for domain in Domain}
"""How files and the shell name the domains."""


class DomainConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One domain's relay.

    `drops` chooses what a full queue means: the oldest messages go and the consumer is told, or the consumer goes.
    `keeps_on_disk` journals to files before anything is forwarded, so that a relay that died knows what it had;
    `flush_ms` is the longest time until the disk itself has them, 0 leaves that to the operating system.
    `journal_files_bytes` bounds the files when `journal_days` is 0.
    """

    socket_name: str
    connections: int
    queue_messages: int
    drops: bool
    verifies: bool
    journal_messages: int
    journal_bytes: int = 256 * 2**20
    keeps_on_disk: bool = False
    flush_ms: int = 0
    journal_days: int = 0
    journal_segment_bytes: int = 64 * 2**20
    journal_files_bytes: int = 256 * 2**20


class RelayConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All relays of one directory. Sizes in bytes, times in milliseconds.

    `sources_by_user` says which sources a user id (as text) may produce as; a user that is not named may listen, and
    the user who runs the relay may produce as every source that is not a relay's.
    """

    directory: Path
    domains: dict[int, DomainConfig]
    journal_directory: Path | None = None
    sources_by_user: dict[str, frozenset[int]] = msgspec.field(default_factory=dict)
    heartbeat_ms: int = 1_000
    silent_intervals: int = 3
    hello_ms: int = 1_000
    stall_ms: int = 5_000
    rejects_before_close: int = 10
    rejects_window_ms: int = 60_000
    write_buffer_bytes: int = 256 * 1024
    close_grace_ms: int = 1_000
    drain_ms: int = 2_000
    ack_messages: int = 256
    named_losses: int = 1_024
    snapshot_after_base: int = 4_096
    snapshot_bytes: int = 512 * 2**20
    snapshots_per_second: int = 300
    sources: int = 256
    tiers: TierConfig = TierConfig()
    mark_ms: int = 100


def default_domains() -> dict[int, DomainConfig]:
    """Return the protocol's table."""
    return {
        Domain.MARKET: DomainConfig(
            socket_name=SOCKET_NAMES[Domain.MARKET],
            connections=1_000,
            queue_messages=10_000,
            drops=True,
            verifies=False,
            journal_messages=65_536,
        ),
        Domain.SIGNAL: DomainConfig(
            socket_name=SOCKET_NAMES[Domain.SIGNAL],
            connections=100,
            queue_messages=1_000,
            drops=False,
            verifies=True,
            journal_messages=65_536,
            keeps_on_disk=True,
        ),
        Domain.EXECUTION: DomainConfig(
            socket_name=SOCKET_NAMES[Domain.EXECUTION],
            connections=50,
            queue_messages=500,
            drops=False,
            verifies=True,
            journal_messages=65_536,
            keeps_on_disk=True,
            flush_ms=100,
            journal_days=7,
        ),
        Domain.SYSTEM: DomainConfig(
            socket_name=SOCKET_NAMES[Domain.SYSTEM],
            connections=100,
            queue_messages=1_000,
            drops=True,
            verifies=True,
            journal_messages=1_024,
        ),
    }


def default_directory() -> Path:
    """Return `alphapulse` in the user's runtime directory.

    Raises  Misconfigured when the user has none.
    """
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if not runtime:
        raise Misconfigured("`XDG_RUNTIME_DIR` is not set: name a directory for the sockets")
    return Path(runtime) / "alphapulse"


def relay_source(domain: int, tier: Tier | None = None) -> int:
    """Return the source as which a domain's relay speaks, or a shard of market data."""
    if tier is not None:
        return Source.BUS_BRIDGE + 1 + tier
    return Source.MARKET_RELAY + domain - 1


def shard_socket(socket_name: str, tier: Tier) -> str:
    """Return the socket name of a shard of the relay that listens as `socket_name`."""
    return f"{socket_name.removesuffix('.sock')}.{tier.name.lower()}.sock"


def config_from_toml(text: str, directory: Path) -> RelayConfig:
    """Return the defaults with what a file changes: keys of RelayConfig, and a table per domain by its name.

    Raises  Misconfigured for an unknown key or a value of another type.
    """
    chosen: dict[str, object] = msgspec.to_builtins(
        RelayConfig(directory=directory, domains=default_domains()),
        str_keys=True,
        enc_hook=str,
    )
    domains: dict[str, dict[str, object]] = chosen.pop("domains")  # type: ignore[assignment]  # by construction
    try:
        read: dict[str, object] = msgspec.toml.decode(text)
        for key, value in read.items():
            if key in DOMAIN_NAMES and isinstance(value, dict):
                domains[str(int(DOMAIN_NAMES[key]))].update(value)
            else:
                chosen[key] = value
        return msgspec.convert(
            {**chosen, "domains": domains}, RelayConfig, strict=False, dec_hook=_path
        )
    except msgspec.ValidationError as error:
        raise Misconfigured(f"relay configuration: {error}") from error
    except msgspec.DecodeError as error:
        raise Misconfigured(f"relay configuration is not TOML: {error}") from error


def _path(kind: type, value: object) -> Path:
    if kind is not Path or not isinstance(value, str):
        raise TypeError(f"`{value}` is not a path")
    return Path(value)
