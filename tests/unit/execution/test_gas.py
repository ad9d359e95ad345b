import math
import random

import pytest

from alphapulse.errors import BelowMinProfit, LimitExceeded, ValueOutOfRange
from alphapulse.execution import gas

# Small round numbers, nothing refunded: each part shows by itself.
PLAIN = gas.GasModel(
    overhead=1_000,
    v2_step=20,
    v3_step=300,
    tick_crossed=4_000,
    crossing=50_000,
    word_crossed=600_000,
    v2_again=7,
    v3_again=80,
    overhead_refund=0,
    step_refund=0,
    v2_refund=0,
    unknown_tick=9_000_000,
)


def used(model, hops, calldata=b"", **known):
    return model.path(hops, calldata, **known).used


def test_calldata_is_charged_by_its_bytes():
    empty = used(PLAIN, [gas.Hop(0)])
    assert empty == 21_000 + 1_000 + 20
    assert used(PLAIN, [gas.Hop(0)], b"\0\0\x01") == empty + 4 + 4 + 16


def test_the_calldata_floor_binds_when_little_runs():
    """Oracle: EIP-7623."""
    data = b"\x01" * 1_000
    assert used(PLAIN, [gas.Hop(0)], data) == 21_000 + 40 * 1_000
    dearer = gas.GasModel(**{**dict.fromkeys(PLAIN.__struct_fields__, 0), "overhead": 24_001})
    assert used(dearer, [], data) == 21_000 + 40 * 1_000 + 1


def test_the_estimate_adds_its_parts():
    base = 21_000 + 1_000
    hop = gas.Hop
    assert used(PLAIN, [hop(0), hop(1)]) == base + 20 + 300
    assert used(PLAIN, [hop(0, is_again=True), hop(1, is_again=True)]) == base + 7 + 80
    assert used(PLAIN, [hop(1, 2, known_ticks=2)]) == base + 300 + 50_000 + 2 * 4_000
    assert (
        used(PLAIN, [hop(1, 2, known_ticks=2, first_writes=3)]) == base + 300 + 58_000 + 3 * 17_100
    )
    assert used(PLAIN, [hop(1, 2)]) == base + 300 + 58_000 + 18_000_000
    assert used(PLAIN, [hop(1, 3, known_ticks=2)]) == base + 300 + 62_000 + 9_000_000
    assert used(PLAIN, [hop(1, words_crossed=2)]) == base + 300 + 1_200_000
    assert used(PLAIN, [hop(0, token_gas=5)]) == base + 25
    assert used(PLAIN, [hop(0)], first_writes=2) == base + 20 + 2 * 17_100
    assert PLAIN.estimate((0, 1, 1), 2, b"") == base + 620 + 58_000 + 18_000_000
    assert PLAIN.estimate((0, 0), 0, b"") == base + 40


def test_what_no_path_can_have_is_refused():
    with pytest.raises(ValueOutOfRange, match="kind"):
        PLAIN.estimate((7,), 0, b"")
    for wrong in (
        {"ticks_crossed": -1},
        {"words_crossed": -1},
        {"cleared": -1},
        {"token_gas": -1},
        {"first_writes": -1},
        {"known_ticks": -1},
        {"ticks_crossed": 1, "known_ticks": 2},
        {"ticks_crossed": 1, "first_writes": 1},
        {"ticks_crossed": 1, "known_ticks": 1, "first_writes": 3},
        {"ticks_crossed": 1, "known_ticks": 1, "cleared": 3},
    ):
        with pytest.raises(ValueOutOfRange, match="must be"):
            gas.Hop(1, **wrong)
    with pytest.raises(ValueOutOfRange, match="first_writes"):
        PLAIN.path([gas.Hop(0)], b"", first_writes=-1)


