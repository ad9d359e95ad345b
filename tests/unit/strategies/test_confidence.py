"""A score of p percent comes true in p percent of the cases, and nothing but what was told decides it."""

import random

import pytest

from alphapulse.strategies.flash_arbitrage.confidence import (
    MAX_STRATA,
    WINDOW,
    Calibration,
    age_bucket,
    margin_bucket,
    rank_key,
)

SECOND = 10**9


def taught(seed: int, rates: dict[tuple[int, ...], float], rounds: int) -> Calibration:
    """Return a calibration after so many plans of each kind, which succeed at these rates."""
    draw = random.Random(seed)
    calibration = Calibration()
    for block in range(1, rounds + 1):
        calibration.on_block(block, block * SECOND, block * SECOND)
        for kinds, rate in rates.items():
            forecast = calibration.forecast(kinds, 900, 1_000)
            succeeded = draw.random() < rate
            calibration.record(forecast, succeeded=succeeded, actual_profit=1_000)
    return calibration


def test_nothing_known_is_an_even_chance():
    calibration = Calibration()
    calibration.on_block(1, SECOND, SECOND)
    assert calibration.forecast((0, 1), 10**6, 10**6).confidence == 50


RATES = {(0, 0): 0.95, (0, 1): 0.8, (1, 1): 0.5, (0, 1, 0): 0.2, (1, 1, 1): 0.05}


@pytest.mark.parametrize("seed", range(5))
def test_the_score_converges_to_the_rate_of_its_kind(seed):
    """Within 12 points, four standard deviations of a window and the bias of the prior."""
    print(f"seed {seed}")
    calibration = taught(seed, RATES, 600)
    for kinds, rate in RATES.items():
        assert abs(calibration.forecast(kinds, 900, 1_000).confidence - 100 * rate) <= 12


def test_of_plans_with_a_score_so_many_come_true():
    """The reliability diagram: in every tenth of the scale, scores and outcomes differ by 5 points at most on average."""
    seed = 77
    print(f"seed {seed}")
    draw = random.Random(seed)
    calibration = Calibration()
    bins: dict[int, list[tuple[int, bool]]] = {}
    for block in range(1, 4_001):
        age_ns = draw.choice((0, SECOND * 4 // 10, SECOND * 8 // 10, SECOND * 2))
        calibration.on_block(block, block * SECOND, block * SECOND + age_ns)
        kinds = draw.choice(list(RATES))
        late = age_bucket(age_ns, SECOND)
        rate = RATES[kinds] * (1 - late * 0.2)
        forecast = calibration.forecast(kinds, 900, 1_000)
        succeeded = draw.random() < rate
        if block > 500:
            bins.setdefault(forecast.confidence // 10, []).append((forecast.confidence, succeeded))
        calibration.record(forecast, succeeded=succeeded, actual_profit=1_000)
    for tenth, seen in sorted(bins.items()):
        said = sum(score for score, _ in seen) / len(seen)
        came = 100 * sum(outcome for _, outcome in seen) / len(seen)
        print(f"{tenth * 10:3} percent: {len(seen):4} plans, said {said:.1f}, came true {came:.1f}")
        if len(seen) >= 100:
            assert abs(said - came) <= 8
    total = [pair for seen in bins.values() for pair in seen]
    said = sum(score for score, _ in total) / len(total)
    came = 100 * sum(outcome for _, outcome in total) / len(total)
    assert abs(said - came) <= 2


def test_one_result_is_counted_once():
    calibration = Calibration()
    calibration.on_block(1, SECOND, SECOND)
    forecast = calibration.forecast((0, 0), 900, 1_000)
    calibration.record(forecast, succeeded=False, actual_profit=0)
    assert calibration.forecast((0, 0), 900, 1_000).confidence == 40  # four halves and a failure
    assert calibration.forecast((1, 1), 900, 1_000).confidence == 33  # the rule of succession


def test_the_score_follows_a_change():
    calibration = taught(3, {(0, 0): 1.0}, 2 * WINDOW)
    assert calibration.forecast((0, 0), 900, 1_000).confidence >= 97
    for _ in range(2 * WINDOW):
        forecast = calibration.forecast((0, 0), 900, 1_000)
        calibration.record(forecast, succeeded=False, actual_profit=0)
    assert calibration.forecast((0, 0), 900, 1_000).confidence <= 20


def test_an_old_state_lowers_the_score_until_results_say_otherwise():
    calibration = taught(5, {(0, 0): 1.0}, 100)
    calibration.on_block(101, 101 * SECOND, 101 * SECOND)
    fresh = calibration.forecast((0, 0), 900, 1_000).confidence
    calibration.on_block(102, 102 * SECOND, 105 * SECOND)
    stale = calibration.forecast((0, 0), 900, 1_000)
    assert stale.confidence < fresh // 2
    for _ in range(50):
        calibration.record(stale, succeeded=True, actual_profit=1_000)
    assert calibration.forecast((0, 0), 900, 1_000).confidence > 90


def test_a_margin_below_the_error_of_predictions_lowers_the_score():
    calibration = Calibration()
    calibration.on_block(1, SECOND, SECOND)
    for _ in range(60):
        forecast = calibration.forecast((0, 1), 900, 1_000)
        calibration.record(forecast, succeeded=True, actual_profit=800)
    assert 180_000 <= calibration.error_ppm((0, 1)) <= 200_000
    wide = calibration.forecast((0, 1), 900, 1_000)
    thin = calibration.forecast((0, 1), 100, 1_000)
    assert (wide.margin, thin.margin) == (3, 0)
    assert thin.confidence < wide.confidence


def test_the_bound_is_never_below_a_forecast():
    draw = random.Random(8)
    calibration = taught(8, RATES, 50)
    for kinds in RATES:
        bound = calibration.bound(kinds)
        for _ in range(50):
            assert calibration.forecast(kinds, draw.randrange(1, 1_000), 1_000).confidence <= bound


def test_the_same_history_gives_the_same_scores():
    """Covers: P3."""
    one, other = (taught(11, RATES, 300) for _ in range(2))
    for kinds in RATES:
        assert one.forecast(kinds, 7, 9) == other.forecast(kinds, 7, 9)


def test_memory_is_bounded():
    """Covers: P5."""
    calibration = Calibration()
    calibration.on_block(1, SECOND, SECOND)
    for number in range(MAX_STRATA + 7):
        forecast = calibration.forecast((number % 3, number), 1, 1)
        calibration.record(forecast, succeeded=True, actual_profit=1)
    assert len(calibration._counts) == MAX_STRATA
    assert len(calibration._sums) <= 2 * MAX_STRATA + 1
    assert calibration._sums[(), -1, -1].results == MAX_STRATA
    assert calibration.error_ppm((0, 0)) == 10_000  # forgotten


def test_buckets_have_stated_edges():
    assert [age_bucket(age, 1_000) for age in (-5, 0, 249, 250, 499, 500, 999, 1_000, 9_999)] == [
        0,
        0,
        0,
        1,
        1,
        2,
        2,
        3,
        3,
    ]
    assert [margin_bucket(net, 1_000, 10_000) for net in (0, 9, 10, 19, 20, 39, 40)] == [
        0,
        0,
        1,
        1,
        2,
        2,
        3,
    ]


def test_plans_are_ranked_by_what_they_are_expected_to_earn():
    assert rank_key(100, 90) > rank_key(170, 50)
    assert rank_key(200, 50) > rank_key(100, 99)
