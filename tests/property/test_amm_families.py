"""Laws that every family keeps, and the sizing of cycles that mix families.

Oracle: exact quotes of every input tried, and each law's own statement. Covers: M10, M12.
"""

import contextlib
import random

import pytest

from alphapulse.amm.sizing import optimise
from alphapulse.amm.token_kinds import PlainStablePool, ReservePool, SmoothPair, VaultPool
from alphapulse.errors import InsufficientLiquidity, PoolNotTradeable, Rejected
from support.amm_evm import seed_of_run
from support.amm_families import FAMILIES, SMOOTH, mixed_cycle
from support.amm_random import Hop, profit_of

CYCLES = 300
NEIGHBOURS = (1, -1, 10, -10, 1000, -1000)
UNLIMITED = 10**30
# What a scan may still find on the saw of a smooth cycle.
SAW_PART = 10**6
DUST = 4
# Solidly rounds its fee down: up to so many units of its input pay none, and what they earn is not looked for.
FEE_FREE = 10**4


def scan(amount: int) -> list[int]:
    """Return 400 inputs on a logarithmic scale and 200 around the answer."""
    wide = [int(amount * 10 ** (-4 + 6 * step / 400)) for step in range(400)]
    steps = (1, max(1, amount // 10**7))
    return wide + [amount + step * at for step in steps for at in range(-50, 51)]


def fee_free_worth(hops: list[Hop]) -> int:
    """Return what the units that may pay no fee are worth at most, in units of the first token."""
    worth, most = 1 << 128, 1 << 128
    for pool, zero_for_one in hops[:-1]:
        worth = (worth << 128) // pool.marginal_rate_x128(zero_for_one)
        most = max(most, worth)
    return FEE_FREE * most >> 128


def random_mix(rng: random.Random) -> list[Hop]:
    names = [rng.choice(list(FAMILIES)) for _ in range(rng.choice([2, 2, 3]))]
    if not any(name in SMOOTH for name in names):
        names[rng.randrange(len(names))] = rng.choice(list(SMOOTH))
    return mixed_cycle(rng, names, depth_digits=(15, 24), spread=3)


def test_no_input_earns_more_on_mixed_cycles() -> None:
    """Neighbour-optimal, within the saw of a dense scan, and nothing that pays is missed."""
    rng = random.Random(seed_of_run())
    paying = 0
    for _ in range(CYCLES):
        hops = random_mix(rng)
        bps = rng.choice([0, 5, 9])
        sizing = optimise(hops, premium_bps=bps, max_amount_in=UNLIMITED)
        if sizing is None:
            best = max(profit_of(hops, 10**digits, bps) or 0 for digits in range(30))
            assert best <= fee_free_worth(hops), (hops, bps)
            continue
        paying += 1
        earned = profit_of(hops, sizing.amount_in, bps)
        assert earned == sizing.profit > 0
        assert sizing.gross_profit == sizing.amounts[-1] - sizing.amount_in
        for step in NEIGHBOURS:
            assert (profit_of(hops, sizing.amount_in + step, bps) or 0) <= earned, (step, sizing)
        best = max(profit_of(hops, amount, bps) or 0 for amount in scan(sizing.amount_in))
        assert best <= earned + earned // SAW_PART + DUST, (best, sizing)
    assert paying > CYCLES * 9 // 10


def test_loan_limit_binds() -> None:
    rng = random.Random(seed_of_run())
    bound = 0
    for _ in range(60):
        hops = random_mix(rng)
        free = optimise(hops, premium_bps=5, max_amount_in=UNLIMITED)
        if free is None or free.amount_in < 10**9:
            continue
        limit = free.amount_in // 3
        tight = optimise(hops, premium_bps=5, max_amount_in=limit)
        assert tight is not None
        assert limit * 99 // 100 <= tight.amount_in <= limit
        assert tight.profit <= free.profit
        bound += 1
    assert bound > 40


@pytest.mark.parametrize("name", SMOOTH)
def test_laws_of_a_family(name: str) -> None:
    """More in never buys less, a round trip never profits, the first rate is never exceeded."""
    rng = random.Random(seed_of_run())
    quotes = 0
    for _ in range(60):
        price = 10 ** rng.uniform(-2, 2)
        view = SMOOTH[name](rng, price, 10 ** rng.uniform(18, 24))
        assert isinstance(view, SmoothPair)
        before = view.fingerprint()
        for _ in range(10):
            zero_for_one = rng.random() < 0.5
            largest = view.pool.largest_amount_in(*((0, 1) if zero_for_one else (1, 0)))
            amount = max(1, int(min(largest, 10**25) * 10 ** rng.uniform(-15, 0)))
            try:
                paid = view.amount_out(amount, zero_for_one)
            except (InsufficientLiquidity, PoolNotTradeable):
                continue
            quotes += 1
            with contextlib.suppress(PoolNotTradeable):  # a Solidly iteration need not settle
                more = view.amount_out(min(largest, amount + amount // 100 + 1), zero_for_one)
                assert more >= paid - slack(view, zero_for_one)
            check_round_trip(view, amount, paid, zero_for_one)
            rate = view.marginal_rate_x128(zero_for_one)
            assert paid <= ((amount + 1) * (rate + 1) >> 128) + slack(view, zero_for_one)
        assert view.fingerprint() == before
    assert quotes > 200


def slack(view: SmoothPair, zero_for_one: bool) -> int:
    """Return the units by which a family's own rounding may break a law of the real curve."""
    _, j = (0, 1) if zero_for_one else (1, 0)
    balances = getattr(view.pool, "balances", None)
    return 4 if balances is None else 4 + balances[j] // 10**17


def check_round_trip(view: SmoothPair, amount: int, paid: int, zero_for_one: bool) -> None:
    """Fold the trade and sell back what it paid: that returns no more than went in."""
    pool = view.pool
    i, j = (0, 1) if zero_for_one else (1, 0)
    if isinstance(pool, ReservePool):
        held = [pool.reserve0, pool.reserve1]
        moved = list(held)
        moved[i] += amount - amount * pool.fee // pool.fee_denominator
        moved[j] -= paid
        pool.set_reserves(*moved)
    elif isinstance(pool, PlainStablePool):
        held = list(pool.balances)
        assert pool.apply_exchange(amount, i, j) == paid
    else:
        assert isinstance(pool, VaultPool)
        held = list(pool.balances)
        pool.apply_swap(amount, paid, i, j)
    with contextlib.suppress(Rejected):
        assert view.amount_out(paid, not zero_for_one) <= amount + slack(view, not zero_for_one)
    if isinstance(pool, ReservePool):
        pool.set_reserves(*held)
    else:
        pool.set_balances(held)


@pytest.mark.parametrize("name", SMOOTH)
def test_least_input_is_the_least(name: str) -> None:
    """It buys the output and one unit less does not; the pool's own answer is never below it."""
    rng = random.Random(seed_of_run())
    checked = 0
    for _ in range(60):
        view = SMOOTH[name](rng, 10 ** rng.uniform(-2, 2), 10 ** rng.uniform(18, 24))
        zero_for_one = rng.random() < 0.5
        try:
            wanted = view.amount_out(10 ** rng.randrange(8, 20), zero_for_one)
            wanted -= rng.randrange(min(3, wanted))
            least = view.least_amount_in(wanted, zero_for_one)
        except Rejected:
            continue
        assert view.amount_out(least, zero_for_one) >= wanted
        if least > 1:
            with contextlib.suppress(InsufficientLiquidity):
                assert view.amount_out(least - 1, zero_for_one) < wanted
        checked += 1
    assert checked > 30
