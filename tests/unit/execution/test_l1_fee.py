"""Self-consistency of the fee models; what chains recorded is in tests/golden/test_l1_fee.py."""

import random

import pytest

from alphapulse.errors import ValueOutOfRange
from alphapulse.execution.l1_fee import (
    ArbitrumFee,
    L1Prices,
    OpStackFee,
    OpStackFork,
    fastlz_length,
    stand_in,
)

GWEI = 10**9
PRICES = L1Prices(20 * GWEI, 3 * GWEI)
FJORD = OpStackFee(OpStackFork.FJORD, base_fee_scalar=5_227, blob_base_fee_scalar=1_014_213)


def test_a_fastlz_length_of_what_cannot_be_compressed():
    """Random bytes are literals: one byte more for each 32."""
    data = random.Random(5).randbytes(640)
    assert fastlz_length(data) == 640 + 20
    assert fastlz_length(data[:13]) == 14
    assert [fastlz_length(b"x" * size) for size in (1, 12, 13)] == [2, 13, 14]


def test_a_repeat_costs_a_match():
    block = random.Random(6).randbytes(32)
    once, twice = fastlz_length(block), fastlz_length(block * 2)
    assert once == 33
    assert twice < 33 + 3 + 5 + 3
    far = block + random.Random(7).randbytes(8_192) + block
    near = block + random.Random(7).randbytes(8_100) + block
    assert fastlz_length(far) - fastlz_length(near) > 92 + 3 + 10


def test_more_data_never_has_a_lower_fee_by_much():
    data = random.Random(8).randbytes(300)
    fees = [FJORD.data_fee(data[:size], PRICES) for size in range(1, 300)]
    assert fees == sorted(fees)
    assert fees[0] == FJORD.data_fee(b"x", PRICES)  # the least size


def test_no_bytes_no_fee():
    assert FJORD.data_fee(b"", PRICES) == 0


def test_the_fee_before_signing_is_that_of_the_oracle():
    """The oracle adds 68 bytes to the compressed length of the unsigned transaction."""
    unsigned = stand_in(10, b"c" * 20, bytes(200) + random.Random(9).randbytes(100), 600_000)
    cost = FJORD.cost(unsigned, PRICES, gas_used=300_000, base_fee=1)
    size = 836_500 * (fastlz_length(unsigned) + 68) - 42_585_600
    price = 16 * 5_227 * PRICES.base_fee + 1_014_213 * PRICES.blob_base_fee
    assert cost.data_fee == size * price // 10**12
    assert (cost.operator_fee, cost.gas) == (0, 0)


def test_a_margin_is_added_to_the_data_fee_only():
    chain = OpStackFee(
        OpStackFork.ISTHMUS,
        base_fee_scalar=5_227,
        blob_base_fee_scalar=1_014_213,
        operator_fee_scalar=2_000_000,
        operator_fee_constant=5,
        margin_bps=2_500,
    )
    unsigned = stand_in(10, b"c" * 20, b"\x01" * 200, 600_000)
    bare = FJORD.cost(unsigned, PRICES, gas_used=300_000, base_fee=1).data_fee
    cost = chain.cost(unsigned, PRICES, gas_used=300_000, base_fee=1)
    assert cost.data_fee == bare + -(-bare // 4)
    assert cost.operator_fee == 600_005


def test_older_forks_count_the_signature_as_bytes():
    chain = OpStackFee(OpStackFork.REGOLITH, overhead=188, scalar=684_000)
    cost = chain.cost(b"\x01\x00", L1Prices(GWEI), gas_used=1, base_fee=1)
    assert cost.data_fee == (16 + 4 + 68 * 16 + 188) * GWEI * 684_000 // 10**6


def test_arbitrums_gas_follows_the_nodes_terms():
    """300 bytes are 4,800 units and 256 spare, 1 % on them, 10 % on their price, in gas of this chain."""
    assert ArbitrumFee.gas_for_l1(300, 2 * GWEI, 10**7) == 5_106 * 2 * GWEI * 11 // 10 // 10**7
    chain = ArbitrumFee(compressed_permille=500, margin_bps=1_000)
    cost = chain.cost(bytes(532), L1Prices(2 * GWEI), gas_used=1, base_fee=10**7)
    gas = 5_106 * 2 * GWEI * 11 // 10 // 10**7
    assert cost.gas == gas + -(-gas // 10)
    assert (cost.data_fee, cost.operator_fee) == (0, 0)
    with pytest.raises(ValueOutOfRange):
        ArbitrumFee.gas_for_l1(1, 1, 0)


def test_parameters_are_checked():
    for wrong in ({"margin_bps": -1}, {"margin_bps": 10**6}, {"scalar": -1}):
        with pytest.raises(ValueOutOfRange):
            OpStackFee(OpStackFork.FJORD, **wrong)
    for wrong in ({"compressed_permille": 0}, {"compressed_permille": 1_001}, {"margin_bps": -1}):
        with pytest.raises(ValueOutOfRange):
            ArbitrumFee(**wrong)
    with pytest.raises(ValueOutOfRange):
        L1Prices(-1)
    with pytest.raises(ValueOutOfRange):
        FJORD.operator_fee(-1)
