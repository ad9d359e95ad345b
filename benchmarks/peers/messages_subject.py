"""Our side of the message benchmark, one role a process: a relay, a publisher, or a subscriber that checks all it gets.

Usage: messages_subject.py TWIN. With `rust` the subscriber checks whole reads in one call, else message by message.
"""

import asyncio
import socket
import sys
import tempfile
import threading
import time
from array import array
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parents[2] / "tests"))

import msgspec
import uvloop
from line import serve
from messages_line import FIRST, SOURCE, Tally, build, due_times, pace

from alphapulse.amm import kernel
from alphapulse.protocol.codec import decode, encode
from alphapulse.protocol.header import Header
from alphapulse.protocol.message import Message, Tlv
from alphapulse.protocol.system import Hello, PeerRole, SequenceSync, Subscribe
from alphapulse.relays.config import RelayConfig, default_domains
from alphapulse.relays.service import serve_relays
from alphapulse.transport.framing import Framer
from alphapulse.transport.sockets import socket_path
from support.kernel_wire import size_rules

EPOCH = 1
QUEUE = 2_000_000  # nobody may lose anything here, in no party
BATCH = 512
READ = 1 << 18
TIMEOUT_S = 60.0
_twin = sys.argv[1] if len(sys.argv) > 1 else "python"
_state: dict[str, Any] = {}


def hello() -> str:
    """Return who this is."""
    kernel.require(_twin)
    return f"alphapulse, {_twin} reader"


def broker(folder: str) -> bool:
    """Serve relays in a thread of this process, journals included."""
    ready = threading.Event()

    async def serve_until_the_end() -> None:
        domains = {
            number: msgspec.structs.replace(one, queue_messages=QUEUE)
            for number, one in default_domains().items()
        }
        config = RelayConfig(
            directory=Path(folder),
            domains=domains,
            heartbeat_ms=60_000,  # publishers here say nothing while they prepare
            journal_directory=Path(tempfile.mkdtemp(dir=folder)),
        )
        async with serve_relays(Path(folder), config=config):
            ready.set()
            await asyncio.Event().wait()

    threading.Thread(target=lambda: uvloop.run(serve_until_the_end()), daemon=True).start()
    return ready.wait(10)


def _say(link: socket.socket, domain: int, *tlvs: Tlv) -> None:
    link.sendall(encode(Message(Header(domain, SOURCE, 0, 0, 1), tlvs)))


def _connect(folder: str, domain: int, role: PeerRole, epoch: int) -> socket.socket:
    link = socket.socket(socket.AF_UNIX)
    link.settimeout(TIMEOUT_S)
    link.connect(str(socket_path(Path(folder), domain)))
    _say(link, domain, Hello(1, role, SOURCE, 1 << (domain - 1), 0, epoch, 0, 60_000, "bench:1"))
    return link


def _await(link: socket.socket, framer: Framer, kind: type[Tlv]) -> None:
    while True:
        block = framer.feed(link.recv(READ))
        for raw in block.messages() if block else ():
            if decode(raw).first(kind) is not None:
                return


def subscribe(folder: str, domain: int) -> bool:
    """Connect and ask for everything of a domain."""
    link, framer = _connect(folder, domain, PeerRole.CONSUMER, 0), Framer()
    _await(link, framer, Hello)
    _say(link, domain, Subscribe(3, 1 << (domain - 1), 0, bytes(32), ()))
    _state.update(link=link, framer=framer, domain=domain)
    return True


def open_publisher(folder: str, domain: int) -> bool:
    """Connect as a producer and announce the run."""
    link, framer = _connect(folder, domain, PeerRole.PRODUCER, EPOCH), Framer()
    _await(link, framer, SequenceSync)
    sync = SequenceSync(EPOCH, 1, 0, SOURCE, 2)
    link.sendall(encode(Message(Header(domain, SOURCE, 0, 1, 1), (sync,))))
    _state.update(link=link, domain=domain)
    return True


def receive(count: int, is_timed: bool) -> dict[str, object]:
    """Take messages until there are enough, check each, and say what came."""
    tally = Tally(count, is_timed=is_timed)
    link, framer = _state["link"], _state["framer"]
    reader = kernel.choose(_twin).wire if not is_timed else None
    rules = size_rules()
    wanted = True
    while wanted:
        block = framer.feed(link.recv(READ))
        if block is None:
            continue
        is_ours = [
            source == SOURCE and number >= FIRST
            for source, number in zip(block.sources, block.sequences, strict=True)
        ]
        if reader is None or not all(is_ours):
            for index, mine in enumerate(is_ours):
                wanted = wanted and (not mine or tally.take(block.message(index)))
            continue
        columns = reader.scan_messages(block.data, rules, verify=True)
        numbers = array("Q")
        numbers.frombytes(columns["sequence"])
        expected = array("Q", range(tally.expected, tally.expected + len(numbers)))
        wanted = tally.take_run(len(numbers), numbers == expected)
    return tally.answer()


def publish(count: int) -> dict[str, int]:
    """Send messages as fast as the relay takes them."""
    link, domain = _state["link"], _state["domain"]
    parts = [build(FIRST + index, 1, domain) for index in range(count)]
    batches = [b"".join(parts[at : at + BATCH]) for at in range(0, count, BATCH)]
    start = time.monotonic_ns()
    for batch in batches:
        link.sendall(batch)
        _forget(link)
    return {"start_ns": start, "end_ns": time.monotonic_ns()}


def publish_paced(seed: int, rate: float, count: int) -> dict[str, int]:
    """Send messages when they are due."""
    link, domain = _state["link"], _state["domain"]
    return pace(
        due_times(seed, rate, count), lambda number, at: link.sendall(build(number, at, domain))
    )


def _forget(link: socket.socket) -> None:
    """Drop what the relay confirms; a timeout would make Python wait for it first."""
    link.settimeout(0)
    try:
        link.recv(READ)
    except BlockingIOError:
        pass
    finally:
        link.settimeout(TIMEOUT_S)


if __name__ == "__main__":
    serve(
        {
            "hello": hello,
            "broker": broker,
            "subscribe": subscribe,
            "open_publisher": open_publisher,
            "receive": receive,
            "publish": publish,
            "publish_paced": publish_paced,
        }
    )
