"""`alphapulse devnet` and `alphapulse run` together, as two processes of a user; and sessions in a row on one folder."""

import asyncio
import json
import os
import signal
import socket
from pathlib import Path

import pytest

from alphapulse.devnet.manifest import Manifest
from alphapulse.evm.rpc import JsonRpc
from alphapulse.node.config import load_config
from alphapulse.node.embedded import EmbeddedNode
from alphapulse.node.preflight import balance_of
from alphapulse.node.replay import replay
from alphapulse.node.session import run_session
from alphapulse.protocol.message import Message
from support.node_runs import command, started
from support.trading import Ground, ground

pytestmark = pytest.mark.chain

CANARY = "provider-key-canary"


def ended(process, number: signal.Signals) -> tuple[int, str, str]:
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=20)
    return process.returncode, stdout, stderr


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A devnet by the command line, the line it prints, and the configuration it writes."""
    path = tmp_path_factory.mktemp("devnet") / "node.toml"
    process = started(
        "devnet", "--json", "--block-time", "0.3", "--seed", "7", "--config-out", path
    )
    try:
        assert process.stdout is not None
        yield process.stdout.readline(), path
    finally:
        code, stdout, stderr = ended(process, signal.SIGTERM)
    assert (code, stdout, stderr) == (0, "", "")


def test_devnet_prints_its_manifest_as_one_line(served) -> None:
    line, path = served
    manifest = Manifest.from_json(line.encode())
    assert manifest.chain_id == 31337
    assert len(manifest.tokens) >= 4
    assert len(manifest.pools) >= 12
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", int(manifest.rpc_ws.rsplit(":", 1)[1]))) == 0
    config = load_config(path, {})
    assert config.chain.rpc_ws == manifest.rpc_ws
    assert len(config.pools) == len(manifest.pools)
    assert config.node.live is False
    assert config.wallet is None


def test_written_configuration_runs_dry_and_shows_no_secret(served, tmp_path: Path) -> None:
    """Covers: O1, P1."""
    line, path = served
    url = f"{Manifest.from_json(line.encode()).rpc_ws}/?key={CANARY}"
    variables = {
        "RPC_WITH_KEY": url,
        "ALPHAPULSE__CHAIN__RPC_WS": "env:RPC_WITH_KEY",
        "ALPHAPULSE__NODE__DATA_DIR": str(tmp_path),
    }
    words = ("run", "--config", path, "--headless", "--json", "--seconds", "5")
    done = command(*words, **variables)
    assert done.code == 0, done.stderr
    account = json.loads(done.stdout)
    assert account["mode"] == "dry_run"
    assert account["submitted"] == 0
    assert account["simulated"] == account["opportunities"] > 0
    assert account["books_equal_chain"] is True
    assert account["profit"] == {"predicted": {}, "realised": {}, "usd_e8": 0, "usd": "0.00"}
    assert "dry run: nothing will be submitted" in done.stderr
    assert replay(Path(account["archive"])).digest == account["digest"]
    assert sorted(child.name for child in tmp_path.iterdir()) == ["archive", "dry"]
    assert CANARY not in done.stdout + done.stderr
    for file in tmp_path.rglob("*"):
        # Frames of a connection hold what the node said, not where it was reached.
        assert not file.is_file() or CANARY.encode() not in file.read_bytes(), file


def test_account_for_people_when_no_json_is_asked_for(served, tmp_path: Path) -> None:
    _, path = served
    words = ("run", "--config", path, "--headless", "--seconds", "2")
    done = command(*words, ALPHAPULSE__NODE__DATA_DIR=str(tmp_path))
    assert done.code == 0, done.stderr
    assert done.stdout == ""
    for text in ("net profit", "books equal chain", "replay it: alphapulse replay", str(tmp_path)):
        assert text in done.stderr


def test_live_is_refused_by_a_configuration_for_dry_runs(served) -> None:
    """Covers: O1."""
    _, path = served
    done = command("run", "--config", path, "--live", "--headless", "--seconds", "1")
    assert done.code == 3
    assert "`live = true`" in done.stderr


def test_devnet_refuses_what_it_cannot_do(tmp_path: Path) -> None:
    done = command("devnet", "--owner", "0x12")
    assert done.code == 2
    assert "`--owner`" in done.stderr
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = command("devnet", "--port", port, "--quiet-market", "--seconds", "1")
    assert done.code == 1
    assert f"port {port} is in use" in done.stderr
    done = command("devnet", "--config-out", tmp_path / "absent" / "node.toml", "--seconds", "1")
    assert done.code == 2
    assert "`--config-out" in done.stderr
    assert len(done.stderr.splitlines()) == 1


async def session(where: Ground, folder: Path, name: str, executions: int) -> dict:
    """Run a live session until it executed so often."""
    stop = asyncio.Event()

    def on_start(node: EmbeddedNode, page: str | None) -> None:
        def listen(message: Message, now_ns: int) -> None:
            if node.books.settlements.statistics().succeeded >= executions:
                stop.set()

        node.bus.subscribe(listen, name="test")

    return await run_session(
        where.config(folder / "data"),
        os.environ,
        wallet=where.wallet,
        archive_root=folder / name,
        stop=stop,
        on_start=on_start,
    )


def test_each_session_accounts_for_itself(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with ground() as where:
            first = await session(where, tmp_path, "first", 3)
            second = await session(where, tmp_path, "second", 2)
            assert first["books_equal_chain"] is second["books_equal_chain"] is True
            rpc = await JsonRpc.connect(where.devnet.manifest.rpc_ws)
            for token in where.devnet.manifest.tokens:
                earned = sum(
                    account["profit"]["realised"].get(token.symbol, 0)
                    for account in (first, second)
                )
                held = await balance_of(rpc, token.address, where.wallet.address)
                assert earned == held, token.symbol
            rpc.close()
            assert second["executed"] < first["executed"] + second["executed"]
            assert second["gas_used"] < 1_000_000 * (second["executed"] + second["reverted"])

    asyncio.run(scenario())


def test_a_chain_that_is_gone_at_the_end_leaves_an_account(tmp_path: Path) -> None:
    async def scenario() -> dict:
        async with ground() as where:
            stop = asyncio.Event()
            tasks = []

            async def pull_the_plug(node: EmbeddedNode) -> None:
                await node.desk.collector.wait_live()
                await where.devnet.kill()
                await asyncio.sleep(1)
                stop.set()

            def on_start(node: EmbeddedNode, page: str | None) -> None:
                tasks.append(asyncio.create_task(pull_the_plug(node)))

            await node_without_people(where)
            return await run_session(
                where.config(tmp_path / "data"),
                os.environ,
                wallet=where.wallet,
                archive_root=tmp_path / "run",
                stop=stop,
                on_start=on_start,
            )

    account = asyncio.run(scenario())
    assert account["books_equal_chain"] is None
    assert account["archive_state"] == "complete"
    assert replay(tmp_path / "run").is_equal


async def node_without_people(where: Ground) -> None:
    """Send everybody home, so that nothing of ours waits when the chain dies."""
    where.people.cancel()
    await asyncio.gather(where.people, return_exceptions=True)
