"""The 32-byte header of every message: its numbers, its names and its checks."""

import struct
from enum import IntEnum, IntFlag, unique
from zlib import crc32

import msgspec

from alphapulse.errors import DecodeError, ValueOutOfRange

__all__ = [
    "ABSOLUTE_LIMIT",
    "DOMAIN_LIMITS",
    "HEADER_SIZE",
    "MAGIC",
    "VERSION",
    "Domain",
    "Flag",
    "Header",
    "Source",
    "checksum_of",
    "message_size",
    "pack_header",
    "unpack_header",
]

MAGIC = 0xDEADBEEF
VERSION = 1
HEADER_SIZE = 32
ABSOLUTE_LIMIT = 1_048_576  # bytes of a whole message, for any parser

_LAYOUT = struct.Struct("<IBBBBIQQ")
_CHECKSUM = struct.Struct("<I")
_CHECKSUM_OFFSET = 28
_REFUSED_FLAGS = 0x03
_WRITTEN_FLAGS = 0x3F


@unique
class Domain(IntEnum):
    """Relay domains."""

    MARKET = 1
    SIGNAL = 2
    EXECUTION = 3
    SYSTEM = 4


# Bytes of a whole message, header included, that a producer may write and a relay forwards.
DOMAIN_LIMITS: dict[int, int] = {
    Domain.MARKET: 65_536,
    Domain.SIGNAL: 32_768,
    Domain.EXECUTION: 16_384,
    Domain.SYSTEM: 65_536,
}


@unique
class Source(IntEnum):
    """Known producers; the list stays open, gaps are assigned by configuration."""

    BINANCE = 1
    KRAKEN = 2
    COINBASE = 3
    POLYGON = 4
    GEMINI = 5
    ETHEREUM = 6
    ARBITRUM = 7
    BASE = 8
    STOCK_FEED = 9
    ARBITRAGE = 20
    MARKET_MAKER = 21
    TREND_FOLLOWER = 22
    KRAKEN_SIGNALS = 23
    CROSS_CHAIN_ARBITRAGE = 24
    PORTFOLIO = 40
    RISK = 41
    EXECUTION = 42
    DASHBOARD = 60
    METRICS = 61
    STATE_MANAGER = 62
    ARCHIVER = 63
    REPLAYER = 64
    TRACE_COLLECTOR = 65
    MARKET_RELAY = 80
    SIGNAL_RELAY = 81
    EXECUTION_RELAY = 82
    SYSTEM_RELAY = 83
    BUS_BRIDGE = 84


@unique
class Flag(IntFlag):
    """Header flags; COMPRESSED and ENCRYPTED are refused in version 1."""

    COMPRESSED = 0x01
    ENCRYPTED = 0x02
    HIGH_PRIORITY = 0x04
    ACKNOWLEDGE = 0x08
    TRACED = 0x10
    REPLAY = 0x20


class Header(msgspec.Struct, frozen=True, gc=False):
    """Who says it, in which domain, as which message of that producer, and when it was built."""

    domain: int
    source: int
    flags: int
    sequence: int
    timestamp_ns: int


def pack_header(header: Header, flags: int, payload: bytes) -> bytes:
    """Return the 32 header bytes for a payload, with `flags` in place of the header's own.

    Range   domain 1 to 4; source 1 to 255; flags without 0x01 and 0x02; sizes of DOMAIN_LIMITS.
    Raises  ValueOutOfRange when a field or the size does not fit.
    """
    size = HEADER_SIZE + len(payload)
    limit = DOMAIN_LIMITS.get(header.domain)
    if limit is None:
        raise ValueOutOfRange(f"`domain` must be 1 to 4, was `{header.domain}`")
    if size > limit:
        raise ValueOutOfRange(
            f"a message of domain {header.domain} must have at most {limit} bytes, had {size}"
        )
    if header.source == 0 or flags & _REFUSED_FLAGS:
        raise ValueOutOfRange(
            f"`source` must not be 0 and `flags` must not have bits 0x03, were `{header.source}` and `{flags}`"
        )
    try:
        head = _LAYOUT.pack(
            MAGIC,
            header.domain,
            VERSION,
            header.source,
            flags & _WRITTEN_FLAGS,
            len(payload),
            header.sequence,
            header.timestamp_ns,
        )
    except struct.error as error:
        raise ValueOutOfRange(f"a header field does not fit: `{header}`") from error
    return head + _CHECKSUM.pack(crc32(payload, crc32(head)))


def unpack_header(data: bytes, *, relay: bool = False) -> tuple[Header, int]:
    """Return the header and the payload size after steps 1 to 6 of the checks, in their order.

    With `relay` the size limit is the domain's, otherwise the absolute one.

    Raises  DecodeError(truncated, bad_magic, bad_version, bad_domain, bad_flags, too_large).
    """
    if len(data) < HEADER_SIZE:
        raise DecodeError("truncated", 0, f"{len(data)} bytes hold no header")
    magic, domain, version, source, flags, payload_size, sequence, timestamp_ns = (
        _LAYOUT.unpack_from(data)
    )
    if magic != MAGIC:
        raise DecodeError("bad_magic", 0)
    if version != VERSION:
        raise DecodeError("bad_version", 5, str(version))
    if not 1 <= domain <= 4:
        raise DecodeError("bad_domain", 4, str(domain))
    if flags & _REFUSED_FLAGS:
        raise DecodeError("bad_flags", 7, hex(flags))
    limit = DOMAIN_LIMITS[domain] if relay else ABSOLUTE_LIMIT
    if HEADER_SIZE + payload_size > limit:
        raise DecodeError("too_large", 8, f"payload of {payload_size} bytes")
    return Header(domain, source, flags, sequence, timestamp_ns), payload_size


def message_size(data: bytes, *, relay: bool = False) -> int | None:
    """Return how long the message at the start of a stream is, or None while its header is incomplete.

    Raises  DecodeError as `unpack_header`; the length itself is not compared with the buffer.
    """
    if len(data) < HEADER_SIZE:
        return None
    return HEADER_SIZE + unpack_header(data, relay=relay)[1]


def checksum_of(data: bytes) -> int:
    """Return the CRC-32 of a message: the checksum field is left out, not zeroed."""
    return crc32(data[HEADER_SIZE:], crc32(data[:_CHECKSUM_OFFSET]))
