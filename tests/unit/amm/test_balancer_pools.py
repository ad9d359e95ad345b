"""Balancer's weighted and stable pools: state, refusals, widths. Covers: M4, M9, M13."""

import pytest

from alphapulse.amm.amplification import Ramp
from alphapulse.amm.balancer_math.fixed_point import ONE, PowVersion, pow_up_fixed
from alphapulse.amm.balancer_math.log_exp_math import power
from alphapulse.amm.balancer_math.stable_math import InvariantVersion, balance_at, invariant_of
from alphapulse.amm.kernel import BalancerStablePool, WeightedPool
from alphapulse.amm.token_kinds import VaultPool, VaultStablePool
from alphapulse.errors import InsufficientLiquidity, PoolNotTradeable, ValueOutOfRange

HALF = 5 * 10**17


def weighted(**changes: object) -> VaultPool:
    settings = {
        "balances": (10**24, 10**12),
        "weights": (8 * 10**17, 2 * 10**17),
        "decimals": (18, 6),
        "fee": 10**15,
        "pow_version": PowVersion.FIRST,
        **changes,
    }
    return WeightedPool(**settings)  # type: ignore[arg-type]


def stable(**changes: object) -> VaultStablePool:
    settings = {
        "balances": (10**24, 10**12),
        "scaling_factors": (10**18, 10**30),
        "ramp": Ramp(200_000, 200_000),
        "timestamp": 0,
        "fee": 10**14,
        "invariant_version": InvariantVersion.ROUNDED_DOWN,
        **changes,
    }
    return BalancerStablePool(**settings)  # type: ignore[arg-type]


