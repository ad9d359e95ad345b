"""What one token is worth in another: the spot price of the deepest usable pool, fee included. Integers only."""

from dataclasses import dataclass
from typing import Protocol

from alphapulse.amm.kernel import ConcentratedPool
from alphapulse.errors import Rejected
from alphapulse.market.graph import PoolGraph
from alphapulse.market.pool import Pool, reserves_of
from alphapulse.primitives.address import Address
from alphapulse.primitives.units import E8, cut_toward_zero, div_ceil, div_floor

__all__ = ["Prices", "Rate"]

Q96 = 1 << 96
Q128 = 1 << 128


class Decimals(Protocol):
    """Tells a token's decimals, or None for an unknown token."""

    def __call__(self, token: Address) -> int | None:
        """Return the decimals."""
        ...


@dataclass(frozen=True, slots=True)
class Rate:
    """Smallest units of one token per smallest unit of another, as a fraction."""

    numerator: int
    denominator: int

    def floor(self, amount: int) -> int:
        """Return what an amount is worth, rounded down."""
        return div_floor(amount * self.numerator, self.denominator)

    def ceil(self, amount: int) -> int:
        """Return what an amount is worth, rounded up."""
        return div_ceil(amount * self.numerator, self.denominator)

    def cut(self, amount: int) -> int:
        """Return what an amount is worth, cut toward zero."""
        return cut_toward_zero(amount * self.numerator, self.denominator)

    def inverse_ceil(self, worth: int) -> int:
        """Return the amount that is worth at least so much, rounded up."""
        return div_ceil(worth * self.denominator, self.numerator)


ONE = Rate(1, 1)


class Prices:
    """Exchange rates into the native token and into dollars, as of one state of the pools.

    A rate is the spot price after fee of the pool with the largest (virtual) reserve of the token wanted, so it is what a small
    sale would pay. Make a new one when a pool has changed.
    """

    __slots__ = ("_decimals", "_graph", "_native", "_native_rates", "_usd_rates", "_usd_tokens")

    def __init__(
        self,
        graph: PoolGraph,
        native: Address,
        usd_tokens: tuple[Address, ...],
        decimals: Decimals,
    ) -> None:
        self._graph = graph
        self._native = native
        self._usd_tokens = usd_tokens
        self._decimals = decimals
        self._native_rates: dict[Address, Rate | None] = {}
        self._usd_rates: dict[Address, Rate | None] = {}

    def native_per(self, token: Address) -> Rate | None:
        """Return wei of the native token per unit of a token, None when no usable pool tells."""
        if token == self._native:
            return ONE
        if token not in self._native_rates:
            self._native_rates[token] = self._deepest(token, (self._native,))
        return self._native_rates[token]

    def usd_e8_per(self, token: Address) -> Rate | None:
        """Return dollars times 10**8 per unit of a token: directly, else by way of the native token."""
        if token not in self._usd_rates:
            self._usd_rates[token] = self._usd_rate(token)
        return self._usd_rates[token]

    def whole_token_usd_e8(self, token: Address) -> int | None:
        """Return dollars times 10**8 per whole token, cut toward zero."""
        rate, decimals = self.usd_e8_per(token), self._decimals(token)
        return None if rate is None or decimals is None else rate.cut(10**decimals)

    def _usd_rate(self, token: Address) -> Rate | None:
        if token in self._usd_tokens:
            decimals = self._decimals(token)
            return None if decimals is None else Rate(E8, 10**decimals)
        direct = self._deepest(token, self._usd_tokens, in_usd=True)
        if direct is not None or token == self._native:
            return direct
        native, usd = self.native_per(token), self.usd_e8_per(self._native)
        if native is None or usd is None:
            return None
        return Rate(native.numerator * usd.numerator, native.denominator * usd.denominator)

    def _deepest(
        self, token: Address, wanted: tuple[Address, ...], *, in_usd: bool = False
    ) -> Rate | None:
        """Return the rate of the pool with most of `token` in it; the first by identity among equals."""
        best: Rate | None = None
        best_depth = 0
        for target in wanted:
            decimals = self._decimals(target) if in_usd else 0
            for edge in self._graph.edges_between(token, target):
                pool = self._graph.pools[edge >> 1]
                depth = _depth(pool, edge)
                if depth <= best_depth or decimals is None:
                    continue
                rate = _rate_x128(pool, edge)
                if rate:
                    scale = E8 if in_usd else 1
                    best, best_depth = Rate(rate * scale, Q128 * 10**decimals), depth
        return best


def _rate_x128(pool: Pool, edge: int) -> int:
    """Return the spot rate after fee, 0 when the pool sells nothing in that direction."""
    try:
        return pool.quoter.marginal_rate_x128(not edge & 1) if pool.quoter else 0
    except Rejected:
        return 0


def _depth(pool: Pool, edge: int) -> int:
    """Return the reserve of the token that the edge takes in, virtual for concentrated pools; 0 when not usable."""
    quoter = pool.quoter
    if quoter is None or not pool.is_live:
        return 0
    zero_for_one = not edge & 1
    if isinstance(quoter, ConcentratedPool):
        if quoter.sqrt_price_x96 == 0:
            return 0
        if zero_for_one:
            return div_floor(quoter.liquidity * Q96, quoter.sqrt_price_x96)
        return div_floor(quoter.liquidity * quoter.sqrt_price_x96, Q96)
    return reserves_of(quoter)[0 if zero_for_one else 1]
