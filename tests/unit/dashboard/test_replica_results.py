"""Results are said at least once: again when they are final, and otherwise when their block was taken back."""

import pytest

from alphapulse.dashboard.replica import Replica
from alphapulse.primitives.address import ZERO_HASH
from alphapulse.protocol.execution import ExecutionStatus
from support.results import result, said, signalled


@pytest.fixture
def replica():
    replica = Replica()
    replica.on_message(signalled(1), 1)
    return replica


def hear(replica, row):
    replica.on_message(said(row), 1)
    return (
        replica.counts["executed"],
        replica.counts["reverted"],
        replica.total_usd_e8,
        replica.gas_used,
    )


def test_a_result_said_again_counts_once(replica):
    assert hear(replica, result(1, flags=0)) == (1, 0, 850, 3)
    assert hear(replica, result(1, flags=1)) == (1, 0, 850, 3)
    assert len(replica.pnl) == 1


def test_another_outcome_replaces_the_first(replica):
    hear(replica, result(1, flags=0))
    assert hear(replica, result(1, status=2, profit=0, usd=-30)) == (0, 1, -30, 3)
    assert replica.executions[1].state == "reverted"


def test_a_trade_whose_block_is_gone_leaves_the_sums(replica):
    hear(replica, result(1, flags=0))
    gone = result(1, status=ExecutionStatus.DROPPED, profit=0, usd=0, tx=ZERO_HASH)
    assert hear(replica, gone)[:3] == (0, 0, 0)


def test_simulated_results_count_nowhere(replica):
    assert hear(replica, result(1, flags=1 | 2)) == (0, 0, 0, 0)
    assert replica.executions[1].state == "dry run"
