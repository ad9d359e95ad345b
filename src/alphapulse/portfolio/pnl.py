"""Sums over the booked trades: what was promised, what came, what it cost."""

from alphapulse.portfolio.entries import Asset, Trade
from alphapulse.primitives.units import div_floor
from alphapulse.protocol.execution import ExecutionStatus

__all__ = ["ACCURACY_BOUNDS_BPS", "ProfitAndLoss", "TokenProfit"]

_BPS = 10_000

ACCURACY_BOUNDS_BPS = (0, 5_000, 9_000, 9_900, 10_000)
"""Lower bounds of the classes of realised over predicted; the class of 10,000 holds exact hits only."""


class TokenProfit:
    """Sums of one profit token, in its smallest units."""

    __slots__ = ("decimals", "exact", "predicted", "realised", "trades")

    def __init__(self, decimals: int) -> None:
        self.decimals = decimals
        self.trades = 0
        self.realised = 0
        self.predicted = 0
        self.exact = 0


class ProfitAndLoss:
    """Counts and sums that a reversal undoes exactly.

    Predicted sums cover succeeded trades with a known signal, so that they compare with what came.
    """

    __slots__ = (
        "accuracy",
        "gas_cost",
        "gas_used",
        "other",
        "predicted_usd_e8",
        "reverted",
        "reverted_gas_cost",
        "succeeded",
        "tokens",
        "usd_e8",
    )

    def __init__(self) -> None:
        self.tokens: dict[Asset, TokenProfit] = {}
        self.gas_cost: dict[int, int] = {}
        self.reverted_gas_cost: dict[int, int] = {}
        self.gas_used = 0
        self.usd_e8 = 0
        self.predicted_usd_e8 = 0
        self.succeeded = 0
        self.reverted = 0
        self.other = 0
        self.accuracy = [0] * (len(ACCURACY_BOUNDS_BPS) + 2)

    def add(self, trade: Trade) -> None:
        """Count a trade in."""
        self._count(trade, 1)

    def remove(self, trade: Trade) -> None:
        """Count out a trade that was counted in."""
        self._count(trade, -1)

    def _count(self, trade: Trade, sign: int) -> None:
        chain = trade.chain_id
        self.usd_e8 += sign * trade.profit_usd_e8
        self.gas_used += sign * trade.gas_used
        self.gas_cost[chain] = self.gas_cost.get(chain, 0) + sign * trade.gas_cost
        if trade.succeeded:
            self._count_success(trade, sign)
        elif trade.status == ExecutionStatus.REVERTED:
            self.reverted += sign
            spent = self.reverted_gas_cost.get(chain, 0)
            self.reverted_gas_cost[chain] = spent + sign * trade.gas_cost
        else:
            self.other += sign

    def _count_success(self, trade: Trade, sign: int) -> None:
        self.succeeded += sign
        token = self.tokens.get(trade.asset)
        if token is None:
            token = self.tokens[trade.asset] = TokenProfit(trade.profit_decimals)
        token.trades += sign
        token.realised += sign * trade.actual_profit
        if trade.predicted_profit is None:
            return
        token.predicted += sign * trade.predicted_profit
        token.exact += sign * (trade.actual_profit == trade.predicted_profit)
        self.predicted_usd_e8 += sign * (trade.predicted_usd_e8 or 0)
        self.accuracy[_accuracy_class(trade.actual_profit, trade.predicted_profit)] += sign


def _accuracy_class(actual: int, predicted: int) -> int:
    """Return the class of a ratio: 0 below nothing, then by lower bound, the last above 100 %."""
    above = len(ACCURACY_BOUNDS_BPS) + 1
    if actual == predicted:
        return above - 1
    if predicted <= 0 or actual > predicted:
        return above
    ratio_bps = div_floor(actual * _BPS, predicted)
    return sum(ratio_bps >= bound for bound in ACCURACY_BOUNDS_BPS)
