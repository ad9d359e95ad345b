import pytest
from hypothesis import given
from hypothesis import strategies as st

from alphapulse.errors import DecodeError, ValueOutOfRange
from alphapulse.evm import abi


def test_selectors_and_topics_of_well_known_signatures():
    assert abi.selector("transfer(address,uint256)").hex() == "a9059cbb"
    assert abi.selector(
        "flashloanArbitrage(address[],uint256[],uint256,address,address)"
    ).hex() == ("6f6400d3")
    assert abi.topic("Transfer(address,address,uint256)").hex() == (
        "ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
    )


def test_types_between_the_parentheses():
    assert abi.argument_types("f()") == ()
    assert abi.argument_types("f(uint8)") == ("uint8",)
    assert abi.argument_types("f((uint8,bytes)[],address)") == ("(uint8,bytes)[]", "address")
    for text in ("f", "(uint8)", "f(uint8"):
        with pytest.raises(ValueOutOfRange):
            abi.argument_types(text)


@given(st.binary(min_size=20, max_size=20), st.lists(st.integers(0, 2**256 - 1), max_size=5))
def test_decodes_what_it_encodes_with_addresses_as_bytes(account, numbers):
    types = ("address", "uint256[]", "(address,bool)")
    values = (account, tuple(numbers), (account, True))
    assert abi.decode(types, abi.encode(types, values)) == values


def test_a_call_is_selector_and_arguments():
    data = abi.encode_call("transfer(address,uint256)", b"\x01" * 20, 5)
    assert data.hex() == "a9059cbb" + "00" * 12 + "01" * 20 + "00" * 31 + "05"


@given(st.binary(max_size=100))
def test_random_bytes_raise_the_typed_error_only(data):
    for types in (["address"], ["string"], ["uint8"], ["bool", "bytes"], ["address[]"]):
        try:
            abi.decode(types, data)
        except DecodeError:
            continue


@pytest.mark.parametrize(
    ("types", "values"),
    [(["uint8"], [256]), (["uint8"], [-1]), (["address"], [b"\x01" * 19]), (["uint8"], ["x"])],
)
def test_what_does_not_fit_is_refused(types, values):
    with pytest.raises(ValueOutOfRange):
        abi.encode(types, values)
