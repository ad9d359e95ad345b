"""The fold obeys its laws whatever the messages. Oracle: an independent replay of the same events, and invariants."""

from random import Random

import pytest

from alphapulse.amm.uniswap_v3.pool import swap as swap_loop
from alphapulse.market.pools import Market
from alphapulse.protocol.market_data import BLOCK_LEVEL, ChainEvent
from support.random_universe import make
from support.universe import V2_A, V2_B, V3

SEEDS = range(6)


def history(seed, blocks=12):
    """Messages of a universe that lives for some blocks, and the random source that made them."""
    random = Random(seed)
    universe = make(random, pools=7)
    market = Market()
    out = universe.messages()
    for message in out:
        market.apply(message, 0)
    for block in range(2, 2 + blocks):
        for _ in range(random.randrange(4)):
            message = random_log(random, universe, market, block)
            if message is not None:
                market.apply(message, 0)
                out.append(message)
        closing = universe.chain.block(block)
        market.apply(closing, 0)
        out.append(closing)
    return universe, out


def random_log(random, universe, market, block):
    address = random.choice(universe.pools)
    pool, chain = market.pool(universe.chain.chain_id, address), universe.chain
    if not pool.concentrated:
        return chain.sync(address, random.randrange(1, 2**100), random.randrange(1, 2**100), block)
    state = pool.quoter.state()
    if random.random() < 0.4:
        lower, upper = sorted(random.sample(range(-40, 40), 2))
        spacing = pool.tick_spacing
        middle = state.tick // spacing
        return chain.liquidity(
            address,
            (middle + lower) * spacing,
            (middle + upper) * spacing,
            random.randrange(1, 10**12),
            block,
        )
    return swap_message(random, chain, address, state, block)


def swap_message(random, chain, address, state, block):
    zero_for_one = random.random() < 0.5
    limit = state.sqrt_price_x96 * (99 if zero_for_one else 101) // 100
    after = swap_loop(state, zero_for_one, 10 ** random.randrange(3, 24), limit)
    return chain.swap_v3(address, after.sqrt_price_x96, after.tick, after.liquidity, block)


def states(market):
    return [
        (key, pool.status, pool.position, pool.quoter.fingerprint() if pool.quoter else b"")
        for key, pool in sorted(market.pools.items())
    ]


def folded(messages):
    market = Market()
    for message in messages:
        market.apply(message, message.header.timestamp_ns)
    return market


@pytest.mark.parametrize("seed", SEEDS)
def test_a_live_history_leaves_every_pool_live_and_conserved(seed):
    print(f"seed {seed}")
    _, messages = history(seed)
    market = folded(messages)
    assert market.statistics().late == 0
    for pool in market.pools.values():
        assert pool.is_live, pool.track.cause
        if pool.concentrated:
            pool.quoter.check()
            assert sum(net for _, net in pool.quoter.state().ticks.values()) == 0


@pytest.mark.parametrize("seed", SEEDS)
def test_repeats_change_nothing(seed):
    """Covers: E2"""
    print(f"seed {seed}")
    _, messages = history(seed)
    random = Random(seed)
    doubled, logs = [], []
    for message in messages:
        doubled.append(message)
        event = message.first(ChainEvent)
        if event is not None and event.log_index != BLOCK_LEVEL:
            logs.append(message)
        if logs and random.random() < 0.5:
            doubled.append(random.choice(logs))
    assert len(doubled) > len(messages)
    assert states(folded(doubled)) == states(folded(messages))


@pytest.mark.parametrize("seed", SEEDS)
def test_fold_in_parts_equals_fold_in_one(seed):
    print(f"seed {seed}")
    _, messages = history(seed)
    cut = Random(seed).randrange(len(messages))
    market = folded(messages[:cut])
    market.view()
    for message in messages[cut:]:
        market.apply(message, 0)
    assert states(market) == states(folded(messages))


@pytest.mark.parametrize("seed", SEEDS)
def test_stale_state_is_unusable_and_resumes_as_it_was(seed):
    """Covers: E12"""
    print(f"seed {seed}")
    universe, messages = history(seed)
    market = folded(messages)
    before = states(market)
    for venue in (V2_A, V2_B, V3):
        market.apply(universe.chain.invalidate(2, venue=venue), 0)
    assert market.live(universe.chain.chain_id) == ()
    for venue in (V2_A, V2_B, V3):
        market.apply(universe.chain.invalidate(3, venue=venue), 0)
    assert states(market) == before
