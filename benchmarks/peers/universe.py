"""A universe of pools around one that moves, as records, and the cycles through that pool. Seeded."""

from collections import defaultdict
from dataclasses import dataclass, field
from math import isqrt
from random import Random

from alphapulse.amm.uniswap_v3.pool import V3State, limit_of, swap
from alphapulse.amm.uniswap_v3.tick_math import MAX_TICK, tick_at_sqrt_ratio
from peers.cases import CycleCase, Record, address_of

UNIT = 10**18
WRAPPED, DOLLAR = address_of("token", "wrapped"), address_of("token", "dollar")
USD = {WRAPPED: 2_500, DOLLAR: 1}
MIDDLE_USD = 40
DEPTH_USD = 2_000_000
PRICE_NOISE = 0.0004  # at most, as a share: below what two or three of the lowest fees eat, so that a market at rest is quiet
LOW_FEE = (500, 10)
FEES = (LOW_FEE, (3000, 60), (3000, 60), (10000, 200))
RANGES = 12
MOVED = "moved"
MOST_IN = 2_000 * UNIT
TRADE_USD = 6_000

Move = tuple[int, int, int]


@dataclass
class Universe:
    """Pools as records, cycles through the moved one as cases, and the states that it goes through."""

    random: Random
    records: list[Record] = field(default_factory=list)
    cycles: list[CycleCase] = field(default_factory=list)

    def add(self, identity: str, one: str, other: str, *, concentrated: bool) -> Record:
        """Add a pool between two tokens, its price a little off."""
        token0, token1 = sorted((one, other))
        value0, value1 = (USD.get(token, MIDDLE_USD) for token in (token0, token1))
        noise = 1 + self.random.uniform(-PRICE_NOISE, PRICE_NOISE)
        depth = DEPTH_USD * UNIT
        reserve0, reserve1 = depth // value0, int(depth * noise) // value1
        record: Record = {
            "id": identity,
            "address": address_of("pool", identity),
            "token0": token0,
            "token1": token1,
        }
        if concentrated:
            fee = LOW_FEE if identity == MOVED else self.random.choice(FEES)
            record.update(self._ranges(reserve0, reserve1, *fee))
        else:
            record.update(kind="v2", fee=3000, reserve0=reserve0, reserve1=reserve1)
        self.records.append(record)
        return record

    def _ranges(self, reserve0: int, reserve1: int, fee: int, spacing: int) -> Record:
        root = isqrt((reserve1 << 192) // reserve0)
        tick, whole = tick_at_sqrt_ratio(root), MAX_TICK // spacing * spacing
        places = [(-whole, whole, isqrt(reserve0 * reserve1) // 10)]
        for number in range(RANGES):
            half = 6000 if number == 0 else self.random.randrange(200, 4000)
            middle = tick + (0 if number == 0 else self.random.randrange(-1500, 1500))
            lower, upper = ((middle + side * half) // spacing * spacing for side in (-1, 1))
            places.append(
                (lower, upper, isqrt(reserve0 * reserve1) * self.random.randrange(1, 5) // 4)
            )
        ticks: dict[int, list[int]] = defaultdict(lambda: [0, 0])
        for lower, upper, amount in places:
            for at, side in ((lower, 1), (upper, -1)):
                ticks[at][0] += amount
                ticks[at][1] += side * amount
        return {
            "kind": "v3",
            "fee": fee,
            "spacing": spacing,
            "sqrt_price": root,
            "tick": tick,
            "liquidity": sum(amount for lower, upper, amount in places if lower <= tick < upper),
            "ticks": [[at, gross, net] for at, (gross, net) in sorted(ticks.items()) if gross],
        }

    def side(self, identity: str, token_in: str) -> tuple[str, bool]:
        """Return a hop through a pool."""
        record = next(one for one in self.records if one["id"] == identity)
        return identity, record["token0"] == token_in

    def both_ways(self, identities: list[str], tokens: list[str]) -> None:
        """Add a cycle that starts in the first token, and its reverse."""
        around = [*tokens, tokens[0]]
        there = [self.side(pool, token) for pool, token in zip(identities, tokens, strict=True)]
        back = [
            self.side(pool, token)
            for pool, token in zip(reversed(identities), reversed(around), strict=False)
        ]
        self.cycles += [(there, MOST_IN), (back, MOST_IN)]

    def at_rest(self) -> Move:
        """Return the state of the moved pool in which no cycle pays."""
        record = next(one for one in self.records if one["id"] == MOVED)
        return record["sqrt_price"], record["tick"], record["liquidity"]

    def moves(self, count: int) -> list[tuple[Move, int, int]]:
        """Return states that one trade takes the moved pool to from its rest, each with the trade's amounts."""
        record = next(one for one in self.records if one["id"] == MOVED)
        ticks = {tick: (gross, net) for tick, gross, net in record["ticks"]}
        state = V3State(*self.at_rest(), record["fee"], record["spacing"], ticks)
        found = []
        for number in range(count):
            zero_for_one = number % 2 == 0
            usd = int(TRADE_USD * self.random.lognormvariate(0, 0.3))
            amount = usd * UNIT // USD[record["token0" if zero_for_one else "token1"]]
            after = swap(state, zero_for_one, amount, limit_of(zero_for_one=zero_for_one))
            move = (after.sqrt_price_x96, after.tick, after.liquidity)
            found.append((move, after.amount0, after.amount1))
        return found


def one_pair(others: int, seed: int) -> Universe:
    """Return one moved pool and others on its pair: twice as many cycles of two."""
    universe = Universe(Random(seed))
    universe.add(MOVED, WRAPPED, DOLLAR, concentrated=True)
    for number in range(others):
        identity = f"sibling-{number}"
        universe.add(identity, WRAPPED, DOLLAR, concentrated=number % 2 == 0)
        universe.both_ways([MOVED, identity], [WRAPPED, DOLLAR])
    return universe


def many_pairs(total: int, siblings: int, middles: int, per_side: int, seed: int) -> Universe:
    """Return a universe of so many pools, where some lie on cycles of two or three through the moved one."""
    universe = one_pair(siblings, seed)
    for number in range(middles):
        token = address_of("token", "middle", number)
        sides: list[list[str]] = [[], []]
        for place, end in enumerate((WRAPPED, DOLLAR)):
            for index in range(per_side):
                identity = f"middle-{number}-{place}-{index}"
                universe.add(identity, token, end, concentrated=index % 2 == 0)
                sides[place].append(identity)
        for first in sides[0]:
            for second in sides[1]:
                universe.both_ways([first, second, MOVED], [WRAPPED, token, DOLLAR])
    number = 0
    while len(universe.records) < total:
        token = address_of("token", "apart", number // per_side)
        universe.add(f"apart-{number}", token, WRAPPED, concentrated=number % 2 == 0)
        number += 1
    return universe
