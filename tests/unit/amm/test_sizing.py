"""The premium's rounding, plain answers of the sizing, and the door."""

from alphapulse.amm.kernel import V2Pool, V3Pool, optimise
from alphapulse.amm.sizing import premium


def test_premium_rounds_half_up() -> None:
    assert [premium(amount, 5) for amount in (0, 999, 1000, 2999, 3000)] == [0, 0, 1, 1, 2]
    assert premium(10**18, 0) == 0


def test_a_cycle_without_discrepancy_pays_nothing() -> None:
    hops = [(V2Pool(10**18, 10**18, 3000), True), (V2Pool(10**18, 10**18, 3000), False)]
    assert optimise(hops, premium_bps=5, max_amount_in=10**30) is None


def test_a_cycle_through_an_empty_pool_pays_nothing() -> None:
    empty = V3Pool(2**96, 0, 0, 3000, 60, {})
    hops = [(V2Pool(10**18, 3 * 10**18, 3000), True), (empty, False)]
    assert optimise(hops, premium_bps=5, max_amount_in=10**30) is None
    hops = [(V2Pool(0, 0, 3000), True), (V2Pool(10**18, 10**18, 3000), False)]
    assert optimise(hops, premium_bps=5, max_amount_in=10**30) is None


def test_a_known_pair_of_pairs() -> None:
    """Reserves 1:2 against 1:1.9; the answer was found by brute force on the scale of 10**6."""
    hops = [(V2Pool(10**6, 2 * 10**6, 3000), True), (V2Pool(10**6, 19 * 10**5, 3000), False)]
    sizing = optimise(hops, premium_bps=5, max_amount_in=10**6)
    assert sizing is not None
    tried = {}
    for amount in range(10, 40_000):
        paid = hops[0][0].amount_out(amount, True)
        tried[amount] = hops[1][0].amount_out(paid, False) - amount - premium(amount, 5)
    assert sizing.profit == max(tried.values()) == tried[sizing.amount_in]


def test_the_limit_of_the_loan_is_kept() -> None:
    hops = [(V2Pool(10**18, 2 * 10**18, 3000), True), (V2Pool(10**18, 19 * 10**17, 3000), False)]
    sizing = optimise(hops, premium_bps=5, max_amount_in=10**9)
    assert sizing is not None
    assert 10**9 - 1000 <= sizing.amount_in <= 10**9
    assert optimise(hops, premium_bps=5, max_amount_in=0) is None
