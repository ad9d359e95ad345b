"""Logs of pairs and pools. Oracles: recorded mainnet logs, eth-abi, the Solidity event signatures as published."""

import contextlib
import csv
import io
import itertools
from pathlib import Path

import pytest
from eth_abi.abi import encode
from hypothesis import given
from hypothesis import strategies as st

from alphapulse.errors import DecodeError
from alphapulse.evm import logs
from alphapulse.evm.logs import (
    LogEntry,
    LogJson,
    V2Burn,
    V2Mint,
    V2Swap,
    V2Sync,
    V3Burn,
    V3Initialize,
    V3Mint,
    V3Swap,
    bloom_mask,
    decode_log,
    hex_bytes,
    hex_int,
    log_entry,
)

A, B = b"\x0a" * 20, b"\x0b" * 20
RECORDED = Path(__file__).parents[4] / "shared" / "data" / "evm_logs"
RECORDED_SPACING = {"0x88e6": 10, "0x8ad5": 60, "0x82c4": 60}
Q96 = 1 << 96


def entry(topics, data, **changes):
    fields = {
        "address": A,
        "topics": tuple(topics),
        "data": data,
        "block": 1,
        "block_hash": b"\1" * 32,
        "tx_hash": b"\2" * 32,
        "tx_index": 0,
        "log_index": 0,
    }
    return LogEntry(**(fields | changes))


def word(address):
    return address.rjust(32, b"\0")


def tick_word(tick):
    return tick.to_bytes(32, "big", signed=True)


uint112 = st.integers(0, 2**112 - 1)
uint128 = st.integers(0, 2**128 - 1)
uint160 = st.integers(0, 2**160 - 1)
uint256 = st.integers(0, 2**256 - 1)
int256 = st.integers(-(2**255), 2**255 - 1)
tick = st.integers(-887272, 887272)


def test_topics_are_the_published_ones():
    assert logs.TOPIC_V2_SYNC.hex().startswith("1c411e9a96e071241c2f21f7726b17ae89e3cab4")
    assert logs.TOPIC_V2_SWAP.hex().startswith("d78ad95fa46c994b6551d0da85fc275fe613ce37")
    assert logs.TOPIC_V3_SWAP.hex() == (
        "c42079f94a6350d7e6235f29174924f928cc2ac818eb64fed8004e115fbcca67"
    )
    assert logs.TOPIC_V3_MINT.hex().startswith("7a53080ba414158be7ec69b987b5fb7d07dee101")
    assert logs.TOPIC_V3_BURN.hex().startswith("0c396cd989a39f4459b5fa1aed6a9a8dcdbc4590")


@given(uint112, uint112)
def test_sync(reserve0, reserve1):
    data = encode(["uint112", "uint112"], [reserve0, reserve1])
    assert decode_log(entry([logs.TOPIC_V2_SYNC], data)) == V2Sync(reserve0, reserve1)


@given(st.tuples(uint256, uint256, uint256, uint256))
def test_v2_swap(amounts):
    found = decode_log(
        entry([logs.TOPIC_V2_SWAP, word(A), word(B)], encode(["uint256"] * 4, amounts))
    )
    assert found == V2Swap(A, B, *amounts)


@given(uint256, uint256)
def test_v2_mint_and_burn(amount0, amount1):
    data = encode(["uint256"] * 2, [amount0, amount1])
    assert decode_log(entry([logs.TOPIC_V2_MINT, word(A)], data)) == V2Mint(A, amount0, amount1)
    burn = decode_log(entry([logs.TOPIC_V2_BURN, word(A), word(B)], data))
    assert burn == V2Burn(A, B, amount0, amount1)


@given(int256, int256, uint160, uint128, tick)
def test_v3_swap(amount0, amount1, price, liquidity, at):
    types = ["int256", "int256", "uint160", "uint128", "int24"]
    data = encode(types, [amount0, amount1, price, liquidity, at])
    found = decode_log(entry([logs.TOPIC_V3_SWAP, word(A), word(B)], data))
    assert found == V3Swap(A, B, amount0, amount1, price, liquidity, at)


