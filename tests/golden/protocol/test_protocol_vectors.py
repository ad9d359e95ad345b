"""The golden vectors of the wire protocol. Oracle: the bytes and values the protocol publishes."""

import hashlib
import hmac
from pathlib import Path
from zlib import crc32

import pytest

from alphapulse.errors import DecodeError
from alphapulse.primitives.instrument_id import InstrumentId
from alphapulse.protocol.codec import decode, encode, encode_tlv, payload_of
from alphapulse.protocol.execution import Command
from alphapulse.protocol.header import Header
from alphapulse.protocol.market_data import (
    BookLevel,
    ChainEvent,
    InstrumentMeta,
    L2Snapshot,
    Leg,
    PoolSwap,
    Quote,
    StateInvalidation,
    Trade,
)
from alphapulse.protocol.message import Message, RawTlv
from alphapulse.protocol.signals import (
    ArbitrageSignal,
    AssetCorrelation,
    CrossChainArbitrage,
    SignalIdentity,
)
from alphapulse.protocol.system import TraceContext

T = 1_700_000_000_000_000_000
USDC = bytes.fromhex("A0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48")
WETH = bytes.fromhex("C02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2")
POOL_500 = bytes.fromhex("88e6A0c2dDD26FEEb64F039a2c41296FcB3f5640")
POOL_3000 = bytes.fromhex("8ad599c3A0ff1De082011EFDDc58f1908eb6e6D8")
BTC = InstrumentId.coin(100, "BTC")
TRACE = TraceContext(
    trace_id=0x0AF7651916CD43DD8448EB211C80319C, span_id=0xB7AD6B7169203331, flags=1
)
HEX = dict(
    line.split()
    for line in Path(__file__).with_name("messages.txt").read_text("ascii").splitlines()
    if not line.startswith("#")
)


def _command() -> Command:
    unsigned = Command(
        command_id=bytes(range(0xA0, 0xB0)),
        command=1,
        argument=0,
        strategy_id=1,
        target=0x1122334455667788,
        issued=T,
        expires=T + 10 * 10**9,
        operator=hashlib.sha256(b"alice").digest()[:16],
        key_id=1,
        mac=bytes(32),
    )
    text = b"alphapulse/command/1" + payload_of(unsigned)[:64]
    mac = hmac.new(bytes(range(32)), text, hashlib.sha256).digest()
    return Command(*(getattr(unsigned, name) for name in unsigned.__struct_fields__[:-1]), mac)


