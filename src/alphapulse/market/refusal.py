"""Why an instrument is not priced although its state is known: each reason has a name."""

from collections.abc import Collection

from alphapulse.amm.uniswap_v4 import DYNAMIC_FEE, refusal_of
from alphapulse.market.pool import Pool
from alphapulse.protocol.market_data import InstrumentFlag, PoolType

__all__ = ["refusal_of_pool"]

_NAMED = (
    (InstrumentFlag.FEE_ON_TRANSFER, "a token takes a fee on transfer"),
    (InstrumentFlag.REBASING, "a token's balances move by themselves"),
    (InstrumentFlag.QUARANTINED, "quarantined by its announcement"),
)


def refusal_of_pool(
    pool: Pool, flags: int, hooks: bytes, *, allowed_hooks: Collection[bytes] = frozenset()
) -> str:
    """Return why plain arithmetic does not describe a pool, nothing when it does.

    `flags` are the pool's own and its tokens' together; `hooks` is the address that the pool announces.
    """
    for flag, reason in _NAMED:
        if flags & flag:
            return reason
    if pool.concentrated and pool.tick_spacing <= 0:
        return "its tick spacing is not positive"
    if pool.kind is PoolType.CONCENTRATED_SINGLETON:
        fee = DYNAMIC_FEE if flags & InstrumentFlag.DYNAMIC_FEE else pool.fee_pips
        return refusal_of(fee, hooks, allowed_hooks=allowed_hooks) or ""
    return "its hook may change what it pays" if flags & InstrumentFlag.HOOKS else ""
