"""What the collector refuses to be told, and what it does not tell."""

import msgspec
import pytest

from alphapulse.errors import Misconfigured
from support.collecting import POOLS, TOKENS, V2_POOL, V3_POOL, collector_config


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"chain_id": 0}, "chain_id"),
        ({"source": 0}, "source"),
        ({"priority_fee_per_gas": -1}, "priority_fee_per_gas"),
        ({"reconnect_min_ms": 0}, "reconnect_min_ms"),
        ({"reconnect_max_ms": 1}, "reconnect_max_ms"),
        ({"max_gap_blocks": 0}, "max_gap_blocks"),
        ({"silent_blocks": 0}, "silent_blocks"),
        ({"log_range_blocks": 0}, "log_range_blocks"),
        ({"pools": (V2_POOL, V2_POOL)}, "listed once"),
        ({"tokens": TOKENS[:1]}, "`tokens`"),
        ({"tokens": (msgspec.structs.replace(TOKENS[0], decimals=99), TOKENS[1])}, "decimals"),
        ({"pools": (msgspec.structs.replace(V3_POOL, tick_spacing=0),)}, "tick_spacing"),
        ({"pools": (msgspec.structs.replace(V2_POOL, tick_spacing=1),)}, "tick_spacing"),
        ({"pools": (msgspec.structs.replace(V2_POOL, fee_pips=10**6),)}, "fee_pips"),
        (
            {"pools": (msgspec.structs.replace(V2_POOL, token0=V2_POOL.token1),)},
            "`token0` must be below",
        ),
    ],
)
def test_nonsense_is_refused_by_name(changes, named):
    with pytest.raises(Misconfigured, match=named):
        collector_config("ws://127.0.0.1:1", **changes)


def test_the_endpoint_is_never_shown_whole():
    config = collector_config("wss://user:word@node.example/v3/secret")
    assert "secret" not in repr(config)
    assert "word" not in repr(config)
    assert "node.example" in repr(config)
    assert config.pools == POOLS
