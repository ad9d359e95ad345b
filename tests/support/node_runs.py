"""Runs of the command line as a user starts it, and configurations of nodes for tests.

One demonstration serves every test that only looks at a finished run: `finished_demo()`.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

ROOT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-m", "alphapulse.cli.main")
SEED = 7
DEMO_SECONDS = 25
DEMO_BLOCK_TIME_S = 0.5
APART_SECONDS = 8
ON_BUS = '["books", "archiver"]'

CONTRACT = "0x" + "c0" * 20
LENDER = "0x" + "1e" * 20
WETH = "0x" + "aa" * 20
USDC = "0x" + "bb" * 20


@dataclass(frozen=True)
class Finished:
    """What a command left."""

    code: int
    stdout: str
    stderr: str


@dataclass(frozen=True)
class Demo(Finished):
    """A finished demonstration."""

    folder: Path

    @property
    def account(self) -> dict:
        return json.loads(self.stdout)

    @property
    def archive(self) -> Path:
        return Path(self.account["archive"])


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTHONDONTWRITEBYTECODE": "1", **more}


def command(*words: object, timeout: float = 120, **more: str) -> Finished:
    """Run `alphapulse` in a process of its own."""
    done = subprocess.run(
        [*COMMAND, *map(str, words)],
        cwd=ROOT,
        env=environment(**more),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    return Finished(done.returncode, done.stdout, done.stderr)


def started(*words: object, **more: str) -> subprocess.Popen[str]:
    """Start `alphapulse`; whoever calls must end it."""
    return subprocess.Popen(
        [*COMMAND, *map(str, words)],
        cwd=ROOT,
        env=environment(**more),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def demo_words(folder: Path, *, seconds: float | None) -> list[str]:
    words = ["demo", "--headless", "--seed", str(SEED), "--json", "--data-dir", str(folder)]
    words += ["--block-time", str(DEMO_BLOCK_TIME_S)]
    return words + (["--seconds", str(seconds)] if seconds is not None else [])


@cache
def finished_demos_apart(*modes: str) -> dict[str, Demo]:
    """Run short demonstrations whose services are apart, side by side, once for all tests of this process."""
    begun = []
    for mode in modes:
        folder = Path(tempfile.mkdtemp(prefix=f"alphapulse-{mode}-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        words = [*demo_words(folder, seconds=APART_SECONDS), "--transport", mode]
        more = {"ALPHAPULSE__TRANSPORT__ON_BUS": ON_BUS} if mode == "mixed" else {}
        begun.append((folder, started(*words, **more)))
    ended = [(folder, *process.communicate(timeout=120), process) for folder, process in begun]
    return {
        mode: Demo(process.returncode, stdout, stderr, folder)
        for mode, (folder, stdout, stderr, process) in zip(modes, ended, strict=True)
    }


@cache
def finished_demo() -> Demo:
    """Run the demonstration once for all tests of this process."""
    folder = Path(tempfile.mkdtemp(prefix="alphapulse-demo-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    done = command(*demo_words(folder, seconds=DEMO_SECONDS))
    return Demo(done.code, done.stdout, done.stderr, folder)


def node_tables(rpc_ws: str, data_dir: Path | str = "unused") -> dict:
    """Return the tables of a small configuration for a stub chain."""
    return {
        "node": {"data_dir": str(data_dir)},
        "chain": {
            "chain_id": 31337,
            "rpc_ws": rpc_ws,
            "block_time_ms": 1000,
            "wrapped_native": WETH,
            "multicall": "0x" + "ca" * 20,
        },
        "contract": {"address": CONTRACT, "lender": LENDER, "recipient": "0x" + "0e" * 20},
        "tokens": [
            {"address": WETH, "symbol": "WETH", "decimals": 18, "max_loan": 10**21},
            {"address": USDC, "symbol": "USDC", "decimals": 6, "usd": True},
        ],
        "pools": [
            {
                "address": "0x" + "d0" * 20,
                "venue": "uniswap_v2",
                "kind": "uniswap_v2",
                "token0": WETH,
                "token1": USDC,
                "fee_pips": 3000,
            }
        ],
    }


def to_toml(tables: Mapping) -> str:
    """Return tables of scalars, and lists of such tables, as TOML. JSON's scalars are TOML's."""
    lines: list[str] = []
    for name, table in tables.items():
        for item in table if isinstance(table, list) else [table]:
            lines.append(f"[[{name}]]" if isinstance(table, list) else f"[{name}]")
            lines += [f"{key} = {json.dumps(value)}" for key, value in item.items()]
    return "\n".join(lines) + "\n"


@contextlib.contextmanager
def websocket(answer: Callable[[str], str | bytes]) -> Iterator[str]:
    """Serve a WebSocket that answers each frame by a function; gives the URL."""

    def talk(connection: ServerConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            for frame in connection:
                connection.send(answer(frame))

    with serve(talk, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}"
        finally:
            server.shutdown()
            thread.join()


@contextlib.contextmanager
def stub_chain(results: Mapping[str, object]) -> Iterator[str]:
    """Serve JSON-RPC with a fixed result for each method; a result that is callable is given the parameters."""

    def answer(frame: str) -> str:
        request = json.loads(frame)
        result = results.get(request["method"])
        value = result(request["params"]) if callable(result) else result
        if value is None:
            error = {"code": -32601, "message": "method not found"}
            return json.dumps({"jsonrpc": "2.0", "id": request["id"], "error": error})
        return json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": value})

    with websocket(answer) as url:
        yield url
