"""The kernel's readers of bytes against the readable codec: the same frames, the same kinds and offsets of errors.

Oracle: protocol.codec and evm.logs. Covers: P6.
"""

import random
import struct
from array import array

import pytest

from alphapulse.errors import DecodeError
from support.amm_evm import seed_of_run
from support.kernel_twins import RUST, needs_rust
from support.kernel_wire import random_block, random_log, readable_log, readable_scan, size_rules

pytestmark = needs_rust

BLOCKS = 3000
LOGS = 5000
CODES = {
    "offset": "<{}Q", "size": "<{}I", "domain": "<{}B", "source": "<{}B", "flags": "<{}B", "sequence": "<{}Q",
    "timestamp_ns": "<{}Q", "tlv_message": "<{}I", "tlv_type": "<{}B", "tlv_offset": "<{}Q", "tlv_length": "<{}I",
}  # fmt: skip


def columns(found):
    """Return the columns as tuples of numbers."""
    return {
        name: struct.unpack(
            code.format(len(found[name]) // struct.calcsize(code.format(1))), found[name]
        )
        for name, code in CODES.items()
    }


def kernel_scan(data, rules, *, verify, relay):
    try:
        found = columns(RUST.wire.scan_messages(data, rules, verify=verify, relay=relay))
    except DecodeError as error:
        return error.kind, error.offset
    return found


def test_blocks_are_scanned_as_the_codec_reads_them():
    rng = random.Random(seed_of_run())
    rules = size_rules()
    whole, wrong = 0, set()
    for _ in range(BLOCKS):
        data = random_block(rng, rules)
        options = {"verify": rng.random() < 0.5, "relay": rng.random() < 0.3}
        mine, found = readable_scan(data, **options), kernel_scan(data, rules, **options)
        if isinstance(mine, tuple):
            assert found == mine, (data.hex(), options)
            wrong.add(mine[0])
            continue
        whole += 1
        assert [*zip(found["offset"], found["size"], strict=True)] == [row[:2] for row in mine]
        for name in ("domain", "source", "flags", "sequence", "timestamp_ns"):
            assert list(found[name]) == [getattr(header, name) for _, _, header, _ in mine]
        frames = [
            (number, kind, offset + payload, length)
            for number, (offset, _, _, rows) in enumerate(mine)
            for kind, payload, length, _ in rows
        ]
        names = ("tlv_message", "tlv_type", "tlv_offset", "tlv_length")
        assert [*zip(*(found[name] for name in names), strict=True)] == frames
    assert whole > BLOCKS // 10
    assert wrong >= {
        "truncated",
        "bad_checksum",
        "bad_size",
        "tlv_overrun",
        "bad_type",
        "bad_magic",
    }


def test_gather_cuts_one_field_of_many_payloads():
    data = bytes(range(100))
    places = array("Q", [0, 10, 90]).tobytes()
    assert RUST.wire.gather(data, places, 2, 3) == bytes([2, 3, 4, 12, 13, 14, 92, 93, 94])
    assert RUST.wire.gather(data, b"", 5, 8) == b""
    for place, start, width in ((90, 5, 6), (2**63, 0, 1), (0, 2**63, 2**63), (100, 0, 1)):
        with pytest.raises(DecodeError, match="tlv_overrun"):
            RUST.wire.gather(data, array("Q", [place]).tobytes(), start, width)
    with pytest.raises(ValueError, match="whole uint64"):
        RUST.wire.gather(data, b"123", 0, 1)


def test_logs_are_decoded_as_the_readable_decoder_reads_them():
    rng = random.Random(seed_of_run())
    logs = [random_log(rng) for _ in range(LOGS)]
    found = RUST.wire.decode_logs(logs)
    expected = [readable_log(topics, data) for topics, data in logs]
    assert found == expected
    assert {one[0] for one in found} == set(range(-1, 8))
    assert {one[1] for one in found if one[0] < 0} == {"bad_topic", "bad_size", "bad_value"}
