"""Instrument ids, venues and the three forms of a liquidity change."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alphapulse.errors import DecodeError, ValueOutOfRange
from alphapulse.primitives.instrument_id import InstrumentId
from alphapulse.primitives.venue import Venue, chain_id_of, chain_venue
from alphapulse.protocol.header import Header
from alphapulse.protocol.market_data import (
    Liquidity,
    LiquidityKind,
    PoolBurn,
    PoolMint,
    liquidity_of,
)
from alphapulse.protocol.message import Message

WORDS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=8)
IDS = st.builds(
    InstrumentId,
    st.integers(0, 2**16 - 1),
    st.integers(0, 255),
    st.integers(0, 255),
    st.integers(0, 2**64 - 1),
)


@given(WORDS)
def test_a_short_symbol_reverses_from_the_bits(symbol: str) -> None:
    assert InstrumentId.coin(100, symbol).symbol() == symbol
    assert InstrumentId.coin(100, symbol).asset_id < 2**63


@pytest.mark.parametrize("symbol", ["123456789", "ÄÖÜ", "A B", "BTC/USDT-PERP"])
def test_a_long_symbol_sets_bit_63_and_does_not_reverse(symbol: str) -> None:
    long = InstrumentId.spot_pair(100, symbol)
    assert long.asset_id >= 2**63
    with pytest.raises(DecodeError) as caught:
        long.symbol()
    assert caught.value.kind == "bad_value"


@pytest.mark.parametrize("asset_id", [0, 0x4100420000000000, 0x0041000000000000])
def test_a_byte_after_a_zero_is_no_symbol(asset_id: int) -> None:
    with pytest.raises(DecodeError):
        InstrumentId(100, 51, 0, asset_id).symbol()


@pytest.mark.parametrize("symbol", ["", "\ud800"])
def test_what_no_symbol_can_be_is_refused(symbol: str) -> None:
    with pytest.raises(ValueOutOfRange):
        InstrumentId.coin(100, symbol)


@given(IDS, IDS)
def test_the_key_is_lossless_and_orders_like_the_id(one: InstrumentId, other: InstrumentId) -> None:
    assert (one.key() < other.key()) == (one < other)
    assert (one.key() == other.key()) == (one == other)
    assert InstrumentId.unpack(b"..." + one.pack(), 3) == one


def test_text_form() -> None:
    assert str(InstrumentId.coin(100, "BTC")) == "100/51/0/4254430000000000"


@pytest.mark.parametrize(
    ("instrument", "asset_type"),
    [
        (InstrumentId.etf(1, "SPY"), 3),
        (InstrumentId.commodity(800, "GC"), 4),
        (InstrumentId.currency(803, "EUR"), 5),
        (InstrumentId.market_index(1, "SPX"), 6),
        (InstrumentId.option(700, "X"), 150),
        (InstrumentId.future(801, "ES"), 151),
        (InstrumentId.perpetual(701, "BTC"), 152),
        (InstrumentId.lp_token(InstrumentId.pool(300, bytes(range(20)))), 101),
    ],
)
def test_asset_types(instrument: InstrumentId, asset_type: int) -> None:
    assert instrument.asset_type == asset_type


@pytest.mark.parametrize("name", ["ethereum", "polygon", "arbitrum", "base"])
def test_token_venue_and_chain_agree(name: str) -> None:
    token = getattr(InstrumentId, f"{name}_token")(bytes(range(1, 21)))
    chain_id = chain_id_of(token.venue)
    assert chain_id is not None
    assert chain_venue(chain_id) == token.venue
    assert token.asset_id == 0x0102030405060708


@pytest.mark.parametrize(
    ("venue", "chain_id"),
    [
        (Venue.UNISWAP_V3, 1),
        (Venue.POLYGON_UNISWAP_V3, 137),
        (Venue.BSC_PANCAKE, 56),
        (Venue.ARBITRUM_CAMELOT_V2, 42161),
        (Venue.BASE_AERODROME, 8453),
        (399, 1),
        (Venue.BINANCE, None),
        (Venue.TEST_A, None),
    ],
)
def test_the_venue_of_a_pool_gives_its_chain(venue: int, chain_id: int | None) -> None:
    assert chain_id_of(venue) == chain_id


COMMON = (301, bytes(20), bytes(20), bytes(20), bytes(20), -10, 10, 5, 6, 7, 18, 6, 1)


def test_mint_and_burn_read_as_liquidity_and_never_twice() -> None:
    header = Header(1, 6, 0, 1, 1)
    mint, burn = PoolMint(*COMMON), PoolBurn(*COMMON)
    liquidity = Liquidity(*COMMON, kind=LiquidityKind.BURN)
    assert liquidity_of(Message(header, (mint,))) == Liquidity(*COMMON, kind=0)
    assert liquidity_of(Message(header, (burn,))) == liquidity
    assert liquidity_of(Message(header, (burn, liquidity))) is liquidity
    assert liquidity_of(Message(header, ())) is None
