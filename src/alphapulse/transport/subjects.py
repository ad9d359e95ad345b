"""Where a message stands on the bus of many machines: subject, partition, stream. Bytes in, text out."""

from zlib import crc32

from alphapulse.primitives.instrument_id import ASSET_WILDCARD
from alphapulse.protocol.execution import CircuitBreaker, Command, EmergencyStop
from alphapulse.protocol.header import Domain
from alphapulse.protocol.market_data import InstrumentMeta, StateInvalidation
from alphapulse.protocol.message import Message, RawTlv, Tlv
from alphapulse.protocol.registry import number_of
from alphapulse.protocol.system import Heartbeat
from alphapulse.transport.announced import instrument_of

__all__ = [
    "BROADCAST",
    "DOMAIN_NAMES",
    "STREAMS",
    "control_subject",
    "domain_filter",
    "message_id",
    "partition_filter",
    "partition_of",
    "partitions",
    "subject_of",
]

BROADCAST = "all"
DOMAIN_NAMES: dict[int, str] = {
    Domain.MARKET: "market",
    Domain.SIGNAL: "signal",
    Domain.EXECUTION: "execution",
    Domain.SYSTEM: "system",
}
STREAMS: dict[int, str] = {domain: f"AP_{name.upper()}" for domain, name in DOMAIN_NAMES.items()}

_BROADCAST_KINDS = (InstrumentMeta, EmergencyStop, CircuitBreaker, Command, Heartbeat)
_KEYS = ("order_id", "signal_id")


def subject_of(message: Message, prefix: str, count: int) -> str:
    """Return the subject of a message: domain, source, type of its primary TLV, partition."""
    header = message.header
    kind = _type_of(message.tlvs[0]) if message.tlvs else 0
    partition = partition_of(message, count)
    return f"{prefix}.{DOMAIN_NAMES[header.domain]}.{header.source}.{kind}.{partition}"


def partition_of(message: Message, count: int) -> str:
    """Return the partition that the message's key falls into, or BROADCAST for what every member has to hear."""
    if _is_broadcast(message):
        return BROADCAST
    return f"{crc32(_key_of(message)) % count:02d}"


def partitions(count: int) -> list[str]:
    """Return the partitions that are shared out."""
    return [f"{number:02d}" for number in range(count)]


def domain_filter(prefix: str, domain: int) -> str:
    """Return the filter of a whole domain."""
    return f"{prefix}.{DOMAIN_NAMES[domain]}.>"


def partition_filter(prefix: str, domain: int, partition: str) -> str:
    """Return the filter of one partition of a domain."""
    return f"{prefix}.{DOMAIN_NAMES[domain]}.*.*.{partition}"


def control_subject(prefix: str, domain: int) -> str:
    """Return where base messages of a domain are asked for."""
    return f"{prefix}.ctl.{DOMAIN_NAMES[domain]}.snapshot"


def message_id(domain: int, source: int, epoch: int, sequence: int) -> str:
    """Return the identity by which the bus refuses a repeat."""
    return f"{domain}-{source}-{epoch}-{sequence}"


def _is_broadcast(message: Message) -> bool:
    if not message.tlvs:
        return False
    if isinstance(message.tlvs[0], _BROADCAST_KINDS):
        return True
    return any(
        isinstance(tlv, StateInvalidation) and tlv.instrument.asset_type == ASSET_WILDCARD
        for tlv in message.tlvs
    )


def _key_of(message: Message) -> bytes:
    header = message.header
    if header.domain == Domain.MARKET:
        for tlv in message.tlvs:
            instrument = instrument_of(tlv)
            if instrument is not None:
                return instrument.pack()
    elif header.domain in (Domain.SIGNAL, Domain.EXECUTION) and message.tlvs:
        primary = message.tlvs[0]
        for name in _KEYS:
            number = getattr(primary, name, None)
            if isinstance(number, int):
                return number.to_bytes(8, "little")
        instrument = instrument_of(primary)
        if instrument is not None:
            return instrument.pack()
    return bytes([header.source])


def _type_of(tlv: Tlv) -> int:
    return tlv.type if isinstance(tlv, RawTlv) else number_of(type(tlv))