@given(tick, tick, uint128, uint256, uint256)
def test_v3_mint_and_burn(one, other, liquidity, amount0, amount1):
    lower, upper = min(one, other), max(one, other)
    amounts = ["uint128", "uint256", "uint256"]
    place = [word(A), tick_word(lower), tick_word(upper)]
    values = [liquidity, amount0, amount1]
    mint = entry(
        [logs.TOPIC_V3_MINT, *place], encode(["address", *amounts], ["0x" + B.hex(), *values])
    )
    burn = entry([logs.TOPIC_V3_BURN, *place], encode(amounts, values))
    if lower == upper:
        for each in (mint, burn):
            with pytest.raises(DecodeError, match="bad_value"):
                decode_log(each)
        return
    assert decode_log(mint) == V3Mint(A, lower, upper, *values)
    assert decode_log(burn) == V3Burn(A, lower, upper, *values)


def test_v3_initialize():
    data = encode(["uint160", "int24"], [Q96, -1])
    assert decode_log(entry([logs.TOPIC_V3_INITIALIZE], data)) == V3Initialize(Q96, -1)


@pytest.mark.parametrize(
    ("topics", "data", "kind"),
    [
        ([], b"", "bad_topic"),
        ([b"\0" * 32], b"", "bad_topic"),
        ([logs.TOPIC_V2_SYNC], b"\0" * 63, "bad_size"),
        ([logs.TOPIC_V2_SYNC], b"\0" * 96, "bad_size"),
        ([logs.TOPIC_V2_SYNC, word(A)], b"\0" * 64, "bad_size"),
        ([logs.TOPIC_V2_SYNC], b"\xff" * 64, "bad_value"),
        ([logs.TOPIC_V3_SWAP, word(A), word(B)], b"\0" * 159, "bad_size"),
        ([logs.TOPIC_V3_SWAP, word(A), b"\xff" * 32], b"\0" * 160, "bad_value"),
        (
            [logs.TOPIC_V3_SWAP, word(A), word(B)],
            b"\0" * 64 + b"\xff" * 32 + b"\0" * 64,
            "bad_value",
        ),
        (
            [logs.TOPIC_V3_SWAP, word(A), word(B)],
            b"\0" * 128 + tick_word(887273),
            "bad_value",
        ),
        ([logs.TOPIC_V3_INITIALIZE], b"\xff" * 64, "bad_value"),
        ([logs.TOPIC_V3_MINT, word(A), tick_word(0), tick_word(60)], b"\xff" * 128, "bad_value"),
    ],
)
def test_a_malformed_log_is_refused(topics, data, kind):
    with pytest.raises(DecodeError) as caught:
        decode_log(entry(topics, data))
    assert caught.value.kind == kind


@given(
    st.lists(st.sampled_from([*logs.POOL_TOPICS, b"\0" * 32, b"\xff" * 32]), max_size=4),
    st.binary(max_size=200),
)
def test_random_logs_raise_only_decode_errors(topics, data):
    with contextlib.suppress(DecodeError):
        decode_log(entry(topics, data))


JSON = {
    "address": "0x" + "0a" * 20,
    "topics": ("0x" + "01" * 32,),
    "data": "0x",
    "block_number": "0x10",
    "block_hash": "0x" + "02" * 32,
    "transaction_hash": "0x" + "03" * 32,
    "transaction_index": "0x1",
    "log_index": "0x02",
}


def test_json_becomes_bytes_and_integers():
    found = log_entry(LogJson(**JSON))
    assert found == entry(
        [b"\1" * 32],
        b"",
        block=16,
        block_hash=b"\2" * 32,
        tx_hash=b"\3" * 32,
        tx_index=1,
        log_index=2,
    )
    assert found.identity == (b"\2" * 32, b"\3" * 32, 2)
    assert found.position == (16, 1, 2)


