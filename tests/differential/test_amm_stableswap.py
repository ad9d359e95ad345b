"""Curve's invariant and output against Balancer's, whose own tests hold it to deployed bytecode.

Oracle: the stable pool that Balancer deployed in June 2022 computes the invariant as Curve's contract does,
truncating every quotient; ours of that pool equals its bytecode. Curve's output is rounded otherwise, so it is
compared with the curve in exact integers. No package has Curve's code. Covers: M9.
"""

import random

import pytest

from alphapulse.amm.amplification import Ramp
from alphapulse.amm.balancer_math.stable_math import InvariantVersion
from alphapulse.amm.balancer_math.stable_math import invariant_of as balancer_invariant
from alphapulse.amm.kernel import CurvePool
from alphapulse.amm.stableswap import invariant_of
from alphapulse.errors import InsufficientLiquidity, PoolNotTradeable
from support.amm_evm import seed_of_run

CASES = 3000


def random_balances(rng: random.Random) -> list[int]:
    size, spread = rng.uniform(20, 28), rng.choice([0.1, 1, 2])
    return [int(10 ** (size + rng.uniform(-spread, spread))) for _ in range(rng.randrange(2, 6))]


@pytest.mark.parametrize("a_precision", [1, 100])
def test_invariant_equals_the_one_that_bytecode_backs(a_precision: int) -> None:
    rng = random.Random(seed_of_run())
    for _ in range(CASES):
        balances = random_balances(rng)
        whole = rng.choice([1, 10, 85, 200, 2000, 5000])
        try:
            theirs = balancer_invariant(whole * 1000, balances, InvariantVersion.ROUNDED_DOWN)
        except PoolNotTradeable:
            with pytest.raises(PoolNotTradeable):
                invariant_of(whole * a_precision * len(balances), balances, a_precision)
            continue
        ours = invariant_of(whole * a_precision * len(balances), balances, a_precision)
        assert ours == theirs


def exact_other(amplified: int, others: list[int], invariant: int) -> int:
    """Return the least balance that, with the others, holds the invariant, by bisection in integers.

    A n**n S + D >= A D n**n + D**(n+1) / (n**n P), multiplied out; amplified is A n**n.
    """
    count = len(others) + 1
    product, total = 1, sum(others)
    for balance in others:
        product *= balance

    def holds(balance: int) -> bool:
        whole = count**count * product * balance
        left = (amplified * (total + balance) + invariant) * whole
        return left >= amplified * invariant * whole + invariant ** (count + 1)

    low, high = 0, 1
    while not holds(high):
        high *= 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def test_output_is_the_curve_s_less_one_unit_and_the_fee() -> None:
    """Within what the truncations of the invariant and of the iteration move: a few units each."""
    rng = random.Random(seed_of_run())
    checked = 0
    for _ in range(CASES):
        balances = random_balances(rng)
        count = len(balances)
        whole = rng.choice([1, 10, 200, 2000])
        pool = CurvePool(
            balances,
            [10**18] * count,
            Ramp(whole, whole),
            timestamp=0,
            fee=0,
            admin_fee=0,
            a_precision=1,
        )
        i, j = rng.sample(range(count), 2)
        amount = int(balances[i] * 10 ** rng.uniform(-6, 0.5))
        # the contract's A n stands where the paper has A n**n
        try:
            invariant = invariant_of(whole * count, balances, 1)
        except PoolNotTradeable:
            continue
        moved = list(balances)
        moved[i] += amount
        moved.pop(j)
        left = exact_other(whole * count, moved, invariant)
        # a unit of the invariant, and of the products, is worth many of a scarce token
        sensitivity = exact_other(whole * count, moved, invariant + 1) - left
        slack = 8 * (1 + sensitivity + invariant // min(moved))
        try:
            paid = pool.amount_out(amount, i, j)
        except InsufficientLiquidity:
            assert balances[j] - left <= slack
            continue
        checked += 1
        assert abs(paid - (balances[j] - left - 1)) <= slack
    assert checked > CASES * 8 // 10
