"""Curve's 3pool at mainnet block 24407242: eighteen answers of get_dy, digit for digit.

Oracle: calls recorded on the chain, outside the repository. What `exchange` pays differs from the view by
at most a unit, and never in the trader's favour. Covers: M9.
"""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from alphapulse.amm.amplification import Ramp
from alphapulse.amm.kernel import CurvePool
from alphapulse.amm.token_kinds import PlainStablePool

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("ALPHAPULSE_SHARED") or ROOT.parent / "shared")
CHAIN = SHARED / "data/pool_state/BowTiedDevil__degenbot/tests"
STATE = CHAIN / "fixtures/chain_data/1/curve_tripool_block_24407242.json"
ANSWERS = CHAIN / "golden/data/tests/curve/test_curve_onchain_parity/test_curve_tripool_get_dy.json"

pytestmark = [
    pytest.mark.shared_data,
    pytest.mark.skipif(not STATE.is_file(), reason=f"recorded data is not at {STATE}"),
]


def tripool(state: dict[str, Any], timestamp: int) -> PlainStablePool:
    return CurvePool(
        state["balances"],
        [10 ** (36 - token["decimals"]) for token in state["tokens"]],
        Ramp(
            state["initial_a"],
            state["future_a"],
            state["initial_a_time"],
            state["future_a_time"],
        ),
        timestamp=timestamp,
        fee=state["fee"],
        admin_fee=state["admin_fee"],
        a_precision=1,
    )


def test_recorded_answers() -> None:
    state = json.loads(STATE.read_text())
    pool = tripool(state, state["block_timestamp"])
    assert pool.amplification == state["a_coefficient"]
    symbols = [token["symbol"] for token in state["tokens"]]
    entries = json.loads(ANSWERS.read_text())["entries"]
    assert len(entries) == 18
    for question, answer in entries.items():
        _, _, tokens, amount = question.split("|")
        i, j = (symbols.index(symbol) for symbol in tokens.split("->"))
        assert pool.get_dy(int(amount), i, j, fee_last=True) == answer["value"]
        assert answer["value"] - pool.amount_out(int(amount), i, j) in (0, 1)


def test_the_ramp_s_own_times_matter() -> None:
    """The same pool, asked within its ramp, has the amplification of that time."""
    state = json.loads(STATE.read_text())
    begin, end = state["initial_a_time"], state["future_a_time"]
    pool = tripool(state, begin)
    amplifications = []
    for timestamp in (begin, begin + (end - begin) // 2, end - 1, end):
        pool.set_time(timestamp)
        amplifications.append(pool.amplification)
    assert amplifications == [5000, 4500, 4001, 4000]
