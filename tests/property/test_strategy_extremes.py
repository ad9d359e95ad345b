"""Pools of any size and price: the strategy answers or rejects, and what it says fits the wire. Oracle: the laws of a signal."""

from random import Random

import pytest

from alphapulse.amm.uniswap_v3.tick_math import sqrt_ratio_at_tick
from alphapulse.protocol.codec import decode, encode
from alphapulse.protocol.header import Header
from alphapulse.protocol.message import Message
from alphapulse.strategies.flash_arbitrage.strategy import FlashArbitrage
from support.flash import config_for, drafts_of, feed, plans_of
from support.random_universe import SPACINGS, Universe, make
from support.universe import V2_A, V2_B, V3, address_of


def any_universe(random: Random) -> Universe:
    """Return pools from dust to the widest the contracts can hold, at any price."""
    universe = make(random, tokens=3, pools=0)
    for number in range(random.randrange(2, 8)):
        token0, token1 = sorted(random.sample(universe.tokens, 2))
        add_any_pool(random, universe, address_of(f"any{number}"), token0, token1)
    return universe


def add_any_pool(random, universe, address, token0, token1):
    chain = universe.chain
    if random.random() < 0.5:
        venue = random.choice((V2_A, V2_B))
        universe.setup.append(chain.pool(address, token0, token1, venue=venue))
        reserves = [random.randrange(2 ** random.randrange(1, 113)) for _ in range(2)]
        universe.setup.append(chain.state_v2(address, *reserves, 1))
        return
    fee_pips = random.choice(tuple(SPACINGS))
    spacing = SPACINGS[fee_pips]
    universe.setup.append(
        chain.pool(address, token0, token1, venue=V3, fee_pips=fee_pips, tick_spacing=spacing)
    )
    top = 887272 // spacing
    tick = random.choice((random.randrange(-887272, 887272), random.randrange(-60_000, 60_000)))
    ticks, active = {}, 0
    for _ in range(random.randrange(4)):
        lower, upper = sorted(random.sample(range(-top, top + 1), 2))
        amount = random.randrange(1, 2 ** random.randrange(1, 100))
        for at, sign in ((lower * spacing, 1), (upper * spacing, -1)):
            gross, net = ticks.get(at, (0, 0))
            ticks[at] = (gross + amount, net + sign * amount)
        active += amount if lower * spacing <= tick < upper * spacing else 0
    rows = [(at, gross, net) for at, (gross, net) in sorted(ticks.items())]
    price = sqrt_ratio_at_tick(tick)
    universe.setup += chain.state_v3(address, price, tick, active, rows, 1)


@pytest.mark.parametrize("seed", [*range(40), 1227, 1525])
def test_any_pools_give_laws_abiding_signals_or_none(seed):
    """Covers: M4, M13"""
    print(f"seed {seed}")
    random = Random(seed)
    universe = any_universe(random)
    strategy = FlashArbitrage(config_for(universe, borrowable=3))
    said = feed(strategy, *universe.setup, universe.chain.block(1, base_fee=random.randrange(100)))
    funnel = strategy.statistics().funnel
    assert sum(funnel.outcomes.values()) == funnel.candidates
    for plan, draft in zip(plans_of(said), drafts_of(said), strict=True):
        message = Message(Header(draft.domain, draft.source, 0x10, 1, 1), draft.tlvs)
        assert decode(encode(message)) == message
        signal = draft.tlvs[0]
        costs = signal.flash_fee + signal.gas_cost + signal.slippage_allowance
        assert signal.net_profit == signal.gross_profit - costs > 0
        assert signal.gas_cost <= signal.min_profit <= plan.predicted_profit
        assert plan.min_profit > 0
        assert plan.canonical()
