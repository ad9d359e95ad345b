import msgspec
import pytest

from alphapulse.cli.running import with_transport
from alphapulse.errors import Misconfigured
from alphapulse.node.config import (
    ArchiveSection,
    DashboardSection,
    WalletSection,
    load_config,
    parse_config,
    resolve_secret,
    transport_section,
    venue_number,
)
from alphapulse.node.devnet_config import config_to_toml
from alphapulse.node.link import nats_url
from alphapulse.node.wiring import ChainFacts, collector_config, rpc_url, strategy_config
from alphapulse.primitives.venue import Venue
from support.node_runs import USDC, WETH, node_tables, to_toml

URL = "ws://127.0.0.1:8545"
CANARY = "provider-key-canary"


@pytest.fixture
def tables():
    return node_tables(URL)


def written(tmp_path, tables):
    path = tmp_path / "node.toml"
    path.write_text(to_toml(tables))
    return path


def test_defaults_are_those_of_a_dry_run(tables):
    config = parse_config(tables, "x")
    assert config.node.live is False
    assert config.wallet is None
    assert config.dashboard.host == "127.0.0.1"
    assert config.risk.daily_loss_limit_usd_e8 > 0


def test_environment_stands_over_the_file(tmp_path, tables):
    tables["risk"] = {"daily_loss_limit_usd_e8": 5}
    environment = {
        "ALPHAPULSE__RISK__DAILY_LOSS_LIMIT_USD_E8": "7",
        "ALPHAPULSE__NODE__LIVE": "true",
        "ALPHAPULSE__DASHBOARD__PORT": "0",
        "ALPHAPULSE_KERNEL": "python",
        "HOME": "elsewhere",
    }
    path = written(tmp_path, tables)
    config = load_config(path, environment)
    assert config.risk.daily_loss_limit_usd_e8 == 7
    assert config.node.live is True
    assert config.dashboard.port == 0
    assert load_config(path, {}).risk.daily_loss_limit_usd_e8 == 5


@pytest.mark.parametrize(
    "variable", ["ALPHAPULSE__NODE", "ALPHAPULSE__", "ALPHAPULSE__TOKENS__SYMBOL"]
)
def test_variable_that_names_no_key(tmp_path, tables, variable):
    with pytest.raises(Misconfigured, match=variable):
        load_config(written(tmp_path, tables), {variable: "x"})


@pytest.mark.parametrize("variable", ["ALPHAPULSE__NODE__LIFE", "ALPHAPULSE__NODES__LIVE"])
def test_variable_with_an_unknown_name(tmp_path, tables, variable):
    with pytest.raises(Misconfigured, match="unknown field"):
        load_config(written(tmp_path, tables), {variable: "x"})


def test_round_trip_through_toml(tmp_path, tables):
    full = msgspec.structs.replace(
        parse_config(tables, "x"),
        wallet=WalletSection(keystore='a "quoted" \\ path/ключ', password="env:WORD"),
        dashboard=DashboardSection(enabled=False, port=0),
    )
    path = tmp_path / "node.toml"
    path.write_text(config_to_toml(full))
    assert load_config(path, {}) == full


def test_round_trip_through_an_archive(tables):
    config = parse_config(tables, "x")
    assert parse_config(msgspec.to_builtins(config), "y") == config


@pytest.mark.parametrize("section", ["chain", "contract", "tokens", "pools"])
def test_section_that_must_not_lack(tables, section):
    del tables[section]
    with pytest.raises(Misconfigured, match=section):
        parse_config(tables, "x")


def test_pool_of_a_token_that_is_not_listed(tables):
    tables["tokens"].pop()
    with pytest.raises(Misconfigured, match=f"`{USDC}`, which `tokens` lacks"):
        parse_config(tables, "x")


def test_venue_that_does_not_exist(tables):
    tables["pools"][0]["venue"] = "uniswap"
    with pytest.raises(Misconfigured, match="uniswap_v3"):
        parse_config(tables, "x")
    assert venue_number("uniswap_v2") == Venue.UNISWAP_V2


def test_values_are_frozen(tables):
    config = parse_config(tables, "x")
    with pytest.raises(AttributeError):
        config.node.live = True


def test_secrets_come_by_reference_only(tmp_path):
    file = tmp_path / "word"
    file.write_text(f"{CANARY}\n")
    assert resolve_secret(f"file:{file}", {}, "key") == CANARY
    assert resolve_secret("env:WORD", {"WORD": CANARY}, "key") == CANARY
    for reference in (CANARY, f"cmd:{CANARY}", "env:ABSENT", f"file:{tmp_path}/absent"):
        with pytest.raises(Misconfigured) as caught:
            resolve_secret(reference, {}, "wallet.password")
        assert "wallet.password" in str(caught.value)
        assert CANARY not in str(caught.value)


