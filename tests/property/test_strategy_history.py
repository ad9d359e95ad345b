"""A life of random blocks, faults, results and stops keeps the strategy's laws. Oracle: a plain model of what is in flight."""

from random import Random

import pytest

from alphapulse.amm.uniswap_v3.pool import swap as swap_loop
from alphapulse.strategies.flash_arbitrage.strategy import FlashArbitrage
from support.flash import config_for, feed, plans_of, result, stop
from support.random_universe import make

BLOCKS = 40
MARGIN = 2


class Life:
    """Random messages, and what a reader of them knows."""

    def __init__(self, seed):
        self.random = Random(seed)
        self.universe = make(self.random, tokens=4, pools=9, noise=0.02)
        self.chain = self.universe.chain
        self.strategy = FlashArbitrage(self.config())
        self.messages = []
        self.flights = {}
        self.plans = []
        self.is_stopped = False
        self.say(*self.universe.setup)

    def config(self):
        return config_for(self.universe, borrowable=3, busy_margin_blocks=MARGIN, suppress_blocks=4)

    def say(self, *messages):
        self.messages += messages
        return feed(self.strategy, *messages)

    def shake(self, block):
        """Say some of what can happen within a block."""
        for _ in range(self.random.randrange(4)):
            self.trade(block)
        if self.random.random() < 0.2:
            venue = self.random.choice((300, 301, 302))
            address = self.random.choice((None, *self.universe.pools))
            venue = self.chain.pools[address][0] if address else venue
            action = self.random.choice((2, 3, 3))
            self.say(self.chain.invalidate(action, venue=venue, address=address))
        if self.random.random() < 0.1:
            self.is_stopped = self.random.random() < 0.5
            self.say(stop(self.chain, 1 if self.is_stopped else 2))
        for plan, _ in list(self.flights.values()):
            if self.random.random() < 0.4:
                status = self.random.choice((1, 1, 2, 4, 6))
                self.say(result(self.chain, plan, status=status, flags=3 if status == 4 else 1))
                del self.flights[plan.signal_id]

    def trade(self, block):
        address = self.random.choice(self.universe.pools)
        pool = self.strategy.market.pool(self.chain.chain_id, address)
        if not pool.concentrated:
            r0, r1 = pool.quoter.reserve0, pool.quoter.reserve1
            tilt = 1000 + self.random.randrange(-15, 16)
            self.say(self.chain.sync(address, r0 * tilt // 1000, r1 * 1000 // tilt, block))
            return
        state, zero_for_one = pool.quoter.state(), self.random.random() < 0.5
        limit = state.sqrt_price_x96 * (990 if zero_for_one else 1010) // 1000
        after = swap_loop(state, zero_for_one, 10 ** self.random.randrange(6, 24), limit)
        self.say(
            self.chain.swap_v3(address, after.sqrt_price_x96, after.tick, after.liquidity, block)
        )

    def close(self, block):
        for plan, free_after in list(self.flights.values()):
            if free_after < block:
                del self.flights[plan.signal_id]
        plans = plans_of(
            self.say(self.chain.block(block, base_fee=10 ** self.random.randrange(5, 10)))
        )
        for plan in plans:
            self.check(plan)
            self.flights[plan.signal_id] = (plan, plan.valid_until_block + MARGIN)
            self.plans.append(plan)

    def check(self, plan):
        assert not self.is_stopped
        used = {hop.pool for other, _ in self.flights.values() for hop in other.path}
        for hop in plan.path:
            assert hop.pool not in used
            assert self.strategy.market.pool(self.chain.chain_id, hop.pool).is_live
        assert plan.signal_id not in {other.signal_id for other in self.plans}


@pytest.mark.parametrize("seed", range(12))
def test_a_random_life_keeps_the_laws_and_repeats_itself(seed):
    """Covers: B3, E12"""
    print(f"seed {seed}")
    life = Life(seed)
    life.close(1)
    for block in range(2, BLOCKS):
        life.shake(block)
        life.close(block)
        funnel = life.strategy.statistics().funnel
        assert sum(funnel.outcomes.values()) == funnel.candidates
        assert life.strategy.statistics().in_flight == len(life.flights)
    again = plans_of(feed(FlashArbitrage(life.config()), *life.messages))
    assert [plan.canonical() for plan in again] == [plan.canonical() for plan in life.plans]
    print(f"{len(life.plans)} plans, {life.strategy.statistics().funnel.outcomes}")
