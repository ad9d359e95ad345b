"""Relays under load for a long time: exact delivery beside clients that are slow, that reconnect and that garble, and flat memory.

Usage: soak.py [MINUTES] [SEED]    1440 minutes unless told otherwise.

Processes of their own: the relays; the load (tools/load.py, Poisson arrivals); a steady consumer; one whose connections are cut every few
seconds; one that stops reading for long; one that sends bytes of every wrong kind. Exit code 1 unless

- both consumers that are meant to hear everything hold exactly the produced sequence of the signal and execution domains: number and
  CRC-32 of the encoded messages, no hole;
- the line through the relays' resident memory (anonymous pages), by least squares over all samples after the warm-up (the first third, at most ten minutes),
  rises by less than 2 MiB an hour or, where the run is too short to tell, by less than 1 MiB from its first to its last sample.

The journals in memory hold 384 messages a source here: full before the warm-up ends, and small beside the limits, since what a journal
takes depends on how many messages came in one read, and so on how busy the machine is.
"""

import asyncio
import contextlib
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import uvloop
from load import SOURCES, Ledger

from alphapulse.protocol.codec import encode
from alphapulse.protocol.header import Header
from alphapulse.protocol.message import Message
from alphapulse.protocol.system import Hello, PeerRole, Subscribe
from alphapulse.transport.relay_client import dial_sockets
from alphapulse.transport.sequence import Sequencer
from alphapulse.transport.settings import UnixConfig
from alphapulse.transport.sockets import socket_path
from alphapulse.transport.unix import UnixBus

TOOLS = Path(__file__).resolve().parent
CONFIG = """
[market]
journal_messages = 384
[signal]
journal_messages = 384
journal_files_bytes = 16777216
[execution]
journal_messages = 384
"""
SAMPLE_S = 1.0
WARM_UP_S = 600.0
SLOPE_LIMIT = 2.0  # MiB an hour
RISE_LIMIT = 1.0  # MiB, of a window too short for the slope
PATIENCE_S = 60.0
CUT_S = 7.0
SILENT_S, READS_S = 12.0, 3.0
EXACT = ("signal", "execution")
MIB = 2**20


# --- consumers ----------------------------------------------------------------------------------------------------------------


async def hear(directory: Path, name: str, seed: int) -> dict[str, object]:
    """Hear everything until told how much there was; with the name `reconnecting` lose the connection again and again."""
    ledger, clients = Ledger(), []
    plain = dial_sockets(directory)

    async def dial(domain: int, protocol: asyncio.Protocol) -> None:
        if protocol not in clients:
            clients.append(protocol)
        await plain(domain, protocol)

    config = UnixConfig(
        name=f"{name}:1",
        directory=directory,
        consumes=frozenset(int(domain) for domain in SOURCES),
        reconnect_min_ms=20,
        reconnect_max_ms=500,
    )
    async with UnixBus.open(
        config, Sequencer(epoch=time.time_ns()), time.time_ns, dial=dial
    ) as bus:
        bus.subscribe(ledger.take, name="ledger")
        await bus.linked()
        print("ready", flush=True)
        end = asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
        rng = random.Random(seed)  # noqa: S311 - a run must be repeatable
        while not end.done():
            await asyncio.wait([end], timeout=CUT_S * rng.uniform(0.3, 1.7))
            if name == "reconnecting" and not end.done():
                rng.choice(clients).reconnect("cut by the soak")
        wanted = json.loads(await end)
        stop = time.monotonic() + PATIENCE_S
        while time.monotonic() < stop and any(  # noqa: ASYNC110 - looks at counts, no event
            ledger.report()[domain]["count"] < wanted[domain]["count"] for domain in EXACT
        ):
            await asyncio.sleep(0.05)
        held = bus.link_statistics()
    return {
        "heard": ledger.report(),
        "reconnects": held.reconnects,
        "recoveries": held.recoveries,
        "snapshots": held.snapshots,
        "lost": held.lost,
    }


def words(domain: int, role: PeerRole, name: str) -> bytes:
    """Return Hello and Subscribe to everything."""
    bit = 1 << (domain - 1)
    parts = (
        Hello(1, role, 60, bit, 0, 0, 0, 1_000, name),
        Subscribe(3, bit, 1, bytes(32), ()),
    )
    return b"".join(encode(Message(Header(domain, 60, 0, 0, 1), (part,))) for part in parts)


