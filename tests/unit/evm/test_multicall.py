"""aggregate3. Oracle: eth-abi, an independent ABI library."""

import contextlib

import pytest
from eth_abi.abi import decode, encode
from hypothesis import given
from hypothesis import strategies as st

from alphapulse.errors import DecodeError
from alphapulse.evm.multicall import Call, decode_aggregate3, encode_aggregate3

addresses = st.binary(min_size=20, max_size=20)


@given(st.lists(st.tuples(addresses, st.binary(max_size=100)), max_size=8))
def test_calls_are_encoded_as_the_abi_says(calls):
    found = encode_aggregate3([Call(target, data) for target, data in calls])
    assert found[:4].hex() == "82ad56cb"
    expected = [("0x" + target.hex(), True, data) for target, data in calls]
    assert found[4:] == encode(["(address,bool,bytes)[]"], [expected])
    assert decode(["(address,bool,bytes)[]"], found[4:])[0] == tuple(expected)


@given(st.lists(st.tuples(st.booleans(), st.binary(max_size=100)), max_size=8))
def test_results_are_decoded_as_the_abi_says(results):
    answer = encode(["(bool,bytes)[]"], [results])
    expected = [data if succeeded else None for succeeded, data in results]
    assert decode_aggregate3(answer, len(results)) == expected
    with pytest.raises(DecodeError):
        decode_aggregate3(answer, len(results) + 1)


@given(st.binary(max_size=300), st.integers(0, 5))
def test_random_answers_raise_only_decode_errors(answer, count):
    with contextlib.suppress(DecodeError):
        decode_aggregate3(answer, count)


@given(
    st.lists(st.tuples(st.booleans(), st.binary(max_size=40)), min_size=1, max_size=4), st.data()
)
def test_cut_answers_raise_only_decode_errors(results, data):
    answer = encode(["(bool,bytes)[]"], [results])
    cut = data.draw(st.integers(0, len(answer) - 1))
    try:
        found = decode_aggregate3(answer[:cut], len(results))
    except DecodeError:
        return
    # Only padding after the last result may be missing.
    assert found == [value if succeeded else None for succeeded, value in results]
