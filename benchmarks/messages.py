"""Messages: what it costs to build, read, check in blocks, carry to several subscribers, and how late they come. Rows M1 to M7.

Every party (relay or broker, publisher, each subscriber) is a process of its own; rounds of the parties alternate and a figure is the
median of five. Only what was delivered, in order and with a right checksum counts, and no queue has a limit, so nobody drops. Times are
microseconds per published message until the slowest subscriber has checked the last one; delays come from an open loop whose arrivals are
a Poisson process with a seed: a message that a stall made late counts from the moment it was due. Parties that are not installed are
printed as absent (`make peers`; nats-server and redis-server come with the system).
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))

import protocol_codec
from alphapulse.amm import kernel
from alphapulse.protocol.codec import decode, encode
from alphapulse.protocol.message import Draft
from alphapulse.transport.local import LocalBus
from alphapulse.transport.sequence import Sequencer
from peers.line import HERE, ROOT, PeerFailed, Worker
from peers.report import ALONE, PYTHON, RUST, Effort, Row, main, row
from support.kernel_wire import size_rules

PEER_PYTHON = ROOT / ".venv-peers-messages" / "bin" / "python"
OURS, OURS_RUST, OURS_SIGNAL = "ours", "ours, blocks", "ours, signal"
ZMQ, PROXY, NATS, JETSTREAM, REDIS = "pyzmq ipc", "pyzmq proxy", "nats", "jetstream", "redis"
WORKER_NAMES = {
    ZMQ: "zmq",
    PROXY: "zmq-proxy",
    NATS: "nats",
    JETSTREAM: "jetstream",
    REDIS: "redis",
}
COUNTS = {OURS: 60_000, OURS_RUST: 120_000, OURS_SIGNAL: 60_000, ZMQ: 100_000, PROXY: 100_000}
COUNTS |= {NATS: 15_000, JETSTREAM: 1_500, REDIS: 10_000}
RATE = 1_000.0
TIMED = 1_500  # messages of one round at that rate
SEED = 20_240_229
MARKET, SIGNAL = 1, 2
SUBSCRIBERS = (1, 4)
GOALS = {ZMQ: {1: 2.5, 4: 2.0}, NATS: {1: 10.0, 4: 10.0}, JETSTREAM: {1: 50.0, 4: 30.0}}
GOALS |= {REDIS: {1: 20.0, 4: 20.0}}
BLOCK = 2_000


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _server(command: list[str], is_up: Callable[[], bool]) -> Iterator[None]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 10
        while not is_up():
            if time.monotonic() > end or process.poll() is not None:
                raise PeerFailed(f"{command[0]} did not start")
            time.sleep(0.02)
        yield
    finally:
        process.terminate()
        process.wait(10)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _start_broker(stack: ExitStack, name: str, folder: str) -> None:
    """Start what stands between publisher and subscribers, if the party has something."""
    if name in (NATS, JETSTREAM):
        port = _free_port()
        Path(folder, "nats.url").write_text(f"nats://127.0.0.1:{port}")
        text = f'listen: "127.0.0.1:{port}"\nmax_pending: 2147483648\nwrite_deadline: "60s"\n'
        if name == JETSTREAM:
            text += f'jetstream {{ store_dir: "{folder}/js" }}\n'
        Path(folder, "nats.conf").write_text(text)
        command = ["nats-server", "-c", f"{folder}/nats.conf"]
        stack.enter_context(_server(command, lambda: _listens(port)))
    elif name == REDIS:
        path = Path(folder, "redis.sock")
        command = ["redis-server", "--port", "0", "--unixsocket", str(path), "--save", ""]
        command += ["--dir", folder, "--client-output-buffer-limit", "pubsub 0 0 0"]
        stack.enter_context(_server(command, path.exists))
    elif name != ZMQ:
        worker = stack.enter_context(_worker(name))
        worker.ask("broker", folder=folder)


def _worker(name: str) -> Worker:
    if name in WORKER_NAMES:
        return Worker(
            name, [str(PEER_PYTHON), str(HERE / "messages_worker.py"), WORKER_NAMES[name]]
        )
    twin = RUST if name == OURS_RUST else PYTHON
    return Worker(name, [sys.executable, str(HERE / "messages_subject.py"), twin])


def carried(name: str, subscribers: int, count: int, *, is_timed: bool) -> list[dict[str, int]]:
    """Return what each subscriber of a party says, with the time of the publisher's start as `start_ns`."""
    domain = SIGNAL if name == OURS_SIGNAL else MARKET
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="ap-"))
        Path(folder).chmod(0o700)
        _start_broker(stack, name, folder)
        publisher = stack.enter_context(_worker(name))
        publisher.ask("open_publisher", folder=folder, domain=domain)
        hearers = [stack.enter_context(_worker(name)) for _ in range(subscribers)]
        for hearer in hearers:
            hearer.ask("subscribe", folder=folder, domain=domain)
        time.sleep(0.2)  # ZeroMQ does not say when a subscription has arrived
        for hearer in hearers:
            hearer.begin("receive", count=count, is_timed=is_timed)
        if is_timed:
            said = publisher.ask("publish_paced", seed=SEED, rate=RATE, count=count)
        else:
            said = publisher.ask("publish", count=count)
        answers = [hearer.finish("receive") for hearer in hearers]
    for answer in answers:
        if answer["valid"] != count:
            raise PeerFailed(f"{name}: {answer['valid']} of {count} messages were delivered whole")
        answer["start_ns"] = said["start_ns"]
    return answers


