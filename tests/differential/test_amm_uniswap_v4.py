"""Uniswap V4 pools with static fees against the deployed manager, both directions, in and out.

Oracle: the PoolManager bytecode of @uniswap/v4-core in an EVM; the state is read from its storage.
Covers: M1, M2, M5, M7, M8, M10, M14.
"""

import random

import pytest

from alphapulse.amm.pool_kinds import SingletonPool
from alphapulse.amm.uniswap_v3.pool import limit_of, swap
from alphapulse.amm.uniswap_v3.tick_math import MAX_TICK, sqrt_ratio_at_tick
from alphapulse.errors import PoolNotTradeable, Rejected
from support.amm_evm import seed_of_run
from support.amm_v4_evm import V4Chain, V4Contract

POOLS = 60
SWAPS = 60


FEES = (0, 1, 100, 500, 3000, 10_000, 123_456, 998_999)
SPACINGS = (1, 10, 60, 200, 32767)


def random_contract(rng: random.Random, chain: V4Chain, keys: set[tuple[int, int]]) -> V4Contract:
    """Return a pool with a key that no pool has yet."""
    key = (0, 0)
    while key in keys or not key[1]:
        fee = rng.choice([*FEES, rng.randrange(998_999)])
        key = (fee, rng.choice([*SPACINGS, rng.randrange(1, 3000)]))
    keys.add(key)
    one_fee = rng.randrange(1001)
    protocol_fee = rng.choice([0, 1000 << 12 | 1000, one_fee << 12 | rng.randrange(1001)])
    centre = rng.choice([0, rng.randrange(-MAX_TICK // 2, MAX_TICK // 2)])
    price = sqrt_ratio_at_tick(centre) + rng.randrange(10**5)
    return V4Contract(chain, *key, price, protocol_fee)


def fill(rng: random.Random, contract: V4Contract, pool: SingletonPool) -> None:
    """Add and remove liquidity at the manager and in the fold alike."""
    spacing = contract.tick_spacing
    edge = MAX_TICK // spacing
    width = rng.choice([2, 20, 300])
    middle = pool.tick // spacing
    for _ in range(rng.randrange(1, 12)):
        lower = max(-edge, min(edge - 1, middle + rng.randrange(-width, width)))
        upper = min(edge, lower + rng.randrange(1, width))
        liquidity = 10 ** rng.randrange(1, 26)
        if contract.modify(lower * spacing, upper * spacing, liquidity):
            pool.apply_liquidity(lower * spacing, upper * spacing, liquidity)
            part = rng.choice([0, 0, liquidity, liquidity // 3])
            if part and contract.modify(lower * spacing, upper * spacing, -part):
                pool.apply_liquidity(lower * spacing, upper * spacing, -part)


def quoted(pool: SingletonPool, zero_for_one: bool, amount: int, *, exact_in: bool) -> int | None:
    try:
        return (pool.amount_out if exact_in else pool.amount_in)(amount, zero_for_one)
    except Rejected:
        return None


def test_swaps_equal_the_deployed_manager() -> None:
    rng = random.Random(seed_of_run())
    chain = V4Chain()
    asked = filled = 0
    keys: set[tuple[int, int]] = set()
    for _ in range(POOLS):
        contract = random_contract(rng, chain, keys)
        pool = contract.pool()
        fill(rng, contract, pool)
        assert pool.fingerprint() == contract.pool().fingerprint()
        for number in range(SWAPS):
            zero_for_one, exact_in = rng.random() < 0.5, rng.random() < 0.6
            amount = rng.choice([1, 2, 10 ** rng.randrange(1, 30), rng.getrandbits(100) + 1])
            limit = limit_of(zero_for_one=zero_for_one)
            theirs = contract.ask(zero_for_one, amount if exact_in else -amount, limit)
            asked += 1
            if theirs is None:
                # The test router refuses what it cannot settle; the pool itself has no liquidity then.
                assert quoted(pool, zero_for_one, amount, exact_in=exact_in) is None
                continue
            ours = swap(
                pool.state_towards(zero_for_one),
                zero_for_one,
                amount if exact_in else -amount,
                limit,
            )
            assert (ours.amount0, ours.amount1) == (theirs.amount0, theirs.amount1)
            assert ours.sqrt_price_x96 == theirs.sqrt_price_x96
            assert (ours.tick, ours.liquidity) == (theirs.tick, theirs.liquidity)
            taken, paid = (theirs.amount0, -theirs.amount1)
            if not zero_for_one:
                taken, paid = theirs.amount1, -theirs.amount0
            if (taken if exact_in else paid) == amount:
                filled += 1
                expected = paid if exact_in else taken
                assert quoted(pool, zero_for_one, amount, exact_in=exact_in) == expected
            else:
                assert quoted(pool, zero_for_one, amount, exact_in=exact_in) is None
            if number % 20 == 19:
                done = contract.swap(zero_for_one, amount if exact_in else -amount, limit)
                pool.apply_swap(done.sqrt_price_x96, done.tick, done.liquidity)
    assert asked > 3000
    assert filled > 1000


def test_a_protocol_fee_moves_both_directions_apart() -> None:
    chain = V4Chain()
    contract = V4Contract(chain, 3000, 60, sqrt_ratio_at_tick(7), 0)
    contract.modify(-6000, 6000, 10**20)
    pool = contract.pool()
    before = [pool.amount_out(10**15, way) for way in (True, False)]
    for packed in (1000, 1000 << 12, 250 << 12 | 777):
        contract.set_protocol_fee(packed)
        pool.set_protocol_fee(packed)
        for zero_for_one in (True, False):
            theirs = contract.ask(zero_for_one, 10**15, limit_of(zero_for_one=zero_for_one))
            assert theirs is not None
            paid = -theirs.amount1 if zero_for_one else -theirs.amount0
            assert pool.amount_out(10**15, zero_for_one) == paid
            charged = packed & 0xFFF if zero_for_one else packed >> 12
            assert (paid < before[0 if zero_for_one else 1]) == bool(charged)


def test_refusals_match_the_deployed_manager() -> None:
    chain = V4Chain()
    contract = V4Contract(chain, 500, 10, sqrt_ratio_at_tick(0), 0)
    pool = contract.pool()
    for zero_for_one in (True, False):
        with pytest.raises(PoolNotTradeable):
            pool.amount_out(10**6, zero_for_one)
        drained = contract.ask(zero_for_one, 10**6, limit_of(zero_for_one=zero_for_one))
        assert drained is None or (drained.amount0, drained.amount1) == (0, 0)