def test_powers_known_without_a_machine() -> None:
    assert power(0, ONE) == 0
    assert power(5 * ONE, 0) == ONE
    for base, exponent, expected in (
        (2 * ONE, 10 * ONE, 1024 * ONE),
        (ONE // 4, ONE // 2, ONE // 2),
        (10 * ONE, 18 * ONE, 10**36),
        (99 * 10**16, ONE, 99 * 10**16),
    ):
        assert abs(power(base, exponent) - expected) <= expected // 10**15
        raised = pow_up_fixed(base, exponent, PowVersion.FIRST)
        assert expected <= raised <= expected + expected // 10**13 + 2


def test_powers_outside_the_contract_s_range() -> None:
    for base, exponent in (
        (2**255, ONE),
        (ONE, 2**254 // 10**20),
        (10**40, 3 * ONE),
        (1, 10 * ONE),
    ):
        with pytest.raises(InsufficientLiquidity):
            power(base, exponent)


def test_shortcuts_multiply() -> None:
    base = 123456789012345678
    square = -(-base * base // ONE)
    assert pow_up_fixed(base, ONE, PowVersion.WITH_SHORTCUTS) == base
    assert pow_up_fixed(base, 2 * ONE, PowVersion.WITH_SHORTCUTS) == square
    assert pow_up_fixed(base, 4 * ONE, PowVersion.WITH_SHORTCUTS) == -(-square * square // ONE)
    assert pow_up_fixed(base, 2 * ONE, PowVersion.FIRST) > square


def test_the_two_invariants_differ_by_their_rounding_only() -> None:
    balances = [3 * 10**24 + 7, 10**24 + 5, 5 * 10**23 + 1]
    up = invariant_of(200_000, balances, InvariantVersion.ROUNDED_UP)
    down = invariant_of(200_000, balances, InvariantVersion.ROUNDED_DOWN)
    assert 0 <= up - down <= 10
    for index, balance in enumerate(balances):
        # three decimals of amplification are cut from one term before it is scaled back
        assert 0 <= balance_at(200_000, balances, up, index) - balance <= 2000


@pytest.mark.parametrize(
    "changes",
    [
        {"balances": (1, 2, 3)},
        {"balances": (-1, 1)},
        {"balances": (2**112, 1)},
        {"weights": (ONE,)},
        {"weights": (HALF, HALF - 1)},
        {"weights": (10**16 - 1, ONE - 10**16 + 1)},
        {"decimals": (18,)},
        {"decimals": (19, 6)},
        {"fee": -1},
        {"fee": 10**17 + 1},
    ],
)
def test_a_weighted_pool_that_cannot_be(changes: dict[str, object]) -> None:
    with pytest.raises(ValueOutOfRange):
        weighted(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"balances": (1,)},
        {"balances": (2**112, 1)},
        {"scaling_factors": (ONE,)},
        {"scaling_factors": (0, ONE)},
        {"scaling_factors": (2**128, ONE)},
        {"ramp": Ramp(999, 2000)},
        {"ramp": Ramp(2000, 5_000_001)},
        {"fee": -1},
        {"fee": 10**17 + 1},
    ],
)
def test_a_stable_pool_that_cannot_be(changes: dict[str, object]) -> None:
    with pytest.raises(ValueOutOfRange):
        stable(**changes)


@pytest.mark.parametrize("build", [weighted, stable])
def test_amounts_that_cannot_be_asked(build: type[VaultPool]) -> None:
    pool = build()
    for amount in (0, -1):
        with pytest.raises(ValueOutOfRange):
            pool.amount_out(amount, 0, 1)
        with pytest.raises(ValueOutOfRange):
            pool.amount_in(amount, 0, 1)
    for i, j in ((0, 0), (0, 2), (-1, 0)):
        with pytest.raises(ValueOutOfRange):
            pool.amount_out(1, i, j)
    for amount in (1, 2**112, 2**255, 2**300):
        with pytest.raises(InsufficientLiquidity):
            pool.amount_out(amount, 0, 1)
    for amount in (10**12, 2**112, 2**255, 2**300):
        with pytest.raises(InsufficientLiquidity):
            pool.amount_in(amount, 0, 1)


@pytest.mark.parametrize("build", [weighted, stable])
def test_an_empty_pool_is_not_tradeable(build: type[VaultPool]) -> None:
    for balances in ((0, 0), (0, 10**12), (10**24, 0)):
        pool = build(balances=balances)
        with pytest.raises(PoolNotTradeable):
            pool.amount_out(10**18, 0, 1)
        with pytest.raises(PoolNotTradeable):
            pool.amount_in(1, 0, 1)
        with pytest.raises(PoolNotTradeable):
            pool.marginal_rate_x128(0, 1)


def test_balances_whose_words_overflow() -> None:
    wide = stable(balances=(2**111, 2**111))
    with pytest.raises(PoolNotTradeable):
        wide.amount_out(1, 1, 0)


@pytest.mark.parametrize("build", [weighted, stable])
def test_a_swap_event_moves_the_balances(build: type[VaultPool]) -> None:
    pool = build()
    paid = pool.amount_out(10**20, 0, 1)
    pool.apply_swap(10**20, paid, 0, 1)
    assert pool.balances == (10**24 + 10**20, 10**12 - paid)
    before = pool.fingerprint()
    with pytest.raises(ValueOutOfRange):
        pool.apply_swap(1, 10**12, 0, 1)
    assert pool.fingerprint() == before


def test_every_part_of_the_state_is_in_the_fingerprint() -> None:
    changed = [
        weighted(),
        weighted(balances=(10**24, 10**12 + 1)),
        weighted(weights=(HALF, HALF)),
        weighted(decimals=(18, 7)),
        weighted(fee=1),
        weighted(pow_version=PowVersion.WITH_SHORTCUTS),
        stable(),
        stable(balances=(10**24, 10**12 + 1)),
        stable(scaling_factors=(10**18, 10**29)),
        stable(ramp=Ramp(200_001, 200_000)),
        stable(timestamp=1),
        stable(fee=1),
        stable(invariant_version=InvariantVersion.ROUNDED_UP),
    ]
    assert len({each.fingerprint() for each in changed}) == len(changed)


def test_a_rate_moves_the_price() -> None:
    """A staked token at 1.1: one of it buys ten per cent more of the other."""
    pool = stable(scaling_factors=(11 * 10**17, 10**30), balances=(10**24, 11 * 10**11))
    assert pool.amount_out(10**18, 0, 1) == 1_099_889
    pool.set_scaling_factors((10**18, 10**30))
    assert pool.amount_out(10**18, 0, 1) < 1_000_900
