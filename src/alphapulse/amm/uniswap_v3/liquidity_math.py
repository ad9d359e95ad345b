"""Liquidity plus a signed change, refused where the contract's uint128 would not hold it."""

from alphapulse.errors import BeyondKnownState

__all__ = ["add_delta"]


def add_delta(liquidity: int, delta: int) -> int:
    """Return the liquidity after a change.

    Units   liquidity units.
    Range   the result must fit uint128.
    Raises  BeyondKnownState when it does not: the tick map and the liquidity contradict each other.
    Source  LiquidityMath.addDelta, whose reverts are LS and LA.
    """
    result = liquidity + delta
    if result < 0 or result >> 128:
        raise BeyondKnownState(f"`liquidity` must fit uint128, was {result}")
    return result
