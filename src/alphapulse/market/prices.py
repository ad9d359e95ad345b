"""What one token is worth in another: the spot price of the deepest usable pool, fee included. Integers only."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from alphapulse.amm.kernel import ConcentratedPool
from alphapulse.errors import Rejected
from alphapulse.market.pool import Pool, PoolKey, reserves_of
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


class _Lane:
    """The pools that turn one token into another, by identity, and how deep each is."""

    __slots__ = ("depths", "members")

    def __init__(self) -> None:
        self.members: list[tuple[Pool, bool]] = []
        self.depths: list[int] = []

    def deepest(self) -> tuple[int, int]:
        """Return the depth and the rate of the deepest pool that sells anything, zeros when there is none."""
        depth = max(self.depths, default=0)
        if depth == 0:
            return 0, 0
        rate = _rate_x128(*self.members[self.depths.index(depth)])
        if rate:
            return depth, rate
        for depth, place in sorted((-depth, place) for place, depth in enumerate(self.depths)):
            rate = _rate_x128(*self.members[place]) if depth else 0
            if rate:
                return -depth, rate
        return 0, 0


class Prices:
    """Exchange rates into the native token and into dollars.

    A rate is the spot price after fee of the pool with the largest (virtual) reserve of the token wanted, so it is what a small
    sale would pay. `refresh` takes over the pools that have changed.
    """

    __slots__ = (
        "_decimals",
        "_lanes",
        "_native",
        "_native_rates",
        "_places",
        "_usd_rates",
        "_usd_tokens",
    )

    def __init__(
        self,
        pools: Iterable[Pool],
        native: Address,
        usd_tokens: tuple[Address, ...],
        decimals: Decimals,
    ) -> None:
        self._native = native
        self._usd_tokens = usd_tokens
        self._decimals = decimals
        self._native_rates: dict[Address, Rate | None] = {}
        self._usd_rates: dict[Address, Rate | None] = {}
        self._lanes: dict[tuple[Address, Address], _Lane] = {}
        self._places: dict[PoolKey, list[tuple[_Lane, int]]] = {}
        wanted = {native, *usd_tokens}
        for pool in sorted(pools, key=lambda pool: pool.key):
            if pool.token1 in wanted:
                self._join(pool, (pool.token0, pool.token1), zero_for_one=True)
            if pool.token0 in wanted:
                self._join(pool, (pool.token1, pool.token0), zero_for_one=False)

    def refresh(self, changed: Iterable[PoolKey]) -> None:
        """Take over pools that changed since they were last looked at."""
        self._native_rates.clear()
        self._usd_rates.clear()
        for key in changed:
            for lane, place in self._places.get(key, ()):
                lane.depths[place] = _depth(*lane.members[place])

    def _join(self, pool: Pool, ends: tuple[Address, Address], *, zero_for_one: bool) -> None:
        lane = self._lanes.setdefault(ends, _Lane())
        self._places.setdefault(pool.key, []).append((lane, len(lane.members)))
        lane.members.append((pool, zero_for_one))
        lane.depths.append(_depth(pool, zero_for_one))

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
            lane = self._lanes.get((token, target))
            if lane is None or decimals is None:
                continue
            depth, rate = lane.deepest()
            if depth > best_depth:
                scale = E8 if in_usd else 1
                best, best_depth = Rate(rate * scale, Q128 * 10**decimals), depth
        return best


def _rate_x128(pool: Pool, zero_for_one: bool) -> int:
    """Return the spot rate after fee, 0 when the pool sells nothing in that direction."""
    try:
        return pool.quoter.marginal_rate_x128(zero_for_one) if pool.quoter else 0
    except Rejected:
        return 0


def _depth(pool: Pool, zero_for_one: bool) -> int:
    """Return the reserve of the token that is taken in, virtual for concentrated pools; 0 when not usable."""
    quoter = pool.quoter
    if quoter is None or not pool.is_live:
        return 0
    if isinstance(quoter, ConcentratedPool):
        if quoter.sqrt_price_x96 == 0:
            return 0
        if zero_for_one:
            return div_floor(quoter.liquidity * Q96, quoter.sqrt_price_x96)
        return div_floor(quoter.liquidity * quoter.sqrt_price_x96, Q96)
    return reserves_of(quoter)[0 if zero_for_one else 1]
