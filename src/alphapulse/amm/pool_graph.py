"""A stateful graph of pools: updates in, the best sized cycles through what changed out.

Numbers name everything: pools in the order in which they were added, tokens as the caller numbers them, edge 2 * pool
for token0 paid in and the next one for token1. Floats only decide what is looked at.
"""

from collections.abc import Mapping, Sequence
from math import log1p
from typing import TypeAlias

from alphapulse.amm.network_cycles import MAX_HOPS, MIN_HOPS, NEVER, CycleFinder
from alphapulse.amm.pool import V2Pool, V3Pool
from alphapulse.amm.screen import LogRate, log_of
from alphapulse.amm.sizing import Sizing, optimise
from alphapulse.errors import InvalidData, Rejected, ValueOutOfRange

__all__ = ["LIQUIDITY", "RESERVES", "SWAP", "Anchors", "PoolGraph", "Update"]

# Kinds of update: reserves (a, b); swap to root price, tick and liquidity (a, b, c); liquidity between ticks (a, b) by c.
RESERVES, SWAP, LIQUIDITY = 0, 1, 2
# On a sum of logarithms; each of them errs by less than 1e-13, and rounding up a rate only adds to it.
MARGIN = 1e-11
MAX_TOKEN = 2**32 - 2

Update: TypeAlias = tuple[int, int, int, int, int]
"""Pool, kind, and what the kind says."""

Anchors: TypeAlias = Mapping[int, tuple[int, int]]
"""Tokens from which a cycle may be walked: the most that may be borrowed, and what a unit counts in ranking."""

Ticks: TypeAlias = Mapping[int, tuple[int, int]]


