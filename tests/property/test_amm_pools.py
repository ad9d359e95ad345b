"""Laws of every pool: monotone, invariant kept, no free round trip, rates above what is paid."""

import random
from math import isqrt, log

from alphapulse.amm.kernel import ConcentratedPool, PairPool, V2Pool
from alphapulse.errors import Rejected
from support.amm_evm import seed_of_run
from support.amm_random import concentrated_at, pair_at

POOLS = 150


def draw(rng: random.Random, kind: int) -> PairPool | ConcentratedPool:
    price = int(10 ** rng.uniform(-4, 4) * 2**96)
    depth = int(10 ** rng.uniform(4, 24))
    return (pair_at if kind == 2 else concentrated_at)(rng, price, depth)


def test_laws_of_exact_input() -> None:
    rng = random.Random(seed_of_run())
    for number in range(POOLS):
        pool = draw(rng, 2 + number % 2)
        for zero_for_one in (True, False):
            rate = pool.marginal_rate_x128(zero_for_one)
            assert abs(pool.log_rate(zero_for_one) - (log(rate) - log(2**128))) < 1e-12
            previous = 0
            for amount in sorted(rng.randrange(1, 10 ** rng.randrange(1, 26)) for _ in range(12)):
                try:
                    paid = pool.amount_out(amount, zero_for_one)
                except Rejected:
                    continue
                assert paid >= previous
                assert paid << 128 <= amount * (rate + 1)
                previous = paid
                if paid:
                    round_trip(pool, amount, paid, zero_for_one)


def round_trip(
    pool: PairPool | ConcentratedPool, amount: int, paid: int, zero_for_one: bool
) -> None:
    """The least input for what was paid is no more than the input, and one unit less buys less."""
    least = pool.least_amount_in(paid, zero_for_one)
    assert least <= amount
    assert least <= pool.amount_in(paid, zero_for_one)
    assert pool.amount_out(least, zero_for_one) >= paid
    if least > 1:
        try:
            assert pool.amount_out(least - 1, zero_for_one) < paid
        except Rejected:
            assert isinstance(pool, PairPool)
    if isinstance(pool, PairPool):
        reserve0, reserve1 = pool.reserve0, pool.reserve1
        after = (
            (reserve0 + amount, reserve1 - paid)
            if zero_for_one
            else (reserve0 - paid, reserve1 + amount)
        )
        assert after[0] * after[1] >= reserve0 * reserve1
        moved = V2Pool(*after, pool.fee_pips)
        try:
            assert moved.amount_out(paid, not zero_for_one) <= amount
        except Rejected:
            return


def test_segment_of_a_pair_is_its_swap() -> None:
    rng = random.Random(seed_of_run())
    for _ in range(POOLS):
        pool = draw(rng, 2)
        for zero_for_one in (True, False):
            amount = rng.randrange(1, 10 ** rng.randrange(1, 26))
            segment = pool.segment(amount, zero_for_one)
            try:
                paid = pool.amount_out(amount, zero_for_one)
            except Rejected:
                continue
            assert paid == segment.gain * amount // (segment.slope * amount + segment.base)


def test_cap_of_an_input_halves_the_rate() -> None:
    """After input_to_fall the next unit pays at most the rate over the factor."""
    rng = random.Random(seed_of_run())
    root = isqrt(2 << 128)
    for number in range(POOLS):
        pool = draw(rng, 2 + number % 2)
        zero_for_one = rng.random() < 0.5
        rate = pool.marginal_rate_x128(zero_for_one)
        cap = pool.input_to_fall(root, zero_for_one)
        more = max(1, cap // 100)
        try:
            gained = pool.amount_out(cap + more, zero_for_one) - pool.amount_out(cap, zero_for_one)
        except Rejected:
            continue
        assert gained - 2 <= (rate >> 127) * more // 2 + (rate * more >> 128) // 2 + 2
