"""What is left of a cycle after every cost, in exact integers."""

from dataclasses import dataclass
from typing import TypeAlias

from alphapulse.amm.kernel import PoolQuoter, optimise
from alphapulse.errors import InvariantError, LimitExceeded, Rejected
from alphapulse.execution.gas import base_fee_bound, gas_cost, gas_limit
from alphapulse.execution.transaction_builder import flash_arbitrage_calldata
from alphapulse.market.graph import Cycle, PoolGraph
from alphapulse.market.pools import Head
from alphapulse.market.prices import Prices, Rate
from alphapulse.primitives.address import Address
from alphapulse.primitives.units import MAX_UINT128, div_floor
from alphapulse.strategies.flash_arbitrage.config import FlashArbitrageConfig
from alphapulse.strategies.flash_arbitrage.outcome import Outcome

__all__ = ["Assessment", "Assessor", "GasFloors", "Way"]

LIMIT_REACHED_SHIFT = 10  # a loan within a thousandth of its limit is held back by it
MAX_GAS_FLOORS = 100_000  # walks; beyond it all are worked out again
MAX_INT64 = 2**63 - 1
MAX_INT128 = 2**127 - 1


GasFloors: TypeAlias = dict[tuple[tuple[int, ...], int], int]
"""Least gas by cycle and start, kept as long as the graph whose edges name the cycles."""


@dataclass(frozen=True, slots=True)
class Way:
    """A walk of a cycle before it is sized.

    Units   max_loan in units of the token that the walk starts from, native in wei per such unit (None when no pool tells),
            least_gas_cost in wei.
    """

    start: int
    max_loan: int
    native: Rate | None
    least_gas_cost: int


@dataclass(frozen=True, slots=True)
class Assessment:
    """A cycle walked from one of its tokens with the best loan, and everything it costs.

    Units   amounts along the path in each token's smallest units; the other figures in units of profit_token, net_native in
            wei of the native token, net_profit_usd in dollars times 10**8, gas in gas.
    Range   net_profit = gross_profit - flash_fee - gas_cost, above 0; gas_cost <= min_profit <= gross_profit - flash_fee.
    """

    cycle: Cycle
    edges: tuple[int, ...]
    profit_token: Address
    amounts: tuple[int, ...]
    gross_profit: int
    flash_fee: int
    gas_cost: int
    net_profit: int
    net_native: int
    min_profit: int
    net_profit_usd: int
    gas: int
    gas_limit: int
    affordable_per_gas: int

    @property
    def amount_in(self) -> int:
        """The loan."""
        return self.amounts[0]


