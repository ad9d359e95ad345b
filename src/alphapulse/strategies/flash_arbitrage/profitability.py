"""What is left of a cycle after every cost, in exact integers."""

from dataclasses import dataclass

from alphapulse.amm.kernel import ConcentratedPool, PoolQuoter, Sizing
from alphapulse.errors import BelowMinProfit, InvariantError, LimitExceeded, Rejected
from alphapulse.execution.gas import (
    CONCENTRATED,
    Hop,
    expected_base_fee,
    gas_cost,
    gas_limit,
    net_profit,
    words_between,
)
from alphapulse.execution.l1_fee import L1Cost, L1Prices, stand_in
from alphapulse.execution.transaction_builder import flash_arbitrage_calldata
from alphapulse.market.pools import Head
from alphapulse.market.prices import Prices, Rate
from alphapulse.market.roster import Roster
from alphapulse.primitives.address import Address
from alphapulse.primitives.units import MAX_UINT128, div_ceil, div_floor
from alphapulse.strategies.flash_arbitrage.confidence import Calibration, Forecast, rank_key
from alphapulse.strategies.flash_arbitrage.config import FlashArbitrageConfig
from alphapulse.strategies.flash_arbitrage.outcome import Outcome
from alphapulse.strategies.flash_arbitrage.visited import VisitedTicks

__all__ = ["Assessment", "Assessor", "words_passed"]

LIMIT_REACHED_SHIFT = 10  # a loan within a thousandth of its limit is held back by it
BPS = 10_000
UNEVEN = bytes(range(0x81, 0xA1))
"""Bytes for a number that is not known yet: none is zero and none repeats, so that gas and compression count them in full."""
MAX_INT64 = 2**63 - 1
MAX_INT128 = 2**127 - 1


@dataclass(frozen=True, slots=True)
class _Bill:
    """What a walk costs. Units: gas, wei per gas, wei; net_profit in units of the profit token."""

    gas: int
    gas_limit: int
    tip_per_gas: int
    beside_gas: int
    net_profit: int


@dataclass(frozen=True, slots=True)
class Assessment:
    """A cycle walked from one of its tokens with the best loan, and everything it costs.

    Units   amounts along the path in each token's smallest units; the other figures in units of profit_token, net_native in
            wei of the native token, net_profit_usd in dollars times 10**8, gas in gas, tip_per_gas and affordable_per_gas in wei
            per gas. gas_cost is everything that is paid in native money: gas, layer-1 and operator fees, the builder's payment.
    Range   net_profit = gross_profit - flash_fee - gas_cost, above 0; gas_cost <= min_profit <= gross_profit - flash_fee.
    """

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
    tip_per_gas: int
    forecast: Forecast

    @property
    def rank(self) -> int:
        """What walks are ranked by: the net profit that is to be expected."""
        return rank_key(self.net_native, self.forecast.confidence)

    @property
    def amount_in(self) -> int:
        """The loan."""
        return self.amounts[0]


def words_passed(quoter: PoolQuoter, amount_in: int, zero_for_one: bool, tick_spacing: int) -> int:
    """Return how many whole words of its tick bitmap a concentrated pool looks through for an input, by the fall of its rate.

    Units   smallest units; ticks.
    Range   as words_between; 0 for a pool that knows no stretches of constant liquidity.
    Raises  as the quoter.
    Source  the rate at the input's end is the slope of its stretch there.
    """
    segment = quoter.segment(amount_in, zero_for_one)
    if segment is None:
        return 0
    before = quoter.marginal_rate_x128(zero_for_one)
    width = segment.slope * (amount_in - segment.start_in) + segment.base
    after = div_floor((segment.gain * segment.base) << 128, width * width)
    return words_between(before, after, tick_spacing) if 0 < after < before else 0


