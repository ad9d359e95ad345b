"""Where the relays listen: one socket per domain in one directory."""

from pathlib import Path

from alphapulse.protocol.header import Domain

__all__ = ["SOCKET_NAMES", "socket_path"]

SOCKET_NAMES: dict[int, str] = {
    Domain.MARKET: "market_data.sock",
    Domain.SIGNAL: "signals.sock",
    Domain.EXECUTION: "execution.sock",
    Domain.SYSTEM: "system.sock",
}


def socket_path(directory: Path, domain: int) -> Path:
    """Return the socket of a domain's relay."""
    return directory / SOCKET_NAMES[domain]
