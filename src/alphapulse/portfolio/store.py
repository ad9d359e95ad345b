"""Keeps the books in SQL: trades and their postings, written in batches, one transaction each."""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from alphapulse.errors import Misconfigured, Unavailable
from alphapulse.portfolio.entries import Stage, Trade, TradeKey, postings_of

__all__ = ["PortfolioStore"]

_BUSY_TIMEOUT_S = 10
_DIGITS_OF_UINT256 = 78


class _Wide(sa.types.TypeDecorator[int]):
    """An integer of any width as decimal text: SQL's own integers end at 63 bits."""

    impl = sa.String(_DIGITS_OF_UINT256 + 1)
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: sa.Dialect) -> str | None:
        """Return the decimal text."""
        return None if value is None else str(value)

    def process_result_value(self, value: str | None, dialect: sa.Dialect) -> int | None:
        """Return the integer."""
        return None if value is None else int(value)


_METADATA = sa.MetaData()

_TRADES = sa.Table(
    "trades",
    _METADATA,
    sa.Column("chain_id", sa.BigInteger, primary_key=True),
    sa.Column("tx_hash", sa.LargeBinary(32), primary_key=True),
    sa.Column("signal_id", _Wide, nullable=False),
    sa.Column("strategy_id", sa.Integer, nullable=False),
    sa.Column("trace_id", _Wide, nullable=False),
    sa.Column("block", sa.BigInteger, nullable=False),
    sa.Column("block_hash", sa.LargeBinary(32), nullable=False),
    sa.Column("status", sa.Integer, nullable=False),
    sa.Column("stage", sa.Integer, nullable=False),
    sa.Column("profit_token", sa.LargeBinary(20), nullable=False),
    sa.Column("profit_decimals", sa.Integer, nullable=False),
    sa.Column("predicted_profit", _Wide),
    sa.Column("predicted_usd_e8", _Wide),
    sa.Column("actual_profit", _Wide, nullable=False),
    sa.Column("profit_usd_e8", _Wide, nullable=False),
    sa.Column("gas_used", _Wide, nullable=False),
    sa.Column("gas_price", _Wide, nullable=False),
    sa.Column("gas_cost", _Wide, nullable=False),
    sa.Column("event_ns", sa.BigInteger, nullable=False, index=True),
)

_POSTINGS = sa.Table(
    "postings",
    _METADATA,
    sa.Column("chain_id", sa.BigInteger, primary_key=True),
    sa.Column("tx_hash", sa.LargeBinary(32), primary_key=True),
    sa.Column("line", sa.Integer, primary_key=True),
    sa.Column("kind", sa.Integer, nullable=False),
    sa.Column("account", sa.Integer, nullable=False),
    sa.Column("token", sa.LargeBinary(20), nullable=False),
    sa.Column("amount", _Wide, nullable=False),
    sa.ForeignKeyConstraint(["chain_id", "tx_hash"], ["trades.chain_id", "trades.tx_hash"]),
)


class PortfolioStore:
    """The books of one mode in one database; dry and live runs use different ones.

    Appending a trade again, in a newer stage or the same, replaces it: batches may be repeated after
    a crash without booking anything twice.
    """

    def __init__(self, url: str) -> None:
        """Open the database and create what is missing.

        Raises  Misconfigured when the URL is none or the database cannot be opened.
        """
        try:
            self._engine = sa.create_engine(url)
            if self._engine.dialect.name == "sqlite":
                sa.event.listen(self._engine, "connect", _configure_sqlite)
            _METADATA.create_all(self._engine)
        except (SQLAlchemyError, ImportError) as error:
            raise Misconfigured(f"the portfolio store cannot be opened: {_cause(error)}") from error

    def append(self, trades: Iterable[Trade]) -> int:
        """Write trades in one transaction, all or none, and return how many there were.

        Raises  Unavailable when the database does not take them; the same batch may be given again.
        """
        newest = {trade.key: trade for trade in trades}
        if not newest:
            return 0
        rows = [_row_of(trade) for trade in newest.values()]
        lines = [line for trade in newest.values() for line in _lines_of(trade)]
        try:
            with self._engine.begin() as connection:
                for table in (_POSTINGS, _TRADES):
                    connection.execute(_delete_from(table), [_bind(key) for key in newest])
                connection.execute(sa.insert(_TRADES), rows)
                if lines:
                    connection.execute(sa.insert(_POSTINGS), lines)
        except SQLAlchemyError as error:
            raise Unavailable(f"the portfolio store does not answer: {_cause(error)}") from error
        return len(rows)

    def load(self) -> tuple[Trade, ...]:
        """Return every trade in the order of time, for the portfolio to begin with.

        Raises  Unavailable when the database does not answer.
        """
        query = sa.select(_TRADES).order_by(
            _TRADES.c.event_ns, _TRADES.c.chain_id, _TRADES.c.tx_hash
        )
        try:
            with self._engine.connect() as connection:
                return tuple(_trade_of(row) for row in connection.execute(query).mappings())
        except SQLAlchemyError as error:
            raise Unavailable(f"the portfolio store does not answer: {_cause(error)}") from error

    def close(self) -> None:
        """Give the database back."""
        self._engine.dispose()


def _configure_sqlite(connection: Any, _record: object) -> None:  # noqa: ANN401 - any DB-API driver's
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.execute(f"PRAGMA busy_timeout={_BUSY_TIMEOUT_S * 1000}")
    cursor.close()


def _delete_from(table: sa.Table) -> sa.Delete:
    return sa.delete(table).where(
        table.c.chain_id == sa.bindparam("of_chain"), table.c.tx_hash == sa.bindparam("of_tx")
    )


def _bind(key: TradeKey) -> dict[str, object]:
    return {"of_chain": key.chain_id, "of_tx": key.tx_hash}


def _row_of(trade: Trade) -> dict[str, object]:
    return {**msgspec.structs.asdict(trade), "stage": int(trade.stage)}


def _lines_of(trade: Trade) -> Iterator[dict[str, object]]:
    for number, line in enumerate(postings_of(trade)):
        yield {
            "chain_id": trade.chain_id,
            "tx_hash": trade.tx_hash,
            "line": number,
            "kind": int(line.kind),
            "account": int(line.account),
            "token": line.asset.token,
            "amount": line.amount,
        }


def _trade_of(row: sa.RowMapping) -> Trade:
    return Trade(**{**row, "stage": Stage(row["stage"])})


def _cause(error: Exception) -> str:
    return str(getattr(error, "orig", None) or error).splitlines()[0]
