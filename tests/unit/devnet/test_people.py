"""What people decide: a function of seed, block and pools; oracle: the pool formula in plain arithmetic."""

import math

from alphapulse.devnet.layout import TOKENS, TRADERS
from alphapulse.devnet.manifest import PoolEntry, PositionEntry
from alphapulse.devnet.people import (
    AddLiquidity,
    Motive,
    People,
    PoolView,
    RemoveLiquidity,
    Swap,
    headcount,
)
from alphapulse.devnet.prices import ReferencePrices
from alphapulse.primitives.address import Address

WETH, USDC = Address(b"\x01" * 20), Address(b"\x02" * 20)
PAIR = PoolEntry(Address(b"\x10" * 20), 300, "uniswap_v2", WETH, USDC, 3_000, 0)
POOL = PoolEntry(Address(b"\x11" * 20), 301, "uniswap_v3", WETH, USDC, 500, 10)
POSITIONS = (PositionEntry(7, POOL.address, -100, 100),)
START = {token.symbol: float(token.price_usd) for token in TOKENS}


def crowd(seed: int = 1) -> People:
    return People(seed, {WETH: "WETH", USDC: "USDC"}, POSITIONS, traders=len(TRADERS))


def views(price: float = 3_000.0) -> tuple[PoolView, ...]:
    weth, usdc = 1_000 * 10**18, int(price * 1_000 * 10**6)
    return (PoolView(PAIR, weth, usdc), PoolView(POOL, 10 * weth, 10 * usdc, -196_000))


def test_same_question_same_answer() -> None:
    assert crowd().decide(5, views(), START, 200) == crowd().decide(5, views(), START, 200)


def test_seed_and_block_matter() -> None:
    first = crowd(1).decide(5, views(), START, 50)
    assert first != crowd(2).decide(5, views(), START, 50)
    assert first != crowd(1).decide(6, views(), START, 50)


def test_a_longer_block_begins_like_a_shorter_one() -> None:
    assert crowd().decide(5, views(), START, 80)[:20] == crowd().decide(5, views(), START, 20)


def test_informed_trades_close_a_gap_partly() -> None:
    decisions = crowd().decide(1, views(price=2_950.0), START, 300)
    informed = [
        item for item in decisions if isinstance(item, Swap) and item.motive is Motive.INFORMED
    ]
    assert len(informed) > 50
    for swap in informed:
        assert not swap.zero_for_one, "WETH is cheap here, so it is bought"
        view = next(item for item in views(2_950.0) if item.entry == swap.pool)
        paid = swap.amount_in * (1 - swap.pool.fee_pips / 1e6)
        after = (view.reserve1 + paid) ** 2 / (view.reserve0 * view.reserve1) * 1e12
        assert 2_950 < after < 3_000
        if swap.pool == POOL:
            limit = (swap.sqrt_price_limit_x96 / 2**96) ** 2 * 1e12
            assert math.isclose(limit, after, rel_tol=1e-3)


def test_nobody_corrects_a_fair_price() -> None:
    decisions = crowd().decide(1, views(), START, 300)
    assert Motive.INFORMED not in {item.motive for item in decisions}


def test_all_kinds_happen() -> None:
    decisions = [item for step in range(20) for item in crowd().decide(step, views(), START, 100)]
    added = [item for item in decisions if isinstance(item, AddLiquidity)]
    removed = [item for item in decisions if isinstance(item, RemoveLiquidity)]
    assert {item.token_id for item in removed} == {0, 7}
    minted = [item for item in added if item.tick_lower != item.tick_upper]
    assert minted
    assert all(item.tick_lower % 60 == item.tick_upper % 60 == 0 for item in minted)
    assert all(item.amount_in > 0 for item in decisions if isinstance(item, Swap))
    assert {item.trader for item in decisions if isinstance(item, Swap)} == set(range(len(TRADERS)))


def test_fewer_act_when_gas_is_dear() -> None:
    counts = [headcount(6_000_000, fee) for fee in (10**7, 10**9, 2 * 10**9, 10**11)]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > counts[1] > counts[2] >= counts[3] >= 1


def test_prices_walk_alike_and_stay_in_range() -> None:
    prices = ReferencePrices(3)
    path = [prices.at(step) for step in range(500)]
    assert path[0] == START
    assert [ReferencePrices(3).at(step) for step in (499, 7)] == [path[499], path[7]]
    assert prices.at(250) == path[250], "going back walks again from the start"
    assert path != [ReferencePrices(4).at(step) for step in (0, 499)]
    assert all(2_400 < step["WETH"] < 3_700 and step["USDC"] == 1.0 for step in path)
