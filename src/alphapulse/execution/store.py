"""The one SQLite file of execution: nonce slots, their signed candidates, and the trading state.

Write-ahead log. A commit that only this process must remember runs with synchronous=NORMAL (12 us where measured):
it survives the death of the process. A commit that something irreversible will follow runs with synchronous=FULL
(160 us there): it survives a power cut as well. `tests/simulation/test_execution_restart.py` kills at each step.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alphapulse.errors import Misconfigured, Unavailable

__all__ = ["ExecutionStore"]

_OWNER_ONLY = 0o600
_BUSY_TIMEOUT_S = 5.0
_SCHEMA_VERSION = 1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS slots (
    chain_id TEXT NOT NULL, sender BLOB NOT NULL, nonce INTEGER NOT NULL, state TEXT NOT NULL,
    since_block INTEGER NOT NULL, included_hash BLOB, included_block INTEGER, included_block_hash BLOB,
    told TEXT NOT NULL DEFAULT '', PRIMARY KEY (chain_id, sender, nonce)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS candidates (
    chain_id TEXT NOT NULL, sender BLOB NOT NULL, nonce INTEGER NOT NULL, attempt INTEGER NOT NULL, kind TEXT NOT NULL,
    hash BLOB NOT NULL, raw BLOB NOT NULL, plan BLOB, max_fee_per_gas TEXT NOT NULL,
    max_priority_fee_per_gas TEXT NOT NULL, gas_limit INTEGER NOT NULL,
    PRIMARY KEY (chain_id, sender, nonce, attempt)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS trading_state (
    strategy_id INTEGER PRIMARY KEY, action INTEGER NOT NULL, reason INTEGER NOT NULL, event_ns INTEGER NOT NULL
);
"""


class ExecutionStore:
    """An open execution database, readable by its owner only: it holds signed transactions."""

    __slots__ = ("_connection", "path")

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, _OWNER_ONLY))
            self._connection = sqlite3.connect(path, isolation_level=None, timeout=_BUSY_TIMEOUT_S)
            self._connection.execute("PRAGMA journal_mode = WAL")
            (version,) = self._connection.execute("PRAGMA user_version").fetchone()
            if version not in (0, _SCHEMA_VERSION):
                self._connection.close()
                raise Misconfigured(
                    f"execution store `{path}` has schema {version}, this program writes {_SCHEMA_VERSION}; "
                    "use another data directory"
                )
            self._connection.executescript(_SCHEMA)
            self._connection.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")
        except (OSError, sqlite3.Error) as error:
            raise Misconfigured(
                f"execution store `{path}` cannot be opened: {error}; check the data directory"
            ) from error

    def rows(self, query: str, *arguments: object) -> list[tuple[object, ...]]:
        """Return the rows of a query.

        Raises  Unavailable when the file cannot be read.
        """
        try:
            return self._connection.execute(query, arguments).fetchall()
        except sqlite3.OperationalError as error:
            raise self._unavailable(error) from error

    @contextmanager
    def commit(self, *, durable: bool) -> Iterator[sqlite3.Connection]:
        """Give a transaction that is committed on leaving, against power cuts too when `durable`.

        Raises  Unavailable when the file does not take it, a full disk for one; nothing was written then.
        """
        connection = self._connection
        try:
            connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            with connection:
                connection.execute("BEGIN IMMEDIATE")
                yield connection
        except sqlite3.OperationalError as error:
            raise self._unavailable(error) from error

    def _unavailable(self, error: sqlite3.OperationalError) -> Unavailable:
        return Unavailable(
            f"execution store `{self.path}` does not answer: {error}; check the disk of the data directory"
        )

    def close(self) -> None:
        """Close the file."""
        self._connection.close()
