"""How likely a plan is to realise at least its minimum profit: a stated probability that its own history corrects.

Results are counted in strata, each within the one before: all plans; plans over the same kinds of pools; of the same age of state; of
the same margin of profit over what predictions of that kind have missed by. The share of successes in a stratum starts from that of
the rest of the stratum around it and moves to its own as results come in; no result is counted twice. After n results of a stratum its
bias is at most 4 / (4 + n) of the whole scale. At 256 results its counts are halved: the score follows a change, and its standard
deviation stays near 3 points.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from alphapulse.primitives.units import div_floor

__all__ = ["Calibration", "Forecast", "age_bucket", "margin_bucket", "rank_key"]

PERCENT = 100
PPM = 10**6
LEAST_PERCENT = 1  # no plan is impossible, and none is certain
MOST_PERCENT = 99

PRIOR_RESULTS = 2  # the rule of succession: one success and one failure before anything is known
PARENT_WEIGHT = 4  # results that the share of the stratum above is worth
WINDOW = 256  # results of a stratum; at so many they are halved
MAX_STRATA = 4_096  # the one that was counted in least lately is forgotten first

AGE_SHARES_PERMILLE = (250, 500, 1_000)
"""Ages of the state in block times: below a quarter, a half, one, and beyond."""
AGE_PRIOR_PERMILLE = (1_000, 950, 800, 400)
"""What of the parent's share is expected at each age before results tell: a stated guess, which four results outweigh."""
MARGIN_MULTIPLES = (1, 2, 4)
"""Net profit in multiples of the error that predictions have had."""
MARGIN_PRIOR_PERMILLE = (500, 800, 950, 1_000)
DEFAULT_ERROR_PPM = 10_000  # of the predicted profit, before results tell
LEAST_ERROR_PPM = 1  # exact predictions leave no error to divide by
DEFAULT_BLOCK_NS = 12 * 10**9

Kinds = tuple[int, ...]
_Stratum = tuple[Kinds, int, int]
_ANY = -1


@dataclass(frozen=True, slots=True)
class Forecast:
    """A score, and the stratum and prediction that its result will be compared with.

    Units   confidence in percent; predicted_profit in smallest units of the profit token, before gas.
    """

    confidence: int
    kinds: Kinds
    age: int
    margin: int
    predicted_profit: int


@dataclass(frozen=True, slots=True)
class _Count:
    """Results of a stratum, and how far predictions were off in those that succeeded."""

    results: int = 0
    successes: int = 0
    compared: int = 0
    error_ppm: int = 0

    def halved(self) -> "_Count":
        return _Count(
            div_floor(self.results, 2),
            div_floor(self.successes, 2),
            div_floor(self.compared, 2),
            div_floor(self.error_ppm, 2),
        )

    def plus(self, other: "_Count", sign: int = 1) -> "_Count":
        return _Count(
            self.results + sign * other.results,
            self.successes + sign * other.successes,
            self.compared + sign * other.compared,
            self.error_ppm + sign * other.error_ppm,
        )


_NONE = _Count()


def rank_key(net_native: int, confidence: int) -> int:
    """Return what plans are ranked by: the expected net profit, in hundredths of a wei.

    Units   net_native in wei; confidence in percent.
    Range   monotone in both for net_native >= 0, so a bound of both bounds the key.
    """
    return net_native * confidence


def age_bucket(age_ns: int, block_ns: int) -> int:
    """Return the bucket of a state's age relative to the chain's block time; an age below zero counts as none."""
    for bucket, share in enumerate(AGE_SHARES_PERMILLE):
        if age_ns * 1_000 < share * block_ns:
            return bucket
    return len(AGE_SHARES_PERMILLE)


def margin_bucket(net_profit: int, predicted_profit: int, error_ppm: int) -> int:
    """Return the bucket of a net profit in multiples of the expected error of its prediction."""
    error = predicted_profit * max(error_ppm, LEAST_ERROR_PPM)
    for bucket, multiple in enumerate(MARGIN_MULTIPLES):
        if net_profit * PPM < multiple * error:
            return bucket
    return len(MARGIN_MULTIPLES)


