"""Feeds random and mutated bytes to every byte-taking function of the Rust twin for some minutes.

Usage: fuzz_kernel.py [MINUTES] [SEED]. Each answer is compared with the readable codec's; a panic, another answer or
another error ends the run with the input that caused it.
"""

import random
import sys
import time
from array import array
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

from alphapulse.amm import kernel  # noqa: E402 - the tests' helpers are found by the path above
from alphapulse.errors import DecodeError  # noqa: E402
from support.kernel_wire import (  # noqa: E402
    random_block,
    random_log,
    readable_log,
    readable_scan,
    size_rules,
)

CORPUS_MAX = 500
ROUNDS_PER_LOOK = 200


def mutated(rng: random.Random, data: bytes) -> bytes:
    """Return the bytes with a few flipped, cut, doubled or inserted."""
    raw = bytearray(data)
    for _ in range(rng.randrange(1, 6)):
        place = rng.randrange(len(raw) + 1)
        kind = rng.randrange(5)
        if kind == 0 and raw:
            raw[place % len(raw)] ^= 1 << rng.randrange(8)
        elif kind == 1:
            del raw[place : place + rng.randrange(1, 40)]
        elif kind == 2:
            raw[place:place] = raw[place : place + rng.randrange(1, 60)]
        elif kind == 3:
            raw[place:place] = rng.randbytes(rng.randrange(1, 12))
        elif raw:
            raw[place % len(raw)] = rng.choice([0, 1, 127, 128, 254, 255])
    return bytes(raw)


def scan_once(
    rng: random.Random, wire: kernel.WireReader, corpus: list[bytes], rules: list
) -> None:
    """Scan a block that is new or made of an earlier one."""
    data = (
        mutated(rng, rng.choice(corpus))
        if corpus and rng.random() < 0.7
        else random_block(rng, rules)
    )
    options = {"verify": rng.random() < 0.3, "relay": rng.random() < 0.3}
    mine = readable_scan(data, **options)
    try:
        found = wire.scan_messages(data, rules, **options)
    except DecodeError as error:
        assert mine == (error.kind, error.offset), (data.hex(), options)
    else:
        assert isinstance(mine, list), (data.hex(), options, mine)
        assert len(found["offset"]) == 8 * len(mine)
        places = found["tlv_offset"]
        start, width = rng.choice([0, 1, 2**40]), rng.choice([0, 1, 8, 2**62])
        try:
            wire.gather(data, places, start, width)
        except DecodeError as error:
            assert error.kind == "tlv_overrun"
    if len(corpus) < CORPUS_MAX:
        corpus.append(data)
    else:
        corpus[rng.randrange(CORPUS_MAX)] = data


def log_once(rng: random.Random, wire: kernel.WireReader) -> None:
    """Decode a batch of logs, some of them with mutated words."""
    logs = []
    for _ in range(20):
        topics, data = random_log(rng)
        if rng.random() < 0.5:
            data = mutated(rng, data)
        if rng.random() < 0.2 and topics:
            topics[rng.randrange(len(topics))] = rng.randbytes(32)
        logs.append((topics, data))
    assert wire.decode_logs(logs) == [readable_log(*log) for log in logs], logs
    places = array("Q", [rng.getrandbits(rng.choice([5, 63, 64])) for _ in range(4)]).tobytes()
    try:
        wire.gather(rng.randbytes(40), places, rng.getrandbits(6), rng.getrandbits(4))
    except DecodeError as error:
        assert error.kind == "tlv_overrun"


def main() -> int:
    """Run for the minutes asked for and say how much was tried."""
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.SystemRandom().getrandbits(32)
    wire = kernel.choose("rust").wire
    assert wire is not None
    print(f"fuzzing for {minutes:g} minutes, seed {seed}", flush=True)
    rng = random.Random(seed)  # noqa: S311 - a run must be repeatable
    rules, corpus = size_rules(), []
    deadline, rounds = time.monotonic() + 60 * minutes, 0
    while time.monotonic() < deadline:
        for _ in range(ROUNDS_PER_LOOK):
            scan_once(rng, wire, corpus, rules)
            if rng.random() < 0.2:
                log_once(rng, wire)
        rounds += ROUNDS_PER_LOOK
    print(f"clean: {rounds} blocks and {rounds // 5 * 20} logs or so")
    return 0


if __name__ == "__main__":
    sys.exit(main())
