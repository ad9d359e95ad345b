"""Pools of both twins through the same random and hostile histories, every answer compared.

Oracle: the readable Python, which the deployed bytecode stands behind. Covers: M13, M14, P6.
"""

import random

import pytest

from alphapulse.amm.pool import V2Pool, V3Pool
from alphapulse.amm.uniswap_v3.pool import V3State, limit_of, swap
from alphapulse.amm.uniswap_v3.tick_math import (
    MAX_SQRT_RATIO,
    MAX_TICK,
    MIN_SQRT_RATIO,
    MIN_TICK,
    sqrt_ratio_at_tick,
    tick_at_sqrt_ratio,
)
from alphapulse.errors import AlphaPulseError
from support.amm_evm import seed_of_run
from support.amm_random import v3_state
from support.kernel_twins import RUST, needs_rust, rust_twin, said

pytestmark = needs_rust

HISTORIES = 400
EVENTS = 12
PAIR_EVENTS = 3000
QUESTIONS = ("amount_out", "amount_in", "least_amount_in", "ticks_crossed", "segment")
HOSTILE = (
    -(2**300), -(2**255), -1, 0, 1, 2**63, 2**64 - 1, 2**64, 2**111, 2**112 - 1, 2**112, 2**127,
    2**128 - 1, 2**128, 2**160 - 1, 2**160, 2**255 - 1, 2**255, 2**256 - 1, 2**256, 2**2000,
)  # fmt: skip
PRICES = (
    0, 1, 2, MIN_SQRT_RATIO - 1, MIN_SQRT_RATIO, MIN_SQRT_RATIO + 1, MIN_SQRT_RATIO + 2, 2**96,
    MAX_SQRT_RATIO - 2, MAX_SQRT_RATIO - 1, MAX_SQRT_RATIO, 2**160 - 1,
)  # fmt: skip


def amount_of(rng: random.Random) -> int:
    if rng.random() < 0.1:
        return rng.choice(HOSTILE)
    return rng.choice(
        [rng.randrange(4), rng.getrandbits(rng.randrange(1, 120)), 10 ** rng.randrange(31)]
    )


def compare(rng: random.Random, python: object, rust: object, *, questions: int = 8) -> None:
    assert python.fingerprint() == rust.fingerprint()
    for _ in range(questions):
        zero_for_one, amount = rng.random() < 0.5, amount_of(rng)
        for name in QUESTIONS:
            mine = said(getattr(python, name), amount, zero_for_one)
            assert said(getattr(rust, name), amount, zero_for_one) == mine, (
                name,
                amount,
                zero_for_one,
            )
        fall = 2**64 + rng.getrandbits(rng.randrange(1, 80))
        for name, arguments in (
            ("input_to_fall", (fall, zero_for_one)),
            ("marginal_rate_x128", (zero_for_one,)),
            ("log_rate", (zero_for_one,)),
        ):
            mine = said(getattr(python, name), *arguments)
            assert said(getattr(rust, name), *arguments) == mine, (name, arguments)


