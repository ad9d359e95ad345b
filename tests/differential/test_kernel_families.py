"""Pools of several tokens and of the singleton in both twins: nonsense in every place, states at and beyond the limits.

Oracle: the readable Python, which the deployed bytecode stands behind. Covers: M13, M14, P6.
"""

import itertools
import random

import pytest

from alphapulse.amm.amplification import Ramp
from alphapulse.amm.balancer_math.fixed_point import PowVersion
from alphapulse.amm.balancer_math.stable_math import InvariantVersion
from alphapulse.amm.solidly import StableVersion
from alphapulse.errors import AlphaPulseError
from support.amm_evm import seed_of_run
from support.kernel_histories import HOSTILE
from support.kernel_twins import RUST, TWINS, needs_rust, said

pytestmark = needs_rust

STATES = 1500

MAKERS = {
    "curve_pool": (
        ((10**24, 10**12, 3 * 10**12), (10**18, 10**30, 10**30), Ramp(2000, 2000)),
        {"timestamp": 5, "fee": 10**6, "admin_fee": 5 * 10**9, "a_precision": 1},
    ),
    "balancer_stable_pool": (
        ((10**24, 10**12), (10**18, 10**30), Ramp(50_000, 60_000, 10, 20)),
        {"timestamp": 15, "fee": 10**14, "invariant_version": InvariantVersion.ROUNDED_UP},
    ),
    "weighted_pool": (
        ((10**24, 10**12), (8 * 10**17, 2 * 10**17), (18, 6), 10**15),
        {"pow_version": PowVersion.FIRST},
    ),
    "solidly_volatile_pool": ((10**20, 10**12, 30), {"fee_denominator": 10**4}),
    "solidly_stable_pool": (
        (10**24, 10**12, (18, 6), 5),
        {"fee_denominator": 10**4, "version": StableVersion.SETTLED},
    ),
    "v4_pool": (
        (2**96, 0, 10**18, 3000, 60, {-60: (10**18, 10**18), 60: (10**18, -(10**18))}),
        {"protocol_fee": 250},
    ),
}
RAMP = Ramp(3000, 4000, 1, 10)
FOLDS = {
    "curve_pool": [
        ("set_balances", ((10**24, 10**12, 10**12),)),
        ("set_rates", ((10**18, 10**30, 10**30),)),
        ("set_fees", (1, 1)),
        ("set_ramp", (RAMP, 5)),
        ("set_time", (7,)),
        ("apply_exchange", (10**9, 1, 2)),
    ],
    "balancer_stable_pool": [
        ("set_balances", ((10**24, 10**12),)),
        ("apply_swap", (10**9, 10**9, 0, 1)),
        ("set_scaling_factors", ((10**18, 10**30),)),
        ("set_fee", (1,)),
        ("set_ramp", (RAMP, 5)),
        ("set_time", (7,)),
    ],
    "weighted_pool": [
        ("set_balances", ((10**24, 10**12),)),
        ("apply_swap", (10**9, 10**9, 0, 1)),
        ("set_fee", (1,)),
    ],
    "solidly_volatile_pool": [("set_reserves", (5, 7)), ("set_fee", (1, 10))],
    "solidly_stable_pool": [("set_reserves", (10**24, 10**12)), ("set_fee", (1, 10))],
    "v4_pool": [("set_protocol_fee", (5,)), ("set_swap_fees", (1, 2))],
}
QUESTIONS = ("amount_out", "amount_in", "least_amount_in", "largest_amount_in")


def spoilt(value, hostile):
    """Return what a value becomes when one number in it is another one."""
    if isinstance(value, tuple):
        for place, part in enumerate(value):
            for other in spoilt(part, hostile):
                yield (*value[:place], other, *value[place + 1 :])
    elif isinstance(value, Ramp):
        if hostile > 0:
            yield Ramp(hostile, value.end_value)
            yield Ramp(value.start_value, hostile)
    elif not isinstance(value, dict):
        yield hostile


def made(name, arguments, keywords):
    """Return the pool of both twins, or the refusal that both give."""
    python, rust = (said(getattr(twin, name), *arguments, **keywords) for twin in TWINS)
    if isinstance(python, type):
        assert issubclass(python, AlphaPulseError)
        assert rust is python
        return None
    assert rust.fingerprint() == python.fingerprint()
    return python, rust


def compare(python, rust, amounts):
    if not hasattr(python, "pair"):
        for amount, side in itertools.product(amounts, (False, True)):
            for name in ("amount_out", "amount_in", "least_amount_in"):
                mine = said(getattr(python, name), amount, side)
                assert said(getattr(rust, name), amount, side) == mine, (name, amount)
        return
    places = [(0, 1), (1, 0), (0, 0), (0, 2), (-1, 1), (1, 2**70)]
    for amount, (i, j) in itertools.product(amounts, places):
        for name in QUESTIONS[:3]:
            mine = said(getattr(python, name), amount, i, j)
            assert said(getattr(rust, name), amount, i, j) == mine, (name, amount, i, j)
    for i, j in places:
        for name in ("largest_amount_in", "marginal_rate_x128"):
            assert said(getattr(rust, name), i, j) == said(getattr(python, name), i, j)
        views = said(python.pair, i, j), said(rust.pair, i, j)
        if isinstance(views[0], type):
            assert views[0] is views[1]
        else:
            for side in (False, True):
                falls = [said(view.input_to_fall, 2**64 + 2**60, side) for view in views]
                assert falls[0] == falls[1]


