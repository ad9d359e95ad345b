"""Pancake V2's WETH/USDbC pair on Base at block 46875151, its fee taken from the table of forks.

Oracle: calls of getAmountsOut recorded on the chain, outside the repository. Covers: M6, M7.
"""

import json
import os
from pathlib import Path

import pytest

from alphapulse.amm.forks import V2_FORKS
from alphapulse.amm.pool import V2Pool
from alphapulse.errors import InsufficientLiquidity
from alphapulse.primitives.venue import Venue

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("ALPHAPULSE_SHARED") or ROOT.parent / "shared")
CHAIN = SHARED / "data/pool_state/BowTiedDevil__degenbot/tests"
STATE = CHAIN / "fixtures/chain_data/8453/pancakeswap_v2_weth_usdbc_block_46875151.json"
ANSWERS = (
    CHAIN / "golden/data/tests/pancakeswap/test_pancakeswap_v2_onchain_parity"
    "/test_pancakeswap_v2_router_get_amounts_out.json"
)

pytestmark = [
    pytest.mark.shared_data,
    pytest.mark.skipif(not STATE.is_file(), reason=f"recorded data is not at {STATE}"),
]


def test_recorded_answers() -> None:
    state = json.loads(STATE.read_text())
    fork = V2_FORKS[Venue.BSC_PANCAKE]
    assert fork.denominator - fork.kept == state["fee_numer"]
    assert fork.denominator == state["fee_denom"]
    pool = V2Pool(state["reserves_token0"], state["reserves_token1"], fork.fee_pips)
    entries = json.loads(ANSWERS.read_text())["entries"]
    assert len(entries) == 24
    for question, answer in entries.items():
        tokens, amount = question.split("|")[2:]
        zero_for_one = tokens.startswith("WETH")
        if answer["value"]:
            assert pool.amount_out(int(amount), zero_for_one) == answer["value"]
        else:
            with pytest.raises(InsufficientLiquidity):
                pool.amount_out(int(amount), zero_for_one)
