"""What stands where on a running chain, as one value that survives JSON."""

from typing import Literal

import msgspec

from alphapulse.errors import DecodeError
from alphapulse.primitives.address import Address, hex_of

__all__ = ["Manifest", "PoolEntry", "PositionEntry", "RouterEntry", "TokenEntry"]

Kind = Literal["uniswap_v2", "uniswap_v3"]


class TokenEntry(msgspec.Struct, frozen=True):
    """One token; `borrowable` when the lender lends it, `usd` when one of it stands for a dollar."""

    symbol: str
    address: Address
    decimals: int
    borrowable: bool
    usd: bool


class PoolEntry(msgspec.Struct, frozen=True):
    """One pool, its tokens in pair order; `tick_spacing` is 0 where liquidity is not concentrated."""

    address: Address
    venue: int
    kind: Kind
    token0: Address
    token1: Address
    fee_pips: int
    tick_spacing: int


class RouterEntry(msgspec.Struct, frozen=True):
    """The factory and router of a venue, and the hash its pool addresses are made from."""

    venue: int
    factory: Address
    router: Address
    init_code_hash: bytes


class PositionEntry(msgspec.Struct, frozen=True):
    """One concentrated position of the liquidity provider, by the number of its token."""

    token_id: int
    pool: Address
    tick_lower: int
    tick_upper: int


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a node needs to know of the chain."""

    chain_id: int
    rpc_ws: str
    rpc_http: str
    block_time_ms: int
    tokens: tuple[TokenEntry, ...]
    pools: tuple[PoolEntry, ...]
    lender: Address
    premium_bps: int
    wrapped_native: Address
    multicall: Address
    quoter: Address
    position_manager: Address
    routers: tuple[RouterEntry, ...]
    positions: tuple[PositionEntry, ...]
    contract: Address | None = None

    def token(self, symbol: str) -> TokenEntry:
        """Return the token of that symbol."""
        return next(token for token in self.tokens if token.symbol == symbol)

    def router(self, venue: int) -> RouterEntry:
        """Return the router of that venue."""
        return next(router for router in self.routers if router.venue == venue)

    def to_json(self) -> bytes:
        """Return readable JSON with addresses as hex."""
        plain = _hex_for_bytes(msgspec.to_builtins(self, builtin_types=(bytes,)))
        return msgspec.json.format(msgspec.json.encode(plain), indent=2)

    @classmethod
    def from_json(cls, raw: bytes) -> "Manifest":
        """Return the manifest that `to_json` wrote.

        Raises  DecodeError when it has another shape.
        """
        try:
            return msgspec.convert(_bytes_for_hex(msgspec.json.decode(raw)), cls)
        except (msgspec.MsgspecError, ValueError) as error:
            raise DecodeError("bad_manifest", 0, str(error)) from error


def _hex_for_bytes(value: object) -> object:
    if isinstance(value, bytes):
        return hex_of(value)
    if isinstance(value, dict):
        return {key: _hex_for_bytes(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_hex_for_bytes(item) for item in value]
    return value


def _bytes_for_hex(value: object) -> object:
    if isinstance(value, str) and value.startswith("0x"):
        return bytes.fromhex(value[2:])
    if isinstance(value, dict):
        return {key: _bytes_for_hex(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_bytes_for_hex(item) for item in value]
    return value
