"""The pools of one chain by number, and their tokens by number: what a pool graph is spoken to with.

Numbers follow the order of identities and of addresses, so nothing depends on the order in which pools became known. An edge is twice a
pool's number, plus one when token1 is paid in.
"""

from collections.abc import Iterable, Mapping, Sequence

from alphapulse.market.pool import Pool, PoolKey
from alphapulse.primitives.address import Address

__all__ = ["Roster"]


class Roster:
    """Fixed once made; make another when a pool is added."""

    __slots__ = ("index", "numbers", "pools", "token_in", "token_out")

    def __init__(self, pools: Iterable[Pool]) -> None:
        self.pools: tuple[Pool, ...] = tuple(sorted(pools, key=lambda pool: pool.key))
        self.index: Mapping[PoolKey, int] = {
            pool.key: number for number, pool in enumerate(self.pools)
        }
        tokens = sorted({token for pool in self.pools for token in (pool.token0, pool.token1)})
        self.numbers: Mapping[Address, int] = {token: place for place, token in enumerate(tokens)}
        self.token_in = [token for pool in self.pools for token in (pool.token0, pool.token1)]
        self.token_out = [token for pool in self.pools for token in (pool.token1, pool.token0)]

    def places(self) -> list[int]:
        """Return for each pool a number that the pairs of one pool share."""
        first: dict[tuple[int, bytes], int] = {}
        return [
            first.setdefault((pool.key.chain_id, pool.key.address), number)
            for number, pool in enumerate(self.pools)
        ]

    def path(self, edges: Sequence[int]) -> tuple[PoolKey, ...]:
        """Return the identities of a cycle's pools, from its least edge on, whichever edge it is written from."""
        least = edges.index(min(edges))
        return tuple([self.pools[edge >> 1].key for edge in (*edges[least:], *edges[:least])])

    def kinds(self, edges: Iterable[int]) -> tuple[int, ...]:
        """Return the sorted kinds of a cycle's pools."""
        return tuple(sorted([self.pools[edge >> 1].kind.value for edge in edges]))
