"""Selectors, argument splitting and contract addresses against published vectors (EIP-20, EIP-1014, Yellow Paper)."""

import pytest

from alphapulse.devnet.calls import (
    answer_of,
    call_data,
    create2_address,
    create_address,
    selector,
)
from alphapulse.evm.hashing import keccak256


def test_call_data_is_selector_and_words() -> None:
    data = call_data("transfer(address,uint256)", b"\x11" * 20, 5)
    assert data.hex() == "a9059cbb" + "00" * 12 + "11" * 20 + "00" * 31 + "05"


def test_tuples_and_lists_are_one_argument() -> None:
    data = call_data("aggregate3((address,bool,bytes)[])", [(b"\x22" * 20, True, b"\x01")])
    assert data[:4].hex() == "82ad56cb"
    ((answer,),) = answer_of(("(address,bool,bytes)[]",), data[4:])
    assert answer == ("0x" + "22" * 20, True, b"\x01")


def test_no_arguments() -> None:
    assert call_data("totalSupply()") == selector("totalSupply()") == bytes.fromhex("18160ddd")


@pytest.mark.parametrize(
    ("nonce", "expected"),
    [
        (0, "cd234a471b72ba2f1ccf0a70fcaba648a5eecd8d"),
        (1, "343c43a37d37dff08ae8c4a11544c718abb4fcf8"),
        (2, "f778b86fa74e846c4f0a1fbd1335fe81c00a0c91"),
    ],
)
def test_created_addresses(nonce: int, expected: str) -> None:
    sender = bytes.fromhex("6ac7ea33f8831ea9dcc53393aaa88b25a785dbf0")
    assert create_address(sender, nonce).hex() == expected


def test_created_addresses_differ_across_length_of_nonce() -> None:
    places = {create_address(b"\x01" * 20, nonce) for nonce in (0, 1, 127, 128, 255, 256, 65_536)}
    assert len(places) == 7


def test_salted_address() -> None:
    place = create2_address(bytes(20), bytes(32), keccak256(b"\x00"))
    assert place.hex() == "4d1a2e2bb4f88f0250f26ffff098b0b30b26bf38"
