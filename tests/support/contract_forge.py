"""The contract project from Python: compile the Huff sources, run forge, one run at a time."""

import fcntl
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from alphapulse.evm.huff.compiler import CompiledContract, compile_file

ROOT = Path(__file__).parents[2]
CONTRACTS = ROOT / "contracts"
SOURCES = CONTRACTS / "src"
ARTIFACTS = CONTRACTS / "artifacts"
CACHE = CONTRACTS / "cache"
ENTRY = "FlashArbitrage.huff"
FORGE = ROOT / "node_modules" / ".bin" / "forge"
EVM_VERSION = "cancun"

# A clean build takes half a minute of the WebAssembly compiler on a busy machine.
TIMEOUT_SECONDS = 300


@dataclass(frozen=True, slots=True)
class ForgeRun:
    """Names of tests as forge gives them, `contract::test`, by outcome."""

    passed: tuple[str, ...]
    failed: tuple[str, ...]


def source_texts() -> dict[str, str]:
    return {path.name: path.read_text() for path in sorted(SOURCES.glob("*.huff"))}


def compiled(texts: dict[str, str]) -> CompiledContract:
    return compile_file(texts.__getitem__, ENTRY, EVM_VERSION)


def run_forge(*arguments: str, artifact: Path | None = None) -> ForgeRun:
    """Run the forge tests, on another artifact if one is named."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("FOUNDRY_")
    }
    if artifact is not None:
        environment["FLASH_ARBITRAGE_ARTIFACT"] = str(artifact)
    with _alone():
        done = subprocess.run(
            [FORGE, "test", "--json", *arguments],
            cwd=CONTRACTS,  # forge looks for its compiler from where it is started
            env=environment,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    lines = done.stdout.strip().splitlines()
    if not lines or not lines[-1].startswith("{"):
        raise AssertionError(f"forge gave no results: {done.stdout}\n{done.stderr}")
    passed, failed = [], []
    for suite, results in json.loads(lines[-1]).items():
        for test, result in results["test_results"].items():
            name = f"{suite.rpartition(':')[2]}::{test}"
            (passed if result["status"] == "Success" else failed).append(name)
    return ForgeRun(tuple(sorted(passed)), tuple(sorted(failed)))


@contextmanager
def _alone() -> Iterator[None]:
    """Two runs at once would write one build cache."""
    CACHE.mkdir(exist_ok=True)
    with (CACHE / "run.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
