"""Aerodrome's volatile tBTC/WETH pair on Base at block 46875151: twenty-six recorded answers.

Oracle: calls of getAmountOut recorded on the chain, outside the repository. Covers: M7.
"""

import json
import os
from pathlib import Path

import pytest

from alphapulse.amm.kernel import SolidlyVolatilePool

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("ALPHAPULSE_SHARED") or ROOT.parent / "shared")
CHAIN = SHARED / "data/pool_state/BowTiedDevil__degenbot/tests"
STATE = CHAIN / "fixtures/chain_data/8453/aerodrome_v2_tbtc_weth_volatile_block_46875151.json"
ANSWERS = (
    CHAIN / "golden/data/tests/aerodrome/test_aerodrome_v2_onchain_parity"
    "/test_aerodrome_v2_volatile_get_amount_out.json"
)

pytestmark = [
    pytest.mark.shared_data,
    pytest.mark.skipif(not STATE.is_file(), reason=f"recorded data is not at {STATE}"),
]


def test_recorded_answers() -> None:
    state = json.loads(STATE.read_text())
    pool = SolidlyVolatilePool(state["reserves_token0"], state["reserves_token1"], state["fee_raw"])
    entries = json.loads(ANSWERS.read_text())["entries"]
    assert len(entries) == 26
    for question, answer in entries.items():
        tokens, amount = question.split("|")[2:]
        i = 1 if tokens.startswith("WETH") else 0
        assert pool.amount_out(int(amount), i, 1 - i) == answer["value"]
