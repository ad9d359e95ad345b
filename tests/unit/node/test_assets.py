"""The asset-equivalence file: the shared one loads, and what breaks a rule is named."""

from pathlib import Path

import pytest

from alphapulse.errors import Misconfigured
from alphapulse.node.assets import load_assets, parse_assets
from alphapulse.primitives.instrument_id import InstrumentId

SHARED = Path(__file__).parents[3] / "config" / "shared" / "tokens.toml"


def test_the_shared_table_keeps_apart_what_only_looks_alike() -> None:
    table = load_assets(SHARED)
    usdc = bytes.fromhex("3c499c542cEF5E3811e1192ce70d8cC03d5c3359")
    bridged = bytes.fromhex("2791Bca1f2de4661ED88A30C99A7a9449Aa84174")
    weth = bytes.fromhex("4200000000000000000000000000000000000006")
    assert table.symbol(table.class_of_token(137, usdc)) == "USDC"
    assert table.class_of_token(137, bridged) not in (0, table.class_of_token(137, usdc))
    assert table.class_of_token(8453, weth) == table.class_of_token(1, bytes(20)) != 0
    assert table.class_of_token(137, bytes(20)) != table.class_of_token(1, bytes(20))
    bitcoin = table.class_of_coin(InstrumentId.coin(100, "BTC"))
    assert bitcoin == table.class_of_coin(InstrumentId.coin(101, "XBT")) != 0


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[[asset]]\nclass = 1", "symbol"),
        ('[[asset]]\nclass = 1\nsymbol = "A"\ncolour = 1', "colour"),
        ('[[asset]]\nclass = 1\nsymbol = "A"\non.x = ["0x00"]', "on"),
        ('[[asset]]\nclass = 1\nsymbol = "A"\non.1 = ["0x00"]', "on"),
        ('[[asset]]\nclass = 1\nsymbol = "A"\nat = { nowhere = "A" }', "nowhere"),
        ('[[asset]]\nclass = 0\nsymbol = "A"', "class"),
        ("asset = ", "table"),
    ],
)
def test_what_breaks_a_rule_is_named(text: str, named: str) -> None:
    with pytest.raises(Misconfigured, match=named) as refused:
        parse_assets(text, name="tokens.toml")
    assert "tokens.toml" in str(refused.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="missing"):
        load_assets(tmp_path / "missing.toml")
