"""The books: portfolio and its store, the settlement audit, and the risk monitor, which judges what was booked."""

import logging
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from alphapulse.errors import InvalidData, RpcRefused, Unavailable
from alphapulse.node.bookkeeper import Bookkeeper
from alphapulse.node.config import Config
from alphapulse.node.decisions import is_timer
from alphapulse.node.reconcile import ChainBalances, Difference, differences, read_balances
from alphapulse.node.settlement import SettlementAudit
from alphapulse.observability.log import Event, log_event
from alphapulse.portfolio.entries import Stage, Trade
from alphapulse.portfolio.ledger import Balances
from alphapulse.portfolio.portfolio import Portfolio
from alphapulse.portfolio.reports import Summary, summarise
from alphapulse.portfolio.store import PortfolioStore
from alphapulse.primitives.address import Address
from alphapulse.primitives.units import cut_toward_zero
from alphapulse.protocol.header import Domain
from alphapulse.protocol.message import Draft, Message
from alphapulse.risk.monitor import RiskConfig, RiskMonitor
from alphapulse.roles import Component
from alphapulse.transport.bus import Bus, Subscriber

__all__ = ["Books"]

Json = dict[str, object]


class Books:
    """Tie it to a bus, let it say what it restored, and give what `followers` returns every message in order.

    An account spans what is booked between `open_account` and `close_account`.
    """

    def __init__(self, config: Config, url: str, *, bus: Bus, data_dir: Path) -> None:
        self._config = config
        self._url = url
        self._bus = bus
        self.settlements = SettlementAudit()
        self.portfolio = Portfolio()
        self.risk = RiskMonitor(RiskConfig(config.risk.daily_loss_limit_usd_e8))
        self.keeper = Bookkeeper(
            self.portfolio, PortfolioStore(f"sqlite:///{data_dir / 'portfolio.sqlite'}")
        )
        self._trades = self.keeper.restore()
        self._operator: Address | None = None
        self._sums = summarise(self.portfolio.ledger)
        self._booked = self.portfolio.balances()
        self._held: ChainBalances | None = None

    def tie(self) -> None:
        """Subscribe the risk monitor, who waits for nobody."""
        self._bus.subscribe(
            _feed(self.risk, self._bus.publish),
            name="risk",
            domains=frozenset({Domain.EXECUTION, Domain.SYSTEM}),
        )

    def followers(self) -> tuple[Subscriber, ...]:
        """Return who books, and who compares predictions with settlements: nobody waits for either."""
        return (_feed(self.portfolio, self._bus.publish), self.settlements.on_message)

    def say_restored(self) -> None:
        """Stop trading at once when today's loss, as the store holds it, is too much."""
        trades, self._trades = self._trades, ()
        self._bus.publish_all(self.risk.restore(_results(trades), time.time_ns()))

    async def open_account(self, operator: Address) -> None:
        """Note what books and chain show now.

        Raises  Unavailable when the chain does not answer; Misconfigured for a token that is none.
        """
        self._operator = operator
        self._held = await read_balances(self._url, self._config, operator)
        self._booked = self.portfolio.balances()
        self._sums = summarise(self.portfolio.ledger)

    async def close_account(self, *, is_compared: bool) -> Json:
        """Return what was booked since `open_account` and where the chain says otherwise, as plain JSON values.

        A dry run moved nothing, and others may use its accounts meanwhile: it compares nothing.
        """
        found = await self._moved() if is_compared else ()
        settled = self.settlements.statistics()
        sums = summarise(self.portfolio.ledger)
        before = self._sums
        return {
            "executed": settled.succeeded,
            "settlement": {
                "untouched": settled.untouched,
                "untouched_exact": settled.untouched_exact,
                "below_min_profit": settled.below_min,
            },
            "profit": _profit(self._config, before, sums),
            "gas_used": sums.gas_used - before.gas_used,
            "gas_cost_wei": sum(row.cost for row in sums.gas) - sum(row.cost for row in before.gas),
            "books_equal_chain": None if found is None else not found,
            "differences": [
                {"asset": row.asset, "booked": row.booked, "on_chain": row.on_chain}
                for row in found or ()
            ],
        }

    async def _moved(self) -> tuple[Difference, ...] | None:
        """Return where books and chain differ; None where the chain does not answer any more."""
        if self._held is None or self._operator is None:
            return None
        try:
            after = await read_balances(self._url, self._config, self._operator)
        except (Unavailable, InvalidData, RpcRefused):
            return None
        booked: Balances = self.portfolio.balances()
        found = differences(self._config, self._held, after, self._booked, booked)
        if found:
            log_event(
                Event.BALANCES_DIFFER, level=logging.ERROR, assets=[row.asset for row in found]
            )
        return found


def _feed(component: Component[object], publish: Callable[[Draft], None]) -> Subscriber:
    def deliver(message: Message, now_ns: int) -> None:
        answers = [*component.on_message(message, now_ns)]
        if is_timer(message):
            answers += component.on_timer(now_ns)
        for answer in answers:
            assert isinstance(answer, Draft)
            publish(answer)

    return deliver


def _results(trades: Iterable[Trade]) -> Iterable[tuple[int, int, int, int]]:
    return (
        (trade.strategy_id, trade.signal_id, trade.profit_usd_e8, trade.event_ns)
        for trade in trades
        if trade.stage is not Stage.REVERSED
    )


def _profit(config: Config, before: Summary, after: Summary) -> Json:
    symbols = {token.address.lower(): token.symbol for token in config.tokens}
    earned = [
        (symbols.get(token, token), predicted, realised)
        for token, predicted, realised in _earned(before, after)
    ]
    usd_e8 = after.realised_usd_e8 - before.realised_usd_e8
    return {
        "predicted": {name: predicted for name, predicted, _ in earned},
        "realised": {name: realised for name, _, realised in earned},
        "usd_e8": usd_e8,
        "usd": _usd(usd_e8),
    }


def _earned(before: Summary, after: Summary) -> list[tuple[str, int, int]]:
    """Return (token, predicted, realised) for each token that moved between two states of the books."""
    start = {row.token: row for row in before.tokens}
    rows = []
    for row in after.tokens:
        base = start.get(row.token)
        if base is None:
            rows.append((row.token, row.predicted, row.realised))
        elif row != base:
            rows.append((row.token, row.predicted - base.predicted, row.realised - base.realised))
    return rows


def _usd(value_e8: int) -> str:
    cents = cut_toward_zero(value_e8, 10**6)
    sign = "-" if cents < 0 else ""
    return f"{sign}{abs(cents) // 100}.{abs(cents) % 100:02d}"
