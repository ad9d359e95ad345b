"""Random pools of every family at a price, for cycles that mix them."""

import math
import random
from collections.abc import Callable, Sequence

from alphapulse.amm.amplification import Ramp
from alphapulse.amm.balancer_math.fixed_point import ONE, PowVersion
from alphapulse.amm.balancer_math.stable_math import InvariantVersion
from alphapulse.amm.kernel import PYTHON, SingletonPool, SmoothPair
from alphapulse.amm.pool import PoolQuoter
from alphapulse.amm.token_kinds import PlainStablePool, TokenPool, VaultStablePool
from alphapulse.amm.twin import Kernel
from support.amm_random import Hop, concentrated_at, pair_at

Builder = Callable[..., PoolQuoter]
"""Makes a pool from a price (token1 units per token0 unit), about so many units of token1, and who keeps it."""


def weighted_at(
    rng: random.Random, price: float, depth: float, twin: Kernel = PYTHON
) -> SmoothPair:
    weight0 = rng.choice([5, 8, 2, 1, 9]) * 10**17
    weights = [weight0, ONE - weight0]
    if weight0 == 10**18:
        weights = [5 * 10**17, 5 * 10**17]
    balance1 = max(100, int(depth))
    balance0 = max(100, int(depth / price * weights[0] / weights[1]))
    fee = rng.choice([10**15, 3 * 10**15, 25 * 10**14])
    decimals = [rng.choice([6, 18]), rng.choice([6, 18])]
    version = rng.choice(list(PowVersion))
    return twin.weighted_pool(
        [balance0, balance1], weights, decimals, fee, pow_version=version
    ).pair(0, 1)


def _scaled_to(
    pool: TokenPool, price: float, balances: Sequence[int], rates: list[int]
) -> tuple[list[int], list[int]]:
    """Return balances and rates at which the pool has the price: token0's unit is worth more or less."""
    now = pool.marginal_rate_x128(0, 1) / 2**128
    factor = price / now
    moved = [max(100, int(balances[0] / factor)), *balances[1:]]
    return moved, [max(1, int(rates[0] * balances[0] / moved[0])), *rates[1:]]


