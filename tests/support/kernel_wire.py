"""Bytes for the wire readers: messages and logs, whole and damaged, and what the readable codec says about them."""

import struct

from alphapulse.errors import DecodeError
from alphapulse.evm import logs as evm_logs
from alphapulse.protocol import codec
from alphapulse.protocol.header import HEADER_SIZE, checksum_of, unpack_header
from alphapulse.protocol.packing import CountedCodec
from alphapulse.protocol.registry import TABLE
from alphapulse.protocol.tlv import split

KINDS = (
    evm_logs.V2Sync, evm_logs.V2Swap, evm_logs.V2Mint, evm_logs.V2Burn,
    evm_logs.V3Initialize, evm_logs.V3Swap, evm_logs.V3Mint, evm_logs.V3Burn,
)  # fmt: skip


def size_rules():
    """Return (type, least size, counts) of every registered type, as the kernel takes them."""
    rules = []
    for row in TABLE:
        made = codec._codec_of(row)
        if isinstance(made, CountedCodec):
            counts = [(start, width, unit) for _, start, width, unit in made._counts]
            rules.append((row.number, made._minimum, counts))
        else:
            rules.append((row.number, made.fixed_size, []))
    return rules


def message(rng, payload, *, domain=1):
    head = struct.pack(
        "<IBBBBIQQ", 0xDEADBEEF, domain, 1, rng.randrange(1, 90), rng.choice([0, 4, 0x10, 0x20]),
        len(payload), rng.getrandbits(64), rng.getrandbits(64),
    )  # fmt: skip
    return head + struct.pack("<I", checksum_of(head + bytes(4) + payload)) + payload


def readable_scan(data, *, verify, relay):
    """Return (header, frames) of each message by the readable codec, or the first DecodeError's kind and offset."""
    found, offset = [], 0
    try:
        while offset < len(data):
            rest = data[offset:]
            header, payload = unpack_header(rest, relay=relay)
            size = HEADER_SIZE + payload
            codec_says(rest[:size], verify=verify, relay=relay)
            found.append((offset, size, header, split(rest[:size], HEADER_SIZE)))
            offset += size
    except DecodeError as error:
        return error.kind, error.offset + offset
    return found


def codec_says(data, *, verify, relay):
    """Decode, but let pass what only values decide: framing is what the scan answers for."""
    try:
        codec.decode(data, verify=verify, relay=relay)
    except DecodeError as error:
        if error.kind != "bad_value":
            raise


def flat_log(event):
    """Return a typed event as the kernel writes it."""
    return (KINDS.index(type(event)), *(getattr(event, name) for name in type(event).__slots__))


def readable_log(topics, data):
    entry = evm_logs.LogEntry(bytes(20), tuple(topics), data, 1, bytes(32), bytes(32), 0, 0)
    try:
        return flat_log(evm_logs.decode_log(entry))
    except DecodeError as error:
        return (-1, error.kind, error.offset)


def random_block(rng, rules):
    """Return a block of messages whose TLVs mostly have the sizes of the registry, then damage some of it."""
    parts = []
    for _ in range(rng.randrange(1, 5)):
        tlvs = []
        for _ in range(rng.randrange(5)):
            number, minimum, counts = rng.choice(rules)
            body = bytearray(rng.randbytes(minimum))
            extra = 0
            for start, width, unit in counts:
                count = rng.randrange(4)
                body[start : start + width] = count.to_bytes(width, "little")
                extra += count * unit
            body += rng.randbytes(extra + (rng.random() < 0.03))
            if rng.random() < 0.1:
                number = rng.choice((0, rng.randrange(1, 255)))
            if len(body) > 255 or rng.random() < 0.1:
                tlvs.append(bytes((255, 0, number)) + len(body).to_bytes(2, "little") + body)
            else:
                tlvs.append(bytes((number, len(body))) + body)
        parts.append(message(rng, b"".join(tlvs), domain=rng.randrange(1, 5)))
    block = bytearray(b"".join(parts))
    if rng.random() < 0.6:
        for _ in range(rng.randrange(1, 3)):
            block[rng.randrange(len(block))] = rng.choice([0, 1, 255, rng.randrange(256)])
    if rng.random() < 0.2:
        del block[rng.randrange(len(block)) :]
    return bytes(block)


def random_log(rng):
    """Return topics and data of a pool's event, mostly with values that fit."""
    topics, words = rng.choice(list(evm_logs._LAYOUT.items()))
    small = [rng.getrandbits(rng.choice([8, 19, 100, 112, 128, 160, 256])) for _ in range(words[1])]
    data = b"".join(value.to_bytes(32, "big") for value in small)
    signed = [rng.randrange(-900000, 900000) for _ in range(3)]
    rest = [
        rng.choice([
            bytes(12) + rng.randbytes(20),
            signed[place].to_bytes(32, "big", signed=True),
            rng.randbytes(32),
        ])
        for place in range(words[0] - 1)
    ]  # fmt: skip
    if words[0] == 4 and rng.random() < 0.7:
        rest = [
            bytes(12) + rng.randbytes(20),
            *(tick.to_bytes(32, "big", signed=True) for tick in sorted(signed[:2])),
        ]
    if words == (3, 5) and rng.random() < 0.7:
        rest = [bytes(12) + rng.randbytes(20), bytes(12) + rng.randbytes(20)]
        data = data[:128] + signed[0].to_bytes(32, "big", signed=True)
    if rng.random() < 0.1:
        data = data[: rng.randrange(len(data))]
    found = [topics, *rest]
    if rng.random() < 0.1:
        found = found[: rng.randrange(len(found))]
    return found, data