def test_a_fifth_at_most_comes_back():
    """Oracle: EIP-3529; contracts/gas.json, whose runs without ticks all hit the bound."""
    model = gas.GasModel(79_000, 0, 0, 0, overhead_refund=20_000, step_refund=0, v2_refund=0)
    assert used(model, [gas.Hop(0)]) == 100_000 - 20_000
    model = gas.GasModel(79_000, 0, 0, 0, overhead_refund=20_001, step_refund=0, v2_refund=0)
    assert used(model, [gas.Hop(0)]) == 100_000 - 20_000
    model = gas.GasModel(
        79_000, 0, 0, 0, crossing=0, overhead_refund=100, step_refund=20, v2_refund=3
    )
    assert (
        used(model, [gas.Hop(0), gas.Hop(1, 1, known_ticks=1, cleared=1)])
        == 100_000 - 100 - 40 - 3 - 4_800
    )


def test_the_most_is_never_below_the_estimate():
    seed = 6
    print(f"seed {seed}")
    draw = random.Random(seed)
    model = gas.GasModel()
    for _ in range(500):
        hops = []
        for _ in range(draw.randrange(1, 5)):
            ticks = draw.randrange(4)
            known = draw.randrange(ticks + 1)
            first = draw.randrange(2 * known + 1)
            again = draw.random() < 0.2
            hops.append(
                gas.Hop(1, ticks, draw.randrange(3), known, first, is_again=again)
                if draw.random() < 0.5
                else gas.Hop(0)
            )
        path = model.path(hops, draw.randbytes(draw.randrange(600)))
        assert path.used <= path.most < gas.gas_limit(path.most)


def test_a_gas_limit_above_the_cap_is_refused():
    """Covers: G4."""
    largest = 2**24 * 16 // 17
    assert gas.gas_limit(largest) <= 2**24
    with pytest.raises(LimitExceeded, match="16777216"):
        gas.gas_limit(largest + 1)
    with pytest.raises(LimitExceeded):
        gas.gas_limit(2**24)


def test_a_dear_token_adds_what_two_of_its_transfers_cost():
    plain = gas.gas_units.PLAIN_TRANSFER
    assert gas.token_surcharge(plain - 5_000) == gas.token_surcharge(plain) == 0
    assert gas.token_surcharge(plain + 8_000) == 16_000


@pytest.mark.parametrize("spacing", [10, 60, 200])
def test_words_passed_are_counted_to_one(spacing):
    """Oracle: the tick of the price by logarithms."""
    seed = spacing
    print(f"seed {seed}")
    draw = random.Random(seed)
    for _ in range(300):
        before = draw.randrange(10**6, 1 << 160)
        after = max(1, int(before / 2 ** draw.uniform(0, 12)))
        exact = math.log(before / after) / math.log(1.0001) / (256 * spacing)
        assert exact - 2 < gas.words_between(before, after, spacing) <= exact + 1e-6
    assert gas.words_between(5, 5, spacing) == 0
    for wrong in ((1, 2, spacing), (2, 0, spacing), (2, 1, 0)):
        with pytest.raises(ValueOutOfRange):
            gas.words_between(*wrong)


def test_the_expected_base_fee_is_exact_where_the_gas_is_known_and_a_bound_elsewhere():
    fee, used, limit = 80_869_370_967, 9_755_040, 30_000_000
    assert gas.expected_base_fee(fee, used, limit) == gas.next_base_fee(fee, used, limit)
    bound = gas.base_fee_bound(fee, 1)
    assert gas.expected_base_fee(fee, 0, 0) == bound
    other_law = gas.FeeRule(follows_gas_used=False)
    assert gas.expected_base_fee(fee, used, limit, other_law) == bound


def test_the_next_base_fee_of_known_blocks():
    """Oracle: mainnet 17173049 -> 17173050, and the examples of EIP-1559."""
    assert gas.next_base_fee(80_869_370_967, 9_755_040, 30_000_000) == 77_334_732_501
    assert gas.next_base_fee(10**9, 15_000_000, 30_000_000) == 10**9
    assert gas.next_base_fee(10**9, 30_000_000, 30_000_000) == 1_125_000_000
    assert gas.next_base_fee(10**9, 0, 30_000_000) == 875_000_000
    assert gas.next_base_fee(7, 30_000_000, 30_000_000) == 8
    assert gas.next_base_fee(0, 30_000_000, 30_000_000) == 1


