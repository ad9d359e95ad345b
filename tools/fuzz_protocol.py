"""Random and damaged buffers through the decoder, the framer and a running relay: no error but the typed one, no memory kept.

Usage: fuzz_protocol.py [BUFFERS] [SEED]    a million buffers, through each, unless told otherwise.

The decoder's short way and its readable way must end alike. Beside the relay's bad clients one good producer and one good consumer go on,
and everything said arrives. Exit code 1 and the buffer itself when something else happens.
"""

import contextlib
import gc
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests"), str(ROOT / "tools")]

from fuzz_kernel import mutated  # noqa: E402 - found by the path above
from soak import resident_mib, words  # noqa: E402

from alphapulse.errors import DecodeError  # noqa: E402
from alphapulse.protocol.codec import decode, encode  # noqa: E402
from alphapulse.protocol.header import DOMAIN_LIMITS, Header  # noqa: E402
from alphapulse.protocol.message import Message  # noqa: E402
from alphapulse.protocol.system import Hello, PeerRole, SequenceSync, TraceContext  # noqa: E402
from alphapulse.transport.framing import Framer  # noqa: E402
from alphapulse.transport.sockets import socket_path  # noqa: E402
from support.kernel_wire import message, random_block, size_rules  # noqa: E402

MANY = 1_000_000
CORPUS = 500
LOOK = 50_000  # buffers between two looks at the memory
GROWTH_MIB = 4.0  # after the first look; what a garbage collector may still owe
RELAY_GROWTH_MIB = (
    12.0  # of the relay after the first look: its journals and its counts of refusals fill
)
TALK = 100  # bad clients between two words of the good producer
AT_ONCE = 32  # bad clients; the execution relay takes fifty connections
TIMEOUT_S = 10.0
SOURCE = 3


def buffers(seed: int) -> Iterator[bytes]:
    """Yield buffers for ever: noise, noise or damaged TLVs under a right header, blocks of messages, damaged blocks."""
    rng = random.Random(seed)  # noqa: S311 - a run must be repeatable
    rules, corpus = size_rules(), []
    while True:
        kind = rng.random()
        if kind < 0.15:
            yield rng.randbytes(rng.randrange(300))
        elif kind < 0.35:
            noise = rng.randbytes(rng.randrange(200))
            if corpus and rng.random() < 0.8:
                noise = _payload(rng, rng.choice(corpus))
            yield message(rng, noise, domain=rng.randrange(1, 5))
        elif kind < 0.45 or not corpus:
            block = random_block(rng, rules)
            if len(corpus) < CORPUS:
                corpus.append(block)
            else:
                corpus[rng.randrange(CORPUS)] = block
            yield block
        else:
            yield mutated(rng, rng.choice(corpus))


def _payload(rng: random.Random, block: bytes) -> bytes:
    """Return the payload of a block's first message, now and then with damage."""
    size = int.from_bytes(block[8:12], "little")
    payload = block[32 : 32 + size]
    return mutated(rng, payload) if rng.random() < 0.5 else payload


def ended(data: bytes | bytearray) -> object:
    """Return the message that a buffer decodes to, or what is wrong with it."""
    try:
        return decode(data)
    except DecodeError as error:
        return error.kind, error.offset


def through_decoder(count: int, seed: int) -> dict[str, int]:
    """Decode and frame every buffer, and hold the process to its memory; return how the buffers ended."""
    outcomes: dict[str, int] = {}
    rng = random.Random(seed)  # noqa: S311 - a run must be repeatable
    first = 0.0
    for number, data in zip(range(count), buffers(seed), strict=False):
        found = ended(data)
        if found != ended(bytearray(data)):
            raise AssertionError(f"the two ways of decoding differ on {data.hex()}")
        kind = found[0] if isinstance(found, tuple) else "decoded"
        outcomes[kind] = outcomes.get(kind, 0) + 1
        framer, cut = Framer(), rng.randrange(len(data) + 1)
        for part in (data[:cut], data[cut:]):
            block = framer.feed(part)
            for one in block.messages() if block is not None else ():
                ended(one)
        if framer.held > max(DOMAIN_LIMITS.values()) + len(data):
            raise AssertionError(f"the framer keeps {framer.held} bytes of {data.hex()}")
        if number % LOOK == LOOK - 1:
            gc.collect()
            now = resident_mib(os.getpid())
            first = first or now
            if now - first > GROWTH_MIB:
                raise AssertionError(f"memory grew from {first:.1f} to {now:.1f} MiB")
    return outcomes


