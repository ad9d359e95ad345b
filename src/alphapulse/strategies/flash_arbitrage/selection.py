"""The best plans of a block: highest expected net profit first, each pool used once, as few cycles sized as that takes.

The contest hands out sized walks by the most they could be worth; each is costed and waits here by what it is worth. Once nothing in the
contest can beat the best that waits, that one is chosen. So the choice is the same as if everything had been sized and costed.
"""

from heapq import heappop, heappush

from alphapulse.amm.kernel import CycleContest
from alphapulse.strategies.flash_arbitrage.outcome import RANK, Outcome
from alphapulse.strategies.flash_arbitrage.profitability import Assessment, Assessor

__all__ = ["select"]


def select(contest: CycleContest, assessor: Assessor) -> list[Assessment]:
    """Return the chosen walks, best first; the contest then knows every cycle's end.

    Values are net profit in wei of the native token, so that profits in different tokens compare, times the confidence in it. Equal
    values go to the candidate with the lower edges, then to the earlier offset.
    """
    chosen: list[Assessment] = []
    queue: list[tuple[int, int, int, Assessment]] = []
    walk = contest.best(0)
    while walk is not None or queue:
        if walk is not None:
            answer = assessor.assess(walk.edges, walk.sizing)
            if isinstance(answer, Outcome):
                contest.close(walk.place, RANK[answer])
            else:
                heappush(queue, (-answer.rank, walk.place, walk.start, answer))
        else:
            _, place, _, assessment = heappop(queue)
            if contest.take(place):
                chosen.append(assessment)
        walk = contest.best(-queue[0][0] if queue else 0)
    return chosen
