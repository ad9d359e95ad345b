"""Rounds that alternate between subject and peers, and rows in the shape that every benchmark prints."""

import argparse
import json
import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from peers.line import HERE, ROOT, PeerFailed, Worker

DEGENBOT = "degenbot"
DEGENBOT_NEXT = "degenbot development"
SDK = "uniswap v3-sdk"
USUAL = "json, eth_abi, eth-account"
PYTHON, RUST = "python", "rust"

PEER_PYTHON = ROOT / ".venv-peers" / "bin" / "python"
PEER_NEXT_PYTHON = ROOT / ".venv-peers-next" / "bin" / "python"
SDK_MODULES = HERE / "node_modules" / "@uniswap" / "v3-sdk"

ALONE = [False]

Row = dict[str, object]
Measure = Callable[[], float]


@dataclass(frozen=True)
class Effort:
    """How much is measured: rounds to take the median of, and milliseconds for each figure in a round."""

    rounds: int = 7
    budget_ms: float = 40.0
    is_quick: bool = False

    def scaled(self, count: int) -> int:
        """Return a number of cases, few when only the shape is of interest."""
        return min(count, 3) if self.is_quick else count


@dataclass
class Party:
    """The workers that run: one for each twin of ours, one for each peer that is installed."""

    twins: dict[str, Worker] = field(default_factory=dict)
    peers: dict[str, Worker] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)

    def everyone(self) -> list[Worker]:
        """Return all workers."""
        return [*self.twins.values(), *self.peers.values()]


def peer_command(name: str) -> tuple[list[str], bool]:
    """Return how a peer is started, and whether what it needs is there."""
    if ALONE[0]:
        return [], False
    if name == DEGENBOT:
        return [str(PEER_PYTHON), str(HERE / "degenbot_worker.py")], PEER_PYTHON.exists()
    if name == DEGENBOT_NEXT:
        script = HERE / "degenbot_next_worker.py"
        return [str(PEER_NEXT_PYTHON), str(script)], PEER_NEXT_PYTHON.exists()
    if name == SDK:
        node = shutil.which("node")
        return [node or "node", str(HERE / "uniswap_sdk.mjs")], bool(node) and SDK_MODULES.is_dir()
    python = PEER_PYTHON if PEER_PYTHON.exists() else Path(sys.executable)
    return [str(python), str(HERE / "usual_stack.py")], True


@contextmanager
def party(
    peers: Sequence[str],
    *,
    twins: Sequence[str] = (PYTHON, RUST),
    subject: str = "subject.py",
) -> Iterator[Party]:
    """Start our twins and these peers; one that cannot start is absent, and standard error says why."""
    with ExitStack() as stack:
        found = Party()
        for twin in twins:
            worker = Worker(twin, [sys.executable, str(HERE / subject), twin])
            stack.enter_context(worker)
            if _greeted(worker, found):
                found.twins[twin] = worker
        for name in peers:
            command, is_there = peer_command(name)
            if not is_there:
                print(f"benchmark: {name} is absent; see `make peers`", file=sys.stderr)
                continue
            worker = stack.enter_context(Worker(name, command, as_text=name == SDK))
            if _greeted(worker, found):
                found.peers[name] = worker
        yield found


def _greeted(worker: Worker, found: Party) -> bool:
    try:
        found.names[worker.name] = worker.ask("hello")
    except PeerFailed as error:
        print(f"benchmark: {error}", file=sys.stderr)
        return False
    return True


def interleaved(measures: Mapping[str, Measure], rounds: int) -> dict[str, float]:
    """Return the median of each measure over rounds in which every one has its turn; a first round that counts for nobody warms up."""
    taken: dict[str, list[float]] = {name: [] for name in measures}
    order = list(measures)
    if rounds > 1:
        for name in order:
            measures[name]()
    for number in range(rounds):
        for name in order if number % 2 == 0 else reversed(order):
            taken[name].append(measures[name]())
    return {name: median(values) for name, values in taken.items()}


def row(
    identity: str,
    what: str,
    *,
    twin: str,
    value: float | None,
    unit: str = "us",
    peer: str | None = None,
    peer_value: float | None = None,
    goal: float | None = None,
    goal_text: str | None = None,
    met: bool | None = None,
) -> Row:
    """Return one row; `goal` is the least ratio of the peer's figure to ours, absent wherever one of them is."""
    ratio = peer_value / value if value and peer_value is not None else None
    if goal is not None:
        goal_text = f">= {goal:g}x"
        met = None if ratio is None else ratio >= goal
    return {
        "id": identity,
        "twin": twin,
        "what": what,
        "value": None if value is None else round(value, 4),
        "unit": unit,
        "peer": peer,
        "peer_value": None if peer_value is None else round(peer_value, 4),
        "ratio": None if ratio is None else round(ratio, 2),
        "goal": goal_text,
        "met": met,
    }


def compared(
    identity: str,
    what: str,
    taken: Mapping[str, float],
    people: Party,
    *,
    peers: Mapping[str, Mapping[str, float]],
    wrong: Sequence[str] = (),
    unit: str = "us",
    scale: float = 1e-3,
) -> list[Row]:
    """Return a row for each twin beside each peer.

    `peers` has the goals by peer and twin; `wrong` names whose answers differed from ours: their time is shown, and compares with
    nothing.
    """
    rows = []
    for twin in (PYTHON, RUST):
        if twin not in people.twins:
            continue
        value = taken[twin] * scale
        for peer, goals in peers.items():
            theirs = taken.get(peer)
            name = people.names.get(peer, f"{peer}: absent")
            if peer in wrong:
                name, theirs = f"{name}: answers differ", None
            rows.append(
                row(
                    identity,
                    what,
                    twin=twin,
                    value=value,
                    unit=unit,
                    peer=name,
                    peer_value=None if theirs is None else theirs * scale,
                    goal=goals.get(twin),
                )
            )
    return rows


def machine() -> str:
    """Return what the figures were taken on."""
    model = platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines() if sys.platform == "linux" else ():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    load = "/".join(f"{value:.1f}" for value in os.getloadavg())
    return f"{os.cpu_count()} cpus, {model}, Python {platform.python_version()}, load {load}"


def main(name: str, run: Callable[[Effort], tuple[list[Row], dict[str, object]]]) -> None:
    """Measure and print one JSON object."""
    parser = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__)
    parser.add_argument("--quick", action="store_true", help="one round of few cases: shape only")
    parser.add_argument("--alone", action="store_true", help="leave peers out")
    options = parser.parse_args()
    effort = Effort(1, 1.0, is_quick=True) if options.quick else Effort()
    ALONE[:] = [options.alone]
    before = machine()
    rows, workload = run(effort)
    twins = sorted({str(one["twin"]) for one in rows})
    report = {
        "name": name,
        "machine": before,
        "kernel": "+".join(twins),
        "rows": rows,
        "workload": workload,
    }
    print(json.dumps(report, indent=1))