MESSAGES = {
    "V1": (
        0x0A164616,
        Message(
            Header(1, 1, 0, 42, T + 1),
            (Trade(BTC, price=4512350000000, volume=12345678, side=0, event_ns=T),),
        ),
    ),
    "V2": (
        0x2908010E,
        Message(
            Header(1, 1, 0, 43, T + 2),
            (Quote(BTC, 4512340000000, 150000000, 4512350000000, 75000000, T),),
        ),
    ),
    "V3": (
        0x9A858799,
        Message(
            Header(1, 6, 0x10, 7, T + 3),
            (
                Trade(InstrumentId.pool(301, POOL_500), 49726, 1000 * 10**8, 1, T),
                PoolSwap(
                    venue=301,
                    pool=POOL_500,
                    token_in=USDC,
                    token_out=WETH,
                    amount_in=1000000000,
                    amount_out=497264676616915422,
                    decimals_in=6,
                    decimals_out=18,
                    sqrt_price_x96_after=1767183122022033875155620154763389,
                    tick_after=200261,
                    liquidity_after=20217042631528184321,
                    event_ns=T,
                    block=18937400,
                ),
                ChainEvent(
                    chain_id=1,
                    block=18937400,
                    block_hash=hashlib.sha256(b"block").digest(),
                    tx_hash=hashlib.sha256(b"tx").digest(),
                    tx_index=17,
                    log_index=203,
                    flags=0,
                ),
                TRACE,
            ),
        ),
    ),
    "V4": (
        0x5E83232B,
        Message(
            Header(2, 20, 0x10, 12, T + 4),
            (
                ArbitrageSignal(
                    signal_id=0x1122334455667788,
                    strategy_id=1,
                    confidence=85,
                    decimals=6,
                    chain_id=1,
                    source_venue=301,
                    target_venue=301,
                    source_pool=POOL_500,
                    target_pool=POOL_3000,
                    profit_token=USDC,
                    mid_token=WETH,
                    amount_in=1000000000,
                    gross_profit=12345678,
                    flash_fee=500000,
                    gas_cost=2100000,
                    slippage_allowance=300000,
                    net_profit=9445678,
                    min_profit=11545678,
                    net_profit_usd=944567800,
                    spread_bps=123,
                    valid_until_block=18937402,
                    observed_block=18937400,
                    event_ns=T,
                ),
                TRACE,
            ),
        ),
    ),
    "V5": (0x2D1C3E71, Message(Header(4, 65, 0x10, 3, T + 5), (TRACE,))),
    "V6": (
        0xF1DE318D,
        Message(
            Header(1, 4, 0, 9, T + 6),
            (
                StateInvalidation(
                    InstrumentId.pool(
                        405, bytes.fromhex("45dDa9cb7c25131DF268515131f647d726f50608")
                    ),
                    action=1,
                    reason=0,
                ),
                StateInvalidation(InstrumentId.venue_wildcard(405), action=1, reason=0),
            ),
        ),
    ),
    "V7": (
        0x0B310415,
        Message(
            Header(1, 1, 0, 44, T + 7),
            (
                L2Snapshot(
                    InstrumentId.spot_pair(100, "BTCUSDT"),
                    book_seq=1000,
                    event_ns=T,
                    part=0,
                    parts=1,
                    bid=tuple(
                        BookLevel(4512340000000 - 1000000 * i, 10000000 * (i + 1)) for i in range(7)
                    ),
                    ask=tuple(
                        BookLevel(4512350000000 + 1000000 * i, 20000000 * (i + 1)) for i in range(7)
                    ),
                ),
            ),
        ),
    ),
    "V8": (
        0x13B54CE8,
        Message(
            Header(2, 24, 0, 4, T + 8),
            (
                CrossChainArbitrage(
                    signal_id=0x0102030405060708,
                    strategy_id=2,
                    confidence=70,
                    source_chain_id=42161,
                    dest_chain_id=1,
                    bridge_protocol=3,
                    gross_profit=25000000,
                    bridge_cost=4000000,
                    source_gas_cost=150000,
                    dest_gas_cost=3500000,
                    timing_risk=40,
                    source_pool=b"\x11" * 20,
                    dest_pool=POOL_500,
                    bridge_address=b"\x22" * 20,
                    profit_decimals=6,
                ),
                AssetCorrelation(
                    base=InstrumentId.arbitrum_token(
                        bytes.fromhex("82aF49447D8a07e3bd95BD0d56f35241523fBab1")
                    ),
                    quote=InstrumentId.arbitrum_token(
                        bytes.fromhex("af88d065e77c8cC2239327C5EDb3A432268e5831")
                    ),
                ),
            ),
        ),
    ),
    "V9": (0xC31E6EF7, Message(Header(3, 60, 0, 5, T + 9), (_command(),))),
    "V10": (
        0x78FD75E0,
        Message(
            Header(1, 6, 0, 8, T + 10),
            (
                InstrumentMeta(
                    InstrumentId.pool(301, POOL_500),
                    chain_id=1,
                    kind=2,
                    pool_type=1,
                    decimals=0,
                    key=POOL_500,
                    fee_pips=500,
                    tick_spacing=10,
                    flags=0,
                    hooks=bytes(20),
                    price_step=0,
                    size_step=0,
                    asset_class=0,
                    event_ns=T,
                    leg=(
                        Leg(InstrumentId.ethereum_token(USDC), USDC, 6),
                        Leg(InstrumentId.ethereum_token(WETH), WETH, 18),
                    ),
                    symbol="USDC/WETH 0.05%",
                ),
            ),
        ),
    ),
}


def test_every_published_vector_is_covered() -> None:
    assert list(HEX) == list(MESSAGES)


@pytest.mark.parametrize("name", MESSAGES)
def test_vector_decodes_to_its_values(name: str) -> None:
    assert decode(bytes.fromhex(HEX[name])) == MESSAGES[name][1]


@pytest.mark.parametrize("name", MESSAGES)
def test_values_encode_to_the_vector(name: str) -> None:
    crc, message = MESSAGES[name]
    encoded = encode(message)
    assert encoded.hex() == HEX[name]
    assert int.from_bytes(encoded[28:32], "little") == crc


def test_large_snapshot_travels_in_the_extended_form() -> None:
    assert bytes.fromhex(HEX["V7"])[32:37].hex() == "ff00110201"
    assert encode_tlv(RawTlv(203, bytes(300)))[:5].hex() == "ff00cb2c01"


def test_checksum_is_the_zlib_crc_and_extended_header_is_as_published() -> None:
    assert crc32(b"123456789") == 0xCBF43926
    leg = Leg(InstrumentId.ethereum_token(USDC), USDC, 6)
    meta = MESSAGES["V10"][1].tlvs[0]
    assert isinstance(meta, InstrumentMeta)
    fields = {name: getattr(meta, name) for name in meta.__struct_fields__}
    fields |= {"leg": (leg,) * 5, "symbol": "x" * 19}  # 116 + 5 * 33 + 19 = 300
    assert encode_tlv(InstrumentMeta(**fields))[:5].hex() == "ff00042c01"


def test_signal_identity_payload() -> None:
    identity = SignalIdentity(
        strategy_id=7, signal_id=0x1122334455667788, nonce=9, confidence=85, chain_id=137
    )
    assert payload_of(identity).hex() == "0700887766554433221109000000558900000000"


