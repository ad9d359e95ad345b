"""Random events for pools of every family: what may have happened, and what contradicts it."""

import random
from collections.abc import Callable
from typing import Any

from alphapulse.amm.amplification import Ramp
from alphapulse.amm.kernel import ConcentratedPool, PairPool, ReservePool, SingletonPool, SmoothPair
from alphapulse.amm.token_kinds import PlainStablePool, VaultPool, VaultStablePool
from alphapulse.amm.uniswap_v3.pool import limit_of, swap
from alphapulse.amm.uniswap_v3.tick_math import MAX_TICK, MIN_TICK, sqrt_ratio_at_tick
from support.kernel_twins import said

Event = tuple[str, tuple[Any, ...]]
"""The method that folds it, and what it says."""

HOSTILE = (
    -(2**300), -(2**255), -1, 0, 1, 2**32, 2**63, 2**64 - 1, 2**64, 2**112 - 1, 2**112, 2**127,
    2**128 - 1, 2**128, 2**160, 2**255 - 1, 2**255, 2**256 - 1, 2**256, 2**2000,
)  # fmt: skip
# Of the events one in so many contradicts what is known.
CONTRADICTIONS = 0.02
# Of the price events so many are swaps that the step loop executed.
EXECUTED = 0.03


def whole(pool: Any) -> Any:
    """Return what folds a pool's events: the pool of several tokens behind a pair."""
    return pool.pool if isinstance(pool, SmoothPair) else pool


def event_of(rng: random.Random, pool: Any) -> Event:
    """Return an event of a pool, taken from its own state."""
    name, arguments = _likely(rng, pool)
    if rng.random() < CONTRADICTIONS:
        return name, tuple(_spoilt(rng, one) for one in arguments)
    return name, arguments


def _likely(rng: random.Random, pool: Any) -> Event:
    kinds: list[tuple[type, Callable[[random.Random, Any], Event]]] = [
        (PairPool, _of_pair),
        (SingletonPool, _of_singleton),
        (ConcentratedPool, _of_concentrated),
        (ReservePool, _of_reserves),
        (PlainStablePool, _of_curve),
        (VaultStablePool, _of_stable),
        (VaultPool, _of_vault),
    ]
    held = whole(pool)
    return next(made for kind, made in kinds if isinstance(held, kind))(rng, held)


def _spoilt(rng: random.Random, value: Any) -> Any:
    if rng.random() < 0.3:
        return value
    if isinstance(value, Ramp):
        return Ramp(*(rng.choice([1, 99, 10**3, 10**9, 2**300]) for _ in range(2)), 0, 2**64 - 1)
    if isinstance(value, tuple | list):
        spoilt = [_spoilt(rng, one) for one in value]
        return rng.choice([spoilt, spoilt[1:], [*spoilt, 1], [0] * len(spoilt)])
    return rng.choice(HOSTILE)


def part_of(rng: random.Random, amount: int) -> int:
    """Return a small part of an amount, from almost nothing to a hundredth."""
    return max(1, int(amount * 10 ** rng.uniform(-9, -2)))


def _of_pair(rng: random.Random, pool: PairPool) -> Event:
    if rng.random() < 0.05:
        return "set_reserves", tuple(rng.getrandbits(rng.randrange(1, 113)) for _ in range(2))
    side = rng.random() < 0.5
    amount = part_of(rng, pool.reserve0 if side else pool.reserve1)
    paid = said(pool.amount_out, amount, side)
    paid = 0 if isinstance(paid, type) else paid
    if side:
        return "set_reserves", (pool.reserve0 + amount, pool.reserve1 - paid)
    return "set_reserves", (pool.reserve0 - paid, pool.reserve1 + amount)


