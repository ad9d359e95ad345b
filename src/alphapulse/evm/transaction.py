"""EIP-1559 transactions: their bytes, their signature, their sender. Pure.

Signing takes the key as a value for one call and keeps nothing; where keys live is the wallet's concern.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from coincurve import PrivateKey, PublicKey

from alphapulse.errors import DecodeError, InvariantError, ValueOutOfRange
from alphapulse.evm import rlp
from alphapulse.evm.hashing import keccak256
from alphapulse.primitives.address import Address, Hash32
from alphapulse.primitives.units import MAX_UINT256

__all__ = [
    "AccessEntry",
    "SignedTransaction",
    "UnsignedTransaction",
    "address_of_key",
    "check_key",
    "decode_signed",
    "recover_sender",
    "sign",
]

AccessEntry = tuple[bytes, tuple[bytes, ...]]
"""An address and the storage keys announced with it."""

_TYPE = b"\x02"
_NO_ACCESS = rlp.encode([])
_ADDRESS_BYTES = 20
_KEY_BYTES = 32
_UNSIGNED_FIELDS = 9
_SIGNED_FIELDS = 12
_MAX_UINT64 = 2**64 - 1
_PROBE = keccak256(b"a key signs this once before it signs anything else")
_HALF_ORDER = 0x7FFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFF_5D576E73_57A4501D_DFE92F46_681B20A0


@dataclass(frozen=True, slots=True)
class UnsignedTransaction:
    """A dynamic-fee transaction before its signature.

    Units   fees in wei per gas, value in wei.
    Range   nonce below 2**64 - 1 (EIP-2681), gas_limit below 2**64, chain_id, fees and value below 2**256,
            max_priority_fee_per_gas <= max_fee_per_gas; `to` has 20 bytes, or none to create a contract.
    Raises  ValueOutOfRange when made outside of it.
    """

    chain_id: int
    nonce: int
    max_priority_fee_per_gas: int
    max_fee_per_gas: int
    gas_limit: int
    to: bytes
    value: int
    data: bytes
    access_list: tuple[AccessEntry, ...] = ()

    def __post_init__(self) -> None:
        for name, limit in (
            ("chain_id", MAX_UINT256),
            ("nonce", _MAX_UINT64 - 1),
            ("max_fee_per_gas", MAX_UINT256),
            ("max_priority_fee_per_gas", self.max_fee_per_gas),
            ("gas_limit", _MAX_UINT64),
            ("value", MAX_UINT256),
        ):
            value = getattr(self, name)
            if not 0 <= value <= limit:
                raise ValueOutOfRange(f"`{name}` must be 0 to {limit}, was {value}")
        if self.gas_limit * self.max_fee_per_gas > MAX_UINT256:
            raise ValueOutOfRange("`gas_limit` times `max_fee_per_gas` must fit 256 bits")
        if len(self.to) not in (0, _ADDRESS_BYTES):
            raise ValueOutOfRange(f"`to` must have 20 bytes or none, had {len(self.to)}")
        for entry, keys in self.access_list:
            if len(entry) != _ADDRESS_BYTES or any(len(key) != _KEY_BYTES for key in keys):
                raise ValueOutOfRange(
                    "`access_list` must hold addresses of 20 and keys of 32 bytes"
                )

    def payload(self) -> bytes:
        """Return the encodings of the nine items that the signature covers, joined."""
        integer = rlp.encode_integer
        return b"".join(
            (
                integer(self.chain_id),
                integer(self.nonce),
                integer(self.max_priority_fee_per_gas),
                integer(self.max_fee_per_gas),
                integer(self.gas_limit),
                rlp.encode_bytes(self.to),
                integer(self.value),
                rlp.encode_bytes(self.data),
                rlp.encode([[entry, list(keys)] for entry, keys in self.access_list])
                if self.access_list
                else _NO_ACCESS,
            )
        )

    def signing_hash(self) -> Hash32:
        """Return the hash that the sender signs."""
        return Hash32(keccak256(_TYPE + rlp.list_of(self.payload())))


@dataclass(frozen=True, slots=True, repr=False)
class SignedTransaction:
    """Bytes that anyone who sees them can send; so no text form shows them."""

    raw: bytes
    hash: Hash32
    sender: Address

    def __repr__(self) -> str:
        return f"SignedTransaction(hash=0x{self.hash.hex()})"


def address_of_key(key: PublicKey) -> Address:
    """Return the account address of a public key."""
    return Address(keccak256(key.format(compressed=False)[1:])[12:])


def sign(
    transaction: UnsignedTransaction, key: PrivateKey, sender: Address | None = None
) -> SignedTransaction:
    """Return the transaction with its signature: deterministic nonce, low s.

    `sender` is the key's own address, worked out when it is not given. The signature is not recovered again: libsecp256k1 reads
    the recovery id off the very point whose x is r, and what a fault would break there would break a check beside it. A wrong one
    names a sender without money or nonce, so that every node refuses the bytes; `check_key` proves key and library once.

    Raises  InvariantError for a high s.
    Source  EIP-1559, EIP-2 (low s), RFC 6979.
    """
    payload = transaction.payload()
    signature = key.sign_recoverable(keccak256(_TYPE + rlp.list_of(payload)), hasher=None)
    s = int.from_bytes(signature[32:64], "big")
    if s > _HALF_ORDER:
        raise InvariantError("a signature has a high s")
    integer = rlp.encode_integer
    raw = _TYPE + rlp.list_of(
        b"".join(
            (
                payload,
                integer(signature[64]),
                integer(int.from_bytes(signature[:32], "big")),
                integer(s),
            )
        )
    )
    return SignedTransaction(raw, Hash32(keccak256(raw)), sender or address_of_key(key.public_key))


def check_key(key: PrivateKey) -> Address:
    """Return the address of a key whose signature of a fixed digest recovers to it.

    Raises  InvariantError when it does not: then nothing that is signed here can be trusted.
    """
    sender = address_of_key(key.public_key)
    signature = key.sign_recoverable(_PROBE, hasher=None)
    recovered = PublicKey.from_signature_and_message(signature, _PROBE, hasher=None)
    if address_of_key(recovered) != sender:
        raise InvariantError("a signature does not recover to its signer")
    return sender


def recover_sender(raw: bytes) -> Address:
    """Return who signed a raw dynamic-fee transaction.

    Raises  DecodeError when it is not one, or nobody can have signed it.
    """
    return decode_signed(raw)[1]


def decode_signed(raw: bytes) -> tuple[UnsignedTransaction, Address]:
    """Return the content and the sender of a raw dynamic-fee transaction.

    Raises  DecodeError when it is not one, or nobody can have signed it.
    """
    if raw[:1] != _TYPE:
        raise DecodeError("bad_type", 0, "not an EIP-1559 transaction")
    items = rlp.decode(raw[1:])
    if isinstance(items, bytes) or len(items) != _SIGNED_FIELDS:
        raise DecodeError("bad_size", 1, "an EIP-1559 transaction has 12 fields")
    try:
        transaction = _content(items[:_UNSIGNED_FIELDS])
    except ValueOutOfRange as error:
        raise DecodeError("bad_value", 1, str(error)) from error
    parity, r, s = (_integer(item) for item in items[_UNSIGNED_FIELDS:])
    if parity > 1 or not 0 < s <= _HALF_ORDER or not 0 < r <= MAX_UINT256:
        raise DecodeError("bad_value", 1, "the signature is out of range")
    signature = r.to_bytes(32, "big") + s.to_bytes(32, "big") + bytes((parity,))
    try:
        key = PublicKey.from_signature_and_message(
            signature, transaction.signing_hash(), hasher=None
        )
    except (ValueError, OverflowError) as error:
        raise DecodeError("bad_value", 1, "the signature recovers to no key") from error
    return transaction, address_of_key(key)


def _content(items: Sequence[rlp.Item]) -> UnsignedTransaction:
    to, data = items[5], items[7]
    if not isinstance(to, bytes) or not isinstance(data, bytes):
        raise DecodeError("bad_value", 1, "a list stands where bytes belong")
    return UnsignedTransaction(
        chain_id=_integer(items[0]),
        nonce=_integer(items[1]),
        max_priority_fee_per_gas=_integer(items[2]),
        max_fee_per_gas=_integer(items[3]),
        gas_limit=_integer(items[4]),
        to=to,
        value=_integer(items[6]),
        data=data,
        access_list=_access_list(items[8]),
    )


def _integer(item: rlp.Item) -> int:
    if not isinstance(item, bytes) or item[:1] == b"\0":
        raise DecodeError("bad_value", 1, "not a shortest integer")
    return int.from_bytes(item, "big")


def _access_list(item: rlp.Item) -> tuple[AccessEntry, ...]:
    if isinstance(item, bytes):
        raise DecodeError("bad_value", 1, "the access list is not a list")
    entries: list[AccessEntry] = []
    for entry in item:
        if isinstance(entry, bytes) or len(entry) != 2:
            raise DecodeError("bad_value", 1, "an access list entry has two parts")
        account, keys = entry
        if not isinstance(account, bytes) or isinstance(keys, bytes):
            raise DecodeError("bad_value", 1, "an access list entry is an address and keys")
        entries.append((account, tuple(_bytes(key) for key in keys)))
    return tuple(entries)


def _bytes(item: rlp.Item) -> bytes:
    if not isinstance(item, bytes):
        raise DecodeError("bad_value", 1, "a list stands where bytes belong")
    return item