def dawdle(directory: Path, seed: int) -> dict[str, object]:
    """Read for a while, then not at all, until the input ends; connect again when the relay has had enough."""
    rng = random.Random(seed)  # noqa: S311 - a run must be repeatable
    joined = read = 0
    links: dict[int, socket.socket] = {}
    print("ready", flush=True)
    while not _input_ended(rng.uniform(0.5, 1.5) * SILENT_S):
        for domain in SOURCES:
            if domain not in links:
                with contextlib.suppress(OSError):
                    links[domain] = _joined(directory, domain)
                    joined += 1
        stop = time.monotonic() + READS_S
        while time.monotonic() < stop:
            for domain, link in list(links.items()):
                try:
                    data = link.recv(1 << 16)
                except TimeoutError:
                    continue
                except OSError:
                    data = b""
                read += len(data)
                if not data:
                    links.pop(domain).close()
    for link in links.values():
        link.close()
    return {"joined": joined, "read_bytes": read}


def _joined(directory: Path, domain: int) -> socket.socket:
    link = socket.socket(socket.AF_UNIX)
    link.settimeout(0.05)
    link.connect(str(socket_path(directory, domain)))
    link.sendall(words(domain, PeerRole.CONSUMER, "slow:1"))
    return link


def garble(directory: Path, seed: int) -> dict[str, object]:
    """Send noise, damaged messages, and halves of messages, until the input ends."""
    rng = random.Random(seed)  # noqa: S311 - a run must be repeatable
    joined = sent = 0
    print("ready", flush=True)
    while not _input_ended(rng.uniform(0.05, 0.5)):
        domain = rng.choice(list(SOURCES))
        greeting = bytearray(words(domain, PeerRole.CONSUMER, "garbler:1"))
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as link:
            link.settimeout(0.2)
            link.connect(str(socket_path(directory, domain)))
            joined += 1
            kind = rng.randrange(4)
            if kind == 0:
                greeting = bytearray(rng.randbytes(rng.randrange(1, 4_096)))
            elif kind == 1:
                greeting[rng.randrange(len(greeting))] ^= 1 << rng.randrange(8)
            elif kind == 2:
                del greeting[rng.randrange(1, len(greeting)) :]
            else:
                greeting += rng.randbytes(rng.randrange(1, 2_048))
            link.sendall(greeting)
            sent += len(greeting)
            with contextlib.suppress(TimeoutError):
                link.recv(1 << 16)
    return {"joined": joined, "sent_bytes": sent}


def _input_ended(wait_s: float) -> bool:
    """Wait, and return whether the parent has written its last line."""
    import select  # noqa: PLC0415 - of two roles only

    return bool(select.select([sys.stdin], [], [], wait_s)[0])


# --- the run ------------------------------------------------------------------------------------------------------------------


