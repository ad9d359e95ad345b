"""Whether a Hello is accepted: version, domain, user, source, and nobody else speaking for that source."""

from collections.abc import Mapping

from alphapulse.protocol.header import VERSION, Source
from alphapulse.protocol.system import ErrorCode, Hello, PeerRole

__all__ = ["Refusal", "refusal_of"]

Refusal = tuple[ErrorCode, str]
_SOURCES = range(1, 256)
_RELAYS = range(Source.MARKET_RELAY, Source.SYSTEM_RELAY + 1)


def refusal_of(
    hello: Hello, *, domain: int, user: int, own_user: int, allowed: Mapping[str, frozenset[int]]
) -> Refusal | None:
    """Return why a Hello is refused, None when this client may speak and listen as it says."""
    if hello.protocol != VERSION:
        return ErrorCode.VERSION, f"protocol must be {VERSION}, was {hello.protocol}"
    if not hello.role & (PeerRole.PRODUCER | PeerRole.CONSUMER):
        return ErrorCode.HANDSHAKE, "a client is a producer, a consumer or both"
    if not hello.domains >> (domain - 1) & 1:
        return ErrorCode.DOMAIN_MISMATCH, f"this is the relay of domain {domain}"
    if not hello.role & PeerRole.PRODUCER:
        return None
    if hello.source not in _SOURCES or hello.source in _RELAYS:
        return ErrorCode.NOT_ALLOWED, f"source {hello.source} is not a client's"
    if hello.epoch == 0:
        return ErrorCode.HANDSHAKE, "a producer's epoch is the start of its run, not 0"
    named = allowed.get(str(user))
    if named is None and user != own_user:
        return ErrorCode.NOT_ALLOWED, f"user {user} may listen only"
    if named is not None and hello.source not in named:
        return ErrorCode.NOT_ALLOWED, f"user {user} may not be source {hello.source}"
    return None
