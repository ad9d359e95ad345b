"""A node whose services are apart, on a real chain: what a run promises in every mode, and what the loss of a service does.

Oracles: the chain's balances and nonces, and the archive.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from alphapulse.archive.manifest import ArchiveState
from alphapulse.archive.reader import ArchiveReader
from alphapulse.cli.exit_codes import DONE, FAILED
from alphapulse.cli.running import exit_code
from alphapulse.errors import Unavailable
from alphapulse.execution.wallet import create_keystore
from alphapulse.node.config import (
    Config,
    DashboardSection,
    TransportSection,
    WalletSection,
    parse_config,
)
from alphapulse.node.decisions import Decider
from alphapulse.node.devnet_config import config_to_toml
from alphapulse.node.reconcile import differences, read_balances
from alphapulse.node.started import Started
from alphapulse.node.supervisor import run_apart
from alphapulse.node.wiring import ChainFacts, strategy_config
from alphapulse.portfolio.portfolio import Portfolio
from alphapulse.portfolio.store import PortfolioStore
from alphapulse.primitives.address import address, hex_of
from alphapulse.primitives.secret import Secret
from alphapulse.strategies.flash_arbitrage.strategy import FlashArbitrage
from support.node_runs import (
    command,
    demo_words,
    finished_demos_apart,
    started,
)
from support.trading import KEY, Ground, ground

pytestmark = pytest.mark.chain

MODES = ("unix", "nats", "mixed") if shutil.which("nats-server") else ("unix",)
# Three whole nodes share the machine here, so that others on the chain come first more often than in a run alone.
REVERTS_ALWAYS_ALLOWED = 2
WORD = "a password of the tests"
HELD_S = 4.0  # three heartbeats of 0.8 s and what was on its way
WAIT_S = 40


@pytest.fixture(scope="module", params=MODES)
def demo(request):
    run = finished_demos_apart(*MODES)[request.param]
    assert run.code == 0, run.stderr
    return run


def test_services_apart_earn_what_the_chain_says(demo) -> None:
    account = demo.account
    assert account["executed"] >= 5
    assert account["reverted"] <= max(REVERTS_ALWAYS_ALLOWED, account["submitted"] / 4)
    assert account["books_equal_chain"] is True
    assert account["differences"] == []
    assert account["profit"]["usd_e8"] > 0
    assert account["settlement"]["untouched_exact"] == account["settlement"]["untouched"] > 0
    assert account["settlement"]["below_min_profit"] == 0
    assert account["executed"] + account["reverted"] + account["cancelled"] == account["submitted"]
    assert account["lost"] == []
    for name in ("frame_to_plan", "frame_to_submitted"):
        assert account["latency_us"][name]["count"] > 0


def test_archive_holds_every_message_from_the_first_on(demo) -> None:
    account = demo.account
    assert account["archive_whole"] is True
    assert account["archive_missing"] == []
    reader = ArchiveReader(demo.archive)
    assert reader.verify().state is ArchiveState.COMPLETE
    held: dict[str, list[int]] = {}
    for message in reader.messages():
        header = message.header
        held.setdefault(f"{header.domain}-{header.source}", []).append(header.sequence)
    for name, last in account["said"].items():
        assert held[name] == list(range(1, len(held[name]) + 1)), name
        assert len(held[name]) >= last, "heartbeats of the link may follow"
    assert sum(map(len, held.values())) == account["messages"]


def test_the_order_that_the_desk_saw_gives_its_decisions_again(demo) -> None:
    reader = ArchiveReader(demo.archive)
    recorded = reader.manifest.facts
    facts = ChainFacts(recorded["premium_bps"], address(recorded["operator"]))
    settings = strategy_config(parse_config(recorded["config"], "recorded"), facts)
    decider = Decider(
        FlashArbitrage(settings), settings.source, publish=lambda _: None, act=lambda _: None
    )
    for delivered in reader.deliveries(recorded["seen_by"]):
        decider.on_message(delivered.message, delivered.now_ns)
    assert decider.digest.hexdigest() == demo.account["digest"]
    assert decider.digest.count == demo.account["decisions"] > 0


def test_frames_lie_beside_the_desk(demo) -> None:
    manifest = ArchiveReader(Path(demo.account["frames"])).verify()
    assert manifest.state is ArchiveState.COMPLETE
    assert manifest.frames.rows > demo.account["blocks"]
    assert manifest.messages.rows == 0


def test_no_secret_travels_in_words_or_environment_of_a_process(demo) -> None:
    """Covers: P1."""
    (run,) = demo.folder.iterdir()
    word = (run / "password").read_text()
    assert word not in demo.stdout + demo.stderr
    for path in (run / "archive").rglob("*"):
        assert not path.is_file() or word.encode() not in path.read_bytes()
    for name in ("nats/url", "nats/server.conf"):
        if (run / name).exists():
            assert (run / name).stat().st_mode & 0o077 == 0


def test_a_server_that_is_not_installed_is_named_with_a_remedy(tmp_path: Path) -> None:
    words = [*demo_words(tmp_path / "data", seconds=1), "--transport", "nats"]
    done = command(*words, PATH=str(tmp_path))
    assert done.code == 2
    assert "`nats-server` is not on the path" in done.stderr
    assert "transport.nats_url" in done.stderr


@asynccontextmanager
async def apart(where: Ground, folder: Path, name: str) -> AsyncIterator[Running]:
    """Run a live node with its services apart over the ground, under the test's own supervisor."""
    running = Running(config_of(where, folder), folder / name)
    running.task = asyncio.create_task(running.run())
    try:
        await running.until(lambda: running.node is not None, "it traded")
        yield running
    finally:
        running.stop.set()
        running.task.cancel()
        await asyncio.gather(running.task, return_exceptions=True)