class Calibration:
    """Counts how plans came out and scores the next ones; deterministic in the order of what it is told."""

    __slots__ = (
        "_age",
        "_block",
        "_block_ns",
        "_bounds",
        "_counts",
        "_event_ns",
        "_percents",
        "_sums",
    )

    def __init__(self) -> None:
        self._counts: dict[_Stratum, _Count] = {}
        self._sums: dict[_Stratum, _Count] = {}
        self._block = 0
        self._event_ns = 0
        self._block_ns = DEFAULT_BLOCK_NS
        self._age = 0
        self._percents: dict[tuple[Kinds, int], int] = {}
        self._bounds: dict[Kinds, int] = {}

    def on_block(self, block: int, event_ns: int, now_ns: int) -> None:
        """Note the head that the next scores stand on, and how old it is."""
        if self._block and block > self._block and event_ns > self._event_ns:
            self._block_ns = div_floor(event_ns - self._event_ns, block - self._block)
        self._block, self._event_ns = block, event_ns
        age = age_bucket(now_ns - event_ns, self._block_ns)
        if age != self._age:
            self._age = age
            self._forget_scores()

    def forecast(self, kinds: Sequence[int], net_profit: int, predicted_profit: int) -> Forecast:
        """Return the score of a plan made on the present head.

        Units   profits in smallest units of the profit token, after and before gas.
        """
        path = tuple(kinds)
        margin = margin_bucket(net_profit, predicted_profit, self.error_ppm(path))
        confidence = self._score(path, margin)
        return Forecast(confidence, path, self._age, margin, predicted_profit)

    def bound(self, kinds: Sequence[int]) -> int:
        """Return the most that `forecast` can say of a path of these kinds on the present head, in percent."""
        path = tuple(kinds)
        bound = self._bounds.get(path)
        if bound is None:
            margins = range(len(MARGIN_PRIOR_PERMILLE))
            bound = self._bounds[path] = max(self._score(path, margin) for margin in margins)
        return bound

    def error_ppm(self, kinds: Kinds) -> int:
        """Return by how much predictions over these kinds miss on average, in millionths of the prediction."""
        count = self._sums.get((kinds, _ANY, _ANY), _NONE)
        total = count.error_ppm + PARENT_WEIGHT * DEFAULT_ERROR_PPM
        return div_floor(total, count.compared + PARENT_WEIGHT)

    def record(self, forecast: Forecast, *, succeeded: bool, actual_profit: int) -> None:
        """Note how a plan came out.

        Units   actual_profit as `predicted_profit`; it says nothing when the plan did not succeed.
        """
        error = None
        if succeeded and forecast.predicted_profit > 0:
            missed = abs(actual_profit - forecast.predicted_profit)
            error = min(PPM, div_floor(missed * PPM, forecast.predicted_profit))
        self._forget_scores()
        *around, leaf = _strata(forecast.kinds, forecast.age, forecast.margin)
        before = self._counts.pop(leaf, _NONE)
        kept = before.halved() if before.results >= WINDOW else before
        one = _Count(1, int(succeeded), int(error is not None), error or 0)
        self._counts[leaf] = kept.plus(one)
        self._spread(around, one.plus(kept).plus(before, -1))
        if len(self._counts) > MAX_STRATA:
            oldest = next(iter(self._counts))
            forgotten = self._counts.pop(oldest)
            self._spread(_strata(*oldest)[:-1], _NONE.plus(forgotten, -1))

    def _forget_scores(self) -> None:
        self._percents.clear()
        self._bounds.clear()

    def _score(self, kinds: Kinds, margin: int) -> int:
        """Return the score at the present age; asked for every candidate, so each is worked out once between results."""
        percent = self._percents.get((kinds, margin))
        if percent is None:
            if len(self._percents) >= MAX_STRATA:
                self._forget_scores()
            percent = self._percents[kinds, margin] = self._percent(kinds, self._age, margin)
        return percent

    def _spread(self, around: Sequence[_Stratum], change: _Count) -> None:
        """Keep the strata around a leaf the exact sums of their leaves."""
        for stratum in around:
            total = self._sums.get(stratum, _NONE).plus(change)
            if total.results:
                self._sums[stratum] = total
            else:
                self._sums.pop(stratum, None)

    def _percent(self, kinds: Kinds, age: int, margin: int) -> int:
        """Return the posterior mean of the leaf; each stratum, without what lies inside the next, is the next one's prior."""
        *around, leaf = _strata(kinds, age, margin)
        counts = [self._sums.get(stratum, _NONE) for stratum in around]
        counts.append(self._counts.get(leaf, _NONE))
        rest = counts[0].plus(counts[1], -1)
        mean = div_floor(PPM * (rest.successes + 1), rest.results + PRIOR_RESULTS)
        for level in range(1, len(counts)):
            inside = counts[level + 1] if level + 1 < len(counts) else _NONE
            own = counts[level].plus(inside, -1)
            prior = div_floor(mean * self._prior_permille(level, age, margin), 1_000)
            mean = div_floor(
                PPM * own.successes + PARENT_WEIGHT * prior, own.results + PARENT_WEIGHT
            )
        percent = div_floor(mean * PERCENT + div_floor(PPM, 2), PPM)
        return min(MOST_PERCENT, max(LEAST_PERCENT, percent))

    @staticmethod
    def _prior_permille(level: int, age: int, margin: int) -> int:
        return (1_000, 1_000, AGE_PRIOR_PERMILLE[age], MARGIN_PRIOR_PERMILLE[margin])[level]


def _strata(kinds: Kinds, age: int, margin: int) -> tuple[_Stratum, ...]:
    return (((), _ANY, _ANY), (kinds, _ANY, _ANY), (kinds, age, _ANY), (kinds, age, margin))
