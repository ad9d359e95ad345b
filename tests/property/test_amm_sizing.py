"""The sizing of cycles: no neighbour earns more, a dense scan finds nothing, brute force agrees.

Oracle: exact quotes of every input tried. Covers: M12.
"""

import random

import pytest

from alphapulse.amm.kernel import Sizing, V2Pool, optimise
from alphapulse.amm.optimum import caps_of, excess_x128, line_at, locate
from alphapulse.amm.sizing import premium
from support.amm_evm import seed_of_run
from support.amm_random import concentrated_at, cycle, pair_at, profit_of

CYCLES = 1000
NEIGHBOURS = (1, -1, 10, -10, 1000, -1000)
KINDS = ((2, 2), (2, 3), (3, 2), (3, 3), (2, 2, 2), (2, 2, 3), (2, 3, 3), (3, 2, 3), (3, 3, 3))
UNLIMITED = 10**30
# Rounding makes the top of a deep cycle a saw: in how many cycles a scan may find more there, and what part.
SAW_CYCLES = 10
SAW_PART = 10**11


def scan(amount: int) -> list[int]:
    """Return 400 inputs on a logarithmic scale and 200 around the answer."""
    wide = [int(amount * 10 ** (-4 + 6 * step / 400)) for step in range(400)]
    steps = (1, max(1, amount // 10**7))
    return wide + [amount + step * at for step in steps for at in range(-50, 51)]


def test_no_input_earns_more_on_random_cycles() -> None:
    rng = random.Random(seed_of_run())
    paying = beaten = 0
    for _ in range(2 * CYCLES):
        hops = cycle(rng, rng.choice(KINDS), depth_digits=(15, 22), spread=3)
        bps = rng.choice([0, 5, 9])
        sizing = optimise(hops, premium_bps=bps, max_amount_in=UNLIMITED)
        if sizing is None:
            continue
        paying += 1
        earned = profit_of(hops, sizing.amount_in, bps)
        assert earned == sizing.profit > 0
        check_amounts(sizing, bps)
        for step in NEIGHBOURS:
            assert (profit_of(hops, sizing.amount_in + step, bps) or 0) <= earned
        best = max(profit_of(hops, amount, bps) or 0 for amount in scan(sizing.amount_in))
        assert best <= earned + earned // SAW_PART + 1, (hops, bps, sizing)
        beaten += best > earned
        if paying == CYCLES:
            break
    assert paying == CYCLES
    assert beaten <= SAW_CYCLES


def check_amounts(sizing: Sizing, bps: int) -> None:
    assert sizing.amounts[0] == sizing.amount_in
    assert sizing.gross_profit == sizing.amounts[-1] - sizing.amount_in
    assert sizing.premium == premium(sizing.amount_in, bps)


def test_neighbours_hold_on_coarse_and_odd_cycles() -> None:
    """Tokens of very different units: one amount of the path has few of them."""
    rng = random.Random(seed_of_run())
    for _ in range(250):
        hops = cycle(rng, rng.choice(KINDS), depth_digits=(9, 24), spread=6)
        bps = rng.choice([0, 5, 9])
        sizing = optimise(hops, premium_bps=bps, max_amount_in=UNLIMITED)
        if sizing is not None:
            for step in NEIGHBOURS:
                assert (profit_of(hops, sizing.amount_in + step, bps) or 0) <= sizing.profit


@pytest.mark.parametrize(("kinds", "digits"), [((2,), (2.3, 5)), ((2, 3), (2.0, 3.6))])
def test_brute_force_on_small_pools(kinds: tuple[int, ...], digits: tuple[float, float]) -> None:
    """On pairs the answer is within one unit of brute force, on tiny pools of both kinds exact."""
    rng = random.Random(seed_of_run())
    differences = []
    for _ in range(60):
        hops = []
        for _ in range(rng.choice([2, 2, 3])):
            zero_for_one = rng.random() < 0.5
            rate = 1 + rng.uniform(0, 0.05)
            price = int((rate if zero_for_one else 1 / rate) ** 0.5 * 2**96)
            build = pair_at if rng.choice(kinds) == 2 else concentrated_at
            hops.append((build(rng, price, int(10 ** rng.uniform(*digits))), zero_for_one))
        bps = rng.choice([0, 5, 9])
        sizing = optimise(hops, premium_bps=bps, max_amount_in=UNLIMITED)
        reach = 12_000 if kinds == (2,) else 500
        best = max(profit_of(hops, amount, bps) or 0 for amount in range(1, reach))
        differences.append(best - (sizing.profit if sizing else 0))
    assert max(differences) <= 1, differences


def test_screen_never_rejects_what_pays() -> None:
    """A cycle that the first rates exclude earns nothing at any input."""
    rng = random.Random(seed_of_run())
    for _ in range(200):
        hops = cycle(rng, rng.choice(KINDS), depth_digits=(12, 22), spread=2)
        if excess_x128(hops, 300) <= 1 << 128:
            assert optimise(hops, premium_bps=300, max_amount_in=UNLIMITED) is None
            for digits in range(25):
                assert (profit_of(hops, 10**digits, 300) or 0) <= 0


def test_tangents_promise_no_less_than_is_earned() -> None:
    """What a line excludes cannot win: paid from above, asked from below."""
    rng = random.Random(seed_of_run())
    asked = 0
    for _ in range(150):
        hops = cycle(rng, rng.choice(KINDS), depth_digits=(15, 22), spread=3)
        excess = excess_x128(hops, 5)
        if excess <= 1 << 128:
            continue
        terms = {"premium_bps": 5, "max_amount_in": UNLIMITED}
        found = locate(hops, caps_of(hops, excess), **terms)
        if found is None:
            continue
        for index in range(len(hops)):
            line = line_at(found, index)
            for _ in range(10):
                distance = rng.randrange(-(10 ** rng.randrange(1, 9)), 10 ** rng.randrange(1, 9))
                amount = line.amount + distance
                if amount < 1:
                    continue
                paid, needed = amount, amount
                for pool, zero_for_one in hops[index:]:
                    paid = pool.amount_out(paid, zero_for_one)
                for pool, zero_for_one in reversed(hops[:index]):
                    needed = pool.least_amount_in(needed, zero_for_one)
                room = abs(distance) + 1
                assert paid << 64 <= line.paid + line.paid_slope * distance + room
                assert needed << 64 >= line.asked + line.asked_slope * distance - room
                asked += 1
    assert asked > 500


def test_loan_limit_binds() -> None:
    rng = random.Random(seed_of_run())
    bound = 0
    for _ in range(200):
        hops = cycle(rng, rng.choice(KINDS), depth_digits=(15, 22), spread=2)
        free = optimise(hops, premium_bps=5, max_amount_in=UNLIMITED)
        if free is None or free.amount_in < 10**6:
            continue
        limit = free.amount_in // 3
        tight = optimise(hops, premium_bps=5, max_amount_in=limit)
        assert tight is not None
        assert limit * 999 // 1000 <= tight.amount_in <= limit
        assert tight.profit <= free.profit
        bound += 1
    assert bound > 100


def test_same_cycle_same_answer() -> None:
    hops = [(V2Pool(10**21, 2 * 10**21, 3000), True), (V2Pool(10**21, 19 * 10**20, 3000), False)]
    answers = {optimise(hops, premium_bps=5, max_amount_in=UNLIMITED) for _ in range(3)}
    assert len(answers) == 1
