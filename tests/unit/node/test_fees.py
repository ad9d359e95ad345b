"""Fee settings from a file to the strategy, and what is refused before anything starts."""

from __future__ import annotations

import pytest

from alphapulse.errors import Misconfigured
from alphapulse.execution.gas import FeeRule
from alphapulse.execution.l1_fee import ArbitrumFee, OpStackFee, OpStackFork
from alphapulse.execution.tip import FixedTip, ShareTip
from alphapulse.node.config import load_config, parse_config
from alphapulse.node.devnet_config import config_to_toml
from alphapulse.node.wiring import ChainFacts, strategy_config
from support.node_runs import WETH, node_tables

URL = "ws://127.0.0.1:8545"
FACTS = ChainFacts(5, bytes(20))

OP_STACK = {
    "kind": "op_stack",
    "fork": "isthmus",
    "base_fee_scalar": 5_227,
    "blob_base_fee_scalar": 1_014_213,
    "operator_fee_scalar": 3,
    "operator_fee_constant": 7,
    "margin_bps": 500,
}


@pytest.fixture
def tables():
    return node_tables(URL)


def settings_of(tables):
    return strategy_config(parse_config(tables, "x"), FACTS)


def test_what_is_not_stated_is_ethereum_with_a_fixed_tip(tables):
    tables["execution"] = {"tip_per_gas_wei": 77}
    settings = settings_of(tables)
    assert settings.fee_rule == FeeRule()
    assert settings.tips == FixedTip(77)
    assert settings.l1_fee_model is None
    assert settings.builder_share_bps == 0
    assert settings.token_gas == ()


def test_every_setting_reaches_the_strategy(tables):
    tables["fees"] = {
        "base_fee_elasticity": 6,
        "base_fee_denominator": 250,
        "base_fee_follows_gas_used": False,
        "tip": "share",
        "tip_share_bps": 4_000,
        "tip_max_share_bps": 8_000,
        "tip_floor_per_gas_wei": 10**7,
        "builder_share_bps": 1_500,
    }
    tables["l1_fee"] = OP_STACK
    tables["tokens"][0]["transfer_gas"] = 21_500
    settings = settings_of(tables)
    assert settings.fee_rule == FeeRule(6, 250, follows_gas_used=False)
    assert settings.tips == ShareTip(4_000, 8_000, 10**7)
    assert settings.builder_share_bps == 1_500
    assert settings.token_gas == ((bytes.fromhex(WETH.removeprefix("0x")), 21_500),)
    assert settings.l1_fee_model == OpStackFee(
        OpStackFork.ISTHMUS,
        base_fee_scalar=5_227,
        blob_base_fee_scalar=1_014_213,
        operator_fee_scalar=3,
        operator_fee_constant=7,
        margin_bps=500,
    )


def test_arbitrum_is_told_by_its_compression(tables):
    tables["l1_fee"] = {"kind": "arbitrum", "compressed_permille": 400, "margin_bps": 100}
    assert settings_of(tables).l1_fee_model == ArbitrumFee(400, 100)


def test_round_trip_through_toml(tables, tmp_path):
    tables["fees"] = {"tip": "share", "tip_share_bps": 1}
    tables["l1_fee"] = OP_STACK
    tables["transport"] = {"mode": "mixed", "on_bus": ["archiver", "dashboard"]}
    config = parse_config(tables, "x")
    path = tmp_path / "node.toml"
    path.write_text(config_to_toml(config))
    assert load_config(path, {}) == config


@pytest.mark.parametrize(
    ("fees", "words"),
    [
        ({"tip_share_bps": 5}, ["fees.tip_share_bps", 'fees.tip = "share"', "tip_per_gas_wei"]),
        ({"tip": "share"}, ["fees.tip_share_bps", "1 to", "was 0"]),
        (
            {"tip": "share", "tip_share_bps": 9, "tip_max_share_bps": 8},
            ["fees.tip_share_bps", "(8)", "was 9"],
        ),
        (
            {"tip": "share", "tip_share_bps": 9, "builder_share_bps": 1},
            ["fees.tip_max_share_bps", "fees.builder_share_bps", "10000", "lower one"],
        ),
        ({"builder_share_bps": 10_001}, ["fees.builder_share_bps", "10000"]),
        ({"base_fee_elasticity": 1}, ["fees.base_fee_elasticity", "2"]),
        ({"base_fee_denominator": 0}, ["fees.base_fee_denominator", "1"]),
        ({"tip": "most"}, ["fees.tip", "most"]),
    ],
)
def test_fees_that_contradict_are_refused_with_a_remedy(tables, fees, words):
    tables["fees"] = fees
    with pytest.raises(Misconfigured) as caught:
        parse_config(tables, "x")
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ({"kind": "op_stack"}, ["l1_fee.fork", "op_stack"]),
        ({"kind": "op_stack", "fork": "cancun"}, ["l1_fee.fork", "cancun"]),
        (
            {"kind": "op_stack", "fork": "fjord", "compressed_permille": 9},
            ["l1_fee.compressed_permille", "leave it out"],
        ),
        ({"kind": "arbitrum", "fork": "fjord"}, ["l1_fee.fork", "leave it out"]),
        ({"kind": "arbitrum", "overhead": 5}, ["l1_fee.overhead", "leave it out"]),
        ({"kind": "arbitrum", "compressed_permille": 0}, ["l1_fee", "compressed_permille"]),
        ({"kind": "op_stack", "fork": "fjord", "margin_bps": 10**6}, ["l1_fee", "margin_bps"]),
        ({"kind": "optimism"}, ["l1_fee.kind", "optimism"]),
    ],
)
def test_layer_1_fees_that_make_no_sense_are_refused(tables, section, words):
    tables["l1_fee"] = section
    with pytest.raises(Misconfigured) as caught:
        parse_config(tables, "x")
    for word in words:
        assert word in str(caught.value)


def test_gas_of_a_transfer_has_a_limit(tables):
    tables["tokens"][0]["transfer_gas"] = 2**40
    with pytest.raises(Misconfigured, match="transfer_gas"):
        parse_config(tables, "x")
