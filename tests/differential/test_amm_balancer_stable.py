"""Balancer stable pools against two deployed pools, whose invariants round differently.

Oracle: the StablePool bytecode of June 2021 and the one that the factory of June 2022 deploys,
registered with the deployed Vault and asked as the vault asks. Covers: M9, M10, M14.
"""

import random
from collections.abc import Sequence

import pytest
from eth_abi import encode

from alphapulse.amm.amplification import Ramp
from alphapulse.amm.balancer_math.stable_math import InvariantVersion
from alphapulse.amm.kernel import BalancerStablePool
from alphapulse.amm.token_kinds import VaultStablePool
from alphapulse.errors import InsufficientLiquidity, PoolNotTradeable
from support.amm_balancer import GIVEN_IN, GIVEN_OUT, BalancerChain, StableContract
from support.amm_evm import seed_of_run, words

CASES = 5000
TASKS = (
    ("deprecated/20210624-stable-pool", InvariantVersion.ROUNDED_UP),
    ("20220609-stable-pool-v2", InvariantVersion.ROUNDED_DOWN),
)
FEES = (10**12, 4 * 10**14, 10**16 + 7)
Made = tuple[StableContract, InvariantVersion, int, list[int], int]


def contracts(rng: random.Random, chain: BalancerChain) -> list[Made]:
    made = []
    for task, version in TASKS:
        for count in (2, 2, 3, 4, 5):
            decimals = [rng.choice([2, 6, 8, 18]) for _ in range(count)]
            fee = rng.choice(FEES)
            amplification = rng.choice([1, 10, 200, 5000])
            contract = StableContract(chain, task, amplification, decimals, fee)
            made.append((contract, version, amplification, decimals, fee))
    return made


def pool_of(made: Made, balances: Sequence[int]) -> VaultStablePool:
    _, version, amplification, decimals, fee = made
    return BalancerStablePool(
        balances,
        [10 ** (36 - decimal) for decimal in decimals],
        Ramp(amplification * 1000, amplification * 1000),
        timestamp=0,
        fee=fee,
        invariant_version=version,
    )


def test_quotes_equal_the_deployed_pools() -> None:
    rng = random.Random(seed_of_run())
    chain = BalancerChain()
    made = contracts(rng, chain)
    chain.silence_vault()
    paid = refused = 0
    for _ in range(CASES):
        chosen = rng.choice(made)
        decimals = chosen[3]
        size = rng.uniform(0, 9)
        spread = rng.choice([0.1, 1, 3])
        balances = [
            max(1, int(10 ** (size + rng.uniform(-spread, spread) + decimal)))
            for decimal in decimals
        ]
        if rng.random() < 0.1:
            balances = [rng.getrandbits(rng.randrange(1, 112)) + 1 for _ in decimals]
        i, j = rng.sample(range(len(decimals)), 2)
        kind = rng.choice([GIVEN_IN, GIVEN_OUT])
        amount = max(1, int((balances[j] if kind else balances[i]) * 10 ** rng.uniform(-18, 0.3)))
        theirs = chosen[0].on_swap(kind, amount, i, j, balances)
        pool = pool_of(chosen, balances)
        case = (kind, amount, i, j, balances, chosen[1:])
        try:
            ours = (pool.amount_out if kind == GIVEN_IN else pool.amount_in)(amount, i, j)
        except (InsufficientLiquidity, PoolNotTradeable) as error:
            refused += 1
            # The vault, not the pool, holds balances to uint112; an output of zero is refused here.
            assert not theirs or "uint112" in str(error), (case, theirs)
        else:
            paid += 1
            assert ours == theirs, case
    assert paid > CASES // 2
    assert refused > 100


@pytest.mark.parametrize("end", [400, 40])
def test_amplification_ramps_as_the_deployed_pool_s(end: int) -> None:
    """A ramp up and a ramp down, asked at random times of it and after it."""
    rng = random.Random(seed_of_run())
    chain = BalancerChain()
    start_time = 1_700_000_000
    block = chain.evm.env.block
    block.timestamp = start_time
    chain.evm.set_block_env(block)
    contract = StableContract(chain, TASKS[1][0], 100, [6, 18], 10**14)
    end_time = start_time + 10 * 86400
    data = encode(["uint256", "uint256"], [end, end_time])
    chain.call(contract.address, "startAmplificationParameterUpdate(uint256,uint256)", data)
    chain.silence_vault()
    ramp = Ramp(100_000, end * 1000, start_time, end_time)
    balances = [5 * 10**12, 4 * 10**24]
    pool = BalancerStablePool(
        balances,
        [10**30, 10**18],
        ramp,
        timestamp=start_time,
        fee=10**14,
        invariant_version=TASKS[1][1],
    )
    for timestamp in (start_time, *(rng.randrange(start_time, end_time + 99) for _ in range(50))):
        block.timestamp = timestamp
        chain.evm.set_block_env(block)
        pool.set_time(timestamp)
        value = words(chain.call(contract.address, "getAmplificationParameter()"))[0]
        assert pool.amplification == value
        amount = rng.randrange(1, 10**12)
        assert pool.amount_out(amount, 0, 1) == contract.on_swap(GIVEN_IN, amount, 0, 1, balances)