@pytest.mark.parametrize(
    "change",
    [
        {"address": "0x0a"},
        {"address": "0a" * 20},
        {"address": "0x" + "0g" * 20},
        {"address": "0x" + "0a" * 19 + " 0a "[:2]},
        {"topics": ("0x" + "01" * 31,)},
        {"topics": ("0x" + "01" * 32,) * 5},
        {"data": "0x123"},
        {"block_number": None},
        {"block_number": "0x"},
        {"block_number": "16"},
        {"block_number": "0x1_0"},
        {"block_number": "0x-1"},
        {"block_number": "0x1" + "0" * 16},
        {"block_hash": None},
        {"log_index": "0x100000000"},
    ],
)
def test_malformed_json_is_refused(change):
    with pytest.raises(DecodeError):
        log_entry(LogJson(**(JSON | change)))


@given(st.text(max_size=12))
def test_random_text_raises_only_decode_errors(text):
    for reader in (hex_bytes, hex_int):
        for value in (text, "0x" + text):
            with contextlib.suppress(DecodeError):
                reader(value)


def test_bloom_bits_are_the_published_ones():
    # Ethereum yellow paper's filter, as in go-ethereum's bloom test: these words give this filter.
    mask = 0
    for item in (b"testtest", b"test", b"hallo", b"other"):
        mask |= bloom_mask(item)
    assert all(mask & bloom_mask(item) == bloom_mask(item) for item in (b"test", b"hallo"))
    assert mask & bloom_mask(b"tes") != bloom_mask(b"tes")
    assert bloom_mask(b"test").bit_count() in (1, 2, 3)


# --- recorded mainnet logs -----------------------------------------------------------------------


def recorded_files():
    return sorted(RECORDED.rglob("*.raw.csv"))


def read_rows(text):
    """Yield the rows of one file as entries; the recorder wrote no block hash."""
    for row in csv.DictReader(io.StringIO(text)):
        topics = tuple(
            bytes.fromhex(topic.strip(" '\"")[2:]) for topic in row["topics"].strip("[]").split(",")
        )
        yield entry(
            topics,
            bytes.fromhex(row["data"][2:]),
            block=int(row["block_number"]),
            tx_hash=bytes.fromhex(row["transaction_hash"][2:]),
            tx_index=int(row["transaction_index"]),
            log_index=int(row["log_index"]),
        )


def paid_out(before, after):
    """Return what liquidity that does not change pays for a move of the price, rounded down."""
    low, high = sorted((before.sqrt_price_x96, after.sqrt_price_x96))
    if after.sqrt_price_x96 < before.sqrt_price_x96:
        return after.liquidity * (high - low) // Q96
    return (after.liquidity * Q96 * (high - low) // high) // low


@pytest.mark.shared_data
@pytest.mark.skipif(not recorded_files(), reason="recorded mainnet logs are not here")
@pytest.mark.parametrize("path", recorded_files(), ids=lambda path: path.name[9:15])
def test_recorded_logs_decode_and_in_range_swaps_reproduce(path):
    spacing = RECORDED_SPACING[path.name[9:15]]
    known = [e for e in read_rows(path.read_text()) if e.topics[0] in logs.V3_TOPICS]
    assert known == sorted(known, key=lambda e: e.position)
    swaps = [decode_log(e) for e in known if e.topics[0] == logs.TOPIC_V3_SWAP]
    assert all(isinstance(swap, V3Swap) for swap in swaps)
    decoded = [decode_log(e) for e in known]
    in_range = 0
    for before, after in itertools.pairwise(decoded):
        if not (isinstance(before, V3Swap) and isinstance(after, V3Swap)):
            continue
        same_range = before.tick // spacing == after.tick // spacing
        if before.liquidity != after.liquidity or not same_range:
            continue
        assert -min(after.amount0, after.amount1) == paid_out(before, after)
        in_range += 1
    print(path.name, len(known), "logs", len(swaps), "swaps", in_range, "in range")
    assert in_range > 0
