"""From changed pools to the cycles through them that could pay: what the pool graph is told, and what it is asked."""

from collections.abc import Iterable, Sequence
from itertools import combinations_with_replacement

from alphapulse.amm import kernel
from alphapulse.amm.contest import Terms
from alphapulse.execution.transaction_builder import flash_arbitrage_calldata
from alphapulse.market.pool import Pool, PoolKey
from alphapulse.market.pools import Market
from alphapulse.market.prices import Prices
from alphapulse.market.roster import Roster
from alphapulse.primitives.address import ZERO_ADDRESS, Address
from alphapulse.strategies.flash_arbitrage.config import FlashArbitrageConfig
from alphapulse.strategies.flash_arbitrage.executable import is_executable
from alphapulse.strategies.flash_arbitrage.in_flight import InFlight
from alphapulse.strategies.flash_arbitrage.outcome import RANK, Outcome

__all__ = ["CycleSearch"]


class CycleSearch:
    """Keeps a pool graph, numbers and prices in step with the market; work grows with what changed.

    The graph holds the pools that the contract can trade with, prices come from all.
    """

    __slots__ = (
        "_config",
        "_expected",
        "_gas_floors",
        "_graph",
        "_in_flight",
        "_market",
        "_universe",
        "_waiting",
        "prices",
        "roster",
    )

    def __init__(self, config: FlashArbitrageConfig, market: Market, in_flight: InFlight) -> None:
        self._config = config
        self._market = market
        self._in_flight = in_flight
        self._universe = -1
        self._waiting: set[int] = set()
        self._gas_floors: dict[tuple[int, ...], int] = {}
        self._expected: dict[tuple[int, ...], tuple[int, int]] = {}
        self.roster = Roster(())
        self.prepare()

    def prepare(self) -> None:
        """When a pool was added, number everything anew and take over every pool's state."""
        if self._universe == self._market.universe:
            return
        self._universe = self._market.universe
        waiting = [self.roster.pools[number].key for number in self._waiting]
        chain_id, config = self._config.chain_id, self._config
        pools = [pool for key, pool in self._market.pools.items() if key.chain_id == chain_id]
        self.roster = roster = Roster(pool for pool in pools if is_executable(pool))
        self._waiting = {roster.index[key] for key in waiting if key in roster.index}
        self._graph = kernel.pool_graph(premium_bps=config.premium_bps, max_hops=config.max_hops)
        for pool, place in zip(roster.pools, roster.places(), strict=True):
            ends = roster.numbers[pool.token0], roster.numbers[pool.token1]
            self._graph.add(*ends, pool.quoter, kind=pool.kind.value, place=place)
        self._graph.update([self._change(number) for number in range(len(roster.pools))])
        self.prices = Prices(pools, config.wrapped_native, config.usd_tokens, self._decimals)
        kinds = sorted({pool.kind.value for pool in roster.pools})
        self._gas_floors = {
            walk: self._gas_floor(walk)
            for hops in range(2, config.max_hops + 1)
            for walk in combinations_with_replacement(kinds, hops)
        }
        self._expected = {}

    def contest(
        self,
        changed: Sequence[PoolKey],
        *,
        price_per_gas: int,
        resting: Iterable[Sequence[PoolKey]],
    ) -> kernel.CycleContest:
        """Return the cycles through changed pools that could pay more than their gas, to be handed out best first."""
        index = self.roster.index
        dirty = sorted([index[key] for key in changed if key in index])
        self._graph.update([self._change(number) for number in dirty])
        self.prices.refresh(changed)
        self._expect()
        anchors = {}
        for token in self._config.borrowable:
            number = self.roster.numbers.get(token.address)
            if number is not None:
                rate = self.prices.native_per(token.address)
                worth = None if rate is None else (rate.numerator, rate.denominator)
                anchors[number] = token.max_loan, worth
        paths = [
            tuple([index[key] for key in path])
            for path in resting
            if all(key in index for key in path)
        ]
        terms = Terms(anchors, price_per_gas, self._config.min_net_profit, paths)
        return self._graph.contest(dirty, terms)

    def hold(self, path: Iterable[PoolKey]) -> None:
        """Note that a plan uses these pools."""
        index = self.roster.index
        self._graph.update([self._change(index[key]) for key in path if key in index])

    def wait_for_gas(self, contest: kernel.CycleContest) -> None:
        """Remember the pools of cycles that gas ate."""
        self._waiting.update(contest.waiting())

    @property
    def waits_for_gas(self) -> bool:
        """Whether gas ate anything since it was last looked at again."""
        return bool(self._waiting)

    def gas_fell(self) -> list[PoolKey]:
        """Return the pools of cycles that gas ate, and forget them."""
        again = [self.roster.pools[number].key for number in sorted(self._waiting)]
        self._waiting.clear()
        return again

    def expected(self) -> dict[tuple[int, ...], tuple[int, int]]:
        """Return by the kinds of a walk the gas that it cannot undercut, and the confidence in percent that it cannot exceed."""
        bound = self._in_flight.calibration.bound
        return {walk: (gas, bound(walk)) for walk, gas in self._gas_floors.items()}

    def _expect(self) -> None:
        """Tell the graph what is expected of walks, when that has changed."""
        expected = self.expected()
        if expected != self._expected:
            self._expected = expected
            self._graph.expect(expected)

    def _change(self, number: int) -> kernel.Change:
        pool = self.roster.pools[number]
        return number, pool.quoter, self._bar(pool)

    def _bar(self, pool: Pool) -> int:
        """Return the code of what forbids a pool's use, 0 when nothing does."""
        if not is_executable(pool):
            return RANK[Outcome.NOT_EXECUTABLE]
        if not pool.is_live:
            return RANK[Outcome.POOL_STALE]
        return RANK[Outcome.POOL_BUSY] if self._in_flight.is_busy((pool.key,)) else 0

    def _gas_floor(self, kinds: Sequence[int]) -> int:
        """Return the gas that no walk over such pools undercuts: no tick crossed, and calldata of zeroes where it can be."""
        nowhere = [ZERO_ADDRESS] * len(kinds)
        loans = [1] + [0] * (len(kinds) - 1)
        calldata = flash_arbitrage_calldata(nowhere, loans, 1, ZERO_ADDRESS, ZERO_ADDRESS)
        return self._config.gas_model.estimate(kinds, 0, calldata)

    def _decimals(self, token: Address) -> int | None:
        known = self._market.instruments.token(self._config.chain_id, token)
        return None if known is None else known.decimals
