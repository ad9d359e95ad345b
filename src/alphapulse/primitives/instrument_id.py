"""The 12-byte instrument id of the wire protocol: venue, asset type, reserved byte, asset id."""

import hashlib
import struct
from typing import NamedTuple

from alphapulse.errors import DecodeError, ValueOutOfRange
from alphapulse.primitives.venue import Venue

__all__ = [
    "ASSET_BOND",
    "ASSET_COIN",
    "ASSET_COMMODITY",
    "ASSET_CURRENCY",
    "ASSET_ETF",
    "ASSET_FUTURE",
    "ASSET_INDEX",
    "ASSET_LP_TOKEN",
    "ASSET_OPTION",
    "ASSET_PERPETUAL",
    "ASSET_POOL",
    "ASSET_SPOT_PAIR",
    "ASSET_STOCK",
    "ASSET_TOKEN",
    "ASSET_WILDCARD",
    "InstrumentId",
]

ASSET_WILDCARD = 0
ASSET_STOCK = 1
ASSET_BOND = 2
ASSET_ETF = 3
ASSET_COMMODITY = 4
ASSET_CURRENCY = 5
ASSET_INDEX = 6
ASSET_TOKEN = 50
ASSET_COIN = 51
ASSET_SPOT_PAIR = 55
ASSET_POOL = 100
ASSET_LP_TOKEN = 101
ASSET_OPTION = 150
ASSET_FUTURE = 151
ASSET_PERPETUAL = 152

_LAYOUT = struct.Struct("<HBBQ")
_LONG_SYMBOL_BIT = 1 << 63
_SYMBOL_SIZE = 8


