"""`alphapulse run` against everything that can be wrong: one line, cause and remedy, the right exit code, no secret."""

import base64
import http.server
import json
import threading
from pathlib import Path

import pytest

from alphapulse.cli.main import main
from alphapulse.execution.wallet import Wallet, create_keystore
from alphapulse.primitives.address import hex_of
from support.node_runs import CONTRACT, LENDER, command, node_tables, stub_chain, to_toml, websocket

PASSWORD = "correct-horse-canary"
KEY_IN_URL = "provider-key-canary"
UNREACHABLE = "ws://127.0.0.1:9"


def word(value: int | str) -> str:
    digits = value if isinstance(value, str) else f"{value:x}"
    return "0x" + digits.removeprefix("0x").rjust(64, "0")


def chain(owner: str = "0x" + "0e" * 20, **changes: object) -> dict[str, object]:
    """Return the answers of a chain that holds our contract."""
    selectors = {"8da5cb5b": word(owner), "bcead63e": word(LENDER), "074b2e43": word(5)}
    return {
        "eth_chainId": "0x7a69",
        "eth_getCode": "0x6000",
        "eth_getBalance": hex(10**18),
        "eth_blockNumber": "0x10",
        "eth_getTransactionCount": "0x0",
        "eth_call": lambda params: selectors.get(params[0]["data"][2:10], word(0)),
        **changes,
    }


@pytest.fixture
def config(tmp_path: Path):
    """Return a function that writes a configuration and gives its path."""

    def write(rpc_ws: str = UNREACHABLE, **changes: dict[str, object]) -> Path:
        tables = node_tables(rpc_ws, tmp_path / "data")
        for name, change in changes.items():
            tables[name] = {**tables.get(name, {}), **change}
        path = tmp_path / "node.toml"
        path.write_text(to_toml(tables))
        return path

    return write


@pytest.fixture
def keystore(tmp_path: Path) -> Path:
    path = tmp_path / "keystore.json"
    create_keystore(path, PASSWORD, iterations=2)
    return path


@pytest.fixture
def fails(capsys, monkeypatch):
    """Return a function that runs a node which must fail, and gives exit code and the one line."""

    def run(path: Path, *words: str, **variables: str) -> tuple[int, str]:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        code = main(["run", "--config", str(path), "--headless", "--seconds", "5", *words])
        output = capsys.readouterr()
        (line,) = output.err.splitlines()
        assert line.startswith("alphapulse: ")
        assert output.out == ""
        assert PASSWORD not in line
        assert KEY_IN_URL not in line
        return code, line.removeprefix("alphapulse: ")

    return run


def names(line: str, *parts: str) -> bool:
    return all(part in line for part in parts)


def test_unreachable_endpoint(config, fails) -> None:
    code, line = fails(config())
    assert code == 1
    assert names(line, "ws://127.0.0.1:9", "cannot be reached", "check `chain.rpc_ws`")