class Assessor:
    """Sizes and costs cycles against one state of the market; made anew for each block.

    The gas price is the next block's base fee, or the most that it can be where the last block's gas is not known, plus the tip.
    """

    __slots__ = (
        "_base_fee",
        "_calibration",
        "_config",
        "_head",
        "_max_loans",
        "_prices",
        "_roster",
        "_tips",
        "_token_gas",
        "_visited",
        "price_per_gas",
    )

    def __init__(
        self,
        config: FlashArbitrageConfig,
        roster: Roster,
        prices: Prices,
        head: Head,
        calibration: Calibration | None = None,
        visited: VisitedTicks | None = None,
    ) -> None:
        self._config = config
        self._roster = roster
        self._prices = prices
        self._max_loans = {token.address: token.max_loan for token in config.borrowable}
        self._head = head
        self._tips = config.tips
        self._token_gas = dict(config.token_gas)
        self._calibration = calibration or Calibration()
        self._visited = visited or VisitedTicks()
        self._base_fee = expected_base_fee(
            head.base_fee_per_gas, head.gas_used, head.gas_limit, config.fee_rule
        )
        self.price_per_gas = self._base_fee + self._tips.least_per_gas

    def assess(self, edges: tuple[int, ...], sizing: Sizing) -> Assessment | Outcome:
        """Return what a sized walk is worth, or why it is not worth a plan."""
        amounts = sizing.amounts
        try:
            path = [self._hop(edge, amount) for edge, amount in zip(edges, amounts, strict=False)]
        except Rejected:
            return Outcome.NO_PROFIT  # a pool that refuses the amount pays nothing for it
        outcome = self._cost(edges, amounts, sizing.premium, path)
        if outcome is Outcome.BELOW_GAS:
            max_loan = self._max_loans[self._roster.token_in[edges[0]]]
            if max_loan - amounts[0] <= max_loan >> LIMIT_REACHED_SHIFT:
                return Outcome.LOAN_LIMIT
        return outcome

    def _hop(self, edge: int, amount_in: int) -> Hop:
        """Return what one hop touches, as far as the pool's state tells."""
        pool, zero_for_one = self._roster.pools[edge >> 1], not edge & 1
        quoter = pool.quoter
        if quoter is None:
            raise InvariantError("a candidate holds a pool without state")
        token_gas = self._token_gas.get(self._roster.token_out[edge], 0)
        if pool.kind.value != CONCENTRATED:
            return Hop(pool.kind.value, token_gas=token_gas)
        ticks = quoter.ticks_crossed(amount_in, zero_for_one)
        known = 0
        if isinstance(quoter, ConcentratedPool):
            if ticks:
                known = self._visited.known(pool.key, quoter, amount_in, zero_for_one)
            else:
                self._visited.note(pool.key, quoter.tick)
        words = words_passed(quoter, amount_in, zero_for_one, pool.tick_spacing)
        return Hop(CONCENTRATED, ticks, words, min(known, ticks), token_gas=token_gas)

    def _cost(
        self,
        edges: tuple[int, ...],
        amounts: tuple[int, ...],
        flash_fee: int,
        path: list[Hop],
    ) -> Assessment | Outcome:
        token = self._roster.token_in[edges[0]]
        native = self._prices.native_per(token)
        gross = amounts[-1] - amounts[0]
        repaid = gross - flash_fee
        if native is None or self._is_layer_1_price_missing():
            return Outcome.NO_PRICE
        if repaid <= 0:
            return Outcome.NO_PROFIT
        try:
            bill = self._bill(edges, amounts, flash_fee, path, native)
        except LimitExceeded:
            return Outcome.GAS_LIMIT
        except BelowMinProfit:
            return Outcome.BELOW_GAS
        net = bill.net_profit
        if net <= 0:
            return Outcome.BELOW_GAS
        net_native = native.floor(net)
        if net_native < self._config.min_net_profit:
            return Outcome.BELOW_MIN_PROFIT
        usd = self._prices.usd_e8_per(token)
        net_usd = usd.cut(net) if usd else 0
        if max(amounts) > MAX_UINT128 or gross > MAX_INT128 or net_usd > MAX_INT64:
            return Outcome.OUT_OF_RANGE
        cost = repaid - net
        return Assessment(
            edges=edges,
            profit_token=token,
            amounts=amounts,
            gross_profit=gross,
            flash_fee=flash_fee,
            gas_cost=cost,
            net_profit=net,
            net_native=net_native,
            min_profit=max(1, min(cost + native.inverse_ceil(self._config.min_net_profit), repaid)),
            net_profit_usd=net_usd,
            gas=bill.gas,
            gas_limit=bill.gas_limit,
            affordable_per_gas=div_floor(native.floor(repaid) - bill.beside_gas, bill.gas),
            tip_per_gas=bill.tip_per_gas,
            forecast=self._calibration.forecast(self._roster.kinds(edges), net, repaid),
        )

    def _bill(
        self,
        edges: tuple[int, ...],
        amounts: tuple[int, ...],
        flash_fee: int,
        path: list[Hop],
        native: Rate,
    ) -> _Bill:
        """Return every cost of a walk; the bound handed to the contract counts as its dearest bytes, since it depends on them.

        Raises  LimitExceeded above the gas that a transaction may have; BelowMinProfit when the profit cannot pay the least tip.
        """
        repaid = amounts[-1] - amounts[0] - flash_fee
        unknown = int.from_bytes(UNEVEN[: max(1, (repaid.bit_length() + 7) >> 3)], "big")
        calldata = self._calldata(edges, amounts[0], unknown)
        gas = self._config.gas_model.path(path, calldata)
        extra = self._l1_cost(calldata, gas.used, gas_limit(gas.most))
        used = gas.used + extra.gas
        fees = extra.data_fee + extra.operator_fee
        before_tip = native.floor(repaid) - gas_cost(used, self._base_fee, 0) - fees
        tip = self._tips.per_gas(before_tip, used)
        left = max(0, before_tip - used * tip)
        payment = div_ceil(left * self._config.builder_share_bps, BPS)
        net = net_profit(
            amounts[-1],
            amounts[0],
            flash_fee=flash_fee,
            gas=native.inverse_ceil(gas_cost(used, self._base_fee, tip)),
            l1_data_fee=native.inverse_ceil(extra.data_fee),
            operator_fee=native.inverse_ceil(extra.operator_fee),
            builder_payment=native.inverse_ceil(payment),
        )
        return _Bill(used, gas_limit(gas.most + extra.gas), tip, fees + payment, net)

    def _is_layer_1_price_missing(self) -> bool:
        """Return whether the chain takes a layer-1 fee and the block told no price for it: nothing is not free."""
        return self._config.l1_fee_model is not None and self._head.l1_base_fee == 0

    def _l1_cost(self, calldata: bytes, gas_used: int, limit: int) -> L1Cost:
        model = self._config.l1_fee_model
        if model is None:
            return L1Cost()
        unsigned = stand_in(self._config.chain_id, self._config.contract, calldata, limit)
        prices = L1Prices(self._head.l1_base_fee, self._head.l1_blob_fee)
        base_fee = max(1, self._head.base_fee_per_gas)
        return model.cost(unsigned, prices, gas_used=gas_used, base_fee=base_fee)

    def _calldata(self, edges: tuple[int, ...], loan: int, min_profit: int) -> bytes:
        return flash_arbitrage_calldata(
            [self._roster.pools[edge >> 1].key.address for edge in edges],
            [loan] + [0] * (len(edges) - 1),
            min_profit,
            self._roster.token_in[edges[0]],
            self._config.recipient,
        )