def _present() -> list[str]:
    """Return the parties that can run here; say who is absent and why."""
    found = [OURS, OURS_SIGNAL]
    if len(kernel.twins()) > 1:
        found.append(OURS_RUST)
    for name in WORKER_NAMES:
        needs = {NATS: "nats-server", JETSTREAM: "nats-server", REDIS: "redis-server"}.get(name)
        if ALONE[0] or not PEER_PYTHON.exists() or (needs and not shutil.which(needs)):
            print(f"benchmark: {name} is absent; see `make peers`", file=sys.stderr)
        else:
            found.append(name)
    return found


class _Rounds:
    """Collects figures of parties over rounds that alternate; a party that fails once is out and named."""

    def __init__(self, parties: list[str], rounds: int) -> None:
        self.parties = parties
        self._rounds = rounds
        self.failed: dict[str, str] = {}

    def medians(self, measure: Callable[[str], Mapping[str, float]]) -> dict[str, dict[str, float]]:
        """Return the median of each figure of each party."""
        taken: dict[str, list[Mapping[str, float]]] = {}
        for number in range(self._rounds):
            order = self.parties if number % 2 == 0 else list(reversed(self.parties))
            for name in order:
                if name in self.failed:
                    continue
                try:
                    taken.setdefault(name, []).append(measure(name))
                except PeerFailed as error:
                    self.failed[name] = str(error)
                    print(f"benchmark: {error}", file=sys.stderr)
        return {
            name: {key: median(one[key] for one in figures) for key in figures[0]}
            for name, figures in taken.items()
            if name not in self.failed
        }


def _throughput(name: str, subscribers: int, effort: Effort) -> dict[str, float]:
    count = 500 if effort.is_quick else COUNTS[name]
    answers = carried(name, subscribers, count, is_timed=False)
    last = max(answer["last_ns"] for answer in answers)
    return {"us": (last - answers[0]["start_ns"]) / count / 1e3}


def _delays(name: str, subscribers: int, effort: Effort) -> dict[str, float]:
    answers = carried(name, subscribers, 100 if effort.is_quick else TIMED, is_timed=True)
    return {
        key: median(answer[key] for answer in answers) / 1e3
        for key in ("p50", "p90", "p99", "most")
    }


def _versus(
    identity: str,
    what: str,
    ours: str,
    taken: Mapping[str, Mapping[str, float]],
    *,
    key: str,
    peers: Mapping[str, float | None],
) -> list[Row]:
    if ours not in taken:
        return []
    twin = RUST if ours == OURS_RUST else PYTHON
    rows = []
    for peer, goal in peers.items():
        theirs = taken.get(peer, {}).get(key)
        name = peer if theirs is not None else f"{peer}: absent"
        rows.append(
            row(
                identity,
                what,
                twin=twin,
                value=taken[ours][key],
                peer=name,
                peer_value=theirs,
                goal=goal,
            )
        )
    return rows


