"""Reads the asset-equivalence table, a fact of the world that deployments share, into the market's own value."""

import tomllib
from pathlib import Path
from typing import Annotated

import msgspec

from alphapulse.errors import Misconfigured
from alphapulse.market.assets import AssetClass, AssetTable, ChainMember, CoinMember
from alphapulse.node.config import HexAddress, to_address, venue_number

__all__ = ["load_assets", "parse_assets"]

ChainKey = Annotated[str, msgspec.Meta(pattern="^[1-9][0-9]{0,18}$")]
Symbol = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


class _Asset(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One class as the file writes it."""

    number: int = msgspec.field(name="class")
    symbol: Symbol = msgspec.field()
    on: dict[ChainKey, list[HexAddress]] = {}
    at: dict[str, Symbol] = {}


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    asset: list[_Asset] = []


def load_assets(path: Path) -> AssetTable:
    """Return the table of a file.

    Raises  Misconfigured naming the file, the key and the rule.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"asset table `{path}` cannot be read: {error}") from error
    return parse_assets(text, name=str(path))


def parse_assets(text: str, *, name: str) -> AssetTable:
    """Return the table that a TOML text describes; `name` is what errors call it."""
    try:
        held = msgspec.convert(tomllib.loads(text), _File)
        return AssetTable(_class_of(asset) for asset in held.asset)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise Misconfigured(f"asset table `{name}`: {error}") from error
    except Misconfigured as error:
        raise Misconfigured(f"asset table `{name}`: {error}") from error


def _class_of(asset: _Asset) -> AssetClass:
    tokens = [
        ChainMember(int(chain), to_address(address))
        for chain, addresses in asset.on.items()
        for address in addresses
    ]
    coins = [CoinMember(venue_number(venue), symbol) for venue, symbol in asset.at.items()]
    return AssetClass(asset.number, asset.symbol, (*tokens, *coins))