class Running:
    """A node apart, and what its supervisor hears."""

    def __init__(self, config: Config, archive: Path) -> None:
        self.config = config
        self.archive = archive
        self.stop = asyncio.Event()
        self.node: Started | None = None
        self.task: asyncio.Task[dict[str, object]] | None = None

    async def run(self) -> dict[str, object]:
        return await run_apart(
            self.config,
            {**os.environ},
            is_live=True,
            archive_root=self.archive,
            stop=self.stop,
            on_start=self._on_start,
        )

    def _on_start(self, node: Started) -> None:
        self.node = node

    @property
    def executed(self) -> int:
        assert self.node is not None
        return self.node.replica.counts["executed"]

    def kill(self, service: str, number: signal.Signals = signal.SIGKILL) -> None:
        assert self.node is not None
        os.kill(self.node.processes[service], number)

    async def until(self, condition, what: str) -> None:
        assert self.task is not None
        async with asyncio.timeout(WAIT_S):
            while not condition():
                if self.task.done():
                    self.task.result()
                    raise AssertionError(f"the node ended before {what}")
                await asyncio.sleep(0.05)

    async def finish(self) -> dict[str, object]:
        assert self.task is not None
        self.stop.set()
        return await self.task


def config_of(where: Ground, folder: Path) -> Config:
    keystore, password = folder / "keystore.json", folder / "password"
    if not keystore.exists():
        create_keystore(keystore, Secret(WORD), iterations=2, key=Secret(KEY.to_bytes(32, "big")))
        password.write_text(WORD)
    config = where.config(folder / "data")
    shown = DashboardSection(enabled=True, port=0)
    return msgspec.structs.replace(
        config,
        dashboard=shown,
        wallet=WalletSection(keystore=str(keystore), password=f"file:{password}"),
        transport=TransportSection(mode="unix"),
    )


async def nonce_of(where: Ground) -> int:
    text = await where.devnet.rpc.request(
        str, "eth_getTransactionCount", hex_of(where.wallet.address), "latest"
    )
    return int(text, 16)


async def moved(where: Ground, config: Config, before) -> tuple:
    """Compare everything that the store holds with what the chain shows since `before`."""
    store = PortfolioStore(f"sqlite:///{Path(config.node.data_dir) / 'live' / 'portfolio.sqlite'}")
    empty, books = Portfolio(), Portfolio()
    try:
        books.restore(store.load())
    finally:
        store.close()
    after = await read_balances(config.chain.rpc_ws, config, where.wallet.address)
    return differences(config, before, after, empty.balances(), books.balances())


