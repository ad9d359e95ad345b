"""Messages in plain words: every type has all its fields, numbers keep their value, unknown parts their bytes."""

import json
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alphapulse.primitives.instrument_id import InstrumentId
from alphapulse.protocol.header import Header
from alphapulse.protocol.market_data import InstrumentMeta, Trade
from alphapulse.protocol.message import Message, RawTlv
from alphapulse.protocol.plain import instrument_text, plain_message, plain_tlv, sentence
from alphapulse.protocol.registry import REGISTRY, Row
from support.protocol_strategies import tlvs_of


@pytest.mark.parametrize("row", REGISTRY, ids=lambda row: row.tlv.__name__)
@settings(max_examples=8, deadline=None, print_blob=True)
@given(data=st.data())
def test_every_field_of_every_type_is_told(row: Row, data: st.DataObject) -> None:
    tlv = data.draw(tlvs_of(row))
    told = json.loads(msgspec.json.encode(plain_tlv(tlv)))
    assert (told["type"], told["tlv"]) == (row.number, row.tlv.__name__)
    assert set(told) == {"type", "tlv", *row.tlv.__struct_fields__}
    assert sentence(Message(Header(1, 2, 0, 1, 1), (tlv, tlv))).isprintable()


def test_numbers_keep_their_value() -> None:
    trade = Trade(InstrumentId.coin(100, "BTC"), -45_123_50000001, 2**60, 1, 2**63)
    told = plain_tlv(trade)
    assert Decimal(str(told["price"])) * 10**8 == trade.price
    assert Decimal(str(told["volume"])) * 10**8 == trade.volume
    assert (told["side"], told["event_ns"]) == ("sell", str(2**63))
    assert told["instrument"] == "binance:BTC"


def test_values_without_a_name_stay_numbers_and_bits_are_all_told() -> None:
    told = plain_message(Message(Header(1, 17, 0, 1, 1), (RawTlv(150, b"\x01"),)))
    assert told["source"] == "17"
    assert told["tlvs"] == [{"type": 150, "tlv": "unknown", "payload": "0x01"}]
    row = next(row for row in REGISTRY if row.tlv is InstrumentMeta)
    fields = dict.fromkeys(row.tlv.__struct_fields__, 0)
    fields |= {"instrument": InstrumentId(0, 0, 0, 0), "key": b"", "hooks": b"", "leg": ()}
    meta = InstrumentMeta(**{**fields, "symbol": "", "flags": 0x8003})
    assert plain_tlv(meta)["flags"] == "dynamic_fee|hooks|0x8000"


@pytest.mark.parametrize(
    ("instrument", "text"),
    [
        (InstrumentId.venue_wildcard(405), "polygon_uniswap_v3:*"),
        (InstrumentId.spot_pair(100, "BTCUSDT"), "binance:BTCUSDT"),
        (InstrumentId.spot_pair(100, "1000PEPEUSDT"), "100/55/0/a40514a4a5d608fb"),
        (InstrumentId(9_999, 100, 0, 1), "9999/100/0/0000000000000001"),
    ],
)
def test_ids_are_told_by_symbol_where_their_bits_say_it(
    instrument: InstrumentId, text: str
) -> None:
    assert instrument_text(instrument) == text