class Assessor:
    """Sizes and costs cycles against one state of the market; made anew for each block.

    The gas price is the most that the next block's base fee can be, plus the tip.
    """

    __slots__ = (
        "_config",
        "_gas_floors",
        "_graph",
        "_max_loans",
        "_prices",
        "least_net",
        "price_per_gas",
    )

    def __init__(
        self,
        config: FlashArbitrageConfig,
        graph: PoolGraph,
        prices: Prices,
        head: Head,
        gas_floors: GasFloors,
    ) -> None:
        self._config = config
        self._graph = graph
        self._prices = prices
        self.least_net = config.min_net_profit
        self._max_loans = {token.address: token.max_loan for token in config.borrowable}
        self.price_per_gas = base_fee_bound(head.base_fee_per_gas, 1) + config.tip_per_gas_wei
        self._gas_floors = gas_floors

    def ways(self, cycle: Cycle) -> list[Way]:
        """Return the walks of a cycle, one for each start, with what is known before sizing."""
        found = []
        for start in cycle.starts:
            token = self._graph.token_in[cycle.edges[start]]
            gas = self._gas_floors.get((cycle.edges, start))
            if gas is None:
                gas = self._gas_floor(cycle, start)
            found.append(
                Way(
                    start,
                    self._max_loans[token],
                    self._prices.native_per(token),
                    gas * self.price_per_gas,
                )
            )
        return found

    def _gas_floor(self, cycle: Cycle, start: int) -> int:
        """Return the gas of a walk with the cheapest numbers in its calldata and no tick crossed; it never changes."""
        edges = cycle.rotation(start)
        gas = self._config.gas_model.estimate(self._kinds(edges), 0, self._calldata(edges, 1, 1))
        if len(self._gas_floors) >= MAX_GAS_FLOORS:
            self._gas_floors.clear()
        self._gas_floors[cycle.edges, start] = gas
        return gas

    def assess(self, cycle: Cycle, start: int) -> Assessment | Outcome:
        """Return the best walk of a cycle from one offset, or why it is not worth one."""
        edges = cycle.rotation(start)
        max_loan = self._max_loans[self._graph.token_in[edges[0]]]
        hops = self._hops(edges)
        try:
            sizing = optimise(hops, premium_bps=self._config.premium_bps, max_amount_in=max_loan)
            if sizing is None:
                return Outcome.NO_PROFIT
            amounts = sizing.amounts
            ticks = sum(
                quoter.ticks_crossed(amount, zero_for_one)
                for (quoter, zero_for_one), amount in zip(hops, amounts, strict=False)
            )
        except Rejected:
            return Outcome.NO_PROFIT  # a pool that refuses the amount pays nothing for it
        outcome = self._cost(cycle, edges, amounts, sizing.premium, ticks)
        if (
            outcome is Outcome.BELOW_GAS
            and max_loan - amounts[0] <= max_loan >> LIMIT_REACHED_SHIFT
        ):
            return Outcome.LOAN_LIMIT
        return outcome

    def _hops(self, edges: tuple[int, ...]) -> list[tuple[PoolQuoter, bool]]:
        hops: list[tuple[PoolQuoter, bool]] = []
        for edge in edges:
            quoter = self._graph.pools[edge >> 1].quoter
            if quoter is None:
                raise InvariantError("a candidate holds a pool without state")
            hops.append((quoter, not edge & 1))
        return hops

    def _cost(
        self,
        cycle: Cycle,
        edges: tuple[int, ...],
        amounts: tuple[int, ...],
        flash_fee: int,
        ticks_crossed: int,
    ) -> Assessment | Outcome:
        token = self._graph.token_in[edges[0]]
        native = self._prices.native_per(token)
        gross = amounts[-1] - amounts[0]
        repaid = gross - flash_fee
        if native is None:
            return Outcome.NO_PRICE
        if repaid <= 0:
            return Outcome.NO_PROFIT
        gas = self._gas(edges, amounts[0], repaid, ticks_crossed)
        try:
            limit = gas_limit(gas)
        except LimitExceeded:
            return Outcome.GAS_LIMIT
        cost = native.inverse_ceil(gas_cost(gas, self.price_per_gas, 0))
        net = repaid - cost
        if net <= 0:
            return Outcome.BELOW_GAS
        net_native = native.floor(net)
        if net_native < self.least_net:
            return Outcome.BELOW_MIN_PROFIT
        usd = self._prices.usd_e8_per(token)
        net_usd = usd.cut(net) if usd else 0
        if max(amounts) > MAX_UINT128 or gross > MAX_INT128 or net_usd > MAX_INT64:
            return Outcome.OUT_OF_RANGE
        return Assessment(
            cycle=cycle,
            edges=edges,
            profit_token=token,
            amounts=amounts,
            gross_profit=gross,
            flash_fee=flash_fee,
            gas_cost=cost,
            net_profit=net,
            net_native=net_native,
            min_profit=max(1, min(cost + native.inverse_ceil(self.least_net), repaid)),
            net_profit_usd=net_usd,
            gas=gas,
            gas_limit=limit,
            affordable_per_gas=div_floor(native.floor(repaid), gas),
        )

    def _gas(self, edges: tuple[int, ...], loan: int, repaid: int, ticks_crossed: int) -> int:
        """Return the gas of a path; the bound handed to the contract counts as its dearest bytes, since it depends on this."""
        dearest = (1 << (8 * ((repaid.bit_length() + 7) >> 3))) - 1
        calldata = self._calldata(edges, loan, dearest)
        return self._config.gas_model.estimate(self._kinds(edges), ticks_crossed, calldata)

    def _calldata(self, edges: tuple[int, ...], loan: int, min_profit: int) -> bytes:
        return flash_arbitrage_calldata(
            [self._graph.pools[edge >> 1].key.address for edge in edges],
            [loan] + [0] * (len(edges) - 1),
            min_profit,
            self._graph.token_in[edges[0]],
            self._config.recipient,
        )

    def _kinds(self, edges: tuple[int, ...]) -> list[int]:
        return [self._graph.pools[edge >> 1].kind.value for edge in edges]
