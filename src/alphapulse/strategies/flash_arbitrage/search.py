"""From changed pools to candidates: the cycles through them that could pay."""

from collections.abc import Iterable
from typing import NamedTuple

from alphapulse.market.graph import Cycle, PoolGraph
from alphapulse.market.pool import PoolKey
from alphapulse.market.pools import Market
from alphapulse.market.screen import CycleScreen
from alphapulse.primitives.address import Address
from alphapulse.strategies.flash_arbitrage.executable import is_executable
from alphapulse.strategies.flash_arbitrage.profitability import GasFloors

__all__ = ["Candidate", "CycleSearch"]


class Candidate(NamedTuple):
    """A cycle that passed the screen; `gain` is the screen's figure."""

    cycle: Cycle
    gain: int


class CycleSearch:
    """Finds candidates among the pools of one chain; work grows with the cycles through what changed.

    `graph` holds the pools that the contract can trade with, `priced` all that can tell a price.
    """

    __slots__ = (
        "_borrowable",
        "_chain_id",
        "_market",
        "_max_hops",
        "_premium_bps",
        "_universe",
        "gas_floors",
        "graph",
        "priced",
        "screen",
    )

    def __init__(
        self,
        market: Market,
        chain_id: int,
        *,
        borrowable: Iterable[Address],
        max_hops: int,
        premium_bps: int,
    ) -> None:
        self._market = market
        self._chain_id = chain_id
        self._borrowable = tuple(borrowable)
        self._max_hops = max_hops
        self._premium_bps = premium_bps
        self._universe = -1
        self.prepare()

    def candidates(self, changed: Iterable[PoolKey]) -> tuple[int, list[Candidate]]:
        """Return how many sums were made, and the candidates in ascending order of their edges."""
        index = self.graph.index
        dirty = sorted(index[key] for key in changed if key in index)
        for number in dirty:
            self.screen.refresh(number)
        looked, found = self.screen.survivors(dirty)
        return looked, [Candidate(cycle, gain) for cycle, gain in found]

    def prepare(self) -> None:
        """When a pool was added, number pools and edges anew and take over every pool's state."""
        if self._universe == self._market.universe:
            return
        self._universe = self._market.universe
        pools = [pool for key, pool in self._market.pools.items() if key.chain_id == self._chain_id]
        usable = [pool for pool in pools if is_executable(pool)]
        self.graph = PoolGraph(usable, self._borrowable, max_hops=self._max_hops)
        self.priced = self.graph
        if len(usable) < len(pools):
            self.priced = PoolGraph(pools, self._borrowable, max_hops=self._max_hops)
        self.gas_floors: GasFloors = {}
        self.screen = CycleScreen(self.graph, self._premium_bps)
        for number in range(len(self.graph.pools)):
            self.screen.refresh(number)
