"""What a V3 swap says twice: price and one amount follow from the pool's last swap and the other amount.

Rows of one pool follow each other in a table. Where a swap stayed within one range, one step of the pool's
arithmetic from the price before gives the price after and the amount that was not specified. Such fields are
left empty; a row that the step does not explain keeps them all.
"""

from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Any

from alphapulse.amm.uniswap_v3.swap_math import compute_swap_step
from alphapulse.amm.uniswap_v3.tick_math import MAX_SQRT_RATIO, MIN_SQRT_RATIO

__all__ = ["PREDICTED", "SOURCES", "guessed_fees", "predict", "restore"]

SOURCES = (
    "trade_side",
    "pool_swap_pool",
    "pool_swap_liquidity_after_lo",
    "pool_swap_liquidity_after_hi",
)
_AMOUNTS = (
    "pool_swap_amount_in_lo",
    "pool_swap_amount_in_hi",
    "pool_swap_amount_out_lo",
    "pool_swap_amount_out_hi",
)
_PRICE = "pool_swap_sqrt_price_x96_after"
PREDICTED = (*_AMOUNTS, _PRICE)
_FEES = (100, 500, 2_500, 3_000, 10_000)  # pips; the tiers that factories create
_WORD = 2**64
_PRICE_BYTES = 20
_TRIES = 8  # swaps looked at before a pool's fee is given up
Columns = Mapping[str, Sequence[Any]]
_Step = tuple[int, int, int]


def guessed_fees(values: Columns) -> dict[str, int]:
    """Return the fee of each pool whose swaps a step explains, by the pool's address in hex."""
    fees: dict[str, int] = {}
    tries: dict[bytes, int] = {}
    for pool, before, liquidity, side, paid, received, after in _steps(values):
        if before is None or liquidity == 0 or pool.hex() in fees or tries.get(pool, 0) >= _TRIES:
            continue
        tries[pool] = tries.get(pool, 0) + 1
        for fee in _FEES:
            expected = (after, paid, received)
            if expected in (
                _stepped(before, liquidity, side, paid, fee),
                _stepped(before, liquidity, side, -received, fee),
            ):
                fees[pool.hex()] = fee
                break
    return fees


def predict(
    values: Columns, fees: Mapping[str, int], breaks: Container[int]
) -> dict[str, list[Any]]:
    """Return the columns of PREDICTED with None where `restore` finds the value by itself.

    At a row among `breaks` nothing before is known: a reader may begin there.
    """
    out: dict[str, list[Any]] = {name: list(values[name]) for name in PREDICTED}
    for row, (pool, before, liquidity, side, paid, received, after) in enumerate(
        _steps(values, breaks)
    ):
        fee = fees.get(pool.hex())
        if before is None or fee is None or liquidity == 0:
            continue
        expected = (after, paid, received)
        if _stepped(before, liquidity, side, paid, fee) == expected:
            empty = (*_AMOUNTS[2:], _PRICE)
        elif _stepped(before, liquidity, side, -received, fee) == expected:
            empty = (*_AMOUNTS[:2], _PRICE)
        else:
            continue
        for name in empty:
            out[name][row] = None
    return out


def restore(
    values: Columns, fees: Mapping[str, int], breaks: Container[int]
) -> dict[str, list[Any]]:
    """Return the columns of PREDICTED with every value in place."""
    out: dict[str, list[Any]] = {name: list(values[name]) for name in PREDICTED}
    in_low, in_high, out_low, out_high, price = (out[name] for name in PREDICTED)
    last: dict[bytes, int] = {}
    rows = zip(*[values[name] for name in SOURCES], strict=True)
    for row, (side, pool, low, high) in enumerate(rows):
        if row in breaks:
            last.clear()
        if price[row] is None:
            is_exact_in = in_low[row] is not None
            amount = (
                in_high[row] * _WORD + in_low[row]
                if is_exact_in
                else -(out_high[row] * _WORD + out_low[row])
            )
            found = _stepped(last[pool], high * _WORD + low, side, amount, fees[pool.hex()])
            assert found is not None
            price[row] = found[0].to_bytes(_PRICE_BYTES, "big")
            in_high[row], in_low[row] = divmod(found[1], _WORD)
            out_high[row], out_low[row] = divmod(found[2], _WORD)
        last[pool] = int.from_bytes(price[row], "big")
    return out


def _steps(
    values: Columns, breaks: Container[int] = ()
) -> Iterator[tuple[bytes, int | None, int, int, int, int, int]]:
    last: dict[bytes, int] = {}
    columns = [values[name] for name in (*SOURCES, *PREDICTED)]
    for row, (side, pool, low, high, in_low, in_high, out_low, out_high, price) in enumerate(
        zip(*columns, strict=True)
    ):
        if row in breaks:
            last.clear()
        after = int.from_bytes(price, "big")
        amounts = (in_high * _WORD + in_low, out_high * _WORD + out_low)
        yield (pool, last.get(pool), high * _WORD + low, side, *amounts, after)
        last[pool] = after


def _stepped(before: int, liquidity: int, side: int, amount: int, fee: int) -> _Step | None:
    """Return price after, amount in and amount out of a step that no boundary cuts short."""
    if not MIN_SQRT_RATIO < before < MAX_SQRT_RATIO:
        return None
    target = MIN_SQRT_RATIO + 1 if side else MAX_SQRT_RATIO - 1
    after, paid, received, fee_amount = compute_swap_step(before, target, liquidity, amount, fee)
    return after, paid + fee_amount, received
