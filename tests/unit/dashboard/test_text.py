"""Figures as people read them, at the ends of their range."""

import pytest

from alphapulse.dashboard import text
from alphapulse.dashboard.pool import Instrument


@pytest.mark.parametrize(
    ("value", "decimals", "shown"),
    [
        (0, 18, "0"),
        (1, 18, "0.000000000000000001"),
        (-1, 18, "-0.000000000000000001"),
        (1, 0, "1"),
        (10**18, 18, "1"),
        (1_234_567, 6, "1.23457"),
        (-123_456_789, 6, "-123.457"),
        (1_234_567_890, 6, "1,234.57"),
        (-10_505_100_740_291_286_831_454, 18, "-10,505.10"),
        (2**256 - 1, 0, f"{2**256 - 1:,}.00"),
        (-(2**255), 18, f"{-(2**255) // 10**18 + 1:,}.79"),
    ],
)
def test_amounts(value, decimals, shown):
    assert text.amount(value, decimals) == shown
    assert text.amount(value, decimals, "WETH") == f"{shown} WETH"


@pytest.mark.parametrize(
    ("value_e8", "plain", "signed"),
    [
        (0, "$0.00", "$0.00"),
        (1, "$0.00000001", "+$0.00000001"),
        (-1, "-$0.00000001", "-$0.00000001"),
        (999_999, "$0.00999999", "+$0.00999999"),
        (10**6, "$0.01", "+$0.01"),
        (4_067_000_000, "$40.67", "+$40.67"),
        (-123_456_789_012, "-$1,234.57", "-$1,234.57"),
        (-(2**63), "-$92,233,720,368.55", "-$92,233,720,368.55"),
    ],
)
def test_dollars(value_e8, plain, signed):
    assert text.usd(value_e8) == plain
    assert text.usd(value_e8, signed=True) == signed


def test_durations_and_distances():
    assert [text.latency(ns) for ns in (0, 999_000, 1_500_000, 2 * 10**9)] == [
        "0 µs",
        "999 µs",
        "1.50 ms",
        "2.00 s",
    ]
    assert [text.age(s * 10**9) for s in (-5, 0, 119, 120, 7199, 7200)] == [
        "0 s ago",
        "0 s ago",
        "119 s ago",
        "2 min ago",
        "119 min ago",
        "2 h ago",
    ]
    assert [text.blocks_ago(10, head) for head in (9, 10, 11, 2010)] == [
        "now",
        "now",
        "1 block",
        "2,000 blocks",
    ]


def test_gas_prices():
    assert [text.gwei(wei) for wei in (0, 1, 906_123_456, 2 * 10**9, 123_456 * 10**9)] == [
        "0 gwei",
        "0.000000001 gwei",
        "0.9061 gwei",
        "2 gwei",
        "123500 gwei",
    ]


def test_names():
    assert text.fee(500) == "0.05%"
    assert text.fee(3000) == "0.3%"
    assert text.signal_name(255) == "00000000000000ff"
    assert text.short_hash(bytes(range(32))) == "0x00010203…1d1e1f"
    assert text.venue_name(302) == "SushiSwap"
    assert text.venue_name(65_000) == "venue 65000"
    assert text.venue_name(12_345) == "venue 12345"
    assert text.pool_name(Instrument(301, bytes(20), (), 500)) == "Uniswap V3 0.05%"