def test_no_run_of_blocks_passes_the_bound():
    """Covers: G2."""
    seed = 20_261
    print(f"seed {seed}")
    draw = random.Random(seed)
    for _ in range(2_000):
        start = draw.choice((draw.randrange(100), draw.randrange(10**6), draw.randrange(10**12)))
        limit = draw.choice((5_000, 5_001, 30_000_000, 30_000_001, 36_000_003))
        blocks = draw.randrange(1, 12)
        fee = start
        for _ in range(blocks):
            used = limit if draw.random() < 0.8 else draw.randrange(limit + 1)
            fee = gas.next_base_fee(fee, used, limit)
        assert fee <= gas.base_fee_bound(start, blocks)


OP_STACK = gas.FeeRule(elasticity=6, denominator=250)


def test_the_base_fee_of_a_chain_with_parameters_of_its_own():
    """Oracle: EIP-1559 by hand. A full block of elasticity 6 is five targets above its own: 5 / 250 more."""
    assert gas.next_base_fee(10**9, 30_000_000, 30_000_000, OP_STACK) == 1_020_000_000
    assert gas.next_base_fee(10**9, 5_000_000, 30_000_000, OP_STACK) == 10**9
    assert gas.next_base_fee(10**9, 0, 30_000_000, OP_STACK) == 996_000_000
    seed = 44
    draw = random.Random(seed)
    for _ in range(1_000):
        start, fee = (draw.randrange(10**10),) * 2
        limit = draw.choice((15_000, 15_005, 30_000_000, 60_000_004))
        for _ in range(5):
            fee = gas.next_base_fee(fee, limit, limit, OP_STACK)
        assert fee <= gas.base_fee_bound(start, 5, OP_STACK)
    for wrong in ((1, 8), (2, 0)):
        with pytest.raises(ValueOutOfRange):
            gas.FeeRule(*wrong)


def test_the_bound_is_near_what_full_blocks_reach():
    fee = 10**11
    for _ in range(5):
        fee = gas.next_base_fee(fee, 30_000_000, 30_000_000)
    assert fee <= gas.base_fee_bound(10**11, 5) <= fee + fee * 5 // 10_000


def test_fees_hold_for_the_valid_blocks():
    offered = gas.fees(10**9, 2 * 10**8, 3)
    assert offered.max_priority_fee_per_gas == 2 * 10**8
    assert offered.max_fee_per_gas == gas.base_fee_bound(10**9, 3) + 2 * 10**8


def test_fees_are_capped_by_what_the_profit_pays():
    """Covers: G2."""
    cap = 10**9 + 2 * 10**8
    assert gas.fees(10**9, 2 * 10**8, 3, affordable_per_gas=cap).max_fee_per_gas == cap
    with pytest.raises(BelowMinProfit):
        gas.fees(10**9, 2 * 10**8, 3, affordable_per_gas=cap - 1)
    with pytest.raises(ValueOutOfRange):
        gas.fees(10**9, 1, 0)


def test_fees_follow_the_chains_own_rule():
    assert gas.fees(10**9, 5, 2, rule=OP_STACK).max_fee_per_gas == (
        gas.base_fee_bound(10**9, 2, OP_STACK) + 5
    )


@pytest.mark.parametrize("fee", [0, 1, 7, 8, 9, 10**9, 10**9 + 1])
def test_a_raised_fee_replaces(fee):
    """Covers: S5."""
    raised = gas.raised_fee(fee)
    assert raised > fee
    assert raised * 1_000 >= fee * 1_125
    assert (raised - 1) * 1_000 < max(fee * 1_125, 1_000 * (fee + 1))


def test_net_profit_subtracts_everything():
    """Covers: G1."""
    assert gas.net_profit(1_000, 700, flash_fee=1, gas=20) == 279
    assert (
        gas.net_profit(
            1_000, 700, flash_fee=1, gas=20, l1_data_fee=300, operator_fee=4_000, builder_payment=5
        )
        == 300 - 1 - 20 - 300 - 4_000 - 5
    )
    with pytest.raises(ValueOutOfRange):
        gas.net_profit(1_000, 700, flash_fee=-1, gas=0)
