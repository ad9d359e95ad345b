"""Pools as they stand after trades that have not happened: the originals are never touched, copies are made when needed."""

from collections.abc import Sequence

from alphapulse.amm.pool import PoolQuoter, V2Pool, V3Pool
from alphapulse.amm.pool_kinds import ConcentratedPool, PairPool, SingletonPool
from alphapulse.amm.uniswap_v3.pool import limit_of
from alphapulse.amm.uniswap_v3.pool import swap as swap_loop
from alphapulse.errors import BeyondKnownState

__all__ = ["NetworkState", "after_swap"]


def after_swap(pool: PoolQuoter, amount_in: int, *, zero_for_one: bool) -> PoolQuoter:
    """Return a copy of a pool as it stands after an exact input.

    Units   smallest units.
    Range   pairs with one fee and concentrated pools.
    Raises  BeyondKnownState for a pool of another kind; what the pool refuses.
    Source  the contracts' own state changes: reserves by what came and went, the price by the step loop.
    """
    if isinstance(pool, PairPool):
        paid = pool.amount_out(amount_in, zero_for_one)
        taken0, taken1 = (amount_in, -paid) if zero_for_one else (-paid, amount_in)
        return V2Pool(pool.reserve0 + taken0, pool.reserve1 + taken1, pool.fee_pips)
    if isinstance(pool, ConcentratedPool) and not isinstance(pool, SingletonPool):
        state = pool.state()
        end = swap_loop(state, zero_for_one, amount_in, limit_of(zero_for_one=zero_for_one))
        return V3Pool(
            end.sqrt_price_x96,
            end.tick,
            end.liquidity,
            state.fee_pips,
            state.tick_spacing,
            state.ticks,
            known_lower=state.known_lower,
            known_upper=state.known_upper,
        )
    raise BeyondKnownState(f"what a {type(pool).__name__} holds after a trade is not known here")


class NetworkState:
    """A network of pools under a sequence of trades.

    A trade is noted when it is made and folded when its pool is asked again, so a pool that trades once is never copied.
    """

    __slots__ = ("_pools", "_trades")

    def __init__(self, pools: Sequence[PoolQuoter]) -> None:
        self._pools = list(pools)
        self._trades: dict[int, tuple[int, bool]] = {}

    def pool(self, index: int) -> PoolQuoter:
        """Return a pool as it stands now; it must not be changed.

        Raises  as after_swap.
        """
        trade = self._trades.get(index)
        if trade is not None:
            amount_in, zero_for_one = trade
            self._pools[index] = after_swap(
                self._pools[index], amount_in, zero_for_one=zero_for_one
            )
            del self._trades[index]
        return self._pools[index]

    def walk(self, edges: Sequence[int], amount_in: int) -> tuple[int, ...]:
        """Return the amounts along a walk over these edges, each selling all that the one before paid; nothing is noted.

        Range   no pool twice.
        Raises  what a pool refuses.
        """
        amounts = [amount_in]
        for edge in edges:
            amounts.append(self.pool(edge >> 1).amount_out(amounts[-1], not edge & 1))
        return tuple(amounts)

    def trade(self, edges: Sequence[int], amounts: Sequence[int]) -> None:
        """Note a walk that was quoted with these amounts."""
        for edge, amount_in in zip(edges, amounts, strict=False):
            self.pool(edge >> 1)
            self._trades[edge >> 1] = (amount_in, not edge & 1)
