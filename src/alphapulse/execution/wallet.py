"""The hot key: read once from a V3 keystore, used to sign, never shown."""

import json
import os
import secrets
from pathlib import Path

from coincurve import PrivateKey
from eth_account import Account

from alphapulse.errors import Misconfigured
from alphapulse.evm.transaction import (
    SignedTransaction,
    UnsignedTransaction,
    check_key,
    sign,
)
from alphapulse.primitives.address import Address, hex_of
from alphapulse.primitives.secret import Secret

__all__ = ["Wallet", "create_keystore"]

_KEY_BYTES = 32
_OWNER_ONLY = 0o600
_MAX_KEYSTORE_BYTES = 64 * 1024  # a V3 keystore has about 500 bytes


class Wallet:
    """One account that signs; its text forms show the address only.

    Raises  InvariantError when made of a key whose signature does not recover to it.
    """

    __slots__ = ("_key", "address")

    def __init__(self, key: Secret[bytes]) -> None:
        private = PrivateKey(key.reveal())
        self._key = Secret(private)
        self.address: Address = check_key(private)

    @classmethod
    def load(cls, keystore_path: Path, password: Secret[str] | str) -> "Wallet":
        """Return the wallet of a V3 keystore file, decrypted once.

        Raises  Misconfigured when the file is missing, is not a keystore, or the password does not open it.
        """
        try:
            with keystore_path.open("rb") as file:
                text = file.read(_MAX_KEYSTORE_BYTES)
        except OSError as error:
            raise Misconfigured(
                f"keystore `{keystore_path}` (key `wallet.keystore`) cannot be read: {error.strerror}; "
                "create one with `alphapulse keys import`, or correct the path"
            ) from None
        try:
            content = json.loads(text)
        except ValueError:
            content = None
        if not isinstance(content, dict) or content.get("version") != 3:
            raise Misconfigured(
                f"keystore `{keystore_path}` (key `wallet.keystore`) is not a V3 keystore; "
                "create one with `alphapulse keys import`"
            )
        phrase = password.reveal() if isinstance(password, Secret) else password
        try:
            key = bytes(Account.decrypt(content, phrase))
            return cls(Secret(key))
        except ValueError:
            raise Misconfigured(
                f"keystore `{keystore_path}` does not open with the password given; "
                "check key `wallet.password`"
            ) from None
        except (KeyError, TypeError, NotImplementedError):
            raise Misconfigured(
                f"keystore `{keystore_path}` (key `wallet.keystore`) lacks a part of a V3 keystore; "
                "create one with `alphapulse keys import`"
            ) from None

    def sign(self, transaction: UnsignedTransaction) -> SignedTransaction:
        """Return the transaction signed by this account."""
        return sign(transaction, self._key.reveal(), self.address)

    def __repr__(self) -> str:
        return f"Wallet({hex_of(self.address)})"


def create_keystore(
    path: Path,
    password: Secret[str] | str,
    *,
    iterations: int,
    key: Secret[bytes] | None = None,
) -> Address:
    """Write a V3 keystore (scrypt) that only its owner can read, and return its address.

    Units   iterations is scrypt's n, a power of two: 2**18 for a key of value, 2 for one that lives minutes.
    Raises  Misconfigured when the file exists already or cannot be written.
    """
    secret = key if key is not None else Secret(secrets.token_bytes(_KEY_BYTES))
    phrase = password.reveal() if isinstance(password, Secret) else password
    content = Account.encrypt(secret.reveal(), phrase, kdf="scrypt", iterations=iterations)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY)
    except OSError as error:
        raise Misconfigured(
            f"keystore `{path}` cannot be created: {error.strerror}; choose another path"
        ) from None
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        json.dump(content, file)
    return Wallet(secret).address
