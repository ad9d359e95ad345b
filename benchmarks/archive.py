"""What the archive costs: bytes on the disk, rows per second, and time on the hot path.

Traffic is a seeded stream of a busy chain: swaps of V3 pools and reserves of V2 pools whose prices walk,
block heads, with random transaction hashes, once as raw subscription frames and once as encoded messages.
Where the shared captures are, real ones are measured too: mainnet logs as the collector would publish them,
and exchange frames as they came. The peer is pyarrow with its defaults on whole messages and frames. Rounds of
peer and subject alternate, each figure is the median. The hot-path rows time bursts of Python work that ends with
recording its messages, once a millisecond, and compare encoding in the writer's thread with encoding in place.
Decisions are those of the newest archive of a demo in `var/demo`. Prints one JSON object.
"""

import hashlib
import json
import platform
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from math import isnan
from pathlib import Path
from statistics import median
from time import perf_counter_ns

import pyarrow as pa
import pyarrow.parquet as pq

from alphapulse.archive.manifest import Manifest
from alphapulse.archive.reader import ArchiveReader
from alphapulse.archive.selection import Query
from alphapulse.archive.writer import ArchiveLimits, ArchiveWriter
from alphapulse.node.replay import replay
from alphapulse.primitives.instrument_id import InstrumentId
from alphapulse.protocol.codec import decode, encode
from alphapulse.protocol.market_data import ChainEvent, GasPrice, PoolSwap, PoolSync, Trade
from alphapulse.protocol.message import Draft, Message, Tlv
from alphapulse.protocol.system import TraceContext
from alphapulse.transport.sequence import Sequencer
from peers.captures import exchange_frames, mainnet_messages

SEED = 7
BLOCKS = 600
LOGS_PER_BLOCK = 40
ROUNDS = 5
BURSTS = 1_500
BURST_MESSAGES = 8
BURST_WORK = 3_000
START_NS = 1_700_000_000 * 10**9
BLOCK_LEVEL = 0xFFFFFFFF
SWAP_TOPIC = "0xc42079f94a6350d7e6235f29174924f928cc2ac818eb64fed8004e115fbcca67"
SYNC_TOPIC = "0x1c411e9a96e071241c2f21f7726b17ae89e3cab4c78be50e062b03a9fffbbad1"
TOKENS = (b"\x11" * 20, b"\x22" * 20)
Frame = tuple[bytes, int, str]
# By row: which figure is held against the goal, and the goal; the ratio of a time is below 1 where it is faster.
GOALS = {
    "raw over stored bytes, all": ("value", 5),
    "raw over stored bytes, real mainnet logs as messages": ("value", 5),
    "raw over stored bytes, real exchange frames": ("value", 5),
    "write": ("ratio", 2),
    "a hundredth of the time": ("ratio", 0.5),
}


