"""Weighted pools against the deployed pool, exact input and exact output, at balances of every size.

Oracle: the WeightedPool bytecode deployed on the main network in April 2021 (first form of the power)
and in September 2022 (powers with shortcuts), registered with the deployed Vault and asked as the vault
asks. Covers: M9, M10, M14.
"""

import random
from collections.abc import Sequence

import pytest

from alphapulse.amm.balancer_math.fixed_point import ONE, PowVersion
from alphapulse.amm.kernel import WeightedPool
from alphapulse.errors import InsufficientLiquidity, Rejected
from support.amm_balancer import GIVEN_IN, GIVEN_OUT, BalancerChain, WeightedContract
from support.amm_evm import seed_of_run

CASES = 5000
# Weights whose quotients are 1, 2, 4, and their inverses.
SQUARE = (4 * 10**17, 2 * 10**17, 2 * 10**17, 10**17, 10**17)
FEES = (10**12, 3 * 10**15, 10**16 + 7, 10**17)


def random_weights(rng: random.Random, count: int) -> list[int]:
    parts = [rng.choice([1, 1, rng.randrange(1, 100)]) for _ in range(count)]
    spare = ONE - count * 10**16
    weights = [10**16 + part * spare // sum(parts) for part in parts]
    weights[0] += ONE - sum(weights)
    return weights


def contracts(
    rng: random.Random, chain: BalancerChain, version: PowVersion
) -> list[tuple[WeightedContract, list[int], list[int], int]]:
    made = []
    for count in (0, 2, 2, 2, 3, 3, 4, 5, 8):
        weights = random_weights(rng, count) if count else list(SQUARE)
        decimals = [rng.choice([0, 2, 6, 8, 18]) for _ in weights]
        fee = rng.choice(FEES)
        contract = WeightedContract(
            chain, weights, decimals, fee, with_shortcuts=version is PowVersion.WITH_SHORTCUTS
        )
        made.append((contract, weights, decimals, fee))
    chain.silence_vault()
    return made


def random_balances(rng: random.Random, decimals: Sequence[int]) -> list[int]:
    if rng.random() < 0.1:
        return [rng.getrandbits(rng.randrange(1, 112)) + 1 for _ in decimals]
    return [int(10 ** (rng.uniform(0, 8) + decimal)) for decimal in decimals]


@pytest.mark.parametrize("version", PowVersion)
def test_quotes_equal_the_deployed_pool(version: PowVersion) -> None:
    rng = random.Random(seed_of_run())
    made = contracts(rng, BalancerChain(), version)
    paid = refused = 0
    for _ in range(CASES):
        contract, weights, decimals, fee = rng.choice(made)
        balances = random_balances(rng, decimals)
        pool = WeightedPool(balances, weights, decimals, fee, pow_version=version)
        i, j = rng.sample(range(len(weights)), 2)
        kind = rng.choice([GIVEN_IN, GIVEN_OUT])
        whole = balances[i] if kind == GIVEN_IN else balances[j]
        amount = max(1, int(whole * 10 ** rng.uniform(-19, -0.4)))
        if rng.random() < 0.2:
            amount = whole * 3 // 10 + rng.randrange(-2, 3)  # beside the bound of 30 %
        if amount <= 0:
            continue
        theirs = contract.on_swap(kind, amount, i, j, balances)
        case = (kind, amount, i, j, balances, weights, decimals, fee)
        try:
            ours = (pool.amount_out if kind == GIVEN_IN else pool.amount_in)(amount, i, j)
        except InsufficientLiquidity as error:
            refused += 1
            # The vault, not the pool, holds balances to uint112; an output of zero is refused here.
            assert not theirs or "uint112" in str(error), (case, theirs)
        else:
            paid += 1
            assert ours == theirs, case
    assert paid > CASES // 2
    assert refused > 100


def test_largest_input_is_the_contract_s() -> None:
    rng = random.Random(seed_of_run())
    made = contracts(rng, BalancerChain(), PowVersion.FIRST)
    for _ in range(300):
        contract, weights, decimals, fee = rng.choice(made)
        balances = [int(10 ** (rng.uniform(1, 8) + decimal)) for decimal in decimals]
        pool = WeightedPool(balances, weights, decimals, fee, pow_version=PowVersion.FIRST)
        i, j = rng.sample(range(len(weights)), 2)
        largest = pool.largest_amount_in(i, j)
        assert contract.on_swap(GIVEN_IN, largest, i, j, balances) is not None
        assert contract.on_swap(GIVEN_IN, largest + 1, i, j, balances) is None
        with pytest.raises(Rejected):
            pool.amount_out(largest + 1, i, j)
