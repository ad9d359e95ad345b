"""The words of the books: assets, accounts, postings, trades."""

from enum import IntEnum, unique
from typing import NamedTuple

import msgspec

from alphapulse.primitives.address import ZERO_ADDRESS, ZERO_HASH
from alphapulse.protocol.execution import ExecutionStatus

__all__ = ["Account", "Asset", "EntryKind", "Posting", "Stage", "Trade", "TradeKey", "postings_of"]


class Asset(NamedTuple):
    """A token of a chain; the zero address is the chain's native currency."""

    chain_id: int
    token: bytes


class TradeKey(NamedTuple):
    """Identity of a trade: one transaction is booked once."""

    chain_id: int
    tx_hash: bytes


@unique
class Account(IntEnum):
    """Two places where value is, and the two reasons why it moved."""

    RECIPIENT = 1
    SENDER = 2
    TRADING = 3
    GAS = 4


@unique
class EntryKind(IntEnum):
    """A booking or its reversal."""

    BOOKED = 1
    REVERSED = 2


@unique
class Stage(IntEnum):
    """How sure a trade is: in a block, in a final block, or in a block that left the chain."""

    PROVISIONAL = 1
    SETTLED = 2
    REVERSED = 3


class Posting(msgspec.Struct, frozen=True):
    """One line: an account gains `amount` smallest units of an asset, or loses them."""

    kind: EntryKind
    account: Account
    asset: Asset
    amount: int


class Trade(msgspec.Struct, frozen=True):
    """One transaction of ours that is in a block, and what its signal had promised.

    Units   profits in smallest units of the profit token; gas_cost in wei; USD figures P8, net of gas.
    `predicted_profit` and `predicted_usd_e8` are None when the signal is not known.
    """

    chain_id: int
    tx_hash: bytes
    signal_id: int
    strategy_id: int
    trace_id: int
    block: int
    status: int
    stage: Stage
    profit_token: bytes
    profit_decimals: int
    actual_profit: int
    profit_usd_e8: int
    gas_used: int
    gas_price: int
    gas_cost: int
    event_ns: int
    predicted_profit: int | None = None
    predicted_usd_e8: int | None = None
    block_hash: bytes = ZERO_HASH

    @property
    def key(self) -> TradeKey:
        """Identity of the trade."""
        return TradeKey(self.chain_id, self.tx_hash)

    @property
    def asset(self) -> Asset:
        """The profit token."""
        return Asset(self.chain_id, self.profit_token)

    @property
    def succeeded(self) -> bool:
        """Whether the transaction did what it was sent for."""
        return self.status == ExecutionStatus.SUCCEEDED

    def outcome(self) -> tuple[int, ...]:
        """Return what two reports of the same inclusion must agree on."""
        return (self.block, self.status, self.actual_profit, self.gas_used, self.gas_cost)


def postings_of(trade: Trade) -> tuple[Posting, ...]:
    """Return every line of a trade; they sum to zero per asset, and to nothing at all when reversed."""
    native = Asset(trade.chain_id, ZERO_ADDRESS)
    moves = (
        (Account.RECIPIENT, trade.asset, trade.actual_profit),
        (Account.TRADING, trade.asset, -trade.actual_profit),
        (Account.SENDER, native, -trade.gas_cost),
        (Account.GAS, native, trade.gas_cost),
    )
    booked = tuple(
        Posting(EntryKind.BOOKED, account, asset, amount)
        for account, asset, amount in moves
        if amount
    )
    if trade.stage is not Stage.REVERSED:
        return booked
    return booked + tuple(
        Posting(EntryKind.REVERSED, line.account, line.asset, -line.amount) for line in booked
    )
