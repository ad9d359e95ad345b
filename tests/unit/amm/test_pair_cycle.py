"""The closed form of a cycle of pairs beside the walk that every cycle can be given to."""

import random

from alphapulse.amm.kernel import V2Pool, V3Pool
from alphapulse.amm.optimum import caps_of, excess_x128, locate
from alphapulse.amm.pair_cycle import NOTHING, locate_pairs
from support.amm_evm import seed_of_run
from support.amm_random import Hop, cycle

UNLIMITED = 10**30
DEAR, CHEAP = V2Pool(10**21, 2 * 10**21, 3000), V2Pool(10**21, 19 * 10**20, 3000)
PAYING: list[Hop] = [(DEAR, True), (CHEAP, False)]


def located(hops: list[Hop], limit: int = UNLIMITED, fewest: int = 512) -> object:
    return locate_pairs(hops, premium_bps=5, max_amount_in=limit, fewest_units=fewest)


def test_the_closed_form_is_where_the_walk_ends() -> None:
    rng = random.Random(seed_of_run())
    for _ in range(300):
        hops = cycle(rng, [2] * rng.choice([2, 3, 4]), depth_digits=(12, 22), spread=2)
        terms = {
            "premium_bps": rng.choice([0, 5, 9]),
            "max_amount_in": rng.choice([10**12, 10**30]),
        }
        found = locate_pairs(hops, fewest_units=512, **terms)
        excess = excess_x128(hops, terms["premium_bps"])
        if excess <= 1 << 128:
            assert found in (NOTHING, None)
            continue
        walked = locate(hops, caps_of(hops, excess), **terms)
        if found is None:
            continue
        if walked is None:
            assert found.bound <= 1
            continue
        assert abs(found.bound - walked.bound) <= 1
        if found is not NOTHING:
            assert abs(found.amounts[0] - walked.amounts[0]) <= 1


def test_what_cannot_pay_is_nothing() -> None:
    assert located([(CHEAP, True), (DEAR, False)]) is NOTHING
    assert located(PAYING, limit=0) is NOTHING
    assert located([]) is NOTHING


def test_what_must_be_walked_is_left() -> None:
    pool = V3Pool(2**96, 0, 10**18, 500, 60, {-600: (10**18, 10**18), 600: (10**18, -(10**18))})
    assert located([(DEAR, True), (pool, False)]) is None
    assert located([(DEAR, True), (V2Pool(0, 0, 3000), False)]) is None
    assert located(PAYING, fewest=10**30) is None
    full = V2Pool(2**112 - 1, 2**111, 3000)
    assert located([(full, True), (V2Pool(2**112 - 1, 2**111 - 2**108, 3000), False)]) is None