def compare_loop(rng: random.Random, pool: V3Pool, rust: object) -> None:
    """Hold the kernel's own step loop to the specification's."""
    zero_for_one = rng.random() < 0.5
    amount = rng.choice([-1, 1]) * amount_of(rng)
    limit = rng.choice([limit_of(zero_for_one=zero_for_one), sqrt_ratio_at_tick(pool.tick // 2)])
    mine = said(swap, pool.state(), zero_for_one, amount, limit)
    if not isinstance(mine, type):
        taken, paid = (
            (mine.amount0, -mine.amount1) if zero_for_one else (mine.amount1, -mine.amount0)
        )
        mine = (taken, paid, mine.sqrt_price_x96, mine.tick, mine.liquidity, mine.ticks_crossed)
    assert said(rust.swap, zero_for_one, amount, limit) == mine


def change(rng: random.Random, pool: V3Pool, rust: object, spacing: int) -> None:
    """Fold one event into both: a swap that happened, a swap that cannot be, a mint or a burn."""
    kind = rng.randrange(4)
    if kind == 0 and spacing > 1:
        zero_for_one = rng.random() < 0.5
        amount = rng.getrandbits(rng.randrange(1, 90)) + 1
        end = said(swap, pool.state(), zero_for_one, amount, limit_of(zero_for_one=zero_for_one))
        if isinstance(end, type):
            return
        event = (end.sqrt_price_x96, end.tick, end.liquidity)
    elif kind == 1:
        tick = max(MIN_TICK, min(MAX_TICK, pool.tick + rng.randrange(-3000, 3000)))
        event = (
            sqrt_ratio_at_tick(tick),
            tick,
            rng.choice([0, pool.liquidity, rng.getrandbits(60)]),
        )
    else:
        lower = (pool.tick // spacing + rng.randrange(-50, 50)) * spacing
        upper = lower + rng.randrange(-2, 50) * spacing + rng.choice([0, 0, 0, 1])
        delta = rng.choice([-1, 1]) * rng.getrandbits(rng.choice([10, 60, 90, 128, 130]))
        mine = said(pool.apply_liquidity, lower, upper, delta)
        assert said(rust.apply_liquidity, lower, upper, delta) == mine
        return
    mine = said(pool.apply_swap, *event)
    assert said(rust.apply_swap, *event) == mine


def test_concentrated_pools_answer_alike_through_random_histories() -> None:
    rng = random.Random(seed_of_run())
    for _ in range(HISTORIES):
        state, _ = v3_state(rng)
        pool = V3Pool(*(getattr(state, name) for name in V3State.__slots__[:6]))
        rust = rust_twin(pool)
        compare(rng, pool, rust)
        for _ in range(EVENTS):
            change(rng, pool, rust, state.tick_spacing)
            assert said(pool.check) == said(rust.check)
            compare(rng, pool, rust, questions=2)
            if state.tick_spacing > 1:
                compare_loop(rng, pool, rust)
            assert rust.state() == pool.state()


def test_pairs_answer_alike_through_random_histories() -> None:
    rng = random.Random(seed_of_run())
    pool = V2Pool(10**18, 10**20, 3000)
    rust = rust_twin(pool)
    for number in range(PAIR_EVENTS):
        if number % 100 == 0:
            pool = V2Pool(10**18, 10**20, rng.choice([0, 1, 500, 2500, 3000, 10**6 - 1]))
            rust = rust_twin(pool)
        reserves = [
            rng.choice(HOSTILE) if rng.random() < 0.1 else rng.getrandbits(rng.randrange(1, 113))
            for _ in range(2)
        ]
        assert said(rust.set_reserves, *reserves) == said(pool.set_reserves, *reserves)
        assert (rust.reserve0, rust.reserve1, rust.fee_pips) == (
            pool.reserve0,
            pool.reserve1,
            pool.fee_pips,
        )
        compare(rng, pool, rust, questions=3)


def test_ticks_and_prices_are_alike() -> None:
    alphapulse_kernel = pytest.importorskip("alphapulse_kernel")
    rng = random.Random(seed_of_run())
    ticks = [MIN_TICK - 1, MIN_TICK, -1, 0, 1, MAX_TICK, MAX_TICK + 1, 2**40, -(2**400)]
    for tick in ticks + [rng.randrange(MIN_TICK, MAX_TICK) for _ in range(500)]:
        assert said(alphapulse_kernel.sqrt_ratio_at_tick, tick) == said(sqrt_ratio_at_tick, tick)
    prices = [*PRICES, *HOSTILE] + [rng.getrandbits(rng.randrange(33, 161)) for _ in range(500)]
    prices += [
        sqrt_ratio_at_tick(rng.randrange(MIN_TICK, MAX_TICK)) + nudge for nudge in (-1, 0, 1)
    ]
    for price in prices:
        assert said(alphapulse_kernel.tick_at_sqrt_ratio, price) == said(tick_at_sqrt_ratio, price)


@pytest.mark.parametrize("price", PRICES)
def test_prices_at_and_beyond_the_limits(price: int) -> None:
    """Prices, ticks and liquidity that contradict each other: both twins say the same, whatever that is."""
    rng = random.Random(price)
    ticks = {-887220: (10**18, 10**18), -60: (7, 7), 60: (7, -7), 887220: (10**18, -(10**18))}
    for tick in (
        -(2**23) - 1,
        -(2**23),
        MIN_TICK - 1,
        MIN_TICK,
        -61,
        0,
        59,
        MAX_TICK,
        2**23 - 1,
        2**23,
    ):
        for liquidity in (0, 1, 10**18, 2**128 - 1, 2**128):
            state = (price, tick, liquidity, 3000, 60, ticks)
            pool, rust = said(V3Pool, *state), said(RUST.v3_pool, *state)
            if isinstance(pool, type):
                assert rust is pool
                continue
            compare(rng, pool, rust, questions=3)
            assert said(pool.check) == said(rust.check)


@pytest.mark.parametrize(
    "fields",
    [
        {"sqrt_price_x96": -1}, {"sqrt_price_x96": 2**160}, {"sqrt_price_x96": 2**400},
        {"tick": 2**23}, {"tick": -(2**100)}, {"liquidity": -1}, {"liquidity": 2**128},
        {"fee_pips": -1}, {"fee_pips": 10**6}, {"fee_pips": 2**70}, {"tick_spacing": 0},
        {"tick_spacing": -60}, {"tick_spacing": 2**15}, {"tick_spacing": 2**80},
        {"ticks": {61: (1, 1)}}, {"ticks": {60: (2**128, 1)}}, {"ticks": {60: (-1, 1)}},
        {"ticks": {60: (1, 2**127)}}, {"ticks": {60: (1, -(2**127) - 1)}},
        {"ticks": {887280: (1, 1)}}, {"ticks": {-(60 * 2**60): (1, 1)}}, {"ticks": {60: (0, 0)}},
        {"ticks": {120: (5, 5), -60: (9, 9), 60: (3, -3)}},
    ],
    ids=str,
)  # fmt: skip
def test_states_that_cannot_be(fields: dict[str, object]) -> None:
    state = {
        "sqrt_price_x96": 2**96, "tick": 0, "liquidity": 10**18, "fee_pips": 3000,
        "tick_spacing": 60, "ticks": {}, **fields,
    }  # fmt: skip
    pool, rust = said(V3Pool, *state.values()), said(RUST.v3_pool, *state.values())
    if isinstance(pool, type):
        assert issubclass(pool, AlphaPulseError)
        assert rust is pool
    else:
        compare(random.Random(1), pool, rust)


@pytest.mark.parametrize("value", HOSTILE)
def test_hostile_numbers_in_every_place(value: int) -> None:
    rng = random.Random(1)
    ticks = {-60: (10**18, 10**18), 60: (10**18, -(10**18))}
    pool = V3Pool(2**96, 0, 10**18, 3000, 60, ticks)
    rust = rust_twin(pool)
    pair = V2Pool(10**18, 10**18, 3000)
    rust_pair = rust_twin(pair)
    for name, arguments in (
        ("apply_swap", (value, 0, 0)),
        ("apply_swap", (2**96, value, 0)),
        ("apply_swap", (2**96, 0, value)),
        ("apply_liquidity", (value, 60, 1)),
        ("apply_liquidity", (-60, value, 1)),
        ("apply_liquidity", (-60, 60, value)),
        ("apply_liquidity", (-60, 60, -value)),
    ):
        assert said(getattr(rust, name), *arguments) == said(getattr(pool, name), *arguments)
        compare(rng, pool, rust, questions=1)
    for reserves in ((value, 5), (5, value), (value, value)):
        assert said(rust_pair.set_reserves, *reserves) == said(pair.set_reserves, *reserves)
        compare(rng, pair, rust_pair, questions=1)
    for fee in (value, 3000):
        assert isinstance(said(V2Pool, 1, 1, fee), type) == isinstance(
            said(RUST.v2_pool, 1, 1, fee), type
        )
    for twin in (rust, rust_pair):
        for question in ("amount_out", "amount_in", "least_amount_in", "ticks_crossed", "segment"):
            said(getattr(twin, question), value, True)
