"""The best plan over many pools at once: several walks from the profit token back to it, paid for by one loan.

The dual problem says at which prices no pool disagrees and what each pool trades there; those flows are taken apart into walks,
rounded, and run exactly one after the other. Walks that remain open are added, best first. Beside it stands the plan that takes the
best single walk again and again; the better of the two is returned, so no single walk is ever better.

A plan moves intermediate tokens along its walks only: each step sells all that the step before paid. So nothing but profit token is
left, to the unit, and the contract can run it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import pairwise, takewhile

from alphapulse.amm.network_curve import log_cost_of
from alphapulse.amm.network_dual import Flow, Solution, Vector, Wire, solve
from alphapulse.amm.network_walks import NetworkPool, Walk, WalkSearch
from alphapulse.amm.sizing import premium
from alphapulse.amm.uniswap_v3.full_math import div_floor
from alphapulse.errors import Rejected, ValueOutOfRange

__all__ = [
    "ContractPath",
    "FlowPlan",
    "Leg",
    "NetworkPool",
    "as_contract_path",
    "as_contract_paths",
    "optimal_flow",
]

CONTRACT_POOLS_MAX = 8  # steps that one run of the contract takes
WALK_STEPS_MAX = 8
WALKS_MAX = 1_024  # walks of one plan
SEARCHES_MAX = 32  # single walks that are added to the dual's
RIVAL_WALKS_MAX = 8  # walks of the plan that knows single walks only
WORTHWHILE = 1_000  # a solution that adds less than this part of what there is was the last one
DUAL_ROUNDS_MAX = 3  # solutions of the dual, each on what the walks of the one before have left
GAS_ROUNDS_MAX = 3  # solutions of the dual, each without the pools that did not earn their gas
REST_SHIFT = 20  # what is left of a flow below a millionth of it is noise


@dataclass(frozen=True, slots=True)
class Leg:
    """One step of a plan: an exact input and what it pays."""

    pool_index: int
    zero_for_one: bool
    amount_in: int
    amount_out: int


@dataclass(frozen=True, slots=True)
class FlowPlan:
    """Steps in the order in which they run; `starts` are the places of those that sell profit token.

    Units   loan, premium, profit and gas in smallest units of the profit token.
    Range   profit is what remains after loan and premium are repaid; net_profit is that less gas, and above 0.
    """

    legs: tuple[Leg, ...]
    starts: tuple[int, ...]
    loan: int
    premium: int
    profit: int
    gas: int

    @property
    def net_profit(self) -> int:
        """Return what is left after gas."""
        return self.profit - self.gas


@dataclass(frozen=True, slots=True)
class ContractPath:
    """One run of the contract: pools by index, and the amounts of its calldata, 0 for all that the step before paid.

    The first amount is the loan. A later one that is not 0 sells so much profit token out of what the run holds by then.
    """

    pools: tuple[int, ...]
    amounts: tuple[int, ...]
    premium: int
    profit: int


def optimal_flow(
    pools: Sequence[NetworkPool],
    profit_token: int,
    *,
    premium_bps: int,
    max_loan: int,
    max_hops: int = 3,
) -> FlowPlan | None:
    """Return the plan that leaves most profit token after premium and gas, None when none leaves anything.

    Units   premium_bps of the loan; max_loan and gas in smallest units of the profit token.
    Range   max_loan > 0; max_hops, 2 ... 4, is the length of the single walks that the plan is compared with; its own walks have
            up to 8 steps. Tokens are small numbers.
    Raises  ValueOutOfRange for another max_hops. Deterministic, whatever the order of equal plans.
    Source  MATH section 6.
    """
    if not pools:
        return None
    search = WalkSearch(pools, profit_token, max_hops=max_hops)
    terms = _Terms(profit_token, premium_bps, max_loan)
    greedy = _continued(search, [], terms, RIVAL_WALKS_MAX)
    search.restart()
    taken: list[Walk] = []
    near: Vector | None = None
    for _ in range(DUAL_ROUNDS_MAX):
        solution = _solved(search, pools, terms, 0 if taken else premium_bps, near)
        near = solution.log_prices
        more = _run(search, _paths(solution.flows, search, profit_token), terms, taken)
        taken += more
        if _gross(more) * WORTHWHILE <= _gross(taken):
            break
    flowing = _continued(search, taken, terms, SEARCHES_MAX)
    plans = [_plan(walks, search, premium_bps) for walks in (greedy, flowing) if walks]
    return max(plans, key=_net_profit, default=None)


def as_contract_path(plan: FlowPlan) -> ContractPath | None:
    """Return the one run that executes a plan, None when it has more steps than a run takes."""
    if len(plan.legs) > CONTRACT_POOLS_MAX:
        return None
    return _path(plan.legs, plan.starts, plan.premium, plan.profit)


def as_contract_paths(plan: FlowPlan, premium_bps: int) -> tuple[ContractPath, ...]:
    """Return the runs that execute a plan in order, within one block or on an unchanged state.

    Each run takes a loan of its own, so together they pay more premium than the plan does. A walk never spans two runs. They end
    before the first that would not repay its own loan, since those after it are quoted on what it leaves.
    """
    runs: list[ContractPath] = []
    first, held = 0, 0
    ends = (*plan.starts[1:], len(plan.legs))
    begun: list[int] = []
    for start, end in zip(plan.starts, ends, strict=True):
        amount_in = plan.legs[start].amount_in
        if begun and (end - first > CONTRACT_POOLS_MAX or amount_in > held):
            runs.append(_chunk(plan, begun, start, premium_bps))
            begun = []
        if not begun:
            first, held = start, amount_in
        begun.append(start)
        held += plan.legs[end - 1].amount_out - amount_in
    runs.append(_chunk(plan, begun, len(plan.legs), premium_bps))
    return tuple(takewhile(_repays, runs))


@dataclass(frozen=True, slots=True)
class _Terms:
    """What a loan is of, what it costs, and how large it may be."""

    home: int
    premium_bps: int
    max_loan: int


def _chunk(plan: FlowPlan, starts: Sequence[int], end: int, premium_bps: int) -> ContractPath:
    legs = plan.legs[starts[0] : end]
    owed = premium(legs[0].amount_in, premium_bps)
    gross = sum(
        plan.legs[stop - 1].amount_out - plan.legs[start].amount_in
        for start, stop in zip(starts, (*starts[1:], end), strict=True)
    )
    return _path(legs, [start - starts[0] for start in starts], owed, gross - owed)


def _path(legs: Sequence[Leg], starts: Sequence[int], owed: int, profit: int) -> ContractPath:
    amounts = [0] * len(legs)
    for start in starts:
        amounts[start] = legs[start].amount_in
    return ContractPath(tuple(leg.pool_index for leg in legs), tuple(amounts), owed, profit)


def _repays(run: ContractPath) -> bool:
    return run.profit > 0


def _net_profit(plan: FlowPlan) -> int:
    return plan.net_profit


def _plan(walks: Sequence[Walk], search: WalkSearch, premium_bps: int) -> FlowPlan:
    legs: list[Leg] = []
    starts: list[int] = []
    for walk in walks:
        starts.append(len(legs))
        for place, edge in enumerate(walk.edges):
            legs.append(Leg(edge >> 1, not edge & 1, *walk.amounts[place : place + 2]))
    loan = walks[0].amount_in
    owed = premium(loan, premium_bps)
    profit = _gross(walks) - owed
    gas = sum(search.gas_of(walk.edges) for walk in walks)
    return FlowPlan(tuple(legs), tuple(starts), loan, owed, profit, gas)


def _continued(search: WalkSearch, walks: Sequence[Walk], terms: _Terms, most: int) -> list[Walk]:
    """Return the walks and, best first, at most so many that still leave something after them.

    The first walk pays the premium; later ones use what is held by then and pay none.
    """
    found = list(walks)
    for _ in range(most):
        walk = search.best(
            premium_bps=0 if found else terms.premium_bps, max_loan=_held(found, terms)
        )
        if walk is None:
            break
        search.take(walk)
        found.append(walk)
    return found


def _held(walks: Sequence[Walk], terms: _Terms) -> int:
    return walks[0].amount_in + _gross(walks) if walks else terms.max_loan


def _gross(walks: Iterable[Walk]) -> int:
    return sum(walk.gross_profit for walk in walks)


def _solved(
    search: WalkSearch,
    pools: Sequence[NetworkPool],
    terms: _Terms,
    premium_bps: int,
    near: Vector | None,
) -> Solution:
    """Return the dual's flows on the present state over the pools that earn their gas; it begins at the log prices `near`."""
    search.refresh()
    log_cost = log_cost_of(premium_bps)
    indices = _cyclic(pools)
    tokens = max((*search.sources, terms.home)) + 1
    for _ in range(GAS_ROUNDS_MAX):
        wires = []
        for index in indices:
            for edge in (2 * index, 2 * index + 1):
                source = search.sources[edge]
                toll = log_cost if source == terms.home else 0
                wires.append(Wire(edge, source, search.targets[edge], search.curves[edge], toll))
        solution = solve(wires, tokens, terms.home, near=near)
        near = solution.log_prices
        poor = {
            flow.edge >> 1 for flow in solution.flows if flow.earning < search.gas_of((flow.edge,))
        }
        if not poor:
            break
        indices = [index for index in indices if index not in poor]
    return solution


