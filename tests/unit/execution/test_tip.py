import random

import pytest

from alphapulse.errors import BelowMinProfit, ValueOutOfRange
from alphapulse.execution.tip import FixedTip, ShareTip


def test_a_fixed_tip_ignores_the_profit():
    policy = FixedTip(7)
    assert policy.per_gas(-5, 1) == policy.per_gas(10**18, 300_000) == policy.least_per_gas == 7
    with pytest.raises(ValueOutOfRange):
        FixedTip(-1)


def test_a_share_is_taken_of_the_profit_per_gas():
    policy = ShareTip(share_bps=2_500, max_share_bps=9_000, floor_per_gas_wei=3)
    assert policy.least_per_gas == 3
    assert policy.per_gas(400_000_000, 100_000) == 1_000
    assert policy.per_gas(1_000_000, 100_000) == 3  # the share is 2, the floor 3, the most 9


def test_a_floor_that_eats_the_profit_is_refused():
    """Covers: G6."""
    policy = ShareTip(share_bps=0, max_share_bps=5_000, floor_per_gas_wei=10)
    assert policy.per_gas(2_000_000, 100_000) == 10
    with pytest.raises(BelowMinProfit, match="floor"):
        policy.per_gas(1_999_999, 100_000)
    with pytest.raises(BelowMinProfit):
        policy.per_gas(-1, 100_000)


def test_no_bid_exceeds_the_larger_share():
    """Covers: G6."""
    seed = 17
    print(f"seed {seed}")
    draw = random.Random(seed)
    for _ in range(2_000):
        share = draw.randrange(10_001)
        most = draw.randrange(share, 10_001)
        policy = ShareTip(share, most, draw.randrange(10**9))
        profit, gas = draw.randrange(10**18), draw.randrange(1, 10**6)
        try:
            tip = policy.per_gas(profit, gas)
        except BelowMinProfit:
            assert policy.floor_per_gas_wei * gas > profit * most // 10_000 - gas
            continue
        assert policy.floor_per_gas_wei <= tip
        assert tip * gas <= profit * most // 10_000


@pytest.mark.parametrize("wrong", [(-1, 10, 0), (10, 9, 0), (10, 10_001, 0), (10, 20, -1)], ids=str)
def test_shares_are_checked(wrong):
    with pytest.raises(ValueOutOfRange, match="share_bps"):
        ShareTip(*wrong)
    with pytest.raises(ValueOutOfRange, match="gas"):
        ShareTip(1).per_gas(1, 0)
