"""Keccak-256, the hash of the EVM."""

import sha3

__all__ = ["keccak256"]


def keccak256(data: bytes) -> bytes:
    """Return the 32-byte Keccak-256 digest (the pre-standard padding, not SHA3-256)."""
    digest: bytes = sha3.keccak_256(data).digest()
    return digest
