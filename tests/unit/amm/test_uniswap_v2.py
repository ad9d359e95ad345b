"""Refusals and rounding of the pair. Covers: M4, M6, M10, M13."""

import pytest

from alphapulse.amm import uniswap_v2
from alphapulse.amm.kernel import V2Pool
from alphapulse.errors import InsufficientLiquidity, PoolNotTradeable, ValueOutOfRange


def test_fee_in_pips_equals_the_pairs_fractions() -> None:
    for amount in (1, 7, 999, 10**6, 123_456_789):
        for numerator, denominator, fee_pips in ((997, 1000, 3000), (9975, 10000, 2500)):
            net = amount * numerator
            expected = net * 10**9 // (10**9 * denominator + net)
            if expected:
                assert uniswap_v2.amount_out(amount, 10**9, 10**9, fee_pips) == expected


def test_amount_in_adds_one_where_least_does_not() -> None:
    assert uniswap_v2.amount_in(1, 1, 2, 0) == 2
    assert uniswap_v2.least_amount_in(1, 1, 2, 0) == 1
    assert uniswap_v2.amount_out(1, 1, 2, 0) == 1


def test_each_refusal_has_its_type() -> None:
    with pytest.raises(PoolNotTradeable):
        uniswap_v2.amount_out(1, 0, 10, 3000)
    with pytest.raises(PoolNotTradeable):
        V2Pool(0, 10, 3000).marginal_rate_x128(True)
    with pytest.raises(InsufficientLiquidity, match="buys nothing"):
        uniswap_v2.amount_out(1, 10**9, 10, 3000)
    with pytest.raises(InsufficientLiquidity, match="uint112"):
        uniswap_v2.amount_out(2**112 - 10, 10, 10**9, 3000)
    with pytest.raises(InsufficientLiquidity):
        uniswap_v2.amount_in(10, 10**9, 10, 3000)
    with pytest.raises(InsufficientLiquidity, match="uint112"):
        uniswap_v2.amount_in(10**9 - 1, 2**111, 10**9, 3000)
    for amount in (0, -1):
        with pytest.raises(ValueOutOfRange):
            uniswap_v2.amount_out(amount, 10, 10, 3000)
        with pytest.raises(ValueOutOfRange):
            uniswap_v2.amount_in(amount, 10, 10, 3000)


def test_pool_refuses_what_a_pair_cannot_hold() -> None:
    with pytest.raises(ValueOutOfRange, match="uint112"):
        V2Pool(2**112, 1, 3000)
    with pytest.raises(ValueOutOfRange, match="fee_pips"):
        V2Pool(1, 1, 10**6)
    pool = V2Pool(2**112 - 1, 1, 3000)
    with pytest.raises(ValueOutOfRange):
        pool.set_reserves(-1, 5)
    assert (pool.reserve0, pool.reserve1) == (2**112 - 1, 1)


def test_new_reserves_give_new_answers() -> None:
    pool = V2Pool(10**18, 10**18, 3000)
    before = pool.fingerprint()
    pool.set_reserves(10**18, 2 * 10**18)
    assert pool.fingerprint() != before
    assert pool.amount_out(10**15, True) == 1992013962079806
    assert pool.ticks_crossed(10**15, True) == 0
