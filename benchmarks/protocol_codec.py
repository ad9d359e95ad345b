"""What it costs to build and to parse a message, beside msgpack with the same checksum.

Rows M1 and M2 are a Trade of 71 bytes: M1-values begins with plain numbers on both sides, M1 with objects that exist, where msgspec
runs no Python at all. The swap rows are the full composition of a DEX swap log. Peer and subject run in
turns, each figure is the median of its rounds. Prints one JSON object.
"""

import json
import platform
import sys
from collections.abc import Callable
from statistics import median
from time import perf_counter_ns
from zlib import crc32

import msgspec

from alphapulse.primitives.instrument_id import InstrumentId
from alphapulse.protocol.codec import decode, encode
from alphapulse.protocol.header import Header
from alphapulse.protocol.market_data import ChainEvent, PoolSwap, Trade
from alphapulse.protocol.message import Message
from alphapulse.protocol.system import TraceContext

ROUNDS = 9
REPEATS = 2_000
POOL = bytes.fromhex("88e6a0c2ddd26feeb64f039a2c41296fcb3f5640")
T = 1_700_000_000_000_000_000
TRADE = Trade(InstrumentId.pool(301, POOL), 49726, 1000 * 10**8, 1, T)
ONE = Message(Header(1, 1, 0, 42, T), (TRADE,))
SWAP = Message(
    Header(1, 6, 0x10, 7, T),
    (
        TRADE,
        PoolSwap(
            venue=301,
            pool=POOL,
            token_in=bytes(range(20)),
            token_out=bytes(range(20, 40)),
            amount_in=1_000_000_000,
            amount_out=497_264_676_616_915_422,
            decimals_in=6,
            decimals_out=18,
            sqrt_price_x96_after=1767183122022033875155620154763389,
            tick_after=200_261,
            liquidity_after=20_217_042_631_528_184_321,
            event_ns=T,
            block=18_937_400,
        ),
        ChainEvent(1, 18_937_400, bytes(range(32)), bytes(range(32)), 17, 203, 0),
        TraceContext(0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331, 1),
    ),
)


class Flat(msgspec.Struct, frozen=True, array_like=True):
    """The same Trade and header as msgpack would carry them."""

    domain: int
    source: int
    flags: int
    sequence: int
    timestamp_ns: int
    venue: int
    asset_type: int
    asset_id: int
    price: int
    volume: int
    side: int
    event_ns: int


FLAT = Flat(1, 1, 0, 42, T, 301, 100, TRADE.instrument.asset_id, 49726, 1000 * 10**8, 1, T)
ASSET = TRADE.instrument.asset_id
PACKER = msgspec.msgpack.Encoder()
PARSER = msgspec.msgpack.Decoder(Flat)


def _build_from_values() -> bytes:
    instrument = InstrumentId(301, 100, 0, ASSET)
    trade = Trade(instrument, 49726, 1000 * 10**8, 1, T)
    return encode(Message(Header(1, 1, 0, 42, T), (trade,)))


def _peer_build_from_values() -> bytes:
    flat = Flat(1, 1, 0, 42, T, 301, 100, ASSET, 49726, 1000 * 10**8, 1, T)
    body = PACKER.encode(flat)
    return crc32(body).to_bytes(4, "little") + body


def _peer_build() -> bytes:
    body = PACKER.encode(FLAT)
    return crc32(body).to_bytes(4, "little") + body


def _peer_parse(data: bytes) -> Flat:
    if crc32(data[4:]) != int.from_bytes(data[:4], "little"):
        raise ValueError
    return PARSER.decode(data[4:])


def _microseconds(call: Callable[[], object]) -> float:
    start = perf_counter_ns()
    for _ in range(REPEATS):
        call()
    return (perf_counter_ns() - start) / REPEATS / 1000


def _row(
    row_id: str,
    what: str,
    call: Callable[[], object],
    peer: Callable[[], object] | None,
    goal: float,
) -> dict[str, object]:
    ours, theirs = [], []
    for _ in range(ROUNDS):
        ours.append(_microseconds(call))
        if peer is not None:
            theirs.append(_microseconds(peer))
    value = median(ours)
    peer_value = median(theirs) if theirs else None
    return {
        "id": row_id,
        "twin": "python",
        "what": what,
        "value": round(value, 3),
        "unit": "us",
        "peer": "msgspec msgpack + crc32" if peer else None,
        "peer_value": None if peer_value is None else round(peer_value, 3),
        "ratio": None if peer_value is None else round(peer_value / value, 3),
        "goal": f"<= {goal} us" if peer_value is None else f">= {goal}x",
        "met": value <= goal if peer_value is None else peer_value / value >= goal,
    }


def run() -> dict[str, object]:
    """Return the rows of this benchmark in the house's shape."""
    one, swap, flat = encode(ONE), encode(SWAP), _peer_build()
    rows = [
        _row("M1", "build a Trade message", lambda: encode(ONE), _peer_build, 1.0),
        _row(
            "M1-values",
            "build a Trade message from numbers",
            _build_from_values,
            _peer_build_from_values,
            1.0,
        ),
        _row("M1-rate", "build a Trade message, at least 1.3 M/s", lambda: encode(ONE), None, 0.77),
        _row("M2", "parse a Trade message", lambda: decode(one), lambda: _peer_parse(flat), 0.7),
        _row("M1-swap", "build a whole swap message", lambda: encode(SWAP), None, 3.0),
        _row("M2-swap", "parse a whole swap message", lambda: decode(swap), None, 4.0),
    ]
    machine = (
        f"{platform.machine()}, {platform.python_implementation()} {platform.python_version()}"
    )
    return {"name": "protocol_codec", "machine": machine, "kernel": "python", "rows": rows}


if __name__ == "__main__":
    json.dump(run(), sys.stdout)
    sys.stdout.write("\n")