@pytest.mark.parametrize(
    ("instrument", "fields", "text"),
    [
        (
            InstrumentId.ethereum_token(USDC),
            (200, 50, 0xA0B86991C6218B36),
            "c8003200368b21c69169b8a0",
        ),
        (
            InstrumentId.polygon_token(bytes.fromhex("3c499c542cEF5E3811e1192ce70d8cC03d5c3359")),
            (202, 50, 0x3C499C542CEF5E38),
            "ca003200385eef2c549c493c",
        ),
        (
            InstrumentId.pool(301, POOL_500),
            (301, 100, 0x88E6A0C2DDD26FEE),
            "2d016400ee6fd2ddc2a0e688",
        ),
        (
            InstrumentId.pool(301, POOL_3000),
            (301, 100, 0x8AD599C3A0FF1DE0),
            "2d016400e01dffa0c399d58a",
        ),
        (
            InstrumentId.pool(311, bytes(range(0x10, 0x30))),
            (311, 100, 0x1011121314151617),
            "370164001716151413121110",
        ),
        (InstrumentId.stock(2, "AAPL"), (2, 1, 0x4141504C00000000), "02000100000000004c504141"),
        (InstrumentId.bond(1, "912828ZT"), (1, 2, 0x3931323832385A54), "01000200545a383238323139"),
        (BTC, (100, 51, 0x4254430000000000), "640033000000000000435442"),
        (
            InstrumentId.spot_pair(100, "BTCUSDT"),
            (100, 55, 0x4254435553445400),
            "640037000054445355435442",
        ),
        (
            InstrumentId.spot_pair(100, "1000PEPEUSDT"),
            (100, 55, 0xA40514A4A5D608FB),
            "64003700fb08d6a5a41405a4",
        ),
        (InstrumentId.venue_wildcard(405), (405, 0, 0), "950100000000000000000000"),
    ],
)
def test_instrument_id_vector(
    instrument: InstrumentId, fields: tuple[int, int, int], text: str
) -> None:
    assert instrument == InstrumentId(fields[0], fields[1], 0, fields[2])
    assert instrument.pack().hex() == text
    assert InstrumentId.unpack(bytes.fromhex(text)) == instrument


V1 = bytes.fromhex(HEX["V1"])


def _changed(*places: tuple[int, bytes]) -> bytes:
    data = bytearray(V1)
    for offset, new in places:
        data[offset : offset + len(new)] = new
    return bytes(data)


def _fixed(data: bytes) -> bytes:
    crc = crc32(data[32:], crc32(data[:28]))
    return data[:28] + crc.to_bytes(4, "little") + data[32:]


def _with_payload(payload: bytes) -> bytes:
    return _fixed(V1[:8] + len(payload).to_bytes(4, "little") + V1[12:32] + payload)


MALFORMED = {
    "first 31 bytes only": (V1[:31], "truncated", 0),
    "byte 0 is 00": (_changed((0, b"\0")), "bad_magic", 0),
    "byte 5 is 02": (_fixed(_changed((5, b"\2"))), "bad_version", 5),
    "byte 4 is 05": (_fixed(_changed((4, b"\5"))), "bad_domain", 4),
    "byte 7 is 01": (_fixed(_changed((7, b"\1"))), "bad_flags", 7),
    "huge payload_size": (_changed((8, b"\xff\xff\xff\x7f")), "too_large", 8),
    "last byte removed": (V1[:-1], "truncated", 8),
    "one byte appended": (V1 + b"\0", "trailing_bytes", 8),
    "byte 50 flipped": (_changed((50, bytes((V1[50] ^ 1,)))), "bad_checksum", 28),
    "byte added to payload": (_with_payload(V1[32:] + b"\0"), "tlv_truncated", 71),
    "type 0": (_fixed(_changed((32, b"\0"))), "bad_type", 32),
    "second marker byte": (_fixed(_changed((32, b"\xff\1"))), "bad_extended", 32),
    "length 0x26": (_fixed(_changed((33, b"\x26"))), "tlv_overrun", 32),
    "36 Trade bytes": (_with_payload(b"\1\x24" + V1[34:70]), "bad_size", 32),
    "side 7": (_fixed(_changed((62, b"\7"))), "bad_value", 32),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_variant_of_v1(name: str) -> None:
    data, kind, offset = MALFORMED[name]
    with pytest.raises(DecodeError) as caught:
        decode(data)
    assert (caught.value.kind, caught.value.offset) == (kind, offset)


def test_vendor_type_is_accepted() -> None:
    message = decode(_with_payload(bytes.fromhex("c802aabb")))
    assert message.tlvs == (RawTlv(200, b"\xaa\xbb"),)
    assert encode(message) == _with_payload(bytes.fromhex("c802aabb"))
