"""The manifest survives JSON and refuses what is not one."""

import json

import pytest

from alphapulse.devnet.manifest import (
    Manifest,
    PoolEntry,
    PositionEntry,
    RouterEntry,
    TokenEntry,
)
from alphapulse.errors import DecodeError
from alphapulse.primitives.address import Address


def place(number: int) -> Address:
    return Address(bytes([number]) * 20)


MANIFEST = Manifest(
    chain_id=31337,
    rpc_ws="ws://127.0.0.1:1",
    rpc_http="http://127.0.0.1:1",
    block_time_ms=1000,
    tokens=(TokenEntry("WETH", place(1), 18, True, False),),
    pools=(PoolEntry(place(2), 301, "uniswap_v3", place(1), place(3), 500, 10),),
    lender=place(4),
    premium_bps=5,
    wrapped_native=place(1),
    multicall=place(5),
    quoter=place(6),
    position_manager=place(7),
    routers=(RouterEntry(301, place(8), place(9), bytes(32)),),
    positions=(PositionEntry(1, place(2), -10, 10),),
)


def test_round_trip() -> None:
    assert Manifest.from_json(MANIFEST.to_json()) == MANIFEST
    assert MANIFEST.contract is None


def test_addresses_are_hex() -> None:
    plain = json.loads(MANIFEST.to_json())
    assert plain["lender"] == "0x" + "04" * 20
    assert plain["pools"][0]["token1"] == "0x" + "03" * 20


def test_look_up() -> None:
    assert MANIFEST.token("WETH").decimals == 18
    assert MANIFEST.router(301).router == place(9)


@pytest.mark.parametrize("raw", [b"{}", b"[", MANIFEST.to_json().replace(b"0x04", b"0xzz")])
def test_refuses_other_things(raw: bytes) -> None:
    with pytest.raises(DecodeError):
        Manifest.from_json(raw)
