"""Answers that the chain or the contract's own test suite gave, recorded by others.

Oracle: quoter and router calls recorded on mainnet (block 24407242) and Base (block 46875151), and the
snapshots of v3-core. They live outside the repository, beside it or where ALPHAPULSE_SHARED points.
Covers: M1, M2, M5, M6.
"""

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from alphapulse.amm import uniswap_v2
from alphapulse.amm.uniswap_v3.pool import V3State, limit_of, swap
from alphapulse.amm.uniswap_v3.tick_math import sqrt_ratio_at_tick, tick_at_sqrt_ratio
from alphapulse.errors import PoolNotTradeable, Rejected, ValueOutOfRange
from support.amm_random import v3_pool

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("ALPHAPULSE_SHARED") or ROOT.parent / "shared")
DATA = SHARED / "data"
CHAIN = "pool_state/BowTiedDevil__degenbot/tests"

pytestmark = [
    pytest.mark.shared_data,
    pytest.mark.skipif(not DATA.is_dir(), reason=f"recorded data is not at {DATA}"),
]


def load(path: str) -> Any:
    return json.loads((DATA / path).read_text())


def test_v3_core_swap_snapshots() -> None:
    vectors = load("exact_vectors/derived/v3core_swap_vectors.json")
    assert len(vectors) == 240
    refused = 0
    for vector in vectors:
        ticks = {int(tick): (abs(int(net)), int(net)) for tick, net in vector["ticks"].items()}
        state = V3State(
            int(vector["sqrtPriceX96"]),
            int(vector["tick"]),
            int(vector["liquidity"]),
            vector["fee"],
            vector["tickSpacing"],
            ticks,
        )
        arguments = (vector["zeroForOne"], int(vector["amountSpecified"]))
        limit = int(vector["sqrtPriceLimitX96"])
        expected = vector["expected"]
        if "amount0Delta" not in expected:
            refused += 1
            with pytest.raises((PoolNotTradeable, ValueOutOfRange)):
                swap(state, *arguments, limit)
            continue
        result = swap(state, *arguments, limit)
        assert result.amount0 == int(expected["amount0Delta"])
        assert result.amount1 == int(expected["amount1Delta"])
        assert result.tick == int(expected["tickAfter"])
    assert refused == 50


def test_tick_math_snapshot() -> None:
    path = "exact_vectors/Uniswap__v3-core/test/__snapshots__/TickMath.spec.ts.snap"
    text = (DATA / path).read_text()
    ratios = re.findall(r"getSqrtRatioAtTick tick (-?\d+) result 1`\] = `\"(\d+)\"`", text)
    assert len(ratios) > 20
    for tick, ratio in ratios:
        assert sqrt_ratio_at_tick(int(tick)) == int(ratio)
    ticks = re.findall(r"getTickAtSqrtRatio ratio (\d+) result 1`\] = `(-?\d+)`", text)
    assert len(ticks) > 5
    for ratio, tick in ticks:
        assert tick_at_sqrt_ratio(int(ratio)) == int(tick)


def test_wbtc_weth_quoter_answers() -> None:
    pool = load(f"{CHAIN}/fixtures/chain_data/1/uniswap_v3_wbtc_weth_block_24407242.json")
    scalars = pool["scalars"]
    ticks = {int(tick): (gross, net) for tick, (gross, net, _) in pool["tick_data"].items()}
    state = V3State(
        scalars["sqrt_price_x96"],
        scalars["tick"],
        scalars["liquidity"],
        scalars["fee"],
        scalars["tick_spacing"],
        ticks,
    )
    whole = v3_pool(state)
    whole.check()
    folder = f"{CHAIN}/golden/data/tests/uniswap/v3/test_uniswap_v3_onchain_parity"
    entries = load(f"{folder}/test_cached_calculations_v3_wbtc_weth.json")["entries"]
    assert len(entries) == 80
    for key, entry in entries.items():
        _, method, direction, amount = key.split("|")
        zero_for_one = direction == "WBTC->WETH"
        exact_in = method == "quoteExactInputSingle"
        specified = int(amount) if exact_in else -int(amount)
        result = swap(state, zero_for_one, specified, limit_of(zero_for_one=zero_for_one))
        taken, paid = result.amount0, -result.amount1
        if not zero_for_one:
            taken, paid = result.amount1, -result.amount0
        if (taken if exact_in else paid) == int(amount):
            ask = whole.amount_out if exact_in else whole.amount_in
            assert ask(int(amount), zero_for_one) == (paid if exact_in else taken)
        assert (paid if exact_in else taken) == entry["value"], key


def test_pancake_router_answers() -> None:
    pool = load(f"{CHAIN}/fixtures/chain_data/8453/pancakeswap_v2_weth_usdbc_block_46875151.json")
    fee_pips = pool["fee_numer"] * 10**6 // pool["fee_denom"]
    folder = f"{CHAIN}/golden/data/tests/pancakeswap/test_pancakeswap_v2_onchain_parity"
    entries = load(f"{folder}/test_pancakeswap_v2_router_get_amounts_out.json")["entries"]
    assert len(entries) == 24
    reserve0, reserve1 = pool["reserves_token0"], pool["reserves_token1"]
    for key, entry in entries.items():
        _, _, direction, amount = key.split("|")
        sides = (reserve0, reserve1) if direction == "WETH->USDbC" else (reserve1, reserve0)
        if entry["value"] == 0:
            with pytest.raises(Rejected):
                uniswap_v2.amount_out(int(amount), *sides, fee_pips)
        else:
            assert uniswap_v2.amount_out(int(amount), *sides, fee_pips) == entry["value"], key
