import random

import pytest

from alphapulse.errors import BelowMinProfit, LimitExceeded, ValueOutOfRange
from alphapulse.execution import gas


def test_calldata_is_charged_by_its_bytes():
    assert gas.intrinsic_gas(b"\0\0\x01", 100_000) == 21_000 + 4 + 4 + 16 + 100_000


def test_the_calldata_floor_binds_when_little_runs():
    data = b"\x01" * 1_000
    assert gas.intrinsic_gas(data, 0) == 21_000 + 40 * 1_000
    assert gas.intrinsic_gas(data, 24_000) == 21_000 + 40 * 1_000
    assert gas.intrinsic_gas(data, 24_001) == 21_000 + 40 * 1_000 + 1


def test_the_estimate_adds_its_parts():
    model = gas.GasModel(overhead=1_000, v2_step=20, v3_step=300, tick_crossed=4_000)
    assert model.estimate((0, 1, 1), 2, b"") == 21_000 + 1_000 + 20 + 600 + 8_000
    with pytest.raises(ValueOutOfRange, match="kind"):
        model.estimate((7,), 0, b"")
    with pytest.raises(ValueOutOfRange, match="ticks_crossed"):
        model.estimate((0,), -1, b"")


def test_a_gas_limit_above_the_cap_is_refused():
    """Covers: G4."""
    largest = 2**24 * 4 // 7
    assert gas.gas_limit(largest) <= 2**24
    with pytest.raises(LimitExceeded, match="16777216"):
        gas.gas_limit(largest + 1)
    with pytest.raises(LimitExceeded):
        gas.gas_limit(2**24)


def test_the_next_base_fee_of_known_blocks():
    """Oracle: mainnet 17173049 -> 17173050, and the examples of EIP-1559."""
    assert gas.next_base_fee(10**9, 15_000_000, 30_000_000) == 10**9
    assert gas.next_base_fee(10**9, 30_000_000, 30_000_000) == 1_125_000_000
    assert gas.next_base_fee(10**9, 0, 30_000_000) == 875_000_000
    assert gas.next_base_fee(7, 30_000_000, 30_000_000) == 8
    assert gas.next_base_fee(0, 30_000_000, 30_000_000) == 1


def test_no_run_of_blocks_passes_the_bound():
    """Covers: G2."""
    seed = 20_261
    print(f"seed {seed}")
    draw = random.Random(seed)
    for _ in range(2_000):
        start = draw.choice((draw.randrange(100), draw.randrange(10**6), draw.randrange(10**12)))
        limit = draw.choice((5_000, 5_001, 30_000_000, 30_000_001, 36_000_003))
        blocks = draw.randrange(1, 12)
        fee = start
        for _ in range(blocks):
            used = limit if draw.random() < 0.8 else draw.randrange(limit + 1)
            fee = gas.next_base_fee(fee, used, limit)
        assert fee <= gas.base_fee_bound(start, blocks)


def test_the_bound_is_near_what_full_blocks_reach():
    fee = 10**11
    for _ in range(5):
        fee = gas.next_base_fee(fee, 30_000_000, 30_000_000)
    assert fee <= gas.base_fee_bound(10**11, 5) <= fee + fee * 5 // 10_000


def test_fees_hold_for_the_valid_blocks():
    offered = gas.fees(10**9, 2 * 10**8, 3)
    assert offered.max_priority_fee_per_gas == 2 * 10**8
    assert offered.max_fee_per_gas == gas.base_fee_bound(10**9, 3) + 2 * 10**8


def test_fees_are_capped_by_what_the_profit_pays():
    """Covers: G2."""
    cap = 10**9 + 2 * 10**8
    assert gas.fees(10**9, 2 * 10**8, 3, affordable_per_gas=cap).max_fee_per_gas == cap
    with pytest.raises(BelowMinProfit):
        gas.fees(10**9, 2 * 10**8, 3, affordable_per_gas=cap - 1)
    with pytest.raises(ValueOutOfRange):
        gas.fees(10**9, 1, 0)


@pytest.mark.parametrize("fee", [0, 1, 7, 8, 9, 10**9, 10**9 + 1])
def test_a_raised_fee_replaces(fee):
    """Covers: S5."""
    raised = gas.raised_fee(fee)
    assert raised > fee
    assert raised * 1_000 >= fee * 1_125
    assert (raised - 1) * 1_000 < max(fee * 1_125, 1_000 * (fee + 1))


def test_net_profit_subtracts_everything():
    """Covers: G1."""
    assert gas.net_profit(1_000, 700, flash_fee=1, gas=20) == 279
    assert (
        gas.net_profit(
            1_000, 700, flash_fee=1, gas=20, l1_data_fee=300, operator_fee=4_000, builder_payment=5
        )
        == 300 - 1 - 20 - 300 - 4_000 - 5
    )
    with pytest.raises(ValueOutOfRange):
        gas.net_profit(1_000, 700, flash_fee=-1, gas=0)
