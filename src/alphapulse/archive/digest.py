"""One SHA-256 over all decisions of a run, the figure by which a replay is judged."""

import hashlib
import struct

from alphapulse.protocol.codec import encode_tlv
from alphapulse.protocol.message import Draft

__all__ = ["DecisionDigest"]

_SIGNAL = 1
_PLAN = 2
_RECORD = struct.Struct("<BI")
_SPEAKER = struct.Struct("<BBB")


class DecisionDigest:
    """Hashes decisions in the order they are made.

    Each record is its kind (u8: 1 signal, 2 plan), its length (u32, little-endian) and its bytes, so
    that no two sequences of decisions share a byte string. Numbers and timestamps that a bus adds
    are no part of a decision: a signal counts as what the strategy said.
    """

    __slots__ = ("_count", "_hash")

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._count = 0

    @property
    def count(self) -> int:
        """Decisions hashed so far."""
        return self._count

    def add_signal(self, signal: Draft | bytes) -> None:
        """Hash a signal: a draft as domain, source, flags and encoded TLVs; bytes as they are."""
        if isinstance(signal, Draft):
            speaker = _SPEAKER.pack(signal.domain, signal.source, signal.flags)
            signal = speaker + b"".join(encode_tlv(tlv) for tlv in signal.tlvs)
        self._add(_SIGNAL, signal)

    def add_plan(self, canonical: bytes) -> None:
        """Hash a plan by its canonical bytes."""
        self._add(_PLAN, canonical)

    def hexdigest(self) -> str:
        """Return the digest of everything added so far."""
        return self._hash.hexdigest()

    def _add(self, kind: int, record: bytes) -> None:
        self._hash.update(_RECORD.pack(kind, len(record)))
        self._hash.update(record)
        self._count += 1