class Traffic:
    """Messages and the frames that they would come from."""

    def __init__(self, seed: int, blocks: int) -> None:
        self._rng = random.Random(seed)
        self._sequencer = Sequencer(1)
        self._pools = [self._rng.randbytes(20) for _ in range(40)]
        self._sqrt_prices = [self._rng.randrange(2**94, 2**98) for _ in self._pools]
        self._liquidity = [self._rng.randrange(10**20, 10**22) for _ in self._pools]
        self._now_ns = START_NS
        self.messages: list[Message] = []
        self.frames: list[Frame] = []
        for block in range(19_000_000, 19_000_000 + blocks):
            self._add_block(block)

    def _add_block(self, block: int) -> None:
        block_hash = hashlib.sha256(b"%d" % block).digest()
        self._now_ns = START_NS + (block - 19_000_000) * 10**9
        for index in range(self._rng.randrange(LOGS_PER_BLOCK // 2, LOGS_PER_BLOCK * 3 // 2)):
            self._add_log(block, block_hash, index)
        head = {
            "number": hex(block),
            "hash": "0x" + block_hash.hex(),
            "logsBloom": "0x" + "0" * 512,
        }
        self._frame({"subscription": "0x1", "result": head})
        gas = GasPrice(1, block, 10**10 + self._rng.randrange(10**9), 10**8, 0, 0, self._now_ns)
        place = ChainEvent(1, block, block_hash, bytes(32), BLOCK_LEVEL, BLOCK_LEVEL, 0)
        self._message((gas, place), block_hash)

    def _add_log(self, block: int, block_hash: bytes, index: int) -> None:
        rng = self._rng
        number = rng.randrange(len(self._pools))
        pool, tx_hash = self._pools[number], rng.randbytes(32)
        amount = int(10**18 * rng.lognormvariate(0, 1.5))
        place = ChainEvent(1, block, block_hash, tx_hash, index // 2, index, 0)
        event_ns = START_NS + (block - 19_000_000) * 10**9
        if number % 2:
            reserves = (10**24 + amount, 10**24 - amount)
            words, topic = reserves, SYNC_TOPIC
            sync = PoolSync(300, pool, *TOKENS, *reserves, 18, 18, event_ns, block)
            self._frame_of_log(place, pool, topic, words)
            self._message((sync, place), tx_hash)
            return
        self._sqrt_prices[number] += int(self._sqrt_prices[number] * rng.gauss(0, 1e-4))
        out = amount * rng.randrange(990, 999) // 1000
        state = (self._sqrt_prices[number], rng.randrange(-9_000, 9_000), self._liquidity[number])
        swap = PoolSwap(301, pool, *TOKENS, amount, out, 18, 18, *state, event_ns, block)
        price = rng.randrange(10**7, 10**9)
        side = rng.randrange(2)
        trade = Trade(InstrumentId.pool(301, pool), price, amount // 10**10, side, event_ns)
        self._frame_of_log(place, pool, SWAP_TOPIC, (amount, 2**256 - out, *state))
        self._message((trade, swap, place), tx_hash)

    def _message(self, tlvs: tuple[Tlv, ...], seed: bytes) -> None:
        self._now_ns += self._rng.randrange(20_000, 200_000)
        digest = hashlib.sha256(seed).digest()
        trace = TraceContext(
            int.from_bytes(digest[:16], "big"), int.from_bytes(digest[16:24], "big"), 1
        )
        self.messages.append(self._sequencer.stamp(Draft(1, 6, (*tlvs, trace)), self._now_ns))

    def _frame_of_log(
        self, place: ChainEvent, pool: bytes, topic: str, words: tuple[int, ...]
    ) -> None:
        sender = "0x" + "00" * 12 + self._pools[0].hex()
        log = {
            "address": "0x" + pool.hex(),
            "topics": [topic, sender, sender] if topic == SWAP_TOPIC else [topic],
            "data": "0x" + b"".join((word % 2**256).to_bytes(32, "big") for word in words).hex(),
            "blockHash": "0x" + place.block_hash.hex(),
            "blockNumber": hex(place.block),
            "transactionHash": "0x" + place.tx_hash.hex(),
            "transactionIndex": hex(place.tx_index),
            "logIndex": hex(place.log_index),
            "removed": False,
        }
        self._frame({"subscription": "0x2", "result": log})

    def _frame(self, parameters: dict[str, object]) -> None:
        self._now_ns += self._rng.randrange(20_000, 200_000)
        body = {"jsonrpc": "2.0", "method": "eth_subscription", "params": parameters}
        self.frames.append((json.dumps(body).encode(), self._now_ns, "chain"))


def write(root: Path, messages: list[Message], frames: list[Frame]) -> tuple[float, Manifest]:
    limits = ArchiveLimits(queue_rows=10**7, queue_frame_bytes=1 << 34, close_seconds=600)
    began = perf_counter_ns()
    writer = ArchiveWriter(root, time.time_ns, limits=limits)
    for message in messages:
        writer.record_message(message)
    for frame in frames:
        writer.record_frame(*frame)
    manifest = writer.close()
    return (perf_counter_ns() - began) / 1e9, manifest


def write_peer(path: Path, messages: list[Message], frames: list[Frame]) -> tuple[float, int]:
    began = perf_counter_ns()
    columns = {
        "time_ns": [message.header.timestamp_ns for message in messages],
        "raw": [encode(message) for message in messages],
    }
    pq.write_table(pa.table(columns), path / "messages.parquet")
    names = ("raw", "time_ns", "name")
    pq.write_table(pa.table(dict(zip(names, zip(*frames, strict=True), strict=True))), path / "f")
    size = sum(file.stat().st_size for file in path.iterdir())
    return (perf_counter_ns() - began) / 1e9, size


def seconds_of(call: Callable[[], Iterator[object]]) -> float:
    began = perf_counter_ns()
    for _ in call():
        pass
    return (perf_counter_ns() - began) / 1e9


def bursts(messages: list[Message], record: Callable[[Message], None]) -> tuple[float, float]:
    """Return p50 and p99 in us of a burst of work and recording, one a millisecond."""
    times = []
    total = 0
    for number in range(BURSTS):
        place = number * BURST_MESSAGES % (len(messages) - BURST_MESSAGES)
        time.sleep(0.001)
        began = perf_counter_ns()
        for value in range(BURST_WORK):
            total += value
        for message in messages[place : place + BURST_MESSAGES]:
            record(message)
        times.append(perf_counter_ns() - began)
    times.sort()
    return times[len(times) // 2] / 1e3, times[len(times) * 99 // 100] / 1e3


def in_place(writer: ArchiveWriter) -> Callable[[Message], None]:
    def record(message: Message) -> None:
        writer.record_message(message, encode(message))

    return record


def hot_path(messages: list[Message]) -> dict[str, tuple[float, float]]:
    rounds: dict[str, list[tuple[float, float]]] = {"none": [], "thread": [], "in place": []}
    for _ in range(3):
        rounds["none"].append(bursts(messages, lambda message: None))
        for where in ("thread", "in place"):
            with tempfile.TemporaryDirectory() as folder:
                writer = ArchiveWriter(Path(folder) / "a", time.time_ns)
                record = in_place(writer) if where == "in place" else writer.record_message
                rounds[where].append(bursts(messages, record))
                writer.close()
    return {
        where: (median(p50 for p50, _ in found), median(p99 for _, p99 in found))
        for where, found in rounds.items()
    }


def row(
    identity: str, what: str, value: float, unit: str, *, peer: tuple[str, float] | None = None
) -> dict[str, object]:
    return {
        "id": identity,
        "twin": "python",
        "what": what,
        "value": None if isnan(value) else round(value, 2),
        "unit": unit,
        "peer": peer[0] if peer else None,
        "peer_value": round(peer[1], 2) if peer else None,
        "ratio": round(value / peer[1], 2) if peer else None,
        "goal": None,
        "met": None,
    }


def range_query(root: Path, first_ns: int, last_ns: int) -> tuple[float, int]:
    """Return seconds and rows of reading a hundredth of the time in the middle."""
    middle, width = (first_ns + last_ns) // 2, (last_ns - first_ns) // 100
    query = Query(from_ns=middle, to_ns=middle + width)
    began = perf_counter_ns()
    rows = sum(1 for _ in ArchiveReader(root).recorded(query))
    return (perf_counter_ns() - began) / 1e9, rows


def range_query_peer(path: Path, first_ns: int, last_ns: int) -> tuple[float, int]:
    middle, width = (first_ns + last_ns) // 2, (last_ns - first_ns) // 100
    filters = [("time_ns", ">=", middle), ("time_ns", "<", middle + width)]
    began = perf_counter_ns()
    rows = pq.read_table(path / "messages.parquet", filters=filters)["raw"].to_pylist()
    return (perf_counter_ns() - began) / 1e9, len(rows)


def stored_ratio(messages: list[bytes], frames: list[Frame]) -> float:
    """Return raw over stored bytes of messages or frames that are recorded at once."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "a"
        _, manifest = write(root, [decode(raw) for raw in messages], frames)
        ArchiveReader(root).verify()
        table = manifest.messages if messages else manifest.frames
        return table.raw_bytes / table.stored_bytes


def decisions() -> tuple[float, float]:
    """Return messages per second of a replay to decisions, and 1 if its digest is the live one; NaN where none is."""
    found = sorted(Path("var/demo").glob("*/archive/manifest.json"))
    if not found:
        return float("nan"), float("nan")
    began = perf_counter_ns()
    result = replay(found[-1].parent)
    return result.messages / (perf_counter_ns() - began) * 1e9, float(result.is_equal)


def measured() -> dict[str, list[float]]:
    traffic = Traffic(SEED, BLOCKS)
    found: dict[str, list[float]] = {}

    def note(name: str, value: float) -> None:
        found.setdefault(name, []).append(value)

    raw = sum(len(encode(message)) for message in traffic.messages)
    raw_frames = sum(len(frame[0]) for frame in traffic.frames)
    rows = len(traffic.messages) + len(traffic.frames)
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as folder:
            seconds, size = write_peer(Path(folder), traffic.messages, traffic.frames)
            note("peer rows", rows / seconds)
            note("peer ratio", (raw + raw_frames) / size)
            times = (traffic.messages[0], traffic.messages[-1])
            span = (times[0].header.timestamp_ns, times[1].header.timestamp_ns)
            note("peer range", range_query_peer(Path(folder), *span)[0] * 1e3)
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder) / "a"
            seconds, manifest = write(root, traffic.messages, traffic.frames)
            stored, stored_frames = manifest.messages.stored_bytes, manifest.frames.stored_bytes
            note("rows", rows / seconds)
            note("ratio", (raw + raw_frames) / (stored + stored_frames))
            note("messages ratio", raw / stored)
            note("frames ratio", raw_frames / stored_frames)
            note("range", range_query(root, *span)[0] * 1e3)
            reader = ArchiveReader(root)
            note("read", len(traffic.messages) / seconds_of(reader.messages))
            note("read bytes", len(traffic.messages) / seconds_of(reader.encoded))
    for where, (p50, p99) in hot_path(traffic.messages).items():
        note(f"{where} p50", p50)
        note(f"{where} p99", p99)
    rate, is_equal = decisions()
    note("decisions", rate)
    note("decisions equal", is_equal)
    logs, captured = mainnet_messages(), exchange_frames()
    note("logs", stored_ratio(logs, []) if logs else float("nan"))
    note("exchange", stored_ratio([], captured) if captured else float("nan"))
    return found


def _reaches(reached: object, share: str, goal: float) -> bool:
    """Return whether a figure is at least its goal, or, where it is a time beside a peer's, at most."""
    assert isinstance(reached, int | float)
    return reached >= goal if share == "value" or goal >= 1 else reached <= goal


def run() -> dict[str, object]:
    found = {name: median(values) for name, values in measured().items()}
    ratio, rate = found["ratio"], found["rows"]
    defaults = "pyarrow defaults"
    rows = [
        row("M8", "raw over stored bytes, all", ratio, "x", peer=(defaults, found["peer ratio"])),
        row("M8", "raw over stored bytes, messages", found["messages ratio"], "x"),
        row("M8", "raw over stored bytes, frames", found["frames ratio"], "x"),
        row("M8", "write", rate, "rows/s", peer=(defaults, found["peer rows"])),
        row("M8", "raw over stored bytes, real mainnet logs as messages", found["logs"], "x"),
        row("M8", "raw over stored bytes, real exchange frames", found["exchange"], "x"),
        row(
            "M8",
            "a hundredth of the time",
            found["range"],
            "ms",
            peer=(defaults, found["peer range"]),
        ),
        row("M9", "replay to messages, checksums verified", found["read"], "messages/s"),
        row("M9", "replay to bytes, checksums verified", found["read bytes"], "messages/s"),
    ]
    rows.append(row("M9", "replay to decisions", found["decisions"], "messages/s"))
    rows.append(row("M9", "its digest is the live one", found["decisions equal"], "yes = 1"))
    for share in ("p50", "p99"):
        what = f"burst with {BURST_MESSAGES} messages recorded, {share}"
        peer = ("encoding in place", found[f"in place {share}"])
        rows.append(row("M8", what, found[f"thread {share}"], "us", peer=peer))
        rows.append(row("M8", f"the same burst unrecorded, {share}", found[f"none {share}"], "us"))
    for one in rows:
        goal = GOALS.get(str(one["what"]))
        if goal is not None:
            share, least = goal
            reached = one[share]
            one["goal"] = least
            one["met"] = None if reached is None else _reaches(reached, share, least)
    machine = f"{platform.machine()}, CPython {platform.python_version()}"
    return {"name": "archive", "machine": machine, "kernel": "python", "rows": rows}


if __name__ == "__main__":
    json.dump(run(), sys.stdout, indent=2)
    sys.stdout.write("\n")
