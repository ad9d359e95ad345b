"""From an announcement to the pools it stands for: one, or a pair for every two tokens."""

from alphapulse.market.curved import CURVED_KINDS, CurvedPool
from alphapulse.market.pool import Pool, PoolKey
from alphapulse.primitives.address import Address
from alphapulse.protocol.market_data import InstrumentMeta, PoolType

__all__ = ["kind_of", "members_of"]

_KINDS = {
    PoolType.CONSTANT_PRODUCT: PoolType.CONSTANT_PRODUCT,
    PoolType.CONSTANT_PRODUCT_READ_ONLY: PoolType.CONSTANT_PRODUCT,
    PoolType.CONCENTRATED: PoolType.CONCENTRATED,
    PoolType.SOLIDLY_STABLE: PoolType.SOLIDLY_STABLE,
    PoolType.CONCENTRATED_SINGLETON: PoolType.CONCENTRATED_SINGLETON,
}
_KEYED_BY_ID = (PoolType.CONCENTRATED_SINGLETON, PoolType.WEIGHTED, PoolType.COMPOSABLE_STABLE)
_BY_LEGS = 2
_MAX_LEGS = 8


def kind_of(meta: InstrumentMeta) -> PoolType | None:
    """Return the mathematics of an announced pool, None when it is not one that is known here."""
    try:
        said = PoolType(meta.pool_type)
    except ValueError:
        return None
    kind = said if said in CURVED_KINDS else _KINDS.get(said)
    lengths = (20, 32) if kind in _KEYED_BY_ID else (20,)
    most = _MAX_LEGS if kind in CURVED_KINDS else _BY_LEGS
    fits = len(meta.key) in lengths and _BY_LEGS <= len(meta.leg) <= most
    return kind if fits else None


def members_of(key: PoolKey, meta: InstrumentMeta, kind: PoolType) -> tuple[Pool, ...]:
    """Return the pool, or a pair for every two of its tokens."""
    tokens = [Address(leg.address) for leg in meta.leg]
    decimals = [leg.decimals for leg in meta.leg]
    venue = meta.instrument.venue
    if kind in CURVED_KINDS:
        whole = CurvedPool(
            key, venue, kind, tokens=tokens, decimals=decimals, fee_pips=meta.fee_pips
        )
        return whole.members
    return (
        Pool(
            key,
            venue,
            kind,
            tokens=(tokens[0], tokens[1]),
            decimals=(decimals[0], decimals[1]),
            fee_pips=meta.fee_pips,
            tick_spacing=meta.tick_spacing,
        ),
    )
