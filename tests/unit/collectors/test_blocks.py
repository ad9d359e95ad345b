"""Block assembly. Oracle: the chain that the test itself made."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alphapulse.collectors.evm.blocks import (
    BlockAssembler,
    BlockHeader,
    BloomScreen,
    HeaderJson,
    LogVerdict,
    Placement,
    block_header,
    check_joins,
)
from alphapulse.errors import DecodeError, HashMismatch, InvariantError
from alphapulse.evm.hashing import keccak256
from alphapulse.evm.logs import LogEntry, bloom_mask

POOL = b"\xaa" * 20
TOPIC = b"\xbb" * 32


def header(number, branch=0, parent=None):
    return BlockHeader(
        number=number,
        block_hash=hash_of(number, branch),
        parent_hash=hash_of(number - 1, branch) if parent is None else parent,
        timestamp_ns=number * 10**9,
        base_fee_per_gas=1,
        logs_bloom=0,
    )


def hash_of(number, branch=0):
    return keccak256(f"{number}/{branch}".encode())


def log(number, index, branch=0, **changes):
    fields = {
        "address": POOL,
        "topics": (TOPIC,),
        "data": b"",
        "block": number,
        "block_hash": hash_of(number, branch),
        "tx_hash": keccak256(bytes([index])),
        "tx_index": index // 3,
        "log_index": index,
    }
    return LogEntry(**(fields | changes))


@given(
    st.lists(st.integers(0, 7), min_size=1, max_size=8),
    st.randoms(use_true_random=False),
)
def test_every_delivery_order_gives_the_same_blocks(sizes, order: random.Random):
    """Covers: E1, E2."""
    chain = [(header(n), [log(n, i) for i in range(size)]) for n, size in enumerate(sizes, 1)]
    stream = [entry for _, logs in chain for entry in logs] * 2
    order.shuffle(stream)
    assembler = BlockAssembler(header(0))
    seen = []
    for each, logs in chain:
        delivered, stream = stream[: len(stream) // 2], stream[len(stream) // 2 :]
        for entry in delivered:
            assert assembler.add_log(entry) in (LogVerdict.EARLY, LogVerdict.DUPLICATE)
        assert assembler.place(each) is Placement.NEXT
        assert assembler.lacking(each, logs) == frozenset()
        fetched = logs * 2
        order.shuffle(fetched)
        seen += assembler.close(each, fetched).logs
        assert assembler.place(each) is Placement.KNOWN
    assert seen == [entry for _, logs in chain for entry in logs]
    for entry in stream:
        assert assembler.add_log(entry) is LogVerdict.DUPLICATE


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 2)), max_size=40))
def test_whatever_arrives_what_is_released_joins(arrivals):
    """Covers: E3, E4. Heads of three branches in any order: nothing is closed that does not join."""
    assembler = BlockAssembler(header(0, 0))
    released = [header(0, 0)]
    for number, branch in arrivals:
        each = header(number, branch)
        placement = assembler.place(each)
        assert (placement is Placement.KNOWN) == (each in released)
        if placement is Placement.NEXT:
            assembler.close(each, [log(number, 0, branch)])
            released.append(each)
        else:
            with pytest.raises(InvariantError):
                assembler.close(each, [])
    check_joins(released[0], released[1:])


def test_placements():
    assembler = BlockAssembler(header(10))
    assembler.close(header(11), [])
    assert assembler.place(header(11)) is Placement.KNOWN
    assert assembler.place(header(10)) is Placement.KNOWN
    assert assembler.place(header(12)) is Placement.NEXT
    assert assembler.place(header(13)) is Placement.GAP
    assert assembler.place(header(12, branch=1)) is Placement.FORK
    assert assembler.place(header(11, branch=1)) is Placement.FORK
    assert assembler.place(header(3)) is Placement.FORK  # a chain that was wound back
    assert [each.number for each in assembler.headers_back()] == [11, 10]


def test_verdicts():
    """Covers: E2, E3, E5."""
    assembler = BlockAssembler(header(10))
    assert assembler.add_log(log(10, 0)) is LogVerdict.BEFORE_BASE
    assert assembler.add_log(log(9, 0)) is LogVerdict.BEFORE_BASE
    assert assembler.add_log(log(11, 0)) is LogVerdict.EARLY
    assert assembler.has_early(header(11))
    assert assembler.add_log(log(11, 0)) is LogVerdict.DUPLICATE
    assert assembler.add_log(log(11, 0, branch=1)) is LogVerdict.EARLY  # re-included: a new log
    assert assembler.lacking(header(11), []) == {log(11, 0).identity}
    block = assembler.close(header(11), [log(11, 1), log(11, 0)])
    assert [entry.log_index for entry in block.logs] == [0, 1]
    assert block.unstreamed == 1
    assert assembler.add_log(log(11, 1)) is LogVerdict.DUPLICATE
    assert assembler.add_log(log(11, 2)) is LogVerdict.LATE
    assert assembler.add_log(log(11, 0, branch=1)) is LogVerdict.FOREIGN
    assert assembler.add_log(log(11, 0, removed=True)) is LogVerdict.REMOVED
    assert assembler.add_log(log(12, 0, removed=True)) is LogVerdict.FOREIGN


def test_a_removed_early_log_is_forgotten():
    assembler = BlockAssembler(header(10))
    assembler.add_log(log(11, 0, branch=1))
    assembler.add_log(log(11, 0, branch=1, removed=True))
    assert not assembler.has_early(header(11, branch=1))


def test_logs_of_another_block_are_refused():
    """Covers: E4."""
    assembler = BlockAssembler(header(10))
    with pytest.raises(HashMismatch):
        assembler.close(header(11), [log(11, 0, branch=1)])


def test_memory_is_bounded():
    """Covers: E10, P5."""
    assembler = BlockAssembler(header(0))
    for number in range(1, 1001):
        assembler.add_log(log(number + 1, 0))
        assembler.close(header(number), [log(number, 0)])
    assert len(list(assembler.headers_back())) == 256
    for number in range(2_000, 2_000 + 30_000):
        assembler.add_log(log(number, 0))
    held = sum(assembler.has_early(header(number)) for number in range(2_000, 32_000))
    assert held == 20_000


def test_joins_are_checked():
    check_joins(header(0), [header(1), header(2)])
    with pytest.raises(HashMismatch):
        check_joins(header(0), [header(2)])
    with pytest.raises(HashMismatch):
        check_joins(header(0), [header(1), header(2, branch=1)])


def test_the_bloom_screen_never_hides_a_log_of_ours():
    screen = BloomScreen([POOL], [TOPIC])
    assert not screen.may_contain(0)
    assert not screen.may_contain(bloom_mask(POOL))
    assert not screen.may_contain(bloom_mask(TOPIC))
    assert screen.may_contain(bloom_mask(POOL) | bloom_mask(TOPIC))
    assert screen.may_contain((1 << 2048) - 1)


GOOD = HeaderJson(
    number="0x10",
    hash="0x" + "01" * 32,
    parent_hash="0x" + "02" * 32,
    timestamp="0x5",
    logs_bloom="0x" + "00" * 255 + "01",
    base_fee_per_gas="0x7",
    gas_used="0x8",
    gas_limit="0x9",
)


def test_a_header_becomes_integers():
    assert block_header(GOOD) == BlockHeader(16, b"\1" * 32, b"\2" * 32, 5 * 10**9, 7, 1, 8, 9)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("number", "16"),
        ("hash", "0x01"),
        ("timestamp", "0xffffffffffffffff"),
        ("logs_bloom", "0x"),
        ("base_fee_per_gas", "0x10000000000000000"),
        ("gas_used", "0xa"),
        ("gas_limit", "0x10000000000000000"),
    ],
)
def test_a_malformed_header_is_refused(name, value):
    fields = {field: getattr(GOOD, field) for field in GOOD.__struct_fields__}
    with pytest.raises(DecodeError):
        block_header(HeaderJson(**(fields | {name: value})))