def _of_reserves(rng: random.Random, pool: ReservePool) -> Event:
    if rng.random() < 0.1:
        return "set_fee", (rng.randrange(100), rng.choice([10_000, 10**6]))
    if rng.random() < 0.02:
        return "set_reserves", tuple(rng.getrandbits(rng.randrange(1, 113)) for _ in range(2))
    i, j = rng.sample(range(2), 2)
    reserves = [pool.reserve0, pool.reserve1]
    amount = part_of(rng, reserves[i])
    paid = said(pool.amount_out, amount, i, j)
    reserves[i] += amount
    reserves[j] -= 0 if isinstance(paid, type) else paid
    return "set_reserves", tuple(reserves)


def _of_concentrated(rng: random.Random, pool: ConcentratedPool) -> Event:
    state = pool.state() if rng.random() < EXECUTED else None
    if state is not None and state.tick_spacing > 1:
        side = rng.random() < 0.5
        amount = rng.getrandbits(rng.randrange(1, 90)) + 1
        end = said(swap, state, side, amount, limit_of(zero_for_one=side))
        if not isinstance(end, type):
            return "apply_swap", (end.sqrt_price_x96, end.tick, end.liquidity)
    if rng.random() < 0.6:
        tick = max(MIN_TICK + 1, min(MAX_TICK - 1, pool.tick + rng.randrange(-30, 31)))
        return "apply_swap", (sqrt_ratio_at_tick(tick), tick, pool.liquidity)
    step = 600
    lower = (pool.tick // step + rng.randrange(-5, 5)) * step
    delta = rng.choice([-1, 1, 1]) * rng.getrandbits(rng.randrange(1, 100))
    return "apply_liquidity", (lower, lower + rng.randrange(1, 9) * step, delta)


def _of_singleton(rng: random.Random, pool: SingletonPool) -> Event:
    kind = rng.random()
    if kind < 0.05:
        return "set_protocol_fee", (rng.randrange(1001) << 12 | rng.randrange(1001),)
    if kind < 0.1:
        return "set_swap_fees", (rng.randrange(10_000), rng.randrange(10_000))
    return _of_concentrated(rng, pool)


def _scaled(rng: random.Random, amounts: tuple[int, ...]) -> list[int]:
    return [max(1, amount + rng.choice([-1, 1]) * part_of(rng, amount)) for amount in amounts]


def _ramp(rng: random.Random, amplification: int) -> tuple[Ramp, int]:
    start = rng.randrange(2**32)
    end = max(1, int(amplification * rng.uniform(0.5, 2)))
    return Ramp(amplification, end, start, start + rng.randrange(10**6)), start + rng.randrange(10)


def _of_curve(rng: random.Random, pool: PlainStablePool) -> Event:
    kind = rng.random()
    if kind < 0.1:
        return "set_balances", (_scaled(rng, pool.balances),)
    if kind < 0.15:
        return "set_fees", (rng.randrange(10**8), rng.choice([0, 5 * 10**9, 10**10]))
    if kind < 0.2:
        return "set_ramp", _ramp(rng, pool.amplification)
    if kind < 0.25:
        return "set_time", (rng.randrange(2**33),)
    i, j = rng.sample(range(pool.count), 2)
    return "apply_exchange", (part_of(rng, pool.balances[i]), i, j)


def _of_vault(rng: random.Random, pool: VaultPool) -> Event:
    kind = rng.random()
    if kind < 0.1:
        return "set_balances", (_scaled(rng, pool.balances),)
    if kind < 0.15:
        return "set_fee", (rng.randrange(10**17),)
    i, j = rng.sample(range(pool.count), 2)
    amount = part_of(rng, pool.balances[i])
    paid = said(pool.amount_out, amount, i, j)
    return "apply_swap", (amount, 0 if isinstance(paid, type) else paid, i, j)


def _of_stable(rng: random.Random, pool: VaultStablePool) -> Event:
    kind = rng.random()
    if kind < 0.05:
        return "set_ramp", _ramp(rng, pool.amplification)
    if kind < 0.1:
        return "set_time", (rng.randrange(2**33),)
    return _of_vault(rng, pool)
