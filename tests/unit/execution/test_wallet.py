import json
import pickle
import stat

import pytest
from coincurve import PrivateKey
from eth_account import Account

from alphapulse.errors import Misconfigured
from alphapulse.evm.transaction import UnsignedTransaction, sign
from alphapulse.execution.wallet import Wallet, create_keystore
from alphapulse.primitives.secret import Secret
from support.execution_plans import KEY, SENDER


def test_a_keystore_opens_with_its_password_only(tmp_path):
    path = tmp_path / "key.json"
    assert create_keystore(path, Secret("pass"), iterations=2, key=Secret(KEY)) == SENDER
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert Wallet.load(path, Secret("pass")).address == SENDER
    assert bytes(Account.decrypt(json.loads(path.read_text()), "pass")) == KEY
    with pytest.raises(Misconfigured, match="password"):
        Wallet.load(path, "wrong")


def test_a_new_key_is_random_and_never_overwrites(tmp_path):
    first = create_keystore(tmp_path / "a.json", "p", iterations=2)
    second = create_keystore(tmp_path / "b.json", "p", iterations=2)
    assert first != second
    with pytest.raises(Misconfigured, match="cannot be created"):
        create_keystore(tmp_path / "a.json", "p", iterations=2)


def test_a_missing_keystore_names_path_key_and_remedy(tmp_path):
    with pytest.raises(Misconfigured) as caught:
        Wallet.load(tmp_path / "none.json", "p")
    text = str(caught.value)
    assert str(tmp_path / "none.json") in text
    assert "wallet.keystore" in text
    assert "alphapulse keys import" in text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not json",
        "[]",
        "{}",
        '{"version": 1}',
        '{"version": 3}',
        "\xff",
        '{"version": 3, "crypto": 5}',
    ],
)
def test_another_file_is_refused_in_one_line(tmp_path, text):
    path = tmp_path / "key.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(Misconfigured, match="keystore"):
        Wallet.load(path, "p")


def test_it_signs_as_the_key_does(wallet):
    transaction = UnsignedTransaction(1, 2, 3, 4, 21_000, bytes(20), 5, b"")
    assert wallet.sign(transaction) == sign(transaction, PrivateKey(KEY))


def test_nothing_prints_or_pickles_the_key(tmp_path, wallet):
    """Covers: P1."""
    secret = Secret(KEY)
    holder = {"wallet": wallet, "secret": secret, "list": [Secret("swordfish")]}
    for text in (
        repr(holder),
        str(holder),
        f"{secret}",
        f"{secret!r:>10}",
        str(wallet),
    ):
        assert KEY.hex() not in text
        assert repr(KEY) not in text
        assert "swordfish" not in text
    with pytest.raises(TypeError):
        pickle.dumps(secret)
    path = tmp_path / "key.json"
    create_keystore(path, "swordfish", iterations=2, key=secret)
    with pytest.raises(Misconfigured) as caught:
        Wallet.load(path, "sworrdfish")
    assert "sworrdfish" not in str(caught.value)
    assert caught.value.__cause__ is None