class Child:
    """A process of this run, whose last line of output is its report."""

    def __init__(self, command: list[str]) -> None:
        self.process = subprocess.Popen(  # noqa: S603 - our own scripts
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def line(self) -> str:
        """Return the next line of output."""
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def finish(self, word: str = "") -> dict[str, object]:
        """Tell the process to end and return its report."""
        output, _ = self.process.communicate(word + "\n", timeout=2 * PATIENCE_S)
        found: dict[str, object] = json.loads(output.splitlines()[-1])
        return found

    def end(self) -> None:
        """Terminate the process if it still runs."""
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(10)


def resident_mib(pid: int) -> float:
    """Return the resident memory of a process that no file stands behind, and that nobody can take back."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) / 1024
    raise OSError(f"process {pid} has ended")


def slope_of(samples: list[tuple[float, float]]) -> float:
    """Return the rise of the least-squares line through (seconds, MiB), in MiB an hour."""
    count = len(samples)
    mean_x = sum(x for x, _ in samples) / count
    mean_y = sum(y for _, y in samples) / count
    spread = sum((x - mean_x) ** 2 for x, _ in samples)
    if spread == 0:
        return 0.0
    return sum((x - mean_x) * (y - mean_y) for x, y in samples) / spread * 3600


def soak(minutes: float, seed: int) -> bool:
    """Run, print a summary, and return whether everything held."""
    seconds = minutes * 60
    print(
        f"soak: {minutes:g} minutes, seed {seed}, load average {os.getloadavg()[0]:.2f}", flush=True
    )
    children: list[Child] = []

    def start(*words: str) -> Child:
        children.append(Child([sys.executable, *words]))
        return children[-1]

    with tempfile.TemporaryDirectory(prefix="ap-soak-") as folder:
        directory = Path(folder) / "run"
        config = Path(folder) / "relays.toml"
        config.write_text(CONFIG)
        try:
            relays = start(
                "-m", "alphapulse.cli.main", "relay", "serve", "--directory", str(directory), "--journal",
                f"{folder}/journal", "--config", str(config), "--json",
            )  # fmt: skip
            relays.line()
            me = str(TOOLS / "soak.py")
            roles = {
                name: start(me, name, str(directory), str(seed))
                for name in ("steady", "reconnecting", "slow", "garbler")
            }
            for child in roles.values():
                child.line()
            load = start(
                str(TOOLS / "load.py"),
                "--directory",
                str(directory),
                "--seconds",
                str(seconds),
                "--seed",
                str(seed),
            )
            samples = _watch(relays.process.pid, load)
            said = load.finish()
            wanted = json.dumps(said["said"])
            told = {name: child.finish(wanted) for name, child in roles.items()}
        finally:
            for child in reversed(children):
                child.end()
    return _judge(samples, said, told)


def _watch(pid: int, load: Child) -> list[tuple[float, float]]:
    """Return (seconds, MiB) of the relays until the load ends, with a line now and then."""
    start, samples, told = time.monotonic(), [], 0.0
    while load.process.poll() is None:
        at = time.monotonic() - start
        samples.append((at, resident_mib(pid)))
        if at - told >= 300 or not told:
            told = at or SAMPLE_S
            print(f"soak: {at / 60:6.1f} min  relays hold {samples[-1][1]:.1f} MiB", flush=True)
        time.sleep(SAMPLE_S)
    return samples


def _judge(
    samples: list[tuple[float, float]], said: dict[str, object], told: dict[str, dict[str, object]]
) -> bool:
    length = samples[-1][0]
    warm = [one for one in samples if one[0] >= min(WARM_UP_S, length / 3)]
    slope = slope_of(warm)
    rise = slope * (warm[-1][0] - warm[0][0]) / 3600
    is_flat = slope < SLOPE_LIMIT or rise < RISE_LIMIT
    print(f"load          {json.dumps(said)}")
    is_exact = bool(said["drained"])
    for name, report in told.items():
        print(f"{name:13} {json.dumps(report)}")
        if name in ("steady", "reconnecting"):
            for domain in EXACT:
                same = report["heard"][domain] == said["said"][domain]
                is_exact = is_exact and same
                print(
                    f"{name:13} {domain}: {'exactly what was said' if same else 'NOT what was said'}"
                )
    print(
        f"memory        {samples[0][1]:.1f} MiB at the start, {warm[0][1]:.1f} after warm-up, {warm[-1][1]:.1f} at the end, "
        f"{max(y for _, y in samples):.1f} at most; slope {slope:+.2f} MiB/h over {len(warm)} samples, "
        f"{rise:+.2f} MiB in all (limits {SLOPE_LIMIT:g} MiB/h or {RISE_LIMIT:g} MiB)"
    )
    print(f"soak: {'passed' if is_flat and is_exact else 'FAILED'}", flush=True)
    return is_flat and is_exact


def main(words: list[str]) -> int:
    """Be a role of the run, or run it."""
    role = words[0] if words else "1440"
    if role in ("steady", "reconnecting"):
        print(json.dumps(uvloop.run(hear(Path(words[1]), role, int(words[2])))))
    elif role == "slow":
        print(json.dumps(dawdle(Path(words[1]), int(words[2]))))
    elif role == "garbler":
        print(json.dumps(garble(Path(words[1]), int(words[2]))))
    else:
        seed = int(words[1]) if len(words) > 1 else random.SystemRandom().getrandbits(32)
        return 0 if soak(float(role), seed) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
