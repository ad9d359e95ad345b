"""Curve's plain pool: state, refusals, the ramp, and what an exchange leaves behind. Covers: M4, M9, M13."""

import pytest

from alphapulse.amm.amplification import Ramp
from alphapulse.amm.kernel import CurvePool
from alphapulse.amm.stableswap import invariant_of
from alphapulse.amm.token_kinds import PlainStablePool
from alphapulse.errors import InsufficientLiquidity, PoolNotTradeable, ValueOutOfRange

DAI, USDC = 10**18, 10**30
FLAT = Ramp(2000, 2000)


def pool(**changes: object) -> PlainStablePool:
    settings = {
        "balances": (10**24, 10**12),
        "rates": (DAI, USDC),
        "ramp": FLAT,
        "timestamp": 0,
        "fee": 4 * 10**6,
        "admin_fee": 5 * 10**9,
        "a_precision": 1,
        **changes,
    }
    return CurvePool(**settings)  # type: ignore[arg-type]


def test_balanced_pool_trades_at_par_less_the_fee() -> None:
    balanced = pool()
    assert invariant_of(4000, [10**24, 10**24], 1) == 2 * 10**24
    assert balanced.amount_out(10**18, 0, 1) == 999_599
    par = 10**12 * 2**128 // 10**24
    assert balanced.marginal_rate_x128(0, 1) == par * (10**10 - 4 * 10**6) // 10**10


def test_exchange_keeps_the_fee_and_lets_the_admin_s_part_go() -> None:
    traded = pool()
    expected = traded.amount_out(10**22, 0, 1)
    assert traded.apply_exchange(10**22, 0, 1) == expected
    assert traded.balances[0] == 10**24 + 10**22
    fee = expected * 4 * 10**6 // (10**10 - 4 * 10**6)
    left = 10**12 - expected - traded.balances[1]
    assert abs(left - fee // 2) <= 1


def test_view_and_exchange_round_apart() -> None:
    """3pool's view rounds to the token before the fee, its exchange after it."""
    asked = pool()
    seen = {
        asked.get_dy(10**15 * k, 0, 1, fee_last=True) - asked.amount_out(10**15 * k, 0, 1)
        for k in range(3, 3000, 7)
    }
    assert seen == {0, 1}


@pytest.mark.parametrize(
    ("timestamp", "expected"),
    [(0, 100), (1000, 100), (1001, 100), (1500, 150), (1999, 199), (2000, 200), (9999, 200)],
)
def test_amplification_rises_by_time(timestamp: int, expected: int) -> None:
    assert Ramp(100, 200, 1000, 2000).at(timestamp) == expected
    assert pool(ramp=Ramp(100, 200, 1000, 2000), timestamp=timestamp).amplification == expected


def test_amplification_falls_rounding_its_fall_down() -> None:
    assert [Ramp(200, 100, 0, 3000).at(at) for at in (29, 30, 59, 60)] == [200, 199, 199, 198]


def test_a_newer_pool_has_two_more_digits() -> None:
    """A of 20 with precision 100 is the invariant of A 2000 without, within its own rounding."""
    old = pool(ramp=Ramp(20, 20), a_precision=1)
    fresh = pool(ramp=Ramp(2000, 2000), a_precision=100)
    assert abs(old.amount_out(10**21, 0, 1) - fresh.amount_out(10**21, 0, 1)) <= 1


@pytest.mark.parametrize(
    "changes",
    [
        {"balances": (1, 2, 3)},
        {"balances": (-1, 1)},
        {"balances": (2**128, 1)},
        {"rates": (DAI,)},
        {"rates": (0, USDC)},
        {"rates": (2**128, USDC)},
        {"fee": -1},
        {"fee": 5 * 10**9 + 1},
        {"admin_fee": 10**10 + 1},
        {"a_precision": 10},
        {"ramp": Ramp(10**6 + 1, 1)},
        {"ramp": Ramp(99, 200), "a_precision": 100},
    ],
)
def test_what_cannot_be_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValueOutOfRange):
        pool(**changes)


def test_a_ramp_that_cannot_be_is_refused() -> None:
    for values in ((0, 1), (1, 0), (1, 1, 2, 1), (1, 1, -1, 1)):
        with pytest.raises(ValueOutOfRange):
            Ramp(*values)


def test_amounts_that_cannot_be_asked() -> None:
    asked = pool()
    for amount in (0, -1):
        with pytest.raises(ValueOutOfRange):
            asked.amount_out(amount, 0, 1)
        with pytest.raises(ValueOutOfRange):
            asked.amount_in(amount, 0, 1)
    for i, j in ((0, 0), (0, 2), (-1, 0), (2, 1)):
        with pytest.raises(ValueOutOfRange):
            asked.amount_out(1, i, j)
    for amount in (1, 2**128, 2**255, 2**300):
        with pytest.raises(InsufficientLiquidity):
            asked.amount_out(amount, 0, 1)
    for amount in (10**12, 10**13, 2**255):
        with pytest.raises(InsufficientLiquidity):
            asked.amount_in(amount, 0, 1)


def test_an_empty_pool_is_not_tradeable() -> None:
    for balances in ((0, 0), (0, 10**12), (10**24, 0)):
        with pytest.raises(PoolNotTradeable):
            pool(balances=balances).amount_out(10**18, 0, 1)
        with pytest.raises(PoolNotTradeable):
            pool(balances=balances).marginal_rate_x128(0, 1)


def test_balances_at_their_width_are_answered_or_refused_by_name() -> None:
    wide = pool(balances=(2**128 - 1, 2**128 - 1))
    with pytest.raises((PoolNotTradeable, InsufficientLiquidity)):
        wide.amount_out(10**18, 0, 1)


def test_every_part_of_the_state_is_in_the_fingerprint() -> None:
    changed = [
        pool(),
        pool(balances=(10**24, 10**12 + 1)),
        pool(rates=(DAI, USDC + 1)),
        pool(ramp=Ramp(2001, 2000)),
        pool(timestamp=1),
        pool(fee=1),
        pool(admin_fee=1),
        pool(a_precision=100),
    ]
    assert len({each.fingerprint() for each in changed}) == len(changed)
    assert pool().fingerprint() == pool().fingerprint()


def test_a_setter_renews_what_depends_on_it() -> None:
    moved = pool()
    moved.amount_out(10**18, 0, 1)
    moved.set_balances((10**24, 2 * 10**12))
    moved.set_fees(0, 0)
    moved.set_ramp(Ramp(10, 10), 5)
    moved.set_rates((DAI, USDC + 5))
    fresh = pool(
        balances=(10**24, 2 * 10**12),
        fee=0,
        admin_fee=0,
        ramp=Ramp(10, 10),
        timestamp=5,
        rates=(DAI, USDC + 5),
    )
    assert moved.amount_out(10**18, 0, 1) == fresh.amount_out(10**18, 0, 1)
    assert moved.fingerprint() == fresh.fingerprint()
    with pytest.raises(ValueOutOfRange):
        moved.set_balances((1, 2**128))
    assert moved.fingerprint() == fresh.fingerprint()
