"""What a plan promises holds. Oracles: the step loop of each pool run on copies, brute force over all cycles and many amounts."""

import os
import subprocess
import sys
from hashlib import sha256
from itertools import permutations, product
from pathlib import Path
from random import Random

import pytest

from alphapulse.amm.contest import TAKEN
from alphapulse.amm.uniswap_v3.pool import limit_of
from alphapulse.amm.uniswap_v3.pool import swap as swap_loop
from alphapulse.errors import Rejected
from alphapulse.execution.gas import GasModel
from alphapulse.market.pools import Market
from alphapulse.protocol.signals import ArbitrageSignal, SwapPath
from alphapulse.strategies.flash_arbitrage.confidence import Calibration
from alphapulse.strategies.flash_arbitrage.in_flight import InFlight
from alphapulse.strategies.flash_arbitrage.profitability import Assessment, Assessor
from alphapulse.strategies.flash_arbitrage.search import CycleSearch
from alphapulse.strategies.flash_arbitrage.selection import select
from alphapulse.strategies.flash_arbitrage.strategy import FlashArbitrage
from support.cycles import every_cycle, every_walk, sized
from support.flash import config_for, drafts_of, feed, plans_of, stop
from support.random_universe import make
from support.universe import V3

Q128 = 2**128
SEEDS = range(10)
GRID_PER_OCTAVE = 12


def decided(universe, borrowable=2, base_fee=10**9, **settings):
    strategy = FlashArbitrage(config_for(universe, borrowable=borrowable, **settings))
    said = feed(strategy, *universe.setup, universe.chain.block(1, base_fee=base_fee))
    return strategy, said


def paid_on_a_copy(pool, amount_in, zero_for_one):
    """What the pool's own arithmetic pays, written here from the contracts' formulas."""
    if pool.concentrated:
        limit = limit_of(zero_for_one=zero_for_one)
        after = swap_loop(pool.quoter.state(), zero_for_one, amount_in, limit)
        taken, paid = (
            (after.amount0, -after.amount1) if zero_for_one else (after.amount1, -after.amount0)
        )
        assert taken == amount_in
        return paid
    reserves = pool.quoter.reserve0, pool.quoter.reserve1
    reserve_in, reserve_out = reserves if zero_for_one else reserves[::-1]
    with_fee = amount_in * 997
    return with_fee * reserve_out // (reserve_in * 1000 + with_fee)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_plan_run_on_copies_of_its_pools_gives_its_amounts(seed):
    """Covers: G1, M10"""
    print(f"seed {seed}")
    universe = make(Random(seed), pools=10, noise=0.05)
    strategy, said = decided(universe, borrowable=3)
    used = set()
    for plan, draft in zip(plans_of(said), drafts_of(said), strict=True):
        signal, path = draft.tlvs[0], draft.tlvs[1]
        amount, token = plan.amount_in, plan.profit_token
        for hop, written in zip(plan.path, path.hop, strict=True):
            pool = strategy.market.pool(universe.chain.chain_id, hop.pool)
            assert pool.is_live
            assert hop.pool not in used
            used.add(hop.pool)
            assert (hop.amount_in, hop.token_in) == (amount, token)
            assert token == (pool.token0 if hop.zero_for_one else pool.token1)
            amount = paid_on_a_copy(pool, amount, hop.zero_for_one)
            token = pool.token1 if hop.zero_for_one else pool.token0
            assert (hop.amount_out, hop.token_out) == (amount, token)
            assert (written.amount_in, written.amount_out) == (hop.amount_in, hop.amount_out)
        assert token == plan.profit_token
        premium = (plan.amount_in * 5 + 5000) // 10_000
        assert plan.predicted_profit == amount - plan.amount_in - premium
        assert signal.flash_fee == premium
        assert signal.gross_profit == amount - plan.amount_in
        assert signal.net_profit == amount - plan.amount_in - premium - plan.gas_cost > 0
        assert plan.gas_cost <= plan.min_profit <= plan.predicted_profit
    assert plans_of(said), "no plan to look at: the universe is too calm"


def closed_walks(pools, token, max_hops=3):
    for hops in range(2, max_hops + 1):
        for path in permutations(pools, hops):
            at, walk = token, []
            for pool in path:
                if at not in (pool.token0, pool.token1):
                    break
                zero_for_one = at == pool.token0
                walk.append((pool, zero_for_one))
                at = pool.token1 if zero_for_one else pool.token0
            else:
                if at == token:
                    yield walk