def _cyclic(pools: Sequence[NetworkPool]) -> list[int]:
    """Return the pools without those that end at a token which no other pool has."""
    kept = list(range(len(pools)))
    for _ in range(len(pools)):
        degree: dict[int, int] = {}
        for index in kept:
            for token in (pools[index].token0, pools[index].token1):
                degree[token] = degree.get(token, 0) + 1
        inner = [i for i in kept if min(degree[pools[i].token0], degree[pools[i].token1]) > 1]
        if len(inner) == len(kept):
            break
        kept = inner
    return kept


def _paths(
    flows: Iterable[Flow], search: WalkSearch, home: int
) -> list[tuple[tuple[int, ...], int]]:
    """Return the flows as walks with their inputs, widest first."""
    rest = {flow.edge: [flow.amount_in, flow.worth] for flow in flows}
    whole = {flow.edge: flow for flow in flows}
    found = []
    for _ in range(min(len(rest), WALKS_MAX)):
        edges = _widest(rest, search, home)
        if edges is None:
            break
        amount_in, inputs = _filling(edges, rest, whole)
        found.append((edges, amount_in))
        for edge, amount in zip(edges, inputs, strict=True):
            flow, row = whole[edge], rest[edge]
            row[0] -= amount
            row[1] = div_floor(flow.worth * row[0], flow.amount_in)
            if row[0] <= flow.amount_in >> REST_SHIFT:
                del rest[edge]
    return found