def test_file_that_holds_no_text(tmp_path):
    (tmp_path / "word").write_bytes(b"\xff\xfe")
    with pytest.raises(Misconfigured, match="does not hold text"):
        resolve_secret(f"file:{tmp_path}/word", {}, "wallet.password")


def test_configuration_shows_the_reference_of_a_url(tables):
    """Covers: P1."""
    tables["chain"]["rpc_ws"] = "env:RPC"
    config = parse_config(tables, "x")
    environment = {"RPC": f"wss://mainnet.example/v3/{CANARY}\n"}
    assert rpc_url(config, environment) == f"wss://mainnet.example/v3/{CANARY}"
    assert CANARY not in repr(config)
    assert CANARY not in config_to_toml(config)


def test_collector_is_told_everything_about_pools(tables):
    settings = collector_config(parse_config(tables, "x"), URL)
    (pool,) = settings.pools
    assert (pool.venue, pool.kind, pool.fee_pips) == (Venue.UNISWAP_V2, "uniswap_v2", 3000)
    assert [token.symbol for token in settings.tokens] == ["WETH", "USDC"]


def test_strategy_borrows_what_has_a_limit_and_prices_what_is_a_dollar(tables):
    settings = strategy_config(parse_config(tables, "x"), ChainFacts(5, bytes(20)))
    assert [(row.address.hex(), row.max_loan) for row in settings.borrowable] == [
        (WETH.removeprefix("0x"), 10**21)
    ]
    assert [token.hex() for token in settings.usd_tokens] == [USDC.removeprefix("0x")]
    assert settings.premium_bps == 5


def test_transport_is_one_process_unless_told_otherwise(tables):
    assert parse_config(tables, "x").transport.mode == "local"


def test_command_line_stands_over_environment_over_file(tmp_path, tables):
    tables["transport"] = {"mode": "unix", "directory": "/run/a"}
    environment = {"ALPHAPULSE__TRANSPORT__MODE": "nats"}
    config = load_config(written(tmp_path, tables), environment)
    assert config.transport.mode == "nats"
    assert with_transport(config, None).transport.mode == "nats"
    chosen = with_transport(config, "local").transport
    assert (chosen.mode, chosen.directory) == ("local", "/run/a")
    assert transport_section(environment, None).mode == "nats"
    assert transport_section(environment, "unix").mode == "unix"
    listed = {"ALPHAPULSE__TRANSPORT__ON_BUS": '["archiver", "books"]'}
    assert transport_section(listed, "mixed").on_bus == ("archiver", "books")
    with pytest.raises(Misconfigured, match="ON_BUS"):
        transport_section({"ALPHAPULSE__TRANSPORT__ON_BUS": "[archiver"}, "mixed")


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ({"mode": "carrier_pigeon"}, ["transport.mode", "carrier_pigeon"]),
        ({"mode": "mixed"}, ["transport.on_bus", "mixed"]),
        ({"mode": "unix", "on_bus": ["books"]}, ["transport.on_bus", "mixed"]),
        ({"mode": "mixed", "on_bus": ["desk"]}, ["transport.on_bus", "desk"]),
        ({"mode": "nats", "nats_url": f"nats://{CANARY}@127.0.0.1:4222"}, ["transport.nats_url"]),
        ({"mode": "nats", "nats_url": "nats://bus.example:4222"}, ["transport.nats_url", "env:"]),
    ],
)
def test_transport_that_makes_no_sense(tables, section, words):
    """Covers: P1."""
    tables["transport"] = section
    with pytest.raises(Misconfigured) as caught:
        parse_config(tables, "x")
    assert all(word in str(caught.value) for word in words)
    assert CANARY not in str(caught.value)


def test_url_of_a_server_comes_by_reference_and_is_never_shown(tables):
    """Covers: P1."""
    tables["transport"] = {"mode": "nats", "nats_url": "env:BUS"}
    config = parse_config(tables, "x")
    url = nats_url(config, {"BUS": f"nats://{CANARY}@bus.example:4222\n"})
    assert url.reveal() == f"nats://{CANARY}@bus.example:4222"
    assert CANARY not in repr(url) + repr(config)
    with pytest.raises(Misconfigured, match="BUS") as caught:
        nats_url(config, {"BUS": f"http://{CANARY}"})
    assert CANARY not in str(caught.value)


def test_server_that_is_not_named(tables):
    tables["transport"] = {"mode": "nats"}
    with pytest.raises(Misconfigured, match=r"transport\.nats_url.*4222"):
        nats_url(parse_config(tables, "x"), {})


def test_an_archive_is_kept_for_ever_unless_told_otherwise(tables):
    assert parse_config(tables, "x").archive == ArchiveSection(keep_days=0, keep_bytes=0)
    told = parse_config({**tables, "archive": {"keep_days": 30, "keep_bytes": 10**9}}, "x")
    assert told.archive == ArchiveSection(keep_days=30, keep_bytes=10**9)
    with pytest.raises(Misconfigured, match="keep_days"):
        parse_config({**tables, "archive": {"keep_days": -1}}, "x")