@pytest.mark.parametrize("name", MAKERS)
def test_nonsense_in_every_place_of_a_constructor(name):
    arguments, keywords = MAKERS[name]
    refused = 0
    for hostile in HOSTILE:
        for place, part in enumerate(arguments):
            for other in spoilt(part, hostile):
                changed = (*arguments[:place], other, *arguments[place + 1 :])
                pools = made(name, changed, keywords)
                refused += pools is None
                if pools is not None:
                    compare(*pools, (1, 10**9))
        for key, value in keywords.items():
            if not key.endswith("version"):
                for other in spoilt(value, hostile):
                    refused += made(name, arguments, {**keywords, key: other}) is None
    assert refused > len(HOSTILE)


@pytest.mark.parametrize("name", MAKERS)
def test_nonsense_in_every_place_of_a_fold_and_a_question(name):
    python, rust = made(name, *MAKERS[name])
    for fold, arguments in FOLDS[name]:
        for hostile in HOSTILE:
            for place, part in enumerate(arguments):
                for other in spoilt(part, hostile):
                    changed = (*arguments[:place], other, *arguments[place + 1 :])
                    mine = said(getattr(python, fold), *changed)
                    assert said(getattr(rust, fold), *changed) == mine, (fold, changed)
                    assert rust.fingerprint() == python.fingerprint(), (fold, changed)
                    compare(python, rust, (10**6,))
        assert said(getattr(rust, fold), *arguments) == said(getattr(python, fold), *arguments)
    compare(python, rust, HOSTILE)
    for sequence in ((), (1,), (1, 1, 1, 1), [10**18] * 9):
        for fold in ("set_balances", "set_rates", "set_scaling_factors"):
            if hasattr(python, fold):
                mine = said(getattr(python, fold), sequence)
                assert said(getattr(rust, fold), sequence) == mine


def extreme(rng, bits):
    """Return a number of any length up to so many bits, often at an end."""
    if rng.random() < 0.2:
        return rng.choice([0, 1, 2, 2**bits - 1, 2**bits - 2])
    return rng.getrandbits(rng.randrange(1, bits + 1))


def stable_arguments(rng, bits):
    count = rng.choice([2, 3, 8])
    rate = rng.choice(
        [lambda: 10**18, lambda: 10 ** rng.randrange(18, 31), lambda: extreme(rng, 128)]
    )
    return [extreme(rng, bits) for _ in range(count)], [rate() for _ in range(count)]


def state_of(rng, name):
    if name == "curve_pool":
        ramp = Ramp(rng.choice([1, 100, 10**6, 10**8]), rng.choice([1, 100, 10**6]))
        settings = {"timestamp": 0, "fee": rng.choice([0, 10**6, 5 * 10**9])}
        settings |= {"admin_fee": 10**10, "a_precision": rng.choice([1, 100])}
        return (*stable_arguments(rng, 128), ramp), settings
    if name == "balancer_stable_pool":
        ramp = Ramp(*[rng.choice([1000, 10**5, 5 * 10**6])] * 2)
        version = rng.choice(list(InvariantVersion))
        settings = {"timestamp": 0, "fee": rng.choice([0, 10**17]), "invariant_version": version}
        return (*stable_arguments(rng, 112), ramp), settings
    if name == "weighted_pool":
        weight = rng.choice(
            [10**16, 10**18 - 10**16, 5 * 10**17, rng.randrange(10**16, 99 * 10**16)]
        )
        balances, decimals = (
            [extreme(rng, 112) for _ in range(2)],
            [rng.randrange(19) for _ in range(2)],
        )
        version = rng.choice(list(PowVersion))
        weights = [weight, 10**18 - weight]
        return (balances, weights, decimals, rng.choice([0, 10**17])), {"pow_version": version}
    reserves = (extreme(rng, 112), extreme(rng, 112))
    if name == "solidly_volatile_pool":
        return (*reserves, rng.randrange(2**32 - 1)), {"fee_denominator": 2**32 - 1}
    decimals = (rng.randrange(37), rng.randrange(37))
    return (*reserves, decimals, rng.randrange(10**4)), {"version": rng.choice(list(StableVersion))}


@pytest.mark.parametrize("name", [name for name in MAKERS if name != "v4_pool"])
def test_states_at_and_beyond_the_limits(name):
    """Empty and lopsided pools, invariants that do not settle, arithmetic that overflows: the same of both."""
    rng = random.Random(seed_of_run())
    refusals = set()
    for _ in range(STATES):
        pools = made(name, *state_of(rng, name))
        if pools is None:
            continue
        amount = extreme(rng, rng.choice([20, 64, 112, 130]))
        answer = said(pools[0].amount_out, amount, 0, 1)
        refusals.add(answer if isinstance(answer, type) else int)
        compare(*pools, (amount,))
    assert len(refusals) >= 3
    assert RUST.name == "rust"