def best_of_grid(walk, max_loan):
    """The best profit after the premium over a dense geometric grid, refined around its best point."""
    best, place = 0, 0
    octaves = max_loan.bit_length()
    grid = [int(2 ** (step / GRID_PER_OCTAVE)) for step in range(octaves * GRID_PER_OCTAVE)]
    for _ in range(2):
        for amount_in in grid:
            profit = profit_of(walk, amount_in) if 0 < amount_in <= max_loan else 0
            if profit > best:
                best, place = profit, amount_in
        if not place:
            return 0
        width = max(place // 10, 1)
        grid = [place - width + 2 * width * step // 200 for step in range(201)]
    return best


def profit_of(walk, amount_in):
    amount = amount_in
    try:
        for pool, zero_for_one in walk:
            amount = pool.quoter.amount_out(amount, zero_for_one)
            if amount == 0:
                return 0
    except Rejected:
        return 0
    return amount - amount_in - (amount_in * 5 + 5000) // 10_000


@pytest.mark.parametrize("seed", range(8))
def test_no_single_cycle_is_better_than_the_first_plan(seed):
    """Covers: M12"""
    print(f"seed {seed}")
    universe = make(Random(seed), pools=5, tokens=3, noise=0.04)
    # gas of next to nothing, so that profit alone decides
    config = config_for(universe, borrowable=2)
    strategy, said = decided(
        universe, base_fee=0, tip_per_gas_wei=0, gas_model=GasModel(0, 0, 0, 0)
    )
    pools = [pool for pool in strategy.market.pools.values() if pool.is_live]
    values = {universe.tokens[0]: Q128}
    dollar_pools = [p for p in pools if {p.token0, p.token1} == set(universe.tokens[:2])]
    deepest = max(dollar_pools, key=lambda pool: depth(pool, universe.tokens[1]))
    values[universe.tokens[1]] = deepest.quoter.marginal_rate_x128(
        deepest.token0 == universe.tokens[1]
    )
    best = 0
    for token in config.borrowable:
        for walk in closed_walks(pools, token.address):
            profit = best_of_grid(walk, token.max_loan)
            best = max(best, profit * values[token.address] // Q128)
    plans = plans_of(said)
    gas_and_rounding = 10**6 + 4 * max(values[token.address] // Q128 for token in config.borrowable)
    if not plans:
        assert best <= gas_and_rounding
        return
    value = plans[0].predicted_profit * values[plans[0].profit_token] // Q128
    assert value + gas_and_rounding >= best
    assert value == max(p.predicted_profit * values[p.profit_token] // Q128 for p in plans)


def depth(pool, token):
    if not pool.concentrated:
        return pool.quoter.reserve0 if token == pool.token0 else pool.quoter.reserve1
    root, liquidity = pool.quoter.sqrt_price_x96, pool.quoter.liquidity
    return (liquidity << 96) // root if token == pool.token0 else (liquidity * root) >> 96


@pytest.mark.parametrize("seed", SEEDS)
def test_the_choice_is_that_of_sizing_everything(seed):
    """Bounds and order of work save time and change no decision."""
    print(f"seed {seed}")
    universe = make(Random(seed), pools=12, noise=0.04)
    config = config_for(universe, borrowable=4)
    market = Market()
    for message in universe.messages():
        market.apply(message, 0)
    memory = InFlight.of(config)
    head = market.head(config.chain_id)
    memory.calibration = calibration = uneven(Random(seed), head)
    search = CycleSearch(config, market, memory)
    assessor = Assessor(config, search.roster, search.prices, head, calibration)
    terms = {"price_per_gas": assessor.price_per_gas, "resting": ()}
    contest = search.contest(tuple(market.pools), **terms)
    chosen = select(contest, assessor)
    everything = by_assessing_all(config, search, assessor)
    assert chosen == everything
    assert chosen
    assert [one.rank for one in chosen] == sorted((one.rank for one in chosen), reverse=True)
    assert contest.sized < sum(
        len(edges) for edges in every_cycle(search.roster, universe.tokens, 3)
    )
    assert sum(contest.ends()) == len(contest)
    assert contest.ends()[TAKEN] == len(chosen)


def by_assessing_all(config, search, assessor):
    """The best walk, the best of those that share no pool with it, and so on; ties by edges. Every walk is sized and costed."""
    limits = {token.address: token.max_loan for token in config.borrowable}
    ranked = []
    for edges in every_walk(search.roster, limits):
        sizing = sized(search.roster, edges, limits[search.roster.token_in[edges[0]]], 5)
        answer = assessor.assess(edges, sizing) if sizing else None
        if isinstance(answer, Assessment):
            start = (-edges.index(min(edges))) % len(edges)
            cycle = edges[-start:] + edges[:-start] if start else edges
            ranked.append((-answer.rank, cycle, start, answer))
    taken, chosen = set(), []
    for *_, answer in sorted(ranked, key=lambda one: one[:3]):
        pools = {edge >> 1 for edge in answer.edges}
        if not pools & taken:
            taken |= pools
            chosen.append(answer)
    return chosen


def uneven(random, head):
    """A record in which some kinds of paths came true and others did not."""
    calibration = Calibration()
    calibration.on_block(head.block, head.event_ns, head.event_ns)
    for hops in (2, 3):
        for kinds in product((0, 1), repeat=hops):
            rate = random.random()
            for _ in range(30):
                forecast = calibration.forecast(kinds, random.randrange(1, 50), 1_000)
                calibration.record(forecast, succeeded=random.random() < rate, actual_profit=990)
    return calibration


@pytest.mark.parametrize("seed", SEEDS)
def test_the_order_in_which_pools_become_known_is_irrelevant(seed):
    print(f"seed {seed}")
    universe = make(Random(seed), pools=9, noise=0.05)
    _, said = decided(universe, borrowable=3)
    tokens, groups = [], []
    for message in universe.setup:
        kind = type(message.tlvs[0]).__name__
        if kind == "InstrumentMeta" and not message.tlvs[0].leg:
            tokens.append(message)
        elif kind == "InstrumentMeta":
            groups.append([message])
        else:
            groups[-1].append(message)
    Random(seed + 1).shuffle(groups)
    shuffled = FlashArbitrage(config_for(universe, borrowable=3))
    messages = [*tokens, *(message for group in groups for message in group)]
    again = feed(shuffled, *messages, universe.chain.block(1))
    assert [plan.canonical() for plan in plans_of(again)] == [
        plan.canonical() for plan in plans_of(said)
    ]


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_is_planned_through_a_stale_pool(seed):
    """Covers: E12"""
    print(f"seed {seed}")
    random = Random(seed)
    universe = make(random, pools=9, noise=0.05)
    strategy = FlashArbitrage(config_for(universe, borrowable=3))
    feed(strategy, *universe.setup)
    stale = random.sample(universe.pools, 4)
    for address in stale:
        venue = universe.chain.pools[address][0]
        feed(
            strategy, universe.chain.invalidate(random.choice((1, 2)), venue=venue, address=address)
        )
    for plan in plans_of(feed(strategy, universe.chain.block(1))):
        assert not {hop.pool for hop in plan.path} & set(stale)
    funnel = strategy.statistics().funnel
    assert sum(funnel.outcomes.values()) == funnel.candidates


@pytest.mark.parametrize("seed", SEEDS)
def test_looking_at_changes_only_finds_what_looking_at_everything_finds(seed):
    """A pool moves; the strategy that saw every block and one that starts now agree on the best plan through that pool."""
    print(f"seed {seed}")
    random = Random(seed)
    universe = make(random, pools=8, noise=0.0, v3_share=0.3)
    old, said = decided(universe, borrowable=3)
    assert plans_of(said) == []
    pairs = [address for address in universe.pools if universe.chain.pools[address][0] != V3]
    pool = old.market.pool(universe.chain.chain_id, random.choice(pairs))
    moved = universe.chain.sync(
        pool.key.address, pool.quoter.reserve0, pool.quoter.reserve1 * 107 // 100, 2
    )
    fresh = FlashArbitrage(config_for(universe, borrowable=3))
    block = universe.chain.block(2)
    feed(fresh, stop(universe.chain, 1), *universe.setup, universe.chain.block(1))
    feed(fresh, stop(universe.chain, 2))  # after a stop everything is looked at
    assert [p.canonical() for p in plans_of(feed(old, moved, block))] == [
        p.canonical() for p in plans_of(feed(fresh, moved, block))
    ]


def digest_of_seeds():
    digest = sha256()
    for seed in range(4):
        universe = make(Random(seed), pools=12, noise=0.05)
        _, said = decided(universe, borrowable=3)
        for plan, draft in zip(plans_of(said), drafts_of(said), strict=True):
            digest.update(plan.canonical())
            digest.update(repr(draft).encode())
            assert isinstance(draft.tlvs[0], ArbitrageSignal)
            assert isinstance(draft.tlvs[1], SwapPath)
    return digest.hexdigest()


def test_the_hash_seed_of_the_process_changes_nothing():
    """Covers: P3"""
    root = Path(__file__).parents[2]
    program = (
        "import sys; sys.path[:0] = sys.argv[1:]\n"
        "from test_strategy_plans import digest_of_seeds\nprint(digest_of_seeds())"
    )
    paths = [str(root / "src"), str(root / "tests"), str(root / "tests" / "property")]
    seen = {digest_of_seeds()}
    for hash_seed in ("0", "1", "4242"):
        done = subprocess.run(
            [sys.executable, "-c", program, *paths],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        seen.add(done.stdout.strip())
    assert len(seen) == 1
