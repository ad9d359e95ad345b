"""Summaries of the books as frozen rows: one per token, one per chain's gas, and one for all."""

import msgspec

from alphapulse.portfolio.ledger import Ledger
from alphapulse.primitives.address import hex_of

__all__ = ["GasRow", "Summary", "TokenRow", "summarise", "to_json_values"]


class TokenRow(msgspec.Struct, frozen=True):
    """Profit in one token, smallest units; `provisional` is the part of `realised` not settled yet."""

    chain_id: int
    token: str
    decimals: int
    trades: int
    exact: int
    predicted: int
    realised: int
    provisional: int


class GasRow(msgspec.Struct, frozen=True):
    """Gas paid on one chain, in wei; `reverted` is the part spent on reverted transactions."""

    chain_id: int
    cost: int
    reverted: int


class Summary(msgspec.Struct, frozen=True):
    """Everything booked; USD in P8, net of gas. `accuracy` counts classes of realised over predicted."""

    trades: int
    succeeded: int
    reverted: int
    other: int
    provisional: int
    gas_used: int
    realised_usd_e8: int
    provisional_usd_e8: int
    predicted_usd_e8: int
    accuracy: tuple[int, ...]
    tokens: tuple[TokenRow, ...]
    gas: tuple[GasRow, ...]


def summarise(ledger: Ledger) -> Summary:
    """Return the state of the books, rows sorted by chain and token."""
    sums = ledger.profit_and_loss
    provisional = ledger.provisional()
    waiting: dict[tuple[int, bytes], int] = {}
    for trade in provisional:
        waiting[trade.asset] = waiting.get(trade.asset, 0) + trade.actual_profit
    return Summary(
        trades=sums.succeeded + sums.reverted + sums.other,
        succeeded=sums.succeeded,
        reverted=sums.reverted,
        other=sums.other,
        provisional=len(provisional),
        gas_used=sums.gas_used,
        realised_usd_e8=sums.usd_e8,
        provisional_usd_e8=sum(trade.profit_usd_e8 for trade in provisional),
        predicted_usd_e8=sums.predicted_usd_e8,
        accuracy=tuple(sums.accuracy),
        tokens=tuple(
            TokenRow(
                chain_id=asset.chain_id,
                token=hex_of(asset.token),
                decimals=token.decimals,
                trades=token.trades,
                exact=token.exact,
                predicted=token.predicted,
                realised=token.realised,
                provisional=waiting.get(asset, 0),
            )
            for asset, token in sorted(sums.tokens.items(), key=lambda item: item[0])
        ),
        gas=tuple(
            GasRow(chain_id, cost, sums.reverted_gas_cost.get(chain_id, 0))
            for chain_id, cost in sorted(sums.gas_cost.items())
        ),
    )


def to_json_values(summary: Summary) -> dict[str, object]:
    """Return the summary as plain dictionaries, tuples, integers and text; integers stay exact."""
    values: dict[str, object] = msgspec.to_builtins(summary)
    return values
