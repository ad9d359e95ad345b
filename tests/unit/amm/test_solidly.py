"""Solidly pairs: fees first, refusals, and where the contract itself gives up. Covers: M4, M13."""

import pytest

from alphapulse.amm.kernel import SolidlyStablePool, SolidlyVolatilePool
from alphapulse.amm.solidly import StableVersion
from alphapulse.errors import InsufficientLiquidity, PoolNotTradeable, ValueOutOfRange


def test_the_fee_leaves_first_and_is_rounded_down() -> None:
    pool = SolidlyVolatilePool(10**6, 10**6, 30)
    assert pool.amount_out(333, 0, 1) == 332  # 333 * 30 // 10000 is nothing: no fee at all
    assert pool.amount_out(334, 0, 1) == 332  # the first unit of fee
    assert pool.amount_out(10_000, 0, 1) == 9970 * 10**6 // (10**6 + 9970)


def test_a_volatile_output_s_least_input() -> None:
    pool = SolidlyVolatilePool(10**9, 3 * 10**9, 30)
    for wanted in range(1, 3000, 13):
        least = pool.amount_in(wanted, 0, 1)
        assert pool.amount_out(least, 0, 1) >= wanted
        if least > 1:
            try:
                less = pool.amount_out(least - 1, 0, 1)
            except InsufficientLiquidity:
                less = 0
            assert less < wanted


def test_a_balanced_stable_pair_trades_at_par() -> None:
    for version in StableVersion:
        pool = SolidlyStablePool(10**12, 10**24, (6, 18), 1, version=version)
        assert pool.amount_out(10**9, 0, 1) == pytest.approx(999_899_999_999 * 10**9, rel=1e-9)
        assert pool.marginal_rate_x128(0, 1) == 10**12 * 9999 * 2**128 // 10_000


@pytest.mark.parametrize(("fee", "denominator"), [(-1, 10_000), (10_000, 10_000), (1, 1), (0, 0)])
def test_a_fee_that_cannot_be(fee: int, denominator: int) -> None:
    with pytest.raises(ValueOutOfRange):
        SolidlyVolatilePool(1, 1, fee, fee_denominator=denominator)


def test_widths_and_decimals_are_checked() -> None:
    for reserves in ((-1, 1), (2**112, 1), (1, 2**112)):
        with pytest.raises(ValueOutOfRange):
            SolidlyVolatilePool(*reserves, 30)
    for decimals in ((-1, 18), (18, 37)):
        with pytest.raises(ValueOutOfRange):
            SolidlyStablePool(1, 1, decimals, 30)


def test_amounts_that_cannot_be_asked() -> None:
    for pool in (
        SolidlyVolatilePool(10**20, 10**20, 30),
        SolidlyStablePool(10**20, 10**20, (18, 18), 30),
    ):
        for amount in (0, -1):
            with pytest.raises(ValueOutOfRange):
                pool.amount_out(amount, 0, 1)
            with pytest.raises(ValueOutOfRange):
                pool.amount_in(amount, 0, 1)
        for i, j in ((0, 0), (0, 2)):
            with pytest.raises(ValueOutOfRange):
                pool.amount_out(1, i, j)
        for amount in (2**112, 2**255, 2**300):
            with pytest.raises(InsufficientLiquidity):
                pool.amount_out(amount, 0, 1)
            with pytest.raises(InsufficientLiquidity):
                pool.amount_in(amount, 0, 1)
        with pytest.raises(InsufficientLiquidity):
            pool.amount_in(10**20, 0, 1)


def test_a_pair_without_reserves_is_not_tradeable() -> None:
    for reserves in ((0, 0), (0, 1), (1, 0)):
        for pool in (
            SolidlyVolatilePool(*reserves, 30),
            SolidlyStablePool(*reserves, (18, 18), 30),
        ):
            with pytest.raises(PoolNotTradeable):
                pool.amount_out(1, 0, 1)
            with pytest.raises(PoolNotTradeable):
                pool.marginal_rate_x128(0, 1)


def test_where_the_contract_overflows_or_does_not_settle() -> None:
    with pytest.raises(PoolNotTradeable):
        SolidlyStablePool(10**30, 10**30, (18, 18), 30).amount_out(10**20, 0, 1)
    with pytest.raises(PoolNotTradeable):
        SolidlyStablePool(840_695, 1_158_130_894_091, (13, 18), 1).amount_out(10**3, 0, 1)


def test_every_part_of_the_state_is_in_the_fingerprint() -> None:
    changed = [
        SolidlyVolatilePool(10, 20, 30),
        SolidlyVolatilePool(20, 10, 30),
        SolidlyVolatilePool(10, 20, 31),
        SolidlyVolatilePool(10, 20, 30, fee_denominator=10**6),
        SolidlyStablePool(10, 20, (18, 18), 30),
        SolidlyStablePool(10, 20, (18, 6), 30),
        SolidlyStablePool(10, 20, (18, 18), 30, version=StableVersion.FIRST),
    ]
    assert len({each.fingerprint() for each in changed}) == len(changed)
