"""The double-entry ledger: trades go in provisionally, settle, and can be taken out again."""

from collections.abc import Iterable

import msgspec

from alphapulse.errors import InvariantError, StateConflict
from alphapulse.portfolio.entries import (
    Account,
    Asset,
    EntryKind,
    Posting,
    Stage,
    Trade,
    TradeKey,
    postings_of,
)
from alphapulse.portfolio.pnl import ProfitAndLoss

__all__ = ["TRADES_KEPT", "Balances", "Ledger", "NativeSpent", "TokenDelta"]

TRADES_KEPT = 16_384
"""Trades that can still be settled, reversed or recognised as repeated; sums keep the older ones."""


class TokenDelta(msgspec.Struct, frozen=True):
    """What the recipient's balance of a token gained by our trades."""

    chain_id: int
    token: bytes
    amount: int


class NativeSpent(msgspec.Struct, frozen=True):
    """What the sender paid for gas, in wei."""

    chain_id: int
    amount: int


class Balances(msgspec.Struct, frozen=True):
    """What a chain must show when nobody else touches our accounts."""

    tokens: tuple[TokenDelta, ...]
    native_spent: tuple[NativeSpent, ...]


class Ledger:
    """Accounts per asset whose sum is zero after every step."""

    __slots__ = ("_accounts", "_of_signal", "_trades", "_trades_kept", "profit_and_loss")

    def __init__(self, *, trades_kept: int = TRADES_KEPT) -> None:
        self._trades_kept = trades_kept
        self._accounts: dict[tuple[Account, Asset], int] = {}
        self._trades: dict[TradeKey, Trade] = {}
        self._of_signal: dict[tuple[int, int], TradeKey] = {}
        self.profit_and_loss = ProfitAndLoss()

    def book(self, trade: Trade) -> tuple[Trade, ...]:
        """Book a trade and return the trades that changed, none for a repetition.

        A later report of the same transaction settles it; another outcome of a provisional one, or
        another transaction of its signal, replaces it.

        Raises  StateConflict when a settled trade is contradicted.
        """
        changed = self._release_signal(trade)
        before = self._trades.get(trade.key)
        if before is None or before.stage is Stage.REVERSED:
            return (*changed, self._enter(trade))
        if before.outcome() == trade.outcome():
            if before.stage is Stage.SETTLED or trade.stage is Stage.PROVISIONAL:
                return changed
            settled = msgspec.structs.replace(before, stage=Stage.SETTLED)
            self._trades[trade.key] = settled
            return (*changed, settled)
        if before.stage is Stage.SETTLED:
            raise StateConflict(
                f"transaction `0x{trade.tx_hash.hex()}` is settled as {before.outcome()}, "
                f"a later report says {trade.outcome()}"
            )
        return (*changed, *self._reverse_all([trade.key]), self._enter(trade))

    def reverse(self, key: TradeKey) -> Trade | None:
        """Take a trade out again and return it, None when it is not in the books."""
        trade = self._trades.get(key)
        if trade is None or trade.stage is Stage.REVERSED:
            return None
        reversed_trade = msgspec.structs.replace(trade, stage=Stage.REVERSED)
        self._post(line for line in postings_of(reversed_trade) if line.kind is EntryKind.REVERSED)
        self.profit_and_loss.remove(trade)
        self._trades[key] = reversed_trade
        return reversed_trade

    def withdraw(self, strategy_id: int, signal_id: int) -> Trade | None:
        """Take out what was booked for a signal of which finally nothing is in a block.

        Raises  StateConflict when it is settled.
        """
        key = self._of_signal.get((strategy_id, signal_id))
        trade = None if key is None else self._trades.get(key)
        if trade is None or trade.stage is Stage.REVERSED:
            return None
        if trade.stage is Stage.SETTLED:
            raise StateConflict(
                f"signal {signal_id} is settled by `0x{trade.tx_hash.hex()}`, "
                "a later report says that nothing is in a block"
            )
        return self.reverse(trade.key)

    def reverse_block(self, chain_id: int, block: int, block_hash: bytes) -> tuple[Trade, ...]:
        """Take out the trades of an orphaned block, also those of that height whose hash is not known."""
        keys = [
            key
            for key, trade in self._trades.items()
            if key.chain_id == chain_id
            and (
                trade.block_hash == block_hash
                or (trade.block == block and not any(trade.block_hash))
            )
        ]
        return self._reverse_all(keys)

    def reverse_trace(self, trace_id: int) -> tuple[Trade, ...]:
        """Take out the trades that one cause led to."""
        return self._reverse_all(
            [k for k, trade in self._trades.items() if trade.trace_id == trace_id]
        )

    def trade(self, key: TradeKey) -> Trade | None:
        """Return a trade that is still remembered one by one."""
        return self._trades.get(key)

    def provisional(self) -> tuple[Trade, ...]:
        """Return the trades that are in a block but not settled, oldest first."""
        return tuple(t for t in self._trades.values() if t.stage is Stage.PROVISIONAL)

    def balance(self, account: Account, asset: Asset) -> int:
        """Return what an account holds of an asset."""
        return self._accounts.get((account, asset), 0)

    def balances(self) -> Balances:
        """Return the recipient's token gains and the sender's gas, sorted, for comparison with the chain."""
        held = sorted(self._accounts.items())
        return Balances(
            tokens=tuple(
                TokenDelta(asset.chain_id, asset.token, amount)
                for (account, asset), amount in held
                if account is Account.RECIPIENT
            ),
            native_spent=tuple(
                NativeSpent(asset.chain_id, -amount)
                for (account, asset), amount in held
                if account is Account.SENDER
            ),
        )

    def assert_balanced(self) -> None:
        """Check that every asset sums to zero over all accounts.

        Raises  InvariantError otherwise.
        """
        sums: dict[Asset, int] = {}
        for (_, asset), amount in self._accounts.items():
            sums[asset] = sums.get(asset, 0) + amount
        if any(sums.values()):
            raise InvariantError(f"the ledger does not balance: {sums}")

    def _release_signal(self, trade: Trade) -> tuple[Trade, ...]:
        key = self._of_signal.get((trade.strategy_id, trade.signal_id))
        if key is None or key == trade.key:
            return ()
        withdrawn = self.withdraw(trade.strategy_id, trade.signal_id)
        return () if withdrawn is None else (withdrawn,)

    def _enter(self, trade: Trade) -> Trade:
        self._post(postings_of(trade))
        self.profit_and_loss.add(trade)
        self._trades.pop(trade.key, None)
        self._trades[trade.key] = trade
        self._of_signal[trade.strategy_id, trade.signal_id] = trade.key
        self._forget_oldest()
        return trade

    def _post(self, lines: Iterable[Posting]) -> None:
        sums: dict[Asset, int] = {}
        for line in lines:
            slot = (line.account, line.asset)
            self._accounts[slot] = self._accounts.get(slot, 0) + line.amount
            sums[line.asset] = sums.get(line.asset, 0) + line.amount
        if any(sums.values()):
            raise InvariantError(f"a posting does not balance: {sums}")

    def _reverse_all(self, keys: Iterable[TradeKey]) -> tuple[Trade, ...]:
        return tuple(trade for key in keys if (trade := self.reverse(key)) is not None)

    def _forget_oldest(self) -> None:
        if len(self._trades) <= self._trades_kept:
            return
        for key, trade in self._trades.items():
            if trade.stage is not Stage.PROVISIONAL:
                del self._trades[key]
                signal = (trade.strategy_id, trade.signal_id)
                if self._of_signal.get(signal) == key:
                    del self._of_signal[signal]
                return
        raise InvariantError(f"{self._trades_kept} trades were never reported final")
