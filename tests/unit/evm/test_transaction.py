import pytest
from coincurve import PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from alphapulse.errors import DecodeError, ValueOutOfRange
from alphapulse.evm import rlp
from alphapulse.evm.transaction import (
    UnsignedTransaction,
    check_key,
    decode_signed,
    recover_sender,
    sign,
)

KEY = PrivateKey(bytes(31) + b"\x01")
ITEMS = st.recursive(
    st.binary(max_size=80), lambda inner: st.lists(inner, max_size=4), max_leaves=12
)


def transaction(**changes: object) -> UnsignedTransaction:
    fields = {
        "chain_id": 1,
        "nonce": 0,
        "max_priority_fee_per_gas": 1,
        "max_fee_per_gas": 2,
        "gas_limit": 21_000,
        "to": bytes(20),
        "value": 0,
        "data": b"",
    }
    return UnsignedTransaction(**(fields | changes))


@given(ITEMS)
def test_rlp_decodes_what_it_encodes(item):
    assert rlp.decode(rlp.encode(item)) == item


@given(st.binary(max_size=64))
def test_random_bytes_raise_the_typed_error_only(data):
    try:
        item = rlp.decode(data)
    except DecodeError:
        return
    assert rlp.encode(item) == data


@given(st.binary(max_size=200))
def test_random_transactions_raise_the_typed_error_only(data):
    with pytest.raises(DecodeError):
        recover_sender(b"\x02" + data)


def test_a_torn_or_changed_transaction_never_recovers_to_its_sender():
    signed = sign(transaction(data=b"\x01\x02"), KEY)
    for cut in range(len(signed.raw)):
        with pytest.raises(DecodeError):
            recover_sender(signed.raw[:cut])
    for place in range(len(signed.raw)):
        changed = bytearray(signed.raw)
        changed[place] ^= 1
        try:
            assert recover_sender(bytes(changed)) != signed.sender
        except DecodeError:
            continue


@given(
    st.binary(min_size=31, max_size=31),
    st.integers(0, 2**64 - 2),
    st.integers(0, 2**128),
    st.binary(max_size=300),
    st.lists(st.tuples(st.binary(min_size=20, max_size=20), st.just((bytes(32),))), max_size=2),
)
def test_every_signature_recovers_to_its_signer(secret, nonce, value, data, access):
    """What `sign` no longer asks itself. Oracle: public key recovery."""
    key = PrivateKey(b"\x01" + secret)
    asked = transaction(nonce=nonce, value=value, data=data, access_list=tuple(access))
    signed = sign(asked, key)
    assert decode_signed(signed.raw) == (asked, signed.sender)
    assert sign(asked, key, check_key(key)) == signed


@given(st.integers(0, 2**256 - 1))
def test_an_integer_is_encoded_as_its_shortest_bytes(value):
    assert rlp.encode_integer(value) == rlp.encode(rlp.integer(value))


def test_signing_is_deterministic_with_low_s():
    first, second = sign(transaction(nonce=5), KEY), sign(transaction(nonce=5), KEY)
    assert first == second
    items = rlp.decode(first.raw[1:])
    assert int.from_bytes(items[11], "big") <= (2**256 - 2**128) // 2
    assert decode_signed(first.raw)[1].hex() == "7e5f4552091a69125d5dfcb7b8c2659029395bdf"


@pytest.mark.parametrize(
    "changes",
    [
        {"nonce": 2**64 - 1},
        {"nonce": -1},
        {"max_priority_fee_per_gas": 3},
        {"gas_limit": 2**64},
        {"to": bytes(19)},
        {"value": 2**256},
        {"max_fee_per_gas": 2**256 - 1},
        {"access_list": ((bytes(19), ()),)},
        {"access_list": ((bytes(20), (bytes(31),)),)},
    ],
)
def test_what_no_chain_accepts_is_refused(changes):
    with pytest.raises(ValueOutOfRange):
        transaction(**changes)


def test_a_high_s_is_refused():
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    items = list(rlp.decode(sign(transaction(), KEY).raw[1:]))
    parity, s = int.from_bytes(items[9], "big"), int.from_bytes(items[11], "big")
    items[9], items[11] = rlp.integer(1 - parity), rlp.integer(order - s)
    with pytest.raises(DecodeError):
        recover_sender(b"\x02" + rlp.encode(items))


def test_no_text_form_shows_the_bytes():
    """Covers: P1."""
    signed = sign(transaction(), KEY)
    for text in (repr(signed), str(signed), f"{signed}"):
        assert signed.raw.hex() not in text
        assert str(signed.raw) not in text
