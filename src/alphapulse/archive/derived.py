"""Columns that follow from others, by the rules under which collectors compose their messages.

A rule is a guess about a whole table: where it holds for every row the column is not stored, otherwise it is.
Nothing rests on a rule being right, because what was written is rebuilt and compared.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from alphapulse.primitives.units import E8, cut_toward_zero

__all__ = ["RULES", "Rule"]

Columns = Mapping[str, Sequence[Any]]
_WORD = 2**64
_MAX_INT64 = 2**63 - 1


class Rule(msgspec.Struct, frozen=True):
    """How `targets` follow from `sources`, column by column."""

    name: str
    sources: tuple[str, ...]
    targets: tuple[str, ...]
    columns: Callable[[Columns], tuple[Sequence[Any], ...]]


def _traces(columns: Columns) -> tuple[Sequence[Any], ...]:
    """Return traces: a log's is a hash of its place in the chain, the same for every observer."""
    low, high, span = [], [], []
    last: tuple[bytes, bytes, int] | None = None
    words = (0, 0, 0)
    for place in zip(
        columns["chain_event_block_hash"],
        columns["chain_event_tx_hash"],
        columns["chain_event_log_index"],
        strict=True,
    ):
        if place != last:
            last = place
            digest = hashlib.sha256(place[0] + place[1] + place[2].to_bytes(4, "little")).digest()
            words = (
                int.from_bytes(digest[8:16], "big"),
                int.from_bytes(digest[:8], "big"),
                int.from_bytes(digest[16:24], "big"),
            )
        low.append(words[0])
        high.append(words[1])
        span.append(words[2])
    return low, high, span


def _trades(columns: Columns) -> tuple[Sequence[Any], ...]:
    """Return display prices and volumes, which follow from exact amounts: 1e8 units, cut toward zero."""
    prices, volumes = [], []
    rows = zip(
        columns["trade_side"],
        columns["pool_swap_amount_in_lo"],
        columns["pool_swap_amount_in_hi"],
        columns["pool_swap_amount_out_lo"],
        columns["pool_swap_amount_out_hi"],
        columns["pool_swap_decimals_in"],
        columns["pool_swap_decimals_out"],
        strict=True,
    )
    for side, in_low, in_high, out_low, out_high, decimals_in, decimals_out in rows:
        paid, received = in_high * _WORD + in_low, out_high * _WORD + out_low
        amount0, amount1 = (paid, received) if side else (received, paid)
        decimals0, decimals1 = (decimals_in, decimals_out) if side else (decimals_out, decimals_in)
        prices.append(_display(amount1 * 10**decimals0 * E8, amount0 * 10**decimals1))
        volumes.append(_display(amount0 * E8, 10**decimals0))
    return prices, volumes


def _display(numerator: int, denominator: int) -> int:
    value = cut_toward_zero(numerator, denominator) if denominator else 0
    return value if value <= _MAX_INT64 else 0


def _instruments(columns: Columns) -> tuple[Sequence[Any], ...]:
    """Return asset ids: a pool's is the first eight bytes of its address."""
    assets = {pool: int.from_bytes(pool[:8], "big") for pool in set(columns["pool_swap_pool"])}
    return ([assets[pool] for pool in columns["pool_swap_pool"]],)


RULES = (
    Rule(
        "instrument of a pool",
        ("pool_swap_pool",),
        ("trade_instrument_asset",),
        _instruments,
    ),
    Rule(
        "trace of a log",
        ("chain_event_block_hash", "chain_event_tx_hash", "chain_event_log_index"),
        ("trace_context_trace_id_lo", "trace_context_trace_id_hi", "trace_context_span_id"),
        _traces,
    ),
    Rule(
        "trade of a swap",
        (
            "trade_side",
            "pool_swap_amount_in_lo",
            "pool_swap_amount_in_hi",
            "pool_swap_amount_out_lo",
            "pool_swap_amount_out_hi",
            "pool_swap_decimals_in",
            "pool_swap_decimals_out",
        ),
        ("trade_price", "trade_volume"),
        _trades,
    ),
)