class Pair:
    """A good producer and a good consumer of one relay."""

    def __init__(self, directory: Path) -> None:
        self._producer, self._consumer = _link(directory), _link(directory)
        self._producer.sendall(
            encode(
                Message(
                    Header(1, SOURCE, 0, 0, 1),
                    (Hello(1, PeerRole.PRODUCER, SOURCE, 1, 0, 7, 0, 60_000, "good:1"),),
                )
            )
        )
        self._consumer.sendall(words(1, PeerRole.CONSUMER, "good:2"))
        self._framer = Framer()
        self._said = 0
        self._until(lambda one: one.first(SequenceSync) is not None or one.first(Hello) is not None)

    def talk(self) -> None:
        """Say the next message and wait until it arrives."""
        self._said += 1
        tlvs = (TraceContext(self._said, 1, 1),)
        if self._said == 1:
            tlvs = (SequenceSync(7, 1, 0, SOURCE, 2), *tlvs)
        self._producer.sendall(encode(Message(Header(1, SOURCE, 0x10, self._said, 1), tlvs)))
        self._until(lambda one: (one.header.source, one.header.sequence) == (SOURCE, self._said))
        _forget(self._producer)

    def _until(self, is_it: Callable[[Message], bool]) -> None:
        while True:
            block = self._framer.feed(self._consumer.recv(1 << 16))
            found = [decode(one) for one in block.messages()] if block is not None else []
            if any(is_it(one) for one in found):
                return


def _forget(link: socket.socket) -> None:
    """Drop what has come, without waiting for more."""
    link.settimeout(0)
    with contextlib.suppress(BlockingIOError):
        link.recv(1 << 16)
    link.settimeout(TIMEOUT_S)


def _link(directory: Path) -> socket.socket:
    link = socket.socket(socket.AF_UNIX)
    link.settimeout(TIMEOUT_S)
    link.connect(str(socket_path(directory, 1)))
    return link


def through_relay(count: int, seed: int) -> int:
    """Send every buffer to a relay over a connection of its own; return how often the good pair spoke meanwhile."""
    rng = random.Random(seed)  # noqa: S311 - a run must be repeatable
    with tempfile.TemporaryDirectory(prefix="ap-fuzz-") as folder:
        directory = Path(folder) / "run"
        command = [
            sys.executable,
            "-m",
            "alphapulse.cli.main",
            "relay",
            "serve",
            "--json",
            "--directory",
        ]
        relay = subprocess.Popen(  # noqa: S603 - our own
            [*command, str(directory), "--journal", f"{folder}/journal"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        )
        try:
            assert relay.stdout is not None
            relay.stdout.readline()
            pair, first, spoken = Pair(directory), 0.0, 0
            crowd = Crowd(directory, rng)
            for number, data in zip(range(count), buffers(seed), strict=False):
                crowd.bother(data)
                if number % TALK == TALK - 1:
                    pair.talk()
                    spoken += 1
                if number % LOOK == LOOK - 1:
                    now = resident_mib(relay.pid)
                    first = first or now
                    if now - first > RELAY_GROWTH_MIB:
                        raise AssertionError(f"the relay grew from {first:.1f} to {now:.1f} MiB")
            crowd.leave()
            if relay.poll() is not None:
                raise AssertionError(f"the relay ended with {relay.returncode}")
        finally:
            relay.terminate()
            relay.wait(TIMEOUT_S)
    return spoken


class Crowd:
    """Bad clients of a relay, so many at once; the oldest leaves when another comes."""

    def __init__(self, directory: Path, rng: random.Random) -> None:
        self._directory, self._rng = directory, rng
        self._links: deque[socket.socket] = deque()

    def bother(self, data: bytes) -> None:
        """Connect, mostly say hello, and send a buffer; look at what came back when it is time to go."""
        domain = self._rng.choice(list(DOMAIN_LIMITS))
        greeting = words(domain, PeerRole.CONSUMER, "fuzz:1") if self._rng.random() < 0.7 else b""
        link = socket.socket(socket.AF_UNIX)
        self._links.append(link)
        with contextlib.suppress(OSError):
            link.settimeout(TIMEOUT_S)
            link.connect(str(socket_path(self._directory, domain)))
            link.sendall(greeting + data)
        if len(self._links) > AT_ONCE:
            oldest = self._links.popleft()
            with contextlib.suppress(OSError):
                _forget(oldest)
            oldest.close()

    def leave(self) -> None:
        """Close all."""
        for link in self._links:
            link.close()


def main() -> int:
    """Run both and say what was tried."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else MANY
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.SystemRandom().getrandbits(32)
    print(f"{count:,} buffers, seed {seed}", flush=True)
    start = time.monotonic()
    outcomes = through_decoder(count, seed)
    listed = ", ".join(f"{kind} {number:,}" for kind, number in sorted(outcomes.items()))
    print(f"decoder and framer clean in {time.monotonic() - start:.0f} s: {listed}", flush=True)
    start = time.monotonic()
    spoken = through_relay(count, seed)
    print(
        f"relay clean in {time.monotonic() - start:.0f} s: {spoken:,} messages of the good producer arrived meanwhile"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
