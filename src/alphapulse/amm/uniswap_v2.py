"""The constant-product pair: what it pays, what it asks."""

from alphapulse.amm.uniswap_v3.full_math import PIPS, div_floor, div_up
from alphapulse.errors import InsufficientLiquidity, PoolNotTradeable, ValueOutOfRange

__all__ = ["MAX_RESERVE", "amount_in", "amount_out", "least_amount_in"]

MAX_RESERVE = 2**112 - 1


def amount_out(amount_in: int, reserve_in: int, reserve_out: int, fee_pips: int) -> int:
    """Return what a constant-product pair pays out, rounded down so its invariant holds.

    Units   amounts and reserves in smallest units of their token; fee_pips is 1e-6, so that
            3000 is the pair's 997/1000 and 2500 the fork's 9975/10000, digit for digit.
    Range   amount_in > 0; 0 < reserves < 2**112; 0 <= fee_pips < 10**6. Monotone in amount_in.
    Raises  InsufficientLiquidity when the result would be zero or the new reserve would not fit
            uint112 (the pair reverts on both); PoolNotTradeable without reserves;
            ValueOutOfRange for an amount that is not positive.
    Source  Uniswap V2 whitepaper, fee adjustment; checked against the deployed pair bytecode.
    """
    if amount_in <= 0:
        raise ValueOutOfRange(f"`amount_in` must be positive, was {amount_in}")
    if reserve_in <= 0 or reserve_out <= 0:
        raise PoolNotTradeable(f"pair without reserves: {reserve_in}, {reserve_out}")
    if amount_in + reserve_in > MAX_RESERVE:
        raise InsufficientLiquidity(f"`reserve` would exceed uint112 with `amount_in` {amount_in}")
    less_fee = amount_in * (PIPS - fee_pips)
    paid = div_floor(less_fee * reserve_out, reserve_in * PIPS + less_fee)
    if paid == 0:
        raise InsufficientLiquidity(f"`amount_in` {amount_in} buys nothing")
    return paid


def amount_in(amount_out: int, reserve_in: int, reserve_out: int, fee_pips: int) -> int:
    """Return what the router asks for an exact output: the quotient plus one.

    Units   as amount_out.
    Range   0 < amount_out < reserve_out. Monotone in amount_out.
    Raises  InsufficientLiquidity when the pair does not hold more than that, or the new reserve
            would not fit uint112; PoolNotTradeable without reserves; ValueOutOfRange for an amount
            that is not positive.
    Source  UniswapV2Library.getAmountIn; checked against the deployed pair bytecode.
    """
    _require_holds(amount_out, reserve_in, reserve_out)
    asked = (
        div_floor(reserve_in * amount_out * PIPS, (reserve_out - amount_out) * (PIPS - fee_pips))
        + 1
    )
    if asked + reserve_in > MAX_RESERVE:
        raise InsufficientLiquidity(f"`reserve` would exceed uint112 for `amount_out` {amount_out}")
    return asked


def least_amount_in(amount_out: int, reserve_in: int, reserve_out: int, fee_pips: int) -> int:
    """Return the least input for which the pair pays at least that output.

    Units   as amount_out.
    Range   0 < amount_out < reserve_out. At most one below amount_in.
    Raises  as amount_in.
    Source  the inequality of the pair's invariant, solved for the input.
    """
    _require_holds(amount_out, reserve_in, reserve_out)
    least = div_up(reserve_in * amount_out * PIPS, (reserve_out - amount_out) * (PIPS - fee_pips))
    if least + reserve_in > MAX_RESERVE:
        raise InsufficientLiquidity(f"`reserve` would exceed uint112 for `amount_out` {amount_out}")
    return least


def _require_holds(amount_out: int, reserve_in: int, reserve_out: int) -> None:
    if amount_out <= 0:
        raise ValueOutOfRange(f"`amount_out` must be positive, was {amount_out}")
    if reserve_in <= 0 or reserve_out <= 0:
        raise PoolNotTradeable(f"pair without reserves: {reserve_in}, {reserve_out}")
    if amount_out >= reserve_out:
        raise InsufficientLiquidity(f"`amount_out` {amount_out} of a reserve of {reserve_out}")