def test_unreachable_endpoint_in_a_process_of_its_own(config) -> None:
    done = command("run", "--config", config(), "--headless")
    assert (done.code, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert names(line, "alphapulse: ", "cannot be reached", "check `chain.rpc_ws`")


def test_wrong_chain(config, fails) -> None:
    with stub_chain(chain(eth_chainId="0x1")) as url:
        code, line = fails(config(url))
    assert code == 2
    assert names(line, "`chain.chain_id`", "31337", "chain 1;", "correct")


def test_web_page_instead_of_a_node(config, fails) -> None:
    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b"<html>welcome</html>"
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        code, line = fails(config(f"ws://127.0.0.1:{server.server_port}"))
        server.shutdown()
        thread.join()
    assert code == 1
    assert names(line, f"ws://127.0.0.1:{server.server_port}", "check `chain.rpc_ws`")


@pytest.mark.parametrize(
    "noise",
    [
        b"\x00\xff\xfe noise",
        "hello",
        '{"id": "x"}',
        '{"jsonrpc": "2.0", "id": 1, "result": {"a": 1}}',
        '{"jsonrpc": "2.0", "id": 1, "result": "0xzz"}',
        '{"jsonrpc": "2.0", "id": 1, "result": 31337}',
        '{"jsonrpc": "2.0", "id": 1, "result": null}',
        '{"jsonrpc": "2.0", "id": 1, "error": {"code": -32601, "message": "no such\\nmethod"}}',
    ],
    ids=lambda noise: str(noise)[:30],
)
def test_noise_instead_of_answers(config, fails, noise) -> None:
    with websocket(lambda _: noise) as url:
        code, line = fails(config(url))
    assert code == 1
    assert names(line, url, "check `chain.rpc_ws`")


@pytest.mark.parametrize(
    "method",
    ["eth_getCode", "eth_getBalance", "eth_blockNumber"],
)
@pytest.mark.parametrize("answer", [[], {"a": 1}, "", "0xzz"])
def test_wrong_shapes(config, fails, method: str, answer: object) -> None:
    with stub_chain(chain(**{method: answer})) as url:
        code, line = fails(config(url))
    assert code in (1, 2)
    assert names(line, "check `chain.rpc_ws`") or names(line, "correct")


def test_contract_without_code(config, fails) -> None:
    with stub_chain(chain(eth_getCode="0x")) as url:
        code, line = fails(config(url))
    assert code == 2
    assert names(line, "`contract.address`", CONTRACT, "no code", "correct the address")


@pytest.mark.parametrize("answer", ["0x", None, "0x1234", word("ff" * 32)])
def test_contract_that_is_another(config, fails, answer: str | None) -> None:
    with stub_chain(chain(eth_call=answer)) as url:
        code, line = fails(config(url))
    assert code == 2
    assert names(line, "`contract.address`", CONTRACT, "is not an arbitrage contract", "correct")


def test_lender_that_is_another(config, fails) -> None:
    with stub_chain(chain()) as url:
        code, line = fails(config(url, contract={"lender": "0x" + "77" * 20}))
    assert code == 2
    assert names(line, "`contract.lender`", LENDER)


def test_token_that_is_none(config, fails) -> None:
    answers = chain()
    known = answers["eth_call"]
    answers["eth_call"] = lambda params: (
        "0x" if params[0]["data"].startswith("0x70a08231") else known(params)
    )
    with stub_chain(answers) as url:
        code, line = fails(config(url))
    assert code == 2
    assert names(line, "`tokens`", "`WETH`", "correct its address")


def test_missing_file(tmp_path: Path, fails) -> None:
    code, line = fails(tmp_path / "absent.toml")
    assert code == 2
    assert names(line, "absent.toml", "No such file", "`--config`")


def test_not_toml(tmp_path: Path, fails) -> None:
    path = tmp_path / "node.toml"
    path.write_text("chain_id: 31337\n")
    code, line = fails(path)
    assert code == 2
    assert names(line, "node.toml", "is not TOML", "line 1")


def test_not_text(tmp_path: Path, fails) -> None:
    path = tmp_path / "node.toml"
    path.write_bytes(b"\xff\xfe\x00")
    code, line = fails(path)
    assert code == 2
    assert names(line, "node.toml", "is not TOML")


def test_unknown_key(config, fails) -> None:
    code, line = fails(config(chain={"chian_id": 1}))
    assert code == 2
    assert names(line, "node.toml", "chian_id", "`chain`")


def test_unknown_key_in_the_environment(config, fails) -> None:
    code, line = fails(config(), ALPHAPULSE__CHAIN__CHIAN_ID="1")
    assert code == 2
    assert names(line, "chian_id", "`chain`")


def test_plain_password_in_the_file(config, keystore, fails) -> None:
    code, line = fails(config(wallet={"keystore": str(keystore), "password": PASSWORD}))
    assert code == 2
    assert names(line, "`wallet.password`", "`env:NAME`", "`file:PATH`")


@pytest.mark.parametrize(
    "url",
    [
        f"wss://mainnet.example/v3/{KEY_IN_URL}",
        f"ws://127.0.0.1:8545/{KEY_IN_URL}",
        f"ws://127.0.0.1:8545?key={KEY_IN_URL}",
        f"ws://127.0.0.1:{KEY_IN_URL}@example.com",
        f"ws://{KEY_IN_URL}@127.0.0.1:8545",
        KEY_IN_URL,
    ],
)
def test_url_that_may_hold_a_key_in_the_file(config, fails, url: str) -> None:
    code, line = fails(config(url))
    assert code == 2
    assert names(line, "`chain.rpc_ws`", "`env:NAME`", "`file:PATH`")


@pytest.mark.parametrize(
    "url",
    [
        f"ws://127.0.0.1:9/v3/{KEY_IN_URL}",
        f"ws://127.0.0.1:9/?key={KEY_IN_URL}",
        f"ws://{KEY_IN_URL}:{PASSWORD}@127.0.0.1:9",
        f"ws://127.0.0.1:port-{KEY_IN_URL}/",
        f"ws://[{KEY_IN_URL}/",
        f"https://127.0.0.1/{KEY_IN_URL}",
        KEY_IN_URL,
        "",
    ],
)
def test_url_behind_a_reference_is_never_shown(config, fails, url: str) -> None:
    """Covers: P1."""
    code, line = fails(config("env:RPC_CANARY"), RPC_CANARY=url)
    assert code in (1, 2)
    assert "chain.rpc_ws" in line


def test_references_that_lead_nowhere(config, fails, tmp_path: Path) -> None:
    code, line = fails(config("env:RPC_ABSENT"))
    assert code == 2
    assert names(line, "`chain.rpc_ws`", "`RPC_ABSENT`", "not set")
    code, line = fails(config(f"file:{tmp_path}/absent"))
    assert code == 2
    assert names(line, "`chain.rpc_ws`", "absent", "cannot be read")


def test_missing_keystore(config, fails) -> None:
    code, line = fails(config(wallet={"keystore": "absent.json", "password": "env:WORD"}))
    assert code == 2
    assert names(line, "`wallet.keystore`", "absent.json", "does not exist", "correct the path")


@pytest.fixture
def live_config(config, keystore):
    def write(url: str = UNREACHABLE, **wallet: str) -> Path:
        section = {"keystore": str(keystore), "password": "env:WORD_CANARY", **wallet}
        return config(url, node={"live": True}, wallet=section)

    return write


def test_wrong_password(live_config, fails) -> None:
    code, line = fails(live_config(), "--live", WORD_CANARY=KEY_IN_URL)
    assert code == 2
    assert names(line, "does not open", "`wallet.password`")


def test_password_that_is_not_set(live_config, fails) -> None:
    code, line = fails(live_config(password="env:WORD_ABSENT"), "--live")
    assert code == 2
    assert names(line, "`wallet.password`", "`WORD_ABSENT`", "not set")


def test_keystore_that_is_none(live_config, fails, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_text(json.dumps({"version": 3, "key": base64.b64encode(b"k" * 32).decode()}))
    code, line = fails(live_config(keystore=str(other)), "--live", WORD_CANARY=PASSWORD)
    assert code == 2
    assert names(line, "other.json", "`wallet.keystore`")


def test_live_needs_the_file_to_allow_it(config, keystore, fails) -> None:
    """Covers: O1."""
    section = {"keystore": str(keystore), "password": "env:WORD_CANARY"}
    code, line = fails(config(wallet=section), "--live", WORD_CANARY=PASSWORD)
    assert code == 3
    assert names(line, "`--live`", "`live = true`", "`[node]`")


def test_live_needs_a_wallet(config, fails) -> None:
    code, line = fails(config(node={"live": True}), "--live")
    assert code == 2
    assert names(line, "`[wallet]`", "`keystore`", "`password`")


def test_key_that_does_not_own_the_contract(live_config, keystore, fails) -> None:
    account = hex_of(Wallet.load(keystore, PASSWORD).address)
    with stub_chain(chain(owner="0x" + "0f" * 20)) as url:
        code, line = fails(live_config(url), "--live", WORD_CANARY=PASSWORD)
    assert code == 3
    assert names(line, account, "0x" + "0f" * 20, "owner's keystore")


def test_key_without_gas_money(live_config, keystore, fails) -> None:
    account = hex_of(Wallet.load(keystore, PASSWORD).address)
    with stub_chain(chain(owner=account, eth_getBalance="0x0")) as url:
        code, line = fails(live_config(url), "--live", WORD_CANARY=PASSWORD)
    assert code == 3
    assert names(line, account, "fund it")


def test_data_folder_that_cannot_be_written(config, fails, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with stub_chain(chain()) as url:
        code, line = fails(config(url, node={"data_dir": str(tmp_path / "file" / "in")}))
    assert code == 2
    assert names(line, "`node.data_dir`", "cannot be written")


def test_port_of_the_dashboard_that_is_taken(config, fails, capsys) -> None:
    with stub_chain(chain()) as url:
        port = int(url.rsplit(":", 1)[1])
        path = config(url, dashboard={"port": port})
        assert main(["run", "--config", str(path), "--seconds", "1"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert names(line, str(port), "`dashboard.port`")


def test_demonstration_that_has_no_place_for_its_files(tmp_path: Path, capsys) -> None:
    (tmp_path / "file").write_text("")
    assert main(["demo", "--headless", "--data-dir", str(tmp_path / "file")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert names(line, "`--data-dir`", "cannot be written")


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("chain", "chain_id", 0),
        ("chain", "chain_id", "mainnet"),
        ("contract", "address", "0x12"),
        ("dashboard", "port", 70_000),
        ("strategy", "max_hops", 9),
        ("risk", "daily_loss_limit_usd_e8", -1),
        ("execution", "valid_blocks", 0),
        ("node", "live", "perhaps"),
    ],
)
def test_value_out_of_range_is_named(config, fails, section: str, key: str, value) -> None:
    code, line = fails(config(**{section: {key: value}}))
    assert code == 2
    assert names(line, "node.toml", f"`{section}.{key}`")


def test_a_service_apart_fails_as_the_whole_node_does(config, fails) -> None:
    """The error of a child process is the node's: one line, the same words, the same exit code."""
    with stub_chain(chain(eth_chainId="0x1")) as url:
        code, line = fails(config(url), "--transport", "unix")
    assert code == 2
    assert "`chain.chain_id` is 31337, but the endpoint serves chain 1" in line


def test_servers_that_are_not_there(config, fails) -> None:
    code, line = fails(config(), "--transport", "nats")
    assert code == 2
    assert "`transport.nats_url` is needed" in line
    code, line = fails(config(), "--transport", "mixed")
    assert code == 2
    assert "`transport.on_bus`" in line