async def lose(where: Ground, running: Running, service: str) -> None:
    """Kill a service that the run cannot do without, and see that the node ends and sends nothing more."""
    await running.until(lambda: running.executed >= 3, "three executions")
    running.kill(service)
    with pytest.raises(Unavailable, match=f"service `{service}` was lost: .*signal 9"):
        await running.task
    settled = await nonce_of(where)
    await asyncio.sleep(1.0)
    assert await nonce_of(where) == settled


async def silence(where: Ground, running: Running) -> None:
    """Let the books stand still but live, so that only missing heartbeats tell, and see that the desk holds."""
    await running.until(lambda: running.executed >= 3, "three executions")
    replica = running.node.replica
    running.kill("books", signal.SIGSTOP)
    await asyncio.sleep(HELD_S)
    held, signals = await nonce_of(where), replica.counts["signals"]
    await running.until(lambda: replica.counts["signals"] >= signals + 5, "signals go on")
    assert await nonce_of(where) == held
    running.kill("books", signal.SIGCONT)
    executed = running.executed
    await running.until(lambda: running.executed >= executed + 2, "it trades again")


def test_lost_services_end_the_trading_and_a_restart_recovers(tmp_path: Path) -> None:
    """A dashboard is no loss to the run, a silent one of the others holds it, a dead one ends it. Covers: O2, P8."""

    async def scenario() -> None:
        async with ground() as where:
            config = config_of(where, tmp_path)
            before = await read_balances(config.chain.rpc_ws, config, where.wallet.address)
            for service in ("books", "archiver"):
                async with apart(where, tmp_path, f"without-{service}") as running:
                    await lose(where, running, service)
            async with apart(where, tmp_path, "last") as running:
                running.kill("dashboard")
                await silence(where, running)
                account = await running.finish()
            assert account["lost"] == ["dashboard"]
            assert account["books_equal_chain"] is True
            assert account["archive_missing"] == []
            assert await moved(where, config, before) == ()
            assert exit_code(account, may_be_unknown=False) == FAILED
            assert exit_code({**account, "lost": []}, may_be_unknown=False) == DONE

    asyncio.run(scenario())


def test_services_whose_supervisor_is_killed_end_by_themselves(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with ground() as where:
            config = config_of(where, tmp_path)
            file = tmp_path / "node.toml"
            file.write_text(config_to_toml(config))
            words = ("run", "--config", file, "--live", "--headless", "--json")
            process = started(*words)
            try:
                numbers = await asyncio.to_thread(processes_of, process)
                await asyncio.sleep(3)
            finally:
                process.kill()
                await asyncio.to_thread(process.communicate, timeout=WAIT_S)
            await asyncio.to_thread(wait_for_the_end, numbers.values())
            settled = await nonce_of(where)
            await asyncio.sleep(1.0)
            assert await nonce_of(where) == settled

    asyncio.run(scenario())
    (archive,) = [
        path
        for path in tmp_path.glob("data/archive/*")
        if not path.name.endswith(("-frames", "-journal"))
    ]
    manifest = ArchiveReader(archive).verify()
    assert manifest.state is ArchiveState.COMPLETE
    assert manifest.messages.rows > 0


def processes_of(process) -> dict[str, int]:
    """Read what the supervisor says of its processes."""
    while not (line := process.stderr.readline()).startswith("transport "):
        assert process.poll() is None, line
    pairs = line.strip().partition("processes ")[2].split(", ")
    return {name: int(number) for name, number in (pair.split() for pair in pairs)}


def wait_for_the_end(numbers: Iterable[int]) -> None:
    deadline = time.monotonic() + WAIT_S
    while any(map(lives, numbers)):
        assert time.monotonic() < deadline, "a service outlived its supervisor"
        time.sleep(0.1)


def lives(number: int) -> bool:
    with contextlib.suppress(OSError):
        os.kill(number, 0)
        state = Path(f"/proc/{number}/stat").read_text().rsplit(")", 1)[1].split()[0]
        return state != "Z"
    return False
