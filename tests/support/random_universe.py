"""Small random universes with prices that differ, as messages."""

from dataclasses import dataclass, field
from math import isqrt
from random import Random

from alphapulse.amm.uniswap_v3.tick_math import tick_at_sqrt_ratio
from alphapulse.protocol.message import Message
from support.universe import V2_A, V2_B, V3, Chain, address_of

SPACINGS = {500: 10, 3000: 60, 10000: 200}


@dataclass
class Universe:
    """Tokens with prices, pools, and the messages that bring them up to block 1."""

    chain: Chain
    tokens: list[bytes]
    prices: dict[bytes, float]
    pools: list[bytes] = field(default_factory=list)
    setup: list[Message] = field(default_factory=list)

    def messages(self) -> list[Message]:
        return [*self.setup, self.chain.block(1)]


def make(
    random: Random, *, tokens: int = 4, pools: int = 8, noise: float = 0.02, v3_share: float = 0.5
) -> Universe:
    """Return a universe; token 0 is the wrapped native, token 1 a dollar."""
    chain = Chain()
    names = [address_of(f"token{number}") for number in range(tokens)]
    decimals = [18, 6, 18, 8, 18, 12]
    usd = [2000.0, 1.0, 1.0, 40_000.0, 7.0, 0.3]
    universe = Universe(chain, names, {})
    for number, token in enumerate(names):
        universe.setup.append(chain.token(token, decimals[number]))
        universe.prices[token] = usd[number] / 10 ** decimals[number]
    for number in range(pools):
        first, second = random.sample(range(tokens), 2)
        if number < tokens - 1:  # every token meets the native one
            first, second = 0, number + 1
        token0, token1 = sorted((names[first], names[second]))
        concentrated = random.random() < v3_share
        add_pool(
            universe,
            f"pool{number}",
            token0,
            token1,
            venue=V3 if concentrated else random.choice((V2_A, V2_B)),
            usd_depth=10 ** random.uniform(4.5, 6.5),
            skew=1 + random.uniform(-noise, noise),
            random=random,
        )
    return universe


def add_pool(
    universe: Universe,
    name: str,
    token0: bytes,
    token1: bytes,
    *,
    venue: int,
    usd_depth: float,
    skew: float,
    random: Random,
    fee_pips: int = 0,
) -> bytes:
    chain, address = universe.chain, address_of(name)
    price0, price1 = universe.prices[token0], universe.prices[token1]
    reserve0 = int(usd_depth / price0)
    reserve1 = int(usd_depth / price1 * skew)
    fee_pips = fee_pips or (random.choice((500, 3000, 10000)) if venue == V3 else 3000)
    spacing = SPACINGS[fee_pips] if venue == V3 else 0
    universe.setup.append(
        chain.pool(address, token0, token1, venue=venue, fee_pips=fee_pips, tick_spacing=spacing)
    )
    universe.pools.append(address)
    if venue == V3:
        universe.setup += concentrated_state(chain, address, reserve0, reserve1, random)
    else:
        universe.setup.append(chain.state_v2(address, reserve0, reserve1, 1))
    return address


def concentrated_state(
    chain: Chain, address: bytes, reserve0: int, reserve1: int, random: Random
) -> list[Message]:
    """Return a base with the spot price of the reserves, one wide range and a few narrow ones."""
    spacing = chain.pools[address][4]
    sqrt_price_x96 = isqrt((reserve1 << 192) // reserve0)
    tick = tick_at_sqrt_ratio(sqrt_price_x96)
    base = isqrt(reserve0 * reserve1)
    ticks: dict[int, list[int]] = {}
    active = 0
    ranges = [(4000, base)] + [
        (random.randrange(1, 40), base * random.randrange(1, 30) // 10) for _ in range(3)
    ]
    for half, liquidity in ranges:
        middle = tick // spacing + random.randrange(-3, 4)
        lower, upper = (middle - half) * spacing, (middle + half) * spacing
        lower, upper = (
            max(lower, -887200 // spacing * spacing),
            min(upper, 887200 // spacing * spacing),
        )
        for at, sign in ((lower, 1), (upper, -1)):
            row = ticks.setdefault(at, [0, 0])
            row[0] += liquidity
            row[1] += sign * liquidity
        if lower <= tick < upper:
            active += liquidity
    rows = [(at, gross, net) for at, (gross, net) in sorted(ticks.items())]
    return chain.state_v3(address, sqrt_price_x96, tick, active, rows, 1)
