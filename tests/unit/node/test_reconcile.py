"""Books against chain: what moved must be what was booked, to the smallest unit, whatever was there before."""

import pytest

from alphapulse.node.config import parse_config
from alphapulse.node.reconcile import ChainBalances, Difference, differences
from alphapulse.portfolio.ledger import Balances
from alphapulse.portfolio.portfolio import Portfolio
from support.node_runs import WETH, node_tables
from support.results import result, said

TOKEN = bytes.fromhex(WETH.removeprefix("0x"))
BEFORE = ChainBalances({"WETH": 5_000, "USDC": 7}, 10**18)


@pytest.fixture
def config():
    return parse_config(node_tables("ws://127.0.0.1:8545"), "x")


def books(*results) -> Balances:
    portfolio = Portfolio()
    for row in results:
        list(portfolio.on_message(said(row), 1))
    return portfolio.balances()


EMPTY = books()
EARNED = books(result(1, profit=900, gas_cost=30, token=TOKEN))


def chain(weth: int, usdc: int, spent: int) -> ChainBalances:
    return ChainBalances({"WETH": 5_000 + weth, "USDC": 7 + usdc}, 10**18 - spent)


def test_equal(config):
    assert differences(config, BEFORE, chain(900, 0, 30), EMPTY, EARNED) == ()


def test_earlier_trades_do_not_count(config):
    later = books(
        result(1, profit=900, gas_cost=30, token=TOKEN),
        result(2, profit=50, gas_cost=20, token=TOKEN),
    )
    assert differences(config, BEFORE, chain(50, 0, 20), EARNED, later) == ()


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (chain(899, 0, 30), Difference("WETH", 900, 899)),
        (chain(900, 1, 30), Difference("USDC", 0, 1)),
        (chain(900, 0, 31), Difference("native", -30, -31)),
    ],
)
def test_each_kind_of_difference(config, after, expected):
    assert differences(config, BEFORE, after, EMPTY, EARNED) == (expected,)


def test_reverted_transactions_cost_gas_only(config):
    reverted = books(result(1, status=2, profit=0, gas_cost=44, token=TOKEN))
    assert differences(config, BEFORE, chain(0, 0, 44), EMPTY, reverted) == ()


def test_simulated_results_move_nothing(config):
    simulated = books(result(1, profit=900, flags=1 | 2, token=TOKEN))
    assert differences(config, BEFORE, chain(0, 0, 0), EMPTY, simulated) == ()