def fan_out_rows(parties: list[str], effort: Effort) -> list[Row]:
    """Return rows M4 and M6."""
    rows: list[Row] = []
    for many in SUBSCRIBERS[:1] if effort.is_quick else SUBSCRIBERS:
        rounds = _Rounds(parties, 1 if effort.is_quick else 5)
        taken = rounds.medians(lambda name, many=many: _throughput(name, many, effort))
        crowd = f"{many} subscriber{'s' if many > 1 else ''}, delivered and verified"
        goals = {peer: goal[many] for peer, goal in GOALS.items()}
        rows += _versus(
            "M4", f"relay to {crowd}, message by message", OURS, taken, key="us", peers=goals
        )
        rows += _versus(
            "M4", f"relay to {crowd}, in blocks", OURS_RUST, taken, key="us", peers={ZMQ: 8.0}
        )
        for ours, kept in (
            (OURS, "journal in memory"),
            (OURS_SIGNAL, "journal on disk before forwarding"),
            (OURS_RUST, "journal in memory, in blocks"),
        ):
            rows += _versus(
                "M6",
                f"relay with {kept} to {crowd}",
                ours,
                taken,
                key="us",
                peers={PROXY: 2.0 if ours != OURS_RUST else None},
            )
    return rows


def delay_rows(parties: list[str], effort: Effort) -> list[Row]:
    """Return rows M5: delays at a thousand messages a second."""
    rows: list[Row] = []
    timed = [name for name in parties if name in (OURS, ZMQ, PROXY, NATS, REDIS)]
    for many in SUBSCRIBERS[:1] if effort.is_quick else SUBSCRIBERS:
        rounds = _Rounds(timed, 1 if effort.is_quick else 5)
        taken = rounds.medians(lambda name, many=many: _delays(name, many, effort))
        crowd = f"{many} subscriber{'s' if many > 1 else ''}"
        for key, peers in (
            ("p50", {ZMQ: 1 / 0.6, NATS: 4.0, PROXY: None, REDIS: None}),
            ("p99", dict.fromkeys((ZMQ, NATS, PROXY, REDIS))),
            ("most", dict.fromkeys((ZMQ, NATS, PROXY, REDIS))),
        ):
            what = f"delay through the relay, {key}, 1,000/s Poisson, {crowd}"
            rows += _versus("M5", what, OURS, taken, key=key, peers=peers)
    return rows


def codec_rows(effort: Effort) -> list[Row]:
    """Return rows M1 to M3."""
    rows: list[Row] = [dict(one) for one in protocol_codec.run()["rows"]]
    data = encode(protocol_codec.ONE) * (50 if effort.is_quick else BLOCK)
    size = len(encode(protocol_codec.ONE))
    count = len(data) // size
    parts = [data[at : at + size] for at in range(0, len(data), size)]
    wire = kernel.twins()[-1].wire
    rules = size_rules()
    each, whole = [], []
    for _ in range(effort.rounds):
        begin = time.perf_counter_ns()
        for part in parts:
            decode(part)
        middle = time.perf_counter_ns()
        if wire is not None:
            wire.scan_messages(data, rules, verify=True)
            whole.append((time.perf_counter_ns() - middle) / count / 1e3)
        each.append((middle - begin) / count / 1e3)
    if whole:
        rows.append(
            row(
                "M3",
                f"block of {count:,} Trades verified into columns, per message",
                twin=RUST,
                value=median(whole),
                peer="M2, message by message",
                peer_value=median(each),
                goal=20.0,
            )
        )
    return rows


def bus_rows(effort: Effort) -> list[Row]:
    """Return row M7: one publisher and one subscriber in one process."""
    clock = time.time_ns
    bus = LocalBus(Sequencer(epoch=1), clock)
    heard = [0]

    def hear(_message: object, _now_ns: int) -> None:
        heard[0] += 1

    bus.subscribe(hear, name="bench")
    draft = Draft(1, 1, (protocol_codec.TRADE,))
    count, taken = effort.scaled(20_000), []
    for _ in range(effort.rounds):
        begin = time.perf_counter_ns()
        for _ in range(count):
            bus.publish(draft)
        taken.append((time.perf_counter_ns() - begin) / count / 1e3)
    return [
        row(
            "M7",
            "in-process bus: numbered, stamped, delivered to one subscriber",
            twin=PYTHON,
            value=median(taken),
            peer="nautilus_trader MessageBus: absent",
            goal=4.0,
        )
    ]


def run(effort: Effort) -> tuple[list[Row], dict[str, object]]:
    """Return every row and what was asked of whom."""
    parties = _present()
    rows = codec_rows(effort) + fan_out_rows(parties, effort) + delay_rows(parties, effort)
    workload = {
        "messages": COUNTS,
        "bytes": 101,
        "arrivals": f"Poisson, {RATE:g}/s, seed {SEED}, open loop, {TIMED} a round",
        "load_before_and_after": [os.getloadavg()[0]],
    }
    return rows + bus_rows(effort), json.loads(json.dumps(workload))


if __name__ == "__main__":
    main("messages", run)
