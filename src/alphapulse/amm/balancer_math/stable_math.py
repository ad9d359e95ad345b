"""Balancer's stable invariant, whose rounding has two deployed forms, and the balance that restores it."""

from collections.abc import Sequence
from enum import IntEnum, unique

from alphapulse.amm.uniswap_v3.full_math import div_floor, div_up
from alphapulse.amm.words import divided, divided_up, word
from alphapulse.errors import PoolNotTradeable

__all__ = ["AMP_PRECISION", "InvariantVersion", "balance_at", "invariant_of"]

AMP_PRECISION = 1000
ITERATIONS_MAX = 255


@unique
class InvariantVersion(IntEnum):
    """Which computation of the invariant a pool's code carries.

    ROUNDED_UP rounds every quotient of a swap's invariant in one direction (StablePool and
    MetaStablePool of 2021). ROUNDED_DOWN always truncates, as Curve does (since 2022).
    """

    ROUNDED_UP = 1
    ROUNDED_DOWN = 2


def invariant_of(amplification: int, balances: Sequence[int], version: InvariantVersion) -> int:
    """Return the invariant that a swap keeps.

    Units   balances scaled to 18 decimals; amplification is A * n**(n-1) times 1000.
    Range   at least two balances; amplification >= 1000.
    Raises  PoolNotTradeable for a balance of zero or an iteration that does not settle.
    Source  StableMath._calculateInvariant, checked through the deployed pool bytecode.
    """
    if min(balances) <= 0:
        raise PoolNotTradeable("stable pool with a balance of zero")
    step = _rounded_up if version is InvariantVersion.ROUNDED_UP else _rounded_down
    total = sum(balances)
    invariant = total
    for _ in range(ITERATIONS_MAX):
        before = invariant
        invariant = step(amplification * len(balances), balances, total, invariant)
        if abs(invariant - before) <= 1:
            return invariant
    raise PoolNotTradeable("the stable invariant does not settle")


def _rounded_up(amplified: int, balances: Sequence[int], total: int, invariant: int) -> int:
    count = len(balances)
    product = balances[0] * count
    for balance in balances[1:]:
        product = divided_up(product * balance * count, invariant)
    above = count * invariant * invariant + div_up(word(amplified * total * product), AMP_PRECISION)
    below = (count + 1) * invariant + div_floor(
        (amplified - AMP_PRECISION) * product, AMP_PRECISION
    )
    return divided_up(above, below)


def _rounded_down(amplified: int, balances: Sequence[int], total: int, invariant: int) -> int:
    count = len(balances)
    power = invariant
    for balance in balances:
        power = divided(power * invariant, balance * count)
    above = (div_floor(amplified * total, AMP_PRECISION) + power * count) * invariant
    below = div_floor((amplified - AMP_PRECISION) * invariant, AMP_PRECISION) + (count + 1) * power
    return divided(above, below)


def balance_at(amplification: int, balances: Sequence[int], invariant: int, index: int) -> int:
    """Return the balance of one token at which all balances have the invariant, rounded up.

    Units   as invariant_of.
    Range   invariant > 0; the present balance of the token only steadies the computation.
    Raises  PoolNotTradeable for a balance of zero or an iteration that does not settle.
    Source  StableMath._getTokenBalanceGivenInvariantAndAllOtherBalances, checked through the
            deployed pool bytecode.
    """
    if min(balances) <= 0:
        raise PoolNotTradeable("stable pool with a balance of zero")
    count = len(balances)
    amplified = amplification * count
    product = balances[0] * count
    for balance in balances[1:]:
        product = divided(product * balance * count, invariant)
    if product == 0:
        raise PoolNotTradeable("stable pool whose balances are too far apart")
    others = sum(balances) - balances[index]
    square = word(invariant * invariant)
    constant = word(divided_up(square, amplified * product) * AMP_PRECISION * balances[index])
    linear = others + div_floor(invariant, amplified) * AMP_PRECISION
    balance = divided_up(square + constant, invariant + linear)
    for _ in range(ITERATIONS_MAX):
        before = balance
        balance = divided_up(balance * balance + constant, 2 * balance + linear - invariant)
        if abs(balance - before) <= 1:
            return balance
    raise PoolNotTradeable("the stable balance does not settle")