class InstrumentId(NamedTuple):
    """Identity of an instrument; ordered and hashed by all 96 bits."""

    venue: int
    asset_type: int
    reserved: int
    asset_id: int

    @classmethod
    def venue_wildcard(cls, venue: int) -> "InstrumentId":
        """Return the id that means every instrument of a venue."""
        return cls(venue, ASSET_WILDCARD, 0, 0)

    @classmethod
    def token(cls, chain_venue: int, address: bytes) -> "InstrumentId":
        """Return the id of a token: the first 8 bytes of its address."""
        return cls(chain_venue, ASSET_TOKEN, 0, int.from_bytes(address[:8], "big"))

    @classmethod
    def ethereum_token(cls, address: bytes) -> "InstrumentId":
        """Return the id of a token on Ethereum."""
        return cls.token(Venue.ETHEREUM, address)

    @classmethod
    def polygon_token(cls, address: bytes) -> "InstrumentId":
        """Return the id of a token on Polygon."""
        return cls.token(Venue.POLYGON, address)

    @classmethod
    def arbitrum_token(cls, address: bytes) -> "InstrumentId":
        """Return the id of a token on Arbitrum."""
        return cls.token(Venue.ARBITRUM, address)

    @classmethod
    def base_token(cls, address: bytes) -> "InstrumentId":
        """Return the id of a token on Base."""
        return cls.token(Venue.BASE, address)

    @classmethod
    def pool(cls, venue: int, address_or_id: bytes) -> "InstrumentId":
        """Return the id of a pool: the first 8 bytes of its address or 32-byte pool id."""
        return cls(venue, ASSET_POOL, 0, int.from_bytes(address_or_id[:8], "big"))

    @classmethod
    def lp_token(cls, pool: "InstrumentId") -> "InstrumentId":
        """Return the id of a pool's liquidity token."""
        return cls(pool.venue, ASSET_LP_TOKEN, 0, pool.asset_id)

    @classmethod
    def stock(cls, venue: int, symbol: str) -> "InstrumentId":
        """Return the id of a stock."""
        return cls(venue, ASSET_STOCK, 0, _symbol_id(symbol))

    @classmethod
    def bond(cls, venue: int, code: str) -> "InstrumentId":
        """Return the id of a bond."""
        return cls(venue, ASSET_BOND, 0, _symbol_id(code))

    @classmethod
    def etf(cls, venue: int, symbol: str) -> "InstrumentId":
        """Return the id of an exchange-traded fund."""
        return cls(venue, ASSET_ETF, 0, _symbol_id(symbol))

    @classmethod
    def commodity(cls, venue: int, symbol: str) -> "InstrumentId":
        """Return the id of a commodity."""
        return cls(venue, ASSET_COMMODITY, 0, _symbol_id(symbol))

    @classmethod
    def currency(cls, venue: int, symbol: str) -> "InstrumentId":
        """Return the id of a currency."""
        return cls(venue, ASSET_CURRENCY, 0, _symbol_id(symbol))

    @classmethod
    def market_index(cls, venue: int, symbol: str) -> "InstrumentId":
        """Return the id of an index; the plain word is taken by the tuple's own method."""
        return cls(venue, ASSET_INDEX, 0, _symbol_id(symbol))

    @classmethod
    def coin(cls, venue: int, symbol: str) -> "InstrumentId":
        """Return the id of a coin on a chain or an exchange."""
        return cls(venue, ASSET_COIN, 0, _symbol_id(symbol))

    @classmethod
    def spot_pair(cls, venue: int, symbol: str) -> "InstrumentId":
        """Return the id of an exchange's spot pair, by its symbol without separators."""
        return cls(venue, ASSET_SPOT_PAIR, 0, _symbol_id(symbol))

    @classmethod
    def option(cls, venue: int, symbol: str) -> "InstrumentId":
        """Return the id of an option, by its contract symbol."""
        return cls(venue, ASSET_OPTION, 0, _symbol_id(symbol))

    @classmethod
    def future(cls, venue: int, symbol: str) -> "InstrumentId":
        """Return the id of a future, by its contract symbol."""
        return cls(venue, ASSET_FUTURE, 0, _symbol_id(symbol))

    @classmethod
    def perpetual(cls, venue: int, symbol: str) -> "InstrumentId":
        """Return the id of a perpetual future, by its contract symbol."""
        return cls(venue, ASSET_PERPETUAL, 0, _symbol_id(symbol))

    @classmethod
    def unpack(cls, data: bytes, offset: int = 0) -> "InstrumentId":
        """Return the id that stands at `offset`."""
        return cls(*_LAYOUT.unpack_from(data, offset))

    def pack(self) -> bytes:
        """Return the 12 wire bytes.

        Raises  ValueOutOfRange when a field does not fit.
        """
        try:
            return _LAYOUT.pack(*self)
        except struct.error as error:
            raise ValueOutOfRange(
                f"instrument id does not fit its fields: `{tuple(self)}`"
            ) from error

    def key(self) -> int:
        """Return the lossless 96-bit key, which orders like the id itself."""
        return self.venue << 80 | self.asset_type << 72 | self.reserved << 64 | self.asset_id

    def symbol(self) -> str:
        """Return the symbol of an id made by the ASCII rule.

        Raises  DecodeError(bad_value) for an empty symbol, a long one, or a byte after a zero.
        """
        if self.asset_id & _LONG_SYMBOL_BIT:
            raise DecodeError("bad_value", 4, "a long symbol reverses through the registry only")
        raw = self.asset_id.to_bytes(_SYMBOL_SIZE, "big")
        text = raw.rstrip(b"\0")
        if not text or any(not 0x21 <= byte <= 0x7E for byte in text):
            raise DecodeError("bad_value", 4, "not a symbol made by the ASCII rule")
        return text.decode("ascii")

    def __str__(self) -> str:
        return f"{self.venue}/{self.asset_type}/{self.reserved}/{self.asset_id:016x}"


def _symbol_id(symbol: str) -> int:
    if not symbol:
        raise ValueOutOfRange("a symbol must not be empty")
    if len(symbol) <= _SYMBOL_SIZE and all(0x21 <= ord(character) <= 0x7E for character in symbol):
        return int.from_bytes(symbol.encode("ascii").ljust(_SYMBOL_SIZE, b"\0"), "big")
    try:
        digest = hashlib.sha256(symbol.encode()).digest()
    except UnicodeEncodeError as error:
        raise ValueOutOfRange(f"a symbol must be UTF-8, was `{symbol!r}`") from error
    return int.from_bytes(digest[:_SYMBOL_SIZE], "big") | _LONG_SYMBOL_BIT
