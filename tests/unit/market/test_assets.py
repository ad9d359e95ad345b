"""Which instruments have equal base tokens. Oracle: section 3.4 of the wire protocol, written out by hand."""

import pytest

from alphapulse.errors import Misconfigured
from alphapulse.market.assets import AssetClass, AssetKey, AssetTable, ChainMember, CoinMember
from alphapulse.market.instruments import ClassConflict, InstrumentRegistry
from alphapulse.primitives.address import Address
from alphapulse.primitives.instrument_id import InstrumentId
from alphapulse.primitives.venue import Venue
from alphapulse.protocol.market_data import InstrumentKind, InstrumentMeta, Leg
from support.universe import address_of

USDC_1, USDC_137, USDC_E = address_of("usdc"), address_of("usdc on 137"), address_of("usdc.e")
WETH_1, WETH_137 = address_of("weth"), address_of("weth on 137")
TABLE = AssetTable(
    (
        AssetClass(
            1,
            "ETH",
            (
                ChainMember(1, Address(WETH_1)),
                ChainMember(1, Address(bytes(20))),
                ChainMember(137, Address(WETH_137)),
                CoinMember(Venue.BINANCE, "ETH"),
            ),
        ),
        AssetClass(
            2,
            "USDC",
            (
                ChainMember(1, Address(USDC_1)),
                ChainMember(137, Address(USDC_137)),
                CoinMember(Venue.BINANCE, "USDC"),
            ),
        ),
    )
)


def meta(instrument, kind, *, chain_id=0, key=b"", legs=(), symbol="", asset_class=0):
    return InstrumentMeta(
        instrument, chain_id, kind, 0, 18, key, 0, 0, 0, bytes(20), 0, 0, asset_class, 1, tuple(legs), symbol,
    )  # fmt: skip


def token(venue, chain_id, address, *, asset_class=0):
    identity = InstrumentId.token(venue, address)
    return meta(
        identity, InstrumentKind.TOKEN, chain_id=chain_id, key=address, asset_class=asset_class
    )


def pool(name, venue, chain_venue, chain_id, tokens):
    legs = [Leg(InstrumentId.token(chain_venue, address), address, 18) for address in tokens]
    key = address_of(name)
    return meta(
        InstrumentId.pool(venue, key), InstrumentKind.POOL, chain_id=chain_id, key=key, legs=legs
    )


def pair(venue, base, quote):
    legs = [Leg(InstrumentId.coin(venue, symbol), bytes(20), 8) for symbol in (base, quote)]
    identity = InstrumentId.spot_pair(venue, base + quote)
    return meta(identity, InstrumentKind.SPOT_PAIR, legs=legs, symbol=base + quote)


ETHEREUM = pool("a", 301, Venue.ETHEREUM, 1, (USDC_1, WETH_1))
POLYGON = pool("b", 405, Venue.POLYGON, 137, (WETH_137, USDC_137))
BRIDGED = pool("c", 405, Venue.POLYGON, 137, (WETH_137, USDC_E))
NATIVE = pool("d", 311, Venue.ETHEREUM, 1, (bytes(20), USDC_1))
BINANCE = pair(Venue.BINANCE, "ETH", "USDC")
KRAKEN = pair(Venue.KRAKEN, "ETH", "USDC")


def test_the_same_pair_on_two_chains_and_an_exchange_has_equal_base_tokens() -> None:
    expected = (AssetKey("class", 1, b""), AssetKey("class", 2, b""))
    for instrument in (ETHEREUM, POLYGON, NATIVE, BINANCE):
        assert TABLE.base_tokens(instrument) == expected


def test_a_bridged_token_and_a_coin_of_another_venue_equal_only_themselves() -> None:
    assert TABLE.base_tokens(BRIDGED) != TABLE.base_tokens(POLYGON)
    assert TABLE.base_tokens(KRAKEN) != TABLE.base_tokens(BINANCE)
    unlisted = InstrumentId.token(Venue.POLYGON, USDC_E)
    assert TABLE.base_tokens(BRIDGED)[-1] == AssetKey("id", 0, unlisted.pack())


def test_an_empty_table_makes_nothing_equal() -> None:
    registry = InstrumentRegistry()
    for instrument in (ETHEREUM, POLYGON):
        registry.announce(instrument)
    assert registry.base_tokens(ETHEREUM.instrument) != registry.base_tokens(POLYGON.instrument)


def test_nothing_is_known_of_what_was_not_announced() -> None:
    registry = InstrumentRegistry(TABLE)
    assert registry.base_tokens(ETHEREUM.instrument) is None
    assert registry.asset_key(ETHEREUM.leg[0].leg_id) is None


def test_asset_key_takes_the_whole_address_not_the_id() -> None:
    near = USDC_1[:8] + bytes(12)
    assert TABLE.asset_key(token(Venue.ETHEREUM, 1, USDC_1)) == AssetKey("class", 2, b"")
    assert TABLE.asset_key(token(Venue.ETHEREUM, 1, near)).kind == "id"
    assert TABLE.asset_key(token(Venue.POLYGON, 137, USDC_1)).kind == "id"


def test_an_announced_class_that_differs_is_told_once_and_ignored() -> None:
    registry = InstrumentRegistry(TABLE)
    mine = token(Venue.ETHEREUM, 1, USDC_1, asset_class=2)
    theirs = token(Venue.POLYGON, 137, USDC_137, asset_class=9)
    for announced in (mine, theirs, token(Venue.ETHEREUM, 1, WETH_1)):
        registry.announce(announced)
    assert registry.take_class_conflicts() == (ClassConflict(theirs.instrument, 9, 2),)
    assert registry.asset_key(theirs.instrument) == AssetKey("class", 2, b"")
    registry.announce(token(Venue.POLYGON, 137, USDC_137, asset_class=8))
    assert registry.take_class_conflicts() == ()


@pytest.mark.parametrize(
    "classes",
    [
        (AssetClass(0, "A", ()),),
        (AssetClass(2**32, "A", ()),),
        (AssetClass(1, "A", ()), AssetClass(1, "B", ())),
        (
            AssetClass(1, "A", (CoinMember(100, "ETH"),)),
            AssetClass(2, "B", (CoinMember(100, "ETH"),)),
        ),
    ],
)
def test_a_table_that_contradicts_itself_is_refused(classes: tuple[AssetClass, ...]) -> None:
    with pytest.raises(Misconfigured):
        AssetTable(classes)