def _filling(
    edges: Sequence[int], rest: dict[int, list[int]], whole: dict[int, Flow]
) -> tuple[int, list[int]]:
    """Return the largest input of a walk that no edge's rest is exceeded by, and the inputs along it."""
    inputs = [rest[edges[0]][0]]
    for edge, onward in pairwise(edges):
        flow = whole[edge]
        amount = div_floor(inputs[-1] * flow.amount_out, flow.amount_in)
        most = rest[onward][0]
        if amount > most:
            inputs = [div_floor(one * most, amount) for one in inputs]
            amount = most
        inputs.append(amount)
    return inputs[0], inputs


def _widest(rest: dict[int, list[int]], search: WalkSearch, home: int) -> tuple[int, ...] | None:
    """Return the walk from profit token to profit token whose least worth is greatest, None when there is none."""
    onward: dict[int, list[int]] = {}
    for edge in sorted(rest):
        onward.setdefault(search.sources[edge], []).append(edge)
    queue: list[tuple[int, tuple[int, ...]]] = []
    for edge in onward.get(home, ()):
        heappush(queue, (-rest[edge][1], (edge,)))
    met: set[int] = set()
    while queue:
        width, path = heappop(queue)
        token = search.targets[path[-1]]
        if token == home:
            return path
        if token in met or len(path) == WALK_STEPS_MAX:
            continue
        met.add(token)
        for edge in onward.get(token, ()):
            if search.targets[edge] not in met:
                heappush(queue, (max(width, -rest[edge][1]), (*path, edge)))
    return None


def _run(
    search: WalkSearch,
    paths: Sequence[tuple[tuple[int, ...], int]],
    terms: _Terms,
    before: Sequence[Walk],
) -> list[Walk]:
    """Return the walks that leave something when they run one after the other, largest input first, after those before.

    A walk that shares no pool is sized for itself; the others keep the inputs that the dual gave them.
    """
    uses: dict[int, int] = {}
    for edges, _ in paths:
        for edge in edges:
            uses[edge >> 1] = uses.get(edge >> 1, 0) + 1
    walks: list[Walk] = []
    for edges, wanted in sorted(paths, key=lambda path: (-path[1], path[0])):
        done = [*before, *walks]
        if len(done) == WALKS_MAX:
            break
        premium_bps = 0 if done else terms.premium_bps
        most = _held(done, terms)
        if all(uses[edge >> 1] == 1 for edge in edges):
            walk = search.sized(edges, premium_bps=premium_bps, max_loan=most)
        else:
            walk = _quoted(search, edges, min(wanted, most), premium_bps)
        if walk is not None:
            search.take(walk)
            walks.append(walk)
    return walks


def _quoted(
    search: WalkSearch, edges: tuple[int, ...], amount_in: int, premium_bps: int
) -> Walk | None:
    try:
        amounts = search.state.walk(edges, amount_in)
    except (Rejected, ValueOutOfRange):
        return None
    owed = premium(amount_in, premium_bps)
    net = amounts[-1] - amount_in - owed - search.gas_of(edges)
    return Walk(edges, amounts, net) if net > 0 else None
