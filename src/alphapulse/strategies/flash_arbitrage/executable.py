"""Which pools the flash arbitrage contract can trade with: fewer than can be priced.

The contract computes a pair's output with 997/1000 and answers the callback of Uniswap's concentrated
pools. Everything else would revert, so nothing else is planned.
"""

from alphapulse.amm.forks import SOLIDLY_VENUES, V3_FORKS
from alphapulse.market.pool import Pool
from alphapulse.protocol.market_data import PoolType

__all__ = ["is_executable"]

PAIR_FEE_PIPS = 3000


def is_executable(pool: Pool) -> bool:
    """Return whether the contract knows how to trade with a pool.

    A concentrated pool of a venue that is not in the table of forks is not traded: its callback is not known.
    """
    if pool.kind is PoolType.CONSTANT_PRODUCT:
        return pool.fee_pips == PAIR_FEE_PIPS and pool.venue not in SOLIDLY_VENUES
    if pool.kind is PoolType.CONCENTRATED:
        fork = V3_FORKS.get(pool.venue)
        return fork is not None and fork.calls_like_uniswap
    return False
