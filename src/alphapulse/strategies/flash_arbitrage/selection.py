"""The best plans of a block: highest expected net profit first, each pool used once, as few cycles sized as that takes.

Every way to walk a candidate waits in a queue by the most it could earn; the top is sized and put back by what it does earn. When a
sized one is on top, nothing that waits can beat it. So the choice is the same as if everything had been sized.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush

from alphapulse.market.screen import CycleScreen
from alphapulse.strategies.flash_arbitrage.confidence import rank_key
from alphapulse.strategies.flash_arbitrage.outcome import Funnel, Outcome, farther
from alphapulse.strategies.flash_arbitrage.profitability import Assessment, Assessor, Way
from alphapulse.strategies.flash_arbitrage.search import Candidate

__all__ = ["select"]

_UNSIZED = 0
_SIZED = 1


@dataclass(slots=True)
class _Contender:
    """A candidate on its way to its outcome; `ways` are the offsets that may still win."""

    candidate: Candidate
    ways: int
    outcome: Outcome = Outcome.NO_PROFIT
    is_settled: bool = False


_Entry = tuple[int, int, int, int, Assessment | None]
"""Negated rank, stage, place of the contender, offset, and what is known."""


def select(
    candidates: Sequence[Candidate], assessor: Assessor, screen: CycleScreen, funnel: Funnel
) -> tuple[list[Assessment], list[tuple[Candidate, Outcome]]]:
    """Return the chosen walks, best first, and every other candidate with its outcome.

    Values are net profit in wei of the native token, so that profits in different tokens compare, times the confidence in it; a walk
    waits with the most of both that it could have. Equal values go to the
    candidate with the lower edges, then to the earlier offset.
    """
    contenders: list[_Contender] = []
    queue: list[_Entry] = []
    for place, candidate in enumerate(candidates):
        contender = _Contender(candidate, len(candidate.cycle.starts))
        contenders.append(contender)
        ways = assessor.ways(candidate.cycle)
        bounds = screen.bounds(candidate.cycle, candidate.gain, [way.max_loan for way in ways])
        for way, bound in zip(ways, bounds, strict=True):
            most = _most(way, bound, assessor.least_net)
            if isinstance(most, Outcome):
                _close_way(contender, most)
            else:
                rank = rank_key(most, way.most_confidence)
                queue.append((-rank, _UNSIZED, place, way.start, None))
    heapify(queue)
    chosen: list[Assessment] = []
    taken: set[int] = set()
    while queue:
        _, _, place, start, assessment = heappop(queue)
        contender = contenders[place]
        if contender.is_settled:
            continue
        pools = contender.candidate.cycle.pools()
        if not taken.isdisjoint(pools):
            _settle(contender, Outcome.OVERLAPPING)
        elif assessment is not None:
            taken.update(pools)
            chosen.append(assessment)
            _settle(contender, Outcome.SIGNALLED)
        else:
            funnel.sized += 1
            answer = assessor.assess(contender.candidate.cycle, start)
            if isinstance(answer, Outcome):
                _close_way(contender, answer)
            else:
                heappush(queue, (-answer.rank, _SIZED, place, start, answer))
    return chosen, list(_rejected(contenders))


def _most(way: Way, bound: int, least_net: int) -> int | Outcome:
    """Return wei that a walk cannot exceed net of gas, or why it cannot be chosen."""
    if way.native is None:
        return Outcome.NO_PRICE
    most = way.native.ceil(bound) - way.least_gas_cost
    if most <= 0:
        return Outcome.BELOW_GAS
    return most if most >= least_net else Outcome.BELOW_MIN_PROFIT


def _close_way(contender: _Contender, outcome: Outcome) -> None:
    contender.ways -= 1
    contender.outcome = farther(contender.outcome, outcome)
    if contender.ways == 0:
        contender.is_settled = True


def _settle(contender: _Contender, outcome: Outcome) -> None:
    contender.outcome = outcome
    contender.is_settled = True


def _rejected(contenders: Iterable[_Contender]) -> Iterable[tuple[Candidate, Outcome]]:
    for contender in contenders:
        if contender.outcome is not Outcome.SIGNALLED:
            yield contender.candidate, contender.outcome
