"""Two tokens of a pool of several, and the facts about forks. Covers: M6, M7."""

import pytest

from alphapulse.amm.amplification import Ramp
from alphapulse.amm.forks import V2_FORKS, V3_FORKS, fee_pips_of
from alphapulse.amm.kernel import CurvePool
from alphapulse.amm.pool import PoolQuoter
from alphapulse.amm.token_kinds import PlainStablePool
from alphapulse.errors import ValueOutOfRange
from alphapulse.primitives.venue import Venue


def tripool() -> PlainStablePool:
    return CurvePool(
        (10**24, 10**12, 3 * 10**12),
        (10**18, 10**30, 10**30),
        Ramp(2000, 2000),
        timestamp=0,
        fee=10**6,
        admin_fee=0,
        a_precision=1,
    )


def test_a_view_asks_the_pool_and_follows_its_state() -> None:
    pool = tripool()
    view: PoolQuoter = pool.pair(2, 0)
    assert view.amount_out(10**9, True) == pool.amount_out(10**9, 2, 0)
    assert view.amount_out(10**21, False) == pool.amount_out(10**21, 0, 2)
    assert view.amount_in(10**9, False) == pool.amount_in(10**9, 0, 2)
    assert view.least_amount_in(10**20, True) == pool.least_amount_in(10**20, 2, 0)
    assert view.marginal_rate_x128(True) == pool.marginal_rate_x128(2, 0)
    assert view.segment(1, True) is None
    assert view.ticks_crossed(1, True) == view.floored_fee_pips == 0
    before = view.fingerprint()
    pool.apply_exchange(10**9, 1, 2)
    assert view.fingerprint() != before
    assert pool.pair(0, 2).fingerprint() != view.fingerprint()


def test_a_view_needs_two_tokens() -> None:
    for i, j in ((0, 0), (0, 3), (-1, 1)):
        with pytest.raises(ValueOutOfRange):
            tripool().pair(i, j)


def test_the_input_to_fall_falls_far_enough() -> None:
    """Beyond it, the mean rate of a further part is below the first rate over the factor."""
    view = tripool().pair(0, 1)
    for percent in (1, 5, 50):
        root = int((1 + percent / 100) ** 0.5 * 2**64)
        reach = view.input_to_fall(root, True)
        part = reach // 100
        gained = view.amount_out(reach + part, True) - view.amount_out(reach, True)
        first = view.marginal_rate_x128(True) * part >> 128
        assert gained * (100 + percent) <= first * 100 + 200


def test_fees_of_forks() -> None:
    assert fee_pips_of(997, 1000) == 3000
    assert fee_pips_of(9975, 10_000) == V2_FORKS[Venue.BSC_PANCAKE].fee_pips == 2500
    assert fee_pips_of(1, 1) == 0
    for kept, denominator in ((0, 1000), (1001, 1000), (997, 1024), (2, 3)):
        with pytest.raises(ValueOutOfRange):
            fee_pips_of(kept, denominator)


def test_tiers_and_callbacks_of_forks() -> None:
    pancake = V3_FORKS[Venue.PANCAKE_V3]
    assert pancake.spacing_of(2500) == 50
    assert not pancake.calls_like_uniswap
    assert V3_FORKS[Venue.UNISWAP_V3].calls_like_uniswap
    with pytest.raises(ValueOutOfRange):
        pancake.spacing_of(3000)
    with pytest.raises(ValueOutOfRange):
        V3_FORKS[Venue.UNISWAP_V3].spacing_of(2500)