def curve_at(rng: random.Random, price: float, depth: float, twin: Kernel = PYTHON) -> SmoothPair:
    count = rng.choice([2, 3, 3, 4])
    balances = [max(1000, int(depth * rng.uniform(0.3, 3))) for _ in range(count)]
    precision = rng.choice([1, 100])
    unit = max(1, 10**18 // max(1, int(depth) // 10**6) if depth < 10**18 else 1)
    rates = [10**18 * unit] * count
    ramp = Ramp(
        rng.choice([10, 100, 2000]) * precision, rng.choice([10, 100, 2000]) * precision, 0, 100
    )

    def made(held: Sequence[int], parts: Sequence[int]) -> PlainStablePool:
        return twin.curve_pool(
            held,
            parts,
            ramp,
            timestamp=50,
            fee=4 * 10**6,
            admin_fee=5 * 10**9,
            a_precision=precision,
        )

    return made(*_scaled_to(made(balances, rates), price, balances, rates)).pair(0, 1)


def balancer_stable_at(
    rng: random.Random, price: float, depth: float, twin: Kernel = PYTHON
) -> SmoothPair:
    count = rng.choice([2, 3])
    balances = [max(1000, int(depth * rng.uniform(0.3, 3))) for _ in range(count)]
    unit = max(1, 10**18 // max(1, int(depth) // 10**6) if depth < 10**18 else 1)
    rates = [10**18 * unit] * count
    ramp = Ramp(*[rng.choice([10, 100, 2000]) * 1000] * 2)
    version = rng.choice(list(InvariantVersion))

    def made(held: Sequence[int], scales: Sequence[int]) -> VaultStablePool:
        return twin.balancer_stable_pool(
            held, scales, ramp, timestamp=0, fee=4 * 10**14, invariant_version=version
        )

    return made(*_scaled_to(made(balances, rates), price, balances, rates)).pair(0, 1)


def solidly_stable_at(
    rng: random.Random, price: float, depth: float, twin: Kernel = PYTHON
) -> SmoothPair:
    """The ratio of the reserves follows from the price by bisection; decimals take the rest.

    At 18 decimals the pair holds a hundred to a billion tokens: with less the contract's iteration does
    not settle for some inputs, with more its arithmetic overflows.
    """
    decimals1 = max(0, min(18, round(math.log10(depth)) - rng.randrange(2, 9)))
    decimals0 = max(0, min(18, decimals1 - round(math.log10(price))))
    target = price * 10.0 ** (decimals0 - decimals1)
    low, high = 1e-6, 1e6
    for _ in range(100):
        ratio = (low * high) ** 0.5
        if (3 * ratio + ratio**3) / (1 + 3 * ratio**2) < target:
            low = ratio
        else:
            high = ratio
    scaled1 = depth / 10.0**decimals1
    reserve0 = max(100, int(scaled1 / ratio * 10.0**decimals0))
    reserve1 = max(100, int(depth))
    return twin.solidly_stable_pool(
        reserve0, reserve1, (decimals0, decimals1), rng.choice([1, 5, 30])
    ).pair(0, 1)


def solidly_volatile_at(
    rng: random.Random, price: float, depth: float, twin: Kernel = PYTHON
) -> SmoothPair:
    reserve1 = max(100, int(depth))
    pool = twin.solidly_volatile_pool(
        max(100, int(depth / price)), reserve1, rng.choice([5, 30, 100])
    )
    return pool.pair(0, 1)


def v4_at(rng: random.Random, price: float, depth: float, twin: Kernel = PYTHON) -> SingletonPool:
    liquidity = max(1, int(depth / price**0.5))
    pool = concentrated_at(rng, int(price**0.5 * 2**96), liquidity)
    state = pool.state()
    return twin.v4_pool(
        state.sqrt_price_x96,
        state.tick,
        state.liquidity,
        state.fee_pips,
        state.tick_spacing,
        state.ticks,
        protocol_fee=rng.choice([0, 500 << 12 | 250]),
    )


def v2_at(rng: random.Random, price: float, depth: float, twin: Kernel = PYTHON) -> PoolQuoter:
    pool = pair_at(rng, int(price**0.5 * 2**96), max(1, int(depth / price**0.5)))
    return twin.v2_pool(pool.reserve0, pool.reserve1, pool.fee_pips)


def v3_at(rng: random.Random, price: float, depth: float, twin: Kernel = PYTHON) -> PoolQuoter:
    pool = concentrated_at(rng, int(price**0.5 * 2**96), max(1, int(depth / price**0.5)))
    state = pool.state()
    return twin.v3_pool(
        state.sqrt_price_x96,
        state.tick,
        state.liquidity,
        state.fee_pips,
        state.tick_spacing,
        state.ticks,
    )


SMOOTH: dict[str, Builder] = {
    "weighted": weighted_at,
    "curve": curve_at,
    "balancer_stable": balancer_stable_at,
    "solidly_stable": solidly_stable_at,
    "solidly_volatile": solidly_volatile_at,
}
FAMILIES: dict[str, Builder] = {"v2": v2_at, "v3": v3_at, "v4": v4_at, **SMOOTH}


def mixed_cycle(
    rng: random.Random,
    names: Sequence[str],
    *,
    depth_digits: tuple[float, float],
    spread: float,
    twin: Kernel = PYTHON,
) -> list[Hop]:
    """Return a cycle of these families whose prices disagree by a few per cent at most.

    The pools hold about 10**depth_digits units; units differ in worth by up to 10**spread each way.
    """
    worth = [10 ** rng.uniform(-spread, spread) for _ in names]
    hops: list[Hop] = []
    for index, name in enumerate(names):
        zero_for_one = rng.random() < 0.5
        rate = worth[index] / worth[(index + 1) % len(names)] * (1 + rng.uniform(0, 0.03))
        price = rate if zero_for_one else 1 / rate
        # token1's amount that is worth about the depth
        token1 = worth[(index + 1) % len(names)] if zero_for_one else worth[index]
        depth = 10 ** rng.uniform(*depth_digits) / token1
        hops.append((FAMILIES[name](rng, price, depth, twin), zero_for_one))
    return hops