class PoolGraph:
    """Pools of two kinds between tokens, owned here and changed by updates only."""

    __slots__ = (
        "_finder",
        "_max_hops",
        "_numbers",
        "_pools",
        "_premium_bps",
        "_refused",
        "_tokens",
    )

    def __init__(self, *, premium_bps: int, max_hops: int) -> None:
        if not MIN_HOPS <= max_hops <= MAX_HOPS:
            raise ValueOutOfRange(
                f"`max_hops` must be in {MIN_HOPS} ... {MAX_HOPS}, was {max_hops}"
            )
        self._premium_bps = premium_bps
        self._max_hops = max_hops
        self._pools: list[V2Pool | V3Pool] = []
        self._tokens: list[tuple[int, int]] = []
        self._refused: set[int] = set()
        self._numbers: dict[int, int] = {}
        self._finder: CycleFinder | None = None

    def __len__(self) -> int:
        return len(self._pools)

    def add_pair(
        self, token0: int, token1: int, *, reserve0: int, reserve1: int, fee_pips: int
    ) -> int:
        """Add a pair and return its number.

        Raises  ValueOutOfRange for equal tokens, or as `V2Pool`.
        """
        return self._add(token0, token1, V2Pool(reserve0, reserve1, fee_pips))

    def add_concentrated(  # noqa: PLR0913 - two tokens and the state of a pool
        self,
        token0: int,
        token1: int,
        *,
        sqrt_price_x96: int,
        tick: int,
        liquidity: int,
        fee_pips: int,
        tick_spacing: int,
        ticks: Ticks,
    ) -> int:
        """Add a concentrated pool and return its number.

        Raises  ValueOutOfRange for equal tokens, or as `V3Pool`.
        """
        pool = V3Pool(sqrt_price_x96, tick, liquidity, fee_pips, tick_spacing, ticks)
        return self._add(token0, token1, pool)

    def apply(self, updates: Sequence[Update]) -> list[int]:
        """Apply updates in order and return the pools that refused one: they answer no more.

        Raises  ValueOutOfRange for an unknown number or kind, before anything changes.
        """
        for index, kind, *_ in updates:
            self._require(index)
            if kind not in (RESERVES, SWAP, LIQUIDITY):
                raise ValueOutOfRange(f"`kind` of an update must be 0 ... 2, was {kind}")
        refused = []
        for index, kind, a, b, c in updates:
            if index in self._refused:
                continue
            try:
                self._apply(self._pools[index], kind, a, b, c)
            except InvalidData:
                self._refused.add(index)
                refused.append(index)
        for index in {update[0] for update in updates}:
            self._refresh(index)
        return refused

    def search(
        self, changed: Sequence[int], anchors: Anchors
    ) -> list[tuple[tuple[int, ...], Sizing]]:
        """Return every cycle through a changed pool that earns anything, with its best amounts, best first.

        Units   amounts in smallest units of the token that a cycle starts from.
        Range   cycles meet no token twice. The rank is profit times weight, then the order of the edges.
        Raises  ValueOutOfRange for an unknown number.
        Source  MATH sections 4 and 5.
        """
        for index in changed:
            self._require(index)
        numbers = self._numbers
        names = {number: token for token, number in numbers.items()}
        edges = [edge for index in changed for edge in (2 * index, 2 * index + 1)]
        _, cycles = self._ready().through(
            edges,
            frozenset(numbers[token] for token in anchors if token in numbers),
            least=log1p(self._premium_bps / 10_000) - MARGIN,
            max_hops=self._max_hops,
        )
        found = []
        for cycle, _ in cycles:
            for start, edge in enumerate(cycle):
                token = names[self._source(edge)]
                if token not in anchors:
                    continue
                max_amount_in, weight = anchors[token]
                walk = cycle[start:] + cycle[:start]
                hops = [(self._pools[one >> 1], not one & 1) for one in walk]
                sizing = optimise(hops, premium_bps=self._premium_bps, max_amount_in=max_amount_in)
                if sizing is not None:
                    found.append((-sizing.profit * weight, walk, sizing))
        found.sort(key=lambda one: one[:2])
        return [(walk, sizing) for _, walk, sizing in found]

    def fingerprint(self, index: int) -> bytes:
        """Return a pool's whole state as canonical bytes.

        Raises  ValueOutOfRange for an unknown number.
        """
        self._require(index)
        return self._pools[index].fingerprint()

    def _add(self, token0: int, token1: int, pool: V2Pool | V3Pool) -> int:
        if token0 == token1 or not (0 <= token0 <= MAX_TOKEN and 0 <= token1 <= MAX_TOKEN):
            raise ValueOutOfRange(
                f"a pool joins two tokens below 2**32 - 1, was {token0}, {token1}"
            )
        for token in (token0, token1):
            self._numbers.setdefault(token, len(self._numbers))
        self._pools.append(pool)
        self._tokens.append((token0, token1))
        self._finder = None
        return len(self._pools) - 1

    def _require(self, index: int) -> None:
        if not 0 <= index < len(self._pools):
            raise ValueOutOfRange(f"there is no pool {index} among {len(self._pools)}")

    def _apply(self, pool: V2Pool | V3Pool, kind: int, a: int, b: int, c: int) -> None:
        if isinstance(pool, V2Pool) and kind == RESERVES:
            pool.set_reserves(a, b)
        elif isinstance(pool, V3Pool) and kind == SWAP:
            pool.apply_swap(a, b, c)
        elif isinstance(pool, V3Pool) and kind == LIQUIDITY:
            pool.apply_liquidity(a, b, c)
        else:
            raise ValueOutOfRange(f"an update of kind {kind} is for another kind of pool")

    def _source(self, edge: int) -> int:
        return self._numbers[self._tokens[edge >> 1][edge & 1]]

    def _ready(self) -> CycleFinder:
        if self._finder is None:
            sources = [self._source(edge) for edge in range(2 * len(self._pools))]
            targets = [sources[edge ^ 1] for edge in range(len(sources))]
            self._finder = CycleFinder(sources, targets, len(self._numbers))
            for index in range(len(self._pools)):
                self._refresh(index)
        return self._finder

    def _refresh(self, index: int) -> None:
        if self._finder is not None:
            for edge in (2 * index, 2 * index + 1):
                self._finder.set_rate(edge, self._rate(edge))

    def _rate(self, edge: int) -> LogRate:
        if edge >> 1 in self._refused:
            return NEVER
        try:
            return log_of(self._pools[edge >> 1].marginal_rate_x128(not edge & 1) + 1)
        except Rejected:
            return NEVER
