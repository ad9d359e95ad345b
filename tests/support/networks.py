"""Random networks of pairs and concentrated pools whose prices nearly agree, without messages; and a plan run on copies of them."""

from math import isqrt
from random import Random

from alphapulse.amm.network import FlowPlan, NetworkPool
from alphapulse.amm.pool import V2Pool, V3Pool
from alphapulse.amm.uniswap_v3.pool import limit_of
from alphapulse.amm.uniswap_v3.pool import swap as swap_loop
from alphapulse.amm.uniswap_v3.tick_math import tick_at_sqrt_ratio

__all__ = ["Copies", "executed", "network", "price_of"]

SPACINGS = {500: 10, 3000: 60, 10000: 200}
DECIMALS = (18, 6, 18, 8, 18, 12)
USD = (2000.0, 1.0, 1.0, 40_000.0, 7.0, 0.3)


def network(
    random: Random,
    *,
    tokens: int,
    pools: int,
    noise: float = 0.02,
    v3_share: float = 0.5,
    gas: int = 0,
    usd_depth: tuple[float, float] = (4.5, 6.5),
) -> list[NetworkPool]:
    """Return pools between tokens 0 ... tokens - 1; every token meets token 0."""
    rows = []
    for number in range(pools):
        first, second = sorted(random.sample(range(tokens), 2))
        if number < tokens - 1:
            first, second = 0, number + 1
        elif random.random() < 0.4:  # hubs, as on a real chain
            first, second = 0, random.randrange(1, tokens)
        depth = 10 ** random.uniform(*usd_depth)
        reserve0 = int(depth / price_of(first))
        reserve1 = int(depth / price_of(second) * (1 + random.uniform(-noise, noise)))
        if random.random() < v3_share:
            pool = concentrated(random, reserve0, reserve1)
        else:
            pool = V2Pool(reserve0, reserve1, 3000)
        rows.append(NetworkPool(pool, first, second, gas))
    return rows


def price_of(token: int) -> float:
    """Return dollars per smallest unit."""
    return USD[token % 6] * (1 + token // 6) / 10 ** DECIMALS[token % 6]


def concentrated(random: Random, reserve0: int, reserve1: int) -> V3Pool:
    """Return a pool at the price of the reserves, with one wide range and a few narrow ones."""
    fee_pips = random.choice((500, 3000, 10000))
    spacing = SPACINGS[fee_pips]
    root = isqrt((reserve1 << 192) // reserve0)
    tick = tick_at_sqrt_ratio(root)
    base = isqrt(reserve0 * reserve1)
    ticks: dict[int, tuple[int, int]] = {}
    active = 0
    ranges = [(400, base)] + [
        (random.randrange(1, 40), base * random.randrange(1, 30) // 10) for _ in range(3)
    ]
    for half, liquidity in ranges:
        middle = tick // spacing + random.randrange(-3, 4)
        lower, upper = (middle - half) * spacing, (middle + half) * spacing
        for at, sign in ((lower, 1), (upper, -1)):
            gross, net = ticks.get(at, (0, 0))
            ticks[at] = (gross + liquidity, net + sign * liquidity)
        active += liquidity if lower <= tick < upper else 0
    return V3Pool(root, tick, active, fee_pips, spacing, ticks)


class Copies:
    """The pools as plain values, moved by the formulas of the contracts."""

    def __init__(self, rows):
        self.states = [
            [row.pool.reserve0, row.pool.reserve1, row.pool.fee_pips]
            if isinstance(row.pool, V2Pool)
            else row.pool.state()
            for row in rows
        ]

    def swap(self, index, zero_for_one, amount_in):
        state = self.states[index]
        if isinstance(state, list):
            reserve_in, reserve_out = (state[0], state[1]) if zero_for_one else (state[1], state[0])
            with_fee = amount_in * (10**6 - state[2])
            paid = with_fee * reserve_out // (reserve_in * 10**6 + with_fee)
            state[0] += amount_in if zero_for_one else -paid
            state[1] += -paid if zero_for_one else amount_in
            return paid
        end = swap_loop(state, zero_for_one, amount_in, limit_of(zero_for_one=zero_for_one))
        taken, paid = (end.amount0, -end.amount1) if zero_for_one else (end.amount1, -end.amount0)
        assert taken == amount_in
        self.states[index] = type(state)(
            end.sqrt_price_x96,
            end.tick,
            end.liquidity,
            state.fee_pips,
            state.tick_spacing,
            state.ticks,
        )
        return paid


def executed(plan: FlowPlan, rows: list[NetworkPool], home: int = 0) -> dict[int, int]:
    """Run the legs on copies from the loan alone; return what is held at the end, by token."""
    copies = Copies(rows)
    held = {home: plan.loan}
    for leg in plan.legs:
        row = rows[leg.pool_index]
        ends = (row.token0, row.token1)
        token_in, token_out = ends if leg.zero_for_one else ends[::-1]
        held[token_in] = held.get(token_in, 0) - leg.amount_in
        assert held[token_in] >= 0, "a step sells what is not there"
        paid = copies.swap(leg.pool_index, leg.zero_for_one, leg.amount_in)
        assert paid == leg.amount_out
        held[token_out] = held.get(token_out, 0) + paid
    return held
